"""What was written in the last days, and what could not be, per entity and day, for small charts. Nothing here writes.

Master data counts by the runs that wrote it. An invoice counts once, on the day that it was booked: every run that
meets it again gives it the outcome `booked` as well.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import sqlalchemy as sa

from include.bookings.plan import LOCAL
from include.storage.queries import INVOICES
from include.storage.tables import booking, sync_run, sync_run_entity

DAYS = 14
WRITTEN = frozenset({"created", "updated"})
PROBLEMS = frozenset({"rejected", "refused_by_minox", "changed_after_booking", "in_doubt", "failed"})


@dataclass(frozen=True, slots=True)
class Day:
    """One entity on one day.

    Attributes:
        date: In local time (Europe/Amsterdam).
        written: Number of records that were written; every write counts. Of invoices those that were booked.
        problems: Number of records that a run could not write, of the run with the most: each run looks at them again.
    """

    date: dt.date
    written: int = 0
    problems: int = 0


def trend(connection: sa.Connection, link: str, today: dt.date, days: int = DAYS) -> dict[str, tuple[Day, ...]]:
    """Count per entity and day.

    Args:
        connection: To the connector's database.
        link: Name of the link.
        today: The last day, in local time.
        days: Number of days.

    Returns:
        By entity one `Day` for every day, the last one today; entities of which there is nothing are not there.
    """
    first = today - dt.timedelta(days=days - 1)
    since = dt.datetime.combine(first, dt.time(), LOCAL)
    day = sa.cast(sa.func.timezone(LOCAL.key, sync_run.c.started_at), sa.Date)
    entities = (  # per run of these days: joined as a whole, PostgreSQL may read those of all times
        sa.select(sync_run_entity.c.entity, sync_run_entity.c.counts)
        .where(sync_run_entity.c.run == sync_run.c.id)
        .offset(0)
        .lateral()
    )
    count = sa.func.jsonb_each_text(entities.c.counts).table_valued("outcome", "number").render_derived("one")
    of_run = (
        sa.select(
            entities.c.entity,
            day.label("day"),
            _total(count, WRITTEN).label("written"),
            _total(count, PROBLEMS).label("problems"),
        )
        .select_from(sync_run)
        .join(entities, sa.true())
        .join(count, sa.true())
        .where(sync_run.c.link == link, sa.not_(sync_run.c.dry_run), sync_run.c.started_at >= since)
        .group_by(sync_run.c.id, entities.c.entity, day)
        .subquery()
    )
    rows = connection.execute(
        sa.select(of_run.c.entity, of_run.c.day, sa.func.sum(of_run.c.written), sa.func.max(of_run.c.problems))
        .group_by(of_run.c.entity, of_run.c.day)
        .order_by(of_run.c.entity)
    )
    found: dict[str, dict[dt.date, Day]] = {}
    empty = {date: Day(date) for date in (first + dt.timedelta(days=one) for one in range(days))}
    for entity, date, written, problems in rows:
        known = found.setdefault(entity, dict(empty))
        if date in known:
            known[date] = replace(known[date], written=int(written), problems=int(problems))
    for date, booked in _booked(connection, link, since):
        known = found.setdefault(INVOICES, dict(empty))
        if date in known:
            known[date] = replace(known[date], written=booked)
    return {entity: tuple(known.values()) for entity, known in found.items()}


def _booked(connection: sa.Connection, link: str, since: dt.datetime) -> list[tuple[dt.date, int]]:
    """Count the invoices that were booked, by local day."""
    day = sa.cast(sa.func.timezone(LOCAL.key, booking.c.booked_at), sa.Date)
    rows = connection.execute(
        sa.select(day, sa.func.count())
        .where(booking.c.link == link, booking.c.updated_at >= since, booking.c.booked_at >= since)  # for the index
        .group_by(day)
    )
    return [(date, number) for date, number in rows]


def _total(count: sa.TableValuedAlias, outcomes: frozenset[str]) -> sa.ColumnElement[int]:
    """Sum the numbers of these outcomes."""
    number = sa.cast(count.c.number, sa.Integer)
    return sa.func.coalesce(sa.func.sum(number).filter(count.c.outcome.in_(sorted(outcomes))), 0)
