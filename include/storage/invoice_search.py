"""Invoices of the ledger, found by number, debtor, date, amount and outcome. Nothing here writes."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - part of the dataclasses' public annotations
from collections.abc import Iterable  # noqa: TC003 - as above
from dataclasses import dataclass, fields
from decimal import Decimal  # noqa: TC003 - as above

import sqlalchemy as sa

from include.storage.ledger import OPEN_STATES
from include.storage.queries import Page
from include.storage.tables import booking

REOFFERED = "reoffer"
"""What an open invoice stands as that a person has offered again, until a run has looked at it."""

_LARGEST_NUMBER = 2**31 - 1
_IS_EXCLUDED = booking.c.state == "excluded"
_IS_REOFFERED = sa.and_(booking.c.state == "open", booking.c.reoffer)


def standing(state: str, outcome: str, *, reoffer: bool) -> str:
    """What an invoice stands as: its last outcome, unless a person said otherwise since a run looked at it."""
    if state == "excluded":
        return "excluded"
    return REOFFERED if state == "open" and reoffer else outcome


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """Which invoices are asked for; None does not narrow.

    Attributes:
        number: Beginning of the number as QMS writes it (or in capitals, or small letters), or the whole number that
            Minox has.
        customer: Debtor number.
        from_date: First invoice date.
        to_date: Last invoice date.
        amount_from: Lowest total with VAT.
        amount_to: Highest total with VAT.
        outcome: What they stand as, e.g. `rejected` (see `standing`).
        is_open: Only those that the next run takes up.
    """

    number: str | None = None
    customer: int | None = None
    from_date: dt.date | None = None
    to_date: dt.date | None = None
    amount_from: Decimal | None = None
    amount_to: Decimal | None = None
    outcome: str | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """One invoice of the ledger."""

    invoice_header_id: int
    invoice_number: str | None
    minox_number: int | None
    customer: int | None
    invoice_date: dt.date | None
    total: Decimal | None
    state: str
    outcome: str
    reason: str | None
    reoffer: bool

    @property
    def standing(self) -> str:
        """What it stands as (see `standing`)."""
        return standing(self.state, self.outcome, reoffer=self.reoffer)


def search_invoices(
    connection: sa.Connection, link: str, which: InvoiceFilter, *, limit: int = 50, after: int | None = None
) -> Page[InvoiceRow]:
    """List invoices, those with the highest InvoiceHeaderId (the newest in QMS) first.

    Args:
        connection: To the connector's database.
        link: Name of the link.
        which: What is asked for.
        limit: Rows a page.
        after: InvoiceHeaderId that the page before ended with (`Page.after`).
    """
    query = sa.select(*(booking.c[one.name] for one in fields(InvoiceRow))).where(booking.c.link == link, *_said(which))
    if after is not None:
        query = query.where(booking.c.invoice_header_id < after)
    ordered = query.order_by(booking.c.invoice_header_id.desc()).limit(limit + 1)
    rows = [InvoiceRow(*row) for row in connection.execute(ordered)]
    kept = tuple(rows[:limit])
    return Page(kept, str(kept[-1].invoice_header_id) if len(rows) > limit else None)


def invoice_numbers(connection: sa.Connection, link: str, keys: Iterable[str]) -> dict[str, str]:
    """Look up what people call invoices that the ledger has: the number as QMS writes it, else `id` and the key.

    Args:
        connection: To the connector's database.
        link: Name of the link.
        keys: Source keys; those that are no InvoiceHeaderId are left out.
    """
    ids = [int(key) for key in keys if key.isascii() and key.isdigit() and len(key) < len(str(2**63))]
    rows = connection.execute(
        sa.select(booking.c.invoice_header_id, booking.c.invoice_number).where(
            booking.c.link == link, booking.c.invoice_header_id.in_(ids)
        )
    )
    return {str(number): name or f"id {number}" for number, name in rows}


def invoices_numbered(connection: sa.Connection, link: str, number: str) -> list[str]:
    """Source keys of the invoices that QMS gives a number, in capitals or small letters as well."""
    ids = connection.scalars(
        sa.select(booking.c.invoice_header_id)
        .where(booking.c.link == link, booking.c.invoice_number.in_(_spellings(number)))
        .order_by(booking.c.invoice_header_id)
    )
    return [str(one) for one in ids]


def _spellings(number: str) -> list[str]:
    """A number as it was typed, in capitals, and in small letters: an index finds each of them."""
    return sorted({number, number.upper(), number.lower()})


def _said(which: InvoiceFilter) -> list[sa.ColumnElement[bool]]:
    """Narrow by what is asked for."""
    column = booking.c
    found: list[sa.ColumnElement[bool]] = []
    if which.number is not None:
        named = sa.or_(*(column.invoice_number.startswith(one, autoescape=True) for one in _spellings(which.number)))
        if which.number.isascii() and which.number.isdigit() and int(which.number) <= _LARGEST_NUMBER:
            named = sa.or_(named, column.minox_number == int(which.number))
        found.append(named)
    if which.outcome is not None:
        found.append(_stands_as(which.outcome))
    if which.is_open:
        found.append(column.state.in_(OPEN_STATES))
    bounds = (
        (which.customer, column.customer.__eq__),
        (which.from_date, column.invoice_date.__ge__),
        (which.to_date, column.invoice_date.__le__),
        (which.amount_from, column.total.__ge__),
        (which.amount_to, column.total.__le__),
    )
    return found + [compare(value) for value, compare in bounds if value is not None]


def _stands_as(name: str) -> sa.ColumnElement[bool]:
    """Whether an invoice stands as this, each as an index has it (see `standing`)."""
    by_a_person = {"excluded": _IS_EXCLUDED, REOFFERED: _IS_REOFFERED}
    if name in by_a_person:
        return by_a_person[name]
    return sa.and_(booking.c.outcome == name, sa.not_(_IS_EXCLUDED), sa.not_(_IS_REOFFERED))
