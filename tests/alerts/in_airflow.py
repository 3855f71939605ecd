"""Run a DAG once in a real Airflow, in a process of its own: `python -m tests.alerts.in_airflow DAG_ID CONF ANSWER`.

Writes, as JSON, the state that it and its tasks ended in, the asset events that Airflow has noted, and the tasks that a
scheduler would queue if all of the run stood scheduled: as they are, and if their pool had a slot.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from airflow.utils.session import create_session

from minox_qms.cli.in_process import POOL, run_dag

EVENTS = "SELECT a.uri, e.extra, e.source_task_id FROM asset_event e JOIN asset a ON a.id = e.asset_id ORDER BY e.id"

STATES = "SELECT task_id, state FROM task_instance WHERE run_id = :run"

UNDER_WAY = (
    "UPDATE dag SET is_paused = false",
    "UPDATE dag_run SET state = 'running' WHERE run_id = :run",
    "UPDATE task_instance SET state = 'scheduled' WHERE run_id = :run",
)
A_SLOT = "UPDATE slot_pool SET slots = 1 WHERE pool = :pool"
MANY = 100


def would_queue(run_id: str) -> dict[str, list[str]]:
    """What a scheduler takes up of the run's tasks, without and with a slot in their pool; changes nothing."""
    scheduler = SchedulerJobRunner(Job())  # type: ignore[no-untyped-call]
    found = {}
    with create_session() as session:
        for statement in UNDER_WAY:
            session.execute(sa.text(statement), {"run": run_id} if ":run" in statement else {})
        for name in ("without_slots", "with_a_slot"):
            found[name] = [one.task_id for one in scheduler._executable_task_instances_to_queued(MANY, session)]
            session.execute(sa.text(A_SLOT), {"pool": POOL})
        session.rollback()
    return found


def main(dag_id: str, params: str) -> dict[str, Any]:
    """Run, with metrics set up as a worker does."""
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
    state, run_id = run_dag(dag_id, json.loads(params), verbose=False)
    with create_session() as session:
        rows = session.execute(sa.text(EVENTS)).all()
        tasks = {row.task_id: row.state for row in session.execute(sa.text(STATES), {"run": run_id})}
    events = [[uri, json.loads(extra), task_id] for uri, extra, task_id in rows]
    return {"state": state, "tasks": tasks, "events": events, "queued": would_queue(run_id)}


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(json.dumps(main(*sys.argv[1:3])), encoding="utf-8")
