"""What the DAG files of both directions share: links, schedule, defaults, params."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param

from include.errors import ConfigurationError
from include.settings.load import link_files, load_link
from minox_qms.alerts.callbacks import run_failed, task_failed
from minox_qms.operators.refuse_link import RefuseLinkOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.settings.link import LinkSettings

SCHEDULE = "*/15 7-19 * * *"
TIMEZONE = "Europe/Amsterdam"
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TASK_LIMIT = dt.timedelta(minutes=30)


def timetable() -> CronDataIntervalTimetable:
    """Every quarter from 07:00 to 19:45; the run of 07:00 covers the night (spec, section 1)."""
    return CronDataIntervalTimetable(SCHEDULE, timezone=TIMEZONE)


def default_args() -> dict[str, Any]:
    """Defaults of every task: who owns it, and how it is retried (never within a run from the command line)."""
    retries = int(os.environ.get("MINOX_QMS_TASK_RETRIES", "2"))
    return {
        "owner": "minox-qms",
        "retries": retries,
        "retry_delay": dt.timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "max_retry_delay": dt.timedelta(minutes=5),
        "execution_timeout": TASK_LIMIT,
        "on_failure_callback": task_failed,
    }


def dry_run_param() -> Param:
    """The switch that every DAG has."""
    return Param(
        default=False,
        type="boolean",
        title="Dry run",
        description="Show what would be written, and write nothing but staging.",
    )


def build_dags(build: Callable[[LinkSettings], DAG], prefix: str) -> dict[str, DAG]:
    """Build a DAG per link; a link whose file is not valid gets one that says so when it runs.

    Args:
        build: Makes the DAG of a link.
        prefix: Of the DAG ids.

    Returns:
        The DAGs by id.
    """
    dags = {}
    for path in link_files():
        try:
            dag = build(load_link(path))
        except ConfigurationError as error:
            dag = _refusing(f"{prefix}__{path.stem}", error)
        dags[dag.dag_id] = dag
    return dags


def _refusing(dag_id: str, error: ConfigurationError) -> DAG:
    """A DAG that fails with what is wrong with the link's file."""
    with DAG(
        dag_id,
        schedule=timetable(),
        start_date=START,
        catchup=False,
        tags=["minox-qms", "broken-link"],
        doc_md=f"# This link's file is not valid\n\n{error}\n\nMend the file; this DAG becomes the real one by itself.",
        default_args=default_args(),
        on_failure_callback=run_failed,
    ) as dag:
        RefuseLinkOperator(task_id="refuse", message=str(error), retries=0)
    return dag
