"""The image: the pins of requirements.txt, the code, no root; and its health check."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PROJECT = Path(__file__).resolve().parents[2]
LINES = (PROJECT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
CHECK = PROJECT / "deploy" / "healthy.py"


def instructions(name: str) -> list[str]:
    """What stands behind an instruction of the Dockerfile, each time it comes."""
    return [line.split(maxsplit=1)[1] for line in LINES if line.startswith(f"{name} ")]


def test_it_is_a_python_that_the_project_takes() -> None:
    requires = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert requires == ">=3.11,<3.14"
    for base in instructions("FROM"):
        version = re.match(r"python:3\.(\d+)-slim", base)
        assert version is not None
        assert 11 <= int(version[1]) <= 13


def test_the_requirements_are_the_pins_and_nothing_else_is_installed() -> None:
    installs = [line for line in instructions("RUN") if "pip install" in line]
    assert len(installs) == 2
    assert installs[0].endswith("pip install --requirement /tmp/requirements.txt")
    assert "requirements.txt /tmp/requirements.txt" in instructions("COPY")
    assert "--no-deps --editable ." in installs[1]
    pins = [
        line for line in (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines() if line[:1].isalpha()
    ]
    assert len(pins) > 100
    assert all(re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", pin) for pin in pins)


def test_what_is_copied_is_there_and_reaches_the_build() -> None:
    ignored = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [part for line in instructions("COPY") if "--from" not in line for part in line.split()[:-1]]
    assert {"include", "plugins", "dags", "config", "deploy", "sandbox"} <= set(sources)
    for source in sources:
        assert (PROJECT / source).exists()
        assert f"!{source}" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == set(sources)


def test_it_does_not_run_as_root() -> None:
    assert instructions("USER") == ["50000:0"]
    assert LINES.index("USER 50000:0") > max(LINES.index(line) for line in LINES if line.startswith("RUN "))


@pytest.fixture(scope="module")
def local_settings() -> ModuleType:
    spec = importlib.util.spec_from_file_location("local_settings", PROJECT / "config" / "airflow_local_settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("command", "executor", "forks"),
    [
        ("airflow scheduler --skip-serve-logs", "LocalExecutor", True),
        ("airflow scheduler --skip-serve-logs", "CeleryExecutor", False),
        ("airflow celery worker", "CeleryExecutor", True),
        ("airflow api-server", "LocalExecutor", False),
        ("airflow dag-processor", "LocalExecutor", False),
        ("airflow dags list", "LocalExecutor", False),
        ("airflow", "LocalExecutor", False),
    ],
)
def test_what_tasks_are_forked_from_is_loaded_before(
    command: str, executor: str, *, forks: bool, local_settings: ModuleType
) -> None:
    assert local_settings.forks_tasks(command.split(), executor) is forks


class Health(BaseHTTPRequestHandler):
    """An API server that tells what it is told to."""

    answer: bytes = b""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/v2/monitor/health" else 404)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    http = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


def check(component: str, server: str) -> int:
    environment = {"AIRFLOW_SERVER": server}
    return subprocess.run([sys.executable, CHECK, component], env=environment, check=False, timeout=30).returncode


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"scheduler": {"status": "healthy"}, "triggerer": {"status": "unhealthy"}}, 0),
        ({"scheduler": {"status": "unhealthy"}, "triggerer": {"status": "healthy"}}, 1),
        ({"scheduler": {"status": None}}, 1),
        ({"scheduler": None}, 1),
        ({}, 1),
        ([], 1),
        ("<html>", 1),
    ],
)
def test_a_component_is_as_well_as_the_api_server_says(
    answer: Any, code: int, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Health, "answer", json.dumps(answer).encode())
    assert check("scheduler", server) == code


def test_no_answer_is_not_healthy(server: str) -> None:
    assert check("scheduler", f"{server}/elsewhere") == 1
    assert check("scheduler", "http://127.0.0.1:9") == 1
