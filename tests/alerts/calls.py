"""Call the callbacks the way that Airflow calls them: through its task runner, and through its DAG processor."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import structlog
from airflow.callbacks.callback_requests import DagCallbackRequest
from airflow.dag_processing.processor import _execute_dag_callbacks
from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.sdk.execution_time.task_runner import _run_task_state_change_callbacks

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

LOG = structlog.get_logger()


def task_fails(dag: Any, run_id: str, task_id: str, error: BaseException | str | None, **params: Any) -> None:
    """As the task runner does it when a task has failed for good."""
    context: Any = {
        "dag": dag,
        "run_id": run_id,
        "task_instance": SimpleNamespace(task_id=task_id),
        "params": params,
        "exception": error,
        "outlet_events": OutletEventAccessors(),
    }
    _run_task_state_change_callbacks(dag.get_task(task_id), "on_failure_callback", context, LOG)


def run_fails(bag: DagBag, dag_id: str, run_id: str) -> None:
    """As the DAG processor does it when the scheduler says that a run has failed, with the least that it may know."""
    request = DagCallbackRequest(
        filepath="x.py", bundle_name="x", bundle_version=None, dag_id=dag_id, run_id=run_id, msg="task_failure"
    )
    _execute_dag_callbacks(bag, request, LOG)
