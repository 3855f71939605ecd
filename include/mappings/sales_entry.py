"""Invoice (QMS) to sales entry (Minox): the article's four tables, as the builder of entries runs them.

Each row says which field of Minox's line it fills, from what, by which function, and which row of the article it is. A
function that returns None leaves its field out: "Fields without a value are left out of the request".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from include.bookings.descriptions import describe, describe_group
from include.money import ZERO, percentage_of, to_cents, total

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from decimal import Decimal

    from include.bookings.reading import Head, Part

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Row(Generic[S]):
    """One field of a line of the entry.

    Attributes:
        target: Path of the field in Minox's line.
        source: The field or fields of QMS, or the setting, that it comes from.
        value: Computes it; None leaves the field out.
        article: The row of the owner's article that this one carries out, as `source → target`; None when the article
            has none.
    """

    target: str
    source: str
    value: Callable[[S], Any]
    article: str | None

    @property
    def rule(self) -> str:
        """What the function does, in one sentence: the first line of its docstring."""
        return (self.value.__doc__ or "").strip().partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Table(Generic[S]):
    """One kind of line of the entry.

    Attributes:
        name: `header`, `single`, `grouped` or `surcharge`.
        heading: The article's heading of the table.
        rows: In the article's order.
    """

    name: str
    heading: str
    rows: tuple[Row[S], ...]

    def draft(self, subject: S) -> dict[str, Any]:
        """Run the table: the value of every field, by path, None for those that are left out."""
        return {row.target: row.value(subject) for row in self.rows}


def journal(head: Head) -> str | None:
    """The journal (dagboek) of the setting; a run checks that there is one before it posts anything."""
    return head.settings.journal_code or None


def document_date(head: Head) -> dt.date | None:
    """WorkInProgressDate, or InvoiceDate when that is empty; a setting turns the two around."""
    return head.date


def number(head: Head) -> int | None:
    """The invoice number as an integer, by the setting `invoice_number`."""
    return head.number


def debtor(head: Head) -> int | None:
    """The debtor's code, as an integer of 1 to 999999 written in text."""
    return head.customer


def debtor_amount(head: Head) -> Decimal | None:
    """The sum of QMS's own totals, to the cent."""
    return None if head.totals is None else head.totals.total


def invoice_text(head: Head) -> str | None:
    """Trimmed, first 255 characters; when empty, the InvoiceNumber as QMS writes it."""
    described = describe(head.source.InvoiceText)
    return describe(head.source.InvoiceNumber) if described is None else described


def no_vat(_head: Head) -> Decimal:
    """Always 0.00: the VAT stands on the lines."""
    return ZERO


def part_journal(part: Part) -> str | None:
    """The journal (dagboek) of the setting."""
    return journal(part.head)


def part_document_date(part: Part) -> dt.date | None:
    """As on the header line."""
    return document_date(part.head)


def part_number(part: Part) -> int | None:
    """As on the header line."""
    return number(part.head)


def revenue_account(part: Part) -> int | None:
    """The ledger account (grootboekrekening), as an integer of 1 to 999999 written in text."""
    return part.first.account


def credit(part: Part) -> Decimal:
    """The sum, over its lines, of Quantity x Price + IrregularityAmount (empty: 0), each to the cent."""
    return total(to_cents(line.amount) for line in part.lines)


def vat_amount(part: Part) -> Decimal:
    """VatPercentage of the line's credit, to the cent."""
    scale = part.head.settings.percentage_scale
    return to_cents(percentage_of(part.first.vat_percentage, credit(part), scale))


def line_description(part: Part) -> str | None:
    """Trimmed, first 255 characters."""
    return describe(part.first.source.Description)


def group_description(part: Part) -> str | None:
    """The distinct values of the fields of the setting `grouped_description`, first 255 characters."""
    return describe_group([line.source for line in part.lines], part.head.settings.grouped_description)


def cost_center(part: Part) -> int | None:
    """The cost centre (kostenplaats), only when the setting `cost_centers_on_lines` is on and it is filled."""
    return part.first.cost_center


def vat_code(part: Part) -> int | None:
    """The VAT code, only when the setting `send_vat_code` is on and it is filled."""
    return part.first.vat_code


def surcharge_account(part: Part) -> int | None:
    """The surcharge's ledger account, as an integer of 1 to 999999 written in text."""
    return part.first.surcharge_account


def surcharge_credit(part: Part) -> Decimal:
    """The sum, over its lines, of SurchargePercentage of the unrounded amount, each to the cent."""
    scale = part.head.settings.percentage_scale
    return total(to_cents(percentage_of(line.surcharge_percentage, line.amount, scale)) for line in part.lines)


def surcharge_vat_amount(part: Part) -> Decimal:
    """VatPercentage of the surcharge line's credit, to the cent."""
    scale = part.head.settings.percentage_scale
    return to_cents(percentage_of(part.first.vat_percentage, surcharge_credit(part), scale))


def surcharge_description(part: Part) -> str | None:
    """The distinct values of the fields of the setting `surcharge_description`, first 255 characters."""
    return describe_group([line.source for line in part.lines], part.head.settings.surcharge_description)


_JOURNAL = "setting `journal_code`"
_JOURNAL_ARTICLE = "Journalcode SyncService setting → line.journal.id"
_DATE = "WorkInProgressDate, InvoiceDate"
_DATE_ARTICLE = "overviewInvoice.WorkInProgressDate || overviewInvoice.InvoiceDate → line.document_date"
_NUMBER_ARTICLE = "overviewInvoice.InvoiceNumber → line.invoice_number"
_AMOUNT = "Quantity, Price, IrregularityAmount"
_DESCRIPTION_ARTICLE = "** → line.description"
_GROUP_AMOUNT_ARTICLE = "(lines.Quantity * lines.Price) + lines.IrregularityAmount → line.credit"

HEADER: Table[Head] = Table(
    "header",
    "Facturen - Kop",
    (
        Row("journal.id", _JOURNAL, journal, _JOURNAL_ARTICLE),
        Row(
            "account.id",
            "InvoiceCustomerCompanyCustomerCode",
            debtor,
            "overviewInvoice.InvoiceCustomerCompanyCustomerCode → line.account.id",
        ),
        Row("document_date", _DATE, document_date, _DATE_ARTICLE),
        Row(
            "debit",
            "VatAmount, AmountWithoutVat",
            debtor_amount,
            "invoiceHeaders.vatAmount + invoiceHeaders.AmountWithoutVat → line.debit",
        ),
        Row(
            "description",
            "InvoiceText, InvoiceNumber",
            invoice_text,
            "overviewInvoice.InvoiceText (max 255) → line.description",
        ),
        Row("vat.amount", "-", no_vat, "0.00 → line.vat.amount"),
        Row("invoice_number", "InvoiceNumber", number, _NUMBER_ARTICLE),
    ),
)

SINGLE: Table[Part] = Table(
    "single",
    "Facturen - Regels",
    (
        Row("journal.id", _JOURNAL, part_journal, _JOURNAL_ARTICLE),
        Row(
            "account.id",
            "ItemCompanyGLAccountRevenue",
            revenue_account,
            "invoiceLine.ItemCompanyGLAccountRevenue → line.account.id",
        ),
        Row("document_date", _DATE, part_document_date, _DATE_ARTICLE),
        Row(
            "credit",
            _AMOUNT,
            credit,
            "(invoiceLine.Quantity * invoiceLine.Price) + invoiceLine.IrregularityAmount → line.credit",
        ),
        Row("description", "Description", line_description, "invoiceLine.Description(max 255) → line.description"),
        Row("vat.amount", "VatPercentage", vat_amount, "invoiceLine.VatPercentage * line.credit → line.vat.amount"),
        Row("invoice_number", "InvoiceNumber", part_number, _NUMBER_ARTICLE),
        Row("cost_center.id", "CostCenterCode", cost_center, "invoiceline.CostCenterCode → line.cost_center.id"),
        Row("vat.id", "VatCodeCode", vat_code, None),
    ),
)

GROUPED: Table[Part] = Table(
    "grouped",
    "Facturen - Gegroepeerde regels",
    (
        Row("journal.id", _JOURNAL, part_journal, _JOURNAL_ARTICLE),
        Row(
            "account.id",
            "ItemCompanyGLAccountRevenue",
            revenue_account,
            "group.ItemCompanyGLAccountRevenue → line.account.id",
        ),
        Row("document_date", _DATE, part_document_date, _DATE_ARTICLE),
        Row("credit", _AMOUNT, credit, _GROUP_AMOUNT_ARTICLE),
        Row("description", "setting `grouped_description`", group_description, _DESCRIPTION_ARTICLE),
        Row("vat.amount", "VatPercentage", vat_amount, "lines.VatPercentage * line.credit → line.vat.amount"),
        Row("invoice_number", "InvoiceNumber", part_number, _NUMBER_ARTICLE),
        Row("cost_center.id", "CostCenterCode", cost_center, "group.CostCenterCode → line.cost_center.id"),
        Row("vat.id", "VatCodeCode", vat_code, None),
    ),
)

SURCHARGE: Table[Part] = Table(
    "surcharge",
    "Facturen - Toeslag regels",
    (
        Row("journal.id", _JOURNAL, part_journal, _JOURNAL_ARTICLE),
        Row(
            "account.id",
            "SurchargeItemCompanyGLAccountRevenue",
            surcharge_account,
            "group.SurchargeItemCompanyGLAccountRevenue → line.account.id",
        ),
        Row("document_date", _DATE, part_document_date, _DATE_ARTICLE),
        Row(
            "credit",
            f"SurchargePercentage, {_AMOUNT}",
            surcharge_credit,
            "lines.SurchargePercentage * ((lines.Quantity * lines.Price) + lines.IrregularityAmount) → line.credit",
        ),
        Row("description", "setting `surcharge_description`", surcharge_description, _DESCRIPTION_ARTICLE),
        Row("vat.amount", "VatPercentage", surcharge_vat_amount, "group.VatPercentage * line.credit → line.vat.amount"),
        Row("invoice_number", "InvoiceNumber", part_number, _NUMBER_ARTICLE),
        Row("vat.id", "VatCodeCode", vat_code, None),
    ),
)

TABLES: tuple[Table[Any], ...] = (HEADER, SINGLE, GROUPED, SURCHARGE)
"""All four, for the page of the mappings and the test that none of the article's rows is missing."""
