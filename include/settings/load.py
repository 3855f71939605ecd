"""Read the links' files: `<name>.yaml` in the links directory, validated with errors that say what to mend."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import yaml
from pydantic import BaseModel, ValidationError

from include.errors import ConfigurationError
from include.settings.link import LinkSettings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as quick, and not in every build
_INT = "tag:yaml.org,2002:int"


class _Loader(_SAFE):  # type: ignore[misc]  # whichever there is
    """Reads a number only where it is written as one: YAML 1.1 takes 070 for 56 and 12:30 for 750."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _INT]
        for first, resolvers in _SAFE.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(_INT, re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def links_directory() -> Path:
    """Directory of the links' files: `MINOX_QMS_LINKS_DIR`, else `config/links` of the project."""
    return Path(os.environ.get("MINOX_QMS_LINKS_DIR") or PROJECT_ROOT / "config" / "links")


def load_link(path: Path) -> LinkSettings:
    """Read one link's file.

    Args:
        path: The YAML file; its stem is the link's name.

    Returns:
        The validated settings.

    Raises:
        ConfigurationError: Not readable, not YAML, or not valid; the message lists every fault with its place.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe one
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"The link's file {path.name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"The link's file {path.name} must hold the sections minox and qms.")
    if "name" in content:
        raise ConfigurationError(
            f"The link's file {path.name} is not valid: name: unknown key; a link is named by its file"
        )
    try:
        sections = {name: {} if section is None else section for name, section in content.items()}
        return LinkSettings.model_validate({**sections, "name": path.stem})
    except ValidationError as error:
        faults = "; ".join(_fault(detail) for detail in error.errors(include_url=False, include_input=False))
        raise ConfigurationError(f"The link's file {path.name} is not valid: {faults}") from error


def link_files(directory: Path | None = None) -> list[Path]:
    """The links' files, in order of their names.

    Args:
        directory: Where the files are; `links_directory()` when left out.

    Raises:
        ConfigurationError: The directory does not exist.
    """
    directory = directory or links_directory()
    if not directory.is_dir():
        raise ConfigurationError(f"The links directory {directory} does not exist (MINOX_QMS_LINKS_DIR).")
    return sorted(directory.glob("*.yaml"))


def load_links(directory: Path | None = None) -> dict[str, LinkSettings]:
    """Read all links.

    Args:
        directory: Where the files are; `links_directory()` when left out.

    Returns:
        The links by name, in order of their names.

    Raises:
        ConfigurationError: The directory does not exist, or a file is not valid.
    """
    return {path.stem: load_link(path) for path in link_files(directory)}


def valid_links() -> dict[str, LinkSettings]:
    """Read the links whose file is valid, and leave the others out.

    Returns:
        The links by name, in order of their names.

    Raises:
        ConfigurationError: The directory does not exist.
    """
    found = {}
    for path in link_files():
        with contextlib.suppress(ConfigurationError):
            found[path.stem] = load_link(path)
    return found


def find_link(name: str, directory: Path | None = None) -> LinkSettings:
    """Read the link of that name.

    Raises:
        ConfigurationError: There is none (the known ones are listed), or its file is not valid.
    """
    directory = directory or links_directory()
    path = directory / f"{name}.yaml"
    if Path(name).name != name or not path.is_file():
        known = ", ".join(sorted(path.stem for path in directory.glob("*.yaml"))) or "none"
        raise ConfigurationError(f"There is no link {name!r}; known: {known}.")
    return load_link(path)


def _fault(detail: ErrorDetails) -> str:
    """Say one fault: where it is, what is wrong, and for an unknown key which ones are known."""
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] != "extra_forbidden":
        return f"{place}: {detail['msg'].removeprefix('Value error, ')}"
    known = _known_keys(detail["loc"][:-1])
    close = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{place}: unknown key; {hint}known: {', '.join(known)}"


def _known_keys(section: tuple[int | str, ...]) -> list[str]:
    """Names of the keys that the section at this place has."""
    model: Any = LinkSettings
    for part in section:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return [name for name, field in model.model_fields.items() if not field.exclude]
