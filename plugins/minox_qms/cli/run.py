"""`minox-qms run`: the real DAG of a link, once, in this process, without a scheduler."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import typer

from include.bookings.plan import LOCAL, make_plan
from include.errors import ConfigurationError
from include.settings.load import find_link
from minox_qms.cli.asking import JsonOption, database
from minox_qms.cli.errors import EXIT_FAILED, LinkOption, only_link, told
from minox_qms.cli.in_process import run_dag

DAGS = {"master-data": "minox_master_data", "invoices": "qms_invoices"}


@told
def run(
    what: Annotated[Literal["master-data", "invoices"], typer.Argument(help="Which direction.")],
    link: LinkOption = None,
    interval_start: Annotated[str | None, typer.Option(help="First instant of the data interval, ISO 8601.")] = None,
    interval_end: Annotated[str | None, typer.Option(help="First instant after the data interval, ISO 8601.")] = None,
    from_date: Annotated[str | None, typer.Option("--from", help="First invoice date of a range, inclusive.")] = None,
    to_date: Annotated[str | None, typer.Option("--to", help="Last invoice date of the range, inclusive.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written; write nothing.")] = False,
    json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the tasks' logs.")] = False,
) -> None:
    """Run the DAG of a link once, here and now, and show what became of the records.

    Without an interval or a range, invoices are taken from where the last run ended up to now.
    """
    settings = find_link(only_link(link))
    conf = _conf(what, interval_start, interval_end, from_date, to_date, dry_run=dry_run)
    dag_id = f"{DAGS[what]}__{settings.name}"
    state, run_id = run_dag(dag_id, conf, verbose=verbose)
    from minox_qms.cli.run_report import report_run  # noqa: PLC0415 - only once the run is over

    with database():
        good = report_run(dag_id, run_id, settings, as_json=json) and state == "success"
    if not good:
        raise typer.Exit(EXIT_FAILED)


def now() -> dt.datetime:
    """This instant, for a plan that has no interval."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def _conf(
    what: str, start: str | None, end: str | None, from_date: str | None, to_date: str | None, *, dry_run: bool
) -> dict[str, Any]:
    """Make the run's params, refusing what makes no sense before anything is started."""
    if what == "master-data" and (from_date or to_date):
        raise ConfigurationError("--from and --to are for invoices: master data has no dates.")
    if (start is None) != (end is None):
        raise ConfigurationError("--interval-start and --interval-end go together.")
    if start is not None and from_date is not None:
        raise ConfigurationError("Give an interval or a range of dates, not both.")
    conf: dict[str, Any] = {"dry_run": dry_run}
    first, last = now(), now()
    if start is not None and end is not None:
        first, last = _instant("--interval-start", start), _instant("--interval-end", end)
        if what == "invoices":
            conf |= {"interval_start": first.isoformat(), "interval_end": last.isoformat()}
    plan = make_plan(start=first, end=last, from_date=from_date, to_date=to_date)
    if plan.from_date is not None and plan.to_date is not None:
        conf |= {"from_date": plan.from_date.isoformat(), "to_date": plan.to_date.isoformat()}
    return conf


def _instant(option: str, value: str) -> dt.datetime:
    """Read an instant; without a zone it is local time (Europe/Amsterdam)."""
    try:
        instant = dt.datetime.fromisoformat(value)
    except ValueError:
        message = f"{option} {value!r} is not an instant: write it as 2026-01-31T07:00:00+01:00."
        raise ConfigurationError(message) from None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=LOCAL)
