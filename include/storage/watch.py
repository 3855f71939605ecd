"""What the watcher looks at: the last run of each direction, whether anything works on it, and the grants."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.alerts.watching import DirectionSeen, GrantSeen, RunSeen
from include.bookings.plan import LOCAL
from include.storage.facts import fact, remember
from include.storage.overview import CLOSES, OPENS, quiet_minutes
from include.storage.runs import is_at_work
from include.storage.tables import oauth_grant, run_claim, sync_run

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_LOOK = "watched since"
NAMES = {"minox": "Minox", "qms": "QMS"}


def now_of(connection: sa.Connection) -> dt.datetime:
    """The database's time."""
    now: dt.datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now


def watched_since(connection: sa.Connection, link: str, now: dt.datetime) -> dt.datetime:
    """When the watcher first saw a link; that is remembered here.

    Args:
        connection: In a transaction.
        link: Name of the link.
        now: For a link that it never saw before.
    """
    known: str | None = fact(connection, link, FIRST_LOOK)
    if known is None:
        remember(connection, link, FIRST_LOOK, now.isoformat())
        return now
    return dt.datetime.fromisoformat(known)


def see_direction(
    connection: sa.Connection, link: str, direction: str, *, since: dt.datetime, now: dt.datetime
) -> DirectionSeen:
    """Look at one direction of a link; dry runs do not count.

    Args:
        connection: In a transaction.
        link: Name of the link.
        direction: `minox_to_qms` or `qms_to_minox`.
        since: When the watcher first saw the link.
        now: The time.
    """
    mine = (sync_run.c.link == link, sync_run.c.direction == direction, sa.not_(sync_run.c.dry_run))
    last_good_at: dt.datetime | None = connection.scalar(
        sa.select(sync_run.c.finished_at)
        .where(*mine, sync_run.c.state == "good")
        .order_by(sync_run.c.id.desc())
        .limit(1)
    )
    row = connection.execute(
        sa.select(sync_run, sa.func.coalesce(run_claim.c.seen_at, sync_run.c.started_at).label("seen_at"))
        .outerjoin(run_claim, run_claim.c.run == sync_run.c.id)
        .where(*mine)
        .order_by(sync_run.c.id.desc())
        .limit(1)
    ).one_or_none()
    last = None
    if row is not None:
        idle = dt.timedelta() if is_at_work(connection, row.id) else max(now - row.seen_at, dt.timedelta())
        last = RunSeen(row.dag_id, row.run_id, row.state, idle)
    return DirectionSeen(
        quiet_minutes=quiet_minutes(last_good_at or since, now),
        in_window=OPENS <= now.astimezone(LOCAL).time() < CLOSES,
        last_good_at=last_good_at,
        last=last,
    )


def see_grants(connection: sa.Connection, conn_ids: Mapping[str, str], now: dt.datetime) -> list[GrantSeen]:
    """Look at the grants of a link's connections.

    Args:
        connection: To the connector's database.
        conn_ids: Airflow connection by system.
        now: The time.
    """
    columns = (oauth_grant.c.state, oauth_grant.c.expires_at, oauth_grant.c.message)
    seen = []
    for system, conn_id in conn_ids.items():
        row = connection.execute(sa.select(*columns).where(oauth_grant.c.conn_id == conn_id)).one_or_none()
        if row is None:
            continue
        unrenewed = dt.timedelta() if row.expires_at is None else max(now - row.expires_at, dt.timedelta())
        seen.append(GrantSeen(NAMES[system], conn_id, row.state, row.message, unrenewed))
    return seen
