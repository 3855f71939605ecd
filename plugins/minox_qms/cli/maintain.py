"""`minox-qms maintain`: forget what is old."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that the others start without it

from __future__ import annotations

from typing import Annotated

import typer

from minox_qms.cli.asking import JsonOption, database
from minox_qms.cli.errors import told
from minox_qms.cli.output import print_json, print_table


@told
def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete what the settings (`retention`) do not keep, of all links, and say how many rows of each table."""
    from include.settings.load import valid_links
    from include.storage.retention import BOUNDED, Cleaning, clean

    with database() as engine:
        cleaning = Cleaning(engine, dry_run=dry_run)
        clean(cleaning, valid_links())
    if json:
        print_json({"dry_run": dry_run, "is_complete": cleaning.is_complete, "rows": cleaning.gone})
        return
    rows = [(table, count, BOUNDED[table].replace("`", "")) for table, count in cleaning.gone.items() if count]
    print_table(
        "Would be deleted" if dry_run else "Deleted",
        ("table", "rows#", "kept"),
        rows,
        empty="nothing, all is young enough.",
    )
    if not cleaning.is_complete:
        typer.echo("There is more: call it again.", err=True)
