"""What a dry run found, in staging: it writes nothing else anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.storage.outcomes import Outcome
from include.storage.tables import staging_preview, sync_run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.storage.queries import RunRow
    from include.storage.runs import Run

KEEP_RUNS = 3


@dataclass(frozen=True, slots=True)
class Preview:
    """What a dry run says of one record."""

    entity: str
    outcome: Outcome
    details: Any


def forget_previews(connection: sa.Connection, run: Run) -> None:
    """Forget what this run found before (a task that is run again), and what old dry runs of the link found."""
    older = (
        sa.select(sync_run.c.id)
        .where(sync_run.c.link == run.link, sync_run.c.direction == run.direction, sync_run.c.dry_run)
        .order_by(sync_run.c.id.desc())
        .offset(KEEP_RUNS)
    )
    connection.execute(
        sa.delete(staging_preview).where(sa.or_(staging_preview.c.run == run.id, staging_preview.c.run.in_(older)))
    )


def note_preview(
    connection: sa.Connection, run: Run, entity: str, outcome: Outcome, *, position: int, details: Any
) -> None:
    """Keep what would become of a record.

    Args:
        connection: In a transaction.
        run: The dry run.
        entity: Of the record.
        outcome: What would become of it.
        position: For the order on paper.
        details: The exact entry, or the changes field by field; JSON-ready.
    """
    note_previews(connection, run, entity, [(position, outcome, details)])


def note_previews(connection: sa.Connection, run: Run, entity: str, found: Iterable[tuple[int, Outcome, Any]]) -> None:
    """Keep what would become of records: per record its position, its outcome and the details (see `note_preview`)."""
    rows = [
        {
            "run": run.id,
            "entity": entity,
            "source_key": outcome.source_key,
            "position": position,
            "outcome": outcome.outcome,
            "reason": outcome.reason,
            "message": outcome.message,
            "details": details,
        }
        for position, outcome, details in found
    ]
    if not rows:
        return
    statement = insert(staging_preview)
    changing = ("position", "outcome", "reason", "message", "details")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["run", "entity", "source_key"], set_={name: statement.excluded[name] for name in changing}
        ),
        rows,
    )


def previews_of(connection: sa.Connection, run: Run | RunRow) -> list[Preview]:
    """Everything that a dry run found, in order."""
    rows = connection.execute(
        sa.select(staging_preview)
        .where(staging_preview.c.run == run.id)
        .order_by(staging_preview.c.entity, staging_preview.c.position, staging_preview.c.source_key)
    )
    return [Preview(r.entity, Outcome(r.source_key, r.outcome, r.reason, r.message), r.details) for r in rows]


def previewed_codes(connection: sa.Connection, run: Run, entity: str) -> dict[str, int]:
    """Codes that a dry run would create: they count as there, with the key 0."""
    if not run.dry_run:
        return {}
    rows = connection.scalars(
        sa.select(staging_preview.c.source_key).where(
            staging_preview.c.run == run.id,
            staging_preview.c.entity == entity,
            staging_preview.c.outcome == "created",
        )
    )
    return dict.fromkeys(rows, 0)
