"""The pages that show what is stored."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.sandbox.support import BATCH, PLACE, Sandbox, entry


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [str(value) for name, value in attrs if name in {"href", "src"}]


def links(text: str) -> list[str]:
    parser = Links()
    parser.feed(text)
    return parser.found


@pytest.mark.parametrize("system", ["minox", "qms"])
def test_every_page_leads_on_and_nothing_comes_from_outside(system: str) -> None:
    sandbox = Sandbox(system)
    waiting, seen = ["/"], set[str]()
    while waiting:
        path = waiting.pop()
        kind = re.sub(r"[0-9]+", "N", path)
        if kind in seen:
            continue
        seen.add(kind)
        answer = sandbox.client.get(path)
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            assert 'name="viewport"' in answer.text
            assert all(link.startswith("/") for link in links(answer.text)), path
            waiting += links(answer.text)
    assert len(seen) > 15


def test_a_booked_entry_has_a_page_with_its_totals(minox: Sandbox) -> None:
    minox.call("PUT", f"{PLACE}/transaction_line_batch/{BATCH}", entry())
    overview = minox.client.get("/pages/123456/1/batch").text
    assert "121.00" in overview
    assert f"/pages/123456/1/batch/{BATCH}" in links(overview)
    page = minox.client.get(f"/pages/123456/1/batch/{BATCH}").text
    assert "Omzet advies hoog tarief" in page
    assert page.count("21.00") >= 2


def test_what_is_stored_is_shown_and_never_run() -> None:
    tenant = {
        "tenant_id": 1,
        "name": "x",
        "administrations": [{"id": 1, "name": "<script>"}],
        "data": {"1": {"vat": [{"id": "<b>", "description": "<script>alert(1)</script>"}]}},
    }
    minox = Sandbox("minox", dataset={"minox": {"tenants": [tenant]}})
    for path in ("/", "/pages/1/1/vat", "/pages/1/1/vat/0"):
        assert "<script>" not in minox.client.get(path).text


@pytest.mark.parametrize(
    ("system", "path"),
    [
        ("minox", "/pages/1/1/vat"),
        ("minox", "/pages/123456/1/unicorn"),
        ("minox", "/pages/123456/1/vat/99"),
        ("minox", "/pages/123456/x/vat"),
        ("qms", "/pages/Unicorn"),
        ("qms", "/pages/VatCode/99"),
        ("qms", "/pages/Invoice/99/pdf"),
    ],
)
def test_what_is_not_there(system: str, path: str) -> None:
    assert Sandbox(system).client.get(path).status_code == 404


def test_an_invoice_shows_its_lines_and_links_to_its_pdf(qms: Sandbox) -> None:
    text = qms.client.get("/pages/OverviewInvoice/9001").text
    assert "Lines" in text
    assert "/pages/Invoice/9001/pdf" in links(text)
