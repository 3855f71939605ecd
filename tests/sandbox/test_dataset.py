"""The made-up data: the same every time, sound where it should be, and wrong where it should be."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.common.contract import contract
from sandbox.common.json_text import dumps
from sandbox.dataset import demo, empty, generated, load
from tests.sandbox.support import PLACE, Sandbox
from tests.sandbox.support import demo as shared_demo

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.common.config import Row

CENT = Decimal("0.01")
ZERO = Decimal(0)
LEFT_OUT = {"WrittenOff", "Transferred"}
MINOX_SCHEMAS = {
    "vat": "Vat",
    "cost_center": "CostCenter",
    "payment_term": "PaymentTerm",
    "item_group": "ItemGroup",
    "item": "Item",
    "customer": "Customer",
    "ledger_account": "LedgerAccount",
    "journal": "Journal",
    "receivable": "Receivable",
}


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def minox_data(data: Row) -> Row:
    found: Row = data["minox"]["tenants"][0]["data"]["1"]
    return found


def lines_by_invoice(data: Row) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in data["qms"]["OverviewInvoiceLine"]:
        found[row["InvoiceHeaderId"]].append(row)
    return found


def amounts(rows: list[Row], *, grouped: bool) -> list[tuple[Decimal, Decimal]]:
    """The amount and VAT percentage of each line behind the header, by section 3 of the specification."""
    plain: list[tuple[Any, Decimal, Decimal]] = []
    surcharges: dict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["InvoiceLineState"] in LEFT_OUT:
            continue
        base = Decimal(row["Quantity"]) * Decimal(row["Price"]) + Decimal(row["IrregularityAmount"] or 0)
        rate = Decimal(row["VatPercentage"])
        plain.append((row["ItemCompanyGLAccountRevenue"], rate, cents(base)))
        if row["SurchargePercentage"] is not None:
            key = (row["SurchargeItemCompanyGLAccountRevenue"], rate)
            surcharges[key] += cents(Decimal(row["SurchargePercentage"]) * base / 100)
    if grouped:
        sums: dict[tuple[Any, Decimal], Decimal] = defaultdict(Decimal)
        for account, rate, amount in plain:
            sums[account, rate] += amount
        found = [(amount, rate) for (_, rate), amount in sums.items()]
    else:
        found = [(amount, rate) for _, rate, amount in plain]
    return found + [(amount, rate) for (_, rate), amount in surcharges.items()]


def differences(header: Row, rows: list[Row], *, grouped: bool) -> tuple[Decimal, int, Decimal, int]:
    lines = amounts(rows, grouped=grouped)
    net = sum((amount for amount, _ in lines), ZERO)
    vat = sum((cents(amount * rate / 100) for amount, rate in lines), ZERO)
    with_vat = sum(1 for _, rate in lines if rate)
    return Decimal(header["AmountWithoutVat"]) - net, len(lines), Decimal(header["VatAmount"]) - vat, with_vat


def test_the_same_seed_gives_the_same_data_to_the_byte() -> None:
    assert dumps(demo(7)) == dumps(demo(7))
    assert dumps(demo(7)) != dumps(demo(8))


@pytest.mark.parametrize("entity", MINOX_SCHEMAS)
def test_minox_rows_are_what_the_contract_says(entity: str) -> None:
    rows = minox_data(shared_demo())[entity]
    validator = contract("minox").component(MINOX_SCHEMAS[entity])
    assert rows
    for row in rows:
        assert not list(validator.iter_errors(row)), row


def test_how_much_there_is() -> None:
    data = minox_data(shared_demo())
    counts = {name: len(rows) for name, rows in data.items() if isinstance(rows, list)}
    assert (counts["vat"], counts["payment_term"], counts["cost_center"], counts["item_group"]) == (8, 6, 8, 6)
    assert (counts["item"], counts["customer"], counts["journal"]) == (60, 300, 4)
    companies = Counter(row["CompanyId"] for row in shared_demo()["qms"]["Invoice"])
    assert companies == {"3": 399, "4": 12}


def test_customers_and_ledger_accounts_share_no_number() -> None:
    data = minox_data(shared_demo())
    numbers = [str(row["id"]) for name in ("customer", "ledger_account") for row in data[name]]
    assert len(set(numbers)) == len(numbers)


def test_all_but_one_invoice_balance_in_both_modes() -> None:
    qms = shared_demo()["qms"]
    lines = lines_by_invoice(shared_demo())
    adjusted, off = Counter[bool](), []
    for header in qms["Invoice"]:
        rows = lines[header["InvoiceHeaderId"]]
        if any(row["Quantity"] is None for row in rows):
            continue
        for grouped in (False, True):
            net, count, vat, with_vat = differences(header, rows, grouped=grouped)
            adjusted[grouped] += bool(net or vat)
            if abs(net) > CENT * count or abs(vat) > CENT * with_vat:
                off.append((header["InvoiceNumber"], net))
    assert off == [("F2026-0395", Decimal("10.00"))] * 2
    assert adjusted[False] > 20, "rounding cents are part of the data"


def test_the_things_that_go_wrong_are_few() -> None:
    qms = shared_demo()["qms"]
    customers = {str(row["id"]) for row in minox_data(shared_demo())["customer"]}
    accounts = {str(row["id"]) for row in minox_data(shared_demo())["ledger_account"]}
    lines = lines_by_invoice(shared_demo())
    troubled = set()
    for row in qms["OverviewInvoice"]:
        key, number = row["InvoiceHeaderId"], row["InvoiceNumber"]
        used = {line["ItemCompanyGLAccountRevenue"] for line in lines[key]}
        if (
            row["InvoiceCustomerCompanyCustomerCode"] not in customers
            or not used <= accounts
            or row["CurrencyCode"] not in {None, "EUR"}
            or (row["WorkInProgressDate"] or row["InvoiceDate"]) > "2026-12-31"
            or (number is not None and not re.fullmatch(r"F2026-\d{4}|Afgeboekte factuur: \d+", number))
        ):
            troubled.add(key)
    assert 8 <= len(troubled) <= 15


def test_the_forms_of_invoices_are_all_there() -> None:
    qms = shared_demo()["qms"]
    own = [row for row in qms["OverviewInvoice"] if row["CompanyId"] == "3"]
    lines = lines_by_invoice(shared_demo())
    assert set(Counter(row["InvoiceHeaderState"] for row in own)) == {"Proposal", "Approved", "Processed", "Sent"}
    assert all(row["InvoiceNumber"] is None for row in own if row["InvoiceHeaderState"] == "Proposal")
    assert sum(row["InvoiceDate"] is None for row in own) > 5
    assert sum(row["WorkInProgressDate"] is None for row in own) == 1
    assert sum(row["InvoiceHeaderType"] == "CreditInvoice" for row in own) > 10
    every = [line for rows in lines.values() for line in rows]
    assert max(len(line["Description"] or "") for line in every) > 255
    assert {line["VatPercentage"] for line in every} == {"0.00", "9.00", "21.00"}
    assert {line["InvoiceLineState"] for line in every} == {"Invoiced", "WrittenOff", "Transferred"}
    assert any(line["SurchargePercentage"] for line in every)
    written_off = [row for row in own if str(row["InvoiceNumber"]).startswith("Afgeboekte factuur: ")]
    assert len(written_off) >= 2
    for row in written_off:
        header = next(each for each in qms["Invoice"] if each["InvoiceHeaderId"] == row["InvoiceHeaderId"])
        assert (header["AmountWithoutVat"], header["VatAmount"]) == ("0.00", "0.00")


def test_every_processed_invoice_has_its_entry_the_day_after() -> None:
    qms = shared_demo()["qms"]
    processed = {
        row["EntityId"]: row["Date"]
        for row in qms["EntityChange"]
        if (row["EntityType"], row["BusinessOperation"]) == ("InvoiceHeader", "Process")
    }
    wanted = [row for row in qms["Invoice"] if row["InvoiceHeaderState"] in {"Processed", "Sent"}]
    assert set(processed) == {row["InvoiceHeaderId"] for row in wanted}
    for row in wanted:
        assert processed[row["InvoiceHeaderId"]] > (row["WorkInProgressDate"] or row["InvoiceDate"])
    keys = [int(row["EntityChangeId"]) for row in qms["EntityChange"]]
    dates = [row["Date"].rstrip("Z") for row in qms["EntityChange"]]
    assert keys == sorted(keys)
    assert dates == sorted(dates)


def test_the_hand_typed_receivable_is_one_invoice() -> None:
    (typed,) = minox_data(shared_demo())["receivable"]
    found = [
        row
        for row in shared_demo()["qms"]["OverviewInvoice"]
        if re.sub(r"\D", "", row["InvoiceNumber"] or "") == str(typed["invoice_number"])
        and row["InvoiceCustomerCompanyCustomerCode"] == str(typed["account_id"])
    ]
    assert [row["InvoiceNumber"] for row in found] == ["F2026-0399"]


def test_company_4_has_the_same_codes() -> None:
    qms = shared_demo()["qms"]
    for name, code in (("VatCode", "Code"), ("CostCenter", "Code"), ("ItemCompany", "ItemCode")):
        codes = {row["CompanyId"]: set() for row in qms["Company"]}  # type: ignore[var-annotated]
        for row in qms[name]:
            codes[row["CompanyId"]].add(row[code])
        assert codes["3"] & codes["4"], name


def test_an_empty_set_can_still_be_booked_in() -> None:
    minox = Sandbox("minox", dataset=empty())
    assert minox.collection("customer") == []
    assert [row["id"] for row in minox.collection("journal")] == ["VRK", "INK", "BANK", "MEMO"]
    assert len(Sandbox("qms", dataset="empty").rows("Company")) == 2


def test_a_large_set_has_the_size_that_is_asked_for() -> None:
    data = load("generated:customers=50,items=20,invoices=30,lines=4")
    assert len(minox_data(data)["customer"]) == 50
    assert len(minox_data(data)["item"]) == 20
    assert len(data["qms"]["Invoice"]) == len(data["qms"]["OverviewInvoice"]) == 30
    assert len(data["qms"]["OverviewInvoiceLine"]) == 120
    lines = lines_by_invoice(data)
    for header in data["qms"]["Invoice"]:
        net, count, vat, with_vat = differences(header, lines[header["InvoiceHeaderId"]], grouped=False)
        assert abs(net) <= CENT * count
        assert abs(vat) <= CENT * with_vat
    assert dumps(data) == dumps(generated(customers=50, items=20, invoices=30, lines=4))


@pytest.mark.parametrize("spec", ["generated:x=1", "generated:customers=a", "generated:invoices=5"])
def test_a_size_that_cannot_be_read(spec: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|need customers"):
        load(spec)


def test_a_file_holds_a_data_set_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "set.json"
    file.write_bytes(dumps(shared_demo()))
    minox = Sandbox("minox", dataset=str(file))
    assert minox.get(f"{PLACE}/vat") == Sandbox("minox").get(f"{PLACE}/vat")
    file.write_text("[]")
    with pytest.raises(ValueError, match="holds no object"):
        load(str(file))
