"""The demo's invoices: a year of ordinary ones, and a few of each thing that goes wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.data import names
from sandbox.data.invoices import Invoice, Line
from sandbox.data.minox_rows import SPECIAL_CUSTOMERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from sandbox.common.config import Row

FIRST_KEY = 9001
ORDINARY = 387
_FIRST_DAY = date(2026, 1, 5)
_DAYS = 345
_LONG = "Toelichting bij de werkzaamheden van deze maand, zoals besproken 🚀 - "

Person = tuple[str, str]
"""A debtor: customer code and name."""


def debtors(customers: list[Row]) -> list[Person]:
    """Choose the customers that get invoices.

    Args:
        customers: Minox's customers.

    Returns:
        Code and name of each.
    """
    return [(str(row["id"]), row["addresses"][0]["name"]) for row in customers[SPECIAL_CUSTOMERS:]]


def ordinary_line(rng: Random) -> Line:
    """Make a line of hours or expenses at 21 or 9 per cent.

    Args:
        rng: The source of chance.

    Returns:
        The line.
    """
    employee = names.person(rng)
    if rng.random() < 0.7:  # noqa: PLR2004 - a share of the invoices
        work = rng.choice(names.HOUR_WORK)
        return Line(
            quantity=Decimal(rng.randint(1, 160)) / 4,
            price=Decimal(rng.randint(60, 180)),
            account=rng.choice(("8000", "8000", "8010")),
            text=f"{rng.choice(names.TASKS)} - {employee}",
            item=(f"Senior {work}", "ADV-SR"),
            cost_center=rng.choice(("110", "120", "130", None)),
            employee=employee,
        )
    what = rng.choice(names.EXPENSES)
    low = what in {"Drukwerk", "Materiaal"}
    return Line(
        quantity=Decimal(rng.randint(1, 400)),
        price=Decimal(rng.randint(23, 4500)) / 100,
        account="8070" if low else "8060",
        vat=Decimal(9 if low else 21),
        vat_code="2" if low else "1",
        text=what,
        item=(what, "0042"),
        hours=False,
        irregularity=rng.choice((None, None, Decimal("0.00"), Decimal("-2.50"))),
    )


def ordinary_invoices(rng: Random, people: list[Person]) -> list[Invoice]:
    """Make the ordinary invoices of company 3, spread over 2026.

    Args:
        rng: The source of chance.
        people: The debtors.

    Returns:
        The invoices, oldest first.
    """
    made: list[Invoice] = []
    for place in range(ORDINARY):
        day = _FIRST_DAY + timedelta(days=place * _DAYS // ORDINARY)
        code, name = rng.choice(people)
        lines = [ordinary_line(rng) for _ in range(rng.randint(1, 12))]
        invoice = Invoice(
            key=FIRST_KEY + place,
            number=f"F2026-{place + 1:04d}",
            day=day,
            customer_code=code,
            customer_name=name,
            lines=lines,
            invoice_day=day,
            state="Sent" if rng.random() < 0.5 else "Processed",  # noqa: PLR2004 - a share of the invoices
            text=rng.choice((f"Werkzaamheden {day:%m-%Y}", None, "")),
            currency=rng.choice(("EUR", "EUR", None)),
        )
        _vary(rng, place, invoice, made)
        made.append(invoice)
    return made


def _vary(rng: Random, place: int, invoice: Invoice, earlier: list[Invoice]) -> None:
    """Give every so many invoices a form of its own."""
    if place % 18 == 9:  # noqa: PLR2004 - a share of the invoices
        _credit(rng.choice(earlier), invoice)
    for every, remainder, change in _FORMS:
        if place % every == remainder:
            change(rng, invoice)


def _propose(_rng: Random, invoice: Invoice) -> None:
    invoice.state, invoice.number = "Proposal", None


def _approve(_rng: Random, invoice: Invoice) -> None:
    invoice.state = "Approved"


def _add_surcharge(rng: Random, invoice: Invoice) -> None:
    for line in invoice.lines[:3]:
        line.surcharge = Decimal(rng.choice(("5.00", "7.50", "12.50")))


def _make_odd_cents(rng: Random, invoice: Invoice) -> None:
    invoice.round_total = True
    for line in invoice.lines:
        sign = -1 if invoice.credit_of is not None else 1
        line.quantity = Decimal(sign * rng.randint(1, 999)) / 100
        line.price = Decimal(rng.randint(100, 999_999)) / 10_000


def _write_much(_rng: Random, invoice: Invoice) -> None:
    invoice.lines[-1].text = _LONG * 6
    invoice.text = _LONG * 5


def _add_left_out(rng: Random, invoice: Invoice) -> None:
    invoice.lines += [replace(ordinary_line(rng), state=state) for state in ("WrittenOff", "Transferred")]


def _drop_invoice_day(_rng: Random, invoice: Invoice) -> None:
    invoice.invoice_day = None


def _drop_day(_rng: Random, invoice: Invoice) -> None:
    invoice.day = None


def _add_zero_rate(_rng: Random, invoice: Invoice) -> None:
    line = Line(Decimal(1), Decimal("49.95"), "8020", Decimal(0), "3", item=("Abonnement", "KST-00005"), text=" ")
    invoice.lines.append(line)


def _reverse_charge(rng: Random, invoice: Invoice) -> None:
    account, code = rng.choice((("8300", "5"), ("8100", "8")))
    for line in invoice.lines:
        line.vat, line.vat_code, line.account = Decimal(0), code, account


def _credit(original: Invoice, invoice: Invoice) -> None:
    invoice.credit_of = original
    invoice.customer_code, invoice.customer_name = original.customer_code, original.customer_name
    invoice.text = f"Creditfactuur bij {original.number or 'voorstel'}"
    for line in invoice.lines:
        line.quantity = -(line.quantity or Decimal(0))


def _write_off(_rng: Random, invoice: Invoice) -> None:
    invoice.number = f"Afgeboekte factuur: {invoice.key - 7800}"
    invoice.state = "Processed"
    for line in invoice.lines:
        line.state = "WrittenOff"


_FORMS: tuple[tuple[int, int, Callable[[Random, Invoice], None]], ...] = (
    (20, 7, _propose),
    (20, 13, _approve),
    (6, 0, _add_surcharge),
    (7, 3, _make_odd_cents),
    (16, 5, _reverse_charge),
    (25, 4, _write_much),
    (22, 6, _add_left_out),
    (30, 11, _drop_invoice_day),
    (ORDINARY, 151, _drop_day),
    (35, 17, _add_zero_rate),
    (190, 41, _write_off),
)
"""Of every so many invoices, the one with this remainder gets this form."""


def troubled_invoices(rng: Random, people: list[Person], ordinary: list[Invoice]) -> tuple[list[Invoice], Row]:
    """Make the invoices that cannot be booked, one of each kind.

    Args:
        rng: The source of chance.
        people: The debtors.
        ordinary: The ordinary invoices; one of them lends its number for a collision.

    Returns:
        The invoices, and the receivable that someone typed in by hand for the last one.
    """
    changes: list[Row] = [
        {"customer_code": None},
        {"customer_code": "DEB-12"},
        {"lines": [replace(ordinary_line(rng), account=None), ordinary_line(rng)]},
        {"number": "CONCEPT"},
        {"number": f"FA{str(ordinary[9].number)[1:]}"},
        {"currency": "USD"},
        {"day": date(2027, 1, 4), "invoice_day": date(2027, 1, 4)},
        {"extra": Decimal("10.00")},
        {"lines": [ordinary_line(rng), replace(ordinary_line(rng), quantity=None)]},
        {"customer_code": "777777", "customer_name": "Onbekend in Minox B.V."},
        {"lines": [replace(ordinary_line(rng), account="8999")]},
        {},
    ]
    made: list[Invoice] = []
    for place, change in enumerate(changes):
        day = date(2026, 2 + place % 9, 11)
        code, name = people[place]
        serial = ORDINARY + place + 1
        invoice = Invoice(
            key=FIRST_KEY + ORDINARY + place,
            number=f"F2026-{serial:04d}",
            day=day,
            customer_code=code,
            customer_name=name,
            lines=[ordinary_line(rng), ordinary_line(rng)],
            invoice_day=day,
            text=f"Werkzaamheden {day:%m-%Y}",
        )
        made.append(replace(invoice, **change))
    return made, _typed_in(made[-1])


def _typed_in(invoice: Invoice) -> Row:
    total = sum(invoice.totals())
    day = None if invoice.day is None else invoice.day.isoformat()
    code = int(invoice.customer_code or 0)
    return {
        "type": "receivable",
        "account_id": code,
        "account": {"id": str(code), "scheme": "MINOX", "type": "customer", "description": invoice.customer_name},
        "invoice_number": int(str(invoice.number).replace("F", "").replace("-", "")),
        "invoice_date": day,
        "due_date": None,
        "total": total,
        "paid": 0,
        "balance": total,
        "currency": {"id": "EUR"},
        "document_id": None,
    }
