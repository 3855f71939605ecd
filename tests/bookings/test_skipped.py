from __future__ import annotations

from typing import Any

import pytest

from include.bookings.skipped import is_written_off
from tests.bookings.samples import case_of, invoice_of, line_of, settings_of

WRITTEN_OFF = line_of(InvoiceLineState="WrittenOff")
TRANSFERRED = line_of(InvoiceLineState="Transferred")


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (case_of([], "0.00", "0.00", InvoiceNumber="Afgeboekte factuur: 1234"), True),
        (case_of([line_of()], "0", "0", InvoiceNumber="Afgeboekte factuur: 1234"), True),
        (case_of([line_of()], "10.00", "-10.00", InvoiceNumber="Afgeboekte factuur: 1234"), True),
        (case_of([WRITTEN_OFF, TRANSFERRED], "0.00", "0.00"), True),
        (case_of([WRITTEN_OFF, line_of()], "0.00", "0.00"), False),
        (case_of([], "0.00", "0.00"), False),
        (case_of([], "0.00", "0.00", InvoiceNumber=" F2026-0012 "), False),
        (case_of([], "0.00", "0.00", InvoiceNumber=None), False),
        (case_of([WRITTEN_OFF], "0.01", "0.00", InvoiceNumber="Afgeboekte factuur: 1234"), False),
        (case_of([WRITTEN_OFF], None, None, InvoiceNumber="Afgeboekte factuur: 1234"), False),
        (case_of([WRITTEN_OFF], "0.00", None), False),
    ],
)
def test_is_written_off(case: dict[str, Any], expected: bool) -> None:
    assert is_written_off(invoice_of(case), settings_of()) is expected


def test_the_states_are_those_of_the_setting() -> None:
    invoice = invoice_of(case_of([line_of(InvoiceLineState="Open")], "0.00", "0.00"))
    assert is_written_off(invoice, settings_of(excluded_line_states=["Open"]))
    assert not is_written_off(invoice, settings_of(excluded_line_states=[]))
