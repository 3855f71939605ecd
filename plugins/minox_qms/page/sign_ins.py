"""Sign-ins that are under way: the state of each belongs to one user, works once, and lives ten minutes."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from include.storage.facts import remember
from include.storage.tables import link_fact

LIFE = dt.timedelta(minutes=10)
_PREFIX = "sign-in:"


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that came back.

    Attributes:
        link: Name of the link.
        system: `minox` or `qms`.
        redirect_uri: The one of the authorize call.
    """

    link: str
    system: str
    redirect_uri: str


def begin(engine: sa.Engine, link: str, system: str, redirect_uri: str, person: str) -> str:
    """Note that a sign-in begins; those that are over are forgotten.

    Args:
        engine: Of the connector's database.
        link: Name of the link.
        system: `minox` or `qms`.
        redirect_uri: Where the browser comes back.
        person: Airflow's id of the user.

    Returns:
        The state: only its hash is kept.
    """
    state = secrets.token_urlsafe(32)
    with engine.begin() as connection:
        connection.execute(sa.delete(link_fact).where(_is_sign_in(), sa.not_(_is_young())))
        value = {"system": system, "redirect_uri": redirect_uri, "person": person}
        remember(connection, link, _name(state), value)
    return state


def take(engine: sa.Engine, state: str, person: str) -> SignIn | None:
    """Take the sign-in of a state, so that nobody takes it again.

    Args:
        engine: Of the connector's database.
        state: What came back.
        person: Airflow's id of the user who came back with it.

    Returns:
        The sign-in; None when there is none, it is over, or it is another user's.
    """
    mine = (link_fact.c.name == _name(state), link_fact.c.value["person"].astext == person, _is_young())
    with engine.begin() as connection:
        row = connection.execute(
            sa.delete(link_fact).where(*mine).returning(link_fact.c.link, link_fact.c.value)
        ).one_or_none()
    return None if row is None else SignIn(row.link, row.value["system"], row.value["redirect_uri"])


def _name(state: str) -> str:
    return _PREFIX + hashlib.sha256(state.encode()).hexdigest()


def _is_sign_in() -> sa.ColumnElement[bool]:
    return link_fact.c.name.startswith(_PREFIX)


def _is_young() -> sa.ColumnElement[bool]:
    return link_fact.c.noted_at > sa.func.clock_timestamp() - LIFE
