"""Attaching PDFs, and telling QMS what became of its invoices (spec, section 3)."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from include.errors import AccessError, TransientError
from include.settings.load import load_link
from include.storage import runs
from include.storage.runs import find_run
from minox_qms.hooks.minox import MinoxHook
from minox_qms.hooks.qms import QmsHook
from minox_qms.sync.booking_notes import BookingNotes
from minox_qms.sync.pdfs import PdfAttacher
from minox_qms.sync.posting import Posted
from sandbox.data.invoices import Line
from tests.e2e.booking_world import AFTER, LATER, batch_of, invoice, number_of
from tests.world import System, talk_of

if TYPE_CHECKING:
    from tests.e2e.booking_world import BookingWorld

CHANGED_AT = "2026-03-02T11:10:00Z"
EVENING = ("2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z")


pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def pdfs(world: BookingWorld) -> BookingWorld:
    """A world in which PDFs are attached."""
    world.change_settings(attach_pdf=True)
    return world


def documents(world: BookingWorld, key: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.batches[batch_of(key)]["documents"]
    return found


def state(world: BookingWorld, key: int) -> str | None:
    row = world.ledger(key)
    return None if row is None else row.pdf_state


# -- PDF ---------------------------------------------------------------------------------------------------------------


def test_no_pdf_is_asked_for_when_the_setting_is_off(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.run()
    assert world.qms.requests("GET", "Pdf") == []
    assert documents(world, 1) == []


def test_the_pdf_is_attached_once_after_the_booking(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1))
    assert pdfs.run().is_good
    (document,) = documents(pdfs, 1)
    assert (document["name"], document["media_type"]) == ("F2026-0001.pdf", "application/pdf")
    assert state(pdfs, 1) == "attached"
    pdfs.run(LATER)
    pdfs.run(None)
    assert len(documents(pdfs, 1)) == 1
    assert len(pdfs.qms.requests("GET", "Pdf")) == 1


def test_a_task_that_tells_of_its_booking_too_late_brings_no_second_pdf(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1))
    ran = pdfs.run()
    link = load_link(pdfs.directory / "test.yaml")
    run = find_run(pdfs.database, ran.dag_id, ran.run_id)
    notes = BookingNotes(pdfs.database, link, run, read_at=pdfs.ledger(1).read_at)
    with pdfs.database.begin() as connection:  # as a task that stood still while a second try of it went on
        notes.answered(connection, 1, Posted("booked", {"state": "booked"}))
    assert state(pdfs, 1) == "attached"
    pdfs.run(LATER)
    assert len(documents(pdfs, 1)) == 1


def test_a_pdf_that_qms_has_not_made_yet_is_asked_for_again(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1))
    pdfs.qms.spoil(method="GET", path="Pdf", action="status", status=404)
    ran = pdfs.run()
    assert ran.is_good
    assert pdfs.of(ran) == {"1": "booked"}
    assert state(pdfs, 1) == "pending"
    pdfs.run(LATER)
    assert state(pdfs, 1) == "attached"


def test_a_refused_pdf_waits_for_the_retry_rule_and_the_booking_stays(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1))
    no = [{"message_code": "X", "message_type": "error", "message": "Geen documenten in dit dagboek"}]
    pdfs.minox.spoil(method="POST", path="blob", action="status", status=400, body=no, times=1)
    ran = pdfs.run()
    assert ran.is_good
    assert pdfs.of(ran) == {"1": "booked"}
    assert (state(pdfs, 1), pdfs.ledger(1).state) == ("failed", "booked")
    pdfs.run(LATER)
    assert documents(pdfs, 1) == []
    pdfs.execute("UPDATE booking SET pdf_at = pdf_at - interval '61 minutes'")
    pdfs.run(AFTER)
    assert len(documents(pdfs, 1)) == 1


@pytest.mark.parametrize("fault", [{"action": "apply-then-drop"}, {"action": "apply-then-status", "status": 500}])
def test_a_lost_answer_is_looked_up_and_nothing_is_attached_twice(pdfs: BookingWorld, fault: dict[str, Any]) -> None:
    pdfs.add(invoice(1))
    pdfs.minox.spoil(method="POST", path="blob", **fault)
    ran = pdfs.run()
    assert ran.is_good, ran.tasks
    assert state(pdfs, 1) == "attached"
    pdfs.run(LATER)
    assert len(documents(pdfs, 1)) == 1
    assert len(pdfs.minox.requests("POST", "blob")) == 1


def test_a_lost_answer_that_cannot_be_looked_up_is_looked_up_by_the_next_run(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1))
    pdfs.minox.spoil(method="POST", path="blob", action="apply-then-drop")
    pdfs.minox.spoil(method="GET", path="transaction_line_batch", action="status", status=500, times=None)
    ran = pdfs.run()
    assert isinstance(ran.tasks["attach_pdfs"], TransientError)
    assert (state(pdfs, 1), pdfs.of()) == ("sending", {"1": "booked"})
    pdfs.minox.heal()
    pdfs.run(LATER)
    assert state(pdfs, 1) == "attached"
    assert len(documents(pdfs, 1)) == 1


def test_a_lost_answer_of_an_administration_that_is_switched_off_then_is_looked_up_later(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1))
    pdfs.minox.spoil(method="POST", path="blob", action="apply-then-drop")
    pdfs.minox.spoil(method="POST", path="blob", action="status", status=404, times=None)
    pdfs.minox.spoil(method="GET", path="transaction_line_batch", action="status", status=404, times=None)
    pdfs.minox.spoil(method="GET", path="receivable/account", action="status", status=404, times=None)
    pdfs.run()
    assert (len(documents(pdfs, 1)), state(pdfs, 1)) == (1, "failed")
    pdfs.minox.heal()
    pdfs.execute("UPDATE booking SET pdf_at = pdf_at - interval '61 minutes'")
    pdfs.run(LATER)
    assert (len(documents(pdfs, 1)), state(pdfs, 1)) == (1, "attached")


def test_a_pdf_that_may_yet_arrive_is_sent_once_a_run(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1))
    pdfs.minox.spoil(method="POST", path="blob", action="status", status=504, times=None)
    pdfs.run()
    assert len(pdfs.minox.requests("POST", "blob")) == 1
    pdfs.minox.heal()
    pdfs.run(LATER)
    assert (len(documents(pdfs, 1)), state(pdfs, 1)) == (1, "attached")


def test_a_report_that_may_yet_arrive_is_sent_once_a_run(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.qms.spoil(method="POST", path="EntityState", action="status", status=504, times=None)
    world.run()
    assert len(world.qms.requests("POST", "EntityState")) == 1
    world.qms.heal()
    world.run(LATER)
    assert world.states["1"]["IsError"] is False


def test_a_pdf_that_was_refused_by_any_4xx_is_no_error_of_the_run(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1))
    pdfs.minox.spoil(method="POST", path="blob", action="status", status=415)
    assert pdfs.run().is_good
    assert state(pdfs, 1) == "failed"


def test_a_pdf_that_did_not_arrive_is_sent_again(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1))
    pdfs.minox.spoil(method="POST", path="blob", action="drop")
    pdfs.run()
    pdfs.run(LATER)
    assert len(documents(pdfs, 1)) == 1


def test_a_failing_pdf_leaves_the_others_and_the_bookings_alone(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1), invoice(2), invoice(3))
    pdfs.qms.spoil(method="GET", path=r"Invoice\(2\)/Pdf", action="status", status=500, times=None)
    ran = pdfs.run()
    assert isinstance(ran.tasks["attach_pdfs"], TransientError)
    assert (ran.tasks["book"], ran.tasks["close_run"]) == (None, None)
    assert ran.counts["invoices"] == {"booked": 3}
    assert [state(pdfs, key) for key in (1, 2, 3)] == ["attached", "pending", "attached"]
    pdfs.qms.heal()
    pdfs.run(LATER)
    assert state(pdfs, 2) == "attached"


def test_pdfs_that_always_fail_do_not_keep_the_others_waiting(pdfs: BookingWorld) -> None:
    pdfs.add(*(invoice(key) for key in range(1, 6)))
    pdfs.qms.spoil(method="GET", path=r"Invoice\([123]\)/Pdf", action="status", status=500, times=None)
    pdfs.run()
    assert [state(pdfs, key) for key in range(1, 6)] == ["pending"] * 5
    pdfs.run(LATER)
    assert [state(pdfs, key) for key in range(1, 6)] == [*["pending"] * 3, "attached", "attached"]


def test_a_right_that_is_missing_stops_the_attaching(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1), invoice(2))
    pdfs.minox.spoil(method="POST", path="blob", action="status", status=403, times=None)
    ran = pdfs.run()
    assert isinstance(ran.tasks["attach_pdfs"].__cause__, AccessError)  # type: ignore[union-attr]
    assert len(pdfs.minox.requests("POST", "blob")) == 1
    assert ran.counts["invoices"] == {"booked": 2}


def test_a_restored_ledger_attaches_no_pdf_twice(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1))
    pdfs.run()
    pdfs.execute("TRUNCATE booking, sync_run, entity_report, daily_sweep CASCADE")
    assert pdfs.of(pdfs.run(None)) == {"1": "booked"}
    assert len(documents(pdfs, 1)) == 1
    assert state(pdfs, 1) == "attached"


def test_what_is_not_ours_gets_no_pdf(pdfs: BookingWorld) -> None:
    pdfs.type_in(10001, number_of(1))
    pdfs.add(invoice(1), invoice(2, currency="USD"))
    pdfs.run()
    assert pdfs.qms.requests("GET", "Pdf") == []


def test_attaching_stops_when_its_time_is_up(pdfs: BookingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    pdfs.add(invoice(1), invoice(2), invoice(3))
    ticks = iter((0.0, 1.0, 800.0))
    monkeypatch.setattr(PdfAttacher.__init__, "__kwdefaults__", {"clock": lambda: next(ticks)})
    assert pdfs.run().is_good
    assert [state(pdfs, key) for key in (1, 2, 3)] == ["attached", "pending", "pending"]


# -- reporting back ----------------------------------------------------------------------------------------------------


def test_qms_is_told_of_booked_rejected_and_refused_invoices(world: BookingWorld) -> None:

    refused = invoice(3, lines=[Line(Decimal(1), Decimal(100), account="4711")])
    world.add(invoice(1), invoice(2, currency="USD"), refused)
    assert world.run().is_good
    states = world.states
    assert {key: row["DataSourceKey"] for key, row in states.items()} == {str(key): batch_of(key) for key in (1, 2, 3)}
    assert {(row["DataSource"], row["CompanyId"]) for row in states.values()} == {("Minox", "3")}
    assert {key: row["IsError"] for key, row in states.items()} == {"1": False, "2": True, "3": True}
    assert states["1"]["Message"] == "Geboekt in Minox"
    assert states["2"]["Message"].startswith("foreign_currency")
    assert "4711" in states["3"]["Message"]


def test_nothing_is_told_when_the_setting_is_off(world: BookingWorld) -> None:
    world.change_settings(report_to_qms=False)
    world.add(invoice(1), invoice(2, currency="USD"))
    world.run()
    assert world.states == {}


def test_a_row_is_updated_when_what_it_says_changes_and_only_then(world: BookingWorld) -> None:
    wrong = invoice(1, currency="USD", customer_code=None)
    world.add(wrong)
    world.run()
    first = world.states["1"]
    world.qms.forget_requests()
    world.run(LATER)
    assert world.qms.writes() == []
    changed = world.change(wrong, customer_code="10001", at=None)
    world.run(AFTER)
    assert world.states["1"]["Message"].startswith("foreign_currency")
    world.change(changed, currency="EUR", at=None)
    world.run(EVENING)
    assert world.states["1"]["EntityStateId"] == first["EntityStateId"]
    assert (world.states["1"]["IsError"], world.states["1"]["Message"]) == (False, "Geboekt in Minox")
    assert [one["method"] for one in world.qms.writes()] == ["PUT", "PUT"]


def test_a_warning_of_minox_is_told_and_stays_when_the_invoice_is_seen_again(world: BookingWorld) -> None:
    world.change_settings(send_vat_code=True)
    vat = {"id": 1, "description": "BTW hoog", "percentage": 21, "type": "Omzet"}
    world.minox.edit({"entity": "vat", "add": [vat]})
    world.add(invoice(1))
    world.run()
    told = world.states["1"]["Message"]
    assert told.startswith("Geboekt in Minox (")
    world.run(None)
    assert world.states["1"]["Message"] == told
    assert len(world.qms.writes()) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "apply-then-drop"},
        {"action": "apply-then-status", "status": 500},
        {"action": "drop"},
        {"action": "body", "body": {"EntityStateId": "999", "EntityType": "InvoiceHeader", "EntityId": "777"}},
    ],
)
def test_a_lost_answer_makes_no_second_row(world: BookingWorld, fault: dict[str, Any]) -> None:
    world.add(invoice(1))
    world.qms.spoil(method="POST", path="EntityState", **fault)
    assert world.run().is_good
    assert world.states["1"]["Message"] == "Geboekt in Minox"
    world.run(None)
    assert len(world.states) == 1


def test_an_upload_that_failed_is_made_again_in_the_same_run(pdfs: BookingWorld) -> None:
    pdfs.add(invoice(1))
    pdfs.minox.spoil(method="POST", path="blob", action="status", status=500, times=1)
    ran = pdfs.run()
    assert ran.is_good, ran.tasks
    assert len(documents(pdfs, 1)) == 1


def test_a_task_that_stood_still_before_its_pdf_attaches_and_notes_nothing(
    pdfs: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdfs.add(invoice(1))
    attach = MinoxHook.attach_blob

    def stand_still(self: MinoxHook, *given: Any, **options: Any) -> str:
        pdfs.take_over()
        return attach(self, *given, **options)

    monkeypatch.setattr(runs, "GRACE_SECONDS", -1)
    with monkeypatch.context() as patched:
        patched.setattr(MinoxHook, "attach_blob", stand_still)
        ran = pdfs.run()
    assert "took over" in str(ran.tasks["attach_pdfs"])
    assert documents(pdfs, 1) == []
    assert state(pdfs, 1) == "sending"
    assert pdfs.run(LATER).is_good
    assert len(documents(pdfs, 1)) == 1


def test_a_task_that_was_overtaken_notes_nothing_of_a_pdf(pdfs: BookingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    pdfs.add(invoice(1))
    read = QmsHook.pdf

    def stand_still(self: QmsHook, invoice_id: int) -> bytes | None:
        found = read(self, invoice_id)
        pdfs.execute("UPDATE booking SET pdf_state = 'attached'")
        pdfs.take_over()
        return found

    monkeypatch.setattr(QmsHook, "pdf", stand_still)
    monkeypatch.setattr(runs, "GRACE_SECONDS", -1)
    ran = pdfs.run()
    assert "took over" in str(ran.tasks["attach_pdfs"])
    assert state(pdfs, 1) == "attached"


@pytest.mark.parametrize("write", ["create", "replace"])
def test_a_task_that_stood_still_before_its_reports_tells_nothing(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    world.add(invoice(1, currency="USD"), invoice(2, currency="USD"))
    if write == "replace":
        world.run()
        world.change(invoice(1, currency="USD"), currency="GBP", at=None)
        world.qms.forget_requests()
    send = getattr(QmsHook, write)

    def stand_still(self: QmsHook, *given: Any, **options: Any) -> Any:
        world.take_over()
        return send(self, *given, **options)

    monkeypatch.setattr(runs, "GRACE_SECONDS", -1)
    with monkeypatch.context() as patched:
        patched.setattr(QmsHook, write, stand_still)
        ran = world.run(LATER)
    assert "took over" in str(ran.tasks["close_run"])
    assert world.qms.writes() == []
    assert world.scalar("SELECT count(*) FROM entity_report WHERE message IS NOT NULL") == 0
    assert world.run(AFTER).is_good
    assert {row["Message"][:16] for row in world.states.values()} == {"foreign_currency"}


def test_a_restored_database_makes_no_second_row(world: BookingWorld) -> None:
    world.add(invoice(1), invoice(2, currency="USD"))
    world.run()
    keys = {key: row["EntityStateId"] for key, row in world.states.items()}
    world.execute("TRUNCATE booking, sync_run, entity_report, quarantine, daily_sweep CASCADE")
    world.run(None)
    assert {key: row["EntityStateId"] for key, row in world.states.items()} == keys


def test_other_sources_rows_are_left_alone(world: BookingWorld) -> None:
    other = {
        "EntityStateId": "700",
        "CompanyId": "3",
        "EntityId": "1",
        "EntityType": "InvoiceHeader",
        "DataSource": "Salaris",
        "DataSourceDate": "2026-01-01T00:00:00Z",
        "DataSourceKey": "x",
        "IsError": True,
        "Message": "Van een ander",
    }
    world.qms.edit({"entity": "EntityState", "add": [other], "log": False})
    world.add(invoice(1))
    world.run()
    rows = world.qms.state["EntityState"]
    assert [row["Message"] for row in rows] == ["Van een ander", "Geboekt in Minox"]


def test_a_report_that_fails_is_a_warning_and_is_told_by_the_next_run(world: BookingWorld) -> None:
    world.add(*(invoice(key) for key in range(1, 7)))
    world.qms.spoil(path="EntityState", action="status", status=500, times=None)
    ran = world.run()
    assert ran.is_good, ran.tasks
    assert ran.counts["invoices"] == {"booked": 6}
    assert world.states == {}
    world.qms.heal()
    assert world.run(LATER).is_good
    assert len(world.states) == 6


def test_a_report_goes_out_again_after_a_look_up_and_a_pause(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.qms.spoil(method="POST", path="EntityState", action="status", status=500, times=None)
    with talk_of("EntityState") as heard:
        assert world.run().is_good
    assert heard == ["GET", "POST", "GET", "pause 1", "POST", "GET", "pause 2", "POST", "GET"]


def test_a_row_that_qms_refuses_does_not_keep_the_others_from_being_told(world: BookingWorld) -> None:
    world.add(*(invoice(key) for key in range(1, 7)))
    world.qms.spoil(method="POST", path="EntityState", action="status", status=400, times=4)
    assert world.run().is_good
    assert len(world.states) == 2
    world.run(LATER)
    assert len(world.states) == 2
    world.execute("UPDATE entity_report SET updated_at = updated_at - interval '61 minutes'")
    world.run(AFTER)
    assert len(world.states) == 6


def test_a_row_that_someone_deleted_is_made_again(world: BookingWorld) -> None:
    wrong = invoice(1, currency="USD")
    world.add(wrong)
    world.run()
    world.qms.edit({"entity": "EntityState", "delete": [world.states["1"]["EntityStateId"]], "log": False})
    world.change(wrong, currency="EUR", at=None)
    assert world.run(LATER).is_good
    assert world.states["1"]["Message"] == "Geboekt in Minox"


def test_reports_overlap_and_no_more_than_the_setting_says_are_under_way(world: BookingWorld) -> None:
    world.configure(qms={"qms_concurrency": 3})
    world.add(*(invoice(key) for key in range(1, 9)))
    world.qms.spoil(method="POST", path="EntityState", action="hold", seconds=120, times=None)
    controls, under_way = System("qms", world.qms.url), []

    def let_go() -> None:
        deadline = time.monotonic() + 90
        while len(controls.requests("POST", "EntityState")) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)  # were there more than three, they would come now
        under_way.extend(controls.requests("POST", "EntityState"))
        controls.heal()

    watcher = threading.Thread(target=let_go)
    watcher.start()
    assert world.run().is_good
    watcher.join()
    assert len(under_way) == 3
    assert set(world.states) == {str(key) for key in range(1, 9)}


def test_missing_rights_for_reports_are_a_warning_too(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.qms.spoil(path="EntityState", action="status", status=403, times=None)
    assert world.run().is_good
    assert world.of() == {"1": "booked"}
