"""How the checks of each run came out, for the report and for comparing a batch with the last good one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.storage.tables import check_result, sync_run, sync_run_entity

if TYPE_CHECKING:
    from include.storage.runs import Run

KEEP_RUNS = 100


def records_of_last_good_run(engine: sa.Engine, run: Run, entity: str) -> int | None:
    """Number of records of the entity in the link's last good run of it; None when there was none."""
    with engine.connect() as connection:
        records: int | None = connection.scalar(
            sa.select(sync_run_entity.c.extracted)
            .join(sync_run, sync_run.c.id == sync_run_entity.c.run)
            .where(
                sync_run.c.link == run.link,
                sync_run.c.direction == run.direction,
                sync_run.c.id != run.id,
                sa.not_(sync_run.c.dry_run),
                sync_run_entity.c.entity == entity,
                sync_run_entity.c.state == "good",
            )
            .order_by(sync_run.c.id.desc())
            .limit(1)
        )
    return records


def note_results(engine: sa.Engine, run: Run, table: str, results: list[dict[str, Any]]) -> None:
    """Keep how the expectations on a staging table came out; only the last `KEEP_RUNS` runs of the link keep theirs."""
    with engine.begin() as connection:
        write_results(connection, run, table, results)


def write_results(connection: sa.Connection, run: Run, table: str, results: list[dict[str, Any]]) -> None:
    """As `note_results`, within a transaction."""
    older = (
        sa.select(sync_run.c.id)
        .where(sync_run.c.link == run.link, sync_run.c.direction == run.direction)
        .order_by(sync_run.c.id.desc())
        .offset(KEEP_RUNS)
        .limit(KEEP_RUNS)  # each run forgets; without a limit the oldest runs of a link would be looked at every time
    )
    rows = [
        {
            "run": run.id,
            "entity": table,
            "level": one["level"],
            "expectation": one["name"],
            "column": one["column"],
            "success": one["success"],
            "details": one,
        }
        for one in results
    ]
    connection.execute(sa.delete(check_result).where(check_result.c.run.in_(older)))
    connection.execute(sa.delete(check_result).where(check_result.c.run == run.id, check_result.c.entity == table))
    if rows:
        connection.execute(insert(check_result), rows)


def results_of(connection: sa.Connection, run_id: int, table: str) -> list[dict[str, Any]]:
    """How the expectations on a staging table came out in a run, as they were noted."""
    query = sa.select(check_result.c.details).where(check_result.c.run == run_id, check_result.c.entity == table)
    return list(connection.scalars(query.order_by(check_result.c.id)))
