from __future__ import annotations

import datetime as dt

import pytest

from include.bookings.dates import DocumentDateRule, comparison_date, document_date, local_date, readable_date
from include.wire.qms import OverviewInvoice

JANUARY, FEBRUARY = "2026-01-31T00:00:00", "2026-02-01T23:59:59.9999999"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (JANUARY, dt.date(2026, 1, 31)),
        (FEBRUARY, dt.date(2026, 2, 1)),
        ("2024-02-29", dt.date(2024, 2, 29)),
        (" 2026-01-31T00:00:00 ", dt.date(2026, 1, 31)),
        ("2026-01-31T00:00:00Z", dt.date(2026, 1, 31)),
        ("2025-12-31T22:59:59.9999999Z", dt.date(2025, 12, 31)),
        ("2025-12-31T23:00:00Z", dt.date(2026, 1, 1)),
        ("2026-03-01T00:00:00+01:00", dt.date(2026, 3, 1)),
        ("2026-03-01T00:00:00+02:00", dt.date(2026, 2, 28)),
        (None, None),
        ("", None),
        ("  ", None),
    ],
)
def test_the_date_part_counts(value: str | None, expected: dt.date | None) -> None:
    assert local_date(value) == expected


@pytest.mark.parametrize(
    "value", ["31-01-2026", "2026-02-30T00:00:00", "2026-01-31X", 20260131, "morgen", "9999-12-31T23:59:59Z"]
)
def test_what_is_no_date_is_refused(value: str | int) -> None:
    with pytest.raises(ValueError, match=r"date|day|month|range"):
        local_date(value)
    assert readable_date(value) == "?"


def test_a_date_that_can_be_read_is_checked_as_one() -> None:
    assert [readable_date(value) for value in (JANUARY, None, " ")] == ["2026-01-31", None, None]


@pytest.mark.parametrize(
    ("rule", "work_in_progress", "invoice", "expected"),
    [
        ("work_in_progress_date", JANUARY, FEBRUARY, dt.date(2026, 1, 31)),
        ("work_in_progress_date", None, FEBRUARY, dt.date(2026, 2, 1)),
        ("work_in_progress_date", "", FEBRUARY, dt.date(2026, 2, 1)),
        ("work_in_progress_date", JANUARY, None, dt.date(2026, 1, 31)),
        ("invoice_date", JANUARY, FEBRUARY, dt.date(2026, 2, 1)),
        ("invoice_date", JANUARY, None, dt.date(2026, 1, 31)),
        ("invoice_date", None, None, None),
        ("work_in_progress_date", "soon", FEBRUARY, None),
    ],
)
def test_document_date(
    rule: DocumentDateRule, work_in_progress: str | None, invoice: str | None, expected: dt.date | None
) -> None:
    header = OverviewInvoice(WorkInProgressDate=work_in_progress, InvoiceDate=invoice)
    assert document_date(header, rule) == expected


@pytest.mark.parametrize(
    ("work_in_progress", "invoice", "expected"),
    [
        (JANUARY, FEBRUARY, dt.date(2026, 2, 1)),
        (JANUARY, None, dt.date(2026, 1, 31)),
        (JANUARY, " ", dt.date(2026, 1, 31)),
        (None, None, None),
        (JANUARY, "soon", None),
    ],
)
def test_comparison_date(work_in_progress: str | None, invoice: str | None, expected: dt.date | None) -> None:
    header = OverviewInvoice(WorkInProgressDate=work_in_progress, InvoiceDate=invoice)
    assert comparison_date(header) == expected
