"""Small facts about a link that are worth remembering from run to run, such as how long a list was."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.storage.tables import link_fact


def fact(connection: sa.Connection, link: str, name: str) -> Any:
    """Return a remembered fact; None when there is none."""
    return connection.scalar(sa.select(link_fact.c.value).where(link_fact.c.link == link, link_fact.c.name == name))


def remember(connection: sa.Connection, link: str, name: str, value: Any) -> None:
    """Remember a fact, JSON-ready."""
    connection.execute(
        insert(link_fact)
        .values(link=link, name=name, value=value)
        .on_conflict_do_update(
            index_elements=["link", "name"], set_={"value": value, "noted_at": sa.func.clock_timestamp()}
        )
    )


def forget(connection: sa.Connection, link: str, name: str) -> None:
    """Forget a fact."""
    connection.execute(sa.delete(link_fact).where(link_fact.c.link == link, link_fact.c.name == name))
