"""Writes of the stand-in for QMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.common.contract import contract
from tests.sandbox.support import ODATA, Sandbox, small_demo

if TYPE_CHECKING:
    from sandbox.common.config import Row

VAT = {"CompanyId": "3", "Code": "9", "Name": "Laag", "Percentage": "9", "IsDefault": False}
COST_CENTER = {"CompanyId": "3", "Code": "500", "Name": "Nieuw"}
CONDITION = {"CompanyId": "3", "Code": "14", "Name": "14 dagen", "PaymentTerm": 14, "PaymentConditionType": "Credit"}
ITEM = {
    "CompanyId": "3",
    "ItemCode": "0042",
    "Name": "Reiskosten",
    "ItemType": "Expenses",
    "IsActive": True,
    "AllowPriceModifications": False,
    "AllowTimeEntry": True,
    "WillBeInvoiced": True,
    "VatCodeId": "11",
}
CUSTOMER = {"CompanyId": 3, "CustomerCode": "10040", "Name": "Ü", "CustomerType": "Customer", "IsActive": True}
STATE = {
    "CompanyId": "3",
    "EntityId": "9001",
    "EntityType": "InvoiceHeader",
    "DataSource": "Minox",
    "DataSourceDate": "2026-02-02T08:30:04Z",
    "IsError": False,
}
BODIES: dict[str, Row] = {
    "VatCode": VAT,
    "CostCenter": COST_CENTER,
    "PaymentCondition": CONDITION,
    "ItemCompany": ITEM,
    "CustomerCompany": CUSTOMER,
    "EntityState": STATE,
}


@pytest.fixture
def qms() -> Sandbox:
    return Sandbox("qms", dataset=small_demo())


def findings(qms: Sandbox, method: str, path: str, body: Any) -> set[str]:
    before = qms.control("GET", "state")
    answer = qms.call(method, f"{ODATA}/{path}", body)
    assert answer.status_code == 400, answer.text
    assert qms.control("GET", "state") == before
    error = answer.json()["odata.error"]
    assert error["code"] in {"ValidationFailed", "BadRequest"}
    return set(error["message"]["value"].split("\n"))


def changes(qms: Sandbox) -> list[Row]:
    return qms.rows("EntityChange", "?$filter=UserName eq 'j.vandijk'")


@pytest.mark.parametrize("name", BODIES)
def test_an_insert_gives_the_row_its_key_and_an_entry_in_the_log(qms: Sandbox, name: str) -> None:
    answer = qms.call("POST", f"{ODATA}/{name}", BODIES[name])
    assert answer.status_code == 201, answer.text
    row = answer.json()
    key = next(iter(row))
    assert answer.headers["location"] == f"http://testserver{ODATA}/{name}({row[key]}L)"
    assert {field: str(row[field]) for field in BODIES[name] if field != "Percentage"} == {
        field: str(value) for field, value in BODIES[name].items() if field != "Percentage"
    }
    (change,) = changes(qms)
    assert (change["EntityType"], change["EntityId"], change["EntityOperation"]) == (name, row[key], "Insert")
    assert change["Date"] == "2027-01-15T08:00:00.000Z"
    assert row in qms.rows(name)


def test_the_same_code_may_come_twice(qms: Sandbox) -> None:
    keys = {qms.call("POST", f"{ODATA}/VatCode", VAT).json()["VatCodeId"] for _ in range(2)}
    assert len(keys) == 2


def test_types_are_taken_as_numbers_and_given_as_text(qms: Sandbox) -> None:
    row = qms.call(
        "POST", f"{ODATA}/VatCode", b'{"CompanyId":3,"Code":"9","Name":"x","Percentage":9.5,"IsDefault":true}'
    )
    assert row.json()["CompanyId"] == "3"
    assert row.json()["Percentage"] == "9.50"


def test_what_is_left_out_is_null_false_or_zero_after_a_put(qms: Sandbox) -> None:
    before = qms.get(f"{ODATA}/CustomerCompany(52)")
    assert before["PriceIndex"] == "1.05"
    answer = qms.call("PUT", f"{ODATA}/CustomerCompany(52)", {"CompanyId": "3", "CustomerCode": "10022", "Name": "N"})
    assert (answer.status_code, answer.content) == (204, b"")
    after = qms.get(f"{ODATA}/CustomerCompany(52)")
    kept = {"CustomerCompanyId": "52", "CompanyId": "3", "CustomerId": "51", "CustomerCode": "10022", "Name": "N"}
    assert {name: value for name, value in after.items() if value is not None} == kept | {"IsActive": False}
    vat = {"Code": "1", "Name": "Hoog"}
    qms.call("PUT", f"{ODATA}/VatCode(11)", vat)
    row = qms.get(f"{ODATA}/VatCode(11)")
    assert (row["CompanyId"], row["Percentage"], row["IsDefault"]) == (None, "0.00", False)


def test_a_put_may_answer_with_the_row() -> None:
    qms = Sandbox("qms", dataset=small_demo(), put_answers_row=True)
    row = qms.get(f"{ODATA}/CustomerCompany(52)")
    body = row | {"Name": "Nieuw"}
    answer = qms.call("PUT", f"{ODATA}/CustomerCompany(52L)", body)
    assert answer.status_code == 200
    assert answer.json() == body
    (change,) = changes(qms)
    assert (change["EntityOperation"], change["EntityId"]) == ("Update", "52")


def test_keys_and_read_only_fields_are_ignored(qms: Sandbox) -> None:
    row = qms.call("POST", f"{ODATA}/ItemCompany", ITEM | {"ItemCompanyId": "41", "ItemId": "999999"}).json()
    assert row["ItemCompanyId"] != "41"
    assert row["ItemId"] != "999999"
    assert findings(qms, "PUT", "ItemCompany(41)", ITEM | {"ItemCompanyId": "42"}) == {
        "ItemCompanyId: is niet de sleutel van het adres"
    }
    assert qms.call("PUT", f"{ODATA}/ItemCompany(41)", ITEM | {"ItemCompanyId": 41, "ItemId": "5"}).status_code == 204
    assert qms.get(f"{ODATA}/ItemCompany(41)")["ItemId"] == "40"


def test_a_row_that_is_not_there_cannot_be_replaced(qms: Sandbox) -> None:
    assert qms.call("PUT", f"{ODATA}/VatCode(999)", VAT).status_code == 404


@pytest.mark.parametrize(
    ("path", "change", "finding"),
    [
        ("VatCode", {"Invented": 1}, "Invented: onbekend veld"),
        ("VatCode", {"IsDefault": "ja"}, "IsDefault: is van het verkeerde type"),
        ("VatCode", {"Percentage": "x"}, "Percentage: is van het verkeerde type"),
        ("VatCode", {"Percentage": None}, "Percentage: is van het verkeerde type"),
        ("VatCode", {"Code": ""}, "Code: mag niet leeg zijn"),
        ("VatCode", {"Code": 9}, "Code: is van het verkeerde type"),
        ("VatCode", {"CompanyId": "5"}, "CompanyId: dit bedrijf bestaat niet"),
        ("VatCode", {"CompanyId": str(2**63)}, "CompanyId: is geen geheel getal binnen het bereik"),
        (
            "PaymentCondition",
            {"PaymentConditionType": "Cash"},
            "PaymentConditionType: is geen geldige waarde (DirectDebit, Credit)",
        ),
        ("PaymentCondition", {"PaymentTerm": 2**31}, "PaymentTerm: is geen geheel getal binnen het bereik"),
        ("PaymentCondition", {"PaymentTerm": "30"}, "PaymentTerm: is van het verkeerde type"),
        ("ItemCompany", {"VatCodeId": "999"}, "VatCodeId: 999 bestaat niet in dit bedrijf"),
        ("ItemCompany", {"VatCodeId": "111"}, "VatCodeId: 111 bestaat niet in dit bedrijf"),
        ("ItemCompany", {"SurchargeItemCompanyId": "141"}, "SurchargeItemCompanyId: 141 bestaat niet in dit bedrijf"),
        ("ItemCompany", {"ItemGroupId": "9"}, "ItemGroupId: 9 bestaat niet"),
        ("CustomerCompany", {"PaymentConditionId": "131"}, "PaymentConditionId: 131 bestaat niet in dit bedrijf"),
        ("CustomerCompany", {"CostCenterId": "121"}, "CostCenterId: 121 bestaat niet in dit bedrijf"),
        (
            "CustomerCompany",
            {"CustomerType": "Vriend"},
            "CustomerType: is geen geldige waarde (Customer, Supplier, Prospect)",
        ),
        ("EntityState", {"EntityId": "1"}, "EntityId: 1 bestaat niet"),
        ("EntityState", {"EntityId": "9801"}, "EntityId: 9801 bestaat niet"),
        ("EntityState", {"DataSourceDate": "2026-02-02T08:30:04"}, "DataSourceDate: is van het verkeerde type"),
        ("EntityState", {"DataSourceDate": "2026-02-30T08:30:04Z"}, "DataSourceDate: is geen bestaande datum"),
    ],
)
def test_what_is_refused_on_insert(qms: Sandbox, path: str, change: Row, finding: str) -> None:
    assert finding in findings(qms, "POST", path, BODIES[path] | change)


@pytest.mark.parametrize("name", BODIES)
def test_required_fields_are_named_all_at_once(qms: Sandbox, name: str) -> None:
    required = contract("qms").schema(f"{name}Create")["required"]
    assert findings(qms, "POST", name, {}) == {f"{field}: is verplicht" for field in required}


def test_all_findings_come_in_one_answer(qms: Sandbox) -> None:
    body = {"CompanyId": "3", "CustomerCode": "", "X": 1, "PaymentConditionId": "5", "IsActive": 1}
    assert findings(qms, "POST", "CustomerCompany", body) == {
        "X: onbekend veld",
        "CustomerCode: mag niet leeg zijn",
        "Name: is verplicht",
        "CustomerType: is verplicht",
        "IsActive: is van het verkeerde type",
        "PaymentConditionId: 5 bestaat niet in dit bedrijf",
    }


def test_a_put_is_checked_as_well(qms: Sandbox) -> None:
    found = findings(qms, "PUT", "ItemCompany(41)", {"CompanyId": "3", "VatCodeId": "111", "ItemCode": "x"})
    assert found == {
        "Name: is verplicht",
        "ItemType: is verplicht",
        "VatCodeId: 111 bestaat niet in dit bedrijf",
    }


def test_references_of_a_row_without_company_do_not_exist(qms: Sandbox) -> None:
    body = {"ItemCode": "x", "Name": "x", "ItemType": "Hours", "VatCodeId": "11"}
    assert findings(qms, "PUT", "ItemCompany(41)", body) == {"VatCodeId: 11 bestaat niet in dit bedrijf"}


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b'"x"', b"NaN", b"[" * 100_000, b'{"Name": "\\ud800"}', b'{"Name": "\xff"}']
)
def test_a_body_that_is_no_object_is_a_400(qms: Sandbox, body: bytes) -> None:
    assert findings(qms, "POST", "VatCode", body)


def test_another_media_type_is_a_415(qms: Sandbox) -> None:
    answer = qms.client.post(f"{ODATA}/VatCode", content="{}", headers={"Content-Type": "application/xml"})
    assert answer.status_code == 415


def test_new_rows_are_found_by_their_references(qms: Sandbox) -> None:
    vat = qms.call("POST", f"{ODATA}/VatCode", VAT).json()
    item = qms.call("POST", f"{ODATA}/ItemCompany", ITEM | {"VatCodeId": vat["VatCodeId"]})
    assert item.status_code == 201
    key = item.json()["ItemCompanyId"]
    assert qms.get(f"{ODATA}/ItemCompany({key})")["VatCodeId"] == vat["VatCodeId"]
    assert qms.call("PUT", f"{ODATA}/ItemCompany({key})", ITEM | {"Name": "Anders"}).status_code == 204
    assert qms.get(f"{ODATA}/ItemCompany({key})")["Name"] == "Anders"
    assert len(qms.rows("ItemCompany", f"?$filter=ItemCompanyId eq {key}L")) == 1
