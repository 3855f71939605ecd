"""A task that died: every record that its run has staged has an outcome all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.storage.outcomes import Outcome, finish_entity, note_extracted, note_outcomes
from include.storage.runs import close_run
from include.storage.settling import UNFINISHED, settle
from include.storage.staging import stage
from include.storage.tables import sync_run_entity
from tests.storage.support import new_link, new_run, now

if TYPE_CHECKING:
    from include.storage.runs import Run

OUTCOMES = sa.text(
    "SELECT source_key, outcome, reason, message FROM sync_outcomes WHERE run_id = :run_id AND entity = 'customers'"
)


def _stage(engine: sa.Engine, run: Run, *keys: int) -> None:
    pages = [[json.dumps({"id": key}).encode() for key in keys]]
    extracted = stage(engine, run, "customers", pages, lambda raw: str(json.loads(raw)["id"]))
    with engine.begin() as connection:
        note_extracted(connection, run, "customers", extracted, now(engine))


def test_a_staged_record_that_no_task_came_to_has_failed(database: sa.Engine) -> None:
    run = new_run(database, new_link())
    _stage(database, run, 1, 2, 3)
    with database.begin() as connection:
        note_outcomes(connection, run, "customers", [Outcome("2", "created")])
    settle(database, run, ["customers", "items"])
    with database.connect() as connection:
        found = {row[0]: tuple(row[1:]) for row in connection.execute(OUTCOMES, {"run_id": run.run_id})}
        entity = connection.execute(sa.select(sync_run_entity).where(sync_run_entity.c.run == run.id)).one()
    died = ("failed", "technical", UNFINISHED)
    assert found == {"1": died, "2": ("created", None, None), "3": died}
    assert (entity.entity, entity.state) == ("customers", "failed")
    assert close_run(database, run, good=False) == {"customers": {"created": 1, "failed": 2}}


def test_what_came_to_its_end_stays_as_it_is(database: sa.Engine) -> None:
    run = new_run(database, new_link())
    _stage(database, run, 1, 2)
    with database.begin() as connection:
        finish_entity(connection, run, "customers", ["1", "2"], state="good")
    settle(database, run, ["customers"])
    assert close_run(database, run, good=True) == {"customers": {"unchanged": 2}}
