"""How the links are doing: last runs, what is open, grants, silence. Nothing here writes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.bookings.plan import LOCAL
from include.storage.ledger import OPEN_STATES
from include.storage.queries import DIRECTIONS, RunRow, runs
from include.storage.runs import Run, count_outcomes
from include.storage.tables import (
    booking,
    entity_report,
    oauth_grant,
    quarantine,
    staging_preview,
    sync_run,
    sync_run_entity,
)

if TYPE_CHECKING:
    from include.settings.link import LinkSettings

OPENS, CLOSES = dt.time(7), dt.time(20)


@dataclass(frozen=True, slots=True)
class EntityStatus:
    """What became of one entity's records in the last run.

    Attributes:
        entity: E.g. `customers`.
        state: `staged`, `held`, `good` or `failed`.
        extracted: Number of records read.
        counts: Number of records per outcome so far.
        message: Why, when it is not good.
    """

    entity: str
    state: str
    extracted: int
    counts: dict[str, int]
    message: str | None


@dataclass(frozen=True, slots=True)
class DirectionStatus:
    """One direction of a link.

    Attributes:
        direction: `minox_to_qms` or `qms_to_minox`.
        last: The last run; None: there never was one. Dry runs do not count.
        entities: What became of its records.
        last_good_at: When the last good run ended.
        quiet_minutes: Minutes within the schedule's window since then; None: no good run ever.
        is_silent: Whether that is more than the link's `silence_minutes`.
        rejections: Number of records in quarantine, by entity.
    """

    direction: str
    last: RunRow | None
    entities: tuple[EntityStatus, ...]
    last_good_at: dt.datetime | None
    quiet_minutes: int | None
    is_silent: bool
    rejections: dict[str, int]


@dataclass(frozen=True, slots=True)
class GrantStatus:
    """The grant of one Airflow connection.

    Attributes:
        system: `minox` or `qms`.
        conn_id: Airflow connection.
        state: `absent`, `good` or `refused`.
        expires_at: When its access token expires; the next request after that refreshes it.
        refreshed_at: When it was last renewed.
        message: Why it was refused.
    """

    system: str
    conn_id: str
    state: str
    expires_at: dt.datetime | None
    refreshed_at: dt.datetime | None
    message: str | None


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How one link is doing.

    Attributes:
        link: Its name.
        directions: Both of them.
        open_invoices: Number of invoices that the next run takes up again, by state of the ledger.
        open_pdfs: Number of booked invoices whose PDF is still to be attached.
        open_reports: Number of records of which QMS has still to be told.
        grants: Those of its connections.
    """

    link: str
    directions: tuple[DirectionStatus, ...]
    open_invoices: dict[str, int]
    open_pdfs: int
    open_reports: int
    grants: tuple[GrantStatus, ...]


def quiet_minutes(since: dt.datetime, until: dt.datetime) -> int:
    """Count the minutes between two instants that lie in the schedule's window (07:00-20:00, Europe/Amsterdam).

    The night is no silence: at 07:10 a run that ended at 19:50 the day before is twenty minutes ago.
    """
    first, last = since.astimezone(LOCAL).date(), until.astimezone(LOCAL).date()
    total = dt.timedelta()
    for day in range((last - first).days + 1):
        date = first + dt.timedelta(days=day)
        opens, closes = (dt.datetime.combine(date, time, LOCAL).astimezone(dt.UTC) for time in (OPENS, CLOSES))
        total += max(min(closes, until) - max(opens, since), dt.timedelta())
    return int(total / dt.timedelta(minutes=1))


def link_status(connection: sa.Connection, settings: LinkSettings) -> LinkStatus:
    """Say how a link is doing.

    Args:
        connection: To the connector's database.
        settings: The link's settings.
    """
    now: dt.datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    link = settings.name
    return LinkStatus(
        link=link,
        directions=tuple(_direction(connection, settings, direction, now) for direction in DIRECTIONS),
        open_invoices=_counted(
            connection,
            sa.select(booking.c.state, sa.func.count())
            .where(booking.c.link == link, booking.c.state.in_(OPEN_STATES))
            .group_by(booking.c.state),
        ),
        open_pdfs=_count(
            connection, booking, booking.c.link == link, booking.c.pdf_state.in_(("pending", "sending", "failed"))
        ),
        open_reports=_count(
            connection,
            entity_report,
            entity_report.c.link == link,
            sa.or_(
                entity_report.c.reported.is_(None), entity_report.c.reported.is_distinct_from(entity_report.c.wanted)
            ),
        ),
        grants=tuple(_grant(connection, system, conn_id) for system, conn_id in settings.connections.items()),
    )


def entities_of(connection: sa.Connection, run: RunRow) -> tuple[EntityStatus, ...]:
    """Say what became of the records of a run, by entity; of an unfinished entity what is noted so far.

    Of a dry run: what would have become of them.
    """
    counts = _previewed(connection, run.id) if run.dry_run else _noted(connection, run)
    rows = connection.execute(
        sa.select(
            sync_run_entity.c.entity,
            sync_run_entity.c.state,
            sync_run_entity.c.extracted,
            sync_run_entity.c.counts,
            sync_run_entity.c.message,
        )
        .where(sync_run_entity.c.run == run.id)
        .order_by(sync_run_entity.c.read_at, sync_run_entity.c.entity)
    )
    return tuple(
        EntityStatus(row.entity, row.state, row.extracted, row.counts or counts.get(row.entity, {}), row.message)
        for row in rows
    )


def _noted(connection: sa.Connection, run: RunRow) -> dict[str, dict[str, int]]:
    """Count the outcomes of a run, by entity."""
    which = Run(run.id, run.link, run.direction, run.dag_id, run.run_id, run.dry_run, run.plan)
    return count_outcomes(connection.engine, which)


def _previewed(connection: sa.Connection, run: int) -> dict[str, dict[str, int]]:
    """Count what a dry run found, by entity."""
    column = staging_preview.c
    counted = sa.select(column.entity, column.outcome, sa.func.count()).where(column.run == run)
    counts: dict[str, dict[str, int]] = {}
    for entity, outcome, number in connection.execute(counted.group_by(column.entity, column.outcome)):
        counts.setdefault(entity, {})[outcome] = number
    return counts


def _direction(connection: sa.Connection, settings: LinkSettings, direction: str, now: dt.datetime) -> DirectionStatus:
    """Say how one direction of a link is doing."""
    link = settings.name
    rows = runs(connection, link, direction, limit=1).rows
    last = rows[0] if rows else None
    last_good_at: dt.datetime | None = connection.scalar(
        sa.select(sync_run.c.finished_at)
        .where(
            sync_run.c.link == link,
            sync_run.c.direction == direction,
            sync_run.c.state == "good",
            sa.not_(sync_run.c.dry_run),
        )
        .order_by(sync_run.c.id.desc())
        .limit(1)
    )
    quiet = None if last_good_at is None else quiet_minutes(last_good_at, now)
    return DirectionStatus(
        direction=direction,
        last=last,
        entities=() if last is None else entities_of(connection, last),
        last_good_at=last_good_at,
        quiet_minutes=quiet,
        is_silent=quiet is not None and quiet > settings.alerts.silence_minutes,
        rejections=_counted(
            connection,
            sa.select(quarantine.c.entity, sa.func.count())
            .where(quarantine.c.link == link, quarantine.c.direction == direction, quarantine.c.solved_at.is_(None))
            .group_by(quarantine.c.entity),
        ),
    )


def _grant(connection: sa.Connection, system: str, conn_id: str) -> GrantStatus:
    """Say how the grant of a connection is doing, without its tokens."""
    row = connection.execute(
        sa.select(
            oauth_grant.c.state,
            oauth_grant.c.expires_at,
            sa.func.greatest(oauth_grant.c.refreshed_at, oauth_grant.c.obtained_at),
            oauth_grant.c.message,
        ).where(oauth_grant.c.conn_id == conn_id)
    ).one_or_none()
    return (
        GrantStatus(system, conn_id, "absent", None, None, None) if row is None else GrantStatus(system, conn_id, *row)
    )


def _counted(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, int]:
    """Read the counts of a grouped query."""
    return {name: count for name, count in connection.execute(query.order_by(sa.text("1")))}  # noqa: C416 - rows are no pairs


def _count(connection: sa.Connection, table: sa.Table, *which: sa.ColumnElement[bool]) -> int:
    """Count rows."""
    return connection.scalar(sa.select(sa.func.count()).select_from(table).where(*which)) or 0
