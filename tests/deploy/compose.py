"""Reads a compose file as Docker Compose does: `.env`, interpolation, env_file, what a service waits for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<operator>:?[-?+])(?P<operand>[^{}$]*))?\}|(?P<bare>[A-Za-z_]\w*))"
)
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)")


class ComposeError(Exception):
    """Docker Compose would refuse this, or this reader does not know it."""


def interpolate(text: str, variables: dict[str, str]) -> str:
    """Put variables in, by the rules of Compose: `$X`, `${X}`, `:-` and `-`, `:?` and `?`, `:+` and `+`, and `$$`.

    Args:
        text: A scalar of the file.
        variables: What is known; a name that is missing is empty text.

    Returns:
        The text with its values.

    Raises:
        ComposeError: A variable that has to be there is not, or a `$` stands for nothing.
    """

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name, operator, operand = match["name"] or match["bare"], match["operator"] or "", match["operand"] or ""
        known = variables.get(name)
        is_there = bool(known) if operator.startswith(":") else known is not None
        if operator.endswith("?") and not is_there:
            raise ComposeError(f"required variable {name} is missing a value: {operand}")
        if operator.endswith("-") and not is_there:
            return operand
        if operator.endswith("+"):
            return operand if is_there else ""
        return known or ""

    if "$" in _VARIABLE.sub("", text):
        raise ComposeError(f"invalid interpolation in {text!r}")
    return _VARIABLE.sub(value, text)


def read_env_file(path: Path) -> dict[str, str]:
    """Read a file of variables: `NAME=value`, comments, quotes.

    Args:
        path: The file.

    Returns:
        Its variables.

    Raises:
        ComposeError: A line is none of these.
    """
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(text)
        if match is None:
            raise ComposeError(f"unexpected line in {path.name}: {text!r}")
        name, value = match.groups()
        if value[:1] in {"'", '"'} and value.endswith(value[0]) and len(value) > 1:
            found[name] = value[1:-1]
        else:
            found[name] = value.partition(" #")[0].strip()
    return found


@dataclass(frozen=True)
class Service:
    """A service, with all values put in.

    Attributes:
        name: Its name.
        content: Its part of the file.
        environment: From env_file, then from environment.
    """

    name: str
    content: dict[str, Any]
    environment: dict[str, str]

    @property
    def command(self) -> list[str]:
        """What it runs; empty when the image says."""
        return list(self.content.get("command", []))

    @property
    def is_one_shot(self) -> bool:
        """Whether it comes to an end by itself."""
        return bool(self.content.get("restart") == "no")

    @property
    def waits_for(self) -> dict[str, str]:
        """Condition per service."""
        return {name: how["condition"] for name, how in self.content.get("depends_on", {}).items()}

    @property
    def check(self) -> list[str] | None:
        """The command of its health check; None when it has none."""
        if "healthcheck" not in self.content:
            return None
        kind, *words = self.content["healthcheck"]["test"]
        return ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words

    @property
    def volumes(self) -> list[tuple[str, str]]:
        """Source and target of each."""
        return [(parts[0], parts[1]) for parts in (volume.split(":") for volume in self.content.get("volumes", []))]


def read_services(project: Path) -> dict[str, Service]:
    """Read the services of the project in a directory, those of no profile.

    Args:
        project: Directory of docker-compose.yaml and .env.

    Returns:
        The services by name, each after those that it waits for.

    Raises:
        ComposeError: Docker Compose would refuse the files.
    """
    variables = read_env_file(project / ".env") if (project / ".env").exists() else {}
    content = _resolved(yaml.safe_load((project / "docker-compose.yaml").read_text(encoding="utf-8")), variables)
    found = {}
    for name, part in content["services"].items():
        if not part.get("profiles"):
            environment: dict[str, str] = {}
            for file in part.get("env_file", []):
                if not (project / file).exists():
                    raise ComposeError(f"env file {file} not found")
                environment |= read_env_file(project / file)
            environment |= {key: str(value) for key, value in part.get("environment", {}).items()}
            found[name] = Service(name, part, environment)
    return _ordered(found)


def _resolved(node: Any, variables: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _resolved(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [_resolved(value, variables) for value in node]
    return interpolate(node, variables) if isinstance(node, str) else node


def _ordered(services: dict[str, Service]) -> dict[str, Service]:
    ordered: dict[str, Service] = {}
    while len(ordered) < len(services):
        ready = [one for one in services.values() if one.name not in ordered and set(one.waits_for) <= set(ordered)]
        if not ready:
            raise ComposeError("services wait for each other, or for one that is not there")
        ordered |= {one.name: one for one in ready}
    return ordered
