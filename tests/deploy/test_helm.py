"""The values for Airflow's Helm chart: the same settings, commands and checks as docker-compose.yaml, and no secret.

The chart is not here: that these are the names of its values was read in its schema and templates (deploy/README.md).
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from airflow.cli.cli_parser import get_parser

from tests.deploy.test_compose import COMPOSE, EXAMPLE, PROJECT, SERVICES, airflow_options

HELM = PROJECT / "deploy" / "helm"
TEXT = (HELM / "values.yaml").read_text(encoding="utf-8")
VALUES: dict[str, Any] = yaml.safe_load(TEXT)
PARTS: dict[str, Any] = VALUES | {"workers": VALUES["workers"]["celery"]}
SECRET = dict(re.findall(r"^([A-Z_]+)=(.*)$", (HELM / "secret.env.example").read_text(encoding="utf-8"), re.MULTILINE))
README = (PROJECT / "deploy" / "README.md").read_text(encoding="utf-8")
COMPONENTS = {
    "apiServer": "api-server",
    "scheduler": "scheduler",
    "dagProcessor": "dag-processor",
    "triggerer": "triggerer",
    "workers": "worker",
}
HEALTH = {"scheduler": "scheduler", "dagProcessor": "dag_processor", "triggerer": "triggerer"}


def settings() -> dict[str, str]:
    """Variables that the values set by themselves."""
    templated = yaml.safe_load(re.sub(r"\{\{.*?\}\}", "RELEASE", VALUES["extraEnv"]))
    return {one["name"]: one["value"] for one in [*VALUES["env"], *templated]}


def test_the_variables_are_those_of_compose() -> None:
    compose = set(COMPOSE["x-airflow"]["environment"])
    put_in = set(re.findall(r"\$\{(\w+)", (PROJECT / "docker-compose.yaml").read_text(encoding="utf-8")))
    passed_on = set(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE)) - put_in
    assert set(settings()) | set(SECRET) == compose | passed_on
    assert not set(settings()) & set(SECRET)


@pytest.mark.parametrize("name", settings())
def test_values_are_those_of_compose(name: str) -> None:
    here, there = settings()[name], COMPOSE["x-airflow"]["environment"][name]
    default = re.fullmatch(r"\$\{\w+:-(.*)\}", there)
    if name not in {"AIRFLOW__API__BASE_URL", "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"}:  # the installation's own
        assert here == (default[1] if default else there)


def test_every_airflow_setting_is_one_that_airflow_has() -> None:
    named = {name for name in {*settings(), *SECRET} if name.startswith("AIRFLOW__")}
    assert len(named) > 8
    assert named <= airflow_options()


def test_no_secret_has_a_value() -> None:
    for name, value in SECRET.items():
        assert not value or "PASSWORD@" in value or name == "AIRFLOW_ADMIN_USER"
    assert not re.search(r"(?i)password\w*: (?!minox-qms-redis$)\S", TEXT, re.MULTILINE)


def test_what_is_referred_to_is_explained_and_made() -> None:
    secrets = set(re.findall(r"(?:[sS]ecretName|brokerUrlSecretName): (\S+)", TEXT)) | set(
        re.findall(r"secretRef:\s+name: (\S+)", TEXT)
    )
    assert secrets == {"minox-qms", *(f"minox-qms-{one}" for one in ("metadata", "broker", "redis"))}
    assert secrets == set(re.findall(r"^\| `(minox-qms\S*)` \|", README, re.MULTILINE))
    assert secrets == set(re.findall(r"^kubectl create secret generic (\S+)", README, re.MULTILINE))
    [maps] = [one["configMap"]["name"] for one in VALUES["volumes"]]
    assert f"kubectl create configmap {maps} --from-file=config/links" in README
    for path in re.findall(r"(?:--from-file=|--values )(\S+)", README):
        assert (PROJECT / path).exists()


def test_the_chart_makes_none_of_the_secrets() -> None:
    assert set(VALUES["enableBuiltInSecretEnvVars"].values()) == {False}
    assert {name for name in SECRET if name.startswith("AIRFLOW__") and not name.endswith("_ASYNC")} <= set(
        VALUES["enableBuiltInSecretEnvVars"]
    )


@pytest.mark.parametrize(("part", "service"), COMPONENTS.items())
def test_commands_are_those_of_compose(part: str, service: str) -> None:
    if part == "dagProcessor":  # the chart's own
        assert "args" not in VALUES[part]
        return
    shell, option, script = PARTS[part]["args"]
    assert (shell, option) == ("bash", "-c")
    words = shlex.split(script)
    assert words[0] == "exec"
    assert words[1:] == SERVICES[service]["command"]
    assert callable(get_parser().parse_args(words[2:]).func)


def test_the_migration_is_the_same_script() -> None:
    assert VALUES["migrateDatabaseJob"]["args"] == ["bash", "-c", f"exec {SERVICES['migrate']['command'][0]}"]
    assert VALUES["createUserJob"]["enabled"] is False
    lines = (PROJECT / "deploy" / "migrate.sh").read_text(encoding="utf-8").splitlines()
    # The chart's pods wait for Airflow's migrations: the connector's have to be there by then.
    assert lines.index("minox-qms migrate") < lines.index("airflow db migrate")


@pytest.mark.parametrize(("part", "component"), HEALTH.items())
def test_probes_ask_as_compose_does(part: str, component: str) -> None:
    shell, option, script = VALUES[part]["livenessProbe"]["command"]
    assert (shell, option) == ("sh", "-c")
    [check] = [line for line in [script.partition("} ")[2]] if line]
    python, path, asked = shlex.split(check)
    work = re.findall(r"^WORKDIR (\S+)$", (PROJECT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)[-1]
    relative = str(Path(path).relative_to(work))  # a probe begins elsewhere
    assert [python, relative, asked] == SERVICES[COMPONENTS[part]]["healthcheck"]["test"][1:]
    assert check.endswith(f" {component}")
    url = settings()["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    assert url.endswith("/execution/")
    assert script.startswith("AIRFLOW_SERVER=${AIRFLOW__CORE__EXECUTION_API_SERVER_URL%/execution/} ")


def test_the_workers_probe_is_composes() -> None:
    _, _, script = PARTS["workers"]["livenessProbe"]["command"]
    _, there = SERVICES["worker"]["healthcheck"]["test"]
    assert shlex.split(script) == shlex.split(there.replace("$$", "$"))


def test_nothing_runs_as_root_and_nothing_may_become_it() -> None:
    pod, containers = VALUES["securityContexts"]["pod"], VALUES["securityContexts"]["containers"]
    assert (pod["runAsNonRoot"], pod["runAsUser"], VALUES["uid"], VALUES["redis"]["uid"]) == (True, 50000, 50000, 999)
    assert f"USER {pod['runAsUser']}:{pod['runAsGroup']}" in (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    assert containers == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize("part", COMPONENTS)
def test_every_component_says_what_it_needs(part: str) -> None:
    resources = PARTS[part]["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert "memory" in resources["limits"]


def test_tasks_come_to_an_end_before_a_worker_does() -> None:
    minutes = int(SERVICES["worker"]["stop_grace_period"].removesuffix("m"))
    assert PARTS["workers"]["terminationGracePeriodSeconds"] == 60 * minutes


def test_links_are_mounted_where_the_connector_reads_them() -> None:
    [mount] = VALUES["volumeMounts"]
    text = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    assert f"MINOX_QMS_LINKS_DIR={mount['mountPath']}" in text
    assert mount["readOnly"] is True


def test_the_connectors_database_is_asked_directly() -> None:
    own = sa.make_url(SECRET["MINOX_QMS_DATABASE_URL"])
    assert (own.port, own.database) == (None, "minox_qms")
    assert VALUES["pgbouncer"] == {"enabled": False}


def test_the_api_server_may_be_asked_by_airflows_pods() -> None:
    [release] = re.findall(r"helm upgrade --install (\S+)", README)
    [pods, _] = VALUES["apiServer"]["networkPolicy"]["ingress"]["from"]
    assert VALUES["networkPolicies"] == {"enabled": True}
    assert pods == {"podSelector": {"matchLabels": {"tier": "airflow", "release": release}}}


def test_files_of_the_folder_are_told_of() -> None:
    for path in (PROJECT / "deploy").glob("*"):
        name = f"{path.name}/" if path.is_dir() else path.name
        assert path.name == Path("README.md").name or f"| `{name}` |" in README
