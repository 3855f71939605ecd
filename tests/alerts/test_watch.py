"""The watcher: silence, processes that were killed, grants, files, and messages that somebody else left lying."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from include.alerts.incident import FAILED, Trouble
from include.storage.engine import engine_from_url
from include.storage.runs import _RUN_LOCK, close_run, working
from minox_qms.alerts.watcher import watch
from minox_qms.operators.watch import WatchOperator
from tests.dags.conftest import PROJECT
from tests.storage.support import new_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.storage.runs import Run
    from tests.alerts.conftest import Office

HERE = ZoneInfo("Europe/Amsterdam")
NOON = dt.datetime(2026, 7, 1, 12, 0, tzinfo=HERE)
BOTH = ("minox_to_qms", "qms_to_minox")

WORK = """
import os, sys, time
import sqlalchemy as sa
from include.storage.engine import engine_from_url
from include.storage.runs import find_run, working
engine = engine_from_url(sa.make_url(os.environ["MINOX_QMS_DATABASE_URL"]))
with working(engine, find_run(engine, sys.argv[1], sys.argv[2])):
    print("at work", flush=True)
    time.sleep(600)
"""

SEND = """
import os, sys
import sqlalchemy as sa
from include.storage.engine import engine_from_url
from minox_qms.alerts.post_office import deliver
deliver(engine_from_url(sa.make_url(os.environ["MINOX_QMS_DATABASE_URL"])), sys.argv[1])
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "plugins")])}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def killed() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are gone when the test is over, whatever happens."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait(timeout=30)
        assert process.stdout is not None
        process.stdout.close()


def good_run(office: Office, direction: str, ended: dt.datetime, *, dry_run: bool = False) -> Run:
    run = new_run(office.database, office.link, direction, dry_run=dry_run)
    close_run(office.database, run, good=True)
    office.execute("UPDATE sync_run SET finished_at = :ended WHERE id = :run", ended=ended, run=run.id)
    return run


def minutes(number: int) -> dt.timedelta:
    return dt.timedelta(minutes=number)


# -- silence -----------------------------------------------------------------------------------------------------------


def test_silence_is_told_of_once_per_direction_and_ends_with_a_good_run(office: Office) -> None:
    good_run(office, "minox_to_qms", NOON)
    good_run(office, "qms_to_minox", NOON + minutes(20))
    assert watch(office.database, NOON + minutes(45))["opened"] == 0
    assert watch(office.database, NOON + minutes(46)) == {"links": 1, "opened": 1, "open": 1, "sent": 1}
    assert watch(office.database, NOON + minutes(51))["opened"] == 0
    assert office.incidents() == [("minox_to_qms", "silence", "")]
    assert watch(office.database, NOON + minutes(66))["opened"] == 1
    assert office.mail.subjects == [f"[minox-qms] {office.link}: geen goede run / no good run"] * 2
    assert "No good run for 46 minutes" in office.mail.texts()[0]
    office.desk.all_clear("minox_to_qms", {})
    office.desk.deliver()
    assert office.mail.subjects[2:] == [f"[minox-qms] {office.link}: hersteld / recovered"]
    assert office.incidents() == [("qms_to_minox", "silence", "")]


def test_the_night_is_no_silence_and_nothing_is_told_at_night(office: Office) -> None:
    evening = NOON.replace(hour=19, minute=50)
    for direction in BOTH:
        good_run(office, direction, evening)
    assert watch(office.database, NOON.replace(hour=23))["opened"] == 0
    morning = NOON.replace(day=2, hour=7)
    assert watch(office.database, morning + minutes(35))["opened"] == 0
    assert watch(office.database, morning + minutes(36))["opened"] == 2
    office.execute("DELETE FROM alert_incident")
    for hour in (3, 6, 20):
        assert watch(office.database, NOON.replace(day=3, hour=hour))["opened"] == 0


def test_the_setting_is_the_links_own_and_dry_runs_are_no_good_runs(office: Office) -> None:
    office.settle(silence_minutes=15)
    for direction in BOTH:
        good_run(office, direction, NOON)
        good_run(office, direction, NOON + minutes(10), dry_run=True)
    assert watch(office.database, NOON + minutes(15))["opened"] == 0
    assert watch(office.database, NOON + minutes(16))["opened"] == 2


def test_a_link_that_never_ran_is_silent_from_when_it_was_first_seen(office: Office) -> None:
    assert watch(office.database, NOON)["opened"] == 0
    assert watch(office.database, NOON + minutes(45))["opened"] == 0
    assert watch(office.database, NOON + minutes(46))["opened"] == 2
    assert "There never was a good run" in office.mail.texts()[0]


def test_silence_that_is_explained_already_is_not_told_of(office: Office) -> None:
    for direction in BOTH:
        good_run(office, direction, NOON)
    office.desk.report("minox_to_qms", [Trouble(FAILED, "Minox is weg.")])
    assert watch(office.database, NOON + minutes(60))["opened"] == 1
    assert office.incidents() == [("minox_to_qms", "failed", ""), ("qms_to_minox", "silence", "")]


# -- killed processes --------------------------------------------------------------------------------------------------


def test_a_process_that_is_killed_is_seen_and_one_that_works_is_left_alone(
    office: Office, killed: list[subprocess.Popen[str]]
) -> None:
    run = new_run(office.database, office.link)
    process = start(WORK, run.dag_id, run.run_id)
    killed.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    long_ago = "UPDATE run_claim SET seen_at = clock_timestamp() - interval '16 minutes' WHERE run = :run"
    office.execute(long_ago, run=run.id)
    assert watch(office.database)["opened"] == 0

    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL
    _until_free(office, run)
    assert watch(office.database)["opened"] == 1
    assert watch(office.database)["opened"] == 0
    assert office.incidents() == [("minox_to_qms", "killed", "")]
    assert office.mail.subjects == [f"[minox-qms] {office.link}: run afgebroken / run killed"]
    assert run.run_id in office.mail.texts()[0]

    with working(office.database, run):  # a retried task goes on with it
        close_run(office.database, run, good=True)
    office.desk.all_clear("minox_to_qms", {})
    office.desk.deliver()
    assert office.mail.subjects[1:] == [f"[minox-qms] {office.link}: hersteld / recovered"]


def test_a_run_between_two_tasks_or_tries_was_not_killed(office: Office) -> None:
    run = new_run(office.database, office.link)
    with working(office.database, run):
        pass
    office.execute(
        "UPDATE run_claim SET seen_at = clock_timestamp() - interval '14 minutes' WHERE run = :run", run=run.id
    )
    assert watch(office.database)["opened"] == 0


def _until_free(office: Office, run: Run) -> None:
    """Wait until PostgreSQL has noticed that the process is gone."""
    with office.database.connect() as connection:
        connection.execute(sa.text("SET lock_timeout = '20s'"))
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _RUN_LOCK + run.id})


def test_a_process_that_is_killed_while_it_sends_leaves_the_message_to_the_watcher(
    office: Office, killed: list[subprocess.Popen[str]]
) -> None:
    office.settle(email=False, webhook=True)
    office.desk.report("minox_to_qms", [Trouble(FAILED, "Minox is weg.")])
    office.mail.is_down = True
    office.webhook.hangs.set()
    process = start(SEND, office.link)
    killed.append(process)
    assert office.webhook.got_one.wait(timeout=60)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    office.webhook.hangs.clear()
    assert watch(office.database)["sent"] == 0  # it may still be sending, for all that others know
    office.lapse()
    assert watch(office.database)["sent"] == 1
    assert office.rows("SELECT count(*) FROM alert_message WHERE link = :link AND sent_at IS NULL")[0][0] == 0


# -- grants, files, messages -------------------------------------------------------------------------------------------


def test_a_refused_grant_is_found_and_its_return_too(office: Office) -> None:
    office.execute("DELETE FROM oauth_grant")
    office.execute(
        "INSERT INTO oauth_grant (conn_id, state, message) VALUES ('qms_test', 'refused', 'QMS: invalid_grant')"
    )
    watch(office.database)
    assert office.incidents() == [("", "grant", "qms_test")]
    assert "QMS has withdrawn our access" in office.mail.texts()[0]
    office.execute("UPDATE oauth_grant SET state = 'good', expires_at = clock_timestamp() - interval '8 days'")
    watch(office.database)
    assert office.incidents() == [("", "grant_idle", "qms_test")]
    assert "8 days" in " ".join(office.mail.texts())
    office.execute("UPDATE oauth_grant SET expires_at = clock_timestamp()")
    watch(office.database)
    assert office.incidents() == []
    assert len(office.mail.mails) == 4


def test_a_file_that_is_torn_tells_those_whom_it_named_last(office: Office) -> None:
    watch(office.database)
    office.write("minox: [")
    for _ in range(2):
        watch(office.database)
    assert office.incidents() == [("", "settings", "")]
    assert len(office.mail.mails) == 1
    office.settle()
    watch(office.database)
    assert office.incidents() == []
    assert office.mail.subjects[1:] == [f"[minox-qms] {office.link}: hersteld / recovered"]


def test_a_message_for_a_route_that_is_no_more_is_dropped(office: Office) -> None:
    office.desk.report("minox_to_qms", [Trouble(FAILED, "Minox is weg.")])
    office.settle(email=False)
    assert watch(office.database)["sent"] == 0
    assert office.rows("SELECT count(*) FROM alert_message WHERE link = :link") == [(0,)]


def test_a_message_that_is_a_day_old_is_not_sent_and_goes_after_a_month(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.desk.report("minox_to_qms", [Trouble(FAILED, "Minox is weg.")])
    aged = "UPDATE alert_message SET created_at = clock_timestamp() - interval '{}' WHERE link = :link"
    office.execute(aged.format("25 hours"))
    assert watch(office.database)["sent"] == 0
    assert len(office.rows("SELECT 1 FROM alert_message WHERE link = :link")) == 1
    office.execute(aged.format("31 days"))
    watch(office.database)
    assert office.rows("SELECT 1 FROM alert_message WHERE link = :link") == []
    assert "1 old alerts were given up" in caplog.text


def test_the_task_brings_an_empty_database_up_to_date(
    office: Office, database_server: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = sa.create_engine(database_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with server.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE empty_watch"))
    empty = engine_from_url(database_server.set(database="empty_watch"))
    monkeypatch.setattr("include.storage.engine.engine", lambda: empty)
    assert WatchOperator(task_id="watch").execute({}) == {"links": 1, "opened": 0, "open": 0, "sent": 0}
    empty.dispose()
