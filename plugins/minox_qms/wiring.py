"""What the DAG files of both directions share: links, schedule, defaults, params."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, get_parsing_context

from include.errors import ConfigurationError
from include.settings.load import link_files, load_link
from minox_qms.alerts.callbacks import run_failed, task_failed
from minox_qms.operators.refuse_link import RefuseLinkOperator
from minox_qms.timetable import StaggeredTimetable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.settings.link import LinkSettings

SCHEDULE = "*/15 7-19 * * *"
TIMEZONE = "Europe/Amsterdam"
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TASK_LIMIT = dt.timedelta(minutes=30)


def timetable(offset_minutes: int = 0, cron: str = SCHEDULE) -> CronDataIntervalTimetable | StaggeredTimetable:
    """Every quarter from 07:00 to 19:45; the run of 07:00 covers the night (spec, section 1).

    Args:
        offset_minutes: Minutes that runs start after the end of their interval; the intervals stay what they are.
        cron: Another schedule, in the same zone.
    """
    if offset_minutes == 0:
        return CronDataIntervalTimetable(cron, timezone=TIMEZONE)
    return StaggeredTimetable(cron, TIMEZONE, offset_minutes=offset_minutes)


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


def date_param(title: str, description: str) -> Param:
    """A date with a picker, that may be left empty."""
    return Param(default=None, type=["null", "string"], format="date", title=title, description=description)


def build_dags(build: Callable[[LinkSettings], DAG], prefix: str) -> dict[str, DAG]:
    """Build a DAG per link; a link whose file is not valid gets one that says so when it runs.

    A task reads its DAG file anew and needs one DAG of it: then only that link's file is read.

    Args:
        build: Makes the DAG of a link.
        prefix: Of the DAG ids.

    Returns:
        The DAGs by id.
    """
    dags = {}
    for path in _wanted(link_files(), prefix, get_parsing_context().dag_id):
        try:
            dag = build(load_link(path))
        except ConfigurationError as error:
            dag = _refusing(f"{prefix}__{path.stem}", path.stem, error)
        dags[dag.dag_id] = dag
    return dags


def _wanted(files: list[Path], prefix: str, dag_id: str | None) -> list[Path]:
    """Those of the links' files that a DAG is wanted of: all, unless Airflow reads the DAG file for one DAG."""
    return [path for path in files if dag_id in {None, f"{prefix}__{path.stem}"}]


def _refusing(dag_id: str, link: str, error: ConfigurationError) -> DAG:
    """A DAG that fails with what is wrong with the link's file."""
    with DAG(
        dag_id,
        schedule=timetable(),
        start_date=START,
        catchup=False,
        tags=["minox-qms", "broken-link", link],
        description=f"{link}: its file is not valid",
        doc_md=f"# This link's file is not valid\n\n{error}\n\nMend the file; this DAG becomes the real one by itself.",
        default_args=default_args(),
        on_failure_callback=run_failed,
    ) as dag:
        RefuseLinkOperator(task_id="refuse", message=str(error), retries=0)
    return dag
