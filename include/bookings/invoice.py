"""An invoice as it came from QMS, and a fingerprint of what matters of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from include.wire.text import identifier, text, whole_number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from include.wire.qms import Invoice, OverviewInvoice, OverviewInvoiceLine

HEADER_FIELDS = (
    "InvoiceNumber",
    "InvoiceDate",
    "WorkInProgressDate",
    "InvoiceCustomerCompanyCustomerCode",
    "InvoiceText",
    "CurrencyCode",
)
TOTAL_FIELDS = ("VatAmount", "AmountWithoutVat")
LINE_FIELDS = (
    "InvoiceLineId",
    "ItemCompanyGLAccountRevenue",
    "Quantity",
    "Price",
    "IrregularityAmount",
    "Description",
    "VatPercentage",
    "VatCodeCode",
    "CostCenterCode",
    "SurchargePercentage",
    "SurchargeItemCompanyGLAccountRevenue",
)
_CODES = frozenset(
    {
        "InvoiceCustomerCompanyCustomerCode",
        "InvoiceLineId",
        "ItemCompanyGLAccountRevenue",
        "VatCodeCode",
        "CostCenterCode",
        "SurchargeItemCompanyGLAccountRevenue",
    }
)
_DATES = frozenset({"InvoiceDate", "WorkInProgressDate"})
_DATE_LENGTH = len("2026-01-31")
_ABSENT_IS_ZERO = frozenset({"IrregularityAmount", "SurchargePercentage"})


@dataclass(frozen=True, slots=True)
class SourceInvoice:
    """One invoice of QMS: head, totals and lines.

    Attributes:
        header: The row of OverviewInvoice.
        totals: The row of Invoice; None when QMS gave none.
        lines: The rows of OverviewInvoiceLine, in any order.
    """

    header: OverviewInvoice
    totals: Invoice | None
    lines: tuple[OverviewInvoiceLine, ...]


def in_order(lines: Iterable[OverviewInvoiceLine]) -> list[OverviewInvoiceLine]:
    """Put lines in the order of their InvoiceLineId, which is what "line order" means everywhere."""
    return sorted(lines, key=_line_key)


def left_out(line: OverviewInvoiceLine, excluded_line_states: Collection[str]) -> bool:
    """Tell whether a line is in one of the states of the setting `excluded_line_states`."""
    return text(line.InvoiceLineState) in excluded_line_states


def source_hash(
    invoice: SourceInvoice,
    *,
    excluded_line_states: Collection[str] = ("WrittenOff", "Transferred"),
    description_fields: Iterable[str] = (),
) -> str:
    """Take a fingerprint of the fields that an entry is made of, to see whether an invoice has changed.

    It does not depend on the order of the lines, on how QMS writes a number (text or number, 21 or 21.00), on the
    time of day of a date, or on the state of the invoice: Processed becomes Sent without anything to book. Of a
    line's state only whether it is left out counts. Names that belong to other records (item, project, employee)
    count only when asked for: an item that gets a new name has not changed the invoices it stands on.

    Args:
        invoice: The invoice.
        excluded_line_states: The setting of that name.
        description_fields: Further fields of the line that count.

    Returns:
        SHA-256, in hexadecimal.
    """
    fields = (*LINE_FIELDS, *(field for field in dict.fromkeys(description_fields) if field not in LINE_FIELDS))
    content = {
        "header": _canonical(invoice.header, HEADER_FIELDS),
        "totals": None if invoice.totals is None else _canonical(invoice.totals, TOTAL_FIELDS),
        "lines": [
            _canonical(line, fields) for line in in_order(invoice.lines) if not left_out(line, excluded_line_states)
        ],
    }
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def fingerprint(
    invoice: SourceInvoice, *, excluded_line_states: Collection[str], description_fields: Iterable[str]
) -> str:
    """Take a fingerprint that says itself which settings it was taken with, so that it outlives a change of them.

    Args:
        invoice: The invoice.
        excluded_line_states: See `source_hash`.
        description_fields: See `source_hash`.

    Returns:
        The hash, a blank, and the settings as JSON.
    """
    states, fields = sorted(excluded_line_states), sorted(set(description_fields))
    digest = source_hash(invoice, excluded_line_states=states, description_fields=fields)
    return f"{digest} {json.dumps([states, fields], separators=(',', ':'))}"


def is_same(invoice: SourceInvoice, taken: str | None) -> bool:
    """Tell whether an invoice is as it was when a fingerprint was taken, whatever the settings are now."""
    if taken is None:
        return False
    states, fields = json.loads(taken.partition(" ")[2])
    return fingerprint(invoice, excluded_line_states=states, description_fields=fields) == taken


def _line_key(line: OverviewInvoiceLine) -> tuple[bool, int, str]:
    try:
        number = whole_number(line.InvoiceLineId)
    except ValueError:
        number = None
    return (number is None, number or 0, text(line.InvoiceLineId) or "")


def _canonical(record: msgspec.Struct, fields: Iterable[str]) -> list[str | None]:
    return [_written(field, getattr(record, field)) for field in fields]


def _written(field: str, value: Any) -> str | None:
    """One text per value, however QMS wrote it; an absent IrregularityAmount or SurchargePercentage is zero."""
    if value is None and field in _ABSENT_IS_ZERO:
        return "0"
    written = identifier(value) if field in _CODES else text(value)
    return written[:_DATE_LENGTH] if written is not None and field in _DATES else written
