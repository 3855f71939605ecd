"""The ledger: a row per invoice, one invoice per number, and no older copy over a newer one."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from include.bookings.batch_id import batch_id
from include.bookings.entry import Entry, EntryLine
from include.storage import ledger
from include.storage.runs import RunBusyError, working
from include.storage.tables import booking, booking_attempt, person_action
from minox_qms.sync.posting import Poster
from tests.storage.support import LONG_AGO, new_invoice, new_link, new_run, now, state_of

if TYPE_CHECKING:
    from include.storage.runs import Run

HOUR = dt.timedelta(hours=1)
_INTENT = {"batch_id": batch_id(1, 2, 3, 4), "state": "sending", "outcome": "in_doubt"}


def _note(engine: sa.Engine, link: str, number: int, at: dt.datetime, **values: Any) -> bool:
    row = {"batch_id": batch_id(1, 2, 3, number), "outcome": "failed", **values}
    with engine.begin() as connection:
        return ledger.note(connection, link, number, row, read_at=at)


def _entry(number: int) -> Entry:
    amount, vat = Decimal("100.00"), Decimal("21.00")
    return Entry(
        lines=(
            EntryLine(1001, Decimal("121.00"), None, Decimal("0.00"), None, "Advies", None),
            EntryLine(8000, None, amount, vat, None, None, None),
        ),
        journal="VRK",
        document_date=dt.date(2026, 1, 31),
        invoice_number=number,
        customer=1001,
        rounding=(),
        net=amount,
        vat=vat,
        total=amount + vat,
    )


def test_an_older_copy_changes_nothing(database: sa.Engine) -> None:
    link, at = new_link(), now(database)
    assert _note(database, link, 1, at, source_hash="new")
    assert state_of(database, link, 1).state == "open"
    assert not _note(database, link, 1, at - HOUR, source_hash="old", state="rejected")
    assert (state_of(database, link, 1).source_hash, state_of(database, link, 1).state) == ("new", "open")
    assert _note(database, link, 1, at, source_hash="same copy", state="rejected")
    assert _note(database, link, 1, at + HOUR, source_hash="newer")
    row = state_of(database, link, 1)
    assert (row.source_hash, row.state, row.read_at) == ("newer", "rejected", at + HOUR)


@pytest.mark.parametrize("state", ["open", "sending", "booked", "rejected", "excluded"])
def test_what_is_taken_up_is_known_to_be_staged_and_stays_as_it_is(database: sa.Engine, state: str) -> None:
    link, at = new_link(), now(database)
    assert _note(database, link, 1, at, state=state, message="as it was")
    for read_at in (at + HOUR, at):
        with database.begin() as connection:
            ledger.take_up(connection, link, {1: uuid.uuid4(), 2: uuid.uuid4()}, read_at=read_at)
    known = state_of(database, link, 1)
    assert (known.state, known.message, known.read_at, known.staged_at) == (state, "as it was", at, at + HOUR)
    new = state_of(database, link, 2)
    assert (new.state, new.read_at, new.staged_at) == ("open", at + HOUR, at + HOUR)


def test_an_older_copy_is_not_intended(database: sa.Engine) -> None:
    link, at = new_link(), now(database)
    with database.begin() as connection:
        for read_at in (at - 2 * HOUR, at):
            ledger.take_up(connection, link, {1: uuid.uuid4()}, read_at=read_at)
        assert not ledger.note(connection, link, 1, _INTENT, read_at=at - HOUR, is_attempt=True)
        assert ledger.note(connection, link, 1, _INTENT, read_at=at, is_attempt=True)
    assert state_of(database, link, 1).attempts == 1


def test_what_is_done_is_taken_up_again_until_its_newest_copy_was_judged(database: sa.Engine) -> None:
    link, at = new_link(), now(database)
    for number, state in enumerate(("booked", "already_booked", "skipped", "excluded"), 1):
        assert _note(database, link, number, at, state=state, outcome=state)
    later = {number: uuid.uuid4() for number in (1, 2, 3, 4)}

    def taken_up() -> list[int]:
        with database.connect() as connection:
            return ledger.open_ids(connection, link)

    assert taken_up() == []
    with database.begin() as connection:
        ledger.take_up(connection, link, later, read_at=at + HOUR)
        row = {"batch_id": later[1], "outcome": "failed"}
        assert ledger.note(connection, link, 1, row, read_at=at + HOUR, is_judged=False)
    assert taken_up() == [1, 2, 3]
    for number in (1, 2, 3):
        assert _note(database, link, number, at + HOUR)
    assert taken_up() == []


def test_what_qms_shows_nothing_of_is_not_looked_for_for_ever(database: sa.Engine) -> None:
    link, at, days = new_link(), now(database), dt.timedelta(days=1)
    ages = {1: 34 * days, 2: 36 * days}
    for number, age in ages.items():
        assert _note(database, link, number, at - age - HOUR, state="booked", outcome="booked")
        with database.begin() as connection:
            ledger.take_up(connection, link, {number: uuid.uuid4()}, read_at=at - age)
    for number, age in {3: 34 * days, 4: 36 * days}.items():
        assert _note(database, link, number, at - age, state="excluded", outcome="booked")
        with database.begin() as connection:
            of = sa.and_(booking.c.link == link, booking.c.invoice_header_id == number)
            connection.execute(sa.update(booking).where(of).values(updated_at=at - age))
    with database.connect() as connection:
        assert ledger.open_ids(connection, link) == [1, 3]


def test_what_is_taken_up_waits_for_people_in_the_order_of_its_ids(database: sa.Engine) -> None:
    link, at = new_link(), now(database)
    batches = {2: uuid.uuid4(), 1: uuid.uuid4()}
    lock = sa.select(booking.c.state).where(booking.c.link == link).with_for_update()
    with database.begin() as connection:
        ledger.take_up(connection, link, batches, read_at=at)

    def stage() -> None:
        with database.begin() as connection:
            ledger.take_up(connection, link, batches, read_at=at + HOUR)

    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            connection.execute(lock.where(booking.c.invoice_header_id == 1))
            staging = pool.submit(stage)
            waits = "SELECT 1 FROM pg_locks WHERE NOT granted"  # pg_stat_activity stands still in a transaction
            deadline = time.monotonic() + 30
            while connection.execute(sa.text(waits)).first() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            connection.execute(lock.where(booking.c.invoice_header_id == 2))
        staging.result(timeout=30)


def test_only_the_very_entry_that_was_intended_may_go_out(database: sa.Engine) -> None:
    link, at = new_link(), now(database)
    runs = [new_run(database, link, "qms_to_minox") for _ in range(2)]
    other = new_run(database, new_link(), "qms_to_minox")
    assert _note(database, link, 1, at, state="sending", entry_hash="this")
    assert not ledger.is_intended(database, runs[0], 1, "this", read_at=at)
    with working(database, other), working(database, runs[0]):
        assert ledger.is_intended(database, runs[0], 1, "this", read_at=at)
        assert not ledger.is_intended(database, runs[0], 1, "this", read_at=at - HOUR)
        assert not ledger.is_intended(database, runs[0], 1, "another", read_at=at)
        assert not ledger.is_intended(database, runs[0], 2, "this", read_at=at)
        assert not ledger.is_intended(database, other, 1, "this", read_at=at)
        assert not ledger.is_intended(database, runs[1], 1, "this", read_at=at)
    assert _note(database, link, 1, at, state="open")
    assert not ledger.is_intended(database, runs[0], 1, "this", read_at=at)


def test_only_one_invoice_of_a_link_goes_out_under_a_number(database: sa.Engine) -> None:
    link, other = new_link(), new_link()
    for state in ("open", "rejected", "refused", "skipped", "excluded"):
        new_invoice(database, link, 10 + len(state), state=state, minox_number=12)
    new_invoice(database, link, 1, state="booked", minox_number=12)
    new_invoice(database, other, 1, state="booked", minox_number=12)
    for state in ("sending", "booked"):
        with pytest.raises(sa.exc.IntegrityError, match="uq_booking_held_number"):
            new_invoice(database, link, 2, state=state, minox_number=12)
        new_invoice(database, link, 100 + len(state), state=state, minox_number=100 + len(state))
    with database.connect() as connection:
        assert ledger.number_holders(connection, link, [12, 13]) == {12: [ledger.Holder(1, None, is_sent=True)]}
        assert ledger.number_holders(connection, link, []) == {}
        assert ledger.number_holders(connection, link, [12], states=("open",)) == {12: [ledger.Holder(14, None)]}
    new_invoice(database, link, 3, state="already_booked", minox_number=12, customer=10002)
    with database.connect() as connection:
        holders = [ledger.Holder(1, None, is_sent=True), ledger.Holder(3, 10002)]
        assert ledger.number_holders(connection, link, [12]) == {12: holders}


def test_what_runs_take_up_and_what_they_leave_alone(database: sa.Engine) -> None:
    link = new_link()
    states = ("open", "sending", "rejected", "refused", "booked", "already_booked", "skipped", "excluded")
    for number, state in enumerate(states, 1):
        new_invoice(database, link, number, state=state, outcome=state, minox_number=number)
    new_invoice(database, link, 9, state="excluded", outcome="rejected")
    new_invoice(database, new_link(), 10)
    with database.connect() as connection:
        assert ledger.open_ids(connection, link) == [1, 2, 3, 4, 9]  # 9 was excluded since the last run
        assert ledger.settled_ids(connection, link, range(1, 9)) == {5, 6, 8}
        assert [row.invoice_header_id for row in ledger.sending(connection, link)] == [2]
        assert set(ledger.rows_of(connection, link, [1, 5, 77])) == {1, 5}


def test_pdfs_are_due_until_they_are_attached(database: sa.Engine) -> None:
    link, at = new_link(), now(database)
    for number, state in enumerate((None, "pending", "sending", "attached", "failed", "failed"), 1):
        waited = at - HOUR if number == 6 else at
        new_invoice(database, link, number, state="booked", minox_number=number, pdf_state=state, pdf_at=waited)
    new_invoice(database, link, 7, state="open", pdf_state="pending")
    with database.connect() as connection:
        due = ledger.due_pdfs(connection, link, Decimal(30))
    # what was tried longest ago comes first
    assert [(one.invoice_header_id, one.pdf_state) for one in due] == [(6, "failed"), (2, "pending"), (3, "sending")]
    assert due[1].batch_id == batch_id(1, 2, 3, 2)
    assert due[1].invoice_number == "F2026-0002"


def test_attempts_are_written_before_and_after(database: sa.Engine) -> None:
    link = new_link()
    run = new_run(database, link, "qms_to_minox")
    new_invoice(database, link, 1)
    with database.begin() as connection:
        first = ledger.begin_attempt(connection, run, 1, "put", "abc")
        ledger.count_attempt(connection, link, 1)
        second = ledger.begin_attempt(connection, run, 1, "look_up")
        ledger.end_attempt(connection, second, "there", [])
    with database.connect() as connection:
        rows = connection.execute(
            sa.select(booking_attempt).where(booking_attempt.c.link == link).order_by(booking_attempt.c.id)
        ).all()
        assert connection.scalar(sa.select(booking.c.attempts).where(booking.c.link == link)) == 1
    assert [(row.id, row.what, row.entry_hash, row.answer, row.messages) for row in rows] == [
        (first, "put", "abc", None, None),
        (second, "look_up", None, "there", []),
    ]
    assert rows[0].answered_at is None
    assert rows[1].answered_at > rows[1].started_at


def test_what_people_do_is_kept_with_name_and_reason(database: sa.Engine) -> None:
    link = new_link()
    with database.begin() as connection:
        ledger.note_person(connection, link, "exclude", "invoices", "1", "anna", "Booked by hand.")
    with database.connect() as connection:
        (row,) = connection.execute(sa.select(person_action).where(person_action.c.link == link))
    assert (row.action, row.source_key, row.person, row.reason) == ("exclude", "1", "anna", "Booked by hand.")


def _intend(engine: sa.Engine, run: Run, number: int, minox_number: int, at: dt.datetime = LONG_AGO) -> bool:
    hook: Any = None  # intending sends nothing
    poster = Poster(engine, hook, run, read_at=at)
    with working(engine, run):
        facts: dict[str, Any] = {"source_hash": "seen"}
        return poster.intend(number, batch_id(1, 2, 3, number), _entry(minox_number), facts) is not None


def test_an_intention_is_in_the_ledger_before_anything_goes_out(database: sa.Engine) -> None:
    link = new_link()
    run = new_run(database, link, "qms_to_minox")
    assert _intend(database, run, 1, 20260001)
    row = state_of(database, link, 1)
    assert (row.state, row.outcome, row.minox_number, row.booked_source_hash) == (
        "sending",
        "in_doubt",
        20260001,
        "seen",
    )
    assert not _intend(database, run, 2, 20260001)  # the number is taken
    assert _intend(database, run, 2, 20260002)


@pytest.mark.parametrize("state", ["excluded", "booked"])
def test_nothing_goes_out_for_an_invoice_that_was_settled_since_it_was_judged(database: sa.Engine, state: str) -> None:
    link = new_link()
    run = new_run(database, link, "qms_to_minox")
    new_invoice(database, link, 1, state=state, outcome=state)
    assert not _intend(database, run, 1, 20260001)
    assert state_of(database, link, 1).state == state


def test_nothing_goes_out_for_a_copy_that_is_older_than_the_ledgers(database: sa.Engine) -> None:
    link, at = new_link(), now(database)
    run = new_run(database, link, "qms_to_minox")
    new_invoice(database, link, 1, read_at=at)
    assert not _intend(database, run, 1, 20260001, at - HOUR)
    assert state_of(database, link, 1).state == "open"


def test_nothing_goes_out_for_a_run_that_was_taken_over(database: sa.Engine) -> None:
    link = new_link()
    first, second = new_run(database, link, "qms_to_minox"), new_run(database, link, "qms_to_minox")
    hook: Any = None
    poster = Poster(database, hook, first, read_at=LONG_AGO)
    with working(database, second), pytest.raises(RunBusyError, match="took over"):
        poster.intend(1, batch_id(1, 2, 3, 1), _entry(1), {"source_hash": "seen"})
    with database.connect() as connection:
        assert ledger.rows_of(connection, link, [1]) == {}


def test_a_run_that_dies_leaves_no_invoice_that_nobody_knows(database: sa.Engine) -> None:
    link, at = new_link(), now(database)
    new_invoice(database, link, 1, state="booked", outcome="booked")
    with database.begin() as connection:
        ledger.take_up(connection, link, {number: batch_id(1, 2, 3, number) for number in (1, 2)}, read_at=at)
        ledger.take_up(connection, link, {}, read_at=at)
        assert ledger.open_ids(connection, link) == [1, 2]  # whether the booked one has changed is not known yet
    assert state_of(database, link, 1).state == "booked"
    assert (state_of(database, link, 2).outcome, state_of(database, link, 2).read_at) == ("failed", at)
