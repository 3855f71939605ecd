"""What a model answers: plain status, headers and body; and the OAuth part that both models share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs


@dataclass
class Asked:
    """A request as it arrives."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    token: str | None


@dataclass
class Answer:
    """What goes back."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def as_json(status: int, content: Any) -> Answer:
    """Answer with JSON; amounts, which have two decimals at most, as numbers."""
    return Answer(status, json.dumps(content, default=float).encode(), {"Content-Type": "application/json"})


class Tokens:
    """A token endpoint whose refresh tokens work once; a spent one revokes the whole family (the contracts)."""

    def __init__(self, system: str, lifetime: int) -> None:
        self.system = system
        self.lifetime = lifetime
        self._count = 0
        self._access: dict[str, float] = {}
        self._refresh: str | None = None
        self._spent: set[str] = set()
        self.last_rotation = -1
        self.revoked_by: list[int] = []

    def connect(self) -> str:
        """A person gives access: the first refresh token of a new family."""
        self._access.clear()
        self._spent.clear()
        self._count += 1
        self._refresh = f"{self.system}-refresh-{self._count}"
        self.last_rotation = -1
        return self._refresh

    def expire(self) -> None:
        """Let the access token expire now."""
        self._access.clear()

    def accepts(self, token: str | None, now: float) -> bool:
        """Tell whether an access token is good."""
        return token is not None and self._access.get(token, 0.0) > now

    def exchange(self, body: bytes, now: float, event: int) -> Answer:
        """Give a new pair for a refresh token.

        Args:
            body: The form.
            now: Seconds since 1970.
            event: Place of the request in the history.
        """
        given = parse_qs(body.decode()).get("refresh_token", [""])[0]
        if given != self._refresh:
            if given in self._spent:
                self.revoked_by.append(self.last_rotation)
                self._access.clear()
                self._refresh = None
            return as_json(400, {"error": "invalid_grant"})
        self._count += 1
        self._spent.add(given)
        self._refresh = f"{self.system}-refresh-{self._count}"
        access = f"{self.system}-access-{self._count}"
        self._access[access] = now + self.lifetime
        self.last_rotation = event
        pair = {"access_token": access, "refresh_token": self._refresh, "token_type": "Bearer"}
        return as_json(200, {**pair, "expires_in": self.lifetime})
