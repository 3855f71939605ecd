"""Connecting a system: the OAuth code flow, shared by the Sync page and the command line.

A person signs in at the other system, whose redirect brings a code back; the code is exchanged for the first pair of
tokens, which is stored encrypted before anything is done with it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast
from urllib.parse import parse_qs, unquote, urlsplit

from include.errors import ConfigurationError, GrantRefusedError
from include.storage.engine import engine
from include.storage.grants import GrantStore
from include.storage.ledger import note_person
from minox_qms.hooks.address import NAMES
from minox_qms.hooks.oauth import TokenSource
from minox_qms.hooks.site import Site, site_of

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from include.settings.link import LinkSettings

System: TypeAlias = Literal["minox", "qms"]
CALLBACK = "/minox-qms/oauth/callback"
"""Path of the redirect address below Airflow's own address."""

ENTITY = "connections"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other system's redirect brought back."""

    code: str
    state: str | None


def site_for(system: System, conn_id: str) -> Site:
    """Read the Airflow connection of a system, in the API server or in a shell.

    Raises:
        ConfigurationError: There is no such connection, or it lacks something.
    """
    from airflow.models.connection import Connection as Stored  # noqa: PLC0415 - as above
    from airflow.sdk.exceptions import AirflowNotFoundException  # noqa: PLC0415 - Airflow takes seconds to import

    try:
        connection = Stored.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException as error:
        raise ConfigurationError(
            f"Airflow has no connection {conn_id!r}, which the link's file names: make it in the UI first.",
            system=system,
            field="conn_id",
        ) from error
    return site_of(cast("Connection", connection), system, conn_id)


def read_answer(text: str, state: str) -> Answer:
    """Read what a person copied after signing in: the whole address, or the code alone.

    Args:
        text: What was pasted.
        state: The state of the authorize call; an address must bring it back.

    Raises:
        ConfigurationError: It holds no code, or it is the answer to another sign-in.
        GrantRefusedError: The person refused, or the other system did.
    """
    pasted = text.strip()
    if not pasted:
        raise ConfigurationError("Nothing was pasted: give the whole address, or the code in it.")
    if not any(mark in pasted for mark in ("://", "?", "code=", "error=")):
        return Answer(unquote(pasted), None)
    query = parse_qs(urlsplit(pasted).query if "?" in pasted else pasted)
    if "error" in query:
        raise GrantRefusedError("The sign-in was refused.", detail=_plain(query["error"][0]))
    code, given = query.get("code", [""])[0], query.get("state", [""])[0]
    if not code:
        raise ConfigurationError("That address holds no code: copy the one that the browser ended at.")
    if not hmac.compare_digest(given.encode(), state.encode()):
        raise ConfigurationError("That address is the answer to another sign-in; begin again.")
    return Answer(code, given)


def finish(link: LinkSettings, system: System, code: str, redirect_uri: str, person: str) -> None:
    """Exchange a code for the first pair of tokens, store it, and note who did that.

    Args:
        link: The link.
        system: Which side of it.
        code: From the redirect.
        redirect_uri: The one of the authorize call.
        person: Who connects.

    Raises:
        ConnectorError: It did not work; what was stored before stays.
    """
    conn_id = link.connections[system]
    site = site_for(system, conn_id)
    TokenSource(lambda: site, GrantStore(engine)).exchange_code(code, redirect_uri)
    with engine().begin() as connection:
        note_person(connection, link.name, "connect", ENTITY, conn_id, person, f"{NAMES[system]} connected")


def _plain(error: str) -> str:
    """The name of an OAuth error; anything else might repeat what was sent."""
    return error if error.replace("_", "").isalpha() and error.isascii() and len(error) <= 40 else "an unknown error"  # noqa: PLR2004 - longer than any of the standard's
