"""Run a DAG once in a real Airflow, in a process of its own: `python -m tests.alerts.in_airflow DAG_ID CONF ANSWER`.

Writes, as JSON, the state that it and its tasks ended in, and the asset events that Airflow has noted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from airflow.utils.session import create_session

from minox_qms.cli.in_process import run_dag

EVENTS = "SELECT a.uri, e.extra, e.source_task_id FROM asset_event e JOIN asset a ON a.id = e.asset_id ORDER BY e.id"

STATES = "SELECT task_id, state FROM task_instance WHERE run_id = :run"


def main(dag_id: str, params: str) -> dict[str, Any]:
    """Run, with metrics set up as a worker does."""
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
    state, run_id = run_dag(dag_id, json.loads(params), verbose=False)
    with create_session() as session:
        rows = session.execute(sa.text(EVENTS)).all()
        tasks = {row.task_id: row.state for row in session.execute(sa.text(STATES), {"run": run_id})}
    events = [[uri, json.loads(extra), task_id] for uri, extra, task_id in rows]
    return {"state": state, "tasks": tasks, "events": events}


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(json.dumps(main(*sys.argv[1:3])), encoding="utf-8")
