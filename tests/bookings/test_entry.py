"""Invoices become balanced entries, or are rejected with every reason that holds."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from include.bookings.entry import BookingContext, Entry, EntryLine, _insist_on_balance, build_entry
from include.bookings.reasons import LIMIT_PER_CODE, ORDER, Reason, Rejected, arrange
from include.bookings.rounding import Cent
from include.errors import InvariantError
from include.wire.qms import Company
from tests.bookings.oracle import Want, balance_of, judge, sent_lines
from tests.bookings.samples import VARIANTS, case_of, context_of, invoice_of, line_of, settings_of

CONTRACT = Path(__file__).parents[2] / "sandbox" / "contracts" / "minox.openapi.yaml"


def build(case: dict[str, Any], **settings: Any) -> Entry:
    result = build_entry(invoice_of(case), settings_of(**settings), context_of(case))
    assert isinstance(result, Entry), result
    assert balance_of(sent_lines(result.body())) == 0
    return result


def reject(case: dict[str, Any], **settings: Any) -> Rejected:
    result = build_entry(invoice_of(case), settings_of(**settings), context_of(case))
    assert isinstance(result, Rejected)
    return result


def codes(case: dict[str, Any], **settings: Any) -> list[str]:
    return [reason.code for reason in reject(case, **settings).reasons]


def behind_header(case: dict[str, Any], **settings: Any) -> list[tuple[int, str, int, int]]:
    """Account, side, cents and cents of VAT of the lines behind the header."""
    return [
        (line.account, line.side, line.cents, line.vat_cents) for line in sent_lines(build(case, **settings).body())[1:]
    ]


# The body ---------------------------------------------------------------------------------------------------------


def test_the_example_of_the_contract() -> None:
    lines = [
        line_of(70001, Quantity="1.25", Price="80.0000", Description="Senior adviesuren"),
        line_of(70002, Price="50", ItemCompanyGLAccountRevenue="8060", Description="Reiskosten", CostCenterCode=None),
    ]
    entry = build(case_of(lines, "150.00", "31.50"), cost_centers_on_lines=True)
    contract = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    (example,) = contract["components"]["schemas"]["BatchRequest"]["examples"]
    assert json.loads(entry.body()) == example
    assert (entry.customer, entry.invoice_number, entry.document_date) == (1001, 20260012, dt.date(2026, 1, 31))
    assert (entry.net, entry.vat, entry.total) == (Decimal("150.00"), Decimal("31.50"), Decimal("181.50"))
    assert entry.rounding == ()


def test_the_body_is_exact_json_to_the_letter() -> None:
    entry = build(case_of([line_of(Price="0.10", Quantity="3")], "0.30", "0.06", InvoiceText=" "), send_vat_code=True)
    common = '"journal":{"id":"VRK"},"document_date":"2026-01-31","invoice_number":20260012'
    assert entry.body().decode() == (
        '[{"account":{"id":"1001"},' + common + ',"debit":0.36,"vat":{"amount":0.00},"description":"F2026-0012"},'
        '{"account":{"id":"8000"},' + common + ',"credit":0.30,"vat":{"id":1,"amount":0.06},'
        '"description":"Overleg inrichting grootboek"}]'
    )
    assert entry.content_hash == hashlib.sha256(entry.body()).hexdigest()


@pytest.fixture(scope="module")
def batch_request() -> jsonschema.Draft202012Validator:
    contract = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    schema = {**contract, "$ref": "#/components/schemas/BatchRequest"}
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("variant", VARIANTS[::5], ids=str)
@pytest.mark.parametrize("sign", [1, -1])
def test_every_body_is_what_the_contract_asks(
    variant: dict[str, Any], sign: int, batch_request: jsonschema.Draft202012Validator
) -> None:
    rate, five = ("21", "5") if variant["percentage_scale"] == "percent" else ("0.21", "0.05")
    lines = [
        line_of(1, Quantity=sign, VatPercentage=rate, Description=None, ItemName=None),
        line_of(2, Quantity=sign, VatPercentage=rate, CostCenterCode=" ", VatCodeCode=None, Description="🦉" * 300),
        line_of(3, Quantity=0, VatPercentage="0", SurchargePercentage=None),
        line_of(
            4, Quantity=-sign, VatPercentage=rate, SurchargePercentage=five, SurchargeItemCompanyGLAccountRevenue="8900"
        ),
    ]
    net, vat = ("95.00", "19.95") if sign > 0 else ("-95.00", "-19.95")
    entry = build(case_of(lines, net, vat, InvoiceNumber="F7"), **variant)
    assert not list(batch_request.iter_errors(json.loads(entry.body())))
    amounts: list[str] = []
    json.loads(entry.body(), parse_float=amounts.append)
    assert len(amounts) == 2 * len(entry.lines)
    assert all(len(amount.partition(".")[2]) == 2 and amount != "-0.00" for amount in amounts)


def test_absent_values_leave_no_empty_object() -> None:
    lines = [line_of(Description=" ", CostCenterCode="", VatCodeCode=" ")]
    entry = build(case_of(lines, "100", "21"), cost_centers_on_lines=True, send_vat_code=True)
    line = json.loads(entry.body())[1]
    assert set(line) == {"account", "journal", "document_date", "invoice_number", "credit", "vat"}
    assert set(line["vat"]) == {"amount"}


def test_the_same_invoice_gives_the_same_bytes_however_qms_writes_it() -> None:
    lines = [line_of(1), line_of(2, Price="50.00", ItemCompanyGLAccountRevenue="8060")]
    other = [
        {**lines[1], "InvoiceLineId": 2, "Price": 50, "ItemCompanyGLAccountRevenue": 8060},
        {**lines[0], "InvoiceLineId": 1, "VatPercentage": 21, "Quantity": "1.000", "IrregularityAmount": None},
    ]
    first = build(case_of(lines, "150.00", "31.50"))
    second = build(case_of(other, 150, 31.5, InvoiceCustomerCompanyCustomerCode=1001, InvoiceHeaderState="Sent"))
    assert first.body() == second.body()
    assert first.content_hash == second.content_hash


# Header -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Advies ", "Advies"),
        ("", "F2026-0012"),
        (" \n ", "F2026-0012"),
        (None, "F2026-0012"),
        ("🏗" * 300, "🏗" * 255),
    ],
)
def test_the_headers_description(text: str | None, expected: str) -> None:
    entry = build(case_of([line_of()], "100", "21", InvoiceText=text, InvoiceNumber="F2026-0012"))
    assert entry.lines[0].description == expected


@pytest.mark.parametrize(
    ("rule", "work_in_progress", "invoice", "expected"),
    [
        ("work_in_progress_date", "2026-01-31T00:00:00", "2026-02-02T00:00:00", "2026-01-31"),
        ("work_in_progress_date", None, "2026-02-02T00:00:00", "2026-02-02"),
        ("invoice_date", "2026-01-31T00:00:00", "2026-02-02T00:00:00", "2026-02-02"),
        ("invoice_date", "2026-01-31T00:00:00", " ", "2026-01-31"),
    ],
)
def test_the_document_date(rule: str, work_in_progress: str | None, invoice: str | None, expected: str) -> None:
    case = case_of([line_of()], "100", "21", WorkInProgressDate=work_in_progress, InvoiceDate=invoice)
    entry = build(case, document_date=rule)
    assert {line["document_date"] for line in json.loads(entry.body())} == {expected}


def test_codes_are_integers_written_in_text() -> None:
    lines = [line_of(ItemCompanyGLAccountRevenue=" 08000 ", CostCenterCode="0110", VatCodeCode="01")]
    case = case_of(lines, "100", "21", InvoiceCustomerCompanyCustomerCode="001001")
    header, line = sent_lines(build(case, cost_centers_on_lines=True, send_vat_code=True).body())
    assert (header.account, line.account, line.cost_center, line.vat_id) == (1001, 8000, 110, 1)


@pytest.mark.parametrize("account", ["1", "999999"])
def test_the_smallest_and_the_largest_account_are_sent(account: str) -> None:
    case = case_of(
        [line_of(ItemCompanyGLAccountRevenue=account)], "100", "21", InvoiceCustomerCompanyCustomerCode=account
    )
    assert {line.account for line in build(case).lines} == {int(account)}


@pytest.mark.parametrize("code", [0, 2**63 - 1])
def test_the_smallest_and_the_largest_vat_code_are_sent(code: int) -> None:
    assert build(case_of([line_of(VatCodeCode=str(code))], "100", "21"), send_vat_code=True).lines[1].vat_code == code


# Amounts ----------------------------------------------------------------------------------------------------------


def test_half_cents_go_up_away_from_zero() -> None:
    lines = [
        line_of(1, Quantity="0.5", Price="0.01", VatPercentage="0"),
        line_of(2, Quantity="-0.5", Price="0.01", VatPercentage="0"),
        line_of(3, Quantity="1.5", Price="0.03", VatPercentage="50"),
    ]
    assert behind_header(case_of(lines, "0.05", "0.03")) == [
        (8000, "credit", 1, 0),
        (8000, "credit", -1, 0),
        (8000, "credit", 5, 3),
    ]


def test_minus_zero_is_zero() -> None:
    lines = [line_of(1, Quantity="-0.00", IrregularityAmount="-0.00"), line_of(2, Quantity="-1", Price="0.001")]
    entry = build(case_of(lines, "-0.00", "-0.00"), negative_amounts="opposite_side")
    assert b"-0" not in entry.body().replace(b"F2026-0012", b"").replace(b"2026-01-31", b"")


def test_numbers_too_long_for_any_default_precision_stay_exact() -> None:
    lines = [line_of(Quantity="1000000000000000.005", Price="1", VatPercentage="0", IrregularityAmount="0.0000000001")]
    entry = build(case_of(lines, "1000000000000000.01", "0"))
    assert str(entry.lines[1].credit) == "1000000000000000.01"
    assert b'"credit":1000000000000000.01' in entry.body()


def test_vat_is_a_percentage_of_the_rounded_credit() -> None:
    line = line_of(Quantity="0.125", Price="1", VatPercentage="20")
    assert behind_header(case_of([line], "0.13", "0.03")) == [(8000, "credit", 13, 3)]


@pytest.mark.parametrize(("scale", "rate", "surcharge"), [("percent", "21", "7.5"), ("fraction", "0.21", "0.075")])
def test_percentages_on_either_scale(scale: str, rate: str, surcharge: str) -> None:
    line = line_of(
        VatPercentage=rate,
        SurchargePercentage=surcharge,
        SurchargeItemCompanyGLAccountRevenue="8900",
        ItemName="Toeslag",
    )
    assert behind_header(case_of([line], "107.50", "22.58"), percentage_scale=scale) == [
        (8000, "credit", 10000, 2100),
        (8900, "credit", 750, 158),
    ]


def test_mixed_vat_with_verlegd() -> None:
    lines = [
        line_of(1, Price="37.50"),
        line_of(2, Price="12.50", VatPercentage="9"),
        line_of(3, Price="80", VatPercentage="0", ItemCompanyGLAccountRevenue="8100"),
    ]
    assert behind_header(case_of(lines, "130.00", "9.01")) == [
        (8000, "credit", 3750, 788),
        (8000, "credit", 1250, 113),
        (8100, "credit", 8000, 0),
    ]


def test_excluded_lines_are_left_out_before_any_check() -> None:
    broken = line_of(2, InvoiceLineState="WrittenOff", Quantity=None, ItemCompanyGLAccountRevenue=None)
    assert len(behind_header(case_of([line_of(1), broken], "100", "21"))) == 1
    assert "incomplete_line" in codes(case_of([line_of(1), broken], "100", "21"), excluded_line_states=[])


# Credit notes -----------------------------------------------------------------------------------------------------

CREDIT_NOTE = case_of([line_of(1, Quantity="-2"), line_of(2, Price="25")], "-175.00", "-36.75")


def test_a_credit_note_keeps_its_signs() -> None:
    header, *rest = sent_lines(build(CREDIT_NOTE).body())
    assert (header.side, header.cents, header.vat_cents) == ("debit", -21175, 0)
    assert [line[1:4] for line in rest] == [("credit", -20000, -4200), ("credit", 2500, 525)]


def test_a_credit_note_on_the_opposite_side() -> None:
    entry = build(CREDIT_NOTE, negative_amounts="opposite_side")
    header, *rest = sent_lines(entry.body())
    assert (header.side, header.cents, header.vat_cents) == ("credit", 21175, 0)
    assert [line[1:4] for line in rest] == [("debit", 20000, 4200), ("credit", 2500, 525)]
    assert entry.total == Decimal("-211.75")


def test_an_entry_of_nothing_stays_where_it_is() -> None:
    case = case_of([line_of(1), line_of(2, Quantity="-1")], "0.00", "0.00")
    header, first, second = sent_lines(build(case, negative_amounts="opposite_side").body())
    assert (header.side, header.cents) == ("debit", 0)
    assert (first.side, second.side) == ("credit", "debit")


def test_vat_alone_decides_the_side_of_a_line_without_amount() -> None:
    case = case_of([line_of(1, Quantity="0")], "0.00", "-0.01")
    header, line = sent_lines(build(case, negative_amounts="opposite_side").body())
    assert (header.side, header.cents) == ("credit", 1)
    assert (line.side, line.cents, line.vat_cents) == ("debit", 0, 1)


def test_vat_that_rounding_turned_around_keeps_the_balance() -> None:
    case = case_of([line_of(1, Price="0.02")], "0.02", "-0.01")
    entry = build(case, negative_amounts="opposite_side")
    assert [line[1:4] for line in sent_lines(entry.body())] == [("debit", 1, 0), ("credit", 2, -1)]


# Groups -----------------------------------------------------------------------------------------------------------


def test_groups_by_account_and_percentage_in_the_order_of_their_first_line() -> None:
    lines = [
        line_of(1, ItemCompanyGLAccountRevenue="8060", Price="10", ItemName="Kilometers"),
        line_of(2, ItemName="Uren"),
        line_of(3, ItemCompanyGLAccountRevenue="08060", Price="5", VatPercentage="21.0", ItemName=" Parkeren "),
        line_of(4, VatPercentage="9", ItemName="Boek"),
        line_of(5, ItemName="Uren", CostCenterCode="999"),
    ]
    case = case_of(lines[::-1], "315.00", "54.15")
    assert behind_header(case, lines="grouped") == [
        (8060, "credit", 1500, 315),
        (8000, "credit", 20000, 4200),
        (8000, "credit", 10000, 900),
    ]
    described = [line.description for line in build(case, lines="grouped").lines[1:]]
    assert described == ["Kilometers, Parkeren", "Uren", "Boek"]


def test_cost_centers_and_vat_codes_split_groups_when_they_are_sent() -> None:
    lines = [
        line_of(1, CostCenterCode="110"),
        line_of(2, CostCenterCode=" "),
        line_of(3, CostCenterCode="0110", VatCodeCode="2"),
        line_of(4, CostCenterCode=110, VatCodeCode=None),
    ]
    case = case_of(lines, "400", "84")

    def sent(**settings: Any) -> list[tuple[int, int | None, int | None]]:
        return [(line.cents, line.cost_center, line.vat_id) for line in sent_lines(build(case, **settings).body())[1:]]

    assert sent(lines="grouped") == [(40000, None, None)]
    assert sent(lines="grouped", cost_centers_on_lines=True) == [(30000, 110, None), (10000, None, None)]
    assert sent(lines="grouped", send_vat_code=True) == [(20000, None, 1), (10000, None, 2), (10000, None, None)]
    assert sent(lines="grouped", send_vat_code=True, cost_centers_on_lines=True) == [
        (10000, 110, 1),
        (10000, None, 1),
        (10000, 110, 2),
        (10000, 110, None),
    ]


def test_vat_of_a_group_is_a_percentage_of_its_sum_and_its_credit_the_sum_of_cents() -> None:
    lines = [line_of(number, Quantity="0.125", Price="1", VatPercentage="21") for number in range(1, 5)]
    assert behind_header(case_of(lines, "0.52", "0.11"), lines="grouped") == [(8000, "credit", 52, 11)]


def test_the_fields_of_a_groups_description_are_those_of_the_setting() -> None:
    lines = [line_of(1, ProjectCode="P-1"), line_of(2, ProjectCode="P-2", Description="Reis")]
    entry = build(
        case_of(lines, "200", "42"), lines="grouped", grouped_description=["ProjectCode", "Description", "ItemName"]
    )
    assert entry.lines[1].description == "P-1, P-2 - Overleg inrichting grootboek, Reis - Senior adviesuren"


# Surcharges -------------------------------------------------------------------------------------------------------

SURCHARGED = [
    line_of(1, Price="33.335", SurchargePercentage="7.5", SurchargeItemCompanyGLAccountRevenue="8900", ItemName="A"),
    line_of(2, ItemName="B"),
    line_of(3, Price="33.335", SurchargePercentage="7.50", SurchargeItemCompanyGLAccountRevenue="08900", ItemName="C"),
    line_of(
        4, VatPercentage="9", SurchargePercentage="10", SurchargeItemCompanyGLAccountRevenue="8900", VatCodeCode="2"
    ),
    line_of(5, SurchargePercentage="0.00", SurchargeItemCompanyGLAccountRevenue=None),
]


@pytest.mark.parametrize("mode", ["single", "grouped"])
def test_surcharges_stand_behind_the_lines_in_both_modes(mode: str) -> None:
    case = case_of(SURCHARGED, "381.68", "66.95")
    entry = build(case, lines=mode, cost_centers_on_lines=True)
    surcharges = [line for line in sent_lines(entry.body()) if line.account == 8900]
    assert surcharges == [
        Want(8900, "credit", 500, 105, None, None, "A, C"),
        Want(8900, "credit", 1000, 90, None, None, "Senior adviesuren"),
    ]
    assert entry.lines[-2:] == tuple(line for line in entry.lines if line.account == 8900)


def test_a_surcharge_is_taken_of_the_unrounded_amount_and_rounded_per_line() -> None:
    lines = [
        line_of(
            number,
            Quantity="0.5",
            Price="0.09",
            VatPercentage="0",
            SurchargePercentage="100",
            SurchargeItemCompanyGLAccountRevenue="8900",
        )
        for number in (1, 2)
    ]
    assert behind_header(case_of(lines, "0.20", "0.00"))[-1] == (8900, "credit", 10, 0)


def test_vat_codes_split_surcharges_when_they_are_sent() -> None:
    common = {"SurchargePercentage": "10", "SurchargeItemCompanyGLAccountRevenue": "8900", "ItemName": "X"}
    lines = [line_of(1, VatCodeCode="1", **common), line_of(2, VatCodeCode="2", **common)]
    case = case_of(lines, "220", "46.20")
    assert behind_header(case)[-1] == (8900, "credit", 2000, 420)
    entry = build(case, send_vat_code=True, surcharge_description=["ProjectCode"])
    assert [(line.vat_code, line.credit, line.description) for line in entry.lines[-2:]] == [
        (1, Decimal("10.00"), None),
        (2, Decimal("10.00"), None),
    ]


def test_a_negative_surcharge_is_a_discount() -> None:
    line = line_of(SurchargePercentage="-10", SurchargeItemCompanyGLAccountRevenue="8900")
    case = case_of([line], "90", "18.90")
    assert behind_header(case)[-1] == (8900, "credit", -1000, -210)
    assert behind_header(case, negative_amounts="opposite_side")[-1] == (8900, "debit", 1000, 210)


# Rounding ---------------------------------------------------------------------------------------------------------

THREE = [
    line_of(1, Price="10.00"),
    line_of(2, Price="30.00", VatPercentage="0"),
    line_of(3, Price="20.00"),
]


def test_a_cent_of_each_kind_goes_to_the_largest_and_is_recorded() -> None:
    entry = build(case_of(THREE, "60.01", "6.29"))
    assert [line[1:4] for line in sent_lines(entry.body())[1:]] == [
        ("credit", 1000, 210),
        ("credit", 3001, 0),
        ("credit", 2000, 419),
    ]
    assert entry.rounding == (Cent(2, "credit", 1), Cent(3, "vat.amount", -1))


def test_as_many_cents_as_lines_are_rounding_and_one_more_is_not() -> None:
    assert len(build(case_of(THREE, "60.03", "6.32")).rounding) == 5
    assert len(build(case_of(THREE, "59.97", "6.28")).rounding) == 5
    for net, vat in (("60.04", "6.30"), ("59.96", "6.30"), ("60.00", "6.33"), ("60.00", "6.27")):
        assert codes(case_of(THREE, net, vat)) == ["unbalanced"]


def test_ties_go_in_line_order() -> None:
    lines = [line_of(number) for number in (3, 1, 2)]
    entry = build(case_of(lines, "300.02", "62.99"))
    assert entry.rounding == (Cent(1, "credit", 1), Cent(1, "vat.amount", -1), Cent(2, "credit", 1))


def test_lines_of_the_entry_count_not_lines_of_the_invoice() -> None:
    lines = [line_of(number) for number in range(1, 6)]
    assert len(build(case_of(lines, "500.05", "105.00")).rounding) == 5
    assert len(build(case_of(lines, "500.01", "105.00"), lines="grouped").rounding) == 1
    assert codes(case_of(lines, "500.02", "105.00"), lines="grouped") == ["unbalanced"]


def test_surcharge_lines_may_take_a_cent_too() -> None:
    line = line_of(Price="1", SurchargePercentage="200", SurchargeItemCompanyGLAccountRevenue="8900")
    assert build(case_of([line], "3.01", "0.63")).rounding == (Cent(2, "credit", 1),)


def test_cents_on_a_turned_line_are_recorded_as_they_were_added() -> None:
    case = case_of([line_of(1, Quantity="-1")], "-99.99", "-21.01")
    assert build(case).rounding == (Cent(1, "credit", 1), Cent(1, "vat.amount", -1))
    entry = build(case, negative_amounts="opposite_side")
    assert entry.rounding == (Cent(1, "debit", -1), Cent(1, "vat.amount", 1))
    assert (entry.lines[1].debit, entry.lines[1].vat_amount) == (Decimal("99.99"), Decimal("21.01"))


def test_vat_without_a_line_that_bears_it_is_no_rounding() -> None:
    assert codes(case_of([line_of(VatPercentage="0")], "100.00", "0.01")) == ["unbalanced"]


def test_differences_that_cancel_out_do_not_balance() -> None:
    assert codes(case_of([line_of()], "102.00", "19.00")) == ["unbalanced"]


def test_the_message_has_both_totals() -> None:
    (reason,) = reject(case_of([line_of()], "150.00", "31.50")).reasons
    assert reason.field == "AmountWithoutVat, VatAmount"
    for amount in ("150.00", "31.50", "100.00", "21.00", "0.01"):
        assert amount in reason.message


def test_totals_with_parts_of_cents_balance_too() -> None:
    entry = build(case_of([line_of()], "100.005", "21.005"))
    assert (entry.net, entry.vat, entry.total) == (Decimal("100.01"), Decimal("21.00"), Decimal("121.01"))
    assert entry.rounding == (Cent(1, "credit", 1),)


# Reasons ----------------------------------------------------------------------------------------------------------

GOOD = ([line_of()], "100", "21")


@pytest.mark.parametrize("code", [None, "", " ", "0", "1000000", "-1", "12A", "1.5"])
def test_missing_customer_code(code: str | None) -> None:
    (reason,) = reject(case_of(*GOOD, InvoiceCustomerCompanyCustomerCode=code)).reasons
    assert (reason.code, reason.field) == ("missing_customer_code", "InvoiceCustomerCompanyCustomerCode")
    assert ("empty" if not (code or "").strip() else repr(code)) in reason.message


@pytest.mark.parametrize("account", [None, "", "0", "1000000", "80A0", "8000.5"])
def test_missing_revenue_account_names_the_line_and_what_was_there(account: str | None) -> None:
    (reason,) = reject(case_of([line_of(70009, ItemCompanyGLAccountRevenue=account)], "100", "21")).reasons
    assert (reason.code, reason.field) == ("missing_revenue_account", "lines[70009].ItemCompanyGLAccountRevenue")
    assert "Line 70009" in reason.message
    assert (repr(account) if account else "empty") in reason.message


def test_missing_revenue_account_of_a_surcharge() -> None:
    lines = [line_of(SurchargePercentage="10", SurchargeItemCompanyGLAccountRevenue=None)]
    (reason,) = reject(case_of(lines, "110", "23.10")).reasons
    assert (reason.code, reason.field) == (
        "missing_revenue_account",
        "lines[70001].SurchargeItemCompanyGLAccountRevenue",
    )


@pytest.mark.parametrize("code", ["H", "-1", "1.5", str(2**63)])
def test_invalid_vat_code_only_when_it_is_sent(code: str) -> None:
    case = case_of([line_of(VatCodeCode=code)], "100", "21")
    assert codes(case, send_vat_code=True) == ["invalid_vat_code"]
    assert build(case).lines[1].vat_code is None


@pytest.mark.parametrize("code", ["A", "0", "-1", "1.5", str(2**63)])
def test_invalid_cost_center_only_when_they_are_on(code: str) -> None:
    case = case_of([line_of(CostCenterCode=code)], "100", "21")
    assert codes(case, cost_centers_on_lines=True) == ["invalid_cost_center"]
    assert build(case).lines[1].cost_center is None


def test_the_largest_cost_center_is_sent() -> None:
    case = case_of([line_of(CostCenterCode=str(2**63 - 1))], "100", "21")
    assert build(case, cost_centers_on_lines=True).lines[1].cost_center == 2**63 - 1


def test_no_lines() -> None:
    assert codes(case_of([], "0", "0")) == ["no_lines"]
    assert codes(case_of([line_of(InvoiceLineState="Transferred")], "100", "21")) == ["no_lines"]


@pytest.mark.parametrize("field", ["Quantity", "Price", "VatPercentage"])
def test_incomplete_line_names_line_and_field(field: str) -> None:
    (reason,) = reject(case_of([line_of(1), line_of(2, **{field: None})], "200", "42")).reasons
    assert (reason.code, reason.field) == ("incomplete_line", f"lines[2].{field}")
    assert "Line 2" in reason.message
    assert field in reason.message


@pytest.mark.parametrize(
    ("invoice", "company", "administration", "foreign"),
    [
        ("EUR", "USD", "EUR", False),
        ("eur", "USD", "EUR", False),
        ("USD", "EUR", "EUR", True),
        (None, "EUR", "EUR", False),
        (" ", "USD", "EUR", True),
        (None, None, "EUR", False),
        (None, None, "USD", False),
        (None, None, None, False),
        ("EUR", None, None, False),
        ("USD", None, None, True),
        ("USD", None, "usd", False),
        (None, "EUR", " ", False),
    ],
)
def test_foreign_currency(invoice: str | None, company: str | None, administration: str | None, foreign: bool) -> None:
    case = case_of(
        *GOOD,
        company={"CurrencyCode": company},
        administration={"currency": administration},
        CurrencyCode=invoice,
    )
    if foreign:
        assert codes(case) == ["foreign_currency"]
    else:
        build(case)


@pytest.mark.parametrize(
    ("day", "known"),
    [("2024-12-31", False), ("2025-01-01", True), ("2026-12-31", True), ("2027-01-01", False)],
)
def test_fiscal_year(day: str, known: bool) -> None:
    case = case_of(*GOOD, WorkInProgressDate=f"{day}T23:59:59")
    if known:
        build(case)
    else:
        assert codes(case) == ["fiscal_year_missing"]


def test_missing_date_says_nothing_of_fiscal_years() -> None:
    assert codes(case_of(*GOOD, WorkInProgressDate=None, InvoiceDate=" ")) == ["missing_date"]
    (reason,) = reject(case_of(*GOOD, WorkInProgressDate="31-01-2026")).reasons
    assert reason.code == "missing_date"
    assert "'31-01-2026'" in reason.message


def test_missing_totals() -> None:
    assert codes(case_of([line_of()], None, None)) == ["missing_totals", "missing_totals"]
    assert codes(case_of([line_of()], "100", None)) == ["missing_totals"]


def test_invoice_number_not_usable() -> None:
    assert codes(case_of(*GOOD, InvoiceNumber="Proforma 12")) == ["invoice_number_not_usable"]
    assert codes(case_of(*GOOD, InvoiceNumber="G12"), invoice_number="strip_prefix") == ["invoice_number_not_usable"]


EVERYTHING_WRONG = case_of(
    [
        line_of(1, ItemCompanyGLAccountRevenue="X", VatCodeCode="H", CostCenterCode="A"),
        line_of(2, Quantity=None, Price=None),
    ],
    None,
    None,
    InvoiceCustomerCompanyCustomerCode=None,
    InvoiceNumber=None,
    CurrencyCode="USD",
    WorkInProgressDate="2030-01-01T00:00:00",
)


def test_all_reasons_are_kept_in_the_order_of_the_specification() -> None:
    rejected = reject(EVERYTHING_WRONG, send_vat_code=True, cost_centers_on_lines=True)
    assert [reason.code for reason in rejected.reasons] == [
        "missing_customer_code",
        "invoice_number_not_usable",
        "incomplete_line",
        "incomplete_line",
        "missing_revenue_account",
        "invalid_vat_code",
        "invalid_cost_center",
        "foreign_currency",
        "fiscal_year_missing",
        "missing_totals",
        "missing_totals",
    ]
    assert rejected.reason == "missing_customer_code"
    assert all(reason.message in rejected.message for reason in rejected.reasons)


def test_unbalanced_is_found_beside_other_reasons() -> None:
    lines = [line_of(ItemCompanyGLAccountRevenue=None)]
    case = case_of(lines, "1", "1", InvoiceCustomerCompanyCustomerCode=None)
    assert codes(case) == ["missing_customer_code", "missing_revenue_account", "unbalanced"]


def test_the_order_of_reasons_is_the_specifications() -> None:
    found = [Reason(code, "", code) for code in reversed(ORDER)]
    assert [reason.code for reason in arrange(found)] == list(ORDER)
    assert ORDER[2] == "invoice_number_collision"
    assert ORDER[-1] == "missing_totals"


def test_a_great_many_findings_of_one_kind_are_not_all_kept() -> None:
    lines = [line_of(number, ItemCompanyGLAccountRevenue=None) for number in range(1, 101)]
    reasons = reject(case_of(lines, "10000", "2100")).reasons
    assert len(reasons) == LIMIT_PER_CODE
    assert reasons[-1].message.endswith("And 80 more of this kind.")


def test_long_nonsense_is_shortened_in_messages() -> None:
    (reason,) = reject(case_of([line_of(ItemCompanyGLAccountRevenue="x" * 10_000)], "100", "21")).reasons
    assert len(reason.message) < 300


# Guards -----------------------------------------------------------------------------------------------------------


def test_an_entry_out_of_balance_is_a_bug_and_never_leaves() -> None:
    entry = build(case_of(*GOOD))
    wrong = EntryLine(8000, None, Decimal("99.99"), Decimal("21.00"), None, None, None)
    broken = Entry(
        (entry.lines[0], wrong),
        entry.journal,
        entry.document_date,
        entry.invoice_number,
        entry.customer,
        (),
        entry.net,
        entry.vat,
        entry.total,
    )
    with pytest.raises(InvariantError, match=r"0\.01 out of balance"):
        _insist_on_balance(broken)


def test_the_second_opinion_sees_what_is_wrong() -> None:
    variant = next(variant for variant in VARIANTS if variant["lines"] == "single")
    case = case_of([line_of()], "100", "21")
    other = case_of([line_of(Price="101")], "101", "21.21")
    context = BookingContext(Company(InvoiceNumberPrefix="F"), "EUR", context_of(case).fiscal_years)
    result = build_entry(invoice_of(case), settings_of(**variant), context)
    assert judge(case, variant, result) is None
    assert "wanted" in str(judge(other, variant, result))
    assert "rejected" in str(judge(case, variant, reject(EVERYTHING_WRONG)))
