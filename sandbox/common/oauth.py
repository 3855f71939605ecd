"""The tokens of the authorization code flow: codes, single-use refresh tokens and their families."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CODE_SECONDS = 60


class OAuthError(Exception):
    """A refusal of the token endpoint, as RFC 6749 section 5.2 words it.

    Args:
        error: The error code of the RFC, e.g. `invalid_grant`.
        description: A sentence for people.
        status: The HTTP status.
    """

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass
class Family:
    """Everything that descends from one consent.

    Attributes:
        client_id: Who it was given to.
        scopes: What it allows.
        revoked: Whether all of its tokens are dead.
    """

    client_id: str
    scopes: tuple[str, ...]
    revoked: bool = False


@dataclass
class Code:
    """An authorization code.

    Attributes:
        family: What it opens.
        redirect_uri: The address that the code was sent to.
        expires: Epoch seconds.
        used: Whether it has been exchanged.
    """

    family: Family
    redirect_uri: str
    expires: float
    used: bool = False


@dataclass
class RefreshToken:
    """A refresh token, which works once.

    Attributes:
        family: What it belongs to.
        used: Whether it has been exchanged.
    """

    family: Family
    used: bool = False


@dataclass
class TokenStore:
    """All grants of one stand-in.

    Attributes:
        clients: Secret by client id.
        scopes: Every scope there is; empty when the system knows none.
        first_refresh_token: The refresh token that exists from the start, for a set-up without a browser.
        token_seconds: Life of an access token in seconds.
        token_type: `Bearer` as the system writes it.
        clock: Gives the time in seconds since the epoch.
    """

    clients: dict[str, str]
    scopes: tuple[str, ...]
    first_refresh_token: str
    token_seconds: int
    token_type: str
    clock: Callable[[], float]
    _codes: dict[str, Code] = field(default_factory=dict)
    _refresh: dict[str, RefreshToken] = field(default_factory=dict)
    _access: dict[str, tuple[Family, float]] = field(default_factory=dict)

    def arm(self) -> None:
        """Make the first refresh token valid again, in a family of its own; other grants stay."""
        family = Family(next(iter(self.clients)), self.scopes)
        self._refresh[self.first_refresh_token] = RefreshToken(family)

    def forget(self) -> None:
        """Drop every grant and begin again with the first refresh token."""
        self._codes.clear()
        self._refresh.clear()
        self._access.clear()
        self.arm()

    def expire_access_tokens(self) -> int:
        """End the life of every access token; the refresh tokens stay good.

        Returns:
            How many there were.
        """
        count = len(self._access)
        self._access.clear()
        return count

    def revoke_all(self) -> int:
        """Revoke every family, as a user does who withdraws consent.

        Returns:
            How many refresh tokens are dead now.
        """
        for token in self._refresh.values():
            token.family.revoked = True
        return len(self._refresh)

    def issue_code(self, client_id: str, redirect_uri: str, scopes: tuple[str, ...]) -> str:
        """Make the authorization code of a consent.

        Args:
            client_id: Who asked.
            redirect_uri: Where the code goes; the exchange must name the same.
            scopes: What the user agreed to.

        Returns:
            The code, good once and for a minute.
        """
        code = secrets.token_urlsafe(16)
        self._codes[code] = Code(Family(client_id, scopes), redirect_uri, self.clock() + CODE_SECONDS)
        return code

    def exchange(self, fields: dict[str, str]) -> dict[str, str | int]:
        """Answer a token request.

        Args:
            fields: The request's fields, with the client's credentials among them.

        Returns:
            The contract's TokenResponse.

        Raises:
            OAuthError: When it is refused.
        """
        client_id = fields.get("client_id", "")
        known = self.clients.get(client_id)
        if known is None or not secrets.compare_digest(known.encode(), fields.get("client_secret", "").encode()):
            raise OAuthError("invalid_client", "Unknown client or wrong secret", 401)
        grant_type = fields.get("grant_type")
        if grant_type is None:
            raise OAuthError("invalid_request", "grant_type is missing")
        if grant_type == "authorization_code":
            return self._issue(self._spend_code(client_id, fields))
        if grant_type == "refresh_token":
            return self._issue(self._spend_refresh_token(client_id, fields))
        raise OAuthError("unsupported_grant_type", f"{grant_type} is not offered")

    def family_of(self, access_token: str) -> Family | None:
        """Find what an access token allows.

        Args:
            access_token: The token.

        Returns:
            Its family, or None when it is unknown, expired or revoked.
        """
        family, expires = self._access.get(access_token, (None, 0.0))
        if family is None or family.revoked or self.clock() >= expires:
            return None
        return family

    def _spend_code(self, client_id: str, fields: dict[str, str]) -> Family:
        if "code" not in fields or "redirect_uri" not in fields:
            raise OAuthError("invalid_request", "code and redirect_uri are required")
        code = self._codes.get(fields["code"])
        if code is None or code.family.client_id != client_id:
            raise OAuthError("invalid_grant", "The code is unknown")
        if code.used:
            code.family.revoked = True
            raise OAuthError("invalid_grant", "The code has been used before")
        if self.clock() >= code.expires:
            raise OAuthError("invalid_grant", "The code has expired")
        if fields["redirect_uri"] != code.redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri is not the one of the authorize call")
        code.used = True
        return code.family

    def _spend_refresh_token(self, client_id: str, fields: dict[str, str]) -> Family:
        if "refresh_token" not in fields:
            raise OAuthError("invalid_request", "refresh_token is required")
        token = self._refresh.get(fields["refresh_token"])
        if token is None or token.family.client_id != client_id:
            raise OAuthError("invalid_grant", "The refresh token is unknown")
        if token.used:
            token.family.revoked = True
            raise OAuthError("invalid_grant", "The refresh token has been used before")
        if token.family.revoked:
            raise OAuthError("invalid_grant", "The consent has been withdrawn")
        token.used = True
        return token.family

    def _issue(self, family: Family) -> dict[str, str | int]:
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._access[access] = (family, self.clock() + self.token_seconds)
        self._refresh[refresh] = RefreshToken(family)
        answer: dict[str, str | int] = {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": self.token_type,
            "expires_in": self.token_seconds,
        }
        return answer | ({"scope": " ".join(family.scopes)} if self.scopes else {})
