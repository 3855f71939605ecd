"""`minox-qms reconcile`: compare QMS, the ledger and Minox over a range of invoice dates."""

from __future__ import annotations

import json as json_
from typing import Annotated, Any

import typer

from include.bookings.plan import make_plan
from include.settings.load import find_link
from minox_qms.cli.errors import EXIT_FAILED, LinkOption, only_link, told
from minox_qms.cli.in_process import run_dag
from minox_qms.cli.run import now

SHOWN = ("kind", "invoice_header_id", "invoice_number", "customer", "in_qms", "in_ledger", "in_minox", "message")


@told
def reconcile(
    link: LinkOption = None,
    from_date: Annotated[str | None, typer.Option("--from", help="First invoice date, inclusive.")] = None,
    to_date: Annotated[str | None, typer.Option("--to", help="Last invoice date, inclusive.")] = None,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
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
    state, run_id = run_dag(dag_id, conf, verbose=verbose)
    found = _findings(dag_id, run_id)
    if json:
        content = {"link": settings.name, "run_id": run_id, "state": state, "differences": found}
        typer.echo(json_.dumps(content, indent=2, default=str))
    elif found:
        from rich.console import Console  # noqa: PLC0415 - only when there is something to show
        from rich.table import Table  # noqa: PLC0415 - as above

        table = Table(*SHOWN, title=f"{len(found)} differences")
        for row in found:
            table.add_row(*("" if row[name] is None else str(row[name]) for name in SHOWN))
        Console().print(table)
    elif state == "success":
        typer.echo("QMS, the ledger and Minox agree.")
    if state != "success":
        raise typer.Exit(EXIT_FAILED)


def _findings(dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """What the run found, in order."""
    import sqlalchemy as sa  # noqa: PLC0415 - the other commands start quicker without

    from include.storage.engine import engine  # noqa: PLC0415 - as above
    from include.storage.tables import reconciliation_finding, sync_run  # noqa: PLC0415 - as above

    query = (
        sa.select(*(reconciliation_finding.c[name] for name in SHOWN))
        .join(sync_run, sync_run.c.id == reconciliation_finding.c.run)
        .where(sync_run.c.dag_id == dag_id, sync_run.c.run_id == run_id)
        .order_by(reconciliation_finding.c.id)
    )
    with engine().connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
