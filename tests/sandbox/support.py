"""What the tests of the stand-ins share: a client that checks every answer against the contract."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi.testclient import TestClient

from sandbox.common.config import Config, Row
from sandbox.common.contract import contract
from sandbox.common.json_text import dumps, loads
from sandbox.dataset import load
from sandbox.minox.app import create_app as create_minox
from sandbox.qms.app import create_app as create_qms

if TYPE_CHECKING:
    import httpx2 as httpx

PLACE = "/api/1/tenant/123456/administration/1"
ODATA = "/api/V3/odata"
BATCH = "5f0c7a58-6f0e-5a57-9c1e-5a1f8d9b7c11"
RATE_HEADERS = ("x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset")

CREDENTIALS = {
    "minox": {"client_id": "qics-connector", "client_secret": "geheim"},
    "qms": {"client_id": "qms-connector", "client_secret": "geheim"},
}
TOKEN_PATHS = {"minox": "/oauth/token", "qms": "/api/oauth2/oauth2/token"}
AUTHORIZE_PATHS = {"minox": "/oauth/authorize", "qms": "/api/oauth2/oauth2/auth"}


@cache
def demo() -> Row:
    """The demo's data set, made once."""
    return load("demo")


def small_demo() -> Row:
    """The demo's QMS without invoice lines and change log, for tests that look at everything."""
    return {"qms": demo()["qms"] | {"OverviewInvoiceLine": [], "EntityChange": []}}


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Sandbox:
    """One stand-in with an authorised client."""

    def __init__(self, system: str, **settings: Any) -> None:
        self.system = system
        self.clock = Clock()
        defaults: Row = {"dataset": demo(), "rate_limit": "off", "clock": self.clock}
        app = (create_minox if system == "minox" else create_qms)(Config(**(defaults | settings)))
        self.client = TestClient(app, follow_redirects=False)
        self.authorise()

    def authorise(self, refresh_token: str | None = None) -> Row:
        answer = self.token(grant_type="refresh_token", refresh_token=refresh_token or f"sandbox-{self.system}-refresh")
        assert answer.status_code == 200, answer.text
        tokens: Row = answer.json()
        self.client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        return tokens

    def token(self, **fields: str) -> httpx.Response:
        answer = self.client.post(TOKEN_PATHS[self.system], data=CREDENTIALS[self.system] | fields)
        self._check("post", TOKEN_PATHS[self.system], answer)
        return answer

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Call an operation, and check the answer against the contract."""
        if body is not None:
            options.setdefault("headers", {})["Content-Type"] = "application/json"
            options["content"] = body if isinstance(body, bytes | str) else dumps(body)
        answer = self.client.request(method, path, **options)
        self._check(method.lower(), path, answer)
        return answer

    def get(self, path: str, **options: Any) -> Any:
        answer = self.call("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return loads(answer.content)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, f"/_sandbox/{path}", content=dumps(body) if body is not None else None)
        assert answer.status_code in {200, 204}, answer.text
        return loads(answer.content) if answer.content else None

    def rows(self, entity: str, query: str = "") -> list[Row]:
        """All rows of a QMS list, over all pages."""
        url, rows = f"{ODATA}/{entity}{query}", []
        while url:
            page = self.get(url)
            rows += page["value"]
            url = page.get("odata.nextLink", "")
        return rows

    def collection(self, entity: str) -> list[Row]:
        """All rows of a Minox list, over all pages."""
        url, rows = f"{PLACE}/{entity}", []
        while True:
            page = self.get(url)
            rows += page["collection"]
            link = page["links"]["next"]
            if link is None:
                return rows
            url = link if link.startswith("http") else f"{PLACE}/{entity}?next={link}"

    def _check(self, method: str, url: str, answer: httpx.Response) -> None:
        path = contract_path(self.system, url)
        validator = contract(self.system).response(path, method, answer.status_code)
        if validator is not None:
            problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(loads(answer.content))]
            assert not problems, (url, problems[:5])
        if path.startswith("/api/1"):
            assert all(name in answer.headers for name in RATE_HEADERS)


def contract_path(system: str, url: str) -> str:
    """The contract's own path for a call."""
    path = re.sub(r"^https?://[^/]+", "", url).partition("?")[0]
    for template in contract(system).document["paths"]:
        pattern = re.sub(r"\\\{\w+\\\}", "[^/()]+", re.escape(template))
        if re.fullmatch(pattern, path):
            return str(template)
    raise AssertionError(f"The contract has no path for {path}")


def line(account: str, **fields: Any) -> Row:
    """A line of an entry."""
    base = {"account": {"id": account}, "journal": {"id": "VRK"}, "document_date": "2026-01-31"}
    return base | {"invoice_number": 77001} | fields


def entry() -> list[Row]:
    """An entry that Minox takes."""
    return [
        line("10040", debit=121, vat={"amount": 0}, description="Advies"),
        line("8000", credit=100, vat={"amount": 21}, cost_center={"id": 110}),
    ]
