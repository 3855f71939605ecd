"""The Minox hook, against programmed answers."""

from __future__ import annotations

import base64
import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from include.errors import (
    AccessError,
    ConfigurationError,
    ContractViolationError,
    RefusedError,
    UnknownOutcomeError,
)
from minox_qms.hooks.http import Limits
from minox_qms.hooks.minox import MinoxHook
from tests.hooks.fake_server import FakeServer, Reply, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

BATCH = uuid.UUID("5f0c7a58-6f0e-5a57-9c1e-5a1f8d9b7c11")
BASE = "/api/1/tenant/123456/administration/1"
TOKENS = {"access_token": "access-1", "refresh_token": "refresh-1", "token_type": "Bearer", "expires_in": 3600}


@pytest.fixture
def hook(server: FakeServer, connect: Callable[..., None], database: sa.Engine) -> Iterator[MinoxHook]:
    conn_id = f"minox_{uuid.uuid4().hex}"
    connect(conn_id, "minox", server.url, extra={"refresh_token": f"seed-{conn_id}"})
    answers(server, {})
    made = MinoxHook(conn_id, 123456, 1, requests_per_second=500, engine_=lambda: database, limits=Limits(read=0.5))
    yield made
    made.close()


def answers(server: FakeServer, by_path: dict[str, Reply]) -> None:
    """Give tokens, and the replies by their path; anything else is a 404."""

    def default(seen: Seen) -> Reply:
        if seen.path.endswith("/oauth/token"):
            return Reply(200, TOKENS)
        return by_path.get(f"{seen.method} {seen.path}", Reply(404))

    server.default = default


def calls(server: FakeServer) -> list[Seen]:
    return [seen for seen in server.seen if not seen.path.endswith("/token")]


def line(**changes: Any) -> dict[str, Any]:
    account = {"id": "8000", "scheme": "MINOX", "type": "ledger_account"}
    return {"id": 4711, "batch_id": str(BATCH), "account": account, "journal": {"id": "VRK"}, "credit": 100.0} | changes


def test_nothing_happens_before_the_first_request() -> None:
    hook = MinoxHook("no_such_connection", 1, 1)
    assert (hook.conn_id, hook.tenant_id) == ("no_such_connection", 1)
    hook.close()


def test_pages_by_cursor(server: FakeServer, hook: MinoxHook) -> None:
    def give(seen: Seen) -> Reply:
        if seen.path == "/oauth/token":
            return Reply(200, TOKENS)
        at = seen.query.get("next")
        page = {None: ("c 1&é=", [{"id": 1}]), "c 1&é=": ("c2", []), "c2": (None, [{"id": "2"}])}[at]
        return Reply(200, {"links": {"next": page[0]}, "collection": page[1]})

    server.default = give
    assert list(hook.pages("receivable", {"status": "open"})) == [[b'{"id": 1}'], [b'{"id": "2"}']]
    seen = calls(server)
    assert [one.path for one in seen] == [f"{BASE}/receivable"] * 3
    assert [one.query.get("status") for one in seen] == ["open"] * 3
    assert {one.headers["authorization"] for one in seen} == {"Bearer access-1"}
    assert {one.headers["accept"] for one in seen} == {"application/json"}
    template = "GET /api/1/tenant/{tenant_id}/administration/{administration_id}/receivable"
    assert hook.stats.as_dict()["requests"] == {template: 3}


def test_pages_by_address(server: FakeServer, hook: MinoxHook) -> None:
    link = f"{server.url}{BASE}/customer?next=abc%20d"
    answers(server, {f"GET {BASE}/customer": Reply(200, {"links": {"next": link}, "collection": [{"id": 1}]})})
    pages = hook.pages("customer", {"search": "x"})
    assert next(pages) == [b'{"id": 1}']
    answers(server, {f"GET {BASE}/customer": Reply(200, {"links": {}, "collection": [{"id": 2}]})})
    assert list(pages) == [[b'{"id": 2}']]
    assert calls(server)[1].raw_query == "next=abc%20d"


def test_a_link_to_another_server_is_not_followed(server: FakeServer, hook: MinoxHook) -> None:
    page = {"links": {"next": "http://127.0.0.1:9/x"}, "collection": [{"id": 1}]}
    answers(server, {f"GET {BASE}/vat": Reply(200, page)})
    with pytest.raises(ContractViolationError, match="another server"):
        list(hook.pages("vat"))


def test_a_token_that_expires_in_the_middle_of_a_list(server: FakeServer, hook: MinoxHook) -> None:
    list_of = [Reply(200, {"links": {"next": "1"}, "collection": [{"id": 1}]}), Reply(401)]
    list_of.append(Reply(200, {"links": {}, "collection": [{"id": 2}]}))
    numbers = iter(range(1, 10))

    def give(seen: Seen) -> Reply:
        if seen.path == "/oauth/token":
            number = next(numbers)
            return Reply(200, TOKENS | {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}"})
        return list_of.pop(0)

    server.default = give
    assert list(hook.pages("vat")) == [[b'{"id": 1}'], [b'{"id": 2}']]
    assert [seen.headers["authorization"] for seen in calls(server)] == [f"Bearer access-{n}" for n in (1, 1, 2)]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_whole_list_that_is_not_ours_stops_the_run(server: FakeServer, hook: MinoxHook, status: int) -> None:
    answers(server, {f"GET {BASE}/vat": Reply(status)})
    with pytest.raises(AccessError) as caught:
        list(hook.pages("vat"))
    assert caught.value.place == "minox vat"


def test_put_batch(server: FakeServer, hook: MinoxHook) -> None:
    warning = {"message_code": "W", "message_type": "warning", "message": "Let op"}
    stored = [line(messages=[warning]), line(id="b", credit="0.10", batch_id=str(BATCH).upper())]
    answers(server, {f"PUT {BASE}/transaction_line_batch/{BATCH}": Reply(200, stored)})
    body = b'[{"debit": 121.00}, {"credit": 100.00}]'
    lines = hook.put_batch(BATCH, body)
    assert [one.credit for one in lines] == [Decimal("100.0"), Decimal("0.10")]
    assert [message.message for message in lines[0].messages or ()] == ["Let op"]
    sent = calls(server)[0]
    assert (sent.body, sent.headers["content-type"]) == (body, "application/json")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, [line(messages=[{"message_code": "E", "message_type": "error", "message": "Nee"}])]),
        Reply(200, [line(messages=[{"message_code": "E", "message_type": "Error", "message": "Nee"}])]),
        Reply(200, "<html>"),
        Reply(200, b""),
        Reply(200, "[]"),
        Reply(200, "{}"),
        Reply(200, '"bare"'),
        Reply(200, json.dumps([line()])[:-5]),
        Reply(200, '[{"batch_id": NaN}]'),
        Reply(200, [line(batch_id=str(uuid.uuid4()))]),
        Reply(200, [line(), line(batch_id="x")]),
        Reply(200, [line(batch_id=None)]),
        Reply(200, [line(credit="veel")]),
        Reply(200, [line()], fault="truncate"),
        Reply(200, [line()], fault="stall"),
        Reply(500),
        Reply(502, "<html>"),
        Reply(fault="reset"),
    ],
)
def test_put_batch_whose_outcome_is_unknown_is_sent_once(server: FakeServer, hook: MinoxHook, reply: Reply) -> None:
    answers(server, {f"PUT {BASE}/transaction_line_batch/{BATCH}": reply})
    with pytest.raises(UnknownOutcomeError) as caught:
        hook.put_batch(BATCH, b"[]")
    assert len(calls(server)) == 1
    assert caught.value.key == str(BATCH)


def test_put_batch_refused(server: FakeServer, hook: MinoxHook) -> None:
    messages = [{"message": "Rekening 8999 bestaat niet", "field": "lines[1].account.id"}, {"message": "Periode dicht"}]
    answers(server, {f"PUT {BASE}/transaction_line_batch/{BATCH}": Reply(400, messages)})
    with pytest.raises(RefusedError) as caught:
        hook.put_batch(str(BATCH), b"[]")
    assert caught.value.messages == ["Rekening 8999 bestaat niet (lines[1].account.id)", "Periode dicht"]
    assert caught.value.reason == "refused_by_minox"


def test_put_batch_without_administration_stops_the_run(server: FakeServer, hook: MinoxHook) -> None:
    with pytest.raises(AccessError):
        hook.put_batch(BATCH, b"[]")
    assert len(calls(server)) == 1


def test_get_batch(server: FakeServer, hook: MinoxHook) -> None:
    path = f"GET {BASE}/transaction_line_batch/{BATCH}"
    assert hook.get_batch(BATCH) is None
    answers(server, {path: Reply(200, [])})
    assert hook.get_batch(BATCH) is None
    answers(server, {path: Reply(200, [line(debit=0)])})
    lines = hook.get_batch(str(BATCH))
    assert lines is not None
    assert (lines[0].debit, lines[0].credit) == (Decimal(0), Decimal("100.0"))
    answers(server, {path: Reply(200, [line(batch_id=str(uuid.uuid4()))])})
    with pytest.raises(ContractViolationError, match="cannot be used"):
        hook.get_batch(BATCH)


def test_attach_blob(server: FakeServer, hook: MinoxHook) -> None:
    path = f"POST {BASE}/transaction_line_batch/{BATCH}/blob"
    answers(server, {path: Reply(200, {"document_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6"})})
    assert hook.attach_blob(BATCH, "F2026-0012 é.pdf", b"%PDF-1.4 \x00\xff") == "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    sent = calls(server)[0]
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="data"' in sent.body
    assert b"Content-Type: application/pdf" in sent.body
    assert base64.b64encode(b"%PDF-1.4 \x00\xff") in sent.body


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(404), RefusedError),
        (Reply(400, [{"message": "Geen documenten"}]), RefusedError),
        (Reply(200, {}), UnknownOutcomeError),
        (Reply(200, "<html>"), UnknownOutcomeError),
        (Reply(503, b"", {"Retry-After": "1"}), UnknownOutcomeError),
        (Reply(403), AccessError),
    ],
)
def test_attach_blob_that_fails(server: FakeServer, hook: MinoxHook, reply: Reply, error: type[Exception]) -> None:
    answers(server, {f"POST {BASE}/transaction_line_batch/{BATCH}/blob": reply})
    with pytest.raises(error):
        hook.attach_blob(BATCH, "a.pdf", b"%PDF-")
    assert len(calls(server)) == 1


def test_receivables(server: FakeServer, hook: MinoxHook) -> None:
    one = {
        "account": {"id": "1001"},
        "invoice_number": "12",
        "invoice_date": "2026-01-31",
        "total": 1.1,
        "balance": "0",
    }
    page = {"links": {}, "collection": [one]}
    path = f"GET {BASE}/receivable/account/1001/invoice"
    answers(
        server,
        {f"GET {BASE}/receivable": Reply(200, page), f"{path}/12": Reply(200, one), f"{path}/13": Reply(200, one)},
    )
    assert [[found.total for found in found_page] for found_page in hook.receivables()] == [[Decimal("1.1")]]
    found = hook.receivable(1001, 12)
    assert found is not None
    assert found.total == Decimal("1.1")
    assert hook.receivable(1001, 14) is None
    with pytest.raises(ContractViolationError):
        hook.receivable(1001, 13)
    answers(server, {f"GET {BASE}/receivable/account/1002/invoice/12": Reply(200, one)})
    with pytest.raises(ContractViolationError):
        hook.receivable(1002, 12)
    template = "receivable/account/{customer}/invoice/{invoice_number}"
    assert any(name.endswith(template) for name in hook.stats.requests)


def test_a_list_with_a_record_that_cannot_be_read(server: FakeServer, hook: MinoxHook) -> None:
    page = {"links": {}, "collection": [{"invoice_number": 1, "total": "veel"}]}
    answers(server, {f"GET {BASE}/receivable": Reply(200, page)})
    with pytest.raises(ContractViolationError) as caught:
        list(hook.receivables())
    assert "total" in caught.value.detail
    assert "veel" not in str(caught.value)


def test_journals_and_administration(server: FakeServer, hook: MinoxHook) -> None:
    administrations = [
        {"id": 11, "name": "B"},
        {"id": "01", "name": "A", "fiscal_years": [], "currency": {"id": "EUR"}},
    ]
    by_path = {
        f"GET {BASE}/journal": Reply(200, {"links": {}, "collection": [{"id": "VRK", "ledger_account_id": 1300}]}),
        "GET /api/1/tenant/123456/administration": Reply(200, {"links": {}, "collection": administrations}),
    }
    answers(server, by_path)
    assert [(journal.id, journal.ledger_account_id) for journal in hook.journals()] == [("VRK", 1300)]
    assert hook.administration().name == "A"
    hook.administration_id = 7
    with pytest.raises(AccessError, match="no administration 7"):
        hook.administration()


def test_without_tenant_or_administration(server: FakeServer, hook: MinoxHook) -> None:
    hook.tenant_id = None
    with pytest.raises(ConfigurationError, match="tenant"):
        hook.pages("vat")
    assert server.seen == []


# -- test_connection ---------------------------------------------------------------------------------------------------


def test_a_new_refresh_token_is_not_spent_by_a_test(server: FakeServer, hook: MinoxHook) -> None:
    works, text = hook.test_connection()
    assert works
    assert "leaves a new refresh token alone" in text
    assert server.seen == []


def test_the_test_button_finds_the_grant_by_its_refresh_token(
    server: FakeServer, hook: MinoxHook, connect: Callable[..., None], database: sa.Engine
) -> None:
    answers(
        server, {"POST /api/1/inspect": Reply(200, {"linked_tenants": [{"tenant_id": 123456}, {"tenant_id": "7"}]})}
    )
    hook.tokens.token()
    connect("transient_x", "minox", server.url, extra={"refresh_token": f"seed-{hook.conn_id}"})
    other = MinoxHook("transient_x", engine_=lambda: database)
    assert other.test_connection() == (True, "Minox answers; this connection reaches tenant 123456, 7.")
    assert hook.test_connection() == (True, "Minox answers; this connection reaches tenant 123456, 7.")
    inspected = calls(server)[0]
    assert (
        inspected.headers["authorization"] == "Basic " + base64.b64encode(b"client-one:secret-of-client-one").decode()
    )
    assert json.loads(inspected.body) == {"token": "access-1"}
    assert [seen.path for seen in server.seen].count("/oauth/token") == 1


def test_a_connection_that_does_not_work_says_so(
    server: FakeServer, hook: MinoxHook, connect: Callable[..., None], database: sa.Engine
) -> None:
    hook.tokens.token()
    works, text = hook.test_connection()
    assert not works
    assert "does not know this address" in text
    answers(server, {"POST /api/1/inspect": Reply(200, "<html>")})
    works, text = hook.test_connection()
    assert not works
    assert "does not answer as it should" in text
    answers(server, {"POST /api/1/inspect": Reply(401)})
    assert hook.test_connection() == (False, "Minox does not accept the connection's client id and secret.")
    for fields, wanted in (({"login": ""}, "login"), ({"password": ""}, "password"), ({"host": ""}, "host")):
        connect("minox_bad", "minox", **{"host": server.url, **fields})
        works, text = MinoxHook("minox_bad", engine_=lambda: database).test_connection()
        assert not works
        assert wanted in text


def test_the_names_of_the_connection() -> None:
    assert (MinoxHook.conn_type, MinoxHook.conn_name_attr, MinoxHook.default_conn_name) == (
        "minox",
        "conn_id",
        "minox_default",
    )
