"""Invoices that were written off completely: nothing to book (specification, section 3, "Which invoices")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.bookings.invoice import left_out
from include.money import total
from include.wire.text import text

if TYPE_CHECKING:
    from include.bookings.invoice import SourceInvoice
    from include.settings.link import BookingSettings


def is_written_off(invoice: SourceInvoice, settings: BookingSettings) -> bool:
    """Tell whether an invoice was written off completely.

    "Its total is zero, and its number holds white space ('Afgeboekte factuur: 1234') or it has lines and all of them
    are in excluded states." Without totals nothing is known of them, and the invoice is not skipped.

    Args:
        invoice: The invoice.
        settings: For `excluded_line_states`.

    Returns:
        True when its outcome is `skipped`.
    """
    totals = invoice.totals
    if totals is None or totals.VatAmount is None or totals.AmountWithoutVat is None:
        return False
    if total((totals.VatAmount, totals.AmountWithoutVat)) != 0:
        return False
    number = text(invoice.header.InvoiceNumber) or ""
    if any(character.isspace() for character in number):
        return True
    states = settings.excluded_line_states
    return bool(invoice.lines) and all(left_out(line, states) for line in invoice.lines)
