"""The dates of an invoice (specification, section 3).

QMS writes local times without zone, of which the date part counts. One with a zone is brought to the local one first.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Literal, TypeAlias

from include.bookings.plan import LOCAL
from include.wire.text import text

if TYPE_CHECKING:
    from include.wire.qms import OverviewInvoice, Text

DocumentDateRule: TypeAlias = Literal["work_in_progress_date", "invoice_date"]

_LOCAL = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ][0-9:.]*)?")
_ZONED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z|[+-][0-9:]+)")


def local_date(value: Text) -> dt.date | None:
    """Read the date part of a local time, e.g. `2026-01-31T00:00:00`.

    Returns:
        The date; None for None and blank text.

    Raises:
        ValueError: There is a value, and it is no date.
    """
    written = text(value)
    if written is None:
        return None
    match = _LOCAL.fullmatch(written)
    if match is not None:
        return dt.date.fromisoformat(match[1])
    if _ZONED.fullmatch(written) is None:
        raise ValueError(f"{written[:40]!r} is not a date")
    try:
        return dt.datetime.fromisoformat(written).astimezone(LOCAL).date()
    except OverflowError as error:
        raise ValueError(f"{written!r} is out of range") from error


def readable_date(value: Text) -> str | None:
    """Read a date for a check of it: as ISO text, `?` for what is no date, None for None and blank text."""
    try:
        date = local_date(value)
    except ValueError:
        return "?"
    return None if date is None else date.isoformat()


def document_date(header: OverviewInvoice, rule: DocumentDateRule) -> dt.date | None:
    """Choose the document date.

    The article: "overviewInvoice.WorkInProgressDate || overviewInvoice.InvoiceDate"; the setting `document_date` may
    turn the order around. The first that is filled decides: one that is filled and unreadable is not stepped over.

    Returns:
        The date; None when neither is filled, or the one that decides cannot be read.
    """
    dates = (header.WorkInProgressDate, header.InvoiceDate)
    return _first(dates if rule == "work_in_progress_date" else dates[::-1])


def comparison_date(header: OverviewInvoice) -> dt.date | None:
    """Choose the date that a range, the sweep and `start_date` are compared with.

    "Where a date is compared (range, sweep, start), an empty InvoiceDate is replaced by the WorkInProgressDate."

    Returns:
        The date; None when neither is filled, or the one that decides cannot be read.
    """
    return _first((header.InvoiceDate, header.WorkInProgressDate))


def _first(values: tuple[Text, ...]) -> dt.date | None:
    for value in values:
        try:
            date = local_date(value)
        except ValueError:
            return None
        if date is not None:
            return date
    return None
