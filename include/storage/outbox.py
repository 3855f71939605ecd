"""Messages to people, kept until they are sent.

A message is written in the transaction that makes it necessary, and sent afterwards by whoever comes first: so it is
written once, a mail server that is down loses nothing, and a process that dies while it sends leaves it to the next.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.storage.tables import alert_incident, alert_message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.alerts.texts import Text

LEASE = dt.timedelta(minutes=4)
"""How long a message is left to who claimed it: longer than any sending, and the pause after one that failed."""

SEND_WITHIN = dt.timedelta(days=1)
KEEP = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Message:
    """A message on one route."""

    id: int
    link: str
    route: str
    subject: str
    body: str


def put(
    connection: sa.Connection, link: str, routes: Iterable[str], text: Text, *, incident: int | None = None
) -> None:
    """Keep a text for each of these routes.

    Args:
        connection: In the transaction that makes it necessary.
        link: Name of the link.
        routes: See `include.alerts.routes`.
        text: What people get.
        incident: Number of the incident that it tells of, when it tells that it opened.
    """
    rows = [
        {"incident": incident, "link": link, "route": route, "subject": text.subject, "body": text.body}
        for route in routes
    ]
    if rows:
        connection.execute(sa.insert(alert_message), rows)


def claim(engine: sa.Engine, link: str | None = None) -> Message | None:
    """Take the oldest message that is due, so that nobody else sends it for a while.

    Args:
        engine: Of the connector's database.
        link: Only those of this link; all when left out.

    Returns:
        The message; None when there is none. One that could not be sent for a day is not tried any more.
    """
    now = sa.func.clock_timestamp()
    due = [
        alert_message.c.sent_at.is_(None),
        alert_message.c.created_at > now - SEND_WITHIN,
        sa.or_(alert_message.c.claimed_at.is_(None), alert_message.c.claimed_at < now - LEASE),
    ]
    if link is not None:
        due.append(alert_message.c.link == link)
    first = sa.select(alert_message.c.id).where(*due).order_by(alert_message.c.id).limit(1)
    columns = [alert_message.c[name] for name in ("id", "link", "route", "subject", "body")]
    with engine.begin() as connection:
        row = connection.execute(
            sa.update(alert_message)
            .where(alert_message.c.id == first.with_for_update(skip_locked=True).scalar_subquery())
            .values(claimed_at=now)
            .returning(*columns)
        ).one_or_none()
    return None if row is None else Message(*row)


def note_sent(engine: sa.Engine, message: Message) -> None:
    """Note that a message was sent, and with it that its incident was told of."""
    now = sa.func.clock_timestamp()
    with engine.begin() as connection:
        incident = connection.scalar(
            sa.update(alert_message)
            .where(alert_message.c.id == message.id)
            .values(sent_at=now, error=None)
            .returning(alert_message.c.incident)
        )
        connection.execute(
            sa.update(alert_incident)
            .where(alert_incident.c.id == incident, alert_incident.c.notified_at.is_(None))
            .values(notified_at=now)
        )


def note_not_sent(engine: sa.Engine, message: Message, error: str) -> None:
    """Note why a message could not be sent; it is tried again when its lease is over."""
    with engine.begin() as connection:
        connection.execute(sa.update(alert_message).where(alert_message.c.id == message.id).values(error=error))


def drop(engine: sa.Engine, message: Message) -> None:
    """Forget a message whose route its link's settings do not name any more."""
    with engine.begin() as connection:
        connection.execute(sa.delete(alert_message).where(alert_message.c.id == message.id))


def purge(engine: sa.Engine) -> int:
    """Forget old messages; returns how many were never sent."""
    with engine.begin() as connection:
        rows = connection.execute(
            sa.delete(alert_message)
            .where(alert_message.c.created_at < sa.func.now() - KEEP)
            .returning(alert_message.c.sent_at)
        )
        return sum(row.sent_at is None for row in rows)
