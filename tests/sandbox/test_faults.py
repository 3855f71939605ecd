"""Faults on demand, recorded requests and the other controls."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tests.sandbox.support import BATCH, ODATA, PLACE, TOKEN_PATHS, Sandbox, demo, entry, small_demo

URL = f"{PLACE}/transaction_line_batch/{BATCH}"


def fault(sandbox: Sandbox, **rule: Any) -> None:
    sandbox.control("POST", "faults", rule)


def test_an_answer_is_replaced_so_many_times(minox: Sandbox) -> None:
    fault(
        minox,
        method="get",
        path="/vat",
        action="status",
        status=502,
        body="<h1>Bad</h1>",
        times=2,
        headers={"X-A": "b"},
    )
    assert minox.call("GET", f"{PLACE}/item").status_code == 200
    first = minox.client.get(f"{PLACE}/vat")
    assert (first.status_code, first.text, first.headers["x-a"]) == (502, "<h1>Bad</h1>", "b")
    assert [minox.client.get(f"{PLACE}/vat").status_code for _ in range(2)] == [502, 200]
    assert minox.control("GET", "faults")[0]["spoilt"] == 2


def test_the_nth_request_is_spoilt_and_no_other(minox: Sandbox) -> None:
    fault(minox, path="/vat", nth=3, action="status", status=500)
    statuses = [minox.client.get(f"{PLACE}/vat").status_code for _ in range(5)]
    assert statuses == [200, 200, 500, 200, 200]


def test_a_rule_without_end_and_its_removal(qms: Sandbox) -> None:
    fault(qms, path=r"VatCode\?.*Code", action="status", status=429, headers={"Retry-After": "2"}, times=None)
    assert qms.client.get(f"{ODATA}/VatCode").status_code == 200
    for _ in range(3):
        answer = qms.client.get(f"{ODATA}/VatCode?$filter=Code eq '1'")
        assert (answer.status_code, answer.headers["retry-after"], answer.content) == (429, "2", b"")
    qms.control("DELETE", "faults")
    assert qms.client.get(f"{ODATA}/VatCode?$filter=Code eq '1'").status_code == 200


def test_the_work_is_done_and_the_answer_is_an_error(minox: Sandbox) -> None:
    fault(minox, method="PUT", path="batch", action="apply-then-status", status=504)
    assert minox.client.put(URL, json=entry()).status_code == 504
    assert minox.call("GET", URL).status_code == 200


def test_the_work_is_done_and_the_answer_is_lost(minox: Sandbox) -> None:
    fault(minox, method="PUT", path="batch", action="apply-then-drop")
    with pytest.raises(ConnectionResetError):
        minox.client.put(URL, json=entry())
    assert minox.call("GET", URL).status_code == 200


def test_a_dropped_request_does_nothing(minox: Sandbox) -> None:
    fault(minox, method="PUT", path="batch", action="drop")
    with pytest.raises(ConnectionResetError):
        minox.client.put(URL, json=entry())
    assert minox.call("GET", URL).status_code == 404


def test_a_body_in_place_of_the_real_one(qms: Sandbox) -> None:
    fault(qms, path="Company", action="body", body='{"value": [')
    fault(qms, path="Company", action="body", body={"value": 5})
    assert qms.client.get(f"{ODATA}/Company").text == '{"value": ['
    assert qms.client.get(f"{ODATA}/Company").json() == {"value": 5}


def test_an_answer_that_is_changed_on_its_way(minox: Sandbox) -> None:
    fault(
        minox,
        method="PUT",
        path="batch",
        action="apply-then-replace",
        find=r'"debit":\s*[1-9.]+',
        replace='"debit":NaN',
    )
    answer = minox.client.put(URL, json=entry())
    assert answer.status_code == 200
    assert answer.text.count('"debit":NaN') == 1
    assert minox.call("GET", URL).json()[0]["debit"] == 121


def test_an_answer_that_comes_a_byte_at_a_time(minox: Sandbox) -> None:
    whole = minox.call("GET", f"{PLACE}/journal").content
    fault(minox, path="/journal", action="drip", seconds=0.0001)
    began = time.monotonic()
    assert minox.client.get(f"{PLACE}/journal").content == whole
    assert time.monotonic() - began >= 0.0001 * len(whole)
    assert minox.control("GET", "faults")[0]["spoilt"] == 1


def test_an_answer_that_is_late(minox: Sandbox) -> None:
    fault(minox, path="/vat", action="delay", seconds=0.2)
    began = time.monotonic()
    assert minox.call("GET", f"{PLACE}/vat").status_code == 200
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(("action", "stored"), [("hold", 0), ("apply-then-hold", 1)])
def test_a_request_is_held_until_it_is_released(minox: Sandbox, action: str, stored: int) -> None:
    fault(minox, method="PUT", path="batch", action=action)
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(minox.client.put(URL, json=entry()).status_code))
    thread.start()
    end = time.monotonic() + 60
    while minox.control("GET", "faults")[0]["held"] == 0 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)
    assert statuses == []
    batches = minox.control("GET", "state")["tenants"][0]["data"]["1"]["batches"]
    assert len(batches) == stored
    recorded = [one["body"] for one in minox.control("GET", "requests")["requests"] if one["method"] == "PUT"]
    assert [body is not None for body in recorded] == [bool(stored)]  # as soon as it has come
    minox.control("POST", "faults/release")
    thread.join(60)
    assert statuses == [200]


def test_a_request_is_held_and_then_dropped(minox: Sandbox) -> None:
    fault(minox, method="PUT", path="batch", action="hold-then-drop", seconds=0.1)
    with pytest.raises(ConnectionResetError):
        minox.client.put(URL, json=entry())
    assert minox.control("GET", "faults")[0]["held"] == 0
    assert minox.call("GET", URL).status_code == 404


@pytest.mark.parametrize(
    "rule",
    [[None], 5, {"action": "explode"}, {"path": "x"}, {"action": "drop", "color": 1}, {"action": "drop", "path": "("}],
)
def test_a_rule_that_cannot_be_understood(minox: Sandbox, rule: Any) -> None:
    answer = minox.client.post("/_sandbox/faults", json=rule)
    assert answer.status_code == 400
    assert minox.control("GET", "faults") == []


def test_requests_are_recorded_without_secrets(qms: Sandbox) -> None:
    qms.control("DELETE", "requests")
    tokens = qms.token(grant_type="refresh_token", refresh_token="nonsense-secret")
    assert tokens.status_code == 400
    body = {"CompanyId": "3", "Code": "x", "Name": "x"}
    qms.call("POST", f"{ODATA}/CostCenter", body)
    qms.call("GET", f"{ODATA}/VatCode?$top=1")
    log = qms.control("GET", "requests")
    assert log["count"] == 3
    assert log["counts"] == {
        f"POST {TOKEN_PATHS['qms']}": 1,
        f"POST {ODATA}/CostCenter": 1,
        f"GET {ODATA}/VatCode": 1,
    }
    first, second, third = log["requests"]
    assert (first["status"], first["body"]) == (400, None)
    assert (second["status"], second["body"]) == (201, body)
    assert (third["method"], third["query"], third["time"]) == ("GET", "$top=1", int(qms.clock.now))
    text = str(log)
    assert "nonsense-secret" not in text
    assert "geheim" not in text
    assert qms.client.headers["Authorization"].split()[1] not in text


def test_recorded_requests_tell_how_many_bytes_went_over(qms: Sandbox) -> None:
    answer = qms.call("POST", f"{ODATA}/CostCenter", {"CompanyId": "3", "Code": "x", "Name": "x"})
    made = qms.control("GET", "requests")["requests"][-1]
    assert made["received"] == int(answer.request.headers["content-length"]) > 0
    assert made["sent"] == len(answer.content) > 0


def test_recorded_requests_tell_what_was_dropped(minox: Sandbox) -> None:
    fault(minox, path="/vat", action="drop")
    with pytest.raises(ConnectionResetError):
        minox.client.get(f"{PLACE}/vat")
    last = minox.control("GET", "requests")["requests"][-1]
    assert (last["status"], last["fault"]) == (None, 1)


def test_a_reset_brings_back_the_original(minox: Sandbox) -> None:
    before = minox.control("GET", "state")
    minox.call("PUT", URL, entry())
    fault(minox, path="x", action="drop")
    minox.control("POST", "rows", {"entity": "vat", "delete": [1], "add": [{"id": 99}]})
    assert minox.control("GET", "state") != before
    minox.control("POST", "reset")
    assert minox.control("GET", "state") == before
    assert minox.control("GET", "faults") == []
    assert minox.control("GET", "requests")["count"] == 0


def test_a_reset_may_bring_another_data_set(qms: Sandbox) -> None:
    qms.control("POST", "reset", {"qms": {"VatCode": [{"VatCodeId": "5"}]}})
    assert qms.control("GET", "state")["VatCode"] == [{"VatCodeId": "5"}]
    qms.control("POST", "reset")
    assert len(qms.control("GET", "state")["VatCode"]) == 4


def test_the_state_is_a_data_set(minox: Sandbox) -> None:
    minox.call("PUT", URL, entry())
    state = minox.control("GET", "state")
    other = Sandbox("minox", dataset={"minox": state})
    assert other.control("GET", "state") == state
    assert other.get(f"{PLACE}/receivable/account/10040/invoice/77001")["total"] == 121
    assert other.call("PUT", URL, entry()).json()[0]["id"] == 3


def test_users_change_rows_of_minox(minox: Sandbox) -> None:
    edits = [
        {"entity": "customer", "update": [{"id": 10040, "chamber_of_commerce": "1"}], "add": [{"id": 10040}]},
        {"entity": "cost_center", "replace": [{"id": 110}], "delete": [120]},
        {"entity": "administration", "update": [{"id": 1, "fiscal_years": []}]},
    ]
    assert minox.control("POST", "rows", edits) == [{"changed": 2}, {"changed": 2}, {"changed": 1}]
    found = [row for row in minox.control("GET", "state")["tenants"][0]["data"]["1"]["customer"] if row["id"] == 10040]
    assert found[0]["chamber_of_commerce"] == "1"
    assert len(found[0]) > 3
    assert found[1] == {"id": 10040}
    centers = minox.control("GET", "state")["tenants"][0]["data"]["1"]["cost_center"]
    assert centers[0] == {"id": 110}
    assert 120 not in [row["id"] for row in centers]
    assert {message["message_code"] for message in minox.call("PUT", URL, entry()).json()} == {"FISCAL_YEAR_MISSING"}


def test_users_change_rows_of_qms_and_the_log_tells() -> None:
    qms = Sandbox("qms", dataset=small_demo())
    edit = {"entity": "CustomerCompany", "update": [{"CustomerCompanyId": "52", "Name": "X"}], "user": "p.smit"}
    qms.control("POST", "rows", edit | {"date": "2026-05-01T10:00:00Z"})
    qms.control("POST", "rows", {"entity": "CostCenter", "delete": [21], "log": False})
    assert qms.get(f"{ODATA}/CustomerCompany(52)")["Name"] == "X"
    assert qms.call("GET", f"{ODATA}/CostCenter(21)").status_code == 404
    (change,) = qms.rows("EntityChange")
    assert change | {"EntityChangeId": ""} == {
        "EntityChangeId": "",
        "Date": "2026-05-01T10:00:00Z",
        "EntityId": "52",
        "EntityType": "CustomerCompany",
        "EntityOperation": "Update",
        "BusinessOperation": None,
        "AdditionalDescription": None,
        "UserName": "p.smit",
    }


def test_a_user_processes_an_invoice_at_a_given_time(qms: Sandbox) -> None:
    key = next(row["InvoiceHeaderId"] for row in demo()["qms"]["Invoice"] if row["InvoiceHeaderState"] == "Approved")
    qms.control("POST", "rows", {"process": int(key), "state": "Sent", "date": "2026-11-20T10:00:00Z"})
    for name in ("Invoice", "OverviewInvoice"):
        (row,) = qms.rows(name, f"?$filter=InvoiceHeaderId eq {key}L")
        assert (row["InvoiceHeaderState"], row["InvoiceHeaderId"]) == ("Sent", key)
    query = f"?$filter=EntityId eq {key}L and BusinessOperation eq 'Process'"
    (change,) = qms.rows("EntityChange", query)
    assert (change["EntityType"], change["Date"]) == ("InvoiceHeader", "2026-11-20T10:00:00Z")


@pytest.mark.parametrize(
    ("system", "body"),
    [
        ("minox", {"entity": "unicorn"}),
        ("minox", {"entity": "vat", "tenant": 5}),
        ("minox", {"entity": "vat", "administration": 5}),
        ("minox", {"entity": "vat", "delete": [12345]}),
        ("minox", "x"),
        ("qms", {"entity": "unicorn"}),
        ("qms", {"entity": "VatCode", "update": [{"VatCodeId": "12345"}]}),
        ("qms", {"process": 1}),
    ],
)
def test_an_edit_that_cannot_be_done(system: str, body: Any) -> None:
    sandbox = Sandbox(system)
    assert sandbox.client.post("/_sandbox/rows", json=body).status_code == 400


def test_modes_change_while_it_runs(minox: Sandbox) -> None:
    minox.control("POST", "modes", {"page_size": 2, "ids_as_text": True, "rate_limit": "2/60"})
    assert [row["id"] for row in minox.get(f"{PLACE}/vat")["collection"]] == ["1", "2"]
    assert [minox.call("GET", f"{PLACE}/vat").status_code for _ in range(2)] == [200, 429]
    wrongs: list[Any] = [{"page_size": 0}, {"rate_limit": "x"}, {"color": 1}, []]
    for wrong in wrongs:
        assert minox.client.post("/_sandbox/modes", json=wrong).status_code == 400


def test_it_tells_that_it_is_well(minox: Sandbox, qms: Sandbox) -> None:
    assert minox.control("GET", "health") == qms.control("GET", "health") == {"status": "ok"}
