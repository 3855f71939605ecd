"""Both hooks over the project's stand-ins, as other processes: the contract's own behaviour, limits and faults."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import requests
import sqlalchemy as sa

from include.errors import GrantRefusedError, RefusedError, UnknownOutcomeError
from include.storage.grants import GrantStore
from include.storage.home import PROJECT_ROOT
from include.storage.tables import oauth_grant
from minox_qms.hooks.http import Limits
from minox_qms.hooks.minox import MinoxHook
from minox_qms.hooks.oauth import TokenSource
from minox_qms.hooks.qms import QmsHook
from minox_qms.hooks.site import authorize_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOGINS = {"minox": "qics-connector", "qms": "qms-connector"}


class StandIn:
    """One stand-in as a process of its own."""

    def __init__(self, system: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "sandbox", system, "--port", str(port), "--page-size", "3"]
        self.process = subprocess.Popen(command, cwd=PROJECT_ROOT, env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)})
        end = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < end
            assert self.process.poll() is None
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/_sandbox/health", timeout=2).ok
        except requests.ConnectionError:
            return False

    def control(self, path: str, body: Any = None, *, method: str = "POST") -> Any:
        answer = requests.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.control("requests", method="GET")["counts"]
        return counts

    def calls(self) -> dict[str, int]:
        return {name: count for name, count in self.counts().items() if "token" not in name}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[dict[str, StandIn]]:
    running = {system: StandIn(system) for system in LOGINS}
    yield running
    for stand_in in running.values():
        stand_in.stop()


def _declare(stand_in: StandIn, system: str, connect: Callable[..., None], database: sa.Engine) -> str:
    with database.begin() as connection:
        connection.execute(sa.delete(oauth_grant))
    stand_in.control("reset")
    conn_id = f"{system}_{uuid.uuid4().hex}"
    extra = {"refresh_token": f"sandbox-{system}-refresh"}
    connect(conn_id, system, stand_in.url, login=LOGINS[system], password="geheim", extra=extra)
    return conn_id


@pytest.fixture
def minox(stand_ins: dict[str, StandIn], connect: Callable[..., None], database: sa.Engine) -> Iterator[MinoxHook]:
    conn_id = _declare(stand_ins["minox"], "minox", connect, database)
    stand_ins["minox"].control("modes", {"rate_limit": "off", "page_size": 3, "retry_after": True})
    hook = MinoxHook(conn_id, 123456, 1, requests_per_second=200, engine_=lambda: database, limits=Limits(read=3))
    yield hook
    hook.close()


@pytest.fixture
def qms(stand_ins: dict[str, StandIn], connect: Callable[..., None], database: sa.Engine) -> Iterator[QmsHook]:
    conn_id = _declare(stand_ins["qms"], "qms", connect, database)
    stand_ins["qms"].control("modes", {"page_size": 50})
    hook = QmsHook(conn_id, 3, engine_=lambda: database, limits=Limits(read=3))
    yield hook
    hook.close()


def ids(pages: Iterator[list[bytes]], name: str) -> list[Any]:
    return [json.loads(row)[name] for page in pages for row in page]


def entry(number: int) -> bytes:
    common = {"journal": {"id": "VRK"}, "document_date": "2026-01-31", "invoice_number": number}
    head = {**common, "account": {"id": "10040"}, "debit": 121, "vat": {"amount": 0}, "description": "Advies"}
    return json.dumps([head, {**common, "account": {"id": "8000"}, "credit": 100, "vat": {"amount": 21}}]).encode()


@pytest.mark.parametrize(
    "modes", [{}, {"full_urls": True}, {"ids_as_text": True, "page_size": 1}, {"rfc3339_dates": True, "page_size": 500}]
)
def test_a_list_is_the_same_whatever_its_pages(
    stand_ins: dict[str, StandIn], minox: MinoxHook, modes: dict[str, Any]
) -> None:
    stand_ins["minox"].control("modes", {"full_urls": False, "ids_as_text": False, "rfc3339_dates": False, **modes})
    found = ids(minox.pages("vat"), "id")
    assert len(found) > 3
    assert sorted({int(one) for one in found}) == sorted(int(one) for one in found)
    stand_ins["minox"].control("modes", {"full_urls": False, "ids_as_text": False, "page_size": 500})
    assert [int(one) for one in found] == ids(minox.pages("vat"), "id")


def test_the_agreed_pace_never_meets_the_limit(stand_ins: dict[str, StandIn], minox: MinoxHook) -> None:
    stand_ins["minox"].control("modes", {"rate_limit": "5/1", "page_size": 1})
    time.sleep(1.1)  # the window of the tests before
    minox.requests_per_second = 4  # evenly spaced; a request that is late by a quarter of a second leaves room for five
    began = time.monotonic()
    number = len(ids(minox.pages("vat"), "id"))
    assert minox.stats.waits == 0
    assert time.monotonic() - began > (number - 1) / 4 - 1


@pytest.mark.parametrize("retry_after", [True, False])
def test_a_limit_that_is_met_is_waited_out(
    stand_ins: dict[str, StandIn], minox: MinoxHook, *, retry_after: bool
) -> None:
    stand_ins["minox"].control("modes", {"rate_limit": "4/2", "page_size": 1, "retry_after": retry_after})
    number = len(ids(minox.pages("vat"), "id"))
    calls = stand_ins["minox"].calls()
    assert sum(calls.values()) == number + minox.stats.waits
    assert minox.stats.retries == 0


def test_a_token_that_expires_in_the_middle(stand_ins: dict[str, StandIn], minox: MinoxHook) -> None:
    pages = minox.pages("vat")
    first = next(pages)
    stand_ins["minox"].control("grants", {"action": "expire"})
    rest = list(pages)
    assert len(rest) >= 1
    assert len(first) == 3


def test_a_withdrawn_grant_is_said_and_asked_for_once(stand_ins: dict[str, StandIn], minox: MinoxHook) -> None:
    list(minox.pages("vat"))
    stand_ins["minox"].control("grants", {"action": "revoke"})
    for _ in range(3):
        with pytest.raises(GrantRefusedError, match="withdrawn our access"):
            list(minox.pages("vat"))
    assert stand_ins["minox"].counts()["POST /oauth/token"] == 2


def test_a_booking_whose_answer_is_lost_is_found_by_its_id(stand_ins: dict[str, StandIn], minox: MinoxHook) -> None:
    batch = uuid.uuid4()
    assert minox.get_batch(batch) is None
    rule = {"method": "PUT", "path": str(batch), "action": "apply-then-drop"}
    stand_ins["minox"].control("faults", [rule])
    with pytest.raises(UnknownOutcomeError):
        minox.put_batch(batch, entry(88001))
    lines = minox.get_batch(batch)
    assert lines is not None
    assert [str(line.account.id) for line in lines if line.account] == ["10040", "8000"]
    assert [line.debit or line.credit for line in lines] == [Decimal(121), Decimal(100)]
    assert minox.receivable(10040, 88001) is not None
    assert minox.receivable(10040, 88002) is None
    assert 88001 in [found.invoice_number for page in minox.receivables() for found in page]
    assert len(minox.attach_blob(batch, "88001.pdf", b"%PDF-1.4 test")) == 36


def test_a_refused_booking_says_why(minox: MinoxHook) -> None:
    with pytest.raises(RefusedError) as caught:
        minox.put_batch(uuid.uuid4(), entry(88003).replace(b'"8000"', b'"8999"').replace(b"100", b"101"))
    assert len(caught.value.messages) >= 2
    assert any("8999" in message for message in caught.value.messages)


def test_administration_and_journals(minox: MinoxHook) -> None:
    assert minox.administration().fiscal_years
    assert "VRK" in [journal.id for journal in minox.journals()]
    minox.tokens.token()
    assert minox.test_connection() == (True, "Minox answers; this connection reaches tenant 123456.")


def test_a_row_of_qms_from_birth_to_replacement(stand_ins: dict[str, StandIn], qms: QmsHook) -> None:
    made = qms.create("CostCenter", {"CompanyId": 3, "Code": "d'Arc é€", "Name": "Afdeling"})
    key = int(made["CostCenterId"])
    assert ids(qms.pages_any("CostCenter", "Code", ["d'Arc é€", "x"]), "CostCenterId") == [str(key)]
    qms.replace("CostCenter", key, {**made, "Name": "Anders"})
    found = qms.get("CostCenter", key)
    assert found == {**made, "Name": "Anders"}
    stand_ins["qms"].control("modes", {"put_answers_row": True})
    qms.replace("CostCenter", key, made)
    stand_ins["qms"].control("modes", {"put_answers_row": False})
    assert qms.get("CostCenter", key) == made
    assert qms.get("CostCenter", 987_654_321) is None
    with pytest.raises(RefusedError) as caught:
        qms.create("CustomerCompany", {"CompanyId": 3, "Unknown": 1})
    assert len(caught.value.messages) > 1


def test_a_row_that_was_made_though_the_answer_was_lost(stand_ins: dict[str, StandIn], qms: QmsHook) -> None:
    stand_ins["qms"].control("faults", [{"method": "POST", "path": "CostCenter", "action": "apply-then-drop"}])
    with pytest.raises(UnknownOutcomeError):
        qms.create("CostCenter", {"CompanyId": 3, "Code": "eens", "Name": "Eens"})
    assert len(ids(qms.pages_any("CostCenter", "Code", ["eens"]), "CostCenterId")) == 1


def test_invoices_by_their_keys(qms: QmsHook) -> None:
    every = [int(key) for key in ids(qms.pages("Invoice"), "InvoiceHeaderId")]
    wanted = every[::2]
    assert [int(key) for key in ids(qms.pages_any("Invoice", "InvoiceHeaderId", wanted), "InvoiceHeaderId")] == wanted
    content = qms.pdf(next(key for key in every if qms.pdf(key) is not None))
    assert content is not None
    assert content.startswith(b"%PDF-")


@pytest.mark.parametrize("body", ["<html>", '{"value": [', {"value": 5}, '{"value": [{"a": NaN}]}'])
def test_half_a_list_is_none(stand_ins: dict[str, StandIn], qms: QmsHook, body: Any) -> None:
    stand_ins["qms"].control("faults", [{"path": "VatCode", "action": "body", "body": body}])
    with pytest.raises(Exception, match="cannot be used"):
        list(qms.pages("VatCode"))


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "status", "status": 502, "body": "<html>"},
        {"action": "status", "status": 503, "headers": {"Retry-After": "1"}},
        {"action": "status", "status": 429, "headers": {"Retry-After": "1"}},
        {"action": "drop"},
        {"action": "truncate"},
    ],
)
def test_passing_faults_of_a_list_are_ridden_out(
    stand_ins: dict[str, StandIn], qms: QmsHook, rule: dict[str, Any]
) -> None:
    expected = ids(qms.pages("VatCode"), "VatCodeId")
    stand_ins["qms"].control("faults", [{"path": "VatCode", "times": 2, **rule}])
    assert ids(qms.pages("VatCode"), "VatCodeId") == expected
    assert qms.stats.retries + qms.stats.waits == 2


@pytest.mark.parametrize("system", ["minox", "qms"])
def test_the_code_flow(
    stand_ins: dict[str, StandIn], minox: MinoxHook, qms: QmsHook, database: sa.Engine, system: str
) -> None:
    hook = minox if system == "minox" else qms
    back = f"{stand_ins[system].url}/callback"
    page = requests.get(authorize_url(hook.site, back, "state-1"), timeout=10, allow_redirects=False)
    assert page.status_code in {200, 302}
    tokens = TokenSource(lambda: hook.site, GrantStore(lambda: database))
    with pytest.raises(GrantRefusedError, match="code of this sign-in"):
        tokens.exchange_code("no-such-code", back)
