"""Entries and documents: what the stand-in for Minox takes, and all that it refuses."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sandbox.common.json_text import loads
from tests.sandbox.support import BATCH, PLACE, Sandbox, entry, line

URL = f"{PLACE}/transaction_line_batch/{BATCH}"
OTHER_URL = f"{PLACE}/transaction_line_batch/00000000-0000-4000-8000-000000000001"
PDF = b"%PDF-1.4 something"


def changed(place: int, **fields: Any) -> list[Any]:
    lines = entry()
    lines[place] |= fields
    return lines


def without(place: int, name: str) -> list[Any]:
    lines = entry()
    del lines[place][name]
    return lines


def codes(minox: Sandbox, body: Any) -> set[tuple[str, str]]:
    answer = minox.call("PUT", URL, body)
    assert answer.status_code == 400, answer.text
    assert minox.call("GET", URL).status_code == 404, "nothing of a refused entry may be stored"
    return {(message["message_code"], message.get("field", "")) for message in answer.json()}


def test_an_entry_is_stored_in_order_and_read_back(minox: Sandbox) -> None:
    stored = minox.call("PUT", URL, entry())
    assert stored.status_code == 200
    lines = stored.json()
    assert [row["account"]["id"] for row in lines] == ["10040", "8000"]
    assert [row["account"]["type"] for row in lines] == ["customer", "ledger_account"]
    assert lines[1]["vat"] == {"id": 1, "amount": 21}
    assert lines[1]["period"] == {"id": 1, "fiscal_year": 2026}
    assert lines[1]["messages"] == []
    assert minox.get(URL) == loads(stored.content)


def test_the_same_id_replaces_the_whole_entry(minox: Sandbox) -> None:
    minox.call("PUT", URL, entry())
    lines = [line("10040", debit=50), line("8010", credit=20), line("8010", credit=30)]
    assert minox.call("PUT", URL, lines).status_code == 200
    assert [row["debit"] for row in minox.get(URL)] == [50, 0, 0]
    assert minox.get(f"{PLACE}/receivable/account/10040/invoice/77001")["total"] == 50


def test_a_given_vat_code_is_stored_with_a_warning(minox: Sandbox) -> None:
    lines = minox.call("PUT", URL, changed(1, vat={"id": 1, "amount": 21})).json()
    assert [message["message_type"] for message in lines[1]["messages"]] == ["warning"]


def test_money_stays_exact(minox: Sandbox) -> None:
    body = (
        b"["
        + b",".join(
            [
                b'{"account":{"id":"10040"},"journal":{"id":"VRK"},"document_date":"2026-01-31","debit":0.30}',
                b'{"account":{"id":"8000"},"journal":{"id":"VRK"},"document_date":"2026-01-31","credit":0.1}',
                b'{"account":{"id":"8000"},"journal":{"id":"VRK"},"document_date":"2026-01-31","credit":0.20}',
            ]
        )
        + b"]"
    )
    assert minox.call("PUT", URL, body).status_code == 200


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([line("10040", debit=-121), line("8000", credit=-100, vat={"amount": -21})], id="negative"),
        pytest.param(
            [line("8000", debit=100, vat={"amount": 21}), line("10040", credit=121)], id="VAT on the debit side"
        ),
        pytest.param(
            [line("10040", debit=0, credit=121), line("8000", debit=100, credit=0, vat={"amount": 21})],
            id="explicit zeros",
        ),
        pytest.param([line("10040", debit=0), line("8000", credit=0)], id="zero"),
        pytest.param([line("10040", debit=121), line("8900", credit=121)], id="a blocked ledger account"),
        pytest.param([line("10006", debit=121), line("8000", credit=121)], id="a blocked customer"),
        pytest.param(
            [line("1300", debit=5, journal={"id": "MEMO"}), line("8000", credit=5, journal={"id": "MEMO"})],
            id="no customer",
        ),
        pytest.param(
            [line("10040", debit=1, description="é" * 254 + "🚀"), line("8000", credit=1)], id="255 characters"
        ),
    ],
)
def test_what_is_taken(minox: Sandbox, lines: list[Any]) -> None:
    answer = minox.call("PUT", URL, lines)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("lines", "code", "field"),
    [
        (changed(0, debit=121.01), "TRANSACTION_NOT_BALANCED", "debit"),
        (changed(1, account={"id": "8999"}), "ACCOUNT_UNKNOWN", "lines[1].account.id"),
        (changed(1, account={"id": "8000", "type": "customer"}), "ACCOUNT_TYPE", "lines[1].account.type"),
        (changed(1, cost_center={"id": 999}), "COST_CENTER_UNKNOWN", "lines[1].cost_center.id"),
        (changed(1, payment_term={"id": 999}), "PAYMENT_TERM_UNKNOWN", "lines[1].payment_term.id"),
        (changed(1, vat={"id": 999, "amount": 21}), "VAT_UNKNOWN", "lines[1].vat.id"),
        (changed(0, description="x" * 256), "TEXT_TOO_LONG", "lines[0].description"),
        (changed(0, invoice_number=0), "INVOICE_NUMBER_INVALID", "lines[0].invoice_number"),
        (changed(0, invoice_number=2147483648), "INVOICE_NUMBER_INVALID", "lines[0].invoice_number"),
        (changed(0, invoice_number="77001"), "INVOICE_NUMBER_INVALID", "lines[0].invoice_number"),
        (changed(1, invoice_number=77002), "LINES_DIFFER", "lines[1].invoice_number"),
        (changed(1, document_date="2026-02-01"), "LINES_DIFFER", "lines[1].document_date"),
        (changed(1, journal={"id": "MEMO"}), "LINES_DIFFER", "lines[1].journal"),
        (changed(0, period={"id": 13, "fiscal_year": 2026}), "PERIOD_UNKNOWN", "lines[0].period"),
        (changed(0, invented=1), "FIELD_UNKNOWN", "lines[0].invented"),
        (changed(0, cost_center={}), "FIELD_REQUIRED", "lines[0].cost_center.id"),
        (changed(0, vat={}), "FIELD_EMPTY", "lines[0].vat"),
        (changed(0, vat={"id": None}), "FIELD_TYPE", "lines[0].vat.id"),
        (changed(0, debit="121.00"), "FIELD_TYPE", "lines[0].debit"),
        (changed(0, account={"id": 10040}), "FIELD_TYPE", "lines[0].account.id"),
        (changed(0, account={"id": "010040"}), "FIELD_INVALID", "lines[0].account.id"),
        (changed(0, document_date="31-01-2026"), "FIELD_INVALID", "lines[0].document_date"),
        (changed(0, description=""), "FIELD_INVALID", "lines[0].description"),
        (changed(0, credit=1), "DEBIT_CREDIT", "lines[0].debit"),
        (without(0, "debit"), "DEBIT_CREDIT", "lines[0].debit"),
        (without(0, "document_date"), "FIELD_REQUIRED", "lines[0].document_date"),
        (entry()[:1], "LINES_MISSING", "lines"),
        ({"lines": entry()}, "FIELD_TYPE", "lines"),
        ([1, 2], "FIELD_TYPE", "lines[0]"),
    ],
)
def test_what_is_refused(minox: Sandbox, lines: Any, code: str, field: str) -> None:
    assert (code, field) in codes(minox, lines)


def every_line(**fields: Any) -> list[Any]:
    return [each | fields for each in entry()]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (every_line(journal={"id": "XXX"}), "JOURNAL_UNKNOWN"),
        (every_line(journal={"id": "MEMO"}), "CUSTOMER_NOT_ALLOWED"),
        (every_line(document_date="2027-01-01"), "FISCAL_YEAR_MISSING"),
        (every_line(document_date="2025-06-30"), "PERIOD_CLOSED"),
    ],
)
def test_what_is_refused_of_the_whole_entry(minox: Sandbox, lines: Any, code: str) -> None:
    assert code in {found for found, _ in codes(minox, lines)}


@pytest.mark.parametrize("amount", ["0.30000000000000004", "121.000"])
def test_an_amount_with_more_than_two_decimals_in_its_text_is_refused(minox: Sandbox, amount: str) -> None:
    for name in ("debit", "vat.amount"):
        text = f'"debit":{amount}' if name == "debit" else f'"debit":121,"vat":{{"amount":{amount}}}'
        head = f'{{"account":{{"id":"10040"}},"journal":{{"id":"VRK"}},"document_date":"2026-01-31",{text}}}'
        other = '{"account":{"id":"8000"},"journal":{"id":"VRK"},"document_date":"2026-01-31","credit":121}'
        assert ("AMOUNT_DECIMALS", f"lines[0].{name}") in codes(minox, f"[{head},{other}]")


def test_every_problem_is_one_message(minox: Sandbox) -> None:
    lines = [line("8999", debit=5, cost_center={"id": 9}), line("8000", credit=4, document_date="2030-01-01")]
    answer = minox.call("PUT", URL, lines)
    found = [(message["message_code"], message.get("field")) for message in answer.json()]
    assert sorted(found) == [
        ("ACCOUNT_UNKNOWN", "lines[0].account.id"),
        ("COST_CENTER_UNKNOWN", "lines[0].cost_center.id"),
        ("FISCAL_YEAR_MISSING", "lines[1].document_date"),
        ("LINES_DIFFER", "lines[1].document_date"),
        ("TRANSACTION_NOT_BALANCED", "debit"),
    ]
    assert {message["tenant_id"] for message in answer.json()} == {123456}
    texts = " ".join(message["message"] for message in answer.json())
    assert "debet 5.00, credit 4.00" in texts


def test_an_invoice_number_is_taken_once_per_customer(minox: Sandbox) -> None:
    assert minox.call("PUT", URL, entry()).status_code == 200
    refused = minox.call("PUT", OTHER_URL, entry())
    assert [message["message_code"] for message in refused.json()] == ["INVOICE_NUMBER_EXISTS"]
    lines = entry()
    lines[0]["account"] = {"id": "10041"}
    assert minox.call("PUT", OTHER_URL, lines).status_code == 200
    assert minox.call("PUT", URL, entry()).status_code == 200
    minox.control("POST", "rows", {"entity": "batch", "delete": [BATCH]})
    assert minox.call("GET", URL).status_code == 404


def test_an_invoice_number_that_was_typed_in_by_hand_is_taken(minox: Sandbox) -> None:
    typed = minox.collection("receivable")[0]
    lines = [each | {"invoice_number": typed["invoice_number"]} for each in entry()]
    lines[0]["account"] = {"id": str(typed["account_id"])}
    assert ("INVOICE_NUMBER_EXISTS", "lines[0].invoice_number") in codes(minox, lines)


@pytest.mark.parametrize("body", ["{", "[NaN, 1]", ""])
def test_a_body_that_is_not_json_is_a_400(minox: Sandbox, body: str) -> None:
    answer = minox.call("PUT", URL, body)
    assert [message["message_code"] for message in answer.json()] == ["JSON_INVALID"]


def test_another_media_type_is_a_415(minox: Sandbox) -> None:
    answer = minox.client.put(URL, content="[]", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


def test_writing_needs_its_own_scope(minox: Sandbox) -> None:
    from tests.sandbox.test_oauth import consent, exchange  # noqa: PLC0415 - shared steps of the flow

    code = consent(minox, scope="transaction:read")["code"][0]
    minox.client.headers["Authorization"] = f"Bearer {exchange(minox, code).json()['access_token']}"
    assert minox.call("GET", URL).status_code == 404
    assert minox.call("PUT", URL, entry()).status_code == 403


def attach(minox: Sandbox, content: bytes, url: str = URL, name: str = "data") -> Any:
    return minox.call("POST", f"{url}/blob", files={name: ("F1.pdf", content, "application/pdf")})


def test_a_document_is_attached_as_base64(minox: Sandbox) -> None:
    minox.call("PUT", URL, entry())
    first = attach(minox, base64.b64encode(PDF))
    assert first.status_code == 200
    assert attach(minox, base64.encodebytes(PDF)).status_code == 200
    documents = minox.control("GET", "state")["tenants"][0]["data"]["1"]["batches"][BATCH]["documents"]
    assert [document["bytes"] for document in documents] == [len(PDF)] * 2
    receivable = minox.get(f"{PLACE}/receivable/account/10040/invoice/77001")
    assert receivable["document_id"] == f"{first.json()['document_id']}.pdf"


def test_what_is_not_attached(minox: Sandbox) -> None:
    assert attach(minox, base64.b64encode(PDF)).status_code == 404
    minox.call("PUT", URL, entry())
    assert attach(minox, PDF).json()[0]["message_code"] == "DATA_NOT_BASE64"
    assert attach(minox, b"").json()[0]["message_code"] == "DATA_EMPTY"
    assert attach(minox, base64.b64encode(PDF), name="file").status_code == 400
    assert minox.call("POST", f"{URL}/blob", data={"data": "eA=="}, files={"x": ("x", b"x")}).status_code == 400
    assert minox.call("POST", f"{URL}/blob", {"data": "eA=="}).status_code == 415


def test_a_journal_may_not_take_documents(minox: Sandbox) -> None:
    memo = [line("1300", debit=5, journal={"id": "MEMO"}), line("8000", credit=5, journal={"id": "MEMO"})]
    minox.call("PUT", URL, memo)
    assert attach(minox, base64.b64encode(PDF)).json()[0]["message_code"] == "DOCUMENTS_NOT_ALLOWED"
