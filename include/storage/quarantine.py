"""Quarantine: records that were rejected, with their reasons and the payload as received (spec, section 5).

One open row per record. Seeing it again counts; a record that becomes good, or is gone from its system, leaves by
itself: its row is marked solved and stays as history.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.storage.outcomes import WRITTEN
from include.storage.tables import quarantine, sync_outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from include.checks.results import Finding
    from include.storage.runs import Run


_RELEASE = (
    sa.update(quarantine)
    .where(
        quarantine.c.link == sa.bindparam("of_link"),
        quarantine.c.entity == sa.bindparam("of_entity"),
        quarantine.c.solved_at.is_(None),
        quarantine.c.source_key == sa.any_(sa.bindparam("of_keys", type_=sa.ARRAY(sa.Text))),
    )
    .values(solved_at=sa.func.clock_timestamp(), alerted=False)
    .returning(quarantine.c.source_key)
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record with everything that is wrong with it; the first finding gives the reason of the outcome."""

    source_key: str
    findings: tuple[Finding, ...]
    payload: str | None

    @property
    def reason(self) -> str:
        """Reason of the outcome."""
        return self.findings[0].reason

    @property
    def message(self) -> str:
        """All findings in one line."""
        return "; ".join(f"{one.field}: {one.message}" if one.field else one.message for one in self.findings)


def put_aside(connection: sa.Connection, run: Run, entity: str, rejected: Sequence[Rejected]) -> set[str]:
    """Quarantine records.

    Returns:
        Keys of those that were not in quarantine before this run, or for another reason than now.
    """
    rows = [
        {
            "link": run.link,
            "direction": run.direction,
            "entity": entity,
            "source_key": one.source_key,
            "reason": one.reason,
            "message": one.message,
            "findings": [asdict(finding) for finding in one.findings],
            "payload": one.payload,
            "first_run": run.id,
            "last_run": run.id,
        }
        for one in rejected
    ]
    if not rows:
        return set()
    known = dict(
        connection.execute(
            sa.select(quarantine.c.source_key, quarantine.c.reason).where(
                *in_quarantine(run.link, entity),
                quarantine.c.source_key == sa.any_(sa.literal([row["source_key"] for row in rows])),
            )
        ).all()
    )
    statement = insert(quarantine)
    again = sa.case((quarantine.c.last_run == statement.excluded.last_run, 0), else_=1)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["link", "entity", "source_key"],
            index_where=quarantine.c.solved_at.is_(None),
            set_={
                "alerted": quarantine.c.alerted & (quarantine.c.reason == statement.excluded.reason),
                "reason": statement.excluded.reason,
                "message": statement.excluded.message,
                "findings": statement.excluded.findings,
                "payload": statement.excluded.payload,
                "times": quarantine.c.times + again,
                "last_run": statement.excluded.last_run,
                "last_seen": sa.func.clock_timestamp(),
            },
        ),
        rows,
    )
    return {one.source_key for one in rejected if known.get(one.source_key) != one.reason}


def see_again(connection: sa.Connection, run: Run, entity: str) -> list[tuple[str, str, str]]:
    """Count that a run has met all open records of an entity again, as they were.

    Returns:
        Their keys, reasons and messages.
    """
    again = sa.case((quarantine.c.last_run == run.id, 0), else_=1)
    seen = (
        sa.update(quarantine)
        .where(*in_quarantine(run.link, entity))
        .values(times=quarantine.c.times + again, last_run=run.id, last_seen=sa.func.clock_timestamp())
        .returning(quarantine.c.source_key, quarantine.c.reason, quarantine.c.message)
    )
    return [(row.source_key, row.reason, row.message) for row in connection.execute(seen)]


def release_others(connection: sa.Connection, run: Run, entity: str, *, still_open: Iterable[str] = ()) -> list[str]:
    """Mark as solved what is in quarantine and was not rejected by this run (of the whole collection).

    Args:
        connection: In a transaction.
        run: The run; it has read all records of the entity.
        entity: Of the records.
        still_open: Keys whose end is not known yet (failed technically): they stay.

    Returns:
        Keys of the records that left.
    """
    return _solve(
        connection,
        run,
        *in_quarantine(run.link, entity),
        quarantine.c.last_run != run.id,
        quarantine.c.source_key != sa.all_(sa.literal(list(still_open), sa.ARRAY(sa.Text))),
    )


def release(connection: sa.Connection, run: Run, entity: str, keys: Iterable[str]) -> list[str]:
    """Mark these records as solved; returns the keys of those that were in quarantine."""
    wanted = list(keys)
    if not wanted:
        return []
    given = {"of_link": run.link, "of_entity": entity, "of_keys": wanted, "solved_run": run.id}
    return list(connection.scalars(_RELEASE, given))


def release_written(connection: sa.Connection, run: Run, entity: str) -> list[str]:
    """Mark what this run has written as solved; returns the keys of those that were in quarantine."""
    written = sa.exists().where(
        sync_outcome.c.run == run.id,
        sync_outcome.c.entity == entity,
        sync_outcome.c.source_key == quarantine.c.source_key,
        sync_outcome.c.outcome.in_(WRITTEN),
    )
    return _solve(connection, run, *in_quarantine(run.link, entity), written)


def in_quarantine(link: str, entity: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Select the open rows of an entity."""
    return (quarantine.c.link == link, quarantine.c.entity == entity, quarantine.c.solved_at.is_(None))


def _solve(connection: sa.Connection, run: Run, *which: sa.ColumnElement[bool]) -> list[str]:
    """Mark rows as solved by a run."""
    return list(
        connection.scalars(
            sa.update(quarantine)
            .where(*which)
            .values(solved_at=sa.func.clock_timestamp(), solved_run=run.id, alerted=False)
            .returning(quarantine.c.source_key)
        )
    )
