"""`minox-qms migrate`: bring the database to the tables of this release."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that the others start without it

from __future__ import annotations

import typer

from minox_qms.cli.asking import database
from minox_qms.cli.errors import told


@told
def migrate() -> None:
    """Bring the connector's database to the tables of this release; there is no harm in calling it again."""
    from include.storage import migrate as migrations

    with database() as engine:
        migrations.migrate(engine)
    typer.echo(f"The database is at revision {migrations.head()}.")
