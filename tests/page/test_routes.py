"""Every route of the page: who may, what it answers, and what it never shows."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from fastapi.routing import APIRoute

from include.storage.grants import GrantStore
from minox_qms.page.app import HEADERS, create_app
from tests.page import records
from tests.page.conftest import SECRETS
from tests.page.records import EVIL, KEY, LINK, PATHS

if TYPE_CHECKING:
    from tests.page.conftest import Site, Visitor

VALUES = {
    "link": LINK, "invoice_id": str(records.BOOKED), "number": "1", "dag_id": f"qms_invoices__{LINK}", "run_id": "x",
    "system": "minox", "name": "sync.css",
}  # fmt: skip
FORMS = {"record/reoffer": {"entity": "customers", "key": "2"}, "reoffer-refused": {"entity": "customers"}}


def _routes() -> list[tuple[str, str]]:
    """Method and address of every route, with values in the places of its parameters."""
    app = create_app()
    assert app.docs_url is app.redoc_url is app.openapi_url is None
    found = []
    for route in app.routes:
        assert isinstance(route, APIRoute), f"{route} is no route that asks for a user"
        path = re.sub(r"\{([a-z_]+)\}", lambda match: VALUES[match[1]], route.path)
        found += [(method, path) for method in sorted(route.methods)]
    return found


ROUTES = _routes()
WRITES = [path for method, path in ROUTES if method != "GET"]


def test_the_walk_sees_the_routes() -> None:
    assert len(ROUTES) > 20
    assert {method for method, _ in ROUTES} == {"GET", "POST"}
    assert len(WRITES) == 6


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_gets_in_without_airflows_login(nobody: Visitor, method: str, path: str) -> None:
    answer = nobody.session.request(method, nobody.url + path, timeout=30, allow_redirects=False)
    assert answer.status_code == 401
    assert "Please sign in" in answer.text
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert LINK not in re.sub(r'"[^"]*"', "", answer.text)
    nobody.session.cookies.set("_token", "forged")
    assert nobody.session.request(method, nobody.url + path, timeout=30).status_code in {401, 403}


def _token(site: Site, visitor: Visitor, name: str) -> str:
    """The form token of somebody whom the page shows no form."""
    key = hashlib.sha256(b"minox-qms forms" + site.secret.encode()).digest()
    text = f"{name}\x00{visitor.session.cookies['minox_qms_form']}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("path", WRITES)
def test_a_viewer_may_not_write(site: Site, viewer: Visitor, admin: Visitor, path: str) -> None:
    form = next((values for part, values in FORMS.items() if part in path), {"reason": "because"})
    assert admin.token() == _token(site, admin, "admin")
    assert viewer.token() == ""  # there is no form to take one from
    answer = viewer.post(path, form, token=_token(site, viewer, "eva"))
    assert answer.status_code == 403
    assert "Airflow does not give you permission" in answer.text
    assert viewer.post(path, form, token=admin.token()).status_code == 403


@pytest.mark.parametrize("path", WRITES)
def test_a_form_of_another_site_is_refused(admin: Visitor, path: str) -> None:
    form = next((values for part, values in FORMS.items() if part in path), {"reason": "because"})
    own = admin.url.removesuffix("/minox-qms")
    good = {"Origin": own, "Sec-Fetch-Site": "same-origin"}
    for headers in (
        {},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": own, "Sec-Fetch-Site": "cross-site"},
        {"Origin": own, "Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "same-origin"},
    ):
        answer = admin.post(path, form, headers=headers)
        assert answer.status_code == 403, headers
        assert "was not sent from this page" in answer.text
    for token in ("", "0" * 64, "ž"):
        assert admin.post(path, form, headers=good, token=token).status_code == 403


def test_a_form_is_bound_to_user_and_browser(site: Site, admin: Visitor) -> None:
    other = site.visitor("admin")
    stolen = other.token()
    assert stolen != admin.token()
    assert admin.post("/links/page/invoices/9005/reoffer", token=stolen).status_code == 403
    cookie = next(one for one in admin.session.cookies if one.name == "minox_qms_form")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"


class _Seen(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def _check_page(text: str) -> None:
    """What hostile text in any field did not do."""
    seen = _Seen()
    seen.feed(text)
    assert seen.tags.count("script") == 1
    assert "img" not in seen.tags
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name == "style"]
    outside = [
        value for name, value in seen.attributes
        if name in {"src", "href", "action"} and value and re.match(r"(?i)\s*(javascript|data|https?):", value)
    ]  # fmt: skip
    assert not outside
    assert "99221" not in text
    for secret in SECRETS:
        assert secret not in text


@pytest.mark.parametrize("path", [f"/links/{LINK}{path}" for path in PATHS] + ["/", "/dag/<b>x</b>", "/links/none"])
@pytest.mark.parametrize("language", ["en", "nl"])
def test_everything_is_escaped_and_nothing_secret(admin: Visitor, path: str, language: str) -> None:
    answer = admin.get(f"{path}{'&' if '?' in path else '?'}lang={language}")
    assert answer.status_code in {200, 404}
    assert f'<html lang="{language}">' in answer.text
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    _check_page(answer.text)


def test_hostile_text_is_shown_as_text(admin: Visitor) -> None:
    shown = "&lt;script&gt;alert(1)&lt;/script&gt;"
    for path, least in (
        ("/invoices/9001", 15), ("/invoices/9004", 2), ("/rejections", 4), ("/changes", 4), ("/runs/1", 8),
        ("/checks", 4), ("/reconciliation", 3), ("/settings", 1), ("/records", 1),
        ("/invoices?outcome=booked&number=%3Cscript", 1), ("", 2),
    ):  # fmt: skip
        assert admin.page(f"/links/{LINK}{path}").count(shown) >= least, path
    record = admin.session.get(
        f"{admin.url}/links/{LINK}/record", params={"entity": "customers", "key": KEY}, timeout=30
    )
    assert record.status_code == 200
    assert record.text.count(shown) >= 12
    _check_page(record.text)


def test_hostile_queries_are_no_error(admin: Visitor) -> None:
    for query in (
        "number=" + EVIL, "customer=x", "from_date=yesterday", "amount_from=NaN", "amount_to=1e999", "outcome=" + EVIL,
        "customer=99999999999", "amount_from=" + "9" * 40,
    ):  # fmt: skip
        answer = admin.session.get(f"{admin.url}/links/{LINK}/invoices?{query}", timeout=30)
        assert answer.status_code in {200, 400}, query
        _check_page(answer.text)
    for path in ("/rejections?after=x", "/records?after=" + EVIL, "/runs?after=W10", "/runs?direction=x", "/runs/x"):
        answer = admin.get(f"/links/{LINK}{path}")
        assert answer.status_code == 400, path
        _check_page(answer.text)


def test_the_link_in_the_address_is_checked(admin: Visitor) -> None:
    for name in ("none", "%2e%2e%2fx", "a/b", "-x", EVIL):
        assert admin.get(f"/links/{name}").status_code in {400, 404}, name


def test_no_token_leaves_the_database(site: Site, admin: Visitor) -> None:
    grant = GrantStore(lambda: site.database).read("minox_page")
    assert grant is not None
    assert grant.sealed_access is not None
    assert grant.sealed_refresh is not None
    for path in ("", "/connections", "/settings"):
        text = admin.page(f"/links/{LINK}{path}")
        for secret in (*records.TOKENS, grant.sealed_access, grant.sealed_refresh, "geheim", "seed-of-the-page"):
            assert secret not in text


def test_the_page_is_in_airflows_navigation_and_on_dags(admin: Visitor) -> None:
    base = admin.url.removesuffix("/minox-qms")
    plugins = json.loads(admin.session.get(f"{base}/api/v2/plugins", timeout=30).text)["plugins"]
    (own,) = [one for one in plugins if one["name"] == "minox_qms"]
    places = {view["destination"]: view["href"] for view in own["external_views"]}
    assert places == {
        "nav": "/minox-qms/",
        "dag": "/minox-qms/dag/{DAG_ID}",
        "dag_run": "/minox-qms/dag/{DAG_ID}/run/{RUN_ID}",
        "task_instance": "/minox-qms/dag/{DAG_ID}/run/{RUN_ID}",
    }
    assert admin.session.get(f"{base}/api/v2/plugins/importErrors", timeout=30).json()["total_entries"] == 0
