"""Runs, and the one lock per link and direction.

A run has several tasks, which may live in several processes. `run_claim` says which run a link's direction belongs
to; while one of its tasks works, that task holds a shared advisory lock of the run on a connection of its own, which
PostgreSQL lets go of the moment the process dies. Another run may take over when none of the owner's tasks works, and
the owner is finished or has not been seen for `GRACE_SECONDS`. Nothing depends on the claim for correctness (every
write is guarded by what the database knows of the record): it keeps two runs from doing the same work.
"""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from include.errors import InvariantError, RunNotBegunError, TransientError
from include.storage.engine import ask
from include.storage.tables import key_set, run_claim, sync_outcome, sync_outcome_set, sync_run, sync_run_entity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

log = logging.getLogger(__name__)

GRACE_SECONDS = 20
MISSED_DAYS = 35
COVERING_RUNS = 2000
"""The newest runs, of 38 days, among which the latest interval is looked for: a backfill runs older ones later."""

WAIT_SECONDS = 120
_POLL_SECONDS = 1.0
_MUTEX = 7_300_000_000_000  # base of the advisory keys of a link's direction
_INT4 = 2**31  # the advisory keys of tasks are pairs, in a space of their own
_RUN_LOCK = 7_400_000_000_000  # base of the advisory keys of runs

# the statements of every task are made once: to make them takes longer than to carry them out
_FIND_RUN = sa.select(sync_run).where(
    sync_run.c.dag_id == sa.bindparam("of_dag"), sync_run.c.run_id == sa.bindparam("of_run_id")
)
_OF_DIRECTION = sa.and_(
    run_claim.c.link == sa.bindparam("of_link"), run_claim.c.direction == sa.bindparam("of_direction")
)
_TAKE_MUTEX = sa.select(
    sa.func.pg_advisory_xact_lock(_MUTEX + sa.func.hashtext(sa.bindparam("of_whom", type_=sa.Text)))
)
_OWNER = (
    sa.select(
        run_claim.c.run,
        sync_run.c.state,
        sync_run.c.run_id,
        sa.extract("epoch", sa.func.clock_timestamp() - run_claim.c.seen_at).label("idle"),
    )
    .join(sync_run, sync_run.c.id == run_claim.c.run)
    .where(_OF_DIRECTION)
)
_INSERT_CLAIM = insert(run_claim)
_CLAIM = _INSERT_CLAIM.on_conflict_do_update(
    index_elements=["link", "direction"],
    set_={
        "run": _INSERT_CLAIM.excluded.run,
        "claimed_at": sa.func.clock_timestamp(),
        "seen_at": sa.func.clock_timestamp(),
    },
)
_SEEN = (
    sa.update(run_claim)
    .where(_OF_DIRECTION, run_claim.c.run == sa.bindparam("of_run"))
    .values(seen_at=sa.func.clock_timestamp())
)
_OF_TASK = sa.bindparam("of_task", type_=sa.Text)
_FORGET_FAILURE = (
    sa.update(sync_run)
    .where(sync_run.c.id == sa.bindparam("of_run"), sync_run.c.failures.has_key(_OF_TASK))
    .values(failures=sync_run.c.failures.op("-")(_OF_TASK))
)
_NOTE_SUCCESS = (
    sa.update(sync_run)
    .where(sync_run.c.id == sa.bindparam("of_run"))
    .values(
        failures=sync_run.c.failures.op("-")(_OF_TASK),
        figures=sa.func.coalesce(sync_run.c.figures, sa.literal({}, JSONB)).concat(
            sa.bindparam("of_figures", type_=JSONB)
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one direction of one link."""

    id: int
    link: str
    direction: str
    dag_id: str
    run_id: str
    dry_run: bool
    plan: dict[str, Any]


class RunBusyError(TransientError):
    """Another run works on this link and direction, and did not end while this one waited."""


def open_run(
    engine: sa.Engine,
    *,
    link: str,
    direction: str,
    dag_id: str,
    run_id: str,
    plan: dict[str, Any],
    dry_run: bool = False,
) -> Run:
    """Note that a run begins (or begins again: a cleared or retried task finds the same run).

    Args:
        engine: Of the connector's database.
        link: Name of the link.
        direction: `minox_to_qms` or `qms_to_minox`.
        dag_id: Of the DAG.
        run_id: Of the DAG run.
        plan: What the run was asked, JSON-ready.
        dry_run: The run writes nothing but staging.
    """
    values = {
        "link": link,
        "direction": direction,
        "dag_id": dag_id,
        "run_id": run_id,
        "plan": plan,
        "dry_run": dry_run,
    }
    with engine.begin() as connection:
        statement = (
            insert(sync_run)
            .values(values)
            .on_conflict_do_update(
                index_elements=["dag_id", "run_id"], set_={"state": "running", "finished_at": None, "message": None}
            )
        )
        connection.execute(statement)
    return find_run(engine, dag_id, run_id)


def find_run(engine: sa.Engine, dag_id: str, run_id: str) -> Run:
    """Return the run of a DAG run.

    Raises:
        RunNotBegunError: Its first task has not noted it.
    """
    with engine.connect() as connection:
        row = connection.execute(_FIND_RUN, {"of_dag": dag_id, "of_run_id": run_id}).one_or_none()
    if row is None:
        raise RunNotBegunError(
            "This run did not begin: its first task says why. To do it again, clear the whole run, that task too.",
            detail=f"{dag_id} {run_id}",
        )
    return Run(row.id, row.link, row.direction, row.dag_id, row.run_id, row.dry_run, row.plan)


@contextlib.contextmanager
def working(
    engine: sa.Engine,
    run: Run,
    task: str | None = None,
    *,
    wait_seconds: float = WAIT_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the link's direction for this run while a task works.

    Args:
        engine: Of the connector's database.
        run: The run.
        task: Name of the task, when it may not be at work twice at once (a scheduler that lost sight of it starts it
            again); other tasks of the run may work beside it.
        wait_seconds: How long to wait for another run, and for the same task.
        sleep: Wait for a number of seconds.

    Raises:
        RunBusyError: Another run held it for `wait_seconds`, or the same task was at work so long.
    """
    deadline = time.monotonic() + wait_seconds
    told = None
    while (owner := _try_claim(engine, run)) is not None:
        if time.monotonic() >= deadline:
            raise RunBusyError(
                f"Another run works on {run.link} ({run.direction}); this one leaves it to it.",
                detail=f"{owner} had the lock for {wait_seconds:.0f} s",
                system="database",
            )
        if owner != told:
            log.info(
                "Waiting for run %s of %s (%s), %.0f seconds at most", owner, run.link, run.direction, wait_seconds
            )
            told = owner
        sleep(_POLL_SECONDS)
    with engine.connect() as connection:
        holder = connection.execution_options(isolation_level="AUTOCOMMIT")
        alone = (sa.cast(run.id % _INT4, sa.Integer), sa.func.hashtext(task))
        while task is not None and not holder.scalar(sa.select(sa.func.pg_try_advisory_lock(*alone))):
            if time.monotonic() >= deadline:
                raise RunBusyError(
                    f"This task of {run.link} ({run.direction}) is at work already; this one leaves it to it.",
                    detail=f"{task} of {run.run_id} for {wait_seconds:.0f} s",
                    system="database",
                )
            sleep(_POLL_SECONDS)
        holder.execute(sa.select(sa.func.pg_advisory_lock_shared(_RUN_LOCK + run.id)))
        try:
            yield
        finally:
            holder.execute(sa.select(sa.func.pg_advisory_unlock_shared(_RUN_LOCK + run.id)))
            if task is not None:
                holder.execute(sa.select(sa.func.pg_advisory_unlock(*alone)))
            holder.execute(_SEEN, {**_direction(run), "of_run": run.id})


def _direction(run: Run) -> dict[str, Any]:
    """Parameters of what is asked of a run's link and direction."""
    return {"of_link": run.link, "of_direction": run.direction}


def is_at_work(connection: sa.Connection, run: int) -> bool:
    """Tell whether a task of the run works: it holds the run's lock, which PostgreSQL lets go when its process dies."""
    return not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_RUN_LOCK + run)))


def _try_claim(engine: sa.Engine, run: Run) -> str | None:
    """Take the link's direction for the run; returns the run_id that has it when that is not possible."""
    with engine.begin() as connection:
        connection.execute(_TAKE_MUTEX, {"of_whom": f"{run.link} {run.direction}"})
        row = connection.execute(_OWNER, _direction(run)).one_or_none()
        if row is not None and row.run != run.id:
            if (row.state == "running" and row.idle <= GRACE_SECONDS) or is_at_work(connection, row.run):
                return str(row.run_id)
            connection.execute(_abandonment(row.run))
        connection.execute(_CLAIM, {"link": run.link, "direction": run.direction, "run": run.id})
    return None


def _abandonment(run: int) -> sa.Update:
    """The statement that calls a run abandoned, unless it has ended already."""
    return sa.update(sync_run).where(sync_run.c.id == run, sync_run.c.state == "running").values(state="abandoned")


def abandon(engine: sa.Engine, run: Run) -> None:
    """Note that a run gave way to another one: its last task never got the direction, so nothing else ends it."""
    with engine.begin() as connection:
        connection.execute(_abandonment(run.id))


def replan(engine: sa.Engine, run: Run, plan: dict[str, Any]) -> None:
    """Note what the run really takes, once that is known."""
    with engine.begin() as connection:
        connection.execute(sa.update(sync_run).where(sync_run.c.id == run.id).values(plan=plan))


def missed_runs(engine: sa.Engine, run: Run, entity: str) -> dict[int, dict[str, Any]]:
    """Earlier interval runs that ended before every record had an outcome, and that no later one made up for.

    A later run made up for one when it finished, and its own interval covers the other's or its plan names it.

    Args:
        engine: Of the connector's database.
        run: The run that asks.
        entity: Of the outcomes, e.g. `invoices`.

    Returns:
        Their plans, by number.
    """
    other, later = sync_run.alias("other"), sync_run.alias("later")

    def finished(which: Any) -> sa.ColumnElement[bool]:
        return sa.exists().where(
            sync_run_entity.c.run == which.c.id,
            sync_run_entity.c.entity == entity,
            sync_run_entity.c.finished_at.is_not(None),
            sync_run_entity.c.state != "held",
        )

    def instant(which: Any, name: str) -> sa.ColumnElement[Any]:
        return sa.cast(which.c.plan[name].astext, sa.DateTime(timezone=True))

    def is_interval(which: Any) -> sa.ColumnElement[bool]:
        same = sa.and_(which.c.link == run.link, which.c.direction == run.direction, sa.not_(which.c.dry_run))
        return sa.and_(same, which.c.plan["from_date"].astext.is_(None), which.c.plan["start"].astext.is_not(None))

    covers = sa.and_(instant(later, "start") <= instant(other, "start"), instant(later, "end") >= instant(other, "end"))
    names = later.c.plan["missed_runs"].contains(sa.func.to_jsonb(other.c.id))
    begin = sa.func.now() - sa.text(f"interval '{MISSED_DAYS} days'")
    made_up = sa.exists().where(
        is_interval(later),
        later.c.id > other.c.id,
        later.c.started_at > begin,
        finished(later),
        sa.or_(covers, sa.func.coalesce(names, sa.false())),
    )
    recent = other.c.started_at > begin
    open_ended = sa.select(other.c.id).where(is_interval(other), other.c.id < run.id, recent, ~finished(other))
    with engine.connect() as connection:
        # in two steps: there is nearly never one, and to compare all runs with all others takes seconds
        open_runs = connection.scalars(open_ended).all()
        if not open_runs:
            return {}
        query = sa.select(other.c.id, other.c.plan).where(other.c.id.in_(open_runs), ~made_up).order_by(other.c.id)
        return {row.id: row.plan for row in connection.execute(query)}


_HOLDER = sa.select(run_claim.c.run).where(
    run_claim.c.link == sa.bindparam("of_link"), run_claim.c.direction == sa.bindparam("of_direction")
)
_HOLDER_KEPT = _HOLDER.with_for_update(read=True)


def holds_claim(connection: sa.Connection, run: Run) -> bool:
    """Tell whether the link's direction is this run's, and keep it so until the transaction ends."""
    return connection.scalar(_HOLDER_KEPT, _direction(run)) == run.id


@dataclass(frozen=True, slots=True)
class Covered:
    """The latest interval of a link whose records all got an outcome: its run, and where it ends."""

    run: int
    end: str


def covered_run(connection: sa.Connection, link: str, direction: str, entity: str) -> Covered | None:
    """Find the latest interval of a link whose records all got an outcome; None when there is none."""
    newest = (
        sa.select(sync_run.c.id, sync_run.c.plan, sync_run.c.dry_run)
        .where(sync_run.c.link == link, sync_run.c.direction == direction)
        .order_by(sync_run.c.id.desc())
        .limit(COVERING_RUNS)
        .subquery()
    )
    end = newest.c.plan["end"].astext
    row = connection.execute(
        sa.select(newest.c.id, end)
        .join(sync_run_entity, sync_run_entity.c.run == newest.c.id)
        .where(
            sa.not_(newest.c.dry_run),
            newest.c.plan["from_date"].astext.is_(None),
            end.is_not(None),
            sync_run_entity.c.entity == entity,
            sync_run_entity.c.finished_at.is_not(None),
        )
        .order_by(sa.cast(end, sa.DateTime(timezone=True)).desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Covered(*row)


def insist_on_claim(connection: sa.Connection, run: Run) -> None:
    """See that the link's direction is this run's, and keep it so until the transaction ends.

    Raises:
        RunBusyError: Another run has taken over: this one was out of sight too long, and may change nothing more.
    """
    if not holds_claim(connection, run):
        raise _overtaken(run)


def insist_on_turn(engine: sa.Engine, run: Run) -> None:
    """See, right before the first byte of a write, that the link's direction is still this run's.

    Raises:
        RunBusyError: See `insist_on_claim`.
    """
    if ask(engine, _HOLDER, _direction(run)) != run.id:
        raise _overtaken(run)


def _overtaken(run: Run) -> RunBusyError:
    return RunBusyError(
        f"Another run took over {run.link} ({run.direction}); this one sends and notes nothing more.",
        system="database",
    )


def covered_until(engine: sa.Engine, link: str, direction: str, entity: str) -> str | None:
    """End of the latest interval of a link whose records all got an outcome; None when there is none."""
    with engine.connect() as connection:
        covered = covered_run(connection, link, direction, entity)
    return None if covered is None else covered.end


def note_failure(engine: sa.Engine, run: Run, task_id: str, message: str) -> None:
    """Note why a task of the run failed."""
    changed = sync_run.c.failures.concat({task_id: message})
    with engine.begin() as connection:
        connection.execute(sa.update(sync_run).where(sync_run.c.id == run.id).values(failures=changed))


def forget_failures(engine: sa.Engine, run: Run, task_ids: Iterable[str]) -> None:
    """Note that tasks of the run need not be done; an earlier try of the run may have failed there."""
    with engine.begin() as connection:
        connection.execute(_FORGET_FAILURE, [{"of_run": run.id, "of_task": task_id} for task_id in task_ids])


def note_success(engine: sa.Engine, run: Run, task_id: str, figures: dict[str, Any]) -> None:
    """Note that a task of the run went well, perhaps after a retry, and what it took (see `figures_of`)."""
    values = {"of_run": run.id, "of_task": task_id, "of_figures": {task_id: figures}}
    with engine.begin() as connection:
        connection.execute(_NOTE_SUCCESS, values)


def failures_of(engine: sa.Engine, run: Run) -> list[str]:
    """Say which tasks of the run failed, and why."""
    with engine.connect() as connection:
        failures = connection.scalar(sa.select(sync_run.c.failures).where(sync_run.c.id == run.id)) or {}
    return [f"{task_id}: {message}" for task_id, message in sorted(failures.items())]


def unfinished_entities(engine: sa.Engine, run: Run, entities: list[str]) -> list[str]:
    """Say for which of these entities the run did not come to a good end, and why."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(sync_run_entity.c.entity, sync_run_entity.c.state, sync_run_entity.c.message).where(
                sync_run_entity.c.run == run.id
            )
        )
        known = {row.entity: row for row in rows}
        failures = connection.scalar(sa.select(sync_run.c.failures).where(sync_run.c.id == run.id)) or {}
    found = []
    for entity in entities:
        row = known.get(entity)
        if row is None:
            why = failures.get(f"{entity}.stage") or failures.get("stage") or failures.get("open_run")
            found.append(f"{entity}: {why or 'not read, since what it depends on failed'}")
        elif row.state != "good":
            found.append(f"{entity}: {row.message or row.state}")
    return found


def close_run(engine: sa.Engine, run: Run, *, good: bool, message: str | None = None) -> dict[str, dict[str, int]]:
    """End a run: check conservation, free the link's direction, and count what became of its records.

    Returns:
        Per entity: number of records per outcome.

    Raises:
        InvariantError: For some entity, extracted is not the sum of the outcomes (spec, section 6).
    """
    counts = count_outcomes(engine, run)
    lost = _unaccounted(engine, run, counts) if good and not run.dry_run else []
    with engine.begin() as connection:
        connection.execute(
            sa.update(sync_run)
            .where(sync_run.c.id == run.id)
            .values(
                state="good" if good and not lost else "failed",
                finished_at=sa.func.clock_timestamp(),
                message=message or ("; ".join(lost) or None),
            )
        )
        connection.execute(sa.delete(run_claim).where(run_claim.c.run == run.id))
    if lost:
        raise InvariantError("Records and outcomes do not add up.", detail="; ".join(lost), system="database")
    return counts


def count_outcomes(engine: sa.Engine, run: Run) -> dict[str, dict[str, int]]:
    """Count the records per entity and outcome of a run."""
    single = (
        sa.select(sync_outcome.c.entity, sync_outcome.c.outcome, sa.func.count().label("records"))
        .where(sync_outcome.c.run == run.id)
        .group_by(sync_outcome.c.entity, sync_outcome.c.outcome)
    )
    together = (
        sa.select(sync_outcome_set.c.entity, sa.literal("unchanged"), sa.func.cardinality(key_set.c["keys"]))
        .join(key_set, key_set.c.id == sync_outcome_set.c.key_set)
        .where(sync_outcome_set.c.run == run.id)
    )
    counts: dict[str, dict[str, int]] = {}
    with engine.connect() as connection:
        for entity, outcome, records in connection.execute(sa.union_all(single, together)):
            if records:
                of_entity = counts.setdefault(entity, {})
                of_entity[outcome] = of_entity.get(outcome, 0) + records
    return counts


def _unaccounted(engine: sa.Engine, run: Run, counts: dict[str, dict[str, int]]) -> list[str]:
    """Say for which entities extracted is not the sum of the outcomes."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(sync_run_entity.c.entity, sync_run_entity.c.extracted).where(sync_run_entity.c.run == run.id)
        ).all()
    sums = {entity: sum(by_outcome.values()) for entity, by_outcome in counts.items()}
    return [
        f"{entity}: {extracted} extracted, {sums.get(entity, 0)} with an outcome"
        for entity, extracted in rows
        if extracted != sums.get(entity, 0)
    ]
