"""What is forgotten, and when: every table that grows with time has its bound here, or a reason to be kept.

Deletes go in small transactions, chunk by chunk, and pass over rows that somebody works on: nothing waits for them, a
process that is killed half way leaves nothing half done, and the next night takes up what is left.

A run goes last, when no outcome of it is kept, and stays as long as something points to it: a record whose latest
outcome it gave (`sync_current` answers the same before and after), the interval that was covered last, the last good
run of each entity, and the newest runs of each direction whatever their age (a link may have been paused for a year).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.settings.link import MasterDataSettings, RetentionSettings
from include.storage.queries import INVOICES
from include.storage.runs import covered_run
from include.storage.tables import (
    STAGING,
    alert_incident,
    booking,
    booking_attempt,
    check_result,
    daily_sweep,
    field_change,
    key_set,
    latest_unchanged,
    quarantine,
    reconciliation_finding,
    record_current,
    run_claim,
    staging_preview,
    sync_outcome,
    sync_outcome_set,
    sync_run,
    sync_run_entity,
)

if TYPE_CHECKING:
    import datetime as dt

    from include.settings.link import LinkSettings

CHUNK = 2000
"""Rows a transaction: some tens of milliseconds."""

SECONDS = 3000
"""Time after which it stops between two transactions; what is left goes the next night."""

NEWEST_RUNS = 100
"""Runs of each direction that stay whatever their age; as many as keep the results of their checks."""

DIRECTIONS = ("minox_to_qms", "qms_to_minox", "reconcile")

BOUNDED: dict[str, str] = {
    **{table.name: "the last three runs of a link that staged the entity" for table in STAGING.values()},
    "staging_preview": "`retention.preview_days`",
    "sync_outcome": "`retention.outcome_days`",
    "sync_outcome_set": "`retention.outcome_days`",
    "key_set": "lists of unchanged records that no kept run refers to go",
    "sync_run": "`retention.run_days`, but not while a record's latest outcome is of the run",
    "sync_run_entity": "goes with its run",
    "check_result": "the last hundred runs of a link and direction, and goes with its run",
    "reconciliation_finding": "goes with its run",
    "daily_sweep": "`retention.run_days`",
    "field_change": "`master_data.history_days`",
    "booking_attempt": "`retention.attempt_days`, but not while an answer is awaited",
    "quarantine": "`retention.quarantine_days` after a record has left it; what is in it stays",
    "alert_incident": "`retention.incident_days` after it is over; an open one stays",
    "alert_message": "thirty days (the watcher), and goes with its incident",
}
"""Tables that grow with time, and what bounds them."""

KEPT: dict[str, str] = {
    "booking": "the ledger: one row an invoice, that keeps it from being booked twice",
    "binding": "one row a record of master data: which record of QMS it is",
    "reference": "one row a code",
    "record_current": "one row a record: its latest outcome",
    "latest_unchanged": "one row a link and entity",
    "run_claim": "one row a link and direction",
    "entity_report": "one row a record that QMS is told of",
    "person_action": "what people did, and why: it answers for exclusions that still hold",
    "link_fact": "one row a link and fact",
    "oauth_grant": "one row a connection",
    "request_pacing": "one row a client of Minox",
}
"""Tables that are kept for ever, and why: none grows by time alone."""


@dataclass(slots=True)
class Cleaning:
    """A clean-up under way.

    Attributes:
        engine: Of the connector's database.
        dry_run: Only count.
        seconds: Time after which it stops between two transactions; what is left goes the next time.
        chunk: Rows a transaction.
        gone: Rows per table that were (or would be) deleted.
        is_complete: Nothing was left for want of time.
    """

    engine: sa.Engine
    dry_run: bool = False
    seconds: float = SECONDS
    chunk: int = CHUNK
    gone: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BOUNDED, 0))
    is_complete: bool = True
    _begun: float = field(default_factory=time.monotonic)

    def may_go_on(self) -> bool:
        """Whether there is time for another transaction."""
        if time.monotonic() - self._begun < self.seconds:
            return True
        self.is_complete = False
        return False

    def forget(self, table: sa.Table, *which: sa.ColumnElement[bool]) -> None:
        """Delete these rows of a table, chunk by chunk; those that somebody holds are left for the next time."""
        if self.dry_run:
            with self.engine.connect() as connection:
                query = sa.select(sa.func.count()).select_from(table).where(*which)
                self.gone[table.name] += connection.scalar(query) or 0
            return
        place: sa.ColumnElement[Any] = sa.literal_column(f"{table.name}.ctid")
        some = sa.select(place).where(*which).limit(self.chunk).with_for_update(skip_locked=True, of=table)
        statement = sa.delete(table).where(place == sa.any_(sa.func.array(some.scalar_subquery())))
        while self.may_go_on():
            with self.engine.begin() as connection:
                gone = connection.execute(statement).rowcount
            self.gone[table.name] += gone
            if gone < self.chunk:
                return


def clean(cleaning: Cleaning, links: dict[str, LinkSettings]) -> None:
    """Forget what is old, of all links; one whose file is gone, or not valid, has the defaults.

    Args:
        cleaning: What to do it with; it holds the counts afterwards.
        links: Settings of the links whose file is valid, by name.
    """
    with cleaning.engine.connect() as connection:
        known = [name for name in _different(connection, sync_run.c.link) if name is not None]
    for link in sorted({*known, *links}):
        settings = links.get(link)
        retention = RetentionSettings() if settings is None else settings.retention
        master_data = MasterDataSettings() if settings is None else settings.master_data
        _clean_link(cleaning, link, retention, master_data.history_days)
    for table in (*STAGING.values(), staging_preview):
        _clean_staging(cleaning, table)
    _clean_key_sets(cleaning)


def _clean_link(cleaning: Cleaning, link: str, keep: RetentionSettings, history_days: int) -> None:
    """Forget what is old of one link."""
    previews = _old_runs(link, keep.preview_days).where(sync_run.c.dry_run)
    cleaning.forget(staging_preview, staging_preview.c.run.in_(previews))
    for table in (sync_outcome, sync_outcome_set):
        cleaning.forget(table, table.c.run.in_(_old_runs(link, keep.outcome_days)))
    awaited = sa.exists().where(
        booking.c.link == booking_attempt.c.link,
        booking.c.invoice_header_id == booking_attempt.c.invoice_header_id,
        sa.or_(booking.c.state == "sending", booking.c.pdf_state == "sending"),
    )
    cleaning.forget(
        booking_attempt,
        booking_attempt.c.link == link,
        booking_attempt.c.started_at < _ago(keep.attempt_days),
        ~awaited,
    )
    cleaning.forget(quarantine, quarantine.c.link == link, quarantine.c.solved_at < _ago(keep.quarantine_days))
    cleaning.forget(field_change, field_change.c.link == link, field_change.c.changed_at < _ago(history_days))
    cleaning.forget(
        alert_incident, alert_incident.c.link == link, alert_incident.c.resolved_at < _ago(keep.incident_days)
    )
    sweep_day = sa.cast(_ago(keep.run_days), sa.Date)
    cleaning.forget(daily_sweep, daily_sweep.c.link == link, daily_sweep.c.local_date < sweep_day)
    for direction in DIRECTIONS:
        _clean_runs(cleaning, link, direction, keep.run_days)


def _clean_runs(cleaning: Cleaning, link: str, direction: str, days: int) -> None:
    """Forget old runs of a direction that nothing points to, each with all that hangs from it at once."""
    with cleaning.engine.connect() as connection:
        newest = connection.scalar(
            sa.select(sync_run.c.id)
            .where(sync_run.c.link == link, sync_run.c.direction == direction)
            .order_by(sync_run.c.id.desc())
            .offset(NEWEST_RUNS - 1)
            .limit(1)
        )
        if newest is None:
            return
        kept = _kept_runs(connection, link, direction)
    which = [
        *_is_old(link, days),
        sync_run.c.direction == direction,
        sync_run.c.id < newest,
        sync_run.c.id.not_in(kept),
        ~_is_pointed_to(),
    ]
    hanging = (sync_run_entity, check_result, reconciliation_finding)
    if cleaning.dry_run:
        for table in hanging:
            cleaning.forget(table, table.c.run.in_(sa.select(sync_run.c.id).where(*which)))
        cleaning.forget(sync_run, *which)
        return
    found = sa.select(sync_run.c.id).where(*which).limit(max(cleaning.chunk // 20, 1))
    while cleaning.may_go_on():
        with cleaning.engine.begin() as connection:
            # Locked first and looked at again afterwards: whoever notes an outcome of a run holds its row as well.
            runs = connection.scalars(found.with_for_update(skip_locked=True)).all()
            free = connection.scalars(sa.select(sync_run.c.id).where(sync_run.c.id.in_(runs), ~_is_pointed_to())).all()
            for table in hanging:
                gone = connection.execute(sa.delete(table).where(table.c.run.in_(free))).rowcount
                cleaning.gone[table.name] += gone
            cleaning.gone["sync_run"] += connection.execute(sa.delete(sync_run).where(sync_run.c.id.in_(free))).rowcount
        if not free:
            return


def _is_pointed_to() -> sa.ColumnElement[bool]:
    """Whether a record's latest outcome is of the run, or a link's direction is held by it."""
    of_link = (latest_unchanged.c.link == sync_run.c.link, run_claim.c.link == sync_run.c.link)
    return sa.or_(
        sa.exists().where(record_current.c.run == sync_run.c.id, sa.not_(record_current.c.follows)),
        sa.exists().where(latest_unchanged.c.run == sync_run.c.id, of_link[0]),
        sa.exists().where(run_claim.c.run == sync_run.c.id, of_link[1]),
    )


def _kept_runs(connection: sa.Connection, link: str, direction: str) -> list[int]:
    """Runs that later ones are compared with: the last good one, that of each entity, the interval covered last."""
    mine = (sync_run.c.link == link, sync_run.c.direction == direction, sa.not_(sync_run.c.dry_run))
    last = sa.select(sync_run.c.id).where(*mine, sync_run.c.state == "good").order_by(sync_run.c.id.desc()).limit(1)
    kept = set(connection.scalars(last))
    of_link = sa.select(latest_unchanged.c.entity).where(latest_unchanged.c.link == link)
    for entity in connection.scalars(of_link).all():
        if (entity == INVOICES) != (direction == "qms_to_minox"):
            continue
        of_entity = (
            sa.select(sync_run.c.id)
            .join(sync_run_entity, sync_run_entity.c.run == sync_run.c.id)
            .where(*mine, sync_run_entity.c.entity == entity, sync_run_entity.c.state == "good")
            .order_by(sync_run.c.id.desc())
            .limit(1)
        )
        kept |= set(connection.scalars(of_entity))
        covered = covered_run(connection, link, direction, entity)
        kept |= set() if covered is None else {covered.run}
    return sorted(kept)


def _clean_staging(cleaning: Cleaning, table: sa.Table) -> None:
    """Forget staged records whose run is forgotten: staging an entity again forgets older ones by itself."""
    with cleaning.engine.connect() as connection:
        runs = _different(connection, table.c.run)
        known = set(connection.scalars(sa.select(sync_run.c.id).where(sync_run.c.id.in_(runs))))
    for run in runs:
        if run not in known:
            cleaning.forget(table, table.c.run == run)


def _clean_key_sets(cleaning: Cleaning) -> None:
    """Forget lists that no run and no link refers to.

    They are locked first and looked at again afterwards: a run that is about to refer to a list holds it as well.
    """
    unused = (
        ~sa.exists().where(sync_outcome_set.c.key_set == key_set.c.id),
        ~sa.exists().where(latest_unchanged.c.key_set == key_set.c.id),
    )
    if cleaning.dry_run:
        cleaning.forget(key_set, *unused)
        return
    after = 0
    while cleaning.may_go_on():
        found = sa.select(key_set.c.id).where(*unused, key_set.c.id > after).order_by(key_set.c.id)
        with cleaning.engine.begin() as connection:
            locked = connection.scalars(found.limit(cleaning.chunk).with_for_update(skip_locked=True)).all()
            if not locked:
                return
            after = locked[-1]
            gone = connection.execute(sa.delete(key_set).where(key_set.c.id.in_(locked), *unused)).rowcount
            cleaning.gone["key_set"] += gone


def _old_runs(link: str, days: int) -> sa.Select[Any]:
    """Numbers of the link's runs that began, and ended, before so many days ago."""
    return sa.select(sync_run.c.id).where(*_is_old(link, days))


def _is_old(link: str, days: int) -> list[sa.ColumnElement[bool]]:
    """Whether a run of the link began, and ended, before so many days ago."""
    return [
        sync_run.c.link == link,
        sync_run.c.started_at < _ago(days),
        sa.func.coalesce(sync_run.c.finished_at, sync_run.c.started_at) < _ago(days),
    ]


def _ago(days: int) -> sa.ColumnElement[dt.datetime]:
    """The moment so many days ago, of the database's clock."""
    return sa.func.now() - sa.func.make_interval(0, 0, 0, days, type_=sa.Interval())


def _different(connection: sa.Connection, column: sa.Column[Any]) -> list[Any]:
    """The values of a column that an index begins with, hopping from one to the next instead of reading all rows."""
    first = sa.select(sa.func.min(column).label("value")).cte("hop", recursive=True)
    following = sa.select(sa.func.min(column)).where(column > first.c.value).correlate(first).scalar_subquery()
    hops = first.union_all(sa.select(following).where(first.c.value.is_not(None)))
    return list(connection.scalars(sa.select(hops.c.value).where(hops.c.value.is_not(None))))
