"""Real processes, killed while a stand-in holds their request: one ordinary run makes everything right."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.booking_world import MORNING
from tests.faults import apart
from tests.faults.halves import ExportHalf, Half, ImportHalf
from tests.faults.instrument import Place
from tests.faults.points import ATTACH, CREATE, PUT, READ_CUSTOMERS, READ_INVOICES, REPLACE, TELL
from tests.world import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

    from tests.world import System

MINOX_TOKEN = Place("POST minox token", "/oauth/token")
QMS_TOKEN = Place("POST qms token", "/oauth2/token")
BEFORE, APPLIED = "hold-then-drop", "apply-then-hold"
KILL, TERM = signal.SIGKILL, signal.SIGTERM
PLACES = [
    *(
        (name, place, action, number)
        for name, places in (("export", (PUT, ATTACH, TELL, MINOX_TOKEN)), ("import", (CREATE, REPLACE, QMS_TOKEN)))
        for place in places
        for action, number in ((BEFORE, TERM), (APPLIED, KILL))
    ),
    ("export", PUT, BEFORE, KILL),
    ("export", PUT, APPLIED, TERM),
    ("export", READ_INVOICES, BEFORE, KILL),
    ("import", READ_CUSTOMERS, BEFORE, TERM),
]
"""Where a process is killed, before and after the other system has done what it was asked, and by which signal."""


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory, database: sa.Engine) -> Iterator[dict[str, Half]]:
    """Both halves, each with a clean run behind it, one at a time: they share the environment."""
    made: dict[str, Half] = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        for kind in (ExportHalf, ImportHalf):
            half: Half = kind(tmp_path_factory.mktemp(kind.name), database, monkeypatch)
            half.environment = {name: value for name, value in os.environ.items() if name.startswith(OWN)}
            half.learn()
            made[half.name] = half
        try:
            yield made
        finally:
            for half in made.values():
                half.world.stop()


OWN = ("MINOX_QMS_", "AIRFLOW_CONN_")


def begin(halves: dict[str, Half], name: str, monkeypatch: pytest.MonkeyPatch) -> Half:
    """The first state of a half, whose environment is this process's again."""
    half = halves[name]
    for variable, value in half.environment.items():
        monkeypatch.setenv(variable, value)
    half.begin()
    return half


def system_of(half: Half, place: Place) -> System:
    return half.world.minox if place.system == "minox" else half.world.qms


def until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


@contextmanager
def held(half: Half, place: Place, action: str, run_id: str = "first") -> Iterator[Any]:
    """A run in a process of its own, whose request is held at a place; it is gone in the end."""
    system = system_of(half, place)
    system.spoil(method=place.method, path=place.path, action=action, seconds=600)
    process = apart.start(half, run_id)
    try:
        until(lambda: system.control("GET", "faults")[0]["held"] or process.exitcode is not None, "the request")
        assert process.exitcode is None
        yield process
    finally:
        process.kill()
        process.join(120)


def make_right(half: Half) -> list[str]:
    """End the fault; one ordinary run; what is wrong then."""
    half.heal()
    ran = half.last_run()
    if half.is_refused():  # a token answer that was lost: a person connects again
        half.connect_again()
        ran = half.last_run()
    return half.check(ran)


@pytest.mark.parametrize(("name", "place", "action", "number"), PLACES, ids=lambda value: getattr(value, "name", value))
def test_a_killed_process_is_made_up_for(
    halves: dict[str, Half],
    name: str,
    place: Place,
    action: str,
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    half = begin(halves, name, monkeypatch)
    half.use_small_pages()
    with held(half, place, action) as process:
        os.kill(process.pid, number)
        process.join(120)
        assert process.exitcode == -number
    assert make_right(half) == []


def test_a_command_that_is_killed_is_made_up_for(halves: dict[str, Half], monkeypatch: pytest.MonkeyPatch) -> None:
    half = begin(halves, "export", monkeypatch)
    monkeypatch.delenv("AIRFLOW_HOME")
    half.world.minox.spoil(method="PUT", path=PUT.path, action=APPLIED, seconds=600)
    command = ["-c", "from minox_qms.cli import main; main()", "run", "invoices"]
    command += ["--interval-start", MORNING[0], "--interval-end", MORNING[1]]
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until(lambda: half.world.minox.control("GET", "faults")[0]["held"] or process.poll() is not None, "the PUT")
            assert process.poll() is None
            process.kill()
            assert process.wait(timeout=60) == -KILL
        finally:
            process.kill()
    assert make_right(half) == []


@pytest.mark.parametrize("action", [BEFORE, APPLIED])
@pytest.mark.parametrize(("name", "place"), [("export", PUT), ("export", TELL), ("import", CREATE)])
def test_a_zombie_that_wakes_after_its_successor_has_finished_does_nothing_more(
    halves: dict[str, Half], name: str, place: Place, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = begin(halves, name, monkeypatch)
    with held(half, place, action) as process:
        os.kill(process.pid, signal.SIGSTOP)
        half.cut_connections()  # its machine cannot be reached any more
        assert half.run_again().is_good
        sent = len(half.world.minox.requests("PUT"))
        os.kill(process.pid, signal.SIGCONT)
        system_of(half, place).control("POST", "faults/release")
        process.join(300)
        assert process.exitcode == 0
    assert len(half.world.minox.requests("PUT")) == sent
    assert make_right(half) == []


@pytest.mark.parametrize("action", [BEFORE, APPLIED])
@pytest.mark.parametrize(
    ("name", "place", "task"),
    [("export", PUT, "book"), ("export", TELL, "close_run"), ("import", CREATE, "customers.load")],
)
def test_a_task_that_is_started_twice_at_once_does_its_work_once(
    halves: dict[str, Half], name: str, place: Place, task: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = begin(halves, name, monkeypatch)
    with held(half, place, action) as first:
        second = apart.start(half, "first", task)
        second.join(1)  # it waits for the first, or has not begun yet: it must be right either way
        system_of(half, place).control("POST", "faults/release")
        for process in (first, second):
            process.join(300)
            assert process.exitcode == 0
    assert make_right(half) == []
