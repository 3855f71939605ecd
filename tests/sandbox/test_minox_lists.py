"""Lists, limits and access of the stand-in for Minox."""

from __future__ import annotations

import pytest

from sandbox.common.contract import contract
from tests.sandbox.support import PLACE, Sandbox, demo, entry

LISTS = (
    "vat",
    "cost_center",
    "payment_term",
    "item_group",
    "item",
    "customer",
    "ledger_account",
    "journal",
    "receivable",
)


def books() -> dict[str, list[dict[str, object]]]:
    data: dict[str, list[dict[str, object]]] = demo()["minox"]["tenants"][0]["data"]["1"]
    return data


@pytest.mark.parametrize("entity", LISTS)
def test_every_list_gives_its_rows_as_they_are(minox: Sandbox, entity: str) -> None:
    assert [row.get("id", row.get("account_id")) for row in minox.collection(entity)] == [
        row.get("id", row.get("account_id")) for row in books()[entity]
    ]


def test_the_administrations_of_a_tenant(minox: Sandbox) -> None:
    page = minox.get("/api/1/tenant/123456/administration")
    assert [row["id"] for row in page["collection"]] == [1]
    assert [year["fiscal_year"] for year in page["collection"][0]["fiscal_years"]] == [2025, 2026]


def test_a_list_of_more_pages_is_whole() -> None:
    minox = Sandbox("minox", page_size=7)
    first = minox.get(f"{PLACE}/customer")
    assert len(first["collection"]) == 7
    assert not first["links"]["next"].startswith("http")
    assert len(minox.collection("customer")) == 300


def test_the_next_page_may_be_a_full_url() -> None:
    minox = Sandbox("minox", page_size=50, full_urls=True)
    link = minox.get(f"{PLACE}/customer?search=a")["links"]["next"]
    assert link.startswith(f"http://testserver{PLACE}/customer?search=a&next=")
    assert len(minox.collection("customer")) == 300


@pytest.mark.parametrize("cursor", ["x", "eyJvIjoxMDB9", "5", "é"])
def test_an_unknown_cursor_is_refused(minox: Sandbox, cursor: str) -> None:
    assert minox.call("GET", f"{PLACE}/customer", params={"next": cursor}).status_code == 400


def test_a_cursor_belongs_to_its_own_list() -> None:
    minox = Sandbox("minox", page_size=10)
    cursor = minox.get(f"{PLACE}/customer")["links"]["next"]
    assert minox.call("GET", f"{PLACE}/item?next={cursor}").status_code == 400


def test_search_looks_in_number_and_name(minox: Sandbox) -> None:
    assert [row["id"] for row in minox.get(f"{PLACE}/customer?search=10040")["collection"]] == [10040]
    assert [row["id"] for row in minox.get(f"{PLACE}/customer", params={"search": "HÖRNCHEN"})["collection"]] == [10016]


def test_an_unknown_parameter_is_refused(minox: Sandbox) -> None:
    answer = minox.call("GET", f"{PLACE}/vat?modified_since=2026-01-01")
    assert answer.status_code == 400
    assert answer.json()[0]["field"] == "modified_since"


def test_ids_may_come_as_text() -> None:
    minox = Sandbox("minox", ids_as_text=True)
    assert minox.get(f"{PLACE}/customer?search=10040")["collection"][0]["id"] == "10040"
    assert minox.get(f"{PLACE}/journal")["collection"][0]["ledger_account_id"] == "1300"


def test_dates_may_come_as_instants() -> None:
    minox = Sandbox("minox", rfc3339_dates=True)
    years = minox.get("/api/1/tenant/123456/administration")["collection"][0]["fiscal_years"]
    assert years[0]["start_date"] == "2025-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/1/tenant/999/administration", 403),
        ("/api/1/tenant/999/administration/1/vat", 403),
        ("/api/1/tenant/123456/administration/2/vat", 404),
        ("/api/1/tenant/x/administration/1/vat", 400),
        ("/api/1/tenant/123456/administration/0/vat", 400),
        (f"{PLACE}/transaction_line_batch/5f0c7a58-6f0e-5a57-9c1e-5a1f8d9b7c11", 404),
        (f"{PLACE}/transaction_line_batch/5f0c7a58", 400),
        (f"{PLACE}/receivable/account/10040/invoice/1", 404),
        (f"{PLACE}/receivable/account/0/invoice/1", 400),
        (f"{PLACE}/receivable/account/1/invoice/2147483648", 400),
        (f"{PLACE}/receivable?status=late", 400),
    ],
)
def test_what_is_not_there(minox: Sandbox, path: str, status: int) -> None:
    assert minox.call("GET", path).status_code == status


def test_without_a_token_there_is_nothing(minox: Sandbox) -> None:
    answer = minox.call("GET", f"{PLACE}/vat", headers={"Authorization": "Bearer x"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_limit_counts_every_call_of_the_client_and_ends_with_its_window() -> None:
    minox = Sandbox("minox", rate_limit="3/10")
    reset = int((minox.clock.now + 10) * 1000)
    for left in (2, 1, 0):
        answer = minox.call("GET", f"{PLACE}/vat")
        assert answer.headers["x-rate-limit-remaining"] == str(left)
        assert answer.headers["x-rate-limit-reset"] == str(reset)
    minox.clock.now += 3.5
    refused = minox.call("GET", f"{PLACE}/item")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "7"
    minox.clock.now += 6.5
    assert minox.call("GET", f"{PLACE}/item").status_code == 200


def test_the_limit_may_come_without_retry_after() -> None:
    minox = Sandbox("minox", rate_limit="1/1", retry_after=False)
    minox.call("GET", f"{PLACE}/vat")
    refused = minox.call("GET", f"{PLACE}/vat")
    assert refused.status_code == 429
    assert "retry-after" not in refused.headers


def test_raw_rows_are_served_as_they_are() -> None:
    raw = [{"id": {"wrong": True}}, {"description": 7, "extra": None}, {"id": 1}, {"id": 1}]
    data = {"vat": raw, "journal": []}
    tenant = {"tenant_id": 5, "name": "x", "administrations": [{"id": 9}], "data": {"9": data}}
    minox = Sandbox("minox", dataset={"minox": {"tenants": [tenant]}})
    answer = minox.client.get("/api/1/tenant/5/administration/9/vat")
    assert answer.json() == {"links": {"next": None}, "collection": raw}


def test_the_contract_names_the_scopes_that_are_asked_for() -> None:
    from sandbox.minox.api import ALL_SCOPES, SCOPES  # noqa: PLC0415 - only this test looks inside

    document = contract("minox").document
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"]
    assert set(ALL_SCOPES) == set(flow["scopes"])
    for path, operations in document["paths"].items():
        scope = operations.get("get", {}).get("x-scope")
        if scope and path.rpartition("/")[2] in SCOPES:
            assert SCOPES[path.rpartition("/")[2]] == scope


def test_receivables_come_from_batches_and_from_hand(minox: Sandbox) -> None:
    typed = books()["receivable"][0]
    one = minox.get(f"{PLACE}/receivable/account/{typed['account_id']}/invoice/{typed['invoice_number']}")
    assert one["total"] == typed["total"]
    minox.call("PUT", f"{PLACE}/transaction_line_batch/5f0c7a58-6f0e-5a57-9c1e-5a1f8d9b7c11", entry())
    booked = minox.get(f"{PLACE}/receivable/account/10040/invoice/77001")
    assert (booked["total"], booked["balance"], booked["account"]["type"]) == (121, 121, "customer")
    assert len(minox.collection("receivable")) == 2
    assert len(minox.get(f"{PLACE}/receivable?status=open")["collection"]) == 2
    paid = {"invoice_number": typed["invoice_number"], "balance": 0}
    minox.control("POST", "rows", {"entity": "receivable", "update": [paid]})
    assert len(minox.get(f"{PLACE}/receivable?status=open")["collection"]) == 1
    assert len(minox.get(f"{PLACE}/receivable?status=paid")["collection"]) == 1
