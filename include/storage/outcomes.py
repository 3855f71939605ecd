"""What became of every record of every run (spec, section 6); `sync_outcomes` and `sync_current` read from here.

Unchanged records are the most by far and say the least, so they are kept as one list of keys per run and entity, and
runs with the same list share it: a run over unchanged data adds two rows, however many records it read.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.storage.runs import RunBusyError
from include.storage.tables import (
    key_set,
    latest_unchanged,
    record_current,
    sync_outcome,
    sync_outcome_set,
    sync_run_entity,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from sqlalchemy.dialects.postgresql import Insert

    from include.storage.runs import Run

UNCHANGED = "unchanged"
WRITTEN = ("created", "updated")
_AS_WRITTEN = (*WRITTEN, UNCHANGED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record."""

    source_key: str
    outcome: str
    reason: str | None = None
    message: str | None = None


def note_extracted(connection: sa.Connection, run: Run, entity: str, extracted: int, read_at: dt.datetime) -> None:
    """Note how many records of an entity a run has read, and when it began to read them.

    Raises:
        RunBusyError: Another try of the task began to read later, and has noted that: this one was out of sight.
    """
    values = {"state": "staged", "extracted": extracted, "read_at": read_at, "message": None}
    written = connection.execute(
        insert(sync_run_entity)
        .values(run=run.id, entity=entity, **values)
        .on_conflict_do_update(
            index_elements=["run", "entity"],
            set_={**values, "finished_at": None, "counts": None},
            where=sync_run_entity.c.read_at <= read_at,
        )
        .returning(sync_run_entity.c.run)
    )
    if written.first() is None:
        raise RunBusyError(
            f"Another try of this task of {run.link} has read it since; this one notes nothing.",
            system="database",
            entity=entity,
        )


def read_at(engine: sa.Engine, run: Run, entity: str) -> dt.datetime:
    """When the run began to read the entity (in the database's time)."""
    with engine.connect() as connection:
        instant: dt.datetime = connection.execute(
            sa.select(sync_run_entity.c.read_at).where(
                sync_run_entity.c.run == run.id, sync_run_entity.c.entity == entity
            )
        ).scalar_one()
    return instant


def outcomes_of(connection: sa.Connection, run: Run, entity: str) -> dict[str, str]:
    """Outcomes that the run has noted one by one so far, by key."""
    rows = connection.execute(
        sa.select(sync_outcome.c.source_key, sync_outcome.c.outcome).where(
            sync_outcome.c.run == run.id, sync_outcome.c.entity == entity
        )
    )
    return dict(rows.all())


def note_outcomes(connection: sa.Connection, run: Run, entity: str, outcomes: Iterable[Outcome]) -> None:
    """Note outcomes one by one; a record that the run noted before gets the new one."""
    rows = [
        {
            "run": run.id,
            "entity": entity,
            "source_key": one.source_key,
            "outcome": one.outcome,
            "reason": one.reason,
            "message": one.message,
        }
        for one in outcomes
    ]
    if not rows:
        return
    connection.execute(_note_in_run(), rows)
    connection.execute(_note_current(), [{**row, "link": run.link} for row in rows])


@functools.cache
def _note_in_run() -> Insert:
    """Note an outcome in its run; made once, since that takes longer than to carry it out."""
    statement = insert(sync_outcome)
    return statement.on_conflict_do_update(
        index_elements=["run", "entity", "source_key"],
        set_={
            "outcome": statement.excluded.outcome,
            "reason": statement.excluded.reason,
            "message": statement.excluded.message,
            "occurred_at": sa.func.clock_timestamp(),
        },
    )


@functools.cache
def _note_current() -> Insert:
    """Note what a record's outcome is now."""
    now = sa.func.clock_timestamp()
    statement = insert(record_current).values(occurred_at=now)
    return statement.on_conflict_do_update(
        index_elements=["link", "entity", "source_key"],
        set_={
            "outcome": statement.excluded.outcome,
            "reason": statement.excluded.reason,
            "message": statement.excluded.message,
            "run": statement.excluded.run,
            "occurred_at": now,
            "follows": False,
        },
    )


def finish_entity(
    connection: sa.Connection,
    run: Run,
    entity: str,
    unchanged: Iterable[str],
    *,
    state: str,
    message: str | None = None,
    warnings: Mapping[str, str] | None = None,
) -> None:
    """Note the unchanged records of an entity, all at once, and that it is finished.

    A record that this run has written before (a retried task finds it unchanged) keeps that outcome. What there
    was to say of one when it was written is still to be said of it: its message stays.

    Args:
        connection: In a transaction.
        run: The run.
        entity: Of the outcomes.
        unchanged: Keys of the records that were found unchanged.
        state: `good`, `held` or `failed`.
        message: Why, when it is not good.
        warnings: What there is to say of unchanged records, by key; where it was not said yet, it is noted.
    """
    found = set(unchanged)
    if found:
        mine = sa.and_(
            sync_outcome.c.run == run.id,
            sync_outcome.c.entity == entity,
            sync_outcome.c.source_key == sa.any_(sa.literal(list(found), sa.ARRAY(sa.Text))),
        )
        written = sync_outcome.c.outcome.in_(WRITTEN)
        found.difference_update(connection.scalars(sa.select(sync_outcome.c.source_key).where(mine, written)))
        connection.execute(sa.delete(sync_outcome).where(mine, sa.not_(written)))
    told = _untold(connection, run, entity, {key: words for key, words in (warnings or {}).items() if key in found})
    note_outcomes(connection, run, entity, told)
    keys = sorted(found.difference(one.source_key for one in told))
    _note_unchanged(connection, run, entity, keys)
    counts: dict[str, int] = {UNCHANGED: len(keys)} if keys else {}
    noted = sa.select(sync_outcome.c.outcome, sa.func.count()).where(
        sync_outcome.c.run == run.id, sync_outcome.c.entity == entity
    )
    for outcome, records in connection.execute(noted.group_by(sync_outcome.c.outcome)):
        counts[outcome] = counts.get(outcome, 0) + records
    connection.execute(
        sa.update(sync_run_entity)
        .where(sync_run_entity.c.run == run.id, sync_run_entity.c.entity == entity)
        .values(state=state, counts=counts, message=message, finished_at=sa.func.clock_timestamp())
    )


def _untold(connection: sa.Connection, run: Run, entity: str, warnings: dict[str, str]) -> list[Outcome]:
    """Find the unchanged records of which it is not said yet what there is to say."""
    if not warnings:
        return []
    rows = connection.execute(
        sa.select(record_current.c.source_key, record_current.c.message).where(
            record_current.c.link == run.link,
            record_current.c.entity == entity,
            record_current.c.source_key == sa.any_(sa.literal(list(warnings), sa.ARRAY(sa.Text))),
            record_current.c.outcome.in_(_AS_WRITTEN),
        )
    )
    said = dict(rows.all())
    return [Outcome(key, UNCHANGED, None, words) for key, words in warnings.items() if said.get(key) != words]


def _note_unchanged(connection: sa.Connection, run: Run, entity: str, keys: list[str]) -> None:
    """Note a list of unchanged keys; when it is the list of the run before, only that run's number moves on."""
    digest = hashlib.sha256("\x00".join(keys).encode()).digest()
    set_id = _held_key_set(connection, digest, keys)
    connection.execute(
        insert(sync_outcome_set)
        .values(run=run.id, entity=entity, key_set=set_id)
        .on_conflict_do_update(index_elements=["run", "entity"], set_={"key_set": set_id})
    )
    place = (latest_unchanged.c.link == run.link, latest_unchanged.c.entity == entity)
    before = connection.execute(sa.select(latest_unchanged).where(*place)).one_or_none()
    if before is not None:
        _freeze(connection, run, entity, keys)
    now = sa.func.clock_timestamp()
    connection.execute(
        insert(latest_unchanged)
        .values(link=run.link, entity=entity, run=run.id, key_set=set_id, occurred_at=now)
        .on_conflict_do_update(
            index_elements=["link", "entity"], set_={"run": run.id, "key_set": set_id, "occurred_at": now}
        )
    )
    key = _as_table(keys).c.key
    missing = sa.select(
        sa.literal(run.link), sa.literal(entity), key, sa.literal(UNCHANGED), sa.literal(run.id), now, sa.true()
    ).where(
        ~sa.exists().where(
            record_current.c.link == run.link,
            record_current.c.entity == entity,
            record_current.c.source_key == key,
            record_current.c.follows,
        )
    )
    as_written = record_current.c.outcome.in_(_AS_WRITTEN)  # the same values give the same warnings
    connection.execute(
        insert(record_current)
        .from_select(["link", "entity", "source_key", "outcome", "run", "occurred_at", "follows"], missing)
        .on_conflict_do_update(
            index_elements=["link", "entity", "source_key"],
            set_={
                "outcome": UNCHANGED,
                "reason": None,
                "message": sa.case((as_written, record_current.c.message)),
                "follows": True,
            },
        )
    )


def _held_key_set(connection: sa.Connection, digest: bytes, keys: list[str]) -> int:
    """Find or make a list of keys, and keep it from being forgotten until the transaction ends.

    Between finding that it is there and holding it, the nightly clean-up may have taken it: then it is made anew.
    """
    found = sa.select(key_set.c.id).where(key_set.c.digest == digest).with_for_update(read=True, key_share=True)
    set_id: int | None = connection.scalar(found)
    while set_id is None:
        connection.execute(insert(key_set).values(digest=digest, keys=keys).on_conflict_do_nothing())
        set_id = connection.scalar(found)
    return set_id


def _freeze(connection: sa.Connection, run: Run, entity: str, keys: list[str]) -> None:
    """Give records that were unchanged until now, and are not in the list any more, the run they were last seen in."""
    kept = _as_table(keys)
    connection.execute(
        sa.update(record_current)
        .where(
            record_current.c.link == run.link,
            record_current.c.entity == entity,
            record_current.c.follows,
            latest_unchanged.c.link == record_current.c.link,
            latest_unchanged.c.entity == record_current.c.entity,
            ~sa.exists().where(kept.c.key == record_current.c.source_key),
        )
        .values(follows=False, run=latest_unchanged.c.run, occurred_at=latest_unchanged.c.occurred_at)
    )


def _as_table(keys: list[str]) -> sa.TableValuedAlias:
    """Make a list of keys a table with the column `key`."""
    return sa.func.unnest(sa.literal(keys, sa.ARRAY(sa.Text))).table_valued("key").render_derived()
