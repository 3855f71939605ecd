"""Faults on demand: rules that spoil chosen answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from sandbox.common.json_text import dumps

ACTIONS = frozenset(
    {
        "status",
        "apply-then-status",
        "apply-then-drop",
        "apply-then-replace",
        "drop",
        "delay",
        "drip",
        "body",
        "truncate",
        "hold",
        "hold-then-drop",
        "apply-then-hold",
    }
)
"""What a rule can do: answer something else before or after the work is done, drop the connection, wait."""

_FIELDS = frozenset(
    {"method", "path", "nth", "times", "action", "status", "headers", "body", "seconds", "find", "replace"}
)


class FaultError(ValueError):
    """A rule that cannot be understood."""


@dataclass
class Fault:
    """One rule.

    Attributes:
        number: Its own number, for the controls.
        method: The HTTP method it is for; None is any.
        path: A regular expression, searched in the path with its query.
        nth: The first matching request (counted from 1) that is spoilt.
        times: How many are spoilt from there on; None is all.
        action: One of `ACTIONS`.
        status: The HTTP status of the answer in place of the real one.
        headers: Its headers.
        body: Its body: text as it is, anything else as JSON, None is empty.
        seconds: How long `delay` waits, `hold` at most, and `drip` before every byte.
        find: A regular expression, searched in the real answer's text by `apply-then-replace`.
        replace: What comes in its place; it may name the expression's groups.
        seen: Matching requests so far.
        spoilt: Requests that were spoilt so far.
        held: Requests that wait now.
        released: Whether `hold` lets go.
    """

    number: int
    method: str | None
    path: re.Pattern[str]
    nth: int
    times: int | None
    action: str
    status: int
    headers: dict[str, str]
    body: Any
    seconds: float
    find: re.Pattern[str]
    replace: str
    seen: int = 0
    spoilt: int = 0
    held: int = 0
    released: bool = False

    @classmethod
    def parse(cls, number: int, rule: Any) -> Fault:
        """Read a rule as the controls take it.

        Args:
            number: The rule's own number.
            rule: The JSON object.

        Returns:
            The rule.

        Raises:
            FaultError: When a field is unknown or wrong.
        """
        if not isinstance(rule, dict) or not set(rule) <= _FIELDS or rule.get("action") not in ACTIONS:
            raise FaultError(f"A rule has the fields {sorted(_FIELDS)} and one of the actions {sorted(ACTIONS)}")
        try:
            action = rule["action"]
            times = rule.get("times", 1)
            return cls(
                number=number,
                method=rule["method"].upper() if rule.get("method") else None,
                path=re.compile(rule.get("path", "")),
                nth=int(rule.get("nth", 1)),
                times=None if times is None else int(times),
                action=action,
                status=int(rule.get("status", 200 if action == "body" else 503)),
                headers={str(name).lower(): str(value) for name, value in rule.get("headers", {}).items()},
                body=rule.get("body"),
                seconds=float(rule.get("seconds", 60 if "hold" in action else 1)),
                find=re.compile(rule.get("find", "")),
                replace=str(rule.get("replace", "")),
            )
        except (TypeError, ValueError, AttributeError, re.error) as problem:
            raise FaultError(f"The rule cannot be read: {problem}") from None

    @property
    def applies_first(self) -> bool:
        """Whether the real work is done before the answer is spoilt."""
        return self.action.startswith("apply-then-") or self.action in {"truncate", "drip"}

    def content(self) -> bytes:
        """Give the body of the answer in place of the real one.

        Returns:
            The bytes; empty when the rule has none.
        """
        if self.body is None:
            return b""
        return self.body.encode() if isinstance(self.body, str) else dumps(self.body)

    def as_json(self) -> dict[str, Any]:
        """Show the rule and what it has done.

        Returns:
            A JSON object.
        """
        return {
            "number": self.number,
            "method": self.method,
            "path": self.path.pattern,
            "nth": self.nth,
            "times": self.times,
            "action": self.action,
            "seen": self.seen,
            "spoilt": self.spoilt,
            "held": self.held,
        }


@dataclass
class FaultList:
    """The rules of one stand-in; the first that matches is used."""

    _rules: list[Fault] = field(default_factory=list)
    _number: int = 0
    _lock: Lock = field(default_factory=Lock)

    def add(self, rules: Any) -> list[int]:
        """Add rules behind those that are there.

        Args:
            rules: A rule or a list of them.

        Returns:
            Their numbers.

        Raises:
            FaultError: When one cannot be understood; then none is added.
        """
        with self._lock:
            wanted = rules if isinstance(rules, list) else [rules]
            parsed = [Fault.parse(self._number + place, rule) for place, rule in enumerate(wanted, 1)]
            self._number += len(parsed)
            self._rules += parsed
            return [rule.number for rule in parsed]

    def clear(self) -> None:
        """Remove every rule, and let go of what is held."""
        with self._lock:
            for rule in self._rules:
                rule.released = True
            self._rules.clear()

    def release(self) -> None:
        """Let go of what is held, now and from now on; the rules stay."""
        with self._lock:
            for rule in self._rules:
                rule.released = True

    def match(self, method: str, target: str) -> Fault | None:
        """Find the rule for a request, and count it.

        Args:
            method: The HTTP method.
            target: The path with its query.

        Returns:
            The rule that spoils this request, or None.
        """
        with self._lock:
            for rule in self._rules:
                if (rule.method and rule.method != method) or not rule.path.search(target):
                    continue
                rule.seen += 1
                if rule.seen >= rule.nth and (rule.times is None or rule.spoilt < rule.times):
                    rule.spoilt += 1
                    return rule
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Show every rule.

        Returns:
            A JSON list.
        """
        with self._lock:
            return [rule.as_json() for rule in self._rules]
