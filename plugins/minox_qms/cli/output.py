"""How the commands show what they found: tables for people, JSON for machines."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

WIDTH_OF_A_PIPE = 200


def print_json(value: Any) -> None:
    """Print a value as JSON: dataclasses as objects, instants in ISO 8601, exact numbers as text."""
    import msgspec  # noqa: PLC0415 - what a command needs is imported when it runs

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def console() -> Console:
    """Make the console that tables are printed on; one that is no terminal is wide, so that nothing is cut."""
    from rich.console import Console  # noqa: PLC0415 - as above

    return Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE, soft_wrap=False, highlight=False)


def print_table(
    title: str, columns: tuple[str, ...], rows: Iterable[Iterable[Any]], *, empty: str = "Nothing."
) -> None:
    """Print a table; a column whose name ends in `#` holds numbers and stands to the right.

    Args:
        title: Above the table.
        columns: Headings.
        rows: Cells; None is shown as nothing, an instant in local time.
        empty: Printed in place of a table without rows.
    """
    from rich import box  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    cells = [[Text(shown(cell)) for cell in row] for row in rows]
    if not cells:
        typer.echo(f"{title}: {empty}")
        return
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name.rstrip("#"), justify="right" if name.endswith("#") else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    console().print(table)


def print_pairs(title: str, pairs: Iterable[tuple[str, Any]]) -> None:
    """Print names with their values, those without a value left out."""
    typer.echo(title)
    for name, value in pairs:
        if value is not None:
            typer.echo(f"  {name}: {shown(value)}")
    typer.echo("")


def shown(value: Any) -> str:
    """Write a value for people; what a terminal would take for a command is shown as a replacement character."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case dt.datetime():
            return moment(value)
        case list() | tuple() | set():
            return ", ".join(shown(one) for one in value)
        case _:
            return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in str(value))


def moment(instant: dt.datetime) -> str:
    """Write an instant in local time (Europe/Amsterdam)."""
    from include.bookings.plan import LOCAL  # noqa: PLC0415 - as above

    return f"{instant.astimezone(LOCAL):%Y-%m-%d %H:%M:%S}"


def counted(counts: dict[str, int]) -> str:
    """Write counts in one line: `3 booked, 1 rejected`."""
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
