"""`minox-qms outcomes`: what became of the records."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that the others start without it

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from minox_qms.cli.asking import (
    AfterOption,
    EntityOption,
    JsonOption,
    LimitOption,
    SinceOption,
    entity_named,
    instant_of,
    link_named,
    reading,
    rows_a_page,
    tell_more,
)
from minox_qms.cli.errors import LinkOption, told
from minox_qms.cli.output import print_json, print_table

if TYPE_CHECKING:
    import sqlalchemy as sa


@told
def outcomes(
    *,
    link: LinkOption = None,
    direction: Annotated[
        Literal["minox_to_qms", "qms_to_minox"] | None, typer.Option(help="Only this direction.")
    ] = None,
    entity: EntityOption = None,
    outcome: Annotated[str | None, typer.Option("--outcome", "-o", help="Only this outcome, e.g. rejected.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason, e.g. nameless_debtor.")] = None,
    key: Annotated[str | None, typer.Option("--key", "-k", help="Only this record; an invoice by any name.")] = None,
    run: Annotated[str | None, typer.Option(help="Only this run: its number, or Airflow's run id.")] = None,
    since: SinceOption = None,
    history: Annotated[
        bool,
        typer.Option(
            "--history/--current", help="What became of them in every run, newest first, or only the latest of each."
        ),
    ] = False,
    limit: LimitOption = None,
    after: AfterOption = None,
    json: JsonOption = False,
) -> None:
    """List what became of the records: the latest outcome of each, or the outcomes of all runs.

    The history lists unchanged records only for a run that is named with --run.
    """
    from include.storage.queries import Filter, current_outcomes, past_outcomes, run_named

    name, which_entity, first = link_named(link), entity_named(entity), instant_of(since)
    with reading() as connection:
        if which_entity == "invoices" and key is not None:
            key = _invoice_key(connection, name, key)
        number = None if run is None else run_named(connection, name, run).id
        which = Filter(direction, which_entity, outcome, reason, key, number, first)
        found = past_outcomes if history else current_outcomes
        page = found(connection, name, which, limit=rows_a_page(limit, as_json=json), after=after)
    if json:
        print_json({"rows": page.rows, "after": page.after})
        return
    print_table(
        f"Outcomes of {name}",
        ("when", "entity", "key", "outcome", "reason", "message", "run"),
        (
            (one.occurred_at, one.entity, one.source_key, one.outcome, one.reason, one.message, one.run_id)
            for one in page.rows
        ),
    )
    tell_more(page.after)


def _invoice_key(connection: sa.Connection, link: str, name: str) -> str:
    """Key of an invoice by any name; what the ledger does not know is a key itself (`#17`)."""
    from include.errors import ConfigurationError
    from include.storage.invoice_names import find_invoice

    try:
        return str(find_invoice(connection, link, name))
    except ConfigurationError:
        return name
