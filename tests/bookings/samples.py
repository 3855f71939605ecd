"""Invoices for the tests: one that is right, to be changed field by field, and a seeded stream of all kinds."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from typing import TYPE_CHECKING, Any

import msgspec

from include.bookings.entry import BookingContext
from include.bookings.invoice import SourceInvoice
from include.settings.link import BookingSettings
from include.wire.qms import Company, Invoice, OverviewInvoice, OverviewInvoiceLine

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER: dict[str, Any] = {
    "InvoiceHeaderId": "9001",
    "CompanyId": "3",
    "InvoiceNumber": "F2026-0012",
    "InvoiceHeaderState": "Processed",
    "InvoiceDate": "2026-01-31T00:00:00",
    "WorkInProgressDate": "2026-01-31T00:00:00",
    "InvoiceCustomerCompanyCustomerCode": "1001",
    "InvoiceText": "Advies januari 2026",
    "CurrencyCode": "EUR",
}
LINE: dict[str, Any] = {
    "InvoiceLineId": "70001",
    "InvoiceHeaderId": "9001",
    "InvoiceLineState": "Invoiced",
    "ItemName": "Senior adviesuren",
    "ItemCompanyGLAccountRevenue": "8000",
    "Quantity": "1",
    "Price": "100.00",
    "IrregularityAmount": "0.00",
    "Description": "Overleg inrichting grootboek",
    "VatPercentage": "21.00",
    "VatCodeCode": "1",
    "CostCenterCode": "110",
    "SurchargePercentage": None,
    "SurchargeItemCompanyGLAccountRevenue": None,
}
COMPANY: dict[str, Any] = {"CompanyId": "3", "CurrencyCode": "EUR", "InvoiceNumberPrefix": "F"}
ADMINISTRATION: dict[str, Any] = {
    "currency": "EUR",
    "fiscal_years": [["2025-01-01", "2025-12-31"], ["2026-01-01", "2026-12-31"]],
}


def settings_of(**changes: Any) -> BookingSettings:
    return BookingSettings.model_validate({"journal_code": "VRK", **changes})


def line_of(line_id: int = 70001, **changes: Any) -> dict[str, Any]:
    return {**LINE, "InvoiceLineId": str(line_id), **changes}


def case_of(
    lines: list[dict[str, Any]],
    net: Any,
    vat: Any,
    *,
    company: dict[str, Any] | None = None,
    administration: dict[str, Any] | None = None,
    **header: Any,
) -> dict[str, Any]:
    """One invoice with what surrounds it, as plain values; `net` None leaves the row of totals out."""
    return {
        "header": {**HEADER, **header},
        "totals": None if net is None else {"InvoiceHeaderId": "9001", "VatAmount": vat, "AmountWithoutVat": net},
        "lines": lines,
        "company": {**COMPANY, **(company or {})},
        "administration": {**ADMINISTRATION, **(administration or {})},
    }


def invoice_of(case: dict[str, Any]) -> SourceInvoice:
    totals = case["totals"]
    return SourceInvoice(
        header=msgspec.convert(case["header"], OverviewInvoice),
        totals=None if totals is None else msgspec.convert(totals, Invoice),
        lines=tuple(msgspec.convert(line, OverviewInvoiceLine) for line in case["lines"]),
    )


def context_of(case: dict[str, Any]) -> BookingContext:
    return BookingContext(
        company=msgspec.convert(case["company"], Company),
        administration_currency=case["administration"]["currency"],
        fiscal_years=tuple(
            (dt.date.fromisoformat(first), dt.date.fromisoformat(last))
            for first, last in case["administration"]["fiscal_years"]
        ),
    )


VARIANTS: tuple[dict[str, Any], ...] = tuple(
    {
        "lines": lines,
        "cost_centers_on_lines": cost_centers,
        "send_vat_code": vat_codes,
        "negative_amounts": negative,
        "percentage_scale": scale,
        "document_date": date,
        "invoice_number": number,
    }
    for lines, cost_centers, vat_codes, negative, scale, date, number in itertools.product(
        ("single", "grouped"),
        (False, True),
        (False, True),
        ("signed", "opposite_side"),
        ("percent", "fraction"),
        ("work_in_progress_date", "invoice_date"),
        ("digits", "strip_prefix"),
    )
)
"""Every combination of the settings that an entry depends on."""

ACCOUNTS = ("8000", "8060", "08000", 8100, " 8200 ", "999999")
BAD_ACCOUNTS = (None, "", "  ", "80A0", "0", "1000000", "-8000", "8000.5")
TEXTS = ("Overleg", "  Reiskosten ", "Bouwdépôt 🏗️", "x" * 300, "🦉" * 260, " " * 5, "", None, 2026, "漢字 en עברית")
NAMES = ("Senior adviesuren", "Junior uren", "Reiskosten", None, " ")
RATES = (2100, 2100, 2100, 900, 0, 600)


def stream(seed: int, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Draw cases; the same seed gives the same ones. Yields the index of the variant of settings, and the case."""
    rng = random.Random(seed)  # noqa: S311 - reproducible on purpose
    for _ in range(count):
        index = rng.randrange(len(VARIANTS))
        yield index, _draw(rng, VARIANTS[index])


def _draw(rng: random.Random, variant: dict[str, Any]) -> dict[str, Any]:
    scale = 2 if variant["percentage_scale"] == "percent" else 4
    lines = [_draw_line(rng, line_id, scale) for line_id in rng.sample(range(60000, 99999), _line_count(rng))]
    net, vat = _draw_totals(rng, lines, scale)
    number = (
        f"F2026-{rng.randrange(1, 10000):04d}"
        if variant["invoice_number"] == "digits"
        else f"F{rng.randrange(1, 2147483647)}"
    )
    case = case_of(
        lines,
        net,
        vat,
        InvoiceNumber=number,
        InvoiceText=rng.choice(TEXTS),
        InvoiceDate=f"2026-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}T00:00:00",
        InvoiceCustomerCompanyCustomerCode=str(rng.randrange(1, 999999)),
    )
    chance = rng.random()
    if chance < 0.12:
        _spoil(rng, case)
    elif chance < 0.13:
        case["totals"] = None
    return case


def _line_count(rng: random.Random) -> int:
    return 1 if rng.random() < 0.3 else rng.randrange(2, 9)


def _decimal(value: int, places: int) -> str:
    sign, digits = ("-" if value < 0 else ""), str(abs(value)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def _draw_line(rng: random.Random, line_id: int, scale: int) -> dict[str, Any]:
    quantity = rng.choice((rng.randrange(1, 400) * 25, rng.randrange(1, 20) * 100, rng.randrange(1, 99999)))
    price = rng.choice((rng.randrange(1, 300) * 100, rng.randrange(1, 99999), rng.randrange(1, 150)))
    if rng.random() < 0.12:
        quantity = -quantity
    return {
        "InvoiceLineId": rng.choice((line_id, str(line_id))),
        "InvoiceLineState": rng.choice(("Invoiced",) * 10 + ("Open", "WrittenOff", "Transferred")),
        "ItemName": rng.choice(NAMES),
        "ItemCompanyGLAccountRevenue": rng.choice(ACCOUNTS),
        "Quantity": _decimal(quantity, rng.choice((2, 2, 3))),
        "Price": _decimal(price, rng.choice((2, 2, 4))),
        "IrregularityAmount": rng.choice((None, None, "0.00", "-0.00", _decimal(rng.randrange(-500, 5000), 2))),
        "Description": rng.choice(TEXTS),
        "VatPercentage": _decimal(rng.choice(RATES), scale),
        "VatCodeCode": rng.choice(("1", "2", 3, "04", None, "")),
        "CostCenterCode": rng.choice(("110", "0110", 120, None, "", " ")),
        "SurchargePercentage": rng.choice((None,) * 8 + ("0.00", _decimal(rng.randrange(-100, 2500), scale))),
        "SurchargeItemCompanyGLAccountRevenue": rng.choice(("8900", "8901", "08900")),
    }


def _draw_totals(rng: random.Random, lines: list[dict[str, Any]], scale: int) -> tuple[str, str]:
    """Total as QMS might: VAT per line or per rate, amounts rounded per line or in total, sometimes wrong."""
    per_line, vat_per_rate = rng.random() < 0.7, rng.random() < 0.5
    net, vat, rates = 0.0, 0.0, dict[float, float]()
    for line in lines:
        if line["InvoiceLineState"] in {"WrittenOff", "Transferred"}:
            continue
        share = float(line["VatPercentage"]) / (100 if scale == 2 else 1)
        amount = float(line["Quantity"]) * float(line["Price"]) + float(line["IrregularityAmount"] or 0)
        surcharge = amount * float(line["SurchargePercentage"] or 0) / (100 if scale == 2 else 1)
        for part in (amount, surcharge):
            counted = round(part, 2) if per_line else part
            net += counted
            vat += round(counted * share, 2)
            rates[share] = rates.get(share, 0.0) + counted
    if vat_per_rate:
        vat = sum(round(share * amount, 2) for share, amount in rates.items())
    chance = rng.random()
    if chance < 0.06:
        net += rng.choice((-0.02, -0.01, 0.01, 0.02, 0.05))
    elif chance < 0.12:
        vat += rng.choice((-0.02, -0.01, 0.01, 0.02, 0.05))
    elif chance < 0.13:
        vat *= 1.5
    return f"{net:.2f}", f"{vat:.2f}"


def _each(field: str, values: tuple[Any, ...]) -> tuple[dict[str, Any], ...]:
    return tuple({field: value} for value in values)


NUMBERS = (None, "", "Afgeboekte factuur: 12", "F", "G123", "F0", "F99999999999")
DAYS = ("2024-12-31", "2027-01-01", "2025-01-01")
SPOILS: tuple[tuple[str, tuple[dict[str, Any], ...]], ...] = (
    ("header", _each("InvoiceCustomerCompanyCustomerCode", BAD_ACCOUNTS)),
    ("header", _each("InvoiceNumber", NUMBERS)),
    (
        "header",
        (
            {"InvoiceDate": None, "WorkInProgressDate": None},
            {"InvoiceDate": "", "WorkInProgressDate": " "},
            {"InvoiceDate": None},
            {"WorkInProgressDate": None},
        ),
    ),
    (
        "header",
        tuple({"InvoiceDate": f"{day}T00:00:00", "WorkInProgressDate": f"{day}T23:59:59.9999999"} for day in DAYS),
    ),
    ("header", _each("CurrencyCode", ("USD", "eur", None, ""))),
    ("company", _each("CurrencyCode", ("EUR", "GBP", None))),
    ("administration", _each("currency", ("EUR", None, "Eur", "USD"))),
    ("lines", _each("InvoiceLineState", ("WrittenOff", "Transferred"))),
    ("line", ({"Quantity": None}, {"Price": None}, {"VatPercentage": None})),
    ("line", _each("ItemCompanyGLAccountRevenue", BAD_ACCOUNTS)),
    ("line", _each("SurchargeItemCompanyGLAccountRevenue", BAD_ACCOUNTS)),
    ("line", _each("VatCodeCode", ("H", "-1", "1.5"))),
    ("line", _each("CostCenterCode", ("A1", "0", "9223372036854775808"))),
)
"""What may be wrong: where, and with which values."""


def _spoil(rng: random.Random, case: dict[str, Any]) -> None:
    """Make one thing wrong, or two or three."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        where, choices = rng.choice(SPOILS)
        change = rng.choice(choices)
        if where == "lines":
            for line in case["lines"]:
                line.update(change)
        elif where == "line":
            rng.choice(case["lines"]).update(change)
        else:
            case[where].update(change)
