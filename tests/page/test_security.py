"""Permissions of one link among several, and where the page is when Airflow is below a path or behind a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fastapi import HTTPException
from starlette.requests import Request

import minox_qms_plugin
from minox_qms.page import security
from tests.page.records import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class _User:
    def get_id(self) -> str:
        return "jan"


def _request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw, "query_string": b"", "path": "/"})


@pytest.fixture
def airflow_allows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> set[tuple[str, str]]:
    """Two links, and what Airflow allows: pairs of method and DAG."""
    for name in ("north", "south"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    monkeypatch.setenv("MINOX_QMS_LINKS_DIR", str(tmp_path))
    allowed: set[tuple[str, str]] = set()

    def requires(method: str, *, param_dag_id: str) -> Callable[..., None]:
        def check(*_: Any) -> None:
            if (method, param_dag_id) not in allowed:
                raise HTTPException(403, "Forbidden")

        return check

    monkeypatch.setattr(security, "requires_access_dag", requires)
    return allowed


def test_one_sees_the_links_whose_dags_one_may_read(airflow_allows: set[tuple[str, str]]) -> None:
    request, user = _request(), _User()
    airflow_allows |= {("GET", "qms_invoices__north"), ("GET", "minox_master_data__north")}
    airflow_allows |= {("GET", "qms_invoices__south"), ("PUT", "minox_master_data__south")}
    assert list(security.readable_links(request, user)) == ["north"]  # type: ignore[arg-type]
    assert security.readable_link("north", request, user).name == "north"  # type: ignore[arg-type]
    for name in ("south", "none"):  # what one may not see is not told apart from what is not there
        with pytest.raises(HTTPException) as caught:
            security.readable_link(name, request, user)  # type: ignore[arg-type]
        assert caught.value.status_code == 403


def test_one_acts_on_what_one_may_edit(airflow_allows: set[tuple[str, str]]) -> None:
    def allowed(entity: str) -> bool:
        return security.may_edit(_request(), _User(), "north", entity)  # type: ignore[arg-type]

    airflow_allows.add(("PUT", "qms_invoices__north"))
    assert not allowed("invoices")  # one may not even see it
    airflow_allows |= {("GET", "qms_invoices__north"), ("GET", "minox_master_data__north")}
    assert (allowed("invoices"), allowed("customers")) == (True, False)
    airflow_allows.add(("PUT", "minox_master_data__north"))
    assert allowed("customers")


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"host": "airflow.example", "origin": "https://airflow.example", "sec_fetch_site": "same-origin"}, True),
        ({"host": "api:8080", "origin": "https://airflow.example"}, True),
        ({"host": "api:8080", "sec_fetch_site": "same-origin"}, True),
        ({"host": "api:8080", "origin": "https://other.example", "sec_fetch_site": "same-origin"}, False),
        ({"host": "api:8080", "origin": "null", "sec_fetch_site": "same-origin"}, False),
        ({"host": "api:8080", "sec_fetch_site": "none"}, False),
        ({"host": "api:8080"}, False),
        ({"origin": ""}, False),
    ],
)
def test_the_browser_must_say_that_a_form_is_ours(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], wanted: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/flow/")
    assert security._is_same_origin(_request(**headers)) is wanted
    assert security.base_url() == "https://airflow.example/flow"


def test_addresses_begin_with_airflows_own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/flow/")
    assert minox_qms_plugin._view("nav", "x", "/")["href"] == "/flow/minox-qms/"
    monkeypatch.delenv("AIRFLOW__API__BASE_URL")
    assert minox_qms_plugin._view("nav", "x", "/")["href"] == "/minox-qms/"
