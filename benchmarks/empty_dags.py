"""DAGs of the same shape as the connector's, whose tasks do nothing: what Airflow itself takes.

This file is copied into a DAGs folder; `shapes.json` beside it says which tasks each DAG has.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, BaseOperator


class NothingOperator(BaseOperator):
    """Does nothing, in a process of its own as every task."""

    def execute(self, context: Any) -> None:
        """Do nothing."""


shapes = Path(__file__).with_name("shapes.json")
for dag_id, shape in json.loads(shapes.read_text("utf-8")).items() if shapes.exists() else ():
    with DAG(dag_id, schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), catchup=False) as dag:
        tasks = {name: NothingOperator(task_id=name, trigger_rule=one["trigger_rule"]) for name, one in shape.items()}
        for name, one in shape.items():
            for after in one["downstream"]:
                tasks[name] >> tasks[after]
    globals()[dag_id] = dag
