"""`minox-qms run`: the real DAG of a link, once, in this process, without a scheduler."""

from __future__ import annotations

import datetime as dt
import logging
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from include.bookings.plan import LOCAL, make_plan
from include.errors import ConfigurationError, ConnectorError
from include.settings.load import PROJECT_ROOT, find_link
from include.storage.home import state_directory
from minox_qms.cli.errors import EXIT_FAILED, EXIT_USAGE, LinkOption, only_link, told

if TYPE_CHECKING:
    from collections.abc import Iterator

DAGS = {"master-data": ("minox_master_data", "minox_to_qms"), "invoices": ("qms_invoices", "qms_to_minox")}


@told
def run(
    what: Annotated[Literal["master-data", "invoices"], typer.Argument(help="Which direction.")],
    link: LinkOption = None,
    interval_start: Annotated[str | None, typer.Option(help="First instant of the data interval, ISO 8601.")] = None,
    interval_end: Annotated[str | None, typer.Option(help="First instant after the data interval, ISO 8601.")] = None,
    from_date: Annotated[str | None, typer.Option("--from", help="First invoice date of a range, inclusive.")] = None,
    to_date: Annotated[str | None, typer.Option("--to", help="Last invoice date of the range, inclusive.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written; write nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the tasks' logs.")] = False,
) -> None:
    """Run the DAG of a link once, here and now, and show what became of the records.

    Without an interval or a range, invoices are taken from where the last run ended up to now.
    """
    settings = find_link(only_link(link))
    conf = _conf(what, interval_start, interval_end, from_date, to_date, dry_run=dry_run)
    prefix, _ = DAGS[what]
    with _airflow(verbose=verbose):
        state, run_id = _test(f"{prefix}__{settings.name}", conf)
    from minox_qms.cli.run_report import report_run  # noqa: PLC0415 - only once the run is over

    good = report_run(f"{prefix}__{settings.name}", run_id, settings, as_json=json) and state == "success"
    if not good:
        raise typer.Exit(EXIT_FAILED)


def _conf(
    what: str, start: str | None, end: str | None, from_date: str | None, to_date: str | None, *, dry_run: bool
) -> dict[str, Any]:
    """Make the run's params, refusing what makes no sense before anything is started."""
    if what == "master-data" and (from_date or to_date):
        _usage("--from and --to are for invoices: master data has no dates.")
    if (start is None) != (end is None):
        _usage("--interval-start and --interval-end go together.")
    if start is not None and from_date is not None:
        _usage("Give an interval or a range of dates, not both.")
    conf: dict[str, Any] = {"dry_run": dry_run}
    first, last = (dt.datetime.now(dt.UTC),) * 2
    if start is not None and end is not None:
        first, last = _instant("--interval-start", start), _instant("--interval-end", end)
        if what == "invoices":
            conf |= {"interval_start": first.isoformat(), "interval_end": last.isoformat()}
    try:
        plan = make_plan(start=first, end=last, from_date=from_date, to_date=to_date)
    except ConfigurationError as error:
        _usage(error.message)
    if plan.from_date is not None and plan.to_date is not None:
        conf |= {"from_date": plan.from_date.isoformat(), "to_date": plan.to_date.isoformat()}
    return conf


def _instant(option: str, value: str) -> dt.datetime:
    """Read an instant; without a zone it is local time (Europe/Amsterdam)."""
    try:
        instant = dt.datetime.fromisoformat(value)
    except ValueError:
        _usage(f"{option} {value!r} is not an instant: write it as 2026-01-31T07:00:00+01:00.")
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=LOCAL)


def _usage(message: str) -> Any:
    """End with a sentence and the code for wrong use."""
    typer.echo(f"minox-qms: {message}", err=True)
    raise typer.Exit(EXIT_USAGE)


@contextmanager
def _airflow(*, verbose: bool) -> Iterator[None]:
    """Give the run an Airflow to run in: the one that the environment names, else a scratch one of its own.

    The scratch one is a copy of an empty, migrated metadata database, so that any number of runs may go on side by side;
    it is gone when the run is over. What the connector keeps is in its own database either way.
    """
    os.environ.setdefault("AIRFLOW__CORE__DAGS_FOLDER", str(PROJECT_ROOT / "dags"))
    os.environ.setdefault("AIRFLOW__CORE__PLUGINS_FOLDER", str(PROJECT_ROOT / "plugins"))
    os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    os.environ["MINOX_QMS_TASK_RETRIES"] = "0"  # a run in process would sleep through the delays
    if not verbose:
        os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
    if os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        yield
        return
    scratch = Path(tempfile.mkdtemp(prefix="minox-qms-run-"))
    try:
        template = _template()
        shutil.copyfile(template, scratch / "airflow.db")
        os.environ["AIRFLOW_HOME"] = str(scratch)
        os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{scratch / 'airflow.db'}"
        yield
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _template() -> Path:
    """The migrated, empty metadata database that scratch ones are copied from, made once per Airflow version."""
    import importlib.metadata  # noqa: PLC0415
    import subprocess  # noqa: PLC0415

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


def _test(dag_id: str, conf: dict[str, Any]) -> tuple[str, str]:
    """Run the DAG; returns the state it ended in and its run id."""
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415 - Airflow takes seconds to import

    folder = PROJECT_ROOT / "dags" / f"{dag_id.partition('__')[0]}.py"
    logging.getLogger("airflow").setLevel(logging.ERROR)
    bag = DagBag(dag_folder=folder, include_examples=False)
    dag = bag.dags.get(dag_id)
    if dag is None:
        raise ConfigurationError(f"There is no DAG {dag_id}.", detail="; ".join(bag.import_errors.values()))
    dag_run = dag.test(run_conf=conf)
    return str(getattr(dag_run.state, "value", dag_run.state)), str(dag_run.run_id)
