"""The checks of an invoice that need nothing but the invoice, the settings and the two companies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.bookings.codes import LARGEST_ACCOUNT, is_filled, shown
from include.bookings.number import LARGEST
from include.bookings.reading import LARGEST_TOTAL, total_of
from include.bookings.reasons import Reason
from include.money import from_cents
from include.wire.text import text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from include.bookings.invoice import SourceInvoice
    from include.bookings.reading import Head, Line
    from include.bookings.rounding import Balance
    from include.settings.link import BookingSettings
    from include.wire.qms import Company

DEFAULT_CURRENCY = "EUR"
"""The currency of an administration that names none."""


def check_head(head: Head) -> Iterator[Reason]:
    """Check debtor, number and date."""
    header = head.source
    if head.customer is None:
        yield Reason(
            "missing_customer_code",
            "InvoiceCustomerCompanyCustomerCode",
            f"The debtor's code must be a whole number of 1 to {LARGEST_ACCOUNT}; it is "
            f"{shown(header.InvoiceCustomerCompanyCustomerCode)}.",
        )
    if head.number is None:
        yield Reason(
            "invoice_number_not_usable",
            "InvoiceNumber",
            f"The invoice number must give a whole number of 1 to {LARGEST} (setting invoice_number: "
            f"{head.settings.invoice_number}); it is {shown(header.InvoiceNumber)}.",
        )
    if head.date is None:
        yield Reason(
            "missing_date",
            "WorkInProgressDate",
            "The invoice has no date that can be used: WorkInProgressDate is "
            f"{shown(header.WorkInProgressDate)}, InvoiceDate is {shown(header.InvoiceDate)}.",
        )


def check_currency(head: Head, company: Company, administration_currency: str | None) -> Iterator[Reason]:
    """Check that the invoice is in the administration's currency, compared without case.

    "No currency: the company's, then the administration's."
    """
    own = text(administration_currency) or DEFAULT_CURRENCY
    currency = text(head.source.CurrencyCode) or text(company.CurrencyCode) or own
    if currency.casefold() != own.casefold():
        yield Reason(
            "foreign_currency",
            "CurrencyCode",
            f"The invoice is in {currency[:40]}, the administration in {own}.",
        )


def check_fiscal_year(head: Head, fiscal_years: Sequence[tuple[dt.date, dt.date]]) -> Iterator[Reason]:
    """Check that the document date is in a fiscal year (boekjaar) of the administration; ends included."""
    date = head.date
    if date is not None and not any(start <= date <= end for start, end in fiscal_years):
        yield Reason(
            "fiscal_year_missing",
            "WorkInProgressDate",
            f"The administration has no fiscal year with {date.isoformat()} in it.",
        )


def check_totals(invoice: SourceInvoice) -> Iterator[Reason]:
    """Check that QMS gave the invoice's totals, and that their sum is one that books can hold."""
    for field in ("AmountWithoutVat", "VatAmount"):
        if invoice.totals is None or getattr(invoice.totals, field) is None:
            yield Reason("missing_totals", field, f"QMS gave no {field} for the invoice.")
    sum_ = total_of(invoice)
    if sum_ is not None and abs(sum_) >= LARGEST_TOTAL:
        message = "The total of the invoice is larger than any that can be booked."
        yield Reason("wrong_type", "AmountWithoutVat", message)


def check_lines(lines: Sequence[Line], settings: BookingSettings) -> Iterator[Reason]:
    """Check the lines that are to be posted, each on its own."""
    if not lines:
        yield Reason("no_lines", "lines", "No line of the invoice is left to post.")
    for line in lines:
        yield from _check_line(line, settings)


def check_balance(balance: Balance) -> Iterator[Reason]:
    """Check that lines and totals differ by no more than rounding."""
    off = [
        name
        for name, lines in (("AmountWithoutVat", balance.net_lines), ("VatAmount", balance.vat_lines))
        if lines is None
    ]
    if off:
        net, vat = from_cents(balance.net), from_cents(balance.vat)
        net_total = from_cents(balance.net + balance.net_difference)
        vat_total = from_cents(balance.vat + balance.vat_difference)
        yield Reason(
            "unbalanced",
            ", ".join(off),
            f"QMS's totals are {net_total} without VAT and {vat_total} VAT, but the lines add up to {net} and "
            f"{vat}; at most {from_cents(balance.net_limit)} and {from_cents(balance.vat_limit)} is rounding.",
        )


def _check_line(line: Line, settings: BookingSettings) -> Iterator[Reason]:
    source = line.source
    place = f"lines[{text(source.InvoiceLineId)}]"
    name = f"Line {text(source.InvoiceLineId)}"
    for field in line.missing:
        yield Reason("incomplete_line", f"{place}.{field}", f"{name} has no {field}.")

    def unusable(code: str, field: str, what: str, wanted: str) -> Reason:
        was = shown(getattr(source, field))
        return Reason(code, f"{place}.{field}", f"{name} needs {what} ({wanted}); the field is {was}.")

    account = f"a whole number of 1 to {LARGEST_ACCOUNT}"
    if line.account is None:
        field = "ItemCompanyGLAccountRevenue"
        yield unusable("missing_revenue_account", field, "a ledger account for its revenue", account)
    if line.surcharge_percentage != 0 and line.surcharge_account is None:
        field = "SurchargeItemCompanyGLAccountRevenue"
        yield unusable("missing_revenue_account", field, "a ledger account for its surcharge", account)
    if settings.send_vat_code and line.vat_code is None and is_filled(source.VatCodeCode):
        yield unusable("invalid_vat_code", "VatCodeCode", "a VAT code", "a whole number")
    if settings.cost_centers_on_lines and line.cost_center is None and is_filled(source.CostCenterCode):
        yield unusable("invalid_cost_center", "CostCenterCode", "a cost centre", "a whole number from 1")
