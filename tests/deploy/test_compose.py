"""The deployment: what docker-compose.yaml refers to is there, and nothing is open that need not be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager

from demo.environment import airflow
from demo.places import Places

PROJECT = Path(__file__).resolve().parents[2]
FILE = PROJECT / "docker-compose.yaml"
TEXT = FILE.read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = ("migrate", "api-server", "scheduler", "dag-processor", "triggerer", "worker")
EXAMPLE = (PROJECT / ".env.example").read_text(encoding="utf-8")
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::?([-?+])([^}]*))?\}")


def example_variables(*, with_optional: bool = False) -> dict[str, str]:
    """Variables of .env.example with their values; the optional ones stand in comments."""
    pattern = r"^(?:# )?([A-Z_]+)=(.*)$" if with_optional else r"^([A-Z_]+)=(.*)$"
    return dict(re.findall(pattern, EXAMPLE, re.MULTILINE))


def test_it_keeps_to_the_schema_of_compose() -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    subprocess.run([tool, "--builtin-schema", "vendor.compose-spec", FILE], check=True, timeout=60)


def test_the_services_are_these() -> None:
    assert set(SERVICES) == {"postgres", "redis", "sandbox", *AIRFLOW}


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_is_there_and_can_come_true(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        assert other != name
        needed = {
            "service_healthy": "healthcheck" in SERVICES[other],
            "service_completed_successfully": SERVICES[other]["restart"] == "no",
            "service_started": True,
        }
        assert needed[how["condition"]], f"{name} waits for {other} for ever"
        assert set(SERVICES[other].get("profiles", [])) <= set(SERVICES[name].get("profiles", []))


def test_nothing_waits_in_a_circle() -> None:
    left = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    while left:
        ready = {name for name, waits in left.items() if not waits & set(left)}
        assert ready, f"these wait for each other: {sorted(left)}"
        left = {name: waits for name, waits in left.items() if name not in ready}


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_networks_and_files_are_there(name: str) -> None:
    service = SERVICES[name]
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("./"):
            assert (PROJECT / source).exists()
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]
    assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
    shared = service.get("network_mode", "").removeprefix("service:")
    assert not shared or shared in SERVICES
    assert set(service.get("env_file", [])) <= {".env"}
    assert (PROJECT / service.get("build", ".") / "Dockerfile").is_file()


def test_no_volume_and_no_network_is_left_over() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert set(COMPOSE["volumes"]) <= used
    assert set(COMPOSE["networks"]) == {one for service in SERVICES.values() for one in service.get("networks", [])}


def test_databases_are_reached_from_inside_only() -> None:
    assert COMPOSE["networks"]["data"]["internal"] is True
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["data"]


@pytest.mark.parametrize("name", SERVICES)
def test_only_the_api_server_is_published_and_on_loopback(name: str) -> None:
    expected = ["127.0.0.1:${AIRFLOW_PORT:-8080}:8080"] if name == "api-server" else []
    assert SERVICES[name].get("ports", []) == expected


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_that_stays_has_a_health_check(name: str) -> None:
    assert ("healthcheck" in SERVICES[name]) is (name != "migrate")


@pytest.mark.parametrize("name", SERVICES)
def test_services_may_little(name: str) -> None:
    service = SERVICES[name]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    if name != "postgres":  # its start script changes owners before it gives up root
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True


def test_images_have_a_version() -> None:
    for service in SERVICES.values():
        name, _, tag = service["image"].partition(":")
        assert re.search(r"\d", tag) or (name, tag) == ("minox-qms", "latest")


def test_every_variable_is_in_the_example() -> None:
    used = {match[0]: match[1:] for match in VARIABLE.findall(TEXT)}
    known = example_variables()
    assert set(used) <= set(known)
    for name, (operator, default) in used.items():
        if known[name]:
            assert (operator, default) == ("-", known[name]), f"{name} has another default than the example says"
        else:
            assert operator == "?", f"{name} is a secret: compose must refuse to start without it"


def test_the_example_has_no_secret_and_nothing_unused() -> None:
    secret = re.compile(r"PASSWORD|SECRET|FERNET")
    script = (PROJECT / "deploy" / "migrate.sh").read_text(encoding="utf-8")
    for name, value in example_variables().items():
        assert not (secret.search(name) and value), name
        passed_on = name.startswith(("AIRFLOW__", "MINOX_QMS_")) or f"${name}" in script
        assert f"${{{name}" in TEXT or passed_on, f"{name} is used nowhere"


def test_the_secrets_stay_out_of_git_and_of_the_image() -> None:
    assert ".env" in (PROJECT / ".gitignore").read_text(encoding="utf-8").splitlines()
    lines = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    assert not any(line.startswith("!.env") for line in lines)
    done = subprocess.run(["git", "ls-files", ".env"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def airflow_options() -> set[str]:
    """Every option of Airflow and of its providers, as an environment variable names it."""
    ProvidersManager().initialize_providers_configuration()  # type: ignore[no-untyped-call]
    return {
        f"AIRFLOW__{section}__{key}".upper()
        for section, content in conf.configuration_description.items()
        for key in content["options"]
    }


def test_every_airflow_setting_is_one_that_airflow_has() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bAIRFLOW__[A-Z_]+", TEXT + dockerfile)) | {
        name for name in example_variables(with_optional=True) if name.startswith("AIRFLOW__")
    }
    named |= {name for name in airflow(Places(), sa.make_url("postgresql://")) if name.startswith("AIRFLOW__")}
    assert len(named) > 25
    assert named <= airflow_options()


@pytest.mark.parametrize("name", [name for name in AIRFLOW if name != "migrate"])
def test_commands_are_airflows(name: str) -> None:
    program, *arguments = SERVICES[name]["command"]
    assert program == "airflow"
    assert callable(get_parser().parse_args(arguments).func)


def test_log_servers_are_off_where_a_volume_holds_the_logs() -> None:
    for name in ("scheduler", "triggerer", "worker"):
        assert "--skip-serve-logs" in SERVICES[name]["command"]
    for name in AIRFLOW:
        assert "airflow-logs:/opt/airflow/logs" in SERVICES[name]["volumes"]


def test_scripts_can_be_run() -> None:
    for path in (PROJECT / "deploy").glob("*.sh"):
        assert os.access(path, os.X_OK)
        subprocess.run(["sh", "-n", path], check=True, timeout=10)
    assert SERVICES["migrate"]["command"] == ["deploy/migrate.sh"]
