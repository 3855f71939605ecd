"""What Airflow and the connector are given in the demo."""

from __future__ import annotations

import json
import shlex
import stat
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from demo import environment
from demo.places import Places

if TYPE_CHECKING:
    from pathlib import Path

URL = sa.make_url("postgresql+psycopg://postgres:secret@/minox_qms?host=/tmp/socket")


def test_everything_that_listens_does_so_on_loopback() -> None:
    variables = environment.airflow(Places(airflow_port=18080), URL)
    assert variables["AIRFLOW__API__HOST"] == "127.0.0.1"
    for name in ("AIRFLOW__API__BASE_URL", "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"):
        assert variables[name].startswith("http://127.0.0.1:18080")


def test_nothing_is_sent_home() -> None:
    variables = environment.airflow(Places(), URL)
    assert variables["GX_ANALYTICS_ENABLED"] == "false"


def test_both_urls_of_airflows_database_are_whole() -> None:
    variables = environment.airflow(Places(), URL)
    for name in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"):
        assert sa.make_url(variables[name]) == URL


def test_secrets_are_new_every_time() -> None:
    one, other = (environment.airflow(Places(), URL) for _ in range(2))
    for name in ("AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY"):
        assert len(one[name]) >= 32
        assert one[name] != other[name]
    Fernet(one["AIRFLOW__CORE__FERNET_KEY"])
    Fernet(environment.connector(Places(), URL)["MINOX_QMS_FERNET_KEY"])


def test_another_airflow_does_not_shine_through(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRFLOW_HOME", "AIRFLOW__CORE__EXECUTOR", "MINOX_QMS_DATABASE_URL", "PYTHONPATH"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("LANG", "nl_NL.UTF-8")
    clean = environment.clean()
    assert "elsewhere" not in clean.values()
    assert clean["LANG"] == "nl_NL.UTF-8"


def test_users_are_an_admin_and_a_viewer(tmp_path: Path) -> None:
    environment.write_passwords(Places(home=tmp_path))
    path = tmp_path / "passwords.json"
    assert json.loads(path.read_text()) == {"admin": "admin", "eva": "eva"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    variables = environment.airflow(Places(home=tmp_path), URL)
    assert variables["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "admin:admin,eva:viewer"
    assert variables["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] == str(path)


def test_a_shell_can_take_over_what_the_connector_needs(tmp_path: Path) -> None:
    places = Places(home=tmp_path)
    environment.write_shell_file(places, environment.connector(places, URL))
    assert stat.S_IMODE(places.shell.stat().st_mode) == 0o600
    found = {}
    for line in places.shell.read_text().splitlines():
        word, assignment = shlex.split(line)
        assert word == "export"
        name, _, value = assignment.partition("=")
        found[name] = value
    assert sa.make_url(found["MINOX_QMS_DATABASE_URL"]) == URL
    assert json.loads(found["AIRFLOW_CONN_MINOX_DEMO"])["host"] == places.minox
    assert json.loads(found["AIRFLOW_CONN_QMS_DEMO"])["conn_type"] == "qms"
    assert found["AIRFLOW__API__BASE_URL"] == places.airflow  # `connect` makes the redirect address of it


@pytest.mark.parametrize("system", ["minox", "qms"])
def test_connections_name_the_sandbox(system: str) -> None:
    connection = environment.connections(Places(minox_port=1, qms_port=2))[f"{system}_demo"]
    assert connection["host"] == f"http://127.0.0.1:{1 if system == 'minox' else 2}"
    assert json.loads(str(connection["extra"])) == {"refresh_token": f"sandbox-{system}-refresh"}
