"""What an Airflow connection says about a system: address, client and first refresh token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from include.errors import ConfigurationError
from minox_qms.hooks.address import NAMES, checked_base_url, is_this_machine, one_spelling

if TYPE_CHECKING:
    from airflow.sdk import Connection

AUTHORIZE_PATHS: Final = {"minox": "/oauth/authorize", "qms": "/api/oauth2/oauth2/auth"}
TOKEN_PATHS: Final = {"minox": "/oauth/token", "qms": "/api/oauth2/oauth2/token"}
MINOX_SCOPES: Final = (
    "administration:read vat:read cost_center:read payment_term:read item:read ledger_account:read journal:read "
    "customer:read transaction:read transaction:write document:write"
)


@dataclass(frozen=True, slots=True)
class Site:
    """One system as a connection describes it.

    Attributes:
        system: `minox` or `qms`.
        conn_id: Airflow connection.
        base_url: Address without a slash at its end.
        client_id: OAuth client (the connection's login).
        client_secret: Its secret (the connection's password).
        scope: Scopes to ask for; empty for QMS, which has none.
        seed: `extra.refresh_token`, to begin with; empty when the set-up goes by the page.
    """

    system: str
    conn_id: str
    base_url: str
    client_id: str
    client_secret: str
    scope: str
    seed: str

    def __repr__(self) -> str:
        return f"Site({self.system}, {self.conn_id!r}, {self.base_url!r})"

    @property
    def issuer(self) -> str:
        """Address of the token endpoint, in one spelling; a grant is of one issuer."""
        return one_spelling(self.base_url + TOKEN_PATHS[self.system])


def site_of(connection: Connection, system: str, conn_id: str) -> Site:
    """Read an Airflow connection.

    Args:
        connection: Host with or without scheme and path, port, login (client id), password (client secret), and
            `refresh_token` and `scope` in the extra.
        system: `minox` or `qms`.
        conn_id: Its id.

    Returns:
        The site.

    Raises:
        ConfigurationError: Host, login or password is missing, or the address may not be used.
    """
    extra: object = connection.extra_dejson
    for value, label in (
        (connection.host, "host"),
        (connection.login, "login (the client id)"),
        (connection.password, "password (the client secret)"),
    ):
        if not value or not value.strip():
            raise ConfigurationError(
                f"The {NAMES[system]} connection has no {label}.", detail=f"connection {conn_id}", system=system
            )
    return Site(
        system=system,
        conn_id=conn_id,
        base_url=checked_base_url(_address(connection), system),
        client_id=(connection.login or "").strip(),
        client_secret=(connection.password or "").strip(),
        scope=_text(extra, "scope") or (MINOX_SCOPES if system == "minox" else ""),
        seed=_text(extra, "refresh_token"),
    )


def _text(extra: object, name: str) -> str:
    value = extra.get(name) if isinstance(extra, dict) else None
    return value.strip() if isinstance(value, str) else ""


def _address(connection: Connection) -> str:
    """Put scheme, host, port and path together; https unless host or schema says http, or it is this machine."""
    host = (connection.host or "").strip()
    try:
        if "://" not in host:
            scheme = (connection.schema or "").strip().lower()
            if scheme not in {"http", "https"}:
                is_plain = is_this_machine(urlsplit(f"//{host}").hostname or "") and connection.conn_type != "https"
                scheme = "http" if is_plain else "https"
            host = f"{scheme}://{host}"
        parts = urlsplit(host)
        if connection.port and parts.port is None:
            parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
    except ValueError:
        return host  # refused with a clear sentence by the check that follows
    return parts.geturl()


def authorize_url(site: Site, redirect_uri: str, state: str) -> str:
    """Make the address of the consent page, the first step of the code flow.

    Args:
        site: The system.
        redirect_uri: Where the browser comes back, as registered.
        state: Unguessable text that comes back with it.

    Returns:
        The address to send the browser to.
    """
    query = {"response_type": "code", "client_id": site.client_id, "redirect_uri": redirect_uri, "state": state}
    if site.scope:
        query["scope"] = site.scope
    return f"{site.base_url}{AUTHORIZE_PATHS[site.system]}?{urlencode(query)}"
