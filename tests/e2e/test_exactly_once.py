"""Every invoice is booked exactly once, whatever happens to requests, answers and processes (spec, section 3)."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from include.errors import AccessError, TransientError
from include.storage.actions import exclude_invoice, include_invoice, reoffer_invoices
from include.storage.runs import close_run, open_run, working
from minox_qms.hooks.http import HttpClient
from minox_qms.sync import patience
from minox_qms.sync.booking_run import BookingRun
from sandbox.data.invoices import Line
from tests.e2e.booking_world import AFTER, LATER, MORNING, batch_of, invoice, number_of
from tests.world import ROOT, Ran, talk_of, until

if TYPE_CHECKING:
    from minox_qms.sync.verdicts import Verdict
    from tests.e2e.booking_world import BookingWorld

BATCH = "transaction_line_batch"
CHANGED_AT = "2026-03-02T11:10:00Z"


pytestmark = pytest.mark.usefixtures("impatient")


# -- the intent --------------------------------------------------------------------------------------------------------


def test_the_intent_is_committed_before_the_first_byte_goes_out(world: BookingWorld) -> None:
    world.add(invoice(1), invoice(2))
    world.minox.spoil(method="PUT", path=BATCH, action="hold", seconds=30)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.run)
        until(lambda: bool(world.puts()), "the PUT")
        held = world.ledger(1)
        world.minox.control("POST", "faults/release")
        ran = running.result(timeout=60)
    assert (held.state, str(held.batch_id), held.minox_number) == ("sending", batch_of(1), number_of(1))
    assert held.entry_hash is not None
    assert world.of(ran) == {"1": "booked", "2": "booked"}
    assert world.ledger(1).state == "booked"


def test_every_invoice_has_a_row_before_anything_is_sent(world: BookingWorld) -> None:
    world.add(*(invoice(key) for key in range(1, 6)))
    world.minox.spoil(method="PUT", path=BATCH, action="hold", seconds=30)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.run)
        until(lambda: bool(world.puts()), "the PUT")
        rows = world.scalar("SELECT count(*) FROM booking")
        world.minox.control("POST", "faults/release")
        running.result(timeout=60)
    assert rows == 5


# -- answers that get lost ---------------------------------------------------------------------------------------------


HTML = {"action": "body", "body": "<html>Welkom</html>"}
STORED = {"id": 1, "batch_id": batch_of(1), "account": {"id": "8000"}, "journal": {"id": "VRK"}}
NO = {"message_code": "X", "message_type": "error", "message": "Nee"}
ERROR = {"action": "body", "body": [{**STORED, "messages": [NO]}]}


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "apply-then-drop"},
        {"action": "apply-then-status", "status": 500},
        {"action": "apply-then-status", "status": 502, "body": "<html>Bad gateway</html>"},
        {"action": "apply-then-status", "status": 200, "body": "<html>Welkom</html>"},
        {"action": "apply-then-status", "status": 204},
        {"action": "truncate"},
    ],
)
def test_an_entry_that_arrived_is_looked_up_and_sent_once(world: BookingWorld, fault: dict[str, Any]) -> None:
    world.add(invoice(1))
    world.minox.spoil(method="PUT", path=BATCH, **fault)
    ran = world.run()
    assert ran.is_good, ran.tasks
    assert world.of(ran) == {"1": "booked"}
    assert len(world.puts()) == 1
    assert len(world.minox.requests("GET", batch_of(1))) == 1


@pytest.mark.parametrize("fault", [{"action": "drop"}, {"action": "status", "status": 500}, HTML, ERROR])
def test_an_entry_that_did_not_arrive_is_looked_up_and_sent_again_under_the_same_id(
    world: BookingWorld, fault: dict[str, Any]
) -> None:
    world.add(invoice(1))
    world.minox.spoil(method="PUT", path=BATCH, **fault)
    ran = world.run()
    assert ran.is_good, ran.tasks
    assert world.of(ran) == {"1": "booked"}
    calls = [(one["method"], one["path"].rpartition("/")[2]) for one in world.minox.requests(part=BATCH)]
    assert calls == [(method, batch_of(1)) for method in ("PUT", "GET", "GET", "PUT")]
    first, second = world.puts()
    assert first["body"] == second["body"] or first["body"] is None
    assert set(world.batches) == {batch_of(1)}


def test_an_entry_goes_out_again_after_a_look_up_and_a_pause(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.minox.spoil(method="PUT", path=BATCH, action="status", status=500, times=None)
    with talk_of("transaction_line_batch") as heard:
        assert world.of(world.run()) == {"1": "failed: technical"}
    looked_up = ["PUT", "GET", "GET"]  # the second time after Minox has shown that the administration is there
    assert heard == [*looked_up, "pause 1", *looked_up, "pause 2", *looked_up]


@pytest.mark.parametrize("there", [True, False])
def test_an_entry_that_could_not_be_looked_up_is_in_doubt_and_settled_by_the_next_run(
    world: BookingWorld, *, there: bool
) -> None:
    world.add(invoice(1))
    world.minox.spoil(method="PUT", path=BATCH, action="apply-then-drop" if there else "drop")
    world.minox.spoil(method="GET", path=BATCH, action="status", status=500, times=None)
    ran = world.run()
    assert isinstance(ran.tasks["book"], TransientError)
    assert world.of(ran) == {"1": "in_doubt: answer_lost"}
    assert world.ledger(1).state == "sending"
    assert world.states == {}
    world.minox.heal()
    world.minox.forget_requests()
    assert world.of(world.run(LATER)) == {"1": "booked"}
    assert world.minox.requests(part=BATCH)[0]["method"] == "GET"
    assert len(world.puts()) == (0 if there else 1)
    assert world.states["1"]["IsError"] is False


def test_what_is_in_doubt_stays_in_doubt_while_minox_cannot_be_asked(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.minox.spoil(method="PUT", path=BATCH, action="apply-then-drop")
    world.minox.spoil(method="GET", path=BATCH, action="status", status=500, times=None)
    world.run()
    assert world.of(world.run(LATER)) == {"1": "in_doubt: answer_lost"}
    assert len(world.puts()) == 1


@pytest.mark.parametrize("in_one_run", [True, False])
def test_an_administration_that_is_switched_off_is_no_sign_that_the_entry_did_not_arrive(
    world: BookingWorld, *, in_one_run: bool
) -> None:
    one = invoice(1)
    world.add(one)
    world.minox.spoil(method="PUT", path=BATCH, action="apply-then-drop")
    off: dict[str, Any] = {"action": "status", "status": 404, "times": None}
    if in_one_run:
        for method in ("PUT", "GET"):
            world.minox.spoil(method=method, path=BATCH, **off)
        world.minox.spoil(method="GET", path="journal", nth=2, **off)  # it was there before anything was posted
    else:
        world.minox.spoil(method="GET", path=BATCH, action="status", status=500, times=None)
        world.run()
        world.minox.heal()
        world.minox.spoil(path="/tenant/", **off)
    ran = world.run(LATER)
    assert "does not know this address" in str(ran.tasks["book"])
    assert world.of(ran) == {"1": "in_doubt: answer_lost"}
    world.minox.heal()
    world.change(one, at="2026-03-02T12:10:00Z", number="F2026-0099", lines=[Line(Decimal(2), Decimal(100))])
    assert world.of(world.run(AFTER)) == {"1": "changed_after_booking"}
    assert len(world.puts(1)) == 1
    assert world.ledger(1).total == Decimal("121.00")


def test_an_invoice_in_doubt_holds_its_number(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.minox.spoil(method="PUT", path=BATCH, action="drop", times=None)
    world.minox.spoil(method="GET", path=BATCH, action="status", status=500, times=None)
    world.run()
    world.add(invoice(2, number="2026-0001", customer_code="10002"), at=CHANGED_AT)
    ran = world.run(LATER)
    assert world.of(ran) == {"1": "in_doubt: answer_lost", "2": "rejected: invoice_number_collision"}


def test_an_invoice_in_doubt_that_qms_lists_no_more_is_settled_all_the_same(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.minox.spoil(method="PUT", path=BATCH, action="apply-then-drop")
    world.minox.spoil(method="GET", path=BATCH, action="status", status=500, times=5)
    world.run()
    world.minox.heal()
    world.qms.edit({"entity": "OverviewInvoice", "delete": ["1"], "log": False})
    assert world.of(world.run(LATER)) == {"1": "booked"}
    assert world.of() == {"1": "booked"}


def test_a_range_settles_only_what_it_takes_itself(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.minox.spoil(method="PUT", path=BATCH, action="apply-then-drop")
    world.minox.spoil(method="GET", path=BATCH, action="status", status=500, times=5)
    world.run()
    world.minox.heal()
    assert world.of(world.run(None, dates=("2026-05-01", "2026-05-31"))) == {}
    assert world.ledger(1).state == "sending"
    assert world.of(world.run(None)) == {"1": "booked"}


def test_minox_that_never_takes_an_entry_nor_refuses_it_fails_and_the_next_run_goes_on(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.minox.spoil(method="PUT", path=BATCH, action="status", status=500, times=None)
    ran = world.run()
    assert world.of(ran) == {"1": "failed: technical"}
    assert not ran.is_good
    assert len(world.puts()) == 3
    world.minox.heal()
    assert world.of(world.run(LATER)) == {"1": "booked"}


# -- processes that die ------------------------------------------------------------------------------------------------


def run_in_a_process(world: BookingWorld) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.run_once", str(world.directory), *MORNING],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("action", ["hold", "apply-then-hold"])
def test_a_run_that_is_killed_at_its_put_is_settled_by_the_next_one(world: BookingWorld, action: str) -> None:
    world.change_settings(minox_concurrency=1)
    world.add(invoice(1), invoice(2))
    world.minox.spoil(method="PUT", path=BATCH, action=action, seconds=60)
    process = run_in_a_process(world)
    try:
        deadline = time.monotonic() + 90
        while not world.puts() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        assert world.puts(), process.poll()
        process.kill()
    finally:
        process.kill()
        process.wait(timeout=60)
    assert world.ledger(1).state == "sending"
    assert world.ledger(2).state == "open"
    world.minox.heal()
    until(lambda: all(one["status"] for one in world.puts()) or action == "hold", "the answer")
    world.execute("UPDATE run_claim SET seen_at = seen_at - interval '1 minute'")
    ran = world.run(LATER)
    assert world.of(ran) == {"1": "booked", "2": "booked"}
    assert set(world.batches) == {batch_of(1), batch_of(2)}
    assert world.booked == {number_of(1), number_of(2)}
    assert len(world.puts(2)) == 1


@pytest.mark.parametrize("place", ["before the PUT", "before the answer is noted"])
def test_a_task_that_dies_beside_its_put_books_once(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    world.add(invoice(1), invoice(2))
    method = {
        "before the PUT": "minox_qms.sync.posting.Poster.post",
        "before the answer is noted": "minox_qms.sync.booking_notes.BookingNotes.posted",
    }[place]

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(method, die)
        with pytest.raises(SystemExit):
            world.run(run_id="again")
    ran = world.run(run_id="again")
    assert world.of(ran) == {"1": "booked", "2": "booked"}
    assert len(world.puts()) == 2


# -- booked is booked --------------------------------------------------------------------------------------------------


def test_a_booked_invoice_is_never_sent_again_whatever_the_settings_become(world: BookingWorld) -> None:
    lines = [Line(Decimal(1), Decimal(100), text=None), Line(Decimal(2), Decimal(50), state="Open")]
    world.add(invoice(1, lines=lines))
    world.run()
    changes: tuple[dict[str, Any], ...] = (
        {"journal_code": "MEMO"},
        {"lines": "grouped", "grouped_description": ["ItemName", "EmployeeName"]},
        {"excluded_line_states": ["Open"]},
        {"invoice_number": "strip_prefix"},
        {"document_date": "invoice_date", "negative_amounts": "opposite_side", "send_vat_code": True},
        {"check_existing": False},
    )
    for settings in changes:
        world.change_settings(**settings)
        assert world.of(world.run(None)) == {"1": "booked"}, settings
    assert len(world.puts()) == 1


def test_a_change_after_booking_is_told_once_per_change(world: BookingWorld) -> None:
    one = invoice(1)
    world.add(one)
    world.run()
    changed = world.change(one, text="Anders", at=CHANGED_AT)
    assert world.of(world.run(LATER)) == {"1": "changed_after_booking"}
    assert world.of(world.run(None)) == {"1": "booked"}
    double = [Line(Decimal(2), Decimal(100))]
    again = world.change(changed, customer_code="10002", lines=double, at="2026-03-02T12:10:00Z")
    assert world.of(world.run(AFTER)) == {"1": "changed_after_booking"}
    assert world.scalar("SELECT total FROM booking") == 121
    back = world.change(again, text=one.text, customer_code="10001", lines=one.lines, at=None)
    assert world.of(world.run(None)) == {"1": "booked"}
    world.change(back, customer_code="10002", text="Anders", at=None)
    assert world.of(world.run(None)) == {"1": "changed_after_booking"}
    assert len(world.puts()) == 1
    assert world.states["1"]["IsError"] is False


def test_a_retried_task_does_not_take_back_what_it_told(world: BookingWorld) -> None:
    one = invoice(1)
    world.add(one)
    world.run()
    world.change(one, text="Anders", at=CHANGED_AT)
    world.add(invoice(2), at=CHANGED_AT)
    world.minox.spoil(method="GET", path="/journal", action="status", status=403)
    ran = world.run(LATER)
    assert world.of(ran) == {"1": "changed_after_booking", "2": "failed: technical"}
    retried = world.retry(ran, "book", "attach_pdfs", "close_run")
    assert world.of(retried) == {"1": "changed_after_booking", "2": "booked"}


def test_a_booked_invoice_that_is_written_off_is_told_and_stays_booked(world: BookingWorld) -> None:
    one = invoice(1)
    world.add(one)
    world.run()
    world.change(one, lines=[replace(line, state="WrittenOff") for line in one.lines], at=CHANGED_AT)
    assert world.of(world.run(LATER)) == {"1": "changed_after_booking"}
    assert world.ledger(1).state == "booked"


def test_a_booked_invoice_that_cannot_be_read_any_more_stays_booked(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.run()
    world.qms.edit(
        {"entity": "OverviewInvoice", "update": [{"InvoiceHeaderId": "1", "InvoiceNumber": {"a": 1}}], "log": False}
    )
    assert world.of(world.run(None)) == {"1": "booked"}
    assert world.ledger(1).state == "booked"


def test_a_lost_ledger_is_restored_from_minox_without_a_put(world: BookingWorld) -> None:
    world.add(invoice(1), invoice(2))
    world.run()
    states = world.states
    world.execute("TRUNCATE booking, sync_run, entity_report, daily_sweep CASCADE")
    world.minox.forget_requests()
    world.qms.forget_requests()
    ran = world.run(None)
    assert world.of(ran) == {"1": "booked", "2": "booked"}
    assert world.puts() == []
    assert {key: row["EntityStateId"] for key, row in world.states.items()} == {
        key: row["EntityStateId"] for key, row in states.items()
    }
    assert world.of(world.run(None)) == {"1": "booked", "2": "booked"}


def test_a_restored_ledger_gives_the_number_to_the_one_that_minox_has(world: BookingWorld) -> None:
    world.add(invoice(2))
    world.run()
    world.execute("TRUNCATE booking, sync_run, entity_report, daily_sweep CASCADE")
    world.add(invoice(1, number="2026-0002"))
    assert world.of(world.run(None)) == {"1": "rejected: invoice_number_collision", "2": "booked"}


def test_two_own_batches_under_one_number_stop_no_run(world: BookingWorld) -> None:
    old, lost = dt.date(2025, 12, 1), "TRUNCATE booking, sync_run, entity_report, daily_sweep CASCADE"
    in_december = ("2025-12-01", "2025-12-31")
    world.add(invoice(1, number="F7", invoice_day=old))
    assert world.of(world.run()) == {"1": "booked"}
    world.execute(lost)
    world.add(invoice(2, number="G7", customer_code="10002", invoice_day=old), at="2026-03-02T11:30:00Z")
    assert world.of(world.run(LATER)) == {"2": "booked"}
    assert world.of(world.run(None, dates=in_december)) == {"1": "already_booked", "2": "booked"}
    world.execute(lost)
    world.add(invoice(9, invoice_day=old), at=None)
    for _ in range(2):
        ran = world.run(None, dates=in_december)
        assert ran.is_good, ran.tasks
        assert world.of(ran) == {"1": "booked", "2": "already_booked", "9": "booked"}
    assert len(world.puts()) == 3


# -- refused by Minox --------------------------------------------------------------------------------------------------


def test_a_refused_invoice_that_somebody_types_in_is_already_booked(world: BookingWorld) -> None:
    world.add(invoice(1, lines=[Line(Decimal(1), Decimal(100), account="4711")]))
    assert world.of(world.run()) == {"1": "refused_by_minox"}
    world.type_in(10001, number_of(1))
    assert world.of(world.run(LATER)) == {"1": "already_booked"}
    assert world.scalar("SELECT count(*) FROM quarantine WHERE solved_at IS NULL") == 0
    assert len(world.puts()) == 1


def refused(world: BookingWorld) -> Any:
    one = invoice(1, lines=[Line(Decimal(1), Decimal(100), account="4711")])
    world.add(one)
    assert world.of(world.run()) == {"1": "refused_by_minox"}
    return one


def test_a_refusal_has_minox_s_own_messages(world: BookingWorld) -> None:
    refused(world)
    assert "4711" in world.message(1)
    assert world.states["1"]["IsError"] is True
    assert "4711" in world.states["1"]["Message"]
    assert world.scalar("SELECT reason FROM quarantine WHERE solved_at IS NULL") == "refused_by_minox"


def test_a_refused_entry_waits_as_long_as_it_is_the_same(world: BookingWorld) -> None:
    refused(world)
    assert world.of(world.run(LATER)) == {"1": "refused_by_minox"}
    assert "4711" in world.message(1)
    assert len(world.puts()) == 1


def test_a_refused_entry_is_offered_again_when_it_would_differ(world: BookingWorld) -> None:
    one = refused(world)
    world.change(one, lines=[replace(one.lines[0], account="8000")], at=None)
    assert world.of(world.run(LATER)) == {"1": "booked"}
    assert world.states["1"]["IsError"] is False
    assert world.scalar("SELECT count(*) FROM quarantine WHERE solved_at IS NULL") == 0


def test_a_refused_entry_is_offered_again_when_a_setting_makes_it_differ(world: BookingWorld) -> None:
    refused(world)
    world.change_settings(document_date="invoice_date", send_vat_code=True)
    world.run(LATER)
    assert len(world.puts()) == 2


def test_a_refused_entry_is_offered_again_when_someone_asks_for_it(world: BookingWorld) -> None:
    refused(world)
    account = {"id": "4711", "description": "Nieuw", "vat": None}
    world.minox.edit({"entity": "ledger_account", "add": [account]})
    reoffer_invoices(world.database, "test", ["id:1"], person="j.bakker")
    assert world.of(world.run(LATER)) == {"1": "booked"}
    assert not world.ledger(1).reoffer


def test_a_refused_entry_is_offered_again_after_the_time_of_the_setting(world: BookingWorld) -> None:
    refused(world)
    world.execute("UPDATE booking SET refused_at = refused_at - interval '59 minutes'")
    world.run(LATER)
    assert len(world.puts()) == 1
    world.execute("UPDATE booking SET refused_at = refused_at - interval '2 minutes'")
    world.run(AFTER)
    assert len(world.puts()) == 2
    world.change_settings(retry_refused_after=0)
    world.run(("2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z"))
    assert len(world.puts()) == 3


# -- people ------------------------------------------------------------------------------------------------------------


def test_a_person_excludes_an_invoice_and_takes_that_back(world: BookingWorld) -> None:
    world.add(invoice(1, customer_code=None))
    world.run()
    world.qms.edit(
        {
            "entity": "OverviewInvoice",
            "update": [{"InvoiceHeaderId": "1", "InvoiceCustomerCompanyCustomerCode": "10001"}],
            "log": False,
        }
    )
    exclude_invoice(world.database, "test", "id:1", person="j.bakker", reason="Dubbel")
    assert world.of(world.run(LATER)) == {"1": "excluded"}
    assert world.message(1) == "Excluded by j.bakker: Dubbel"
    assert world.states["1"]["IsError"] is False
    assert world.of(world.run(AFTER)) == {}
    assert world.of(world.run(None)) == {"1": "excluded"}
    include_invoice(world.database, "test", "id:1", person="j.bakker", reason="Toch niet")
    assert world.of(world.run(("2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z"))) == {"1": "booked"}


def test_an_invoice_that_is_excluded_while_the_run_is_at_work_is_not_sent(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(invoice(1), invoice(2))
    check = BookingRun._check_preconditions

    def exclude_meanwhile(self: BookingRun) -> None:
        check(self)
        exclude_invoice(world.database, "test", "id:2", person="j.bakker", reason="Dubbel")

    monkeypatch.setattr(BookingRun, "_check_preconditions", exclude_meanwhile)
    assert world.of(world.run()) == {"1": "booked", "2": "excluded"}
    assert world.puts(2) == []


def test_an_invoice_that_is_excluded_while_it_waits_for_its_turn_stays_excluded(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(invoice(1), invoice(2))
    check, ticks = BookingRun._check_preconditions, iter((0.0, 1.0, 800.0))

    def exclude_meanwhile(self: BookingRun) -> None:
        check(self)
        exclude_invoice(world.database, "test", "id:2", person="j.bakker", reason="Dubbel")

    with monkeypatch.context() as patched:
        patched.setattr(BookingRun, "_check_preconditions", exclude_meanwhile)
        patched.setattr(BookingRun.__init__, "__kwdefaults__", {"first_of_day": False, "clock": lambda: next(ticks)})
        world.run()
    assert world.ledger(2).state == "excluded"
    assert world.of(world.run(LATER)) == {"2": "excluded"}
    assert world.puts(2) == []


def test_an_invoice_that_a_person_offers_again_while_it_is_judged_is_taken_up(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.type_in(10001, number_of(1))
    world.add(invoice(1))
    assert world.of(world.run()) == {"1": "already_booked"}
    judge = BookingRun._judge

    def offer_meanwhile(self: BookingRun, keys: list[str]) -> Any:
        verdicts = judge(self, keys)
        reoffer_invoices(world.database, "test", ["id:1"], person="j.bakker")
        return verdicts

    with monkeypatch.context() as patched:
        patched.setattr(BookingRun, "_judge", offer_meanwhile)
        assert world.of(world.run(None)) == {"1": "already_booked"}
    assert (world.ledger(1).state, world.ledger(1).reoffer) == ("open", True)
    assert world.of(world.run(LATER)) == {"1": "already_booked"}


# -- what concerns the run ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_right_that_is_missing_fails_the_run_and_blames_no_invoice(world: BookingWorld, status: int) -> None:
    world.change_settings(minox_concurrency=1)
    world.add(invoice(1), invoice(2), invoice(3))
    world.minox.spoil(method="PUT", path=BATCH, action="status", status=status, nth=2, times=None)
    ran = world.run()
    assert isinstance(ran.tasks["book"].__cause__, AccessError)  # type: ignore[union-attr]
    assert world.of(ran) == {"1": "booked", "2": "failed: technical", "3": "failed: technical"}
    assert world.scalar("SELECT count(*) FROM quarantine") == 0
    assert world.puts(3) == []
    world.minox.heal()
    assert world.of(world.run(LATER)) == {"2": "booked", "3": "booked"}


def test_when_minox_cannot_be_reached_any_more_the_rest_fails_and_the_next_run_goes_on(world: BookingWorld) -> None:
    world.add(*(invoice(key) for key in range(1, 11)))
    world.minox.spoil(method="PUT", path=BATCH, action="status", status=503, nth=3, times=None)
    world.minox.spoil(method="GET", path="/journal", action="status", status=503, nth=2, times=None)
    ran = world.run()
    assert not ran.is_good
    assert ran.counts["invoices"]["booked"] == 2
    assert sum(ran.counts["invoices"].get(outcome, 0) for outcome in ("failed", "in_doubt")) == 8
    assert {int(one["path"].rpartition("/")[2] != batch_of(10)) for one in world.puts()} == {1}
    world.minox.heal()
    assert world.run(LATER).counts["invoices"] == {"booked": 8}
    assert len(world.batches) == 10


def test_some_that_minox_always_fails_on_do_not_keep_the_others_from_being_booked(world: BookingWorld) -> None:
    world.change_settings(minox_concurrency=1)
    world.add(*(invoice(key) for key in range(1, 8)))
    failing = "|".join(batch_of(key) for key in range(1, 5))
    world.minox.spoil(method="PUT", path=f"{BATCH}/({failing})", action="status", status=500, times=None)
    ran = world.run()
    assert isinstance(ran.tasks["book"], TransientError)
    assert ran.counts["invoices"] == {"failed": 4, "booked": 3}
    world.minox.heal()
    assert world.run(LATER).counts["invoices"] == {"booked": 4}


def test_those_that_were_tried_in_vain_in_two_runs_come_last(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "GIVE_UP_AFTER", 2)
    world.change_settings(minox_concurrency=1)
    world.add(*(invoice(key) for key in range(1, 5)))
    failing = "|".join(batch_of(key) for key in (1, 2))
    world.minox.spoil(method="PUT", path=f"{BATCH}/({failing})", action="status", status=500, times=None)
    for interval in (MORNING, LATER):
        assert world.run(interval).counts["invoices"] == {"failed": 4}
        assert world.puts(3) == []
    world.change_settings(minox_concurrency=1, max_run_minutes=0)
    assert world.run(None).counts["invoices"] == {"postponed": 4}
    world.change_settings(minox_concurrency=1)
    assert world.of(world.run(AFTER)) == {
        "1": "failed: technical",
        "2": "failed: technical",
        "3": "booked",
        "4": "booked",
    }


def test_an_invoice_that_was_refused_goes_out_at_its_date_again(world: BookingWorld) -> None:
    world.change_settings(minox_concurrency=1, retry_refused_after=0)
    world.add(invoice(1, invoice_day=dt.date(2026, 1, 1), lines=[Line(Decimal(1), Decimal(100), account="4711")]))
    assert world.of(world.run()) == {"1": "refused_by_minox"}
    world.add(invoice(2), at="2026-03-02T11:10:00Z")
    world.minox.forget_requests()
    world.run(LATER)
    assert [one["path"].rpartition("/")[2] for one in world.puts()] == [batch_of(1), batch_of(2)]


@pytest.mark.parametrize("asked", [f"{BATCH}/", "receivable/account/"])
def test_an_invoice_that_minox_cannot_tell_of_waits_alone(world: BookingWorld, asked: str) -> None:
    world.add(*(invoice(key) for key in range(1, 4)))
    if asked == "receivable/account/":
        world.minox.control("POST", "modes", {"page_size": 2})
        for number in range(1, 41):
            world.type_in(10002, 900_000 + number)
        world.minox.spoil(
            method="GET", path=f"{asked}10001/invoice/{number_of(2)}", action="status", status=500, times=None
        )
    else:
        world.minox.spoil(method="GET", path=batch_of(2), action="status", status=500, times=None)
    world.type_in(10001, number_of(2))
    ran = world.run()
    assert isinstance(ran.tasks["book"], TransientError)
    assert world.of(ran) == {"1": "booked", "2": "failed: technical", "3": "booked"}
    assert world.puts(2) == []
    world.minox.heal()
    assert world.of(world.run(LATER)) == {"2": "already_booked"}


@pytest.mark.parametrize("minutes", [0, 0.000001])
def test_what_is_left_when_the_time_is_up_is_postponed_and_the_next_run_goes_on(
    world: BookingWorld, minutes: float
) -> None:
    world.add(invoice(1), invoice(2))
    world.change_settings(max_run_minutes=minutes)
    ran = world.run()
    assert ran.is_good
    assert world.of(ran) == {"1": "postponed", "2": "postponed"}
    assert world.puts() == []
    world.change_settings()
    assert world.of(world.run(LATER)) == {"1": "booked", "2": "booked"}


def test_a_run_whose_time_is_up_has_posted_the_oldest_invoices(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = {1: 20, 2: 10, 3: 15, 4: 10}
    world.add(*(invoice(key, invoice_day=dt.date(2026, 2, day)) for key, day in days.items()))
    ticks = iter((0.0, 1.0, 2.0, 800.0))
    monkeypatch.setattr(BookingRun.__init__, "__kwdefaults__", {"first_of_day": False, "clock": lambda: next(ticks)})
    ran = world.run()
    assert world.of(ran) == {"2": "booked", "4": "booked", "3": "postponed", "1": "postponed"}
    assert [one["path"].rpartition("/")[2] for one in world.puts()] == [batch_of(2), batch_of(4)]


@pytest.mark.parametrize("retry_after", [True, False])
def test_a_limit_is_waited_for_and_costs_no_invoice(world: BookingWorld, *, retry_after: bool) -> None:
    world.add(*(invoice(key) for key in range(1, 6)))
    world.minox.control("POST", "modes", {"rate_limit": "4/1", "retry_after": retry_after})
    ran = world.run()
    assert ran.is_good, ran.tasks
    assert ran.counts["invoices"] == {"booked": 5}
    assert sum(one["status"] == 200 for one in world.puts()) == 5


# -- two runs at once --------------------------------------------------------------------------------------------------


def test_two_runs_of_a_link_are_never_both_at_work(world: BookingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(*(invoice(key) for key in range(1, 5)))
    at_work: set[int] = set()
    most: list[int] = []
    lock = threading.Lock()
    book = BookingRun.book

    def counted(self: BookingRun) -> None:
        with lock:
            at_work.add(self.run.id)
            most.append(len(at_work))
        try:
            book(self)
        finally:
            with lock:
                at_work.discard(self.run.id)

    monkeypatch.setattr(BookingRun, "book", counted)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(world.run), pool.submit(world.run, None)
        runs = [first.result(timeout=120), second.result(timeout=120)]
    assert max(most) == 1
    assert all(ran.is_good for ran in runs), [ran.tasks for ran in runs]
    assert len(world.puts()) == 4


def test_a_run_that_never_got_the_direction_ends_and_is_made_up_for(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(invoice(1))
    monkeypatch.setitem(working.__wrapped__.__kwdefaults__, "wait_seconds", 0)  # type: ignore[attr-defined]
    other = open_run(
        world.database, link="test", direction="qms_to_minox", dag_id="d", run_id=uuid.uuid4().hex, plan={}
    )
    with working(world.database, other):
        left = world.run_invoices(interval=MORNING)
    assert not left.is_good
    assert world.puts() == []
    assert world.scalar("SELECT state FROM sync_run WHERE run_id = :run", run=left.run_id) == "abandoned"
    close_run(world.database, other, good=True)
    assert world.run_invoices(interval=AFTER).is_good
    assert len(world.puts()) == 1


def test_a_run_that_was_taken_over_sends_nothing_more(world: BookingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(invoice(1))
    check = BookingRun._check_preconditions

    def lose_the_claim(self: BookingRun) -> None:
        check(self)
        world.take_over()

    monkeypatch.setattr(BookingRun, "_check_preconditions", lose_the_claim)
    monkeypatch.setattr("include.storage.runs.GRACE_SECONDS", -1)
    ran = world.run_invoices(interval=MORNING)
    assert "took over" in str(ran.tasks["book"])
    assert world.puts() == []
    assert world.of() == {"1": "failed: technical"}


@pytest.mark.parametrize("by", ["another run", "another try"])
def test_a_task_that_stood_still_before_its_put_sends_nothing(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    world.add(invoice(1))
    await_turn = HttpClient.await_turn
    overtaken: list[str] = []

    def stand_still(self: HttpClient) -> None:
        await_turn(self)
        if not overtaken and world.scalar("SELECT count(*) FROM booking_attempt WHERE what = 'put'"):
            overtaken.append(by)
            if by == "another run":
                world.take_over()
            else:
                world.execute("UPDATE booking SET state = 'booked', outcome = 'booked'")

    monkeypatch.setattr(HttpClient, "await_turn", stand_still)
    monkeypatch.setattr("include.storage.runs.GRACE_SECONDS", -1)
    ran = world.run()
    assert overtaken == [by]
    assert ("took over" in str(ran.tasks["book"])) == (by == "another run")
    assert not ran.is_good
    assert world.puts() == []
    assert world.ledger(1).state == ("sending" if by == "another run" else "booked")


def test_a_task_that_wakes_after_later_runs_have_cleared_its_staging_says_so(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(invoice(1))
    check = BookingRun._check_preconditions

    def stand_still(booking: BookingRun) -> None:
        check(booking)
        world.execute("DELETE FROM staging_invoices")

    monkeypatch.setattr(BookingRun, "_check_preconditions", stand_still)
    ran = world.run_invoices(interval=MORNING)
    assert "what this one has staged is gone" in str(ran.tasks["book"])
    assert world.puts() == []


def test_a_run_with_an_older_copy_changes_nothing(world: BookingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = invoice(1, customer_code="10002")
    world.add(wrong)

    def die(_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(BookingRun, "book", die)
        with pytest.raises(SystemExit):
            world.run(run_id="older")
    monkeypatch.setattr("include.storage.runs.GRACE_SECONDS", -1)
    world.change(wrong, customer_code="10001", at=None)
    newer = world.run(LATER)
    assert world.of(newer) == {"1": "booked"}
    older = world.retry(replace(newer, run_id="older"), "book", "attach_pdfs", "close_run")
    assert world.of(older) == {"1": "booked"}
    assert (world.ledger(1).customer, world.ledger(1).outcome) == (10001, "booked")
    assert len(world.puts()) == 1


def test_an_older_copy_is_not_sent_once_a_later_run_has_read_the_invoice(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    dear = invoice(1, customer_code="10002")
    world.add(dear)
    _die_before_booking(world, monkeypatch, interval=MORNING, run_id="older")
    world.change(dear, customer_code="10001", at=None)
    _die_before_booking(world, monkeypatch, interval=LATER, run_id="newer")
    older = world.retry(Ran("qms_invoices__test", "older", {}, {}), "book", "attach_pdfs", "close_run")
    assert world.of(older) == {"1": "postponed"}
    assert "read the invoice anew" in world.message(1)
    assert world.puts() == []
    assert world.of(world.run(AFTER)) == {"1": "booked"}
    assert world.ledger(1).customer == 10001


@pytest.mark.parametrize("what", ["already_booked", "skipped", "booked"])
def test_a_change_that_two_runs_have_read_and_the_later_one_died_over_is_not_lost(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    _settled_and_changed(world, what)
    _die_before_booking(world, monkeypatch, interval=LATER, run_id="older")
    _die_before_booking(world, monkeypatch, interval=None, run_id="range")
    older = world.retry(Ran("qms_invoices__test", "older", {}, {}), "book", "attach_pdfs", "close_run")
    assert world.of(older) == {"1": "changed_after_booking" if what == "booked" else "postponed"}
    assert world.of(world.run(AFTER)) == {"1": "booked"}
    assert world.of(world.run(("2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z"))) == {}


@pytest.mark.parametrize("what", ["already_booked", "skipped"])
def test_a_change_that_was_read_while_minox_was_away_is_not_lost(world: BookingWorld, what: str) -> None:
    _settled_and_changed(world, what)
    world.minox.spoil(method="GET", times=None, action="status", status=500)
    away = world.run(LATER)
    assert world.of(away) == {"1": "failed: technical"}
    world.minox.heal()
    assert world.of(world.run(AFTER)) == {"1": "booked"}


def test_a_change_that_minox_could_not_be_asked_about_is_asked_about_again(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settled_and_changed(world, "already_booked")

    def silent(run: BookingRun, verdicts: list[Verdict], _holders: object) -> list[Verdict]:
        return [run._untold(one, TransientError("Minox is away.", system="minox")) for one in verdicts]

    with monkeypatch.context() as patched:
        patched.setattr(BookingRun, "_already_there", silent)
        assert world.of(world.run(LATER)) == {"1": "failed: technical"}
    assert (world.ledger(1).state, world.ledger(1).minox_number) == ("already_booked", number_of(1))
    assert world.of(world.run(AFTER)) == {"1": "booked"}


def test_what_is_in_doubt_is_not_judged(world: BookingWorld) -> None:
    one = invoice(1)
    world.add(one)
    world.minox.spoil(method="PUT", path=BATCH, action="apply-then-drop")
    world.minox.spoil(method="GET", path=BATCH, action="status", status=500, times=None)
    assert world.of(world.run()) == {"1": "in_doubt: answer_lost"}
    world.change(one, customer_code="10002", at=CHANGED_AT)
    assert world.of(world.run(LATER)) == {"1": "in_doubt: answer_lost"}
    assert world.ledger(1).staged_at > world.ledger(1).read_at
    world.minox.heal()
    assert world.of(world.run(AFTER)) == {"1": "changed_after_booking"}


def _die_before_booking(world: BookingWorld, monkeypatch: pytest.MonkeyPatch, **run: Any) -> None:
    """Let a run stage its invoices and die, and any other run take over at once from then on."""

    def die(_: object) -> None:
        raise SystemExit

    monkeypatch.setattr("include.storage.runs.GRACE_SECONDS", -1)
    with monkeypatch.context() as patched:
        patched.setattr(BookingRun, "book", die)
        with pytest.raises(SystemExit):
            world.run(**run)


def _settled_and_changed(world: BookingWorld, what: str) -> None:
    """An invoice that the ledger is done with, changed in QMS so that it is to be booked, or was booked otherwise."""
    one = invoice(1)
    if what == "already_booked":
        world.type_in(10001, number_of(1))
        world.add(one)
        changes: dict[str, Any] = {"number": "F2026-0077"}
    elif what == "skipped":
        changes = {"number": one.number, "lines": one.lines}
        one = replace(one, number="Afgeboekte factuur: 1", lines=[])
        world.add(one)
    else:
        world.add(one)
        changes = {"customer_code": "10002"}
    assert world.of(world.run(MORNING)) == {"1": what}
    world.change(one, at=CHANGED_AT, **changes)


def test_an_invoice_that_a_later_run_has_read_anew_keeps_its_number(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    february = dt.date(2026, 2, 10)
    same = invoice(2, number="G2026-0001", customer_code="10002", invoice_day=february, day=february)
    world.add(invoice(1), same)
    _die_before_booking(world, monkeypatch, interval=MORNING, run_id="older")
    march = ("2026-03-01", "2026-03-31")
    _die_before_booking(world, monkeypatch, interval=None, run_id="range", dates=march)
    older = world.retry(Ran("qms_invoices__test", "older", {}, {}), "book", "attach_pdfs", "close_run")
    assert world.of(older) == {"1": "postponed", "2": "rejected: invoice_number_collision"}
    world.run(LATER)
    assert world.of()["1"] == "booked"


def test_an_older_copy_is_not_sent_once_the_ledger_knows_a_later_one(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(invoice(1), invoice(2))
    check = BookingRun._check_preconditions

    def learn_meanwhile(self: BookingRun) -> None:
        check(self)
        world.execute("UPDATE booking SET read_at = read_at + interval '1 hour' WHERE invoice_header_id = 1")

    monkeypatch.setattr(BookingRun, "_check_preconditions", learn_meanwhile)
    assert world.of(world.run()) == {"1": "failed: technical", "2": "booked"}
    assert world.puts(1) == []
