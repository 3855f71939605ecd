"""The command line `minox-qms`: what a data engineer does at a prompt."""

from __future__ import annotations

import typer

from minox_qms.cli.run import run

app = typer.Typer(
    name="minox-qms",
    help="Minox and QicsMilestones: run, look, mend.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)


def main() -> None:
    """Entry point of the command `minox-qms`."""
    app()


@app.callback()
def _root() -> None:
    """Keep `run` a command of its own while it is the only one."""
