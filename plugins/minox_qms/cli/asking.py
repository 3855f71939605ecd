"""What the commands that ask and act share: the database, their common options, and how those are read."""

from __future__ import annotations

import datetime as dt
import getpass
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from include.errors import ConfigurationError, TransientError
from minox_qms.cli.errors import only_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import sqlalchemy as sa

JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="For machines.")]
EntityOption: TypeAlias = Annotated[
    str | None, typer.Option("--entity", "-e", help="Only this entity, by any of its names.")
]
ROWS = 100
MOST_ROWS = 10_000
LimitOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--limit", "-n", min=1, max=MOST_ROWS, help="Rows a page.", show_default=f"{ROWS}; {MOST_ROWS} with --json"
    ),
]
AfterOption: TypeAlias = Annotated[str | None, typer.Option(help="Go on where a page ended: the mark it ended with.")]
SinceOption: TypeAlias = Annotated[
    str | None, typer.Option(help="From this moment on: ISO 8601, a date, or an age (90m, 24h, 7d).")
]
ByOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Who says so.", show_default="the user of this machine's account")
]

_AGES = {"m": dt.timedelta(minutes=1), "h": dt.timedelta(hours=1), "d": dt.timedelta(days=1)}


def rows_a_page(limit: int | None, *, as_json: bool) -> int:
    """The rows of a page: as asked for, else what a person reads, or as many as there can be for a machine."""
    if limit is not None:
        return limit
    return MOST_ROWS if as_json else ROWS


@contextmanager
def database() -> Iterator[sa.Engine]:
    """Give the engine of the connector's database.

    Raises:
        TransientError: The database cannot be reached.
        ConfigurationError: It has no tables, or not those of this release.
    """
    import sqlalchemy as sa  # noqa: PLC0415 - what a command needs is imported when it runs

    from include.storage.engine import engine  # noqa: PLC0415 - as above

    try:
        yield engine()
    except sa.exc.ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) in {"42P01", "42703"}:
            message = "The database does not have the tables of this release: run `minox-qms migrate` first."
            raise ConfigurationError(message) from error
        raise _database_error(error) from error
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "sqlstate", None) is None:
            message = f"The connector's database does not answer, or does not let us in: {_address()}."
            raise TransientError(message) from error
        raise _database_error(error) from error
    except sa.exc.SQLAlchemyError as error:
        raise _database_error(error) from error


def _database_error(error: sa.exc.SQLAlchemyError) -> TransientError:
    """Say what the database said; at a prompt there is no next try."""
    from include.storage.engine import database_error  # noqa: PLC0415 - as above

    detail = database_error(error).detail
    return TransientError("The connector's database could not do what was asked.", detail=detail, system="database")


def _address() -> str:
    """Where the connector's database is, and who says so, without user and password."""
    import sqlalchemy as sa  # noqa: PLC0415 - as above

    text = os.environ.get("MINOX_QMS_DATABASE_URL")
    if not text:
        return "the embedded one of this machine (MINOX_QMS_DATABASE_URL is not set)"
    url = sa.make_url(text)
    host = url.host or url.query.get("host") or "this machine"
    return f"MINOX_QMS_DATABASE_URL names the host {host}{'' if url.port is None else f', port {url.port}'}"


@contextmanager
def reading() -> Iterator[sa.Connection]:
    """Give a connection to the connector's database; see `database`."""
    with database() as engine, engine.connect() as connection:
        yield connection


def link_named(name: str | None) -> str:
    """The link that was named, when it has a file, or the only one.

    Raises:
        ConfigurationError: There is no such link, or none was named and there are several.
    """
    from include.settings.load import find_link  # noqa: PLC0415 - as above

    return find_link(only_link(name)).name


def entity_named(name: str | None) -> str | None:
    """Read an entity by any of its names, in both directions.

    Raises:
        ConfigurationError: There is none; the known names are listed.
    """
    from include.mappings import find  # noqa: PLC0415 - as above

    if name is None:
        return None
    if is_invoice(name):
        return "invoices"
    try:
        return find(name).entity
    except ConfigurationError as error:
        raise ConfigurationError(f"{error.message.rstrip('.')}, invoices.") from error


def known_name(what: str, name: str | None, known: Iterable[str]) -> str | None:
    """See that a name is one of those that there are.

    Args:
        what: What it names, e.g. `outcome`.
        name: The name; None: none was given.
        known: Those that there are.

    Raises:
        ConfigurationError: It is none of them; they are listed.
    """
    if name is None or name in (names := tuple(known)):
        return name
    raise ConfigurationError(f"There is no {what} {name!r}; known: {', '.join(names)}.")


def record_named(connection: sa.Connection, link: str, entity: str | None, name: str) -> tuple[str | None, str]:
    """Read which record is meant: by its key, or an invoice by any of its names.

    Args:
        connection: To the connector's database.
        link: Name of the link.
        entity: Of the record; None: it was not said, and the key of another record goes before the name of an invoice.
        name: What was given.

    Returns:
        Entity and key; what the ledger does not know is a key itself (`#17`).

    Raises:
        ConfigurationError: Several invoices go by that name.
    """
    from include.storage.invoice_names import UnknownInvoiceError, find_invoice  # noqa: PLC0415 - as above
    from include.storage.queries import INVOICES, Filter, current_outcomes  # noqa: PLC0415 - as above

    if entity not in {None, INVOICES}:
        return entity, name
    if entity is None and current_outcomes(connection, link, Filter(key=name), limit=1).rows:
        return None, name
    try:
        return INVOICES, str(find_invoice(connection, link, name))
    except UnknownInvoiceError:
        return entity, name


def is_invoice(name: str) -> bool:
    """Whether a name stands for the invoices."""
    return name.casefold() in {"invoice", "invoices", "factuur", "facturen", "transaction_line_batch"}


def instant_of(value: str | None) -> dt.datetime | None:
    """Read a moment: ISO 8601 (without a zone: Europe/Amsterdam), a date, or an age like `24h`.

    Raises:
        ConfigurationError: It is none.
    """
    from include.bookings.plan import LOCAL  # noqa: PLC0415 - as above

    if value is None:
        return None
    number, unit = value.strip()[:-1], value.strip()[-1:]
    if number.isascii() and number.isdigit() and unit in _AGES and len(number) < len("100000"):
        return dt.datetime.now(dt.UTC) - int(number) * _AGES[unit]
    try:
        instant = dt.datetime.fromisoformat(value.strip())
    except ValueError:
        raise ConfigurationError(f"{value!r} is no moment: write 2026-01-31T07:00, 2026-01-31, or 24h.") from None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=LOCAL)


def person_named(name: str | None) -> str:
    """Who says so: the name that was given, else that of this machine's account.

    Raises:
        ConfigurationError: None was given, and the account has no name.
    """
    if name is not None and name.strip():
        return name.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise ConfigurationError("Say who you are, with --by.") from None


def tell_more(after: str | None) -> None:
    """Say how to see the next page, when there is one."""
    if after is not None:
        typer.echo(f"There is more: --after {after}", err=True)
