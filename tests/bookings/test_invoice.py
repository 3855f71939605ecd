"""The fingerprint of an invoice changes with what an entry is made of, and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from include.bookings.invoice import source_hash
from tests.bookings.samples import case_of, invoice_of, line_of

LINES = [line_of(70001), line_of(70002, Price="50.00", Description="Reiskosten")]


def hash_of(lines: list[dict[str, Any]] | None = None, net: Any = "150.00", vat: Any = "31.50", **header: Any) -> str:
    return source_hash(invoice_of(case_of(LINES if lines is None else lines, net, vat, **header)))


@pytest.mark.parametrize(
    "same",
    [
        {"lines": LINES[::-1]},
        {"net": 150, "vat": 31.5},
        {"net": "150.0000", "vat": "31.5"},
        {"InvoiceHeaderState": "Sent"},
        {"InvoiceCustomerCompanyCustomerCode": 1001},
        {"InvoiceCustomerCompanyCustomerCode": "01001"},
        {"InvoiceText": "  Advies januari 2026 "},
        {"InvoiceDate": "2026-01-31T13:15:00"},
        {"InvoiceHeaderType": "Invoice"},
        {"InvoiceCustomerName": "Jansen Advies B.V."},
        {"lines": [{**LINES[0], "VatPercentage": 21, "Quantity": 1, "InvoiceLineId": 70001}, LINES[1]]},
        {"lines": [{**LINES[0], "IrregularityAmount": None, "SurchargePercentage": "0"}, LINES[1]]},
        {"lines": [{**LINES[0], "InvoiceLineState": "Open", "ItemName": "Nieuwe naam", "EmployeeName": "X"}, LINES[1]]},
        {"lines": [*LINES, line_of(70003, InvoiceLineState="WrittenOff")]},
        {"lines": [{**LINES[0], "ItemCompanyGLAccountRevenue": "08000", "VatCodeCode": 1}, LINES[1]]},
    ],
)
def test_the_same_invoice(same: dict[str, Any]) -> None:
    assert hash_of(**same) == hash_of()


@pytest.mark.parametrize(
    "change",
    [
        {"net": "150.01"},
        {"vat": "31.49"},
        {"net": None},
        {"InvoiceNumber": "F2026-0013"},
        {"InvoiceDate": "2026-02-01T00:00:00"},
        {"WorkInProgressDate": None},
        {"InvoiceCustomerCompanyCustomerCode": "1002"},
        {"InvoiceText": "Advies"},
        {"CurrencyCode": "USD"},
        {"lines": LINES[:1]},
        {"lines": [{**LINES[0], "InvoiceLineState": "Transferred"}, LINES[1]]},
        *(
            {"lines": [{**LINES[0], field: value}, LINES[1]]}
            for field, value in {
                "ItemCompanyGLAccountRevenue": "8001",
                "Quantity": "1.0001",
                "Price": "99.99",
                "IrregularityAmount": "-0.01",
                "Description": "Iets anders",
                "VatPercentage": None,
                "VatCodeCode": "2",
                "CostCenterCode": None,
                "SurchargePercentage": "5.00",
                "SurchargeItemCompanyGLAccountRevenue": "8900",
            }.items()
        ),
    ],
)
def test_a_changed_invoice(change: dict[str, Any]) -> None:
    assert hash_of(**change) != hash_of()


def test_texts_that_look_like_numbers_stay_apart() -> None:
    assert hash_of(InvoiceText="007") != hash_of(InvoiceText="7")
    assert hash_of(InvoiceNumber="007") != hash_of(InvoiceNumber="7")


def test_fields_of_descriptions_and_excluded_states_count_when_asked() -> None:
    renamed = invoice_of(case_of([{**LINES[0], "ItemName": "Nieuw"}, LINES[1]], "150.00", "31.50"))
    invoice = invoice_of(case_of(LINES, "150.00", "31.50"))
    assert source_hash(renamed) == source_hash(invoice)
    fields = ("ItemName", "Description")
    assert source_hash(renamed, description_fields=fields) != source_hash(invoice, description_fields=fields)
    left_out = invoice_of(case_of([*LINES, line_of(7, InvoiceLineState="Open")], "150.00", "31.50"))
    assert source_hash(left_out, excluded_line_states=["Open"]) == source_hash(invoice)


def test_lines_without_a_usable_id_have_an_order_too() -> None:
    lines = [line_of(1, InvoiceLineId="b"), line_of(1, InvoiceLineId=None), line_of(10), line_of(9)]
    assert hash_of(lines) == hash_of(lines[::-1])
