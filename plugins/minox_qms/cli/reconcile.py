"""`minox-qms reconcile`: compare QMS, the ledger and Minox over a range of invoice dates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from include.bookings.plan import make_plan
from include.settings.load import find_link
from minox_qms.cli.asking import JsonOption, reading
from minox_qms.cli.errors import EXIT_FAILED, LinkOption, only_link, told
from minox_qms.cli.in_process import run_dag
from minox_qms.cli.output import print_json, print_table
from minox_qms.cli.run import now

if TYPE_CHECKING:
    import sqlalchemy as sa

SHOWN = ("kind", "invoice_header_id", "invoice_number", "customer", "in_qms", "in_ledger", "in_minox", "message")
HEADINGS = ("kind", "InvoiceHeaderId#", "number", "debtor#", "in QMS#", "in ledger#", "in Minox#", "message")


@told
def reconcile(
    link: LinkOption = None,
    from_date: Annotated[str | None, typer.Option("--from", help="First invoice date, inclusive.")] = None,
    to_date: Annotated[str | None, typer.Option("--to", help="Last invoice date, inclusive.")] = None,
    json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the tasks' logs.")] = False,
) -> None:
    """Compare QMS's processed invoices, the ledger and what Minox holds, to the cent; differences end with code 1.

    Without a range, the last days are compared (setting sweep_days). Nothing is written in either system.
    """
    settings = find_link(only_link(link))
    plan = make_plan(start=now(), end=now(), from_date=from_date, to_date=to_date)
    dates = {"from_date": plan.from_date, "to_date": plan.to_date}
    conf = {name: date.isoformat() for name, date in dates.items() if date is not None}
    dag_id = f"reconcile__{settings.name}"
    state, run_id = run_dag(dag_id, conf, verbose=verbose, level="CRITICAL")  # differences are a result, no failure
    with reading() as connection:
        found = _findings(connection, dag_id, run_id)
        message, period = _said(connection, dag_id, run_id)
        elsewhere = _elsewhere(connection, settings.name)
    if json:
        print_json({"link": settings.name, "run_id": run_id, "state": state, "differences": found})
    elif found:
        title = f"{len(found)} difference{'' if len(found) == 1 else 's'}, {period}"
        print_table(title, HEADINGS, ([row[name] for name in SHOWN] for row in found))
    elif state == "success":
        typer.echo(f"QMS, the ledger and Minox agree, {period}.")
        if elsewhere is not None:
            typer.echo(f"Differences that were found before are of other dates: {elsewhere}")
    if state == "success":
        return
    if not found:
        typer.echo(f"minox-qms: the run ended {state}: {message or 'see the log (--verbose)'}", err=True)
    raise typer.Exit(EXIT_FAILED)


def _findings(connection: sa.Connection, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """What the run found, in order."""
    import sqlalchemy as sa  # noqa: PLC0415 - the other commands start quicker without

    from include.storage.tables import reconciliation_finding, sync_run  # noqa: PLC0415 - as above

    query = (
        sa.select(*(reconciliation_finding.c[name] for name in SHOWN))
        .join(sync_run, sync_run.c.id == reconciliation_finding.c.run)
        .where(sync_run.c.dag_id == dag_id, sync_run.c.run_id == run_id)
        .order_by(reconciliation_finding.c.id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _said(connection: sa.Connection, dag_id: str, run_id: str) -> tuple[str | None, str]:
    """What the run said of its end, or its failed tasks did; and which invoices it compared, in words."""
    import sqlalchemy as sa  # noqa: PLC0415 - as above

    from include.storage.tables import sync_run  # noqa: PLC0415 - as above

    query = sa.select(sync_run.c.message, sync_run.c.failures, sync_run.c.plan)
    row = connection.execute(query.where(sync_run.c.dag_id == dag_id, sync_run.c.run_id == run_id)).one_or_none()
    if row is None:
        return None, ""
    message = row.message or "; ".join(f"{task_id}: {why}" for task_id, why in sorted(row.failures.items()))
    return message, f"invoices of {row.plan.get('from_date')} to {row.plan.get('to_date')}"


def _elsewhere(connection: sa.Connection, link: str) -> str | None:
    """The command for differences that an earlier run found and that are still told of; None: there are none."""
    from include.alerts.diagnosis import reconcile_command  # noqa: PLC0415 - as above
    from include.alerts.incident import DIFFERENCES  # noqa: PLC0415 - as above
    from include.storage.findings import found_by  # noqa: PLC0415 - as above
    from include.storage.incidents import open_incidents  # noqa: PLC0415 - as above

    for incident in open_incidents(connection, link):
        found = found_by(connection, incident.dag_id, incident.run_id) if incident.kind == DIFFERENCES else None
        if found is not None:
            return reconcile_command(link, found.first, found.last)
    return None
