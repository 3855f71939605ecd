"""The numbers in a connection's form: only the connection test uses them, and it says what is wrong in one sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from minox_qms.hooks.minox import MinoxHook
from minox_qms.hooks.qms import QmsHook
from minox_qms.provider import get_provider_info

if TYPE_CHECKING:
    from tests.page.conftest import Site


def test_the_form_has_the_fields() -> None:
    fields = {one["connection-type"]: one["conn-fields"] for one in get_provider_info()["connection-types"]}
    assert list(fields["minox"]) == ["tenant_id", "administration_id", "refresh_token", "scope"]
    assert list(fields["qms"]) == ["company_id", "refresh_token"]
    for form in fields.values():
        for name, field in form.items():
            assert field["label"]
            assert field["description"].endswith(".")
            assert ("integer" in field["schema"]["type"]) == name.endswith("_id")


MINOX = [
    ({}, True, "Minox answers; this connection reaches tenant 123456."),
    ({"tenant_id": 123456}, True, "Minox answers; this connection reaches tenant 123456."),
    ({"tenant_id": "123456", "administration_id": ""}, True, "reaches tenant 123456."),
    ({"tenant_id": 123456, "administration_id": 1}, True, "this connection reaches administration 1 ("),
    ({"administration_id": "1"}, True, "this connection reaches administration 1 ("),
    ({"tenant_id": 5}, False, "Minox accepts us, but not for tenant 5: this connection reaches tenant 123456."),
    ({"administration_id": 77}, False, "no administration 77 for tenant 123456"),
    ({"tenant_id": "van Dijk"}, False, "tenant_id in the connection's form is not a whole number."),
]
QMS = [
    ({}, True, "QMS answers; this connection reaches"),
    ({"company_id": 3}, True, "among them 3 ("),
    ({"company_id": "77"}, False, "QMS accepts us, but does not show company 77"),
    ({"company_id": "3.0"}, False, "company_id in the connection's form is not a whole number."),
]


@pytest.mark.parametrize(
    ("system", "extra", "works", "wanted"),
    [("minox", *case) for case in MINOX] + [("qms", *case) for case in QMS],
)
def test_the_test_looks_for_what_the_form_names(
    site: Site, monkeypatch: pytest.MonkeyPatch, system: str, extra: dict[str, object], works: bool, wanted: str
) -> None:
    url, client = (site.minox, "qics-connector") if system == "minox" else (site.qms, "qms-connector")
    content = {"conn_type": system, "host": url, "login": client, "password": "geheim"}
    seed = {"refresh_token": f"sandbox-{system}-refresh"}
    name = f"{system}_form"
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({**content, "extra": {**seed, **extra}}))
    hook = (MinoxHook if system == "minox" else QmsHook)(name, engine_=lambda: site.database)
    hook.tokens.token()
    found, text = hook.test_connection()
    assert (found, wanted in text) == (works, True), text
    assert "\n" not in text
