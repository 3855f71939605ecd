"""An invoice, read once: every value of the source in the form that the entry needs, and what is missing from it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from include.bookings.codes import account_number, cost_center, vat_code
from include.bookings.dates import document_date
from include.bookings.invoice import in_order, left_out
from include.bookings.number import invoice_number
from include.money import ZERO, product, to_cents, total

if TYPE_CHECKING:
    import datetime as dt

    from include.bookings.invoice import SourceInvoice
    from include.settings.link import BookingSettings
    from include.wire.qms import Company, OverviewInvoice, OverviewInvoiceLine

LARGEST_TOTAL = Decimal(10) ** 16
"""No total is as large: the ledger holds sixteen digits before the decimals."""

NEEDED = ("Quantity", "Price", "VatPercentage")
"""What a line cannot be booked without: "A line without Quantity, Price or VatPercentage rejects the invoice"."""


@dataclass(frozen=True, slots=True)
class Totals:
    """QMS's own totals, to the cent.

    Attributes:
        net: AmountWithoutVat.
        vat: What is left of the total; VatAmount, unless QMS's totals have parts of cents.
        total: VatAmount + AmountWithoutVat.
    """

    net: Decimal
    vat: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an invoice. None stands for what is missing or not usable; the checks say which.

    Attributes:
        source: The row of QMS.
        settings: The link's settings for bookings.
        customer: The debtor's number in Minox.
        number: The invoice number in Minox.
        date: The document date.
        totals: QMS's totals.
    """

    source: OverviewInvoice
    settings: BookingSettings
    customer: int | None
    number: int | None
    date: dt.date | None
    totals: Totals | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice. None stands for what is missing, not usable or not wanted; the checks say which.

    Attributes:
        source: The row of QMS.
        missing: Names of the needed fields that are empty.
        amount: Quantity x Price + IrregularityAmount, unrounded; 0 when something is missing.
        vat_percentage: VatPercentage on the scale of the settings; 0 when missing.
        surcharge_percentage: SurchargePercentage on the scale of the settings; 0 is no surcharge.
        account: Ledger account of the revenue.
        surcharge_account: Ledger account of the surcharge.
        vat_code: VAT code, when VAT codes are sent.
        cost_center: Cost centre, when cost centres are on.
    """

    source: OverviewInvoiceLine
    missing: tuple[str, ...]
    amount: Decimal
    vat_percentage: Decimal
    surcharge_percentage: Decimal
    account: int | None
    surcharge_account: int | None
    vat_code: int | None
    cost_center: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """What becomes one line of the entry: one line of the invoice, or a group of them.

    Attributes:
        head: The head of the invoice.
        lines: The lines, in line order; at least one.
    """

    head: Head
    lines: tuple[Line, ...]

    @property
    def first(self) -> Line:
        """The line that stands for what all lines of the part share."""
        return self.lines[0]


def read_head(invoice: SourceInvoice, settings: BookingSettings, company: Company) -> Head:
    """Read the head and the totals of an invoice."""
    header = invoice.header
    return Head(
        source=header,
        settings=settings,
        customer=account_number(header.InvoiceCustomerCompanyCustomerCode),
        number=invoice_number(header.InvoiceNumber, settings.invoice_number, company.InvoiceNumberPrefix),
        date=document_date(header, settings.document_date),
        totals=_read_totals(invoice),
    )


def read_lines(invoice: SourceInvoice, settings: BookingSettings) -> tuple[Line, ...]:
    """Read the lines that are to be posted, in the order of their InvoiceLineId.

    "Lines in a state of setting `excluded_line_states` are left out", before anything else is looked at.
    """
    return tuple(
        _read_line(line, settings)
        for line in in_order(invoice.lines)
        if not left_out(line, settings.excluded_line_states)
    )


def total_of(invoice: SourceInvoice) -> Decimal | None:
    """QMS's total of an invoice, VatAmount + AmountWithoutVat, to the cent; None when a part of it is missing."""
    totals = invoice.totals
    if totals is None or totals.VatAmount is None or totals.AmountWithoutVat is None:
        return None
    return to_cents(total((totals.VatAmount, totals.AmountWithoutVat)))


def _read_totals(invoice: SourceInvoice) -> Totals | None:
    both = total_of(invoice)
    if both is None or invoice.totals is None or invoice.totals.AmountWithoutVat is None:
        return None
    net = to_cents(invoice.totals.AmountWithoutVat)
    return Totals(net=net, vat=total((both, net.copy_negate())), total=both)


def _read_line(source: OverviewInvoiceLine, settings: BookingSettings) -> Line:
    missing = tuple(field for field in NEEDED if getattr(source, field) is None)
    irregularity = ZERO if source.IrregularityAmount is None else source.IrregularityAmount
    amount = ZERO
    if source.Quantity is not None and source.Price is not None:
        amount = total((product(source.Quantity, source.Price), irregularity))
    return Line(
        source=source,
        missing=missing,
        amount=amount,
        vat_percentage=ZERO if source.VatPercentage is None else source.VatPercentage,
        surcharge_percentage=ZERO if source.SurchargePercentage is None else source.SurchargePercentage,
        account=account_number(source.ItemCompanyGLAccountRevenue),
        surcharge_account=account_number(source.SurchargeItemCompanyGLAccountRevenue),
        vat_code=vat_code(source.VatCodeCode) if settings.send_vat_code else None,
        cost_center=cost_center(source.CostCenterCode) if settings.cost_centers_on_lines else None,
    )
