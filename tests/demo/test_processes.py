"""Processes of the demo: found again by their files, ended together with all that they started."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.places import DemoError
from demo.processes import Process, check_ports, known, start, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLEEP = "import time; time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"
PARENT = f"""
import subprocess, sys, os
print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}], process_group=0).pid, flush=True)
{SLEEP}
"""


def this_boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str, str], Process]]:
    """Starts Python code as a process of the demo."""

    def begin(name: str, code: str) -> Process:
        return start(
            name,
            [sys.executable, "-c", code],
            {"PATH": os.environ["PATH"]},
            files=tmp_path / "run",
            logs=tmp_path / "log",
            directory=tmp_path,
        )

    yield begin
    stop(tmp_path / "run", patience=0)


def wait_for_log(path: Path) -> str:
    """Wait until a process has written its first line."""
    for _ in range(200):
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text().strip()
        time.sleep(0.05)
    pytest.fail(f"{path} stays empty")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_process_is_known_by_its_file_and_gone_after_the_end(
    run: Callable[[str, str], Process], tmp_path: Path
) -> None:
    process = run("one", SLEEP)
    assert process.is_alive
    assert known(tmp_path / "run") == [process]
    assert stop(tmp_path / "run") == []
    assert not is_running(process.pid)
    assert known(tmp_path / "run") == []


def test_its_output_is_in_its_log(run: Callable[[str, str], Process], tmp_path: Path) -> None:
    run("one", "import sys; print('out', flush=True); sys.stderr.write('err\\n')")
    for _ in range(200):
        if (tmp_path / "log/one.log").read_text() == "out\nerr\n":
            return
        time.sleep(0.05)
    pytest.fail((tmp_path / "log/one.log").read_text())


def test_children_in_process_groups_of_their_own_end_too(run: Callable[[str, str], Process], tmp_path: Path) -> None:
    run("parent", PARENT)
    child = int(wait_for_log(tmp_path / "log/parent.log"))
    assert is_running(child)
    assert stop(tmp_path / "run") == []
    assert not is_running(child)


def test_one_that_does_not_listen_is_killed_and_named(run: Callable[[str, str], Process], tmp_path: Path) -> None:
    process = run("deaf", DEAF)
    wait_for_log(tmp_path / "log/deaf.log")
    assert stop(tmp_path / "run", patience=0.5) == ["deaf"]
    assert not is_running(process.pid)


def test_what_the_others_talk_to_ends_last(run: Callable[[str, str], Process], tmp_path: Path) -> None:
    served = run("server", SLEEP)
    code = f"""
import os, signal, sys, time
def tell(*_): sys.exit(print(os.path.exists('/proc/{served.pid}'), flush=True))
signal.signal(signal.SIGTERM, tell)
print('ready', flush=True)
{SLEEP}
"""
    run("client", code)
    wait_for_log(tmp_path / "log/client.log")
    assert stop(tmp_path / "run", last=["server"]) == []
    assert (tmp_path / "log/client.log").read_text() == "ready\nTrue\n"
    assert not is_running(served.pid)


def test_another_process_with_the_same_number_is_left_alone(run: Callable[[str, str], Process], tmp_path: Path) -> None:
    other = run("other", SLEEP)
    for name, boot in (("now", this_boot()), ("before", "another boot")):
        (tmp_path / f"{name}.json").write_text(json.dumps({"pid": other.pid, "started": 1, "boot": boot}))
    [process] = known(tmp_path)
    assert process.name == "now"
    assert not process.is_alive
    assert process.members() == []
    assert not Process("none", 2**22 + 1, 1).is_alive
    assert stop(tmp_path) == []
    assert other.is_alive


def test_a_number_that_no_process_has_belongs_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "zero.json").write_text(json.dumps({"pid": 0, "started": 0, "boot": this_boot()}))
    assert known(tmp_path) == []


def test_a_torn_file_is_no_process(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"pid": 1')
    assert known(tmp_path) == []
    assert known(tmp_path / "nowhere") == []


def test_a_port_that_is_taken_is_said_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(DemoError, match=rf"Port {port} is taken .* make demo AIRFLOW_PORT={port + 1000}"):
            check_ports({"AIRFLOW_PORT": port})
    check_ports({"AIRFLOW_PORT": port})
