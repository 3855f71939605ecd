"""Section 2 of the specification, sentence by sentence, from Minox's lists to QMS's rows."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from include.storage.queries import Filter, past_outcomes
from minox_qms.hooks.http import HttpClient
from tests.e2e import master
from tests.e2e.master import (
    change,
    change_in_qms,
    conserved,
    cost_center,
    customer,
    forget,
    give,
    good,
    item,
    item_group,
    only,
    outcome,
    payment_term,
    put_in_qms,
    qms_row,
    qms_rows,
    reads_of,
    take_away,
    vat,
)

if TYPE_CHECKING:
    from minox_qms.hooks.http import Request
    from tests.world import World

ALL = ("vat_codes", "cost_centers", "payment_terms", "items")
VAT_ROW = {"Code": "1", "Name": "BTW hoog", "Percentage": "21.00", "ReverseCharge": False, "IsDefault": True}


@pytest.fixture
def world(shared: World, monkeypatch: pytest.MonkeyPatch) -> World:
    master.quicken(monkeypatch)
    return master.cleared(shared)


def _everything(world: World) -> None:
    """One record of each entity, that refer to each other."""
    only(world, *ALL)
    give(world, "vat", vat(1))
    give(world, "payment_term", payment_term(30))
    give(world, "cost_center", cost_center(110))
    give(world, "item_group", item_group(10))
    give(world, "item", item("ADV", vat_code=1, group=10))
    give(world, "customer", customer(10001, term=30))


# -- order, switches, failing entities ---------------------------------------------------------------------------------


def test_everything_arrives_in_one_run_what_is_referred_to_first(world: World) -> None:
    _everything(world)
    ran = good(world.run_master_data())
    assert ran.counts == {entity: {"created": 1} for entity in (*ALL, "customers")}
    conserved(world, ran)
    written = [one["path"].rsplit("/", 1)[-1] for one in world.qms.writes()]
    assert written.index("VatCode") < written.index("ItemCompany")
    assert written.index("PaymentCondition") < written.index("CustomerCompany")
    assert qms_row(world, "ItemCompany", "ADV")["VatCodeId"] == qms_row(world, "VatCode", "1")["VatCodeId"]
    assert qms_row(world, "ItemCompany", "ADV")["GLAccountRevenue"] == "8000"
    own = qms_row(world, "CustomerCompany", "10001")
    assert own["PaymentConditionId"] == qms_row(world, "PaymentCondition", "30")["PaymentConditionId"]


def test_an_idle_run_reads_one_list_an_entity_and_nothing_of_qms(world: World) -> None:
    _everything(world)
    good(world.run_master_data())
    forget(world)
    good(world.run_master_data())
    lists = ["vat", "payment_term", "cost_center", "item_group", "item", "customer"]
    assert sorted(reads_of(world.minox)) == sorted(lists)
    assert world.qms.requests() == []


def test_what_is_switched_off_is_not_read_and_references_go_by_what_qms_has(world: World) -> None:
    _everything(world)
    only(world, "items")
    put_in_qms(world, "VatCode", {"VatCodeId": "11", **VAT_ROW})
    row = {"PaymentConditionId": "31", "Code": "30", "Name": "Eigen naam", "PaymentConditionType": "Credit"}
    put_in_qms(world, "PaymentCondition", row)
    ran = good(world.run_master_data())
    assert ran.counts == {"items": {"created": 1}, "customers": {"created": 1}}
    assert reads_of(world.minox) == ["item_group", "item", "customer"]
    assert qms_row(world, "ItemCompany", "ADV")["VatCodeId"] == "11"
    assert qms_row(world, "CustomerCompany", "10001")["PaymentConditionId"] == "31"
    assert qms_row(world, "PaymentCondition", "30")["Name"] == "Eigen naam"
    forget(world)
    good(world.run_master_data())
    assert world.qms.requests() == []


def test_the_reference_of_another_company_is_not_ours(world: World) -> None:
    only(world, "items")
    put_in_qms(world, "VatCode", {"VatCodeId": "12", **VAT_ROW, "CompanyId": master.OTHER})
    give(world, "item", item("ADV", vat_code=1))
    ran = good(world.run_master_data())
    result, reason, message = outcome(world, ran, "items", "ADV")
    assert (result, reason) == ("rejected", "unresolved_reference")
    assert "vat.id" in message
    assert "1" in message


def test_of_two_references_with_one_code_the_older_counts(world: World) -> None:
    only(world, "items")
    put_in_qms(world, "VatCode", {"VatCodeId": "15", **VAT_ROW}, {"VatCodeId": "14", **VAT_ROW})
    give(world, "item", item("ADV", vat_code=1))
    good(world.run_master_data())
    assert qms_row(world, "ItemCompany", "ADV")["VatCodeId"] == "14"


def test_a_failing_entity_stops_only_what_depends_on_it(world: World) -> None:
    _everything(world)
    world.minox.spoil(path="/vat$", times=None, action="status", status=500)
    ran = world.run_master_data()
    assert {name for name, error in ran.tasks.items() if error is not None} == {
        "vat_codes.stage",
        "vat_codes.check",
        "vat_codes.load",
        "items.stage",
        "items.check",
        "items.load",
        "close_run",
    }
    assert ran.counts == {entity: {"created": 1} for entity in ("cost_centers", "payment_terms", "customers")}
    assert "item" not in reads_of(world.minox)
    conserved(world, ran)
    world.minox.heal()
    again = good(world.run_master_data())
    assert again.counts["items"] == {"created": 1}
    assert again.counts["vat_codes"] == {"created": 1}
    assert again.counts["customers"] == {"unchanged": 1}


# -- trigger and coupled fields ----------------------------------------------------------------------------------------


def test_a_change_outside_the_coupled_fields_writes_nothing(world: World) -> None:
    _everything(world)
    good(world.run_master_data())
    forget(world)
    change(world, "vat", 1, account_id="1599")
    change(world, "item", "ADV", price=99.5, extended_description="Nieuw")
    change(world, "customer", 10001, language="EN", is_one_time=True)
    change(world, "payment_term", 30, start="end_of_month")
    change(world, "item_group", 10, description="Anders")
    good(world.run_master_data())
    assert world.qms.requests() == []


def test_another_revenue_account_of_the_group_reaches_its_items(world: World) -> None:
    only(world, "items")
    give(world, "item_group", item_group(10), item_group(20, None))
    give(world, "item", item("A", group=10), item("B", item_group_id=10), item("C", group=20), item("D"))
    ran = good(world.run_master_data())
    assert [qms_row(world, "ItemCompany", code)["GLAccountRevenue"] for code in "ABCD"] == ["8000", "8000", None, None]
    assert outcome(world, ran, "items", "A")[2] is None
    assert "20" in outcome(world, ran, "items", "C")[2]
    assert outcome(world, ran, "items", "D")[0] == "created"
    assert outcome(world, ran, "items", "D")[2]
    change(world, "item_group", 10, ledger_accounts={"sales_revenue_nl": {"id": "8010"}})
    assert good(world.run_master_data()).counts["items"] == {"updated": 2, "unchanged": 2}
    assert qms_row(world, "ItemCompany", "B")["GLAccountRevenue"] == "8010"


def test_a_change_in_qms_to_a_coupled_field_stays_until_minox_changes(world: World) -> None:
    give(world, "customer", customer(10001))
    good(world.run_master_data())
    row = qms_row(world, "CustomerCompany", "10001")
    change_in_qms(world, "CustomerCompany", row, Name="Door QMS", ContactPersonName="Iemand", Remarks="blijft")
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 1}}
    assert qms_row(world, "CustomerCompany", "10001")["Name"] == "Door QMS"
    change(world, "customer", 10001, chamber_of_commerce="99999999")
    assert good(world.run_master_data()).counts == {"customers": {"updated": 1}}
    expected = row | {"Identification": "99999999", "Remarks": "blijft"}
    assert qms_row(world, "CustomerCompany", "10001") == expected
    changes = world.scalar("SELECT changes FROM field_change WHERE operation = 'updated'")
    assert changes == {
        "Identification": ["30123456", "99999999"],
        "Name": ["Door QMS", "Jansen B.V."],
        "ContactPersonName": ["Iemand", "S. Jansen"],
    }


def test_a_change_in_qms_stays_though_another_record_changes(world: World) -> None:
    give(world, "customer", customer(10001), customer(10002))
    good(world.run_master_data())
    change_in_qms(world, "CustomerCompany", qms_row(world, "CustomerCompany", "10001"), Name="Door QMS")
    change(world, "customer", 10002, chamber_of_commerce="77")
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 1, "updated": 1}}
    assert qms_row(world, "CustomerCompany", "10001")["Name"] == "Door QMS"


def test_minox_changing_to_what_qms_has_already_writes_nothing(world: World) -> None:
    give(world, "customer", customer(10001))
    good(world.run_master_data())
    row = qms_row(world, "CustomerCompany", "10001")
    change_in_qms(world, "CustomerCompany", row, Identification="77")
    change(world, "customer", 10001, chamber_of_commerce="77")
    forget(world)
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 1}}
    assert world.qms.writes() == []
    forget(world)
    good(world.run_master_data())
    assert world.qms.requests() == []


def test_numbers_of_qms_are_equal_however_they_are_written(world: World) -> None:
    only(world, "vat_codes", "payment_terms", "items")
    give(world, "vat", vat(1, percentage="21"), vat(2, "Laag", 9.0))
    give(world, "item", item("ADV", vat_code=1))
    put_in_qms(world, "VatCode", {"VatCodeId": 11, **VAT_ROW, "Percentage": 21.0})
    put_in_qms(world, "VatCode", {"VatCodeId": "12", **VAT_ROW, "Code": "2", "Name": "Laag", "Percentage": "9.0000"})
    row = {"ItemCompanyId": "41", "ItemCode": "ADV", "Name": "Advies", "ItemType": "Hours", "IsActive": True}
    put_in_qms(world, "ItemCompany", {**row, "AllowTimeEntry": True, "WillBeInvoiced": True, "VatCodeId": 11})
    ran = good(world.run_master_data())
    assert ran.counts == {"vat_codes": {"unchanged": 2}, "items": {"unchanged": 1}}
    assert world.qms.writes() == []


def test_what_qms_lost_is_made_anew_once_when_minox_changes(world: World) -> None:
    give(world, "customer", customer(10001))
    good(world.run_master_data())
    gone = qms_row(world, "CustomerCompany", "10001")["CustomerCompanyId"]
    world.qms.edit({"entity": "CustomerCompany", "delete": [gone]})
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 1}}
    assert qms_rows(world, "CustomerCompany") == []
    change(world, "customer", 10001, chamber_of_commerce="1")
    assert good(world.run_master_data()).counts == {"customers": {"created": 1}}
    change(world, "customer", 10001, chamber_of_commerce="2")
    assert good(world.run_master_data()).counts == {"customers": {"updated": 1}}
    (row,) = qms_rows(world, "CustomerCompany")
    assert (row["Identification"], row["CustomerType"]) == ("2", "Customer")


def test_a_setting_that_changes_what_is_wanted_is_carried_out(world: World) -> None:
    give(world, "customer", customer(10001))
    good(world.run_master_data())
    only(world, customer_extra_fields=["city"])
    assert good(world.run_master_data()).counts == {"customers": {"updated": 1}}
    assert qms_row(world, "CustomerCompany", "10001")["VisitAddressCity"] == "Utrecht"


def test_a_field_that_is_coupled_no_more_changes_nothing(world: World) -> None:
    only(world, customer_extra_fields=["city"])
    give(world, "customer", customer(10001), customer(10002))
    good(world.run_master_data())
    change_in_qms(world, "CustomerCompany", qms_row(world, "CustomerCompany", "10001"), Name="Door QMS")
    change(world, "customer", 10002, chamber_of_commerce="77")
    only(world, customer_extra_fields=[])
    forget(world)
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 1, "updated": 1}}
    assert qms_row(world, "CustomerCompany", "10001")["Name"] == "Door QMS"
    forget(world)
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 2}}
    assert world.qms.requests() == []


def test_fewer_coupled_fields_keep_nobody_from_asking(world: World) -> None:
    only(world, customer_extra_fields=["city"])
    give(world, "customer", customer(10001))
    good(world.run_master_data())
    change_in_qms(world, "CustomerCompany", qms_row(world, "CustomerCompany", "10001"), Name="Door QMS")
    only(world, customer_extra_fields=[])
    world.execute("UPDATE binding SET reoffer = true")
    assert good(world.run_master_data()).counts == {"customers": {"updated": 1}}
    assert qms_row(world, "CustomerCompany", "10001")["Name"] == "Jansen B.V."


# -- match -------------------------------------------------------------------------------------------------------------


def test_codes_and_texts_that_qms_writes_as_numbers_are_the_same(world: World) -> None:
    only(world, "cost_centers")
    give(world, "cost_center", cost_center(110), cost_center(120))
    give(world, "customer", customer(10001, chamber_of_commerce="30123456"))
    good(world.run_master_data())
    world.execute("TRUNCATE binding, reference, link_fact CASCADE")
    for find in ('"(110|120|30123456)"', '"(10001)"'):
        world.qms.spoil(method="GET", path="", action="apply-then-replace", times=None, find=find, replace=r"\1")
    assert good(world.run_master_data()).counts == {"cost_centers": {"unchanged": 2}, "customers": {"unchanged": 1}}
    assert len(qms_rows(world, "CostCenter")) == 2


def test_an_item_that_qms_has_already_keeps_its_warning(world: World) -> None:
    only(world, "vat_codes", "items")
    give(world, "vat", vat(1))
    give(world, "item_group", item_group(10))
    give(world, "item", item("ADV", vat_code=1), item("UUR", vat_code=1, group=10))
    good(world.run_master_data())
    said = world.outcomes(entity="items")["items", "ADV"][2]
    assert said
    world.execute("TRUNCATE binding, reference, link_fact, record_current, sync_run CASCADE")
    ran = good(world.run_master_data())
    assert ran.counts["items"] == {"unchanged": 2}
    assert world.scalar("SELECT message FROM sync_outcomes WHERE entity = 'items' AND source_key = 'ADV'") == said
    for _ in range(2):
        change(world, "item", "UUR", description="Anders")
        good(world.run_master_data())
    assert len(world.rows("SELECT 1 FROM sync_outcome WHERE outcome = 'unchanged' AND entity = 'items'")) == 1
    with world.database.connect() as connection:
        history = past_outcomes(connection, "test", Filter())
    assert "unchanged" not in {row.outcome for row in history.rows}
    assert good(world.run_master_data()).counts["items"] == {"unchanged": 2}
    assert world.outcomes(entity="items")["items", "ADV"] == ("unchanged", None, said)


def test_half_an_emoji_costs_a_list_nothing(world: World) -> None:
    give(world, "customer", customer(10001), customer(10002))
    rows = [customer(10001, name="Half \ud83d"), customer(10002)]
    body = json.dumps({"links": {"next": None}, "collection": rows})
    world.minox.spoil(method="GET", path="/customer", action="body", body=body)
    assert good(world.run_master_data()).counts == {"customers": {"created": 2}}
    assert qms_row(world, "CustomerCompany", "10001")["Name"] == "Half \ufffd"


def test_a_first_run_on_many_records_reads_qms_once_and_writes_what_differs(world: World) -> None:
    give(world, "customer", *(customer(10000 + number) for number in range(1, 251)))
    good(world.run_master_data())
    rows = qms_rows(world, "CustomerCompany")
    world.execute("TRUNCATE sync_run, binding, reference, record_current, latest_unchanged, key_set CASCADE")
    change_in_qms(world, "CustomerCompany", rows[0], Name="Anders", Remarks="blijft")
    world.qms.edit({"entity": "CustomerCompany", "delete": [rows[1]["CustomerCompanyId"]]})
    double = rows[2] | {"CustomerCompanyId": "90001", "Name": "Dubbel"}
    other = rows[3] | {"CustomerCompanyId": "90002", "CompanyId": master.OTHER, "Name": "Van een ander"}
    put_in_qms(world, "CustomerCompany", double, other)
    forget(world)
    ran = good(world.run_master_data())
    assert ran.counts == {"customers": {"unchanged": 248, "updated": 1, "created": 1}}
    assert sorted(one["method"] for one in world.qms.writes()) == ["POST", "PUT"]
    assert len(world.qms.requests("GET")) <= 5
    assert qms_row(world, "CustomerCompany", rows[0]["CustomerCode"])["Remarks"] == "blijft"
    assert double in qms_rows(world, "CustomerCompany")
    assert other in qms_rows(world, "CustomerCompany", master.OTHER)


def test_a_row_that_slipped_through_the_list_is_found_and_not_made_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = range(1000, 1250)
    rows = [
        {"CustomerCompanyId": str(number), "CustomerCode": str(number), "Name": "x", "IsActive": True}
        for number in numbers
    ]
    put_in_qms(world, "CustomerCompany", *rows, {"CustomerCompanyId": "99999", "CustomerCode": "weg", "Name": "x"})
    give(world, "customer", *(customer(number) for number in numbers))
    attempt = HttpClient.attempt
    pages: list[str] = []

    def drifting(self: HttpClient, request: Request, token: str | None) -> Any:
        answer = attempt(self, request, token)
        if request.method == "GET" and request.entity == "CustomerCompany" and not pages:
            pages.append(request.path)
            world.qms.edit({"entity": "CustomerCompany", "delete": ["99999"]})  # of the first page, which has been read
        return answer

    monkeypatch.setattr(HttpClient, "attempt", drifting)
    assert good(world.run_master_data()).counts == {"customers": {"updated": 250}}
    assert len(qms_rows(world, "CustomerCompany")) == 250


def test_a_row_that_users_gave_another_code_is_left_to_them_once_another_row_has_the_code(world: World) -> None:
    give(world, "customer", customer(1, chamber_of_commerce="A"))
    good(world.run_master_data())
    row = qms_row(world, "CustomerCompany", "1")
    change_in_qms(world, "CustomerCompany", row, CustomerCode="1-OUD")
    new = {"CustomerCompanyId": "99", "CustomerCode": "1", "Name": "Nieuw", "IsActive": True}
    put_in_qms(world, "CustomerCompany", new)
    change(world, "customer", 1, chamber_of_commerce="B")
    assert good(world.run_master_data()).counts == {"customers": {"updated": 1}}
    found = {one["CustomerCode"]: one["Identification"] for one in qms_rows(world, "CustomerCompany")}
    assert found == {"1-OUD": "A", "1": "B"}
    change(world, "customer", 1, chamber_of_commerce="C")
    good(world.run_master_data())
    assert qms_row(world, "CustomerCompany", "1")["Identification"] == "C"


def test_a_code_that_users_changed_is_changed_back_when_no_row_has_it(world: World) -> None:
    give(world, "customer", customer(1))
    good(world.run_master_data())
    change_in_qms(world, "CustomerCompany", qms_row(world, "CustomerCompany", "1"), CustomerCode="1-OUD")
    change(world, "customer", 1, chamber_of_commerce="B")
    good(world.run_master_data())
    assert [row["CustomerCode"] for row in qms_rows(world, "CustomerCompany")] == ["1"]


@pytest.mark.parametrize("both_at_once", [False, True])
def test_a_row_is_one_record_though_users_gave_it_the_code_of_another(world: World, *, both_at_once: bool) -> None:
    only(world, "vat_codes", "items")
    give(world, "vat", vat(1, "Hoog", 21))
    give(world, "item", item("X", vat_code=1))
    good(world.run_master_data())
    row = qms_row(world, "VatCode", "1")
    change_in_qms(world, "VatCode", row, Code="9")
    give(world, "vat", vat(9, "Nieuw", 0))
    if both_at_once:
        change(world, "vat", 1, description="Hoog tarief")
    good(world.run_master_data())
    if not both_at_once:
        give(world, "item", item("Y", vat_code=1))
        ran = good(world.run_master_data())
        assert outcome(world, ran, "items", "Y")[:2] == ("rejected", "unresolved_reference")
        change(world, "vat", 1, description="Hoog tarief")
    give(world, "item", item("Y", vat_code=1), item("Z", vat_code=9))
    good(world.run_master_data())
    codes = {one["Code"]: (one["VatCodeId"], one["Name"]) for one in qms_rows(world, "VatCode")}
    assert len(qms_rows(world, "VatCode")) == 2
    assert codes["9"] == (row["VatCodeId"], "Nieuw")
    assert codes["1"][1] == "Hoog tarief"
    assert {code: qms_row(world, "ItemCompany", code)["VatCodeId"] for code in "YZ"} == {
        "Y": codes["1"][0],
        "Z": codes["9"][0],
    }


@pytest.mark.parametrize("long_code", ["é" * 600, "A/" * 300], ids=["letters", "slashes"])
def test_a_code_longer_than_a_query_is_found_in_the_list(world: World, long_code: str) -> None:
    only(world, "items")
    row = {
        "ItemCompanyId": "41",
        "ItemCode": long_code,
        "Name": "Oud",
        "ItemType": "Hours",
        "LongDescription": "blijft",
    }
    put_in_qms(world, "ItemCompany", row)
    give(world, "item", item(long_code), item("KORT"))
    ran = good(world.run_master_data())
    assert ran.counts == {"items": {"updated": 1, "created": 1}}
    assert qms_row(world, "ItemCompany", long_code)["LongDescription"] == "blijft"


@pytest.mark.parametrize("entity", ["customer", "item"])
def test_an_id_longer_than_can_be_kept_costs_one_record(world: World, entity: str) -> None:
    only(world, "items")
    endless = "".join(hashlib.sha256(bytes([place])).hexdigest() for place in range(50))  # nothing that can be packed
    make, entities = (customer, "customers") if entity == "customer" else (item, "items")
    give(world, entity, make(1), make(endless), make(2))
    ran = good(world.run_master_data())
    assert ran.counts[entities] == {"created": 2, "rejected": 1}
    assert outcome(world, ran, entities, "#2")[:2] == ("rejected", "wrong_type")


def test_a_nul_that_users_keep_in_qms_costs_nothing_and_stays(world: World) -> None:
    give(world, "customer", customer(1), customer(2))
    good(world.run_master_data())
    change_in_qms(
        world, "CustomerCompany", qms_row(world, "CustomerCompany", "1"), Remarks="a\0b", Identification="c\0d"
    )
    for number in (1, 2):
        change(world, "customer", number, chamber_of_commerce="77")
    assert good(world.run_master_data()).counts == {"customers": {"updated": 2}}
    row = qms_row(world, "CustomerCompany", "1")
    assert (row["Remarks"], row["Identification"]) == ("a\0b", "77")


@pytest.mark.parametrize("code", ["x" * 601, "a\0b"], ids=["long", "nul"])
def test_a_code_of_users_that_cannot_be_kept_costs_a_first_run_nothing(world: World, code: str) -> None:
    give(world, "customer", *(customer(number) for number in range(1000, 1250)))
    put_in_qms(world, "CustomerCompany", {"CustomerCompanyId": "9", "CustomerCode": code, "Name": "x"})
    assert good(world.run_master_data()).counts == {"customers": {"created": 250}}


def test_codes_with_quotes_and_percents_are_matched(world: World) -> None:
    only(world, "items")
    codes = ["d'Arc", "50%", "a&b=c", "x + y", "0042", "42", "😀", "O''B"]
    give(world, "item", *(item(code) for code in codes))
    good(world.run_master_data())
    world.execute("TRUNCATE sync_run, binding, reference, record_current, latest_unchanged, key_set CASCADE")
    forget(world)
    assert good(world.run_master_data()).counts == {"items": {"unchanged": len(codes)}}
    assert world.qms.writes() == []


# -- create defaults ---------------------------------------------------------------------------------------------------


def test_create_defaults_fill_what_qms_requires_on_creation_only(world: World) -> None:
    _everything(world)
    own = {
        "CustomerCompany": {"SendInvoiceMethod": "Email", "CustomerType": "Prospect"},
        "CostCenter": {"Remarks": "nieuw"},
        "VatCode": {"IcpReturn": "Services"},
    }
    only(world, *ALL, create_defaults=own)
    good(world.run_master_data())
    row = qms_row(world, "CustomerCompany", "10001")
    assert (row["SendInvoiceMethod"], row["CustomerType"], row["CompanyId"]) == ("Email", "Prospect", "3")
    assert qms_row(world, "CostCenter", "110")["Remarks"] == "nieuw"
    assert qms_row(world, "VatCode", "1")["IsDefault"] is False
    assert qms_row(world, "VatCode", "1")["IcpReturn"] == "Services"
    assert qms_row(world, "ItemCompany", "ADV")["AllowPriceModifications"] is False
    change_in_qms(world, "CustomerCompany", row, SendInvoiceMethod="Post", CustomerType="Customer")
    change(world, "customer", 10001, chamber_of_commerce="5")
    good(world.run_master_data())
    row = qms_row(world, "CustomerCompany", "10001")
    assert (row["SendInvoiceMethod"], row["CustomerType"]) == ("Post", "Customer")


# -- references that go ------------------------------------------------------------------------------------------------


def test_a_reference_that_qms_lost_rejects_what_needs_it_until_it_is_back(world: World) -> None:
    only(world, "vat_codes", "items")
    give(world, "vat", vat(1))
    good(world.run_master_data())
    row = qms_row(world, "VatCode", "1")
    world.qms.edit({"entity": "VatCode", "delete": [row["VatCodeId"]]})
    give(world, "item", item("ADV", vat_code=1), item("LOS"))
    ran = good(world.run_master_data())
    assert outcome(world, ran, "items", "ADV")[:2] == ("rejected", "unresolved_reference")
    assert outcome(world, ran, "items", "LOS")[0] == "created"
    assert outcome(world, ran, "vat_codes", "1")[0] == "unchanged"
    ran = good(world.run_master_data())
    assert outcome(world, ran, "items", "ADV")[:2] == ("rejected", "unresolved_reference")
    assert qms_rows(world, "VatCode") == []
    put_in_qms(world, "VatCode", row | {"VatCodeId": "99"})
    assert good(world.run_master_data()).counts["items"] == {"created": 1, "unchanged": 1}
    assert qms_row(world, "ItemCompany", "ADV")["VatCodeId"] == "99"


def test_a_looked_up_reference_that_got_another_key_is_looked_up_anew(world: World) -> None:
    only(world, "items")
    put_in_qms(world, "VatCode", {"VatCodeId": "11", **VAT_ROW})
    give(world, "item", item("A", vat_code=1))
    good(world.run_master_data())
    world.qms.edit({"entity": "VatCode", "delete": ["11"]})
    put_in_qms(world, "VatCode", {"VatCodeId": "12", **VAT_ROW})
    give(world, "item", item("B", vat_code=1))
    good(world.run_master_data())
    good(world.run_master_data())
    assert [qms_row(world, "ItemCompany", code)["VatCodeId"] for code in "AB"] == ["12", "12"]


def test_a_reference_is_the_one_that_has_the_code_now(world: World) -> None:
    def row(key: int, code: str) -> dict[str, Any]:
        return {
            "PaymentConditionId": str(key),
            "Code": code,
            "Name": code,
            "PaymentTerm": 30,
            "PaymentConditionType": "Credit",
        }

    put_in_qms(world, "PaymentCondition", row(31, "30"))
    give(world, "customer", customer(1, term=30), customer(2, term=30))
    good(world.run_master_data())
    change_in_qms(world, "PaymentCondition", row(31, "30"), Code="30-OUD")
    put_in_qms(world, "PaymentCondition", row(99, "30"))
    forget(world)
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 2}}
    assert world.qms.requests() == []
    give(world, "customer", customer(3, term=30))
    good(world.run_master_data())
    assert len(world.qms.requests("GET", "PaymentCondition")) == 1
    assert qms_row(world, "CustomerCompany", "3")["PaymentConditionId"] == "99"
    change_in_qms(world, "PaymentCondition", row(99, "30"), Code="weg")
    give(world, "customer", customer(4, term=30))
    ran = good(world.run_master_data())
    assert outcome(world, ran, "customers", 4)[:2] == ("rejected", "unresolved_reference")
    put_in_qms(world, "PaymentCondition", row(100, "30"))
    good(world.run_master_data())
    keys = {qms_row(world, "CustomerCompany", str(number))["PaymentConditionId"] for number in range(1, 5)}
    assert keys == {"100"}


def test_a_reference_that_could_not_be_looked_up_fails_its_records_and_no_other(world: World) -> None:
    only(world, "items")
    put_in_qms(world, "VatCode", {"VatCodeId": "11", **VAT_ROW})
    give(world, "item", item("A", vat_code=1), item("B"))
    world.qms.spoil(path="/VatCode", times=None, action="status", status=500)
    ran = world.run_master_data()
    assert not ran.is_good
    assert outcome(world, ran, "items", "A")[:2] == ("failed", "technical")
    assert outcome(world, ran, "items", "B")[0] == "created"
    assert world.scalar("SELECT count(*) FROM quarantine") == 0
    conserved(world, ran)
    world.qms.heal()
    assert good(world.run_master_data()).counts["items"] == {"created": 1, "unchanged": 1}


# -- refusals ----------------------------------------------------------------------------------------------------------


def _refusing(world: World, **more: Any) -> None:
    """Make QMS refuse to create customers, as it refuses a reference that does not exist."""
    only(world, create_defaults={"CustomerCompany": {"CategoryId": "99"}}, **more)


def test_a_refused_record_has_qmss_message_and_is_not_offered_again_unchanged(world: World) -> None:
    _refusing(world)
    give(world, "customer", customer(10001))
    ran = good(world.run_master_data())
    result, reason, message = outcome(world, ran, "customers", 10001)
    assert (result, reason) == ("rejected", "refused_by_qms")
    assert "CategoryId: 99 bestaat niet" in message
    conserved(world, ran)
    only(world)
    forget(world)
    ran = good(world.run_master_data())
    assert outcome(world, ran, "customers", 10001) == (result, reason, message)
    assert world.qms.requests() == []
    (row,) = world.rows("SELECT times, first_run < last_run AS again, solved_at FROM quarantine")
    assert (row.times, row.again, row.solved_at) == (2, True, None)


def test_a_refused_record_is_offered_again_when_it_changes(world: World) -> None:
    _refusing(world)
    give(world, "customer", customer(10001))
    good(world.run_master_data())
    only(world)
    change(world, "customer", 10001, chamber_of_commerce="1")
    assert good(world.run_master_data()).counts == {"customers": {"created": 1}}
    assert world.scalar("SELECT count(*) FROM quarantine WHERE solved_at IS NULL") == 0


def test_a_refused_record_is_offered_again_when_someone_asks_for_it(world: World) -> None:
    _refusing(world)
    give(world, "customer", customer(10001))
    good(world.run_master_data())
    world.execute("UPDATE binding SET reoffer = true")
    forget(world)
    ran = good(world.run_master_data())
    assert outcome(world, ran, "customers", 10001)[:2] == ("rejected", "refused_by_qms")
    assert len(world.qms.writes()) == 1
    forget(world)
    good(world.run_master_data())
    assert world.qms.requests() == []
    only(world)
    world.execute("UPDATE binding SET reoffer = true")
    assert good(world.run_master_data()).counts == {"customers": {"created": 1}}


def test_a_refused_record_is_offered_again_after_a_time(world: World) -> None:
    _refusing(world)
    give(world, "customer", customer(10001))
    good(world.run_master_data())
    only(world, retry_refused_after="30 min")
    world.execute("UPDATE binding SET refused_at = refused_at - interval '29 minutes'")
    assert good(world.run_master_data()).counts == {"customers": {"rejected": 1}}
    world.execute("UPDATE binding SET refused_at = refused_at - interval '2 minutes'")
    assert good(world.run_master_data()).counts == {"customers": {"created": 1}}


def test_a_refused_update_leaves_the_row_and_minox_may_take_it_back(world: World) -> None:
    give(world, "customer", customer(10001), customer(10002))
    good(world.run_master_data())
    body = {"odata.error": {"code": "", "message": {"lang": "nl", "value": "Naam is te lang"}}}
    world.qms.spoil(method="PUT", path="CustomerCompany", times=1, action="status", status=400, body=body)
    change(world, "customer", 10001, chamber_of_commerce="1")
    ran = good(world.run_master_data())
    assert outcome(world, ran, "customers", 10001) == ("rejected", "refused_by_qms", "Naam is te lang")
    assert outcome(world, ran, "customers", 10002)[0] == "unchanged"
    change(world, "customer", 10001, chamber_of_commerce="30123456")
    forget(world)
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 2}}
    assert [one for one in world.qms.writes() if "CustomerCompany" in one["path"]] == []
    assert world.scalar("SELECT count(*) FROM quarantine WHERE solved_at IS NULL") == 0


def test_one_refused_record_stops_no_other(world: World) -> None:
    give(world, "customer", *(customer(number) for number in range(1, 31)))
    world.qms.spoil(method="POST", path="CustomerCompany", nth=3, times=2, action="status", status=400, body="")
    ran = good(world.run_master_data())
    assert ran.counts == {"customers": {"created": 28, "rejected": 2}}
    conserved(world, ran)


# -- two links ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{"qms": {"company_id": 4}}, {"minox": {"administration_id": 2}}])
def test_a_link_that_couples_others_than_before_says_so_and_writes_nothing(
    world: World, changed: dict[str, Any]
) -> None:
    give(world, "customer", customer(1, name=" "), customer(2))
    put_in_qms(world, "CustomerCompany", {"CustomerCompanyId": "77", "CustomerCode": "1", "Name": "x"})
    world.qms.spoil(method="POST", path="EntityState", action="status", status=500, times=None)
    good(world.run_master_data())
    world.qms.heal()
    forget(world)
    world.configure(**changed, master_data={"entities": master.ALL_OFF})
    for ran in (world.run_master_data(), world.run_invoices(), world.run_reconciliation()):
        error = next(iter(ran.tasks.values()))
        assert "has coupled company 3 and administration 1 of tenant 123456 until now" in str(error)
    assert world.qms.writes() == []
    assert world.scalar("SELECT count(*) FROM quarantine") == 1
    only(world)
    good(world.run_master_data())
    assert len(world.qms.requests("POST", "EntityState")) == 1


def test_a_link_that_came_to_nothing_yet_may_couple_others(world: World) -> None:
    give(world, "customer", customer(1))
    world.configure(minox={"administration_id": 99}, master_data={"entities": master.ALL_OFF})
    assert not world.run_master_data().is_good
    only(world)
    assert good(world.run_master_data()).counts == {"customers": {"created": 1}}


def test_two_links_keep_their_own_bookkeeping(world: World) -> None:
    give(world, "customer", customer(10001))
    good(world.run_master_data())
    world.configure("second", qms={"company_id": 4}, master_data={"entities": master.ALL_OFF})
    good(world.run_master_data("second"))
    assert len(qms_rows(world, "CustomerCompany")) == 1
    assert len(qms_rows(world, "CustomerCompany", "4")) == 1
    (world.directory / "second.yaml").unlink()


def test_one_that_comes_back_after_being_taken_away_is_updated(world: World) -> None:
    give(world, "customer", customer(10001), customer(10002))
    good(world.run_master_data())
    take_away(world, "customer", 10002)
    good(world.run_master_data())
    current = world.outcomes(entity="customers")
    assert current[("customers", "10002")][0] == "created"
    give(world, "customer", customer(10002, chamber_of_commerce="8"))
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 1, "updated": 1}}
    assert len(qms_rows(world, "CustomerCompany")) == 2
