"""Runs: one at a time per link and direction, whoever dies; and their records add up."""

from __future__ import annotations

import datetime as dt
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.errors import InvariantError, RunNotBegunError
from include.storage import runs
from include.storage.outcomes import Outcome, finish_entity, note_extracted, note_outcomes
from include.storage.runs import (
    Run,
    RunBusyError,
    close_run,
    covered_until,
    find_run,
    holds_claim,
    missed_runs,
    open_run,
    replan,
    unfinished_entities,
    working,
)
from include.storage.tables import run_claim, sync_run
from tests.storage.support import new_link, new_run, now

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import sys, time
import sqlalchemy as sa
from include.storage.engine import engine_from_url
from include.storage.runs import find_run, working

engine = engine_from_url(sa.make_url(sys.argv[1]))
with working(engine, find_run(engine, sys.argv[2], sys.argv[3])):
    print("working", flush=True)
    time.sleep(600)
"""


def _state(engine: sa.Engine, run: Run) -> str | None:
    with engine.connect() as connection:
        return connection.scalar(sa.select(sync_run.c.state).where(sync_run.c.id == run.id))


def _owner(engine: sa.Engine, run: Run) -> int | None:
    with engine.connect() as connection:
        query = sa.select(run_claim.c.run).where(run_claim.c.link == run.link, run_claim.c.direction == run.direction)
        return connection.scalar(query)


def _working_process(engine: sa.Engine, run: Run) -> subprocess.Popen[str]:
    """A process that works on a run until it is killed."""
    url = engine.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, url, run.dag_id, run.run_id], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


def test_the_same_run_is_found_again(database: sa.Engine) -> None:
    run = new_run(database, new_link(), plan={"start": "2026-01-31T07:00:00+00:00"})
    close_run(database, run, good=False, message="Red.")
    again = open_run(
        database, link=run.link, direction=run.direction, dag_id=run.dag_id, run_id=run.run_id, plan={"other": 1}
    )
    assert again == run
    assert _state(database, run) == "running"
    replan(database, run, {"start": "2026-01-30T07:00:00+00:00"})
    assert find_run(database, run.dag_id, run.run_id).plan == {"start": "2026-01-30T07:00:00+00:00"}


def test_a_run_that_nobody_noted_did_not_begin(database: sa.Engine) -> None:
    with pytest.raises(RunNotBegunError, match="did not begin"):
        find_run(database, "dag", "never")


def test_two_runs_at_once_wait_for_each_other(database: sa.Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    link = new_link()
    first, second = new_run(database, link), new_run(database, link)
    order: list[str] = []
    entered = threading.Event()

    def one() -> None:
        with working(database, first):
            entered.set()
            time.sleep(0.5)
            order.append("first is done")
        close_run(database, first, good=True)

    thread = threading.Thread(target=one)
    thread.start()
    assert entered.wait(60)
    with working(database, second, sleep=lambda _: time.sleep(0.05)):
        order.append("second works")
    thread.join()
    assert order == ["first is done", "second works"]
    waiting = f"Waiting for run {first.run_id} of {link} (minox_to_qms), 120 seconds at most"
    assert [one.getMessage() for one in caplog.records if one.name == runs.__name__] == [waiting]
    assert _owner(database, second) == second.id


def test_a_run_leaves_it_to_another_that_goes_on(database: sa.Engine) -> None:
    link = new_link()
    first, second = new_run(database, link), new_run(database, link)
    other_way, other_link = new_run(database, link, "qms_to_minox"), new_run(database, new_link())
    with working(database, first), working(database, other_way), working(database, other_link):
        with pytest.raises(RunBusyError, match=rf"Another run works on {link} \(minox_to_qms\)"):
            working(database, second, wait_seconds=0).__enter__()
        with working(database, first):  # tasks of one run work side by side
            assert _owner(database, first) == first.id


def test_a_task_is_at_work_once_though_it_is_started_twice(database: sa.Engine) -> None:
    run = new_run(database, new_link())
    with working(database, run, "load"):
        with pytest.raises(RunBusyError, match="at work already"):
            working(database, run, "load", wait_seconds=0).__enter__()
        with working(database, run, "stage", wait_seconds=0), working(database, run, wait_seconds=0):
            pass
    with working(database, run, "load", wait_seconds=0):
        pass


def test_between_its_tasks_a_run_keeps_the_direction(database: sa.Engine) -> None:
    link = new_link()
    first, second = new_run(database, link), new_run(database, link)
    with working(database, first):
        pass
    with pytest.raises(RunBusyError):
        working(database, second, wait_seconds=0).__enter__()
    close_run(database, first, good=True)
    with working(database, second, wait_seconds=0):
        assert _owner(database, second) == second.id


def test_a_task_started_anew_after_its_run_ended_keeps_the_direction_while_it_works(
    database: sa.Engine,
) -> None:
    link = new_link()
    first, second = new_run(database, link), new_run(database, link)
    with working(database, first):
        pass
    close_run(database, first, good=True)
    with working(database, first), pytest.raises(RunBusyError):
        working(database, second, wait_seconds=0).__enter__()
    with working(database, second, wait_seconds=0):
        assert _state(database, first) == "good"


def test_a_killed_process_is_taken_over(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    link = new_link()
    first, second = new_run(database, link), new_run(database, link)
    process = _working_process(database, first)
    try:
        monkeypatch.setattr(runs, "GRACE_SECONDS", 0)
        with pytest.raises(RunBusyError):  # it lives: however long ago it was seen, it keeps the direction
            working(database, second, wait_seconds=0).__enter__()
        monkeypatch.setattr(runs, "GRACE_SECONDS", 600)
        process.kill()
        process.wait(60)
        with pytest.raises(RunBusyError):  # dead, but perhaps its next task begins at once
            working(database, second, wait_seconds=0).__enter__()
        monkeypatch.setattr(runs, "GRACE_SECONDS", 0)
        with working(database, second, wait_seconds=60, sleep=lambda _: time.sleep(0.05)):
            assert _owner(database, second) == second.id
            assert _state(database, first) == "abandoned"
    finally:
        process.kill()
        process.wait(60)


def test_extracted_is_the_sum_of_the_outcomes(database: sa.Engine) -> None:
    run = new_run(database, new_link())
    with database.begin() as connection:
        note_extracted(connection, run, "customers", 3, now(database))
        note_outcomes(connection, run, "customers", [Outcome("1", "created")])
        finish_entity(connection, run, "customers", ["2"], state="good")
    with pytest.raises(InvariantError, match="customers: 3 extracted, 2 with an outcome"):
        close_run(database, run, good=True)
    assert _state(database, run) == "failed"
    assert _owner(database, run) is None


def test_a_run_tells_what_of_it_is_not_good(database: sa.Engine) -> None:
    run = new_run(database, new_link())
    with database.begin() as connection:
        for entity, state, message in (
            ("items", "good", None),
            ("customers", "failed", "No answer."),
            ("vat_codes", "held", None),
        ):
            note_extracted(connection, run, entity, 0, now(database))
            finish_entity(connection, run, entity, (), state=state, message=message)
    found = unfinished_entities(database, run, ["items", "customers", "vat_codes", "payment_terms"])
    assert found[:2] == ["customers: No answer.", "vat_codes: held"]
    assert found[2].startswith("payment_terms: not read")


def _interval_run(engine: sa.Engine, link: str, hours: tuple[int, int], state: str | None, **plan: Any) -> Run:
    start, end = (dt.datetime(2026, 1, 31, hour, tzinfo=dt.UTC).isoformat() for hour in hours)
    run = new_run(engine, link, "qms_to_minox", plan={"start": start, "end": end, "from_date": None, **plan})
    if state is not None:
        with engine.begin() as connection:
            note_extracted(connection, run, "invoices", 0, now(engine))
            if state != "staged":
                finish_entity(connection, run, "invoices", (), state=state)
    return run


def test_intervals_that_nobody_made_up_for_are_missed(database: sa.Engine) -> None:
    link = new_link()
    _interval_run(database, link, (7, 8), "good")
    died = _interval_run(database, link, (8, 9), "staged")
    never_read = _interval_run(database, link, (9, 10), None)
    held = _interval_run(database, link, (10, 11), "held")
    _interval_run(database, link, (1, 2), "staged", from_date="2026-01-01")
    _interval_run(database, new_link(), (8, 9), "staged")
    asks = _interval_run(database, link, (11, 12), None)
    missed = {run.id: run.plan for run in (died, never_read, held)}
    assert missed_runs(database, asks, "invoices") == missed
    _interval_run(database, link, (8, 10), "failed")  # failed technically, but every record has its outcome
    named = _interval_run(database, link, (12, 13), "good", missed_runs=[held.id])
    later = _interval_run(database, link, (13, 14), None)
    assert named.id < later.id
    assert missed_runs(database, later, "invoices") == {asks.id: asks.plan}


def test_a_run_knows_whether_the_direction_is_still_its_own(database: sa.Engine) -> None:
    link = new_link()
    first, second = new_run(database, link), new_run(database, link)
    with working(database, first), database.begin() as connection:
        assert holds_claim(connection, first)
        assert not holds_claim(connection, second)
    close_run(database, first, good=True)
    with database.begin() as connection:
        assert not holds_claim(connection, first)


def test_what_is_covered_ends_with_the_latest_finished_interval(database: sa.Engine) -> None:
    link = new_link()
    assert covered_until(database, link, "qms_to_minox", "invoices") is None
    _interval_run(database, link, (9, 12), "good")
    _interval_run(database, link, (7, 8), "good")
    _interval_run(database, link, (12, 14), "staged")
    _interval_run(database, link, (12, 15), "good", from_date="2026-01-01")
    assert covered_until(database, link, "qms_to_minox", "invoices") == "2026-01-31T12:00:00+00:00"
