"""What an Airflow connection may say, however Airflow got it."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Connection

from include.errors import ConfigurationError
from minox_qms.hooks.site import MINOX_SCOPES, site_of


def connection(**fields: Any) -> Connection:
    given = {"conn_type": "minox", "host": "app.example", "login": "client", "password": "p"} | fields
    return Connection(conn_id="x", **given)


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"host": "app.minox.nl"}, "https://app.minox.nl"),
        ({"host": " https://app.minox.nl/ "}, "https://app.minox.nl"),
        ({"host": "app.minox.nl", "port": 8443}, "https://app.minox.nl:8443"),
        ({"host": "https://q.example/pre/fix/"}, "https://q.example/pre/fix"),
        ({"host": "https://q.example/pre", "port": 444}, "https://q.example:444/pre"),
        ({"host": "https://q.example:1/pre", "port": 444}, "https://q.example:1/pre"),
        ({"host": "q.example", "schema": "https"}, "https://q.example"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8701}, "http://127.0.0.1:8701"),
        ({"host": "http://localhost:8701"}, "http://localhost:8701"),
        ({"host": "localhost:8701"}, "http://localhost:8701"),
        ({"host": "127.0.0.1", "port": 8701}, "http://127.0.0.1:8701"),
        ({"host": "localhost", "schema": "https"}, "https://localhost"),
        ({"conn_type": "http", "host": "minox.localhost", "port": 8701}, "http://minox.localhost:8701"),
        ({"conn_type": "https", "host": "127.0.0.1"}, "https://127.0.0.1"),
        ({"conn_type": "http", "host": "app.minox.nl"}, "https://app.minox.nl"),
        ({"host": "http://0.0.0.0:8701"}, "http://0.0.0.0:8701"),
        ({"host": "http://[::1]:8701"}, "http://[::1]:8701"),
    ],
)
def test_addresses(fields: dict[str, Any], address: str) -> None:
    assert site_of(connection(**fields), "minox", "x").base_url == address


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"host": None}, "no host"),
        ({"host": "  "}, "no host"),
        ({"login": None}, "no login"),
        ({"password": ""}, "no password"),
        ({"host": "http://app.minox.nl"}, "must use https"),
        ({"host": "app.minox.nl", "schema": "http"}, "must use https"),
        ({"host": "localhost.example", "schema": "http"}, "must use https"),
        ({"host": "https://a b"}, "not a plain web address"),
        ({"host": "https://[::1"}, "not a plain web address"),
        ({"host": "https://u:p@app.minox.nl"}, "not a plain web address"),
    ],
)
def test_connections_that_cannot_be_used(fields: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ConfigurationError, match=wanted):
        site_of(connection(**fields), "minox", "x")


def test_extra() -> None:
    bare = site_of(connection(), "minox", "x")
    assert (bare.seed, bare.scope) == ("", MINOX_SCOPES)
    given = site_of(connection(extra='{"refresh_token": " r ", "scope": "vat:read"}'), "minox", "x")
    assert (given.seed, given.scope) == ("r", "vat:read")
    assert site_of(connection(extra='{"refresh_token": 5}'), "qms", "x").seed == ""
    assert site_of(connection(), "qms", "x").scope == ""


def test_the_token_address() -> None:
    assert site_of(connection(), "minox", "x").issuer == "https://app.example/oauth/token"
    assert site_of(connection(), "qms", "x").issuer == "https://app.example/api/oauth2/oauth2/token"
    for other in ("https://APP.example", "https://app.example:443/", "https://app.example/"):
        assert site_of(connection(host=other), "minox", "x").issuer == "https://app.example/oauth/token"
    for own in ("http://127.0.0.1:81", "http://localhost:81", "http://[::1]:81", "localhost:81"):
        assert site_of(connection(host=own), "minox", "x").issuer == "http://localhost:81/oauth/token"
    assert site_of(connection(host="https://app.example:8443/pre"), "minox", "x").issuer == (
        "https://app.example:8443/pre/oauth/token"
    )
