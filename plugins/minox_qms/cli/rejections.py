"""`minox-qms rejections`: what is in quarantine, and why."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that the others start without it

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from minox_qms.cli.asking import (
    AfterOption,
    EntityOption,
    JsonOption,
    LimitOption,
    entity_named,
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
    from include.storage.queries import RejectionRow


@told
def rejections(
    link: LinkOption = None,
    entity: EntityOption = None,
    reason: Annotated[str | None, typer.Option(help="Only with this reason among their findings.")] = None,
    key: Annotated[str | None, typer.Option("--key", "-k", help="Only this record; an invoice by any name.")] = None,
    solved: Annotated[bool, typer.Option("--solved", help="Those that became good, or are gone.")] = False,
    payload: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Print the record with this key, or this invoice, as it was received."),
    ] = None,
    limit: LimitOption = None,
    after: AfterOption = None,
    json: JsonOption = False,
) -> None:
    """List the rejected records with everything that is wrong with them."""
    from include.storage import queries
    from include.words import REASONS

    name, which, reason = link_named(link), entity_named(entity), known_name("reason", reason, REASONS)
    with reading() as connection:
        if payload is not None:
            which, key = record_named(connection, name, which, payload)
            typer.echo(queries.payload_of(connection, name, key, entity=which) or "")
            return
        if key is not None:
            which, key = record_named(connection, name, which, key)
        page = queries.rejections(
            connection,
            name,
            entity=which,
            reason=reason,
            key=key,
            solved=solved,
            limit=rows_a_page(limit, as_json=json),
            after=after,
        )
    if json:
        print_json({"rows": page.rows, "after": page.after})
        return
    print_table(
        f"{'Solved' if solved else 'Open'} rejections of {name}",
        ("entity", "key", "name", "what is wrong", "first seen", "last seen", "times#"),
        (
            (one.entity, one.source_key, one.name, _findings(one), one.first_seen, one.last_seen, one.times)
            for one in page.rows
        ),
        empty="none.",
    )
    tell_more(page.after)


def _findings(one: RejectionRow) -> str:
    """All findings, one a line, each with its field."""
    return "\n".join(
        f"{finding['reason']} ({finding['field']}): {finding['message']}"
        if finding.get("field")
        else f"{finding['reason']}: {finding['message']}"
        for finding in one.findings
    )
