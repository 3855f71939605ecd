"""A run of the invoices that has nothing to book skips its other tasks, and counts as any good run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.booking_world import AFTER, LATER, MORNING, invoice

if TYPE_CHECKING:
    from tests.e2e.booking_world import BookingWorld

IDLE = {"check", "book", "attach_pdfs"}


def test_an_idle_run_starts_nothing_behind_its_list(world: BookingWorld) -> None:
    world.add(invoice(1))
    assert not world.run(MORNING).skipped  # the first of its day, too
    ran = world.run(LATER)
    assert ran.is_good, ran.tasks
    assert ran.skipped == IDLE
    assert world.scalar("SELECT state FROM sync_run WHERE run_id = :run", run=ran.run_id) == "good"
    query = "SELECT e.state, e.extracted, e.counts FROM sync_run_entity e JOIN sync_run r ON r.id = e.run "
    assert [tuple(row) for row in world.rows(query + "WHERE r.run_id = :run", run=ran.run_id)] == [("good", 0, {})]
    world.add(invoice(2), at="2026-03-02T12:30:00Z")
    assert world.run(AFTER).counts == {"invoices": {"booked": 1}}


def test_the_first_run_of_a_day_is_never_idle(world: BookingWorld) -> None:
    assert not world.run(MORNING).skipped
    assert world.scalar("SELECT count(*) FROM daily_sweep") == 1
    assert world.run(LATER).skipped == IDLE


def test_a_change_of_whatever_company_is_checked(world: BookingWorld) -> None:
    world.run(MORNING)
    world.log(77, at="2026-03-02T11:30:00Z")
    assert not world.run(LATER).skipped


def test_what_is_open_is_looked_at(world: BookingWorld) -> None:
    world.add(invoice(1, customer_code=""))
    world.run(MORNING)
    ran = world.run(LATER)
    assert not ran.skipped
    assert ran.counts == {"invoices": {"rejected": 1}}


def test_an_entry_in_doubt_is_looked_up_though_qms_lists_its_invoice_no_more(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.run(MORNING)
    world.execute("UPDATE booking SET state = 'sending', outcome = 'in_doubt'")
    world.qms.edit({"entity": "OverviewInvoice", "delete": ["1"], "log": False})
    ran = world.run(LATER)
    assert not ran.skipped
    assert ran.counts == {"invoices": {"booked": 1}}


def test_neither_a_range_nor_a_dry_run_is_ever_idle(world: BookingWorld) -> None:
    world.run(MORNING)
    assert not world.run(None).skipped
    assert not world.run(LATER, dry_run=True).skipped


def test_a_pdf_that_is_due_is_attached_by_an_idle_run(world: BookingWorld) -> None:
    world.change_settings(attach_pdf=True)
    world.add(invoice(1))
    world.run(MORNING)
    assert world.run(LATER).skipped == IDLE
    world.execute("UPDATE booking SET pdf_state = 'pending'")
    assert world.run(AFTER).skipped == {"check", "book"}
    assert world.ledger(1).pdf_state == "attached"
