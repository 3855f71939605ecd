"""Conservation when tasks die or run again: a staged record of a run has one outcome, no other record has any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.storage.outcomes import Outcome, finish_entity, note_outcomes, outcomes_of
from include.storage.staging import staged_keys
from include.storage.tables import STAGING, sync_outcome, sync_run_entity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.storage.runs import Run

UNFINISHED = "The run ended before this record had its turn; the next run takes it up."


def settle(engine: sa.Engine, run: Run, entities: Iterable[str]) -> None:
    """Give the outcome `failed` to staged records that no task gave an outcome, because it died or had a bug.

    Args:
        engine: Of the connector's database.
        run: The run; all its other tasks are done.
        entities: Of the outcomes.
    """
    with engine.connect() as connection:
        unfinished = list(
            connection.scalars(
                sa.select(sync_run_entity.c.entity).where(
                    sync_run_entity.c.run == run.id,
                    sync_run_entity.c.entity.in_(list(entities)),
                    sync_run_entity.c.finished_at.is_(None),
                )
            )
        )
    for entity in unfinished:
        keys = staged_keys(engine, run, entity)
        with engine.begin() as connection:
            noted = outcomes_of(connection, run, entity)
            outcomes = [Outcome(key, "failed", "technical", UNFINISHED) for key in keys if key not in noted]
            note_outcomes(connection, run, entity, outcomes)
            finish_entity(connection, run, entity, (), state="failed", message="its tasks did not come to an end")


def forget_unstaged(connection: sa.Connection, run: Run, entity: str) -> None:
    """Forget outcomes of this run for records that are not in what it has staged now (a stage that was run again)."""
    table = STAGING[entity]
    connection.execute(
        sa.delete(sync_outcome).where(
            sync_outcome.c.run == run.id,
            sync_outcome.c.entity == entity,
            ~sa.exists().where(table.c.run == run.id, table.c.key == sync_outcome.c.source_key),
        )
    )
