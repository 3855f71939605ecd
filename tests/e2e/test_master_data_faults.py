"""What goes wrong on the way: lost answers, refused access, lists that are no lists, processes that are killed."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import sqlalchemy as sa

from include.storage import runs
from minox_qms.hooks.http import HttpClient
from minox_qms.sync import master_data
from minox_qms.sync.loading_notes import LoadingNotes
from minox_qms.sync.master_data import MasterDataLoader
from tests.e2e import master
from tests.e2e.master import (
    change,
    change_in_qms,
    conserved,
    customer,
    forget,
    give,
    good,
    only,
    outcome,
    put_in_qms,
    qms_row,
    qms_rows,
    told,
    vat,
)
from tests.world import talk_of

if TYPE_CHECKING:
    from tests.world import World


@pytest.fixture
def world(shared: World, monkeypatch: pytest.MonkeyPatch) -> World:
    master.quicken(monkeypatch)
    return master.cleared(shared)


def _codes(world: World) -> list[str]:
    return sorted(row["CustomerCode"] for row in qms_rows(world, "CustomerCompany"))


# -- writes to QMS -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "apply-then-drop"},
        {"action": "apply-then-status", "status": 500},
        {"action": "apply-then-status", "status": 502},
        {"action": "truncate"},
        {"action": "drop"},
        {"action": "status", "status": 500},
        {"action": "status", "status": 503, "headers": {"Retry-After": "0"}},
        {"action": "apply-then-status", "status": 503, "headers": {"Retry-After": "0"}},
        {"action": "status", "status": 429, "headers": {"Retry-After": "0"}},
        {"action": "body", "body": "<html>onderhoud</html>"},
        # The writes overlap, and any of them may be the second: the row is of a customer that is not among them.
        {"action": "body", "body": {"CustomerCompanyId": "1", "CompanyId": "3", "CustomerCode": "9", "Name": "Ander"}},
    ],
    ids=lambda fault: (
        f"{fault['action']} {fault.get('status', '')}{' with Retry-After' if 'headers' in fault else ''}"
        f"{' of another' if isinstance(fault.get('body'), dict) else ''}"
    ),
)
def test_a_create_without_a_good_answer_makes_one_row(world: World, fault: dict[str, Any]) -> None:
    give(world, "customer", *(customer(number) for number in (1, 2, 3)))
    world.qms.spoil(method="POST", path="CustomerCompany", nth=2, **fault)
    ran = good(world.run_master_data())
    assert ran.counts == {"customers": {"created": 3}}
    assert _codes(world) == ["1", "2", "3"]
    conserved(world, ran)
    for number in (1, 2, 3):
        change(world, "customer", number, chamber_of_commerce="77")
    world.qms.heal()
    world.qms.spoil(method="PUT", path="CustomerCompany", nth=2, **fault)
    ran = good(world.run_master_data())
    assert ran.counts == {"customers": {"updated": 3}}
    assert [row["Identification"] for row in qms_rows(world, "CustomerCompany")] == ["77"] * 3


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_write_goes_out_again_after_a_look_up_and_a_pause(world: World, method: str) -> None:
    give(world, "customer", customer(1))
    if method == "PUT":
        good(world.run_master_data())
        change(world, "customer", 1, chamber_of_commerce="77")
    world.qms.spoil(method=method, path="CustomerCompany", times=None, action="status", status=500)
    with talk_of("CustomerCompany") as heard:
        ran = world.run_master_data()
    assert ran.counts == {"customers": {"failed": 1}}
    assert heard[heard.index(method) :] == [method, "GET", "pause 1", method, "GET", "pause 2", method, "GET"]


def test_what_users_change_while_a_write_has_to_wait_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    give(world, "customer", customer(1))
    good(world.run_master_data())
    change(world, "customer", 1, chamber_of_commerce="77")
    row = qms_row(world, "CustomerCompany", "1")
    headers = {"Retry-After": "1"}
    world.qms.spoil(method="PUT", path="CustomerCompany", action="status", status=429, headers=headers)
    pause = HttpClient.pause

    def waiting(self: HttpClient, seconds: float) -> None:
        if seconds > 0.5:
            change_in_qms(world, "CustomerCompany", row, Remarks="van de gebruiker")
        pause(self, seconds)

    monkeypatch.setattr(HttpClient, "pause", waiting)
    good(world.run_master_data())
    row = qms_row(world, "CustomerCompany", "1")
    assert (row["Identification"], row["Remarks"]) == ("77", "van de gebruiker")


def test_a_create_that_may_yet_come_about_is_not_sent_again_in_the_same_run(world: World) -> None:
    give(world, "customer", customer(1))
    world.qms.spoil(method="POST", path="CustomerCompany", action="status", status=504, times=None)
    assert world.run_master_data().counts == {"customers": {"failed": 1}}
    assert len(world.qms.requests("POST", "CustomerCompany")) == 1
    world.qms.heal()
    row = {"CustomerCompanyId": "77", "CustomerCode": "1", "Name": "Jansen B.V.", "CustomerType": "Customer"}
    put_in_qms(world, "CustomerCompany", row)  # it came about after it was looked up
    assert good(world.run_master_data()).counts == {"customers": {"updated": 1}}
    assert len(qms_rows(world, "CustomerCompany")) == 1


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_what_was_sent_without_an_answer_is_undone_when_minox_takes_it_back(world: World, method: str) -> None:
    give(world, "customer", customer(1, chamber_of_commerce="A"))
    good(world.run_master_data())
    if method == "POST":
        row = qms_row(world, "CustomerCompany", "1")
        world.qms.edit({"entity": "CustomerCompany", "delete": [row["CustomerCompanyId"]]})
    change(world, "customer", 1, chamber_of_commerce="B")
    world.qms.spoil(method=method, path="CustomerCompany", times=None, action="apply-then-drop")
    reads = 2 if method == "PUT" else 3  # the row is looked for by its key, and then by its code
    world.qms.spoil(method="GET", path="CustomerCompany", nth=reads, times=None, action="status", status=500)
    assert world.run_master_data().counts == {"customers": {"failed": 1}}
    world.qms.heal()
    assert [row["Identification"] for row in qms_rows(world, "CustomerCompany")] == ["B"]
    change(world, "customer", 1, chamber_of_commerce="A")
    assert good(world.run_master_data()).counts == {"customers": {"updated": 1}}
    assert [row["Identification"] for row in qms_rows(world, "CustomerCompany")] == ["A"]
    forget(world)
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 1}}
    assert world.qms.requests() == []


def test_a_loader_that_died_after_its_update_arrived_undoes_it_when_minox_takes_it_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(world, "customer", customer(1, chamber_of_commerce="A"))
    good(world.run_master_data())
    change(world, "customer", 1, chamber_of_commerce="B")
    with monkeypatch.context() as patch:
        patch.setattr(LoadingNotes, "note_written", mock.Mock(side_effect=sa.exc.OperationalError("", None, OSError())))
        assert not world.run_master_data().is_good
    assert qms_row(world, "CustomerCompany", "1")["Identification"] == "B"
    change(world, "customer", 1, chamber_of_commerce="A")
    good(world.run_master_data())
    assert qms_row(world, "CustomerCompany", "1")["Identification"] == "A"


def test_a_report_that_was_sent_without_an_answer_is_sent_again_when_it_is_taken_back(world: World) -> None:
    row = {"CustomerCompanyId": "77", "CustomerCode": "1", "Name": "x", "IsActive": True}
    put_in_qms(world, "CustomerCompany", row)
    give(world, "customer", customer(1, name=" "))
    good(world.run_master_data())
    (said,) = told(world)
    assert said["IsError"]
    change(world, "customer", 1, addresses=customer(1)["addresses"])
    world.qms.spoil(method="PUT", path="EntityState", times=None, action="apply-then-drop")
    world.qms.spoil(method="GET", path="EntityState", times=None, action="status", status=500)
    good(world.run_master_data())
    world.qms.heal()
    assert [one["IsError"] for one in told(world)] == [False]
    change(world, "customer", 1, addresses=customer(1, name=" ")["addresses"])
    good(world.run_master_data())
    assert [(one["IsError"], one["Message"]) for one in told(world)] == [(True, said["Message"])]


def test_one_record_that_keeps_failing_fails_alone_and_is_made_up_for(world: World) -> None:
    give(world, "customer", *(customer(number) for number in range(1, 11)))
    good(world.run_master_data())
    for number in range(1, 11):
        change(world, "customer", number, chamber_of_commerce="77")
    key = qms_row(world, "CustomerCompany", "4")["CustomerCompanyId"]
    world.qms.spoil(method="PUT", path=rf"CustomerCompany\({key}", times=None, action="status", status=500)
    ran = world.run_master_data()
    assert not ran.is_good
    assert ran.counts == {"customers": {"updated": 9, "failed": 1}}
    assert outcome(world, ran, "customers", 4)[:2] == ("failed", "technical")
    conserved(world, ran)
    world.qms.heal()
    assert good(world.run_master_data()).counts == {"customers": {"updated": 1, "unchanged": 9}}


def test_several_failing_records_in_a_row_stop_no_other(world: World) -> None:
    give(world, "customer", *(customer(number) for number in range(1, 31)))
    good(world.run_master_data())
    for number in range(1, 31):
        change(world, "customer", number, chamber_of_commerce="77")
    keys = "|".join(qms_row(world, "CustomerCompany", str(number))["CustomerCompanyId"] for number in range(5, 10))
    world.qms.spoil(method="PUT", path=rf"CustomerCompany\(({keys})\)", times=None, action="status", status=500)
    ran = world.run_master_data()
    assert ran.counts == {"customers": {"updated": 25, "failed": 5}}


def test_twenty_that_qms_always_fails_on_stop_no_other(world: World) -> None:
    give(world, "customer", *(customer(number) for number in range(21, 31)))
    good(world.run_master_data())
    give(world, "customer", *(customer(number) for number in range(1, 21)))
    for number in range(21, 31):
        change(world, "customer", number, chamber_of_commerce="77")
    world.qms.spoil(method="POST", path="CustomerCompany", times=None, action="status", status=500)
    assert world.run_master_data().counts == {"customers": {"updated": 10, "failed": 20}}


def test_when_qms_is_gone_nothing_is_quarantined_and_the_next_run_makes_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(world, "vat_codes")
    give(world, "vat", vat(1))
    give(world, "customer", *(customer(number) for number in range(1, 4)))
    good(world.run_master_data())
    give(world, "customer", *(customer(number) for number in range(4, 130)))
    change(world, "customer", 1, chamber_of_commerce="77")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        there = os.environ["AIRFLOW_CONN_QMS_TEST"]
        monkeypatch.setenv(
            "AIRFLOW_CONN_QMS_TEST", there.replace(world.qms.url, f"http://127.0.0.1:{nobody.getsockname()[1]}")
        )
        with mock.patch.object(HttpClient, "attempt", autospec=True, side_effect=HttpClient.attempt) as tries:
            ran = world.run_master_data()
    assert tries.call_count < 20  # not four for each of 127 records
    assert ran.tasks["vat_codes.load"] is None
    assert ran.tasks["customers.load"] is not None
    assert ran.counts == {"vat_codes": {"unchanged": 1}, "customers": {"failed": 127, "unchanged": 2}}
    assert world.scalar("SELECT count(*) FROM quarantine") == 0
    conserved(world, ran)
    monkeypatch.setenv("AIRFLOW_CONN_QMS_TEST", there)
    assert good(world.run_master_data()).counts["customers"] == {"created": 126, "updated": 1, "unchanged": 2}
    assert len(_codes(world)) == len(set(_codes(world))) == 129


def test_when_qms_keeps_answering_500_the_entity_gives_up_soon(world: World) -> None:
    give(world, "customer", *(customer(number) for number in range(1, 201)))
    world.qms.spoil(method="POST", path="CustomerCompany", times=None, action="status", status=500)
    ran = world.run_master_data()
    assert ran.counts == {"customers": {"failed": 200}}
    assert len(world.qms.requests("POST", "CustomerCompany")) < 3 * (40 + 4) + 1  # those under way, and forty
    conserved(world, ran)
    world.qms.heal()
    assert good(world.run_master_data()).counts == {"customers": {"created": 200}}


def test_a_row_that_is_deleted_while_it_is_written_is_made_anew_by_the_next_run(world: World) -> None:
    give(world, "customer", customer(1))
    good(world.run_master_data())
    change(world, "customer", 1, chamber_of_commerce="77")
    world.qms.spoil(method="PUT", path="CustomerCompany", action="status", status=404)
    ran = world.run_master_data()
    assert ran.counts == {"customers": {"failed": 1}}
    assert good(world.run_master_data()).counts == {"customers": {"updated": 1}}


# -- the bookkeeping ---------------------------------------------------------------------------------------------------


def test_what_was_written_before_the_bookkeeping_failed_is_not_written_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(world, "customer", *(customer(number) for number in range(1, 6)))
    note_written = LoadingNotes.note_written

    def fail(*args: Any) -> None:
        monkeypatch.setattr(LoadingNotes, "note_written", note_written)
        raise sa.exc.OperationalError("COMMIT", {}, ConnectionError("gone"))

    monkeypatch.setattr(LoadingNotes, "note_written", fail)
    ran = world.run_master_data(run_id="interrupted")
    assert not ran.is_good
    assert ran.counts == {"customers": {"failed": 5}}
    conserved(world, ran)
    assert len(world.qms.requests("POST", "CustomerCompany")) == 5
    forget(world)
    again = good(world.run_master_data(run_id="interrupted"))
    assert again.counts == {"customers": {"unchanged": 5}}
    conserved(world, again)
    assert world.qms.writes() == []
    assert _codes(world) == ["1", "2", "3", "4", "5"]


def test_a_batch_is_noted_while_the_next_one_is_on_its_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master_data, "WRITE_BATCH", 2)
    world.configure(qms={"qms_concurrency": 1}, master_data={"entities": master.ALL_OFF})
    give(world, "customer", *(customer(number) for number in range(1, 6)))
    world.qms.spoil(method="POST", path="CustomerCompany", nth=3, times=None, action="hold", seconds=60)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.run_master_data)
        deadline = time.monotonic() + 60
        while world.scalar("SELECT count(*) FROM binding") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        noted = world.scalar("SELECT count(*) FROM binding")
        world.qms.heal()
        world.qms.control("POST", "faults/release")
        ran = good(running.result(timeout=120))
    assert noted == 2
    assert ran.counts == {"customers": {"created": 5}}
    conserved(world, ran)


@pytest.mark.parametrize("error", [sa.exc.OperationalError("SELECT", {}, ConnectionError("gone")), KeyError("a bug")])
def test_a_batch_under_way_is_noted_though_the_next_one_cannot_begin(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(master_data, "WRITE_BATCH", 20)
    give(world, "customer", *(customer(number) for number in range(1, 61)))
    find, asked = MasterDataLoader._find, itertools.count(1)

    def find_once(self: MasterDataLoader, batch: Any) -> Any:
        if next(asked) == 2:
            raise error
        return find(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(MasterDataLoader, "_find", find_once)
        ran = world.run_master_data(run_id="interrupted")
    assert not ran.is_good
    assert ran.counts == {"customers": {"created": 20, "failed": 40}}
    again = good(world.run_master_data(run_id="interrupted"))
    assert again.counts == {"customers": {"created": 60}}
    conserved(world, again)


def test_nothing_more_goes_out_once_the_bookkeeping_has_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master_data, "WRITE_BATCH", 20)

    def fail(*_: Any) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, ConnectionError("gone"))

    give(world, "customer", *(customer(number) for number in range(1, 61)))
    world.qms.spoil(method="POST", path="CustomerCompany", times=None, action="delay", seconds=0.1)
    with monkeypatch.context() as patched:
        patched.setattr(LoadingNotes, "note_written", fail)
        ran = world.run_master_data(run_id="interrupted")
    assert not ran.is_good
    assert 20 <= len(_codes(world)) < 40
    world.qms.heal()
    again = good(world.run_master_data(run_id="interrupted"))
    conserved(world, again)
    assert len(_codes(world)) == 60


def test_a_run_that_is_run_again_keeps_what_it_did_and_takes_up_what_is_open(world: World) -> None:
    give(world, "customer", customer(1), customer(2, name=" "), customer(3), customer(4))
    world.qms.spoil(method="POST", path="CustomerCompany", nth=2, times=None, action="status", status=500)
    world.configure(qms={"qms_concurrency": 1}, master_data={"entities": master.ALL_OFF})
    ran = world.run_master_data(run_id="twice")
    assert ran.counts == {"customers": {"created": 1, "rejected": 1, "failed": 2}}
    conserved(world, ran)
    world.qms.heal()
    change(world, "customer", 2, addresses=customer(2)["addresses"])
    master.take_away(world, "customer", 3)
    again = good(world.run_master_data(run_id="twice"))
    assert again.counts == {"customers": {"created": 3}}
    conserved(world, again)
    assert world.scalar("SELECT count(*) FROM quarantine WHERE solved_at IS NULL") == 0


def test_a_loader_that_is_killed_after_its_row_arrived_makes_no_second_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(world, "customer", customer(1), customer(2))
    world.configure(qms={"qms_concurrency": 1}, master_data={"entities": master.ALL_OFF})
    world.qms.spoil(method="POST", path="CustomerCompany", nth=2, action="apply-then-hold", seconds=60)
    program = f"from tests.e2e.master import run_apart; run_apart({str(world.directory)!r}, 'killed')"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as one:
        deadline = time.monotonic() + 300
        while len(_codes(world)) < 2 and time.monotonic() < deadline and one.poll() is None:
            time.sleep(0.05)
        one.send_signal(signal.SIGKILL)
        assert one.wait(timeout=60) == -signal.SIGKILL
    world.qms.heal()
    assert _codes(world) == ["1", "2"]
    assert world.scalar("SELECT count(*) FROM binding") == 0
    monkeypatch.setattr(runs, "GRACE_SECONDS", 0)
    ran = good(world.run_master_data())
    assert ran.counts == {"customers": {"unchanged": 2}}
    assert _codes(world) == ["1", "2"]
    conserved(world, ran)


@pytest.mark.parametrize("there", [False, True], ids=["create", "update"])
def test_a_loader_that_was_overtaken_writes_and_notes_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    give(world, "customer", customer(1), customer(2, name=" "))
    monkeypatch.setattr(runs, "GRACE_SECONDS", -1)
    if there:
        good(world.run_master_data())
        change(world, "customer", 1, chamber_of_commerce="77")
    find = MasterDataLoader._find

    def sleep_meanwhile(self: MasterDataLoader, batch: Any) -> Any:
        found = find(self, batch)
        with monkeypatch.context() as patched:
            patched.setattr(MasterDataLoader, "_find", find)
            world.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            good(world.run_master_data(run_id="successor"))
        return found

    monkeypatch.setattr(MasterDataLoader, "_find", sleep_meanwhile)
    ran = world.run_master_data(run_id="overtaken")
    assert not ran.is_good
    assert len(world.qms.writes()) == 1 + there
    assert _codes(world) == ["1"]
    assert world.rows("SELECT solved_at FROM quarantine") == [(None,)]


# -- lists of Minox ----------------------------------------------------------------------------------------------------


def _page(records: list[dict[str, Any]], following: str | None) -> dict[str, Any]:
    return {"links": {"next": following}, "collection": records}


@pytest.mark.parametrize(
    "faults",
    [
        [{"action": "body", "body": "<html>onderhoud</html>", "times": None}],
        [{"action": "body", "body": {"links": {}, "items": []}, "times": None}],
        [{"action": "body", "body": {"links": {}, "collection": [1, 2]}, "times": None}],
        [{"action": "body", "body": '{"links": {}, "collection": [{"id": 1', "times": None}],
        [{"action": "body", "nth": 2, "times": None, "body": _page([customer(91), customer(92)], "x")}],
        [{"action": "body", "nth": 2, "times": None, "body": _page([], "zelfde")}],
        [{"action": "status", "status": 500, "nth": 2, "times": None}],
        [{"action": "truncate", "nth": 2, "times": None}],
    ],
    ids=["html", "other shape", "no records", "half", "page repeats", "cursor repeats", "500", "torn"],
)
def test_a_list_that_is_not_read_to_its_end_is_not_used(world: World, faults: list[dict[str, Any]]) -> None:
    give(world, "customer", *(customer(number) for number in range(1, 5)))
    good(world.run_master_data())
    before = world.qms.state
    world.minox.control("POST", "modes", {"page_size": 2})
    for number in range(1, 5):
        change(world, "customer", number, chamber_of_commerce="77")
    for fault in faults:
        world.minox.spoil(method="GET", path="/customer", **fault)
    forget(world)
    ran = world.run_master_data()
    assert ran.tasks["customers.stage"] is not None
    assert ran.tasks["customers.load"] == "upstream_failed"
    assert ran.counts == {}
    assert world.qms.requests() == []
    assert world.qms.state == before
    assert world.scalar("SELECT count(*) FROM quarantine") == 0
    conserved(world, ran)
    world.minox.heal()
    assert good(world.run_master_data()).counts == {"customers": {"updated": 4}}


@pytest.mark.parametrize(
    ("system", "path", "status"),
    [
        ("minox", "/customer", 401),
        ("minox", "/customer", 403),
        ("minox", "/customer", 404),
        ("qms", "/CustomerCompany", 401),
        ("qms", "/CustomerCompany", 403),
        ("qms", "/CustomerCompany", 404),
    ],
)
def test_access_concerns_the_run_and_no_record(world: World, system: str, path: str, status: int) -> None:
    give(world, "customer", *(customer(number) for number in range(1, 4)))
    getattr(world, system).spoil(path=path, times=None, action="status", status=status)
    ran = world.run_master_data()
    task = "customers.stage" if system == "minox" else "customers.load"
    error = ran.tasks[task]
    assert type(error).__name__ == "AirflowFailException"
    assert {401: "connect again", 403: "right", 404: "may be wrong"}[status] in str(error)
    assert world.scalar("SELECT count(*) FROM quarantine") == 0
    assert ran.counts == ({} if system == "minox" else {"customers": {"failed": 3}})
    conserved(world, ran)
    getattr(world, system).heal()
    assert good(world.run_master_data()).counts == {"customers": {"created": 3}}


def test_a_limit_of_minox_is_waited_for(world: World) -> None:
    give(world, "customer", customer(1))
    headers = {"Retry-After": "1"}
    world.minox.spoil(path="/customer", times=2, action="status", status=429, headers=headers)
    assert good(world.run_master_data()).counts == {"customers": {"created": 1}}


def test_a_grant_that_is_withdrawn_says_what_to_do(world: World) -> None:
    give(world, "customer", customer(1))
    world.minox.control("POST", "grants", {"action": "revoke"})
    ran = world.run_master_data()
    assert type(ran.tasks["customers.stage"]).__name__ == "AirflowFailException"
    assert "connect again" in str(ran.tasks["customers.stage"])
    assert world.scalar("SELECT count(*) FROM quarantine") == 0
    world.minox.control("POST", "grants", {"action": "reset"})
    world.execute("DELETE FROM oauth_grant")
    world.qms.control("POST", "grants", {"action": "reset"})
    assert good(world.run_master_data()).counts == {"customers": {"created": 1}}
