"""The QMS hook, against programmed answers."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from include.errors import (
    AccessError,
    ContractViolationError,
    InvariantError,
    RefusedError,
    TransientError,
    UnknownOutcomeError,
)
from minox_qms.hooks.http import Limits, Timing
from minox_qms.hooks.qms import QmsHook
from tests.hooks.fake_server import FakeServer, FakeTime, Reply, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

ROOT = "/api/V3/odata"
TOKENS = {"access_token": "access-1", "refresh_token": "refresh-1", "token_type": "bearer", "expires_in": 1199}
ROW = {"VatCodeId": "11", "CompanyId": "3", "Code": "1", "Percentage": "21.00", "IsDefault": False}


@pytest.fixture
def hook(
    server: FakeServer, connect: Callable[..., None], database: sa.Engine, fake_time: FakeTime
) -> Iterator[QmsHook]:
    conn_id = f"qms_{uuid.uuid4().hex}"
    connect(conn_id, "qms", server.url, extra={"refresh_token": f"seed-{conn_id}"})
    answers(server, {})
    timing = Timing(fake_time.sleep, fake_time.clock, fake_time.clock, fake_time.random)
    made = QmsHook(conn_id, 3, engine_=lambda: database, limits=Limits(read=0.5), timing=timing)
    yield made
    made.close()


def answers(server: FakeServer, by_path: dict[str, Reply]) -> None:
    """Give tokens, and the replies by their path; anything else is a 404."""

    def default(seen: Seen) -> Reply:
        if seen.path == "/api/oauth2/oauth2/token":
            return Reply(200, TOKENS)
        return by_path.get(f"{seen.method} {seen.path}", Reply(404))

    server.default = default


def calls(server: FakeServer) -> list[Seen]:
    return [seen for seen in server.seen if not seen.path.endswith("/token")]


def test_pages_follow_the_link_as_it_is(server: FakeServer, hook: QmsHook) -> None:
    link = f"{server.url}{ROOT}/VatCode?$filter=CompanyId%20eq%203L&$skiptoken=a%27b"
    replies = [Reply(200, {"value": [ROW], "odata.nextLink": link}), Reply(200, {"value": [{"VatCodeId": 12}]})]
    server.default = lambda seen: Reply(200, TOKENS) if seen.path.endswith("/token") else replies.pop(0)
    pages = list(hook.pages("VatCode", filter="Code eq '1' or Code eq 'd''Arc'", orderby="Code asc"))
    assert [json.loads(row) for page in pages for row in page] == [ROW, {"VatCodeId": 12}]
    first, second = calls(server)
    assert first.query == {
        "$filter": "CompanyId eq 3L and (Code eq '1' or Code eq 'd''Arc')",
        "$orderby": "Code asc",
    }
    assert "+" not in first.raw_query
    assert second.raw_query == link.split("?")[1]
    assert hook.stats.requests == {"GET /api/V3/odata/VatCode": 2}


@pytest.mark.parametrize("entity", ["EntityChange", "OverviewInvoiceLine"])
def test_lists_whose_rows_name_no_company(server: FakeServer, hook: QmsHook, entity: str) -> None:
    answers(server, {f"GET {ROOT}/{entity}": Reply(200, {"value": []})})
    assert list(hook.pages(entity)) == []
    assert calls(server)[0].query == {}


def test_the_link_s_company_only(server: FakeServer, hook: QmsHook) -> None:
    answers(server, {f"GET {ROOT}/Company": Reply(200, {"value": [{"CompanyId": "3"}]})})
    assert list(hook.pages("Company")) == [[b'{"CompanyId": "3"}']]
    assert calls(server)[0].query == {"$filter": "CompanyId eq 3L"}


def test_a_query_that_is_too_long_is_not_sent(server: FakeServer, hook: QmsHook) -> None:
    with pytest.raises(InvariantError, match="longer than QMS takes"):
        hook.pages("VatCode", filter="Code eq '" + "x" * 2000 + "'")
    assert server.seen == []


def test_pages_any_stays_below_the_limit(server: FakeServer, hook: QmsHook) -> None:
    answers(server, {f"GET {ROOT}/Invoice": Reply(200, {"value": []})})
    wanted = range(9_000_000, 9_001_000, 2)
    assert list(hook.pages_any("Invoice", "InvoiceHeaderId", wanted)) == []
    queries = [seen.raw_query for seen in calls(server)]
    assert max(map(len, queries)) < 2048
    assert sum(query.count("InvoiceHeaderId") for query in queries) == 500


def test_get(server: FakeServer, hook: QmsHook) -> None:
    content = {"odata.metadata": "x", "PriceIndex": 1.10, **ROW}
    answers(server, {f"GET {ROOT}/VatCode(11)": Reply(200, content)})
    row = hook.get("VatCode", 11)
    assert row == {**ROW, "PriceIndex": Decimal("1.1")}
    assert isinstance(row["PriceIndex"], Decimal)
    assert hook.get("VatCode", 12) is None
    assert hook.stats.requests == {"GET /api/V3/odata/VatCode({key})": 2}


@pytest.mark.parametrize(
    "body",
    [
        "[]", "<html>", "", '{"VatCodeId": "12"}', "{}", '{"VatCodeId": "11", "Percentage": NaN}',
        '{"VatCodeId": "11", "Percentage": 1e99999999999999999999}', '{"VatCodeId": "\u00b2"}',
        '{"VatCodeId": "11", "Name": "\\ud800',
    ],
)  # fmt: skip
def test_get_of_something_else(server: FakeServer, hook: QmsHook, body: str) -> None:
    answers(server, {f"GET {ROOT}/VatCode(11)": Reply(200, body)})
    with pytest.raises(ContractViolationError):
        hook.get("VatCode", 11)


def test_create(server: FakeServer, hook: QmsHook) -> None:
    answers(server, {f"POST {ROOT}/VatCode": Reply(201, {"odata.metadata": "x", **ROW})})
    row = {"CompanyId": 3, "Code": "1", "Percentage": Decimal("21.00"), "IsDefault": False, "IcpReturn": None}
    assert hook.create("VatCode", row) == ROW
    sent = calls(server)[0]
    assert json.loads(sent.body) == {**row, "Percentage": "21.00"}
    assert sent.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(201, {}),
        Reply(201, b""),
        Reply(201, {"VatCodeId": None}),
        Reply(201, {"VatCodeId": True}),
        Reply(201, {**ROW, "Code": "2"}),
        Reply(200, "<html>"),
        Reply(204),
        Reply(201, ROW, fault="truncate"),
        Reply(503, b"", {"Retry-After": "5"}),
        Reply(500),
        Reply(fault="reset"),
        Reply(201, ROW, fault="stall"),
    ],
)
def test_create_whose_outcome_is_unknown_is_sent_once(server: FakeServer, hook: QmsHook, reply: Reply) -> None:
    answers(server, {f"POST {ROOT}/VatCode": reply})
    with pytest.raises(UnknownOutcomeError):
        hook.create("VatCode", {"Code": "1"})
    assert len(calls(server)) == 1


def test_create_takes_a_row_that_writes_its_code_otherwise(server: FakeServer, hook: QmsHook) -> None:
    row = {**ROW, "Code": "ab "}
    answers(server, {f"POST {ROOT}/VatCode": Reply(201, row)})
    assert hook.create("VatCode", {"Code": "AB"}) == row


def test_create_refused(server: FakeServer, hook: QmsHook) -> None:
    message = {"lang": "nl-NL", "value": "CustomerCode: is verplicht\nCustomerType: is verplicht"}
    refusal = {"odata.error": {"code": "ValidationFailed", "message": message}}
    answers(server, {f"POST {ROOT}/CustomerCompany": Reply(400, refusal)})
    with pytest.raises(RefusedError) as caught:
        hook.create("CustomerCompany", {})
    assert caught.value.messages == ["CustomerCode: is verplicht", "CustomerType: is verplicht"]
    assert (caught.value.reason, caught.value.entity) == ("refused_by_qms", "CustomerCompany")


@pytest.mark.parametrize("reply", [Reply(204), Reply(200, ROW)])
def test_replace(server: FakeServer, hook: QmsHook, reply: Reply) -> None:
    answers(server, {f"PUT {ROOT}/VatCode(11)": reply})
    hook.replace("VatCode", 11, {**ROW, "Percentage": Decimal("9.0")})
    assert json.loads(calls(server)[0].body)["Percentage"] == "9.0"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, "<html>"),
        Reply(200, {"VatCodeId": "12"}),
        Reply(200, {**ROW, "Code": "2"}),
        Reply(500),
        Reply(fault="close"),
    ],
)
def test_replace_whose_outcome_is_unknown_is_sent_once(server: FakeServer, hook: QmsHook, reply: Reply) -> None:
    answers(server, {f"PUT {ROOT}/VatCode(11)": reply})
    with pytest.raises(UnknownOutcomeError):
        hook.replace("VatCode", 11, ROW)
    assert len(calls(server)) == 1


def test_replace_of_a_row_that_is_gone(server: FakeServer, hook: QmsHook) -> None:
    with pytest.raises(TransientError, match="deleted"):
        hook.replace("VatCode", 11, ROW)


def test_replace_in_maintenance_is_looked_up_when_it_is_over(
    server: FakeServer, hook: QmsHook, fake_time: FakeTime
) -> None:
    hook.tokens.token()
    server.script.extend([Reply(503, b"", {"Retry-After": "40"}), Reply(200, json.dumps(ROW))])
    with pytest.raises(UnknownOutcomeError):
        hook.replace("VatCode", 11, ROW)
    assert hook.get("VatCode", 11) is not None
    assert sum(fake_time.sleeps) == pytest.approx(40, abs=1)


def test_replace_waits_for_its_turn(server: FakeServer, hook: QmsHook, fake_time: FakeTime) -> None:
    hook.tokens.token()
    server.script.extend([Reply(429, b"", {"Retry-After": "2"}), Reply(204)])
    hook.replace("VatCode", 11, ROW)
    assert sum(fake_time.sleeps) == pytest.approx(2, abs=1)
    assert hook.stats.waits == 1


@pytest.mark.parametrize("status", [401, 403])
def test_no_access(server: FakeServer, hook: QmsHook, status: int) -> None:
    answers(server, {f"PUT {ROOT}/VatCode(11)": Reply(status)})
    with pytest.raises(AccessError):
        hook.replace("VatCode", 11, ROW)


def test_pdf(server: FakeServer, hook: QmsHook) -> None:
    content = b"%PDF-1.7\n\x00\xff"
    answers(server, {f"GET {ROOT}/Invoice(9001)/Pdf": Reply(200, content)})
    assert hook.pdf(9001) == content
    assert hook.pdf(9002) is None
    answers(server, {f"GET {ROOT}/Invoice(9001)/Pdf": Reply(200, b"\xef\xbb\xbf\n" + content)})
    assert hook.pdf(9001) == b"\xef\xbb\xbf\n" + content
    for other in (b"<html>", b"", b" " * 1024 + content):
        answers(server, {f"GET {ROOT}/Invoice(9001)/Pdf": Reply(200, other)})
        with pytest.raises(ContractViolationError):
            hook.pdf(9001)
    assert calls(server)[0].headers["accept"].startswith("application/pdf")


def test_a_base_address_with_a_path(server: FakeServer, connect: Callable[..., None], database: sa.Engine) -> None:
    host: dict[str, Any] = {"host": "127.0.0.1/omgeving-1", "port": server.port, "schema": "http"}
    connect("qms_path", "qms", **host, extra={"refresh_token": "seed-path"})
    server.default = lambda seen: Reply(200, TOKENS) if seen.path.endswith("/token") else Reply(200, {"value": []})
    hook = QmsHook("qms_path", engine_=lambda: database)
    assert list(hook.pages("VatCode")) == []
    assert [seen.path for seen in server.seen] == [
        "/omgeving-1/api/oauth2/oauth2/token",
        "/omgeving-1/api/V3/odata/VatCode",
    ]
    assert hook.test_connection() == (True, "QMS answers; this connection reaches 0 companies.")
    hook.close()
