"""The command line `minox-qms`: what a data engineer does at a prompt."""

from __future__ import annotations

import typer

from minox_qms.cli.actions import exclude, include, reoffer
from minox_qms.cli.changes import changes
from minox_qms.cli.checks import checks
from minox_qms.cli.connect import connect
from minox_qms.cli.explain import explain
from minox_qms.cli.invoice import invoice
from minox_qms.cli.maintain import maintain
from minox_qms.cli.migrate import migrate
from minox_qms.cli.outcomes import outcomes
from minox_qms.cli.reconcile import reconcile
from minox_qms.cli.rejections import rejections
from minox_qms.cli.run import run
from minox_qms.cli.status import status

app = typer.Typer(
    name="minox-qms",
    help="Minox and QicsMilestones: run, look, mend.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(status)
app.command()(outcomes)
app.command()(rejections)
app.command()(reoffer)
app.command()(exclude)
app.command()(include)
app.command()(changes)
app.command()(explain)
app.command()(invoice)
app.command()(checks)
app.command()(reconcile)
app.command()(connect)
app.command()(migrate)
app.command()(maintain)


def main() -> None:
    """Entry point of the command `minox-qms`."""
    app()
