"""Invoices of QMS: their lines, and totals that agree with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from sandbox.common.config import Row

CENT = Decimal("0.01")
HUNDRED = Decimal(100)
ZERO = Decimal(0)
LEFT_OUT = frozenset({"WrittenOff", "Transferred"})


def cents(amount: Decimal) -> Decimal:
    """Round to the cent, half away from zero.

    Args:
        amount: Euros.

    Returns:
        Euros with two decimals.
    """
    return amount.quantize(CENT, ROUND_HALF_UP)


@dataclass
class Line:
    """One line.

    Attributes:
        quantity: The number of units, or None.
        price: Euros per unit, or None.
        account: The ledger account of its revenue, or None.
        vat: VAT percentage, 0-100.
        vat_code: The VAT code's Code.
        irregularity: Euros to be added, or None.
        surcharge: Percentage of the surcharge, or None.
        state: Its InvoiceLineState.
        text: Its description.
        item: The item's name and code.
        hours: Whether it is time, not expenses.
        cost_center: The cost centre's code, or None.
        employee: Who did it, or None.
    """

    quantity: Decimal | None
    price: Decimal | None
    account: str | None = "8000"
    vat: Decimal = Decimal(21)
    vat_code: str = "1"
    irregularity: Decimal | None = None
    surcharge: Decimal | None = None
    state: str = "Invoiced"
    text: str | None = None
    item: tuple[str, str] = ("Senior adviesuren", "ADV-SR")
    hours: bool = True
    cost_center: str | None = None
    employee: str | None = None

    @property
    def amount(self) -> Decimal:
        """Euros, not rounded."""
        return (self.quantity or ZERO) * (self.price or ZERO) + (self.irregularity or ZERO)


@dataclass
class Invoice:
    """One invoice.

    Attributes:
        key: InvoiceHeaderId.
        number: InvoiceNumber, or None.
        day: WorkInProgressDate, or None.
        customer_code: The debtor's code, or None.
        customer_name: The debtor's name.
        lines: Its lines.
        company: CompanyId.
        state: Its InvoiceHeaderState.
        invoice_day: InvoiceDate, or None.
        text: InvoiceText.
        currency: ISO 4217 code, or None.
        credit_of: The invoice that it credits, or None.
        round_total: Whether AmountWithoutVat is rounded over the whole, not per line.
        extra: Euros by which the total is off.
    """

    key: int
    number: str | None
    day: date | None
    customer_code: str | None
    customer_name: str
    lines: list[Line] = field(default_factory=list)
    company: int = 3
    state: str = "Processed"
    invoice_day: date | None = None
    text: str | None = None
    currency: str | None = "EUR"
    credit_of: Invoice | None = None
    round_total: bool = False
    extra: Decimal = ZERO

    def totals(self) -> tuple[Decimal, Decimal]:
        """Work out the totals as QMS does when VatAmountSumMode is PerTotal.

        Returns:
            AmountWithoutVat and VatAmount, in euros.
        """
        per_rate: dict[Decimal, Decimal] = {}
        exact = ZERO
        for line in self.lines:
            if line.state in LEFT_OUT:
                continue
            extra = (line.surcharge or ZERO) * line.amount / HUNDRED
            exact += line.amount + extra
            per_rate[line.vat] = per_rate.get(line.vat, ZERO) + cents(line.amount) + cents(extra)
        net = sum(per_rate.values(), ZERO)
        if self.round_total and abs(cents(exact) - net) <= CENT:
            net = cents(exact)
        vat = sum((cents(amount * rate / HUNDRED) for rate, amount in per_rate.items()), ZERO)
        return cents(net + self.extra), cents(vat)


def _moment(day: date | None) -> str | None:
    return None if day is None else f"{day.isoformat()}T00:00:00"


def _text(amount: Decimal | None, places: int = 2) -> str | None:
    return None if amount is None else f"{amount:.{places}f}"


def overview_row(invoice: Invoice) -> Row:
    """Write an invoice as a row of OverviewInvoice.

    Args:
        invoice: The invoice.

    Returns:
        The row.
    """
    original = invoice.credit_of
    customer_id = invoice.customer_code if (invoice.customer_code or "").isdecimal() else None
    return {
        "InvoiceHeaderId": str(invoice.key),
        "CompanyId": str(invoice.company),
        "AsyncServerCommandId": None,
        "InvoiceNumber": invoice.number,
        "InvoiceHeaderState": invoice.state,
        "InvoiceHeaderType": "Invoice" if original is None else "CreditInvoice",
        "InvoiceDate": _moment(invoice.invoice_day),
        "WorkInProgressDate": _moment(invoice.day),
        "CustomerId": customer_id,
        "CustomerName": invoice.customer_name,
        "CustomerCompanyCustomerCode": invoice.customer_code,
        "InvoiceCustomerId": customer_id,
        "InvoiceCustomerName": invoice.customer_name,
        "InvoiceCustomerCompanyCustomerCode": invoice.customer_code,
        "InvoiceText": invoice.text,
        "InvoiceReference": None,
        "CurrencyCode": invoice.currency,
        "OriginalInvoiceHeaderId": None if original is None else str(original.key),
        "OriginalInvoiceNumber": None if original is None else original.number,
        "ProjectCode": f"P-{invoice.key % 40:03d}",
        "ProjectName": None,
    }


def header_row(invoice: Invoice) -> Row:
    """Write an invoice as a row of Invoice.

    Args:
        invoice: The invoice.

    Returns:
        The row.
    """
    net, vat = invoice.totals()
    made = invoice.day or invoice.invoice_day
    return {
        "InvoiceHeaderId": str(invoice.key),
        "CompanyId": str(invoice.company),
        "InvoiceNumber": invoice.number,
        "InvoiceHeaderState": invoice.state,
        "InvoiceDate": _moment(invoice.invoice_day),
        "WorkInProgressDate": _moment(invoice.day),
        "VatAmount": _text(vat),
        "AmountWithoutVat": _text(net),
        "CustomerCompanyId": None,
        "InvoiceCustomerCompanyId": None,
        "CurrencyId": "1" if invoice.currency in {None, "EUR"} else "2",
        "InvoiceText": invoice.text,
        "InvoiceNotes": None,
        "CreatedOn": f"{made.isoformat() if made else '2026-01-01'}T15:12:00Z",
        "RejectionReason": None,
        "ProcessingFailureReason": None,
    }


def line_rows(invoices: Iterable[Invoice], first_key: int) -> list[Row]:
    """Write the lines of invoices as rows of OverviewInvoiceLine.

    Args:
        invoices: The invoices.
        first_key: The InvoiceLineId of the first line.

    Returns:
        The rows.
    """
    pairs = [(invoice, line) for invoice in invoices for line in invoice.lines]
    return [_line_row(first_key + place, invoice, line) for place, (invoice, line) in enumerate(pairs)]


def _line_row(key: int, invoice: Invoice, line: Line) -> Row:
    row: dict[str, Any] = {
        "InvoiceLineId": str(key),
        "InvoiceHeaderId": str(invoice.key),
        "InvoiceLineState": line.state,
        "Origin": "Hour" if line.hours else "Expense",
        "Date": _moment(invoice.day),
        "ProjectId": str(invoice.key % 40),
        "ProjectCode": f"P-{invoice.key % 40:03d}",
        "ProjectName": None,
        "EmployeeId": None,
        "EmployeeName": line.employee,
        "ItemId": None,
        "ItemName": line.item[0],
        "ItemCompanyId": None,
        "ItemCompanyItemCode": line.item[1],
        "ItemCompanyGLAccountRevenue": line.account,
        "Quantity": _text(line.quantity),
        "Price": _text(line.price, 4),
        "IrregularityAmount": _text(line.irregularity),
        "Description": line.text,
        "VatPercentage": _text(line.vat),
        "VatCodeId": None,
        "VatCodeCode": line.vat_code,
        "CostCenterCode": line.cost_center,
        "SurchargePercentage": _text(line.surcharge),
        "SurchargeItemCompanyGLAccountRevenue": None if line.surcharge is None else "8080",
    }
    return row
