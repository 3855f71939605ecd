"""The authorization code flow of both stand-ins."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.sandbox.support import AUTHORIZE_PATHS, CREDENTIALS, ODATA, PLACE, TOKEN_PATHS, Sandbox

CALLBACK = "http://127.0.0.1:8080/callback"


@pytest.fixture(params=["minox", "qms"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return Sandbox(request.param, token_seconds=600)


def ask(sandbox: Sandbox, **changes: str) -> dict[str, str]:
    query = {
        "client_id": CREDENTIALS[sandbox.system]["client_id"],
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "vat:read item:read",
        "state": "s1",
    }
    return query | changes


def consent(sandbox: Sandbox, decision: str = "approve", **changes: str) -> dict[str, list[str]]:
    answer = sandbox.client.post(
        AUTHORIZE_PATHS[sandbox.system], params=ask(sandbox, **changes), data={"decision": decision}
    )
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(CALLBACK)
    return parse_qs(urlsplit(answer.headers["location"]).query)


def exchange(sandbox: Sandbox, code: str, **changes: str) -> Any:
    return sandbox.token(**{"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK} | changes)


def works(sandbox: Sandbox) -> bool:
    path = f"{PLACE}/vat" if sandbox.system == "minox" else f"{ODATA}/Company"
    return sandbox.call("GET", path).status_code == 200


def test_the_consent_page_asks_and_names_the_client(sandbox: Sandbox) -> None:
    answer = sandbox.client.get(AUTHORIZE_PATHS[sandbox.system], params=ask(sandbox))
    assert answer.status_code == 200
    assert "Toestaan" in answer.text
    assert CREDENTIALS[sandbox.system]["client_id"] in answer.text


def test_a_code_becomes_tokens_that_work(sandbox: Sandbox) -> None:
    given = consent(sandbox)
    assert given["state"] == ["s1"]
    tokens = exchange(sandbox, given["code"][0])
    assert tokens.status_code == 200
    assert tokens.headers["cache-control"] == "no-store"
    assert tokens.json()["expires_in"] == 600
    sandbox.client.headers["Authorization"] = f"Bearer {tokens.json()['access_token']}"
    assert works(sandbox)


def test_a_refusal_comes_back_as_access_denied(sandbox: Sandbox) -> None:
    assert consent(sandbox, "refuse") == {"error": ["access_denied"], "state": ["s1"]}


def test_further_parameters_come_back(sandbox: Sandbox) -> None:
    assert consent(sandbox, company="3")["company"] == ["3"]


@pytest.mark.parametrize(
    "changes", [{"client_id": "stranger"}, {"redirect_uri": "https://evil.example/x"}, {"redirect_uri": "x"}]
)
def test_what_is_not_registered_gets_a_page_and_no_redirect(sandbox: Sandbox, changes: dict[str, str]) -> None:
    answer = sandbox.client.get(AUTHORIZE_PATHS[sandbox.system], params=ask(sandbox, **changes))
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_a_code_works_once_and_its_second_use_revokes_the_tokens(sandbox: Sandbox) -> None:
    code = consent(sandbox)["code"][0]
    tokens = exchange(sandbox, code).json()
    again = exchange(sandbox, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    sandbox.client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    assert not works(sandbox)


def test_a_code_lives_a_minute(sandbox: Sandbox) -> None:
    code = consent(sandbox)["code"][0]
    sandbox.clock.now += 60
    assert exchange(sandbox, code).json()["error"] == "invalid_grant"


def test_a_code_is_bound_to_its_redirect_address(sandbox: Sandbox) -> None:
    code = consent(sandbox)["code"][0]
    assert exchange(sandbox, code, redirect_uri=f"{CALLBACK}2").json()["error"] == "invalid_grant"
    assert exchange(sandbox, code).status_code == 200


def test_a_refresh_token_works_once_and_its_second_use_revokes_the_family(sandbox: Sandbox) -> None:
    first = sandbox.authorise(consented(sandbox))
    second = sandbox.authorise(first["refresh_token"])
    assert works(sandbox)
    spent = sandbox.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert spent.json()["error"] == "invalid_grant"
    assert not works(sandbox)
    heir = sandbox.token(grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert (heir.status_code, heir.json()["error"]) == (400, "invalid_grant")


def consented(sandbox: Sandbox) -> str:
    return str(exchange(sandbox, consent(sandbox, scope="vat:read")["code"][0]).json()["refresh_token"])


def test_the_first_refresh_token_is_good_until_it_is_used(sandbox: Sandbox) -> None:
    spent = sandbox.token(grant_type="refresh_token", refresh_token=f"sandbox-{sandbox.system}-refresh")
    assert spent.json()["error"] == "invalid_grant"
    sandbox.control("POST", "reset")
    sandbox.authorise()
    assert works(sandbox)


def test_an_access_token_expires(sandbox: Sandbox) -> None:
    sandbox.clock.now += 599
    assert works(sandbox)
    sandbox.clock.now += 1
    assert not works(sandbox)


def test_expiry_and_withdrawal_on_demand(sandbox: Sandbox) -> None:
    refreshed = sandbox.authorise(consented(sandbox))
    sandbox.control("POST", "grants", {"action": "expire"})
    assert not works(sandbox)
    tokens = sandbox.authorise(refreshed["refresh_token"])
    assert works(sandbox)
    sandbox.control("POST", "grants", {"action": "revoke"})
    assert not works(sandbox)
    dead = sandbox.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert dead.json()["error"] == "invalid_grant"
    sandbox.control("POST", "grants", {"action": "reset"})
    sandbox.authorise()
    assert works(sandbox)


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"client_secret": "wrong", "grant_type": "refresh_token"}, 401, "invalid_client"),
        ({"client_id": "stranger", "grant_type": "refresh_token"}, 401, "invalid_client"),
        ({}, 400, "invalid_request"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x"}, 400, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x", "redirect_uri": CALLBACK}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_refusals(sandbox: Sandbox, fields: dict[str, str], status: int, error: str) -> None:
    answer = sandbox.token(**fields)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_credentials_as_basic_and_a_json_body(sandbox: Sandbox) -> None:
    refresh = consented(sandbox)
    credentials = CREDENTIALS[sandbox.system]
    basic = base64.b64encode(":".join(credentials.values()).encode()).decode()
    body = {"grant_type": "refresh_token", "refresh_token": refresh}
    path = TOKEN_PATHS[sandbox.system]
    wrong = base64.b64encode(b"x:y").decode()
    refused = sandbox.client.post(path, json=body, headers={"Authorization": f"Basic {wrong}"})
    assert refused.status_code == 401
    both = sandbox.client.post(path, json=body | credentials, headers={"Authorization": f"Basic {wrong}"})
    assert both.json()["error"] == "invalid_request"
    answer = sandbox.client.post(path, json=body, headers={"Authorization": f"Basic {basic}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"grant_type": 1}', b"\xff"])
def test_a_body_that_cannot_be_read(sandbox: Sandbox, content: bytes) -> None:
    path = TOKEN_PATHS[sandbox.system]
    answer = sandbox.client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_another_media_type_is_a_415(sandbox: Sandbox) -> None:
    path = TOKEN_PATHS[sandbox.system]
    answer = sandbox.client.post(path, content=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


def test_a_parameter_that_is_there_twice(sandbox: Sandbox) -> None:
    content = "grant_type=refresh_token&grant_type=refresh_token"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = sandbox.client.post(TOKEN_PATHS[sandbox.system], content=content, headers=headers)
    assert answer.json()["error"] == "invalid_request"


def test_minox_gives_only_the_scopes_that_were_asked_for() -> None:
    minox = Sandbox("minox")
    tokens = exchange(minox, consent(minox, scope="vat:read")["code"][0]).json()
    assert tokens["scope"] == "vat:read"
    minox.client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    assert minox.call("GET", f"{PLACE}/vat").status_code == 200
    assert minox.call("GET", f"{PLACE}/item").status_code == 403


def test_minox_knows_its_scopes_and_wants_a_state() -> None:
    minox = Sandbox("minox")
    path = AUTHORIZE_PATHS["minox"]
    for changes, error in (({"scope": "everything"}, "invalid_scope"), ({"state": ""}, "invalid_request")):
        answer = minox.client.get(path, params=ask(minox, **changes))
        assert answer.status_code == 302
        assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == [error]


def test_inspect_tells_the_tenants_of_a_token() -> None:
    minox = Sandbox("minox")
    token = minox.authorise(consented(minox))["access_token"]
    basic = {"Authorization": f"Basic {base64.b64encode(b'qics-connector:geheim').decode()}"}
    answer = minox.call("POST", "/api/1/inspect", {"token": token}, headers=basic)
    assert answer.json()["linked_tenants"][0]["tenant_id"] == 123456
    assert minox.call("POST", "/api/1/inspect", {"token": "x"}, headers=basic).status_code == 401
    assert minox.call("POST", "/api/1/inspect", {"token": token, "x": 1}, headers=basic).status_code == 400
    assert minox.call("POST", "/api/1/inspect", {"token": token}).status_code == 401
