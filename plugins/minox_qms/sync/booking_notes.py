"""Write down what became of invoices: ledger, outcomes, quarantine, and what QMS is to be told."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.bookings.reasons import Reason
from include.checks.results import Finding
from include.storage import ledger
from include.storage.outcomes import Outcome, note_outcomes
from include.storage.quarantine import Rejected, put_aside, release
from include.storage.reports import clear, report
from include.storage.runs import insist_on_claim
from include.storage.settling import settle
from include.storage.tables import booking, sync_outcome
from minox_qms.sync.selection import ENTITY, batch_of
from minox_qms.sync.verdicts import HELD, Verdict

if TYPE_CHECKING:
    import datetime as dt

    from include.settings.link import LinkSettings
    from include.storage.runs import Run
    from minox_qms.sync.posting import Posted

CHUNK = 500
STATES = {
    "already_booked": "already_booked",
    "skipped": "skipped",
    "rejected": "rejected",
    "postponed": "open",
}
GOOD = {"booked", "already_booked", "skipped", "excluded"}
REASONS = {"refused_by_minox": "refused_by_minox", "failed": "technical", "in_doubt": "answer_lost"}
BOOKED = "Geboekt in Minox"


class BookingNotes:
    """Writes down what became of the invoices of one run.

    Args:
        engine: Of the connector's database.
        link: The link's settings.
        run: The run.
        read_at: When it began to read QMS: what the ledger knows of later stays.
    """

    def __init__(self, engine: sa.Engine, link: LinkSettings, run: Run, *, read_at: dt.datetime) -> None:
        self.engine = engine
        self.link = link
        self.run = run
        self.read_at = read_at
        self._booked: deque[tuple[Verdict, Posted]] = deque()
        self._noting = threading.Lock()

    def settled(self, verdicts: list[Verdict], payloads: dict[str, str]) -> None:
        """Note invoices that nothing is sent for.

        Args:
            verdicts: Their verdicts.
            payloads: Heads as received, by key, of those that may be rejected.
        """
        for start in range(0, len(verdicts), CHUNK):
            part = verdicts[start : start + CHUNK]
            with self.engine.begin() as connection:
                for one in sorted(part, key=lambda verdict: verdict.invoice_header_id or 0):  # as people take them
                    if not one.is_stale:
                        self._ledger(connection, one)
                note_outcomes(connection, self.run, ENTITY, [outcome_of(one) for one in part])
                self._quarantine(connection, part, payloads)

    def posted(self, verdict: Verdict, posted: Posted, payload: str) -> None:
        """Note what became of an entry that was sent; several threads may do so at once.

        Args:
            verdict: Of the invoice, before.
            posted: What became of it.
            payload: Its head, as received.

        Raises:
            RunBusyError: Another run has taken over; a booking is noted all the same, since that is what it is.
        """
        if posted.outcome == "booked":
            self._booked.append((verdict, posted))
            self._note_booked()
            return
        number = _number_of(verdict)
        outcome = Outcome(verdict.key, posted.outcome, posted.reason, posted.message)
        with self.engine.begin() as connection:
            insist_on_claim(connection, self.run)
            self._change(connection, number, posted)
            note_outcomes(connection, self.run, ENTITY, [outcome])
            if posted.outcome == "refused_by_minox":
                finding = Finding("refused_by_minox", "", posted.message or "")
                put_aside(connection, self.run, ENTITY, [Rejected(verdict.key, (finding,), payload)])
                self._report(connection, number, outcome)

    def _note_booked(self) -> None:
        """Note the bookings that wait for it, in one transaction: one thread notes, and the others wait for it.

        What could not be noted goes on waiting, for the next thread to try.
        """
        with self._noting:
            done: list[tuple[Verdict, Posted]] = []
            while self._booked:
                done.append(self._booked.popleft())
            if not done:
                return
            done.sort(key=lambda one: _number_of(one[0]))  # as people's actions take them
            try:
                with self.engine.begin() as connection:
                    for verdict, posted in done:
                        if posted.attempt is not None:
                            ledger.end_attempt(connection, posted.attempt, "stored", list(posted.warnings))
                        self._change(connection, _number_of(verdict), posted)
                    release(connection, self.run, ENTITY, [verdict.key for verdict, _ in done])
                    outcomes = [Outcome(verdict.key, "booked", None, posted.message) for verdict, posted in done]
                    note_outcomes(connection, self.run, ENTITY, outcomes)
            except BaseException:
                self._booked.extendleft(reversed(done))
                raise

    def answered(self, connection: sa.Connection, invoice_header_id: int, posted: Posted) -> None:
        """Note in the ledger what became of an entry that an earlier run sent."""
        self._change(connection, invoice_header_id, posted)
        if posted.outcome == "booked":
            release(connection, self.run, ENTITY, [str(invoice_header_id)])

    def _change(self, connection: sa.Connection, invoice_header_id: int, posted: Posted) -> None:
        """Note in the ledger what became of an entry."""
        values = {**posted.values, "outcome": posted.outcome, "reason": posted.reason, "message": posted.message}
        if posted.outcome == "booked":
            values["booked_run"] = self.run.id
        ledger.change(connection, self.run.link, invoice_header_id, values)
        if posted.outcome == "booked":
            self._after_booking(connection, invoice_header_id, posted.message, pdf_state="pending")

    def _ledger(self, connection: sa.Connection, one: Verdict) -> None:
        """Write a verdict to the ledger, and what QMS is to be told."""
        number = one.invoice_header_id
        if number is None:
            return
        was = None if one.ledger is None else one.ledger.state
        was_booked = was == "booked"
        is_judged = one.outcome not in {"failed", "in_doubt"}
        # the facts of a settled invoice stay as they were until its new copy is judged: number and debtor identify it
        values: dict[str, Any] = dict(one.facts) if is_judged or was not in ledger.DONE_STATES else {}
        if one.outcome == "changed_after_booking":
            values["changed_source_hash"] = one.source_hash
            for what_is_booked in ("total", "document_date"):
                values.pop(what_is_booked, None)
        elif one.outcome == "booked" and one.facts:
            values |= {"booked_source_hash": one.source_hash, "changed_source_hash": None}
            if not was_booked:
                values |= {"state": "booked", "booked_at": sa.func.clock_timestamp(), "booked_run": self.run.id}
        elif one.outcome in STATES:
            values |= {"state": STATES[one.outcome], "reoffer": False}
        outcome = outcome_of(one)
        values |= {
            "outcome": outcome.outcome,
            "reason": outcome.reason,
            "message": outcome.message,
            "reasons": [{"code": each.code, "field": each.field, "message": each.message} for each in one.reasons],
            "batch_id": batch_of(self.link, number),
        }
        # what a person did since it was looked up stays; but what Minox has is booked all the same
        unless = () if one.outcome == "booked" else [state for state in ledger.STATES if state != (was or "open")]
        written = ledger.note(
            connection, self.run.link, number, values, read_at=self.read_at, unless=unless, is_judged=is_judged
        )
        if not written:
            return
        if one.outcome == "booked" and not was_booked:
            # Minox had it under our id already: so it may have the PDF, too
            self._after_booking(connection, number, None, pdf_state="sending")
        elif not was_booked:
            self._report(connection, number, outcome)

    def _quarantine(self, connection: sa.Connection, verdicts: list[Verdict], payloads: dict[str, str]) -> None:
        """Put rejected and refused invoices aside, and let go of the good ones."""
        rejected = [
            Rejected(one.key, findings_of(one), payloads.get(one.key))
            for one in verdicts
            if one.outcome in {"rejected", "refused_by_minox"} and not one.is_stale
        ]
        put_aside(connection, self.run, ENTITY, rejected)
        release(connection, self.run, ENTITY, [one.key for one in verdicts if one.outcome in GOOD])

    def _after_booking(
        self, connection: sa.Connection, invoice_header_id: int, warnings: str | None, *, pdf_state: str
    ) -> None:
        """Note what follows a booking: the PDF and the report.

        The PDF may be attached already: a task that stood still notes its booking after another task has gone on.
        """
        if self.link.bookings.attach_pdf:
            state = sa.func.coalesce(booking.c.pdf_state, pdf_state)
            ledger.change(connection, self.run.link, invoice_header_id, {"pdf_state": state})
        self._report(connection, invoice_header_id, Outcome(str(invoice_header_id), "booked", None, warnings))

    def _report(self, connection: sa.Connection, invoice_header_id: int, outcome: Outcome) -> None:
        """Note what QMS is to be told of an invoice."""
        if not self.link.bookings.report_to_qms:
            return
        batch = str(batch_of(self.link, invoice_header_id))
        if outcome.outcome == "booked":
            is_error, message = False, BOOKED if outcome.message is None else f"{BOOKED} ({outcome.message})"
        elif outcome.outcome in {"rejected", "refused_by_minox"}:
            is_error, message = True, f"{outcome.reason}: {outcome.message}"
        else:
            if outcome.outcome in GOOD:
                clear(connection, self.run.link, "InvoiceHeader", keys=[batch])
            return
        report(
            connection,
            self.run.link,
            "InvoiceHeader",
            invoice_header_id,
            key=batch,
            is_error=is_error,
            message=message,
        )


def settle_invoices(engine: sa.Engine, run: Run) -> None:
    """See that every staged invoice of a run has an outcome, though its tasks may have died.

    Args:
        engine: Of the connector's database.
        run: The run; all its other tasks are done.
    """
    settle(engine, run, [ENTITY])
    with engine.begin() as connection:
        keep_held(connection, run)


def keep_held(connection: sa.Connection, run: Run) -> None:
    """Where the run calls an invoice failed that Minox has, or may have, note the outcome that the ledger knows.

    `already_booked` is taken from the ledger only while no newer copy of the invoice was staged: one that was changed
    since has to be judged again.
    """
    is_known = sa.or_(booking.c.state != "already_booked", booking.c.staged_at <= booking.c.read_at)
    rows = connection.execute(
        sa.select(sync_outcome.c.source_key, booking.c.state, booking.c.message).where(
            sync_outcome.c.run == run.id,
            sync_outcome.c.entity == ENTITY,
            sync_outcome.c.outcome == "failed",
            booking.c.link == run.link,
            sa.cast(booking.c.invoice_header_id, sa.Text) == sync_outcome.c.source_key,
            booking.c.state.in_(HELD),
            is_known,
        )
    ).all()
    outcomes = [Outcome(row.source_key, HELD[row.state], REASONS.get(HELD[row.state]), row.message) for row in rows]
    note_outcomes(connection, run, ENTITY, outcomes)


def _number_of(verdict: Verdict) -> int:
    """InvoiceHeaderId of an invoice whose entry was sent: one without is never sent."""
    number = verdict.invoice_header_id
    assert number is not None  # noqa: S101 - see above
    return number


def outcome_of(one: Verdict) -> Outcome:
    """The outcome of a verdict, as it is noted."""
    if one.reasons:
        message = one.message or " ".join(reason.message for reason in one.reasons)
        return Outcome(one.key, one.outcome, one.reasons[0].code, message)
    reason = one.ledger.reason if one.is_stale and one.ledger is not None else REASONS.get(one.outcome)
    return Outcome(one.key, one.outcome, reason, one.message or None)


def findings_of(one: Verdict) -> tuple[Finding, ...]:
    """Why an invoice is in quarantine: the reasons of the checks, or what Minox said when it refused it."""
    reasons = one.reasons or (Reason("refused_by_minox", "", one.message),)
    return tuple(Finding(reason.code, reason.field, reason.message) for reason in reasons)
