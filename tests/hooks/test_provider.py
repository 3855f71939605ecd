"""Airflow knows both connection types by the installed distribution, with their own fields."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers_manager import ProvidersManager

from minox_qms.hooks.minox import MinoxHook
from minox_qms.hooks.qms import QmsHook


def test_the_distribution_has_the_entry_point() -> None:
    found = [point for point in entry_points(group="apache_airflow_provider") if "minox_qms" in point.value]
    assert len(found) == 1
    assert found[0].load()()["package-name"] == "minox-qms-connector"


@pytest.mark.parametrize(("conn_type", "hook"), [("minox", MinoxHook), ("qms", QmsHook)])
def test_airflow_registers_the_connection_type(conn_type: str, hook: type) -> None:
    info = ProvidersManager().hooks[conn_type]  # type: ignore[no-untyped-call]
    assert info is not None
    assert info.hook_class_name == f"{hook.__module__}.{hook.__name__}"
    assert info.connection_type == conn_type


@pytest.mark.parametrize(("conn_type", "example"), [("minox", "app.minox.nl"), ("qms", "qicsmilestones.qics.nl")])
def test_the_form_of_airflow_calls_the_fields_what_they_are(conn_type: str, example: str) -> None:
    form = next(one for one in HookMetaService.hook_meta_data() if one.connection_type == conn_type).standard_fields
    assert form is not None
    assert form.login is not None
    assert form.password is not None
    assert form.url_schema is not None
    assert form.host is not None
    assert (form.login.title, form.password.title) == ("Client id", "Client secret")
    assert form.url_schema.hidden
    assert form.host.placeholder == f"https://{example}"
