"""The compose file without an engine: it reads as Docker Compose does, and a container gets its service's settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy import docker
from tests.deploy.compose import ComposeError, interpolate, read_env_file, read_services
from tests.deploy.engine import CHECKOUT, Engine
from tests.deploy.test_compose import SERVICES, example_variables

KNOWN = {"SET": "value", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$SET/${SET}", "value/value"),
        ("${NONE}", ""),
        ("${SET:-other}", "value"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY-other}", ""),
        ("${NONE-other}", "other"),
        ("${SET:?}", "value"),
        ("${EMPTY?}", ""),
        ("${SET:+there}|${EMPTY:+there}|${EMPTY+there}|${NONE+there}", "there||there|"),
        ("$$SET", "$SET"),
        ("a/b:${SET:?needed}@c", "a/b:value@c"),
    ],
)
def test_variables_are_put_in(text: str, expected: str) -> None:
    assert interpolate(text, KNOWN) == expected


@pytest.mark.parametrize("text", ["${NONE:?}", "${EMPTY:?say}", "${NONE?}", "a $ b", "${SET", "${A:-${B}}"])
def test_what_compose_refuses_is_refused(text: str) -> None:
    with pytest.raises(ComposeError):
        interpolate(text, KNOWN)


def test_a_file_of_variables(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# none\n\nA=1\nexport B = no\n")
    with pytest.raises(ComposeError, match="unexpected line"):
        read_env_file(path)
    path.write_text('# none\nA=1 # one\nB=\'x # y\'\nC="z"\nexport D=\nE=a#b\nJ={"k": "v"}\n')
    assert read_env_file(path) == {"A": "1", "B": "x # y", "C": "z", "D": "", "E": "a#b", "J": '{"k": "v"}'}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with everything filled in."""
    (tmp_path / "config" / "links").mkdir(parents=True)
    (tmp_path / "docker-compose.yaml").write_bytes((CHECKOUT / "docker-compose.yaml").read_bytes())
    values = {name: value or f"of-{name.lower()}" for name, value in example_variables().items()}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return tmp_path


@pytest.mark.parametrize("name", [name for name, value in example_variables().items() if not value])
def test_a_secret_that_is_missing_stops_it_where_compose_needs_it(project: Path, name: str) -> None:
    path = project / ".env"
    path.write_text(path.read_text().replace(f"{name}=of-{name.lower()}\n", ""))
    if f"${{{name}:?}}" in (project / "docker-compose.yaml").read_text():
        with pytest.raises(ComposeError, match=name):
            read_services(project)
    else:  # it reaches the containers through the file alone
        assert name not in read_services(project)["worker"].environment


def test_services_come_after_those_that_they_wait_for(project: Path) -> None:
    order = list(read_services(project))
    assert set(order) == set(SERVICES) - {"sandbox"}  # that one is of a profile
    for place, name in enumerate(order):
        assert set(SERVICES[name].get("depends_on", {})) <= set(order[:place])


def test_a_container_gets_its_services_environment_and_nothing_else(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    monkeypatch.setenv("MINOX_QMS_DATABASE_URL", "postgresql:///mine")
    engine = Engine(project)
    postgres, redis = engine.container("postgres"), engine.container("redis")
    worker = engine.container("worker", 2)
    seen = engine.environment(worker)
    assert seen["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    database, broker = "of-minox_qms_db_password", "of-redis_password"
    assert seen["MINOX_QMS_DATABASE_URL"] == f"postgresql+psycopg://minox_qms:{database}@{postgres.address}/minox_qms"
    assert seen["AIRFLOW__CELERY__BROKER_URL"] == f"redis://:{broker}@{redis.address}:6379/0"
    assert seen["AIRFLOW_HOME"] == str(worker.home) != engine.environment(engine.container("worker"))["AIRFLOW_HOME"]
    assert seen["AIRFLOW__CORE__DAGS_FOLDER"] == str(CHECKOUT / "dags")
    assert seen["MINOX_QMS_LINKS_DIR"] == str(project / "config" / "links")
    assert seen["PATH"].split(":")[0] == str(Path(sys.prefix) / "bin")
    assert "of-postgres_password" not in "".join(seen.values()).replace(seen["POSTGRES_PASSWORD"], "")
    assert set(engine.environment(redis)) == {
        "PATH",
        "HOME",
        "LANG",
        "HOSTNAME",
        "TMPDIR",
        "PYTHONPATH",
        "REDIS_PASSWORD",
    }
    addresses = {engine.container(name, number).address for name in engine.services for number in (1, 2, 9)}
    assert len(addresses) == 3 * len(engine.services)
    assert all(address.startswith("127.") for address in addresses)


def test_a_command_runs_in_a_container(project: Path) -> None:
    docker.install(project / "bin")

    def call(*words: str, code: int = 0, **streams: object) -> str:
        done = subprocess.run(
            [project / "bin" / "docker", "compose", *words],
            cwd=project,
            env={"PATH": "/usr/bin:/bin", "OUTSIDE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert call("ps") == ""
    assert "is not running" in call("exec", "worker", "env", code=1)
    assert "no such service" in call("exec", "nobody", "env", code=1)
    assert "give --rm" in call("run", "redis", "env", code=1)
    said = call("run", "--rm", "redis", "sh", "-c", "env; exit 3", code=3)
    assert "REDIS_PASSWORD=of-redis_password" in said
    assert "OUTSIDE" not in said
    call("up", code=2)  # without --detach it would stay in the foreground
    call("exec", "--privileged", "worker", "env", code=2)
