"""The names of both systems, and the addresses that may be talked to."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from include.errors import ConfigurationError

NAMES: Final = {"minox": "Minox", "qms": "QMS"}
_USUAL_PORTS: Final = {"http": 80, "https": 443}


def encode_query(query: tuple[tuple[str, str], ...]) -> str:
    """Encode parameters the way they are sent: everything but letters, digits and `-._~` escaped, a blank as %20."""
    return urlencode(query, quote_via=quote, safe="")


def checked_base_url(url: str, system: str) -> str:
    """Check the base address of a system: https, or http on the own machine.

    Args:
        url: Address, with or without a path.
        system: `minox` or `qms`.

    Returns:
        The address without a slash at its end.

    Raises:
        ConfigurationError: It is no http(s) address, holds a login or a query, or is plain http to another machine.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if (
        not host
        or " " in url
        or parts.scheme not in {"http", "https"}
        or parts.username
        or parts.query
        or parts.fragment
    ):
        raise ConfigurationError(
            f"The host of the {NAMES[system]} connection is not a plain web address such as https://host.",
            system=system,
        )
    if parts.scheme == "http" and not is_this_machine(host):
        raise ConfigurationError(
            f"The {NAMES[system]} connection must use https; plain http is for this machine itself only.",
            detail=f"host {host}",
            system=system,
        )
    return url.rstrip("/")


def is_this_machine(host: str) -> bool:
    """Tell whether a name or an address of a host means the own machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def one_spelling(url: str) -> str:
    """Write an address in the one way that stands for all spellings of it: case, usual port, names of this machine."""
    scheme, host, port = origin(url)
    is_usual = port in {None, _USUAL_PORTS.get(scheme)}
    return f"{scheme}://{host}{'' if is_usual else f':{port}'}{urlsplit(url).path}"


def with_tls_of(base: str, url: str) -> str:
    """Write a link with https where only that sets it apart from the base address.

    A server that another one speaks TLS for does not know that its own links are https.

    Raises:
        ValueError: The link is no address.
    """
    ours, link = urlsplit(base), urlsplit(url)
    is_ours = ours.scheme == "https" and link.scheme == "http" and link.hostname == ours.hostname and link.port is None
    return f"https{url[len('http') :]}" if is_ours else url


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of an address; the usual port of its scheme when it names none.

    The own machine is one host, by whichever of its names.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = "localhost" if is_this_machine(host) else host
    return parts.scheme, host, parts.port or _USUAL_PORTS.get(parts.scheme)
