"""The comparison at the end of the demo sees what is wrong."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from demo.comparison import EXPECTED_MASTER_DATA, compare_invoices, compare_master_data
from include.bookings.batch_id import batch_id
from include.settings.load import load_link
from tests.settings.support import MINIMAL

if TYPE_CHECKING:
    from pathlib import Path

    from include.settings.link import LinkSettings

Row = dict[str, Any]
OWN_ID = str(batch_id(123456, 1, 3, 9001))
BOOKED = {"9001": ("booked", None)}


@pytest.fixture
def link(tmp_path: Path) -> LinkSettings:
    path = tmp_path / "demo.yaml"
    path.write_text(yaml.safe_dump(MINIMAL), encoding="utf-8")
    return load_link(path)


@pytest.fixture
def minox() -> Row:
    """Minox with one VAT code and one batch."""
    lines = [
        {"debit": Decimal("121.00"), "credit": 0, "vat": {"amount": 0}},
        {"debit": 0, "credit": Decimal("100.00"), "vat": {"amount": Decimal("21.00")}},
    ]
    lists: Row = {name: [] for name in ("cost_center", "payment_term", "item_group", "item", "customer")}
    vat = {"id": 1, "description": "Hoog", "percentage": 21, "type": "Af te dragen"}
    return {**lists, "vat": [vat], "batches": {OWN_ID: {"lines": lines}}}


@pytest.fixture
def qms() -> Row:
    """QMS with the same."""
    row = {"Code": "1", "Name": "Hoog", "Percentage": "21.00", "ReverseCharge": False, "CompanyId": "3"}
    tables: Row = {name: [] for name in ("CostCenter", "PaymentCondition", "ItemCompany", "CustomerCompany")}
    return {
        **tables,
        "VatCode": [{"VatCodeId": "11", **row}, {"VatCodeId": "12", **row, "CompanyId": "4"}],
        "OverviewInvoice": [{"InvoiceHeaderId": "9001", "CompanyId": "3", "InvoiceHeaderState": "Processed"}],
        "Invoice": [{"InvoiceHeaderId": "9001", "VatAmount": "21.00", "AmountWithoutVat": "100.00"}],
    }


def faults_of_vat_codes(minox: Row, qms: Row, link: LinkSettings, outcome: str = "created") -> list[str]:
    outcomes = {"vat_codes": {"1": (outcome, None)}}
    first, *others = compare_master_data(minox, qms, link, outcomes)
    expected = {name for name, reasons in EXPECTED_MASTER_DATA.items() if reasons}
    assert {one.entity for one in others if one.faults} == expected  # the demo's own rejections are missing here
    return first.faults


def test_what_arrived_is_no_fault(minox: Row, qms: Row, link: LinkSettings) -> None:
    assert faults_of_vat_codes(minox, qms, link) == []
    result = compare_invoices(minox, qms, link, BOOKED)
    assert (result.faults, result.booked, result.total) == ([], 1, Decimal("121.00"))


def test_a_field_that_differs(minox: Row, qms: Row, link: LinkSettings) -> None:
    qms["VatCode"][0]["Percentage"] = "9.00"
    assert faults_of_vat_codes(minox, qms, link) == ["vat_codes 1: QMS has another Percentage"]


def test_a_record_that_is_there_twice(minox: Row, qms: Row, link: LinkSettings) -> None:
    qms["VatCode"].append({**qms["VatCode"][0], "VatCodeId": "13"})
    assert faults_of_vat_codes(minox, qms, link) == ["vat_codes 1 is in QMS 2 times"]


def test_a_record_that_another_company_has_alone(minox: Row, qms: Row, link: LinkSettings) -> None:
    del qms["VatCode"][0]
    assert faults_of_vat_codes(minox, qms, link) == ["vat_codes 1 is in QMS 0 times"]


def test_a_record_without_a_good_outcome(minox: Row, qms: Row, link: LinkSettings) -> None:
    assert "should be {}" in faults_of_vat_codes(minox, qms, link, "failed")[0]


def test_an_entry_that_is_not_in_balance(minox: Row, qms: Row, link: LinkSettings) -> None:
    minox["batches"][OWN_ID]["lines"][1]["vat"]["amount"] = Decimal("20.99")
    assert compare_invoices(minox, qms, link, BOOKED).faults == ["invoice 9001: debit 121.00, credit 120.99"]


def test_an_entry_with_another_total(minox: Row, qms: Row, link: LinkSettings) -> None:
    qms["Invoice"][0]["VatAmount"] = "21.01"
    assert compare_invoices(minox, qms, link, BOOKED).faults == ["invoice 9001: 121.00 in Minox, 121.01 in QMS"]


def test_a_line_on_the_other_side_with_its_vat(minox: Row, qms: Row, link: LinkSettings) -> None:
    lines = minox["batches"][OWN_ID]["lines"]
    lines[1:] = [
        {"debit": 0, "credit": Decimal("150.00"), "vat": {"amount": Decimal("31.50")}},
        {"debit": Decimal("50.00"), "credit": 0, "vat": {"amount": Decimal("10.50")}},
    ]
    assert compare_invoices(minox, qms, link, BOOKED).faults == []


def test_an_invoice_that_should_be_booked(minox: Row, qms: Row, link: LinkSettings) -> None:
    result = compare_invoices({**minox, "batches": {}}, qms, link, {"9001": ("rejected", "unbalanced")})
    assert result.faults == ["invoice 9001 is rejected (unbalanced), and should be booked"]


def test_an_entry_that_nobody_asked_for(minox: Row, qms: Row, link: LinkSettings) -> None:
    minox["batches"]["another"] = copy.deepcopy(minox["batches"][OWN_ID])
    result = compare_invoices(minox, qms, link, BOOKED)
    assert result.faults == ["Minox has a batch another that no invoice of QMS belongs to"]


def test_an_outcome_that_the_books_contradict(minox: Row, qms: Row, link: LinkSettings) -> None:
    assert compare_invoices(minox, qms, link, {"9001": ("skipped", None)}).faults == [
        "invoice 9001 is skipped, and is in Minox"
    ]
    assert compare_invoices({**minox, "batches": {}}, qms, link, BOOKED).faults == [
        "invoice 9001 is booked, and is not in Minox"
    ]


def test_an_invoice_that_goes_wrong_in_another_way_than_it_should(minox: Row, qms: Row, link: LinkSettings) -> None:
    qms["OverviewInvoice"][0]["InvoiceHeaderId"] = qms["Invoice"][0]["InvoiceHeaderId"] = "9395"
    result = compare_invoices({**minox, "batches": {}}, qms, link, {"9395": ("rejected", "no_lines")})
    assert result.faults == ["invoice 9395 is rejected (no_lines), and should be rejected (unbalanced)"]
