"""Find an invoice in the ledger by what people call it: its number in QMS or Minox, or its InvoiceHeaderId."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.errors import ConfigurationError
from include.storage.nearby import near_ones
from include.storage.tables import booking, staging_preview, sync_run

if TYPE_CHECKING:
    from collections.abc import Iterable

_LARGEST_ID = 2**63 - 1
_LARGEST_NUMBER = 2**31 - 1
_MARKS = {"id": booking.c.invoice_header_id, "number": booking.c.invoice_number, "minox": booking.c.minox_number}


class UnknownInvoiceError(ConfigurationError):
    """The ledger does not know an invoice."""


def find_invoice(connection: sa.Connection, link: str, name: str) -> int:
    """Find an invoice of a link.

    Args:
        connection: To the connector's database.
        link: Name of the link.
        name: InvoiceNumber as QMS writes it, the number that Minox has, or InvoiceHeaderId; `number:`, `minox:` or
            `id:` in front of it says which.

    Returns:
        Its InvoiceHeaderId.

    Raises:
        UnknownInvoiceError: The ledger has no such invoice; near ones are named.
        ConfigurationError: It has more than one.
    """
    mark, wanted = _read(name)
    which = [_is(column, wanted) for key, column in _MARKS.items() if mark in {"", key}]
    rows = connection.execute(
        sa.select(booking.c.invoice_header_id, booking.c.invoice_number)
        .where(booking.c.link == link, sa.or_(*which))
        .order_by(booking.c.invoice_header_id)
        .limit(10)
    ).all()
    if len(rows) == 1:
        found: int = rows[0].invoice_header_id
        return found
    if rows:
        raise _several(link, wanted, rows)
    numbers = sa.select(booking.c.invoice_number).where(booking.c.link == link)
    near = near_ones(connection, numbers, booking.c.invoice_number, wanted)
    raise UnknownInvoiceError(f"The ledger of link {link} has no invoice {wanted!r}{near}.")


def foresee_invoice(connection: sa.Connection, link: str, name: str) -> tuple[int, str | None] | None:
    """Find an invoice that the ledger does not know yet: dry runs saw it, or its InvoiceHeaderId is given.

    Args:
        connection: To the connector's database.
        link: Name of the link.
        name: As for `find_invoice`; `id:` in front of an InvoiceHeaderId that no dry run saw.

    Returns:
        Its InvoiceHeaderId, and its number when that is known; None when it cannot be told.

    Raises:
        ConfigurationError: Dry runs saw more than one.
    """
    mark, wanted = _read(name)
    number = staging_preview.c.details["invoice_number"].as_string()
    same = {"id": staging_preview.c.source_key == wanted, "number": number == wanted}
    rows = connection.execute(
        sa.select(staging_preview.c.source_key, sa.func.max(number))
        .join(sync_run, sync_run.c.id == staging_preview.c.run)
        .where(
            sync_run.c.link == link,
            staging_preview.c.entity == "invoices",
            staging_preview.c.source_key.regexp_match("^[0-9]+$"),
            sa.or_(sa.false(), *(one for key, one in same.items() if mark in {"", key})),
        )
        .group_by(staging_preview.c.source_key)
        .order_by(sa.cast(staging_preview.c.source_key, sa.Numeric))
        .limit(10)
    ).all()
    if len(rows) > 1:
        raise _several(link, wanted, rows)
    if rows:
        return int(rows[0][0]), rows[0][1]
    is_id = mark == "id" and wanted.isascii() and wanted.isdigit() and len(wanted) < len(str(2**64))
    return (int(wanted), None) if is_id and 0 < int(wanted) <= _LARGEST_ID else None


def _several(link: str, wanted: str, rows: Iterable[Any]) -> ConfigurationError:
    """Say that a name fits several invoices, given by InvoiceHeaderId and number."""
    several = ", ".join(f"id:{key} ({number})" for key, number in rows)
    return ConfigurationError(f"Several invoices of link {link} go by {wanted!r}; say which: {several}.")


def _read(name: str) -> tuple[str, str]:
    """Split what people call an invoice into the mark that says what it is, if any, and the name itself."""
    kind, _, rest = name.strip().partition(":")
    mark, wanted = (kind, rest.strip()) if kind in _MARKS and rest else ("", name.strip())
    if not wanted:
        raise ConfigurationError("Say which invoice: its number, or its InvoiceHeaderId.")
    return mark, wanted


def _is(column: sa.Column[object], wanted: str) -> sa.ColumnElement[bool]:
    """Compare a column with what was asked for; what cannot be a number is none."""
    if column is booking.c.invoice_number:
        return column == wanted
    largest = _LARGEST_ID if column is booking.c.invoice_header_id else _LARGEST_NUMBER
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < len(str(2**64)) else -1
    return column == number if 0 <= number <= largest else sa.false()
