"""`minox-qms changes`: what was changed in QMS, field by field."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that the others start without it

from __future__ import annotations

from typing import Annotated

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


@told
def changes(
    link: LinkOption = None,
    entity: EntityOption = None,
    key: Annotated[str | None, typer.Option("--key", "-k", help="Only this record.")] = None,
    since: SinceOption = None,
    run: Annotated[str | None, typer.Option(help="Only this run: its number, or Airflow's run id.")] = None,
    limit: LimitOption = None,
    after: AfterOption = None,
    json: JsonOption = False,
) -> None:
    """List what was changed in QMS, newest first: per field the value before and after."""
    from include.storage import queries

    name, which, first = link_named(link), entity_named(entity), instant_of(since)
    with reading() as connection:
        named = None if run is None else queries.run_named(connection, name, run)
        page = queries.changes(
            connection,
            name,
            entity=which,
            key=key,
            since=first,
            run=named,
            limit=rows_a_page(limit, as_json=json),
            after=after,
        )
    if json:
        print_json({"rows": page.rows, "after": page.after})
        return
    print_table(
        f"Changes in QMS by link {name}",
        ("when", "entity", "key", "QMS id#", "what", "field", "before", "after"),
        (
            (one.changed_at, one.entity, one.source_key, one.qms_id, one.operation, field, before, now)
            for one in page.rows
            for field, (before, now) in sorted(one.changes.items())
        ),
        empty="none.",
    )
    tell_more(page.after)
