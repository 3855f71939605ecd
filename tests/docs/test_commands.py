"""Every command that stands in a block of a page is run by a test, or by CI; the small ones here."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.docs.commands import (
    ELSEWHERE,
    PROJECT,
    Command,
    asked_for,
    commands,
    documented,
    is_started_by_a_test,
    module_of,
)

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = commands()
RUN = {documented(*call): file for call, file in asked_for().items()}
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MAKE", "MINOX_QMS_"))
}


def name_of(one: Command) -> str:
    return f"{one.page}: {one.line}"


@pytest.mark.parametrize("one", COMMANDS, ids=name_of)
def test_somebody_runs_it(one: Command) -> None:
    elsewhere = [words for words in ELSEWHERE if f"{one.line} ".startswith(words)]
    module = module_of(one.line)
    is_run = one.line in RUN or elsewhere or (module is not None and is_started_by_a_test(module))
    assert is_run, f"No test runs {one.line!r} of {one.page}: see tests/docs/commands.py"


@pytest.mark.parametrize("words", ELSEWHERE)
def test_the_file_that_runs_the_same_does(words: str) -> None:
    file, content = ELSEWHERE[words]
    assert content in (PROJECT / file).read_text(encoding="utf-8")


def test_the_commands_are_found() -> None:
    assert len(COMMANDS) > 25
    assert {"README.md", "deploy/README.md", "operations.md", "sandbox.md"} <= {one.page for one in COMMANDS}
    assert not [one for one in COMMANDS if one.line.startswith("#")]


def test_a_module_that_no_test_starts_is_not_run() -> None:
    assert module_of("make demo AIRFLOW_PORT=9080") == "demo"
    assert module_of(".venv/bin/python -m tests.simulation --seed 1") == "tests.simulation"
    assert module_of("make help") is None
    assert is_started_by_a_test("demo")
    assert not is_started_by_a_test("demonstration")


def test_a_command_that_is_not_in_the_page_is_not_given() -> None:
    with pytest.raises(LookupError, match="0 commands"):
        vars(sys.modules[__name__])["documented"]("README.md", "rm -rf")


def call(line: str) -> str:
    """Run a line in the project; what it says."""
    words = [sys.executable if word == "python" else word for word in shlex.split(line)]
    done = subprocess.run(words, cwd=PROJECT, env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def test_make_help_lists_the_targets() -> None:
    said = call(documented("README.md", "make help"))
    assert all(f"make {name}" in said for name in ("demo", "demo-down", "test"))


def test_a_million_invoices_or_fewer() -> None:
    line = documented("bookings.md", "python -m tests.bookings.million")
    assert "2,000" in call(line.replace("1000000", "2000")) or "2000" in call(line.replace("1000000", "2000"))


@pytest.mark.parametrize(
    "line",
    [
        documented("sandbox.md", "python -m sandbox up") + " --minox-port 8701 --qms-port 8702",
        documented("sandbox.md", "python -m sandbox minox"),
        documented("sandbox.md", "python -m sandbox qms"),
    ],
)
def test_the_sandbox_starts_and_ends_with_ctrl_c(line: str) -> None:
    ports = {port: free_port() for port in re.findall(r"870\d", line)}
    for port, free in ports.items():
        line = line.replace(port, str(free))
    words = [sys.executable if word == "python" else word for word in shlex.split(line)]
    process = subprocess.Popen(
        words, cwd=PROJECT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for port in ports.values():
            wait_for(f"http://127.0.0.1:{port}/_sandbox/health", process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) in {0, 130, -signal.SIGINT}
    finally:
        process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None
        try:
            with urlopen(url, timeout=5):  # noqa: S310 - our own server
                return
        except (URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"{url} did not answer")


def test_the_example_of_the_settings_is_copied(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_bytes((PROJECT / ".env.example").read_bytes())
    subprocess.run(shlex.split(documented("getting-started.md", "cp ")), cwd=tmp_path, check=True, timeout=10)
    assert (tmp_path / ".env").read_bytes() == (PROJECT / ".env.example").read_bytes()
