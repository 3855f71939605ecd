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
    known_name,
    link_named,
    reading,
    record_named,
    rows_a_page,
    tell_more,
)
from minox_qms.cli.errors import LinkOption, told
from minox_qms.cli.output import print_json, print_table

if TYPE_CHECKING:
    import sqlalchemy as sa

    from include.storage.previews import Preview
    from include.storage.queries import Filter, RunRow


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

    The history lists unchanged records only for a run that is named with --run. Of a dry run, what it would do is
    shown, as by `run --dry-run`.
    """
    from include.storage.queries import Filter, current_outcomes, past_outcomes, run_named
    from include.words import OUTCOMES, REASONS

    name, which_entity, first = link_named(link), entity_named(entity), instant_of(since)
    known_name("reason", reason, REASONS)
    with reading() as connection:
        of_run = None if run is None else run_named(connection, name, run)
        if of_run is not None and of_run.dry_run:
            _print_dry_run(connection, of_run, Filter(direction, which_entity, outcome, reason, key), as_json=json)
            return
        known_name("outcome", outcome, OUTCOMES)
        if key is not None:
            which_entity, key = record_named(connection, name, which_entity, key)
        number = None if of_run is None else of_run.id
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


def _print_dry_run(connection: sa.Connection, run: RunRow, which: Filter, *, as_json: bool) -> None:
    """Print what a dry run found, as far as it is asked for."""
    from include.settings.load import find_link
    from include.storage.previews import previews_of
    from include.words import OUTCOMES
    from minox_qms.cli.preview import WOULD_BOOK, print_preview

    known_name("outcome", which.outcome, (*OUTCOMES, WOULD_BOOK))
    previews = previews_of(connection, run)
    asked = [one for one in previews if _is_asked_for(one, run, which)]
    if asked or as_json:
        print_preview(asked, find_link(run.link), as_json)
    elif previews:
        typer.echo(f"Dry run {run.id}: nothing of what is asked for.")
    else:
        typer.echo(f"Dry run {run.id} found nothing to do, or what it found is not kept any more.")


def _is_asked_for(one: Preview, run: RunRow, which: Filter) -> bool:
    """Whether a record of a dry run is asked for; an invoice goes by its number too."""
    number = one.details.get("invoice_number") if isinstance(one.details, dict) else None
    return (
        which.direction in {None, run.direction}
        and which.entity in {None, one.entity}
        and which.outcome in {None, one.outcome.outcome}
        and which.reason in {None, one.outcome.reason}
        and which.key in {None, one.outcome.source_key, number}
    )
