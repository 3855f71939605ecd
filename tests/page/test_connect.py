"""Connect: the code flow over the stand-ins, on the page and at the prompt."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import sqlalchemy as sa
import typer
from typer.testing import CliRunner

from include.storage.engine import _engine_of_process
from include.storage.grants import Grant, GrantStore
from include.storage.stories import people_of
from include.storage.tables import link_fact, oauth_grant
from minox_qms.cli import app
from minox_qms.hooks.address import one_spelling
from minox_qms.page import sign_ins
from tests.page import records
from tests.page.records import LINK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.page.conftest import Site, Visitor


@pytest.fixture(autouse=True)
def _no_grant(site: Site) -> Iterator[None]:
    with site.database.begin() as connection:
        connection.execute(sa.delete(oauth_grant))
    yield
    records.grant(site.database)


def _grant(site: Site, conn_id: str) -> Grant | None:
    return GrantStore(lambda: site.database).read(conn_id)


def _authorize(visitor: Visitor, system: str) -> str:
    """Press Connect; returns the address of the consent page."""
    answer = visitor.post(f"/links/{LINK}/connect/{system}")
    assert answer.status_code == 200, answer.text
    (target,) = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.text)
    return html.unescape(target)


def _consent(url: str, decision: str = "approve") -> str:
    """Sign in at the stand-in; returns where it sends the browser."""
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(url, timeout=10).status_code == 200
        answer = session.post(url, data={"decision": decision}, timeout=10, allow_redirects=False)
    assert answer.status_code == 302
    return answer.headers["Location"]


def _back(visitor: Visitor, url: str) -> requests.Response:
    assert url.startswith(visitor.url)
    return visitor.get(url.removeprefix(visitor.url))


@pytest.mark.parametrize("system", ["minox", "qms"])
def test_connecting_stores_tokens_encrypted(site: Site, admin: Visitor, system: str) -> None:
    text = admin.page(f"/links/{LINK}/connections")
    assert text.count("Not connected yet") == 2
    assert f"{admin.url}/oauth/callback" in text
    target = _authorize(admin, system)
    query = parse_qs(urlsplit(target).query)
    assert query["redirect_uri"] == [f"{admin.url}/oauth/callback"]
    assert len(query["state"][0]) >= 43
    back = _consent(target)
    answer = _back(admin, back)
    assert answer.headers["Location"] == f"/minox-qms/links/{LINK}/connections?connected={system}"
    grant = _grant(site, f"{system}_page")
    assert grant is not None
    assert (grant.state, grant.generation) == ("good", 1)
    assert grant.access_token != grant.sealed_access
    text = admin.page(f"/links/{LINK}/connections?connected={system}")
    assert "is connected." in text
    assert "Known good until" in text
    assert str(grant.access_token) not in text
    with site.database.connect() as connection:
        assert people_of(connection, LINK, "connections", f"{system}_page")[-1].person == "admin"
    assert _back(admin, back).status_code == 400  # the state works once


def test_the_state_is_this_users_and_young(site: Site, admin: Visitor) -> None:
    back = _consent(_authorize(admin, "minox"))
    assert _back(site.visitor(None), back).status_code == 401
    assert _back(site.visitor("eva"), back).status_code == 400
    assert _back(admin, re.sub("state=[^&]+", "state=forged", back)).status_code == 400
    assert _back(admin, re.sub("&?state=[^&]+", "", back)).status_code == 400
    assert _grant(site, "minox_page") is None
    with site.database.begin() as connection:
        mine = link_fact.c.name.startswith("sign-in:")
        old = sa.func.clock_timestamp() - dt.timedelta(minutes=11)
        connection.execute(sa.update(link_fact).where(mine).values(noted_at=old))
    answer = _back(admin, back)
    assert answer.status_code == 400
    assert "connect again" in answer.text
    assert _grant(site, "minox_page") is None
    _authorize(admin, "minox")
    with site.database.connect() as connection:
        rows = connection.execute(sa.select(link_fact).where(link_fact.c.name.startswith("sign-in:"))).all()
    assert len(rows) == 1  # what is over is forgotten
    state = sign_ins.begin(site.database, LINK, "qms", "https://here", "admin")
    assert state not in str(rows)
    assert sign_ins.take(site.database, state, "eva") is None
    assert sign_ins.take(site.database, state, "admin") == sign_ins.SignIn(LINK, "qms", "https://here")
    assert sign_ins.take(site.database, state, "admin") is None
    state = sign_ins.begin(site.database, LINK, "qms", "https://here", "admin")
    with site.database.begin() as connection:
        connection.execute(sa.update(link_fact).where(mine).values(noted_at=old))
    assert sign_ins.take(site.database, state, "admin") is None


def test_a_refusal_changes_nothing(site: Site, admin: Visitor) -> None:
    answer = _back(admin, _consent(_authorize(admin, "qms"), "refuse"))
    assert answer.status_code == 400
    assert "did not give access" in answer.text
    target = _authorize(admin, "minox")
    state = parse_qs(urlsplit(target).query)["state"][0]
    answer = admin.get(f"/oauth/callback?code=forged&state={state}")
    assert answer.status_code == 400
    assert "connect again" in answer.text
    assert _grant(site, "qms_page") is None
    known = _grant(site, "minox_page")
    assert known is None or known.state == "absent"


def test_the_page_says_what_to_do(site: Site, admin: Visitor) -> None:
    path = f"/links/{LINK}/connections"
    records.grant(site.database, state="refused", message="Minox: invalid_grant")
    assert admin.page(path).count("Access was withdrawn") == 2
    assert "access was withdrawn" in admin.page(f"/links/{LINK}")
    records.grant(site.database)
    assert admin.page(path).count("connected to another address") == 2
    for system, url, token in (("minox", site.minox, "/oauth/token"), ("qms", site.qms, "/api/oauth2/oauth2/token")):
        with site.database.begin() as connection:
            mine = oauth_grant.c.conn_id == f"{system}_page"
            connection.execute(sa.update(oauth_grant).where(mine).values(issuer=one_spelling(url + token)))
    assert "notice" not in admin.page(path)
    with site.database.begin() as connection:
        old = sa.func.clock_timestamp() - dt.timedelta(hours=25)
        connection.execute(sa.update(oauth_grant).values(refreshed_at=old, obtained_at=old, expires_at=old))
    assert admin.page(path).count("not renewed for more than a day") == 2


@pytest.fixture
def prompt(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The command line, at the same database; gives the redirect address."""
    monkeypatch.setenv("MINOX_QMS_DATABASE_URL", site.database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MINOX_QMS_LINKS_DIR", str(site.links))
    content = {"conn_type": "minox", "host": site.minox, "login": "qics-connector", "password": "geheim"}
    monkeypatch.setenv("AIRFLOW_CONN_MINOX_PAGE", json.dumps(content))
    _engine_of_process.cache_clear()
    yield "http://127.0.0.1:9/minox-qms/oauth/callback"
    _engine_of_process.cache_clear()


@pytest.mark.parametrize("whole", [True, False])
def test_connecting_at_the_prompt(site: Site, prompt: str, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    def paste(_: str) -> str:
        back = _consent(next(text.strip() for text in shown if "/oauth/authorize" in text))
        return back if whole else parse_qs(urlsplit(back).query)["code"][0]

    shown: list[str] = []
    monkeypatch.setattr("typer.prompt", paste)
    printed = typer.echo

    def echo(text: str) -> None:
        shown.append(text)
        printed(text)

    monkeypatch.setattr("typer.echo", echo)
    result = CliRunner().invoke(app, ["connect", LINK, "minox", "--redirect-uri", prompt, "--by", "jan"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "Minox is connected" in result.output
    grant = _grant(site, "minox_page")
    assert grant is not None
    assert grant.state == "good"
    assert str(grant.refresh_token) not in result.output
    with site.database.connect() as connection:
        assert people_of(connection, LINK, "connections", "minox_page")[-1].person == "jan"


@pytest.mark.parametrize(
    ("pasted", "code", "wanted"),
    [
        ("http://127.0.0.1:9/cb?code=abc&state=other", 2, "another sign-in"),
        ("http://127.0.0.1:9/cb?error=access_denied&state=x", 2, "refused"),
        ("http://127.0.0.1:9/cb?state=x", 2, "holds no code"),
        ("forged", 2, "connect again"),
        ("4/0AbC-d==", 2, "connect again"),
    ],
)
def test_what_was_pasted_is_read_with_care(
    site: Site, prompt: str, monkeypatch: pytest.MonkeyPatch, pasted: str, code: int, wanted: str
) -> None:
    monkeypatch.setattr("typer.prompt", lambda _: pasted)
    result = CliRunner().invoke(app, ["connect", LINK, "minox", "--redirect-uri", prompt])
    assert result.exit_code == code, result.output
    assert wanted in result.output
    known = _grant(site, "minox_page")
    assert known is None or known.state == "absent"


def test_a_missing_connection_is_said(prompt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_MINOX_PAGE")
    result = CliRunner().invoke(app, ["connect", LINK, "minox", "--redirect-uri", prompt])
    assert result.exit_code == 2
    assert "no connection 'minox_page'" in result.output
