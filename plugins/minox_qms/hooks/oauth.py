"""Access tokens for a connection: refreshed by one worker at a time, stored before use, never in a loop."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec
import sqlalchemy as sa

from include.errors import ConfigurationError, GrantRefusedError, TransientError
from include.storage.grants import Grant, GrantStore, LockedGrant, Pair, fingerprint
from minox_qms.hooks.address import NAMES
from minox_qms.hooks.http import Answer, HttpClient, Limits, Request, Timing, UnusableBodyError
from minox_qms.hooks.policy import Kind
from minox_qms.hooks.site import TOKEN_PATHS, Site

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

# All attempts and waits of a refresh together stay below the time that others wait for its lock (`LOCK_SECONDS`):
# no attempt begins after 240 seconds, and the last one ends within 10 + 60 + 60 more.
TOKEN_LIMITS: Final = Limits(connect=10, read=60, transfer=60, total=240, attempts=3, wait_cap=150, body=1024 * 1024)
STORE_PAUSES: Final = (0.5, 1, 2, 4, 8, 15)  # seconds, after each attempt to store a pair again
SHORT_LIFETIME: Final = 600  # seconds, when the endpoint does not say; a 401 refreshes sooner

_FORM: Final = (("Content-Type", "application/x-www-form-urlencoded"),)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An answer of the token endpoint that is an OAuth error (RFC 6749, section 5.2)."""

    error: str
    status: int


@dataclass(frozen=True, slots=True)
class _Received:
    """A pair that was received but perhaps not stored, with the seed it came from and the generation before it."""

    pair: Pair
    seed: str | None
    generation: int


class TokenSource:
    """Gives the access token of a connection; a `Tokens` for `HttpClient`.

    Args:
        site: Returns what the connection says; called at the first use.
        store: The stored grants.
        limits: Limits of a token request.
        timing: Clock, sleep and chance.
    """

    def __init__(
        self,
        site: Callable[[], Site],
        store: GrantStore,
        *,
        limits: Limits = TOKEN_LIMITS,
        timing: Timing | None = None,
    ) -> None:
        self._site = site
        self._store = store
        self._limits = limits
        self._timing = timing or Timing()
        self._held: tuple[Grant, str] | None = None  # a grant, and its access token as read
        self._received: _Received | None = None

    def token(self) -> str:
        """Return an access token that is valid for a while; refresh when it is about to expire.

        Raises:
            GrantRefusedError: The grant was refused, now or before, or there is none.
            ConfigurationError: The client is not accepted, or the stored tokens cannot be read.
            TransientError: The token endpoint cannot be reached.
        """
        site, held = self._site(), self._held  # looked at once: another thread may renew meanwhile
        if held is not None and held[0].is_fresh(site.issuer, self._now()):
            return held[1]
        grant = self._store.read(site.conn_id)
        if grant is None or not grant.is_fresh(site.issuer, self._now()):
            grant = self._refresh(rejected=None)
        return self._hold(grant)

    def renew(self, rejected: str) -> str:
        """Return another access token than the one that a 401 was answered to; see `token` for the errors."""
        self._held = None
        return self._hold(self._refresh(rejected=rejected))

    def exchange_code(self, code: str, redirect_uri: str) -> None:
        """Finish the code flow: exchange the code for the first pair, and store it.

        Args:
            code: From the redirect; works once, for a minute.
            redirect_uri: The one of the authorize call.

        Raises:
            GrantRefusedError: The code is not accepted; what was stored stays.
            ConfigurationError: The client is not accepted.
            TransientError: The token endpoint cannot be reached.
        """
        site = self._site()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        with self._store.locked(site.conn_id) as held:
            answer = self._ask(site, form, known=None)
            if isinstance(answer, Pair):
                held.store(answer, site.issuer, connected=True)
                self._held = None
                return
        raise GrantRefusedError(
            f"{NAMES[site.system]} does not accept the code of this sign-in; connect again.",
            detail=f"{answer.error}, connection {site.conn_id}",
            system=site.system,
        )

    def _hold(self, grant: Grant) -> str:
        """Read a grant's access token, and keep it: to decrypt it for every request takes long."""
        token = grant.access_token
        if token is None:
            raise ConfigurationError("The stored grant holds no access token; connect again.", entity="oauth_grant")
        self._held = (grant, token)
        return token

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._timing.clock(), UTC)

    def _refresh(self, rejected: str | None) -> Grant:
        """Refresh, unless another worker did so meanwhile."""
        site = self._site()
        try:
            grant = self._refresh_locked(site, rejected)
        except sa.exc.DBAPIError:
            if self._received is None:
                raise
            grant = self._store_again(site, self._received)
        # Only now, so that a refusal is committed before it is raised.
        if grant.state != "good" or grant.issuer != site.issuer:
            raise self._refused(site, grant)
        return grant

    def _refresh_locked(self, site: Site, rejected: str | None) -> Grant:
        """Hold the grant's row from looking at it until the new pair, or the refusal, is committed."""
        self._received = None
        with self._store.locked(site.conn_id) as held:
            grant = held.grant
            if grant.is_fresh(site.issuer, self._now()) and grant.access_token != rejected:
                return grant
            if grant.state == "good" and grant.issuer == site.issuer and grant.sealed_refresh is not None:
                grant = self._exchange(site, held, seed=None)
                if grant.state == "good":
                    return grant
            # A new refresh token of the connection is for the day that the stored one is refused: this may be the day.
            return self._exchange(site, held, seed=site.seed) if self._may_use_seed(site, held) else grant

    def _may_use_seed(self, site: Site, held: LockedGrant) -> bool:
        """Tell whether the connection brings a refresh token that was never used, here or by another connection."""
        if not site.seed or fingerprint(site.issuer, site.seed) in held.grant.spent_seeds:
            return False
        owner = held.claim_seed(site.issuer, site.seed)
        if owner is not None:
            raise ConfigurationError(
                f"The refresh token of this {NAMES[site.system]} connection was used by another connection already. "
                "Let the links share that connection, or connect again.",
                detail=f"connections {site.conn_id} and {owner}",
                system=site.system,
            )
        return True

    def _exchange(self, site: Site, held: LockedGrant, *, seed: str | None) -> Grant:
        refresh_token = seed or held.grant.refresh_token or ""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        answer = self._ask(site, form, known=refresh_token)
        if isinstance(answer, Pair):
            log.info("%s: new tokens for connection %s", NAMES[site.system], site.conn_id)
            self._received = _Received(answer, seed, held.grant.generation)
            return held.store(answer, site.issuer, seed=seed)
        log.warning("%s refused the refresh token of connection %s", NAMES[site.system], site.conn_id)
        if seed is not None and held.grant.state == "good" and held.grant.issuer != site.issuer:
            return held.spend(site.issuer, seed)  # the host may be a mistake: what it was before stays connected
        return held.refuse(f"{NAMES[site.system]}: {answer.error}", site.issuer, seed=seed)

    def _store_again(self, site: Site, received: _Received) -> Grant:
        """Store a pair whose transaction the database lost: its predecessor is spent, so it must not be lost too."""
        for pause in STORE_PAUSES:
            try:
                with self._store.locked(site.conn_id) as held:
                    if held.grant.generation != received.generation:
                        return held.grant  # it was committed after all, or another worker has a newer one
                    return held.store(received.pair, site.issuer, seed=received.seed)
            except sa.exc.DBAPIError:
                self._timing.sleep(pause)
        raise TransientError(
            f"The new tokens of {NAMES[site.system]} could not be stored: the database does not answer. "
            "You may have to connect again.",
            detail=f"connection {site.conn_id}",
            system="database",
        )

    def _refused(self, site: Site, grant: Grant) -> GrantRefusedError:
        """Say what a person has to do."""
        name = NAMES[site.system]
        how = "connect again on the Sync page, or put a new refresh token in the connection's extra field refresh_token"
        if grant.state == "refused" and grant.issuer == site.issuer:
            text = f"{name} has withdrawn our access: {how}."
        elif grant.state == "absent":
            text = f"The {name} connection is not connected yet: {how}."
        else:
            text = f"The {name} connection was connected to another address than it has now: {how}."
        return GrantRefusedError(
            text, detail=f"connection {site.conn_id}, {grant.message or grant.state}", system=site.system
        )

    def _ask(self, site: Site, form: dict[str, str], *, known: str | None) -> Pair | _Refusal:
        """Ask the token endpoint; client credentials go in the body.

        Args:
            site: The system.
            form: What is asked.
            known: The refresh token to keep when the answer holds none (RFC 6749, section 6).
        """
        client = HttpClient(site.system, site.base_url, limits=self._limits, timing=self._timing)
        credentials = {"client_id": site.client_id, "client_secret": site.client_secret}
        asked_at = self._now()
        request = Request(
            "POST",
            TOKEN_PATHS[site.system],
            Kind.TOKEN,
            TOKEN_PATHS[site.system],
            body=urlencode({**form, **credentials}).encode(),
            headers=_FORM,
            expected=frozenset({200, 400, 401}),
            entity="token",
        )
        try:
            answer = client.send(request, lambda answer: _read(answer, asked_at, known))
        finally:
            client.close()
        if isinstance(answer, _Refusal) and answer.error != "invalid_grant":
            raise ConfigurationError(
                f"{NAMES[site.system]} does not accept the connection's client id and secret, or this way of asking.",
                detail=f"token endpoint: {answer.error}, status {answer.status}, connection {site.conn_id}",
                system=site.system,
            )
        return answer


_OAUTH_ERRORS: Final = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)


def _read(answer: Answer, asked_at: datetime, known: str | None) -> Pair | _Refusal:
    """Read an answer of the token endpoint: a pair, or an OAuth error by its name."""
    try:
        content = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        content = None
    fields: dict[str, Any] = content if isinstance(content, dict) else {}
    if answer.status != 200:  # noqa: PLR2004 - 400 or 401, as the request says
        # Only the names of the standard: anything else might repeat what was sent.
        error = fields.get("error")
        known_error = isinstance(error, str) and error in _OAUTH_ERRORS
        return _Refusal(str(error) if known_error else "an unknown error", answer.status)
    access = _token_text(fields.get("access_token"))
    refresh = _token_text(fields.get("refresh_token")) or known
    kind = fields.get("token_type", "bearer")
    if access is None or refresh is None or not isinstance(kind, str) or kind.lower() != "bearer":
        raise UnusableBodyError("no pair of bearer tokens in the answer")
    return Pair(access, refresh, _lifetime(fields.get("expires_in")), asked_at)


def _token_text(value: object) -> str | None:
    """Return a token that fits in a header, else None."""
    return value if isinstance(value, str) and value and value.isascii() and value.isprintable() else None


def _lifetime(value: object) -> int:
    """Read `expires_in`: a number or text; a short time when it is missing or odd."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:  # noqa: PLR2004
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10**9:
        return SHORT_LIFETIME
    return max(1, int(value))
