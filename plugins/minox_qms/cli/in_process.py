"""Run a DAG once in this process, without a scheduler, for the command line."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.errors import ConfigurationError, ConnectorError
from include.settings.load import PROJECT_ROOT
from include.storage.home import state_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import DAG

NOT_BY_A_SCHEDULER = dt.timedelta(days=1)
POOL = "minox_qms_command_line"
POOL_DESCRIPTION = "Tasks of `minox-qms run`. It works through them itself; without slots no scheduler takes them up."


def run_dag(dag_id: str, conf: dict[str, Any], *, verbose: bool, level: str = "ERROR") -> tuple[str, str]:
    """Run the real DAG once.

    Args:
        dag_id: Of the DAG; its file is named by what stands before the two underscores.
        conf: The run's params.
        verbose: Show the tasks' logs, on standard error.
        level: Lowest level of the logs that are shown otherwise.

    Returns:
        The state that it ended in, and its run id.

    Raises:
        ConfigurationError: There is no such DAG.
        ConnectorError: Airflow could not be set up.
    """
    shown = None if verbose else level
    with _airflow(shown) as scratch, redirect_stdout(sys.stderr):  # standard output is for the result alone
        return _test(dag_id, conf, scratch)


@contextmanager
def _airflow(level: str | None) -> Iterator[Path | None]:
    """Give the run an Airflow to run in: the one that the environment names, else a scratch one of its own.

    The scratch one is a copy of an empty, migrated metadata database, so that any number of runs may go on side by
    side; it is given, and gone when the run is over. What the connector keeps is in its own database either way.
    """
    os.environ.setdefault("AIRFLOW__CORE__DAGS_FOLDER", str(PROJECT_ROOT / "dags"))
    os.environ.setdefault("AIRFLOW__CORE__PLUGINS_FOLDER", str(PROJECT_ROOT / "plugins"))
    os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    os.environ["MINOX_QMS_TASK_RETRIES"] = "0"  # a run in process would sleep through the delays
    if level is not None:
        os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", level)
        os.environ.setdefault("AIRFLOW__LOGGING__NAMESPACE_LEVELS", "task=CRITICAL")  # Airflow's own tracebacks
    home = Path(os.environ.get("AIRFLOW_HOME") or state_directory() / "no-airflow")
    is_set_up = any((home / name).exists() for name in ("airflow.cfg", "airflow.db"))
    if is_set_up or os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        yield None
        return
    scratch = Path(tempfile.mkdtemp(prefix="minox-qms-run-"))
    try:
        template = _template()
        shutil.copyfile(template, scratch / "airflow.db")
        os.environ["AIRFLOW_HOME"] = str(scratch)
        os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{scratch / 'airflow.db'}"
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _template() -> Path:
    """The migrated, empty metadata database that scratch ones are copied from, made once per Airflow version."""
    version = importlib.metadata.version("apache-airflow")
    template = state_directory() / f"airflow-{version}-empty.db"
    if not template.exists():
        with tempfile.TemporaryDirectory(prefix="minox-qms-airflow-") as home:
            database = Path(home) / "airflow.db"
            environment = os.environ | {
                "AIRFLOW_HOME": home,
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
            }
            done = subprocess.run(
                [sys.executable, "-m", "airflow", "db", "migrate"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            if done.returncode != 0:
                raise ConnectorError("Airflow's scratch database could not be made.", detail=done.stderr[-500:])
            copy = template.with_suffix(f".{os.getpid()}")
            shutil.copyfile(database, copy)
            copy.replace(template)
    return template


def _test(dag_id: str, conf: dict[str, Any], scratch: Path | None) -> tuple[str, str]:
    """Run the DAG; returns the state it ended in and its run id."""
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415 - Airflow takes seconds to import

    folder = PROJECT_ROOT / "dags" / f"{dag_id.partition('__')[0]}.py"
    logging.getLogger("airflow").setLevel(logging.ERROR)
    bag = DagBag(dag_folder=folder)
    dag = bag.dags.get(dag_id)
    if dag is None:
        raise ConfigurationError(f"There is no DAG {dag_id}.", detail="; ".join(bag.import_errors.values()))
    _keep_schedulers_off(dag)
    for task in dag.tasks:
        task.on_kill = partial(_terminate, scratch)  # type: ignore[union-attr, method-assign]  # none is mapped
    dag_run = dag.test(run_conf=conf, run_after=dt.datetime.now(dt.UTC) + NOT_BY_A_SCHEDULER)
    return str(getattr(dag_run.state, "value", dag_run.state)), str(dag_run.run_id)


def _keep_schedulers_off(dag: DAG) -> None:
    """See that only this process works through the DAG's run, also beside a scheduler of the same Airflow.

    A scheduler looks after runs that may begin by now, and queues each scheduled task whose pool has a slot: so the run
    begins for others later (`NOT_BY_A_SCHEDULER`), and its tasks are in a pool without slots.
    """
    from airflow.models.pool import Pool  # noqa: PLC0415 - Airflow takes seconds to import

    with suppress(sa.exc.IntegrityError):  # made this moment by another
        Pool.create_or_update_pool(POOL, slots=0, description=POOL_DESCRIPTION, include_deferred=False)
    for task in dag.tasks:
        task.pool = POOL


def _terminate(scratch: Path | None) -> None:
    """End the process at SIGTERM, as it would end without Airflow, which catches the signal while a task works.

    The task is left where it is: the next run makes up for it, as for one that was killed.
    """
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
