"""`minox-qms checks`: how the latest checks of the staged records came out."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that the others start without it

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minox_qms.cli.asking import EntityOption, JsonOption, link_named, reading
from minox_qms.cli.errors import LinkOption, told
from minox_qms.cli.output import print_json, print_table

if TYPE_CHECKING:
    from include.storage.queries import CheckRow

COLUMNS = ("table", "run#", "level", "check", "column", "result", "bad#", "seen", "expected")


@told
def checks(
    link: LinkOption = None,
    entity: EntityOption = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with the report to this file.")] = None,
    json: JsonOption = False,
) -> None:
    """Show how the latest checks came out, per staging table."""
    from include.storage.queries import latest_checks

    name, table = link_named(link), _table(entity)
    with reading() as connection:
        found = latest_checks(connection, name, table=table)
    if html is not None:
        _write(html, name, found)
        typer.echo(f"Wrote {html}.", err=json)
    if json:
        print_json(found)
    elif html is None:
        print_table(f"Latest checks of {name}", COLUMNS, map(cells, found), empty="none yet.")


def cells(one: CheckRow) -> tuple[Any, ...]:
    """The cells of one result."""
    details = one.details
    return (
        one.entity,
        one.run,
        one.level,
        f"{details['name']} ({one.expectation})" if details["name"] != one.expectation else details["name"],
        one.column,
        "good" if one.success else "BAD",
        details["unexpected"],
        _pairs(details["observed"]),
        _pairs(details["expected"]),
    )


def _table(name: str | None) -> str | None:
    """Read a staging table by its own name, or by any name of its entity."""
    from include.mappings import CHECKS
    from minox_qms.cli.asking import entity_named

    return name if name in CHECKS else entity_named(name)


def _pairs(values: dict[str, Any]) -> str:
    """Names and values in one line; fractions with four digits at most."""
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def _write(path: Path, link: str, found: list[CheckRow]) -> None:
    """Write the page.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    from include.errors import ConfigurationError
    from minox_qms.cli.check_page import page

    try:
        path.write_text(page(link, found), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
