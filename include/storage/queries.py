"""What people ask of the bookkeeping: outcomes, rejections, changes, checks. Nothing here writes.

Lists come in pages: at most `limit` rows, and a mark (`Page.after`) that the next page begins behind. A page is found
by the keys of an index (never by counting rows), so that the thousandth costs what the first does.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import sqlalchemy as sa

from include.errors import ConfigurationError
from include.storage.checks import KEEP_RUNS
from include.storage.tables import (
    booking,
    check_result,
    field_change,
    key_set,
    quarantine,
    staging_preview,
    sync_outcome,
    sync_outcome_set,
    sync_run,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000
LASTS_AT_MOST = dt.timedelta(days=7)
"""From the beginning of a run to its last outcome, however often its tasks are tried again."""

INVOICES = "invoices"
DIRECTIONS = ("minox_to_qms", "qms_to_minox")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list.

    Attributes:
        rows: In the order of the list.
        after: Where the next page begins; None when this is the last.
    """

    rows: tuple[T, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which outcomes are asked for; None does not narrow.

    Attributes:
        direction: `minox_to_qms` or `qms_to_minox`.
        entity: E.g. `customers`.
        outcome: E.g. `rejected`.
        reason: E.g. `nameless_debtor`.
        key: Key of the record in its source system.
        run: Number of a run (`RunRow.id`).
        since: First instant.
        invoices: Keys of the invoices that go by `key` as their number: they are asked for as well.
    """

    direction: str | None = None
    entity: str | None = None
    outcome: str | None = None
    reason: str | None = None
    key: str | None = None
    run: int | None = None
    since: dt.datetime | None = None
    invoices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """What became of one record, with the columns of the public views."""

    link: str
    direction: str
    entity: str
    source_key: str
    outcome: str
    reason: str | None
    message: str | None
    dag_id: str
    run_id: str
    occurred_at: dt.datetime


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """What a dry run says of one record; `details` hold the changes field by field, or facts of an invoice."""

    entity: str
    source_key: str
    outcome: str
    reason: str | None
    message: str | None
    details: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of one direction; `id` is its number in the connector's database."""

    id: int
    link: str
    direction: str
    dag_id: str
    run_id: str
    state: str
    dry_run: bool
    started_at: dt.datetime
    finished_at: dt.datetime | None
    message: str | None
    plan: dict[str, Any]
    figures: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class RejectionRow:
    """A record in quarantine, or one that was (`solved_at`).

    `findings` hold reason, field and message of each; `name` is the number of an invoice, else the key.
    """

    id: int
    link: str
    direction: str
    entity: str
    source_key: str
    name: str
    reason: str
    message: str
    findings: list[dict[str, Any]]
    times: int
    first_seen: dt.datetime
    last_seen: dt.datetime
    solved_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What one write changed in QMS: per coupled field the value before and after."""

    id: int
    link: str
    entity: str
    source_key: str
    qms_id: int | None
    operation: str
    changes: dict[str, list[Any]]
    changed_at: dt.datetime
    run: int


@dataclass(frozen=True, slots=True)
class CheckRow:
    """How one expectation came out on one staging table; `details` hold the numbers behind it."""

    entity: str
    run: int
    run_id: str
    started_at: dt.datetime
    level: str
    expectation: str
    column: str
    success: bool
    details: dict[str, Any]


_CURRENT = sa.table("sync_current", *(sa.column(one.name) for one in fields(OutcomeRow)))
_HISTORY = (
    sync_run.c.link,
    sync_run.c.direction,
    sync_outcome.c.entity,
    sync_outcome.c.source_key,
    sync_outcome.c.outcome,
    sync_outcome.c.reason,
    sync_outcome.c.message,
    sync_run.c.dag_id,
    sync_run.c.run_id,
    sync_outcome.c.occurred_at,
)


def current_outcomes(
    connection: sa.Connection, link: str, which: Filter, *, limit: int = DEFAULT_LIMIT, after: str | None = None
) -> Page[OutcomeRow]:
    """List the latest outcome of each record, by entity and key.

    Args:
        connection: To the connector's database.
        link: Name of the link.
        which: What is asked for.
        limit: Rows a page, 1 to `MAX_LIMIT`.
        after: `Page.after` of the page before.

    Raises:
        ConfigurationError: `after` is no mark of this list.
    """
    columns = _CURRENT.c
    query = sa.select(_CURRENT).where(columns.link == link, *_which(columns.entity, columns.source_key, which))
    query = query.where(*_said(columns.outcome, columns.reason, columns.occurred_at, which))
    if which.run is not None:
        place = sa.select(sync_run.c.dag_id, sync_run.c.run_id).where(sync_run.c.id == which.run)
        query = query.where(sa.tuple_(columns.dag_id, columns.run_id).in_(place))
    if after is not None:
        query = query.where(sa.tuple_(columns.entity, columns.source_key) > sa.tuple_(*_mark(after, str, str)))
    rows = connection.execute(query.order_by(columns.entity, columns.source_key).limit(_limit(limit) + 1)).all()
    return _page([OutcomeRow(*row) for row in rows], limit, lambda one: [one.entity, one.source_key])


def past_outcomes(
    connection: sa.Connection, link: str, which: Filter, *, limit: int = DEFAULT_LIMIT, after: str | None = None
) -> Page[OutcomeRow]:
    """List outcomes of all runs, newest run and highest key first; unchanged records only of a run that is named.

    Args:
        connection: To the connector's database.
        link: Name of the link.
        which: What is asked for.
        limit: Rows a page, 1 to `MAX_LIMIT`.
        after: `Page.after` of the page before.

    Raises:
        ConfigurationError: `after` is no mark of this list, or unchanged records are asked for without a run.
    """
    if which.outcome == "unchanged" and which.run is None:
        raise ConfigurationError("Unchanged records are kept by run: name one, or ask for the current outcomes.")
    single = sa.select(sync_outcome.c.run, *_HISTORY).join(sync_run, sync_run.c.id == sync_outcome.c.run)
    query = single.where(*_of_runs(link, which), *_which(sync_outcome.c.entity, sync_outcome.c.source_key, which))
    query = query.where(*_said(sync_outcome.c.outcome, sync_outcome.c.reason, sync_outcome.c.occurred_at, which))
    if which.run is not None and which.outcome in {None, "unchanged"} and which.reason is None:
        both = sa.union_all(query, _unchanged_of_run(link, which)).subquery()
        query = sa.select(both)
        run, entity, key = both.c.run, both.c.entity, both.c.source_key
    else:
        query = query.where(sync_outcome.c.outcome != "unchanged")
        run, entity, key = sync_outcome.c.run, sync_outcome.c.entity, sync_outcome.c.source_key
    if after is not None:
        query = query.where(sa.tuple_(run, entity, key) < sa.tuple_(*_mark(after, int, str, str)))
    rows = connection.execute(query.order_by(run.desc(), entity.desc(), key.desc()).limit(_limit(limit) + 1)).all()
    marked = [(row[0], OutcomeRow(*row[1:])) for row in rows]
    page = _page(marked, limit, lambda one: [one[0], one[1].entity, one[1].source_key])
    return Page(tuple(row for _, row in page.rows), page.after)


def previews(
    connection: sa.Connection,
    run: int,
    *,
    outcome: str | None = None,
    limit: int = DEFAULT_LIMIT,
    after: str | None = None,
) -> Page[PreviewRow]:
    """List what a dry run found, by entity and key.

    Args:
        connection: To the connector's database.
        run: Number of the run.
        outcome: Only with this outcome.
        limit: Rows a page, 1 to `MAX_LIMIT`.
        after: `Page.after` of the page before.

    Raises:
        ConfigurationError: `after` is no mark of this list.
    """
    columns = staging_preview.c
    query = sa.select(*(columns[one.name] for one in fields(PreviewRow))).where(columns.run == run)
    if outcome is not None:
        query = query.where(columns.outcome == outcome)
    if after is not None:
        query = query.where(sa.tuple_(columns.entity, columns.source_key) > sa.tuple_(*_mark(after, str, str)))
    rows = connection.execute(query.order_by(columns.entity, columns.source_key).limit(_limit(limit) + 1)).all()
    return _page([PreviewRow(*row) for row in rows], limit, lambda one: [one.entity, one.source_key])


def _unchanged_of_run(link: str, which: Filter) -> sa.Select[Any]:
    """The unchanged records of one run, as outcomes."""
    key = sa.func.unnest(key_set.c["keys"]).table_valued("source_key").render_derived("one")
    nothing = sa.cast(sa.null(), sa.Text)
    return (
        sa.select(
            sync_outcome_set.c.run,
            sync_run.c.link,
            sync_run.c.direction,
            sync_outcome_set.c.entity,
            key.c.source_key,
            sa.literal("unchanged"),
            nothing,
            nothing,
            sync_run.c.dag_id,
            sync_run.c.run_id,
            sync_outcome_set.c.occurred_at,
        )
        .select_from(sync_outcome_set)
        .join(sync_run, sync_run.c.id == sync_outcome_set.c.run)
        .join(key_set, key_set.c.id == sync_outcome_set.c.key_set)
        .join(key, sa.true())
        .where(*_of_runs(link, which), *_which(sync_outcome_set.c.entity, key.c.source_key, which))
    )


def runs(
    connection: sa.Connection,
    link: str,
    direction: str,
    *,
    limit: int = DEFAULT_LIMIT,
    after: str | None = None,
    dry: bool = False,
) -> Page[RunRow]:
    """List the runs of a direction, newest first; dry runs only when asked for."""
    query = sa.select(*(sync_run.c[one.name] for one in fields(RunRow))).where(
        sync_run.c.link == link, sync_run.c.direction == direction
    )
    if not dry:
        query = query.where(sa.not_(sync_run.c.dry_run))
    if after is not None:
        query = query.where(sync_run.c.id < _mark(after, int)[0])
    rows = connection.execute(query.order_by(sync_run.c.id.desc()).limit(_limit(limit) + 1)).all()
    return _page([RunRow(*row) for row in rows], limit, lambda one: [one.id])


def run_named(connection: sa.Connection, link: str, name: str) -> RunRow:
    """Find a run by its number or by Airflow's run id; of both directions the newest.

    Raises:
        ConfigurationError: The link has no such run.
    """
    named = sync_run.c.run_id == name
    if name.isascii() and name.isdigit() and len(name) <= len(str(2**63)) - 1:
        named = sa.or_(named, sync_run.c.id == int(name))
    query = sa.select(*(sync_run.c[one.name] for one in fields(RunRow))).where(sync_run.c.link == link, named)
    row = connection.execute(query.order_by(sync_run.c.id.desc()).limit(1)).one_or_none()
    if row is None:
        raise ConfigurationError(f"Link {link} has no run {name!r}: give its number, or Airflow's run id.")
    return RunRow(*row)


def rejections(
    connection: sa.Connection,
    link: str,
    *,
    entity: str | None = None,
    reason: str | None = None,
    key: str | None = None,
    solved: bool = False,
    limit: int = DEFAULT_LIMIT,
    after: str | None = None,
) -> Page[RejectionRow]:
    """List the records in quarantine, last seen first.

    Args:
        connection: To the connector's database.
        link: Name of the link.
        entity: Only of this entity.
        reason: Only with this reason among their findings.
        key: Only of this record.
        solved: Those that left quarantine, in place of those that are in it.
        limit: Rows a page, 1 to `MAX_LIMIT`.
        after: `Page.after` of the page before.

    Raises:
        ConfigurationError: `after` is no mark of this list.
    """
    is_invoice = sa.and_(quarantine.c.entity == INVOICES, quarantine.c.source_key.regexp_match("^[0-9]{1,18}$"))
    number = sa.case((is_invoice, sa.cast(quarantine.c.source_key, sa.BigInteger)))
    name = sa.func.coalesce(booking.c.invoice_number, quarantine.c.source_key)
    query = (
        sa.select(*(name if one.name == "name" else quarantine.c[one.name] for one in fields(RejectionRow)))
        .outerjoin_from(
            quarantine, booking, sa.and_(booking.c.link == quarantine.c.link, booking.c.invoice_header_id == number)
        )
        .where(quarantine.c.link == link)
    )
    query = query.where(quarantine.c.solved_at.is_not(None) if solved else quarantine.c.solved_at.is_(None))
    if entity is not None:
        query = query.where(quarantine.c.entity == entity)
    if reason is not None:
        query = query.where(quarantine.c.findings.contains([{"reason": reason}]))
    if key is not None:
        query = query.where(quarantine.c.source_key == key)
    if after is not None:
        instant, number = _mark(after, str, int)
        place = sa.tuple_(sa.cast(instant, sa.DateTime(timezone=True)), sa.literal(number))
        query = query.where(sa.tuple_(quarantine.c.last_seen, quarantine.c.id) < place)
    ordered = query.order_by(quarantine.c.last_seen.desc(), quarantine.c.id.desc()).limit(_limit(limit) + 1)
    rows = [RejectionRow(*row) for row in connection.execute(ordered)]
    return _page(rows, limit, lambda one: [one.last_seen.isoformat(), one.id])


def payload_of(connection: sa.Connection, link: str, key: str, *, entity: str | None = None) -> str | None:
    """Return the payload of a quarantined record as it was received; the newest when it was there more often.

    Raises:
        ConfigurationError: Quarantine never had the record, or it had records of several entities with this key.
    """
    query = (
        sa.select(quarantine.c.entity, quarantine.c.payload)
        .where(quarantine.c.link == link, quarantine.c.source_key == key)
        .order_by(quarantine.c.last_seen.desc())
    )
    if entity is not None:
        query = query.where(quarantine.c.entity == entity)
    rows = connection.execute(query).all()
    entities = sorted({row.entity for row in rows})
    if not rows:
        raise ConfigurationError(f"No {entity or 'record'} {key!r} of link {link} was ever rejected.")
    if len(entities) > 1:
        raise ConfigurationError(f"There are rejected records {key!r} of {', '.join(entities)}: say which entity.")
    payload: str | None = rows[0].payload
    return payload


def changes(
    connection: sa.Connection,
    link: str,
    *,
    entity: str | None = None,
    key: str | None = None,
    since: dt.datetime | None = None,
    run: RunRow | None = None,
    limit: int = DEFAULT_LIMIT,
    after: str | None = None,
) -> Page[ChangeRow]:
    """List what was changed in QMS, newest first.

    Args:
        connection: To the connector's database.
        link: Name of the link.
        entity: Only of this entity.
        key: Only of this record.
        since: First instant.
        run: Only of this run.
        limit: Rows a page, 1 to `MAX_LIMIT`.
        after: `Page.after` of the page before.

    Raises:
        ConfigurationError: `after` is no mark of this list.
    """
    query = sa.select(*(field_change.c[one.name] for one in fields(ChangeRow))).where(field_change.c.link == link)
    if entity is not None:
        query = query.where(field_change.c.entity == entity)
    if key is not None:
        query = query.where(field_change.c.source_key == key)
    if since is not None:
        query = query.where(field_change.c.changed_at >= since)
    if run is not None:  # the time is what the index knows
        query = query.where(field_change.c.run == run.id, field_change.c.changed_at >= run.started_at)
    if after is not None:
        instant, number = _mark(after, str, int)
        place = sa.tuple_(sa.cast(instant, sa.DateTime(timezone=True)), sa.literal(number))
        query = query.where(sa.tuple_(field_change.c.changed_at, field_change.c.id) < place)
    ordered = query.order_by(field_change.c.changed_at.desc(), field_change.c.id.desc()).limit(_limit(limit) + 1)
    rows = [ChangeRow(*row) for row in connection.execute(ordered)]
    return _page(rows, limit, lambda one: [one.changed_at.isoformat(), one.id])


def latest_checks(connection: sa.Connection, link: str, *, table: str | None = None) -> list[CheckRow]:
    """List how the checks came out, per staging table those of the latest run that checked it."""
    newest = sa.union_all(
        *(
            sa.select(sync_run.c.id)
            .where(sync_run.c.link == link, sync_run.c.direction == direction)
            .order_by(sync_run.c.id.desc())
            .limit(KEEP_RUNS + 1)  # older ones have no results any more
            .subquery()
            .select()
            for direction in DIRECTIONS
        )
    ).subquery()
    latest = (
        sa.select(check_result.c.entity, sa.func.max(check_result.c.run).label("run"))
        .where(check_result.c.run.in_(sa.select(newest.c.id)))
        .group_by(check_result.c.entity)
        .subquery()
    )
    query = (
        sa.select(
            check_result.c.entity,
            check_result.c.run,
            sync_run.c.run_id,
            sync_run.c.started_at,
            check_result.c.level,
            check_result.c.expectation,
            check_result.c.column,
            check_result.c.success,
            check_result.c.details,
        )
        .join(latest, sa.and_(latest.c.entity == check_result.c.entity, latest.c.run == check_result.c.run))
        .join(sync_run, sync_run.c.id == check_result.c.run)
        .order_by(check_result.c.entity, check_result.c.level.desc(), check_result.c.id)
    )
    if table is not None:
        query = query.where(check_result.c.entity == table)
    return [CheckRow(*row) for row in connection.execute(query)]


def _of_runs(link: str, which: Filter) -> list[sa.ColumnElement[bool]]:
    """Narrow to the link's runs that may hold what is asked for."""
    found = [sync_run.c.link == link]
    if which.run is not None:
        found.append(sync_run.c.id == which.run)
    if which.direction is not None:
        found.append(sync_run.c.direction == which.direction)
    if which.since is not None:
        found.append(sync_run.c.started_at >= which.since - LASTS_AT_MOST)
        found.append(sa.or_(sync_run.c.finished_at.is_(None), sync_run.c.finished_at >= which.since))
    return found


def _which(entity: sa.ColumnElement[str], key: sa.ColumnElement[str], which: Filter) -> list[sa.ColumnElement[bool]]:
    """Narrow by what record it is; the direction follows from the entity, which the index knows."""
    found: list[sa.ColumnElement[bool]] = []
    if which.entity is not None:
        found.append(entity == which.entity)
    if which.direction is not None:
        found.append(entity == INVOICES if which.direction == "qms_to_minox" else entity != INVOICES)
    if which.key is not None and which.invoices:
        found.append(sa.or_(key == which.key, sa.and_(entity == INVOICES, key.in_(which.invoices))))
    elif which.key is not None:
        found.append(key == which.key)
    return found


def _said(
    outcome: sa.ColumnElement[str], reason: sa.ColumnElement[Any], instant: sa.ColumnElement[Any], which: Filter
) -> list[sa.ColumnElement[bool]]:
    """Narrow by what became of it, and when."""
    found: list[sa.ColumnElement[bool]] = []
    if which.outcome is not None:
        found.append(outcome == which.outcome)
    if which.reason is not None:
        found.append(reason == which.reason)
    if which.since is not None:
        found.append(instant >= which.since)
    return found


def _limit(limit: int) -> int:
    """Keep the number of rows within bounds."""
    return max(1, min(limit, MAX_LIMIT))


def _page(rows: Sequence[T], limit: int, key: Any) -> Page[T]:
    """Make a page of one row more than it holds: that there is one says that there is a next page."""
    kept = rows[: _limit(limit)]
    mark = json.dumps(key(kept[-1])).encode() if len(rows) > len(kept) else None
    return Page(tuple(kept), None if mark is None else base64.urlsafe_b64encode(mark).decode().rstrip("="))


def _mark(after: str, *types: type) -> list[Any]:
    """Read the mark of a page.

    Raises:
        ConfigurationError: It is none, or of another list.
    """
    try:
        values = json.loads(base64.urlsafe_b64decode(after.encode() + b"=" * (-len(after) % 4)))
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, list) or [type(value) for value in values] != list(types):
        raise ConfigurationError(f"{after!r} is not a mark that a page of this list ended with.")
    return values
