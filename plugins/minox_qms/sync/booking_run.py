"""Book the staged invoices of a run: settle what is in doubt, judge, and post, oldest invoice first."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.bookings.reasons import Rejected as RejectedEntry
from include.checks.results import Finding
from include.errors import ConfigurationError, ConnectorError
from include.storage import ledger
from include.storage.engine import database_error
from include.storage.facts import fact, remember
from include.storage.outcomes import Outcome, finish_entity, note_outcomes, outcomes_of, read_at
from include.storage.previews import note_preview
from include.storage.quarantine import Rejected, put_aside, release
from include.storage.reports import clear, report
from include.storage.staging import staged_keys
from include.wire.text import text, whole_number
from minox_qms.sync.invoices import in_booking_order, read_invoices
from minox_qms.sync.posting import Posted, Poster
from minox_qms.sync.selection import ENTITY, note_sweep
from minox_qms.sync.verdicts import TO_POST, Examiner, Verdict, batch_of, collide, findings_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from include.bookings.entry import Entry
    from include.bookings.plan import Plan
    from include.settings.link import LinkSettings
    from include.storage.runs import Run
    from minox_qms.hooks.minox import MinoxHook
    from minox_qms.hooks.qms import QmsHook
    from minox_qms.sync.invoices import StagedInvoice

log = logging.getLogger(__name__)

LEDGER_CHUNK = 1000
GIVE_UP_AFTER = 3
STATES = {
    "already_booked": "already_booked",
    "skipped": "skipped",
    "rejected": "rejected",
    "postponed": "open",
    "failed": "open",
}
REPORTED = {"booked", "rejected", "refused_by_minox"}


class BookingRun:
    """Gives every staged invoice of a run its outcome.

    Args:
        engine: Of the connector's database.
        minox: Hook of the administration.
        qms: Hook of the company.
        link: The link's settings.
        run: The run.
        plan: What it was asked to take.
        first_of_day: It compares the last days with the ledger.
        clock: Seconds that only grow, for `max_run_minutes`.
    """

    def __init__(
        self,
        engine: sa.Engine,
        minox: MinoxHook,
        qms: QmsHook,
        link: LinkSettings,
        run: Run,
        plan: Plan,
        *,
        first_of_day: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self.minox = minox
        self.qms = qms
        self.link = link
        self.run = run
        self.plan = plan
        self.first_of_day = first_of_day
        self.clock = clock
        self.errors: list[BaseException] = []
        self.payloads: dict[str, str] = {}

    def book(self) -> None:
        """Book what can be booked.

        Raises:
            ConnectorError: Something failed technically; everything else is done then, and every invoice has its
                outcome.
        """
        self.read_at = read_at(self.engine, self.run, ENTITY)
        keys = in_booking_order(self.engine, self.run)
        try:
            if not self.run.dry_run:
                self._settle()
            verdicts = self._judge(keys)
            self._note_settled([one for one in verdicts if one.outcome != TO_POST])
            self._post([one for one in verdicts if one.outcome == TO_POST])
        except ConnectorError as error:
            self.errors.append(error)
        except sa.exc.SQLAlchemyError as error:
            self.errors.append(database_error(error))
        except Exception as error:
            log.exception("Booking stopped unexpectedly")
            self.errors.append(error)
        self._finish()
        if self.errors:
            raise self.errors[0]

    # -- what is in doubt ----------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Look up every entry of the link that went out without an answer, before anything else is decided."""
        with self.engine.connect() as connection:
            doubtful = ledger.sending(connection, self.run.link)
        poster = Poster(self.engine, self.minox, self.run, read_at=self.read_at)
        failures = 0
        for row in doubtful:
            if failures >= GIVE_UP_AFTER:
                break
            found = poster.look_up(row.invoice_header_id, row.batch_id)
            if found is not None and found.error is not None:
                failures += 1
                self.errors.append(found.error)
                if isinstance(found.error, ConfigurationError):
                    raise found.error
                continue
            values = {"state": "open", "booked_source_hash": None} if found is None else found.values
            outcome = "failed" if found is None else found.outcome
            with self.engine.begin() as connection:
                ledger.change(
                    connection,
                    self.run.link,
                    row.invoice_header_id,
                    {**values, "outcome": outcome, "reason": None, "message": None},
                )
                if found is not None:
                    self._after_booking(connection, row.invoice_header_id, None)

    # -- judging -------------------------------------------------------------------------------------------------------

    def _judge(self, keys: list[str]) -> list[Verdict]:
        """Decide what is to be done with every invoice."""
        known: dict[int, ledger.LedgerRow] = {}
        ids = [int(key) for key in keys if not key.startswith("#")]
        with self.engine.connect() as connection:
            now: dt.datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
            for start in range(0, len(ids), LEDGER_CHUNK):
                known |= ledger.rows_of(connection, self.run.link, ids[start : start + LEDGER_CHUNK])
        self.examiner = Examiner(self.link, self.minox, self.qms, known, read_at=self.read_at, now=now)
        verdicts = []
        for invoice, verdict in self.examiner.examine(self.engine, self.run, keys):
            verdicts.append(verdict)
            if verdict.outcome == "rejected":
                self.payloads[verdict.key] = invoice.payload
        numbers = [one.number for one in verdicts if one.number is not None]
        with self.engine.connect() as connection:
            holders = ledger.number_holders(connection, self.run.link, numbers)
        free = [
            one
            for one in verdicts
            if one.number is None or holders.get(one.number, one.invoice_header_id) == one.invoice_header_id
        ]
        if self.link.bookings.check_existing:
            there = {one.key: one for one in self._already_there(free)}
            verdicts = [there.get(one.key, one) for one in verdicts]
        return collide(verdicts, holders)

    def _already_there(self, verdicts: list[Verdict]) -> list[Verdict]:
        """Find the invoices whose debtor and number Minox has a receivable for."""
        asked = [
            one
            for one in verdicts
            if one.customer is not None
            and one.number is not None
            and (one.outcome == TO_POST or (one.outcome == "rejected" and (one.is_news or self.first_of_day)))
        ]
        existing = self._receivables({(one.customer, one.number) for one in asked})  # type: ignore[misc]
        return [self._claimed(one) for one in asked if (one.customer, one.number) in existing]

    def _claimed(self, one: Verdict) -> Verdict:
        """Tell an invoice that Minox has under our own id from one that was booked by somebody else."""
        number = one.invoice_header_id
        if number is not None and self.minox.get_batch(batch_of(self.link, number)):
            return replace(one, outcome="booked", reasons=(), message="Minox has the batch under its own id already.")
        message = f"Minox has a receivable of debtor {one.customer} with invoice number {one.number} already."
        return replace(one, outcome="already_booked", reasons=(), message=message)

    def _receivables(self, wanted: set[tuple[int, int]]) -> set[tuple[int, int]]:
        """Find those of these debtors and numbers that Minox has: one by one, or from the list when that is cheaper."""
        if not wanted:
            return set()
        with self.engine.connect() as connection:
            pages = fact(connection, self.run.link, "receivable_pages")
        if isinstance(pages, int) and len(wanted) < pages:
            return {one for one in wanted if self.minox.receivable(*one) is not None}
        found: set[tuple[int, int]] = set()
        count = 0
        for page in self.minox.receivables():
            count += 1
            for one in page:
                account = one.account_id if one.account is None else one.account.id
                place = (whole_number(account), whole_number(one.invoice_number))
                if place in wanted:
                    found.add(place)
        if not self.run.dry_run:
            with self.engine.begin() as connection:
                remember(connection, self.run.link, "receivable_pages", count)
        return found

    # -- noting --------------------------------------------------------------------------------------------------------

    def _note_settled(self, verdicts: list[Verdict]) -> None:
        """Note the outcomes of the invoices that nothing is sent for."""
        for start in range(0, len(verdicts), LEDGER_CHUNK):
            part = verdicts[start : start + LEDGER_CHUNK]
            if self.run.dry_run:
                self._preview(part)
                continue
            with self.engine.begin() as connection:
                for one in part:
                    self._note_verdict(connection, one)
                note_outcomes(connection, self.run, ENTITY, [_outcome(one) for one in part])
                self._quarantine(connection, part)

    def _note_verdict(self, connection: sa.Connection, one: Verdict) -> None:
        """Write a verdict to the ledger, and what QMS is to be told."""
        number = one.invoice_header_id
        if number is None:
            return
        values: dict[str, Any] = dict(one.facts)
        if one.outcome == "changed_after_booking":
            values = {"changed_source_hash": one.source_hash, "source_hash": one.source_hash}
        elif one.outcome == "booked" and (one.ledger is None or one.ledger.state != "booked"):
            values |= {"state": "booked", "booked_source_hash": one.source_hash}
            values["booked_at"] = sa.func.clock_timestamp()
        elif one.outcome in STATES:
            values |= {"state": STATES[one.outcome], "reoffer": False}
        outcome = _outcome(one)
        values |= {
            "outcome": outcome.outcome,
            "reason": outcome.reason,
            "message": outcome.message,
            "reasons": [{"code": each.code, "field": each.field, "message": each.message} for each in one.reasons],
        }
        values["batch_id"] = batch_of(self.link, number)
        ledger.note(connection, self.run.link, number, values, read_at=self.read_at)
        if one.outcome == "booked" and (one.ledger is None or one.ledger.state != "booked"):
            self._after_booking(connection, number, None)
        else:
            self._report(connection, number, outcome)

    def _quarantine(self, connection: sa.Connection, verdicts: list[Verdict]) -> None:
        """Put rejected and refused invoices aside, and let go of the others."""
        rejected = [
            Rejected(one.key, findings_of(one) or _refusal(one), self.payloads.get(one.key))
            for one in verdicts
            if one.outcome in {"rejected", "refused_by_minox"}
        ]
        put_aside(connection, self.run, ENTITY, rejected)
        good = {"booked", "already_booked", "skipped", "excluded"}
        release(connection, self.run, ENTITY, [one.key for one in verdicts if one.outcome in good])

    def _report(self, connection: sa.Connection, invoice_header_id: int, outcome: Outcome) -> None:
        """Note what QMS is to be told of an invoice."""
        if not self.link.bookings.report_to_qms:
            return
        batch = str(batch_of(self.link, invoice_header_id))
        if outcome.outcome in REPORTED:
            booked = outcome.outcome == "booked"
            message = "Geboekt in Minox" if booked else f"{outcome.reason}: {outcome.message}"
            report(
                connection,
                self.run.link,
                "InvoiceHeader",
                invoice_header_id,
                key=batch,
                is_error=not booked,
                message=message,
            )
        elif outcome.outcome in {"already_booked", "skipped", "excluded"}:
            clear(connection, self.run.link, "InvoiceHeader", keys=[batch])

    def _after_booking(self, connection: sa.Connection, invoice_header_id: int, warnings: str | None) -> None:
        """Note what follows a booking: the PDF, the report, and that the invoice is good."""
        if self.link.bookings.attach_pdf:
            ledger.change(connection, self.run.link, invoice_header_id, {"pdf_state": "pending"})
        release(connection, self.run, ENTITY, [str(invoice_header_id)])
        if self.link.bookings.report_to_qms:
            report(
                connection,
                self.run.link,
                "InvoiceHeader",
                invoice_header_id,
                key=str(batch_of(self.link, invoice_header_id)),
                is_error=False,
                message="Geboekt in Minox" if warnings is None else f"Geboekt in Minox ({warnings})",
            )

    # -- posting -------------------------------------------------------------------------------------------------------

    def _post(self, verdicts: list[Verdict]) -> None:
        """Post what is to be posted, until it is done, the time is up, or Minox cannot be reached."""
        if not verdicts:
            return
        self._check_preconditions()
        if self.run.dry_run:
            self._preview(verdicts)
            return
        deadline = self.clock() + float(self.link.bookings.max_run_minutes) * 60
        poster = Poster(self.engine, self.minox, self.run, read_at=self.read_at)
        by_key = {one.key: one for one in verdicts}
        failures = 0
        for place, invoice in enumerate(read_invoices(self.engine, self.run, list(by_key))):
            verdict = by_key[invoice.key]
            if self.clock() >= deadline:
                self._note_settled(
                    [
                        replace(
                            one, outcome="postponed", message="The run's time was up; the next one goes on with it."
                        )
                        for one in verdicts[place:]
                    ]
                )
                return
            assert invoice.source is not None  # noqa: S101 - an unreadable one is never to be posted
            entry = self.examiner.entry(invoice.source)
            if isinstance(entry, RejectedEntry):
                self._note_settled([replace(verdict, outcome="rejected", reasons=entry.reasons)])
                continue
            error = self._post_one(poster, verdict, entry, invoice)
            failures = failures + 1 if error is not None else 0
            if error is not None:
                self.errors.append(error)
            if isinstance(error, ConfigurationError) or failures >= GIVE_UP_AFTER:
                raise error  # type: ignore[misc]

    def _post_one(
        self, poster: Poster, verdict: Verdict, entry: Entry, invoice: StagedInvoice
    ) -> ConnectorError | None:
        """Post one invoice and note what became of it; returns a technical failure."""
        number = verdict.invoice_header_id
        assert number is not None  # noqa: S101 - one without an id is never to be posted
        batch = batch_of(self.link, number)
        if not poster.intend(number, batch, entry, verdict.facts):
            self._note_settled([self._judge_again(invoice, entry)])
            return None
        posted = poster.post(number, batch, entry)
        with self.engine.begin() as connection:
            self._note_posted(connection, verdict, posted, invoice.payload)
        log.info("Invoice %d: %s", number, posted.outcome)
        return posted.error

    def _judge_again(self, invoice: StagedInvoice, entry: Entry) -> Verdict:
        """Judge an invoice by what the ledger says now: a person or another run came between."""
        with self.engine.connect() as connection:
            self.examiner.ledger |= ledger.rows_of(connection, self.run.link, [int(invoice.key)])
            holders = ledger.number_holders(connection, self.run.link, [entry.invoice_number])
        (verdict,) = collide([self.examiner.verdict(invoice)], holders)
        if verdict.outcome != TO_POST:
            return verdict
        return replace(verdict, outcome="postponed", message="The ledger changed meanwhile; the next run looks again.")

    def _note_posted(self, connection: sa.Connection, verdict: Verdict, posted: Posted, payload: str) -> None:
        """Note the answer, in one transaction."""
        number = verdict.invoice_header_id
        assert number is not None  # noqa: S101 - see _post_one
        values = {**posted.values, "outcome": posted.outcome, "reason": posted.reason, "message": posted.message}
        if posted.outcome == "booked":
            values["booked_run"] = self.run.id
        ledger.change(connection, self.run.link, number, values)
        outcome = Outcome(verdict.key, posted.outcome, posted.reason, posted.message)
        note_outcomes(connection, self.run, ENTITY, [outcome])
        if posted.outcome == "booked":
            self._after_booking(connection, number, posted.message)
        elif posted.outcome == "refused_by_minox":
            finding = Finding("refused_by_minox", "", posted.message or "")
            put_aside(connection, self.run, ENTITY, [Rejected(verdict.key, (finding,), payload)])
            self._report(connection, number, outcome)

    def _check_preconditions(self) -> None:
        """Before anything is posted, once per run: the journal, and its collective account.

        Raises:
            ConfigurationError: Minox has no such journal, or it has another collective account.
        """
        settings = self.link.bookings
        journals = {text(journal.id): journal for journal in self.minox.journals()}
        journal = journals.get(settings.journal_code)
        if journal is None:
            known = ", ".join(sorted(code for code in journals if code)) or "none"
            raise ConfigurationError(
                f"Minox has no journal {settings.journal_code!r} (setting bookings.journal_code); it has: {known}.",
                system="minox",
                entity="journal",
                key=settings.journal_code,
                field="journal_code",
            )
        account = settings.debtors_ledger_account
        if account is not None and whole_number(journal.ledger_account_id) != account:
            raise ConfigurationError(
                f"Journal {settings.journal_code} has the collective account {text(journal.ledger_account_id)}, not "
                f"{account} (setting bookings.debtors_ledger_account).",
                system="minox",
                entity="journal",
                key=settings.journal_code,
                field="debtors_ledger_account",
            )

    # -- previewing and finishing --------------------------------------------------------------------------------------

    def _preview(self, verdicts: list[Verdict]) -> None:
        """Keep what a dry run found: for an invoice that would be booked, the exact entry."""
        by_key = {one.key: one for one in verdicts}
        with self.engine.begin() as connection:
            for position, invoice in enumerate(read_invoices(self.engine, self.run, list(by_key))):
                verdict = by_key[invoice.key]
                details: dict[str, Any] = {
                    name: str(value) for name, value in verdict.facts.items() if value is not None
                }
                outcome = _outcome(verdict)
                if verdict.outcome == TO_POST and invoice.source is not None:
                    entry = self.examiner.entry(invoice.source)
                    if not isinstance(entry, RejectedEntry):
                        details["entry"] = entry.body().decode()
                        outcome = Outcome(verdict.key, "would_book")
                note_preview(connection, self.run, ENTITY, outcome, position=position, details=details)

    def _finish(self) -> None:
        """See that every invoice has an outcome: what was not reached has failed, and is tried again."""
        if self.run.dry_run:
            return
        error = self.errors[0] if self.errors else None
        with self.engine.connect() as connection:
            noted = outcomes_of(connection, self.run, ENTITY)
        left = [key for key in staged_keys(self.engine, self.run, ENTITY) if key not in noted]
        message = error.message if isinstance(error, ConnectorError) else "The run stopped before this invoice."
        failed = [Verdict(key, "failed", message=message) for key in left]
        with self.engine.begin() as connection:
            for one in failed:
                self._keep_open(connection, one)
            note_outcomes(connection, self.run, ENTITY, [_outcome(one) for one in failed])
            finish_entity(
                connection,
                self.run,
                ENTITY,
                (),
                state="failed" if self.errors else "good",
                message=str(error) if error is not None else None,
            )
            if self.first_of_day:
                note_sweep(connection, self.run, self.plan)

    def _keep_open(self, connection: sa.Connection, one: Verdict) -> None:
        """Make sure that the ledger knows an invoice that was not reached, so that the next run takes it up."""
        number = one.invoice_header_id
        if number is None:
            return
        known = ledger.rows_of(connection, self.run.link, [number])
        if number not in known:
            values = {
                "batch_id": batch_of(self.link, number),
                "state": "open",
                "outcome": "failed",
                "reason": "technical",
                "message": one.message,
            }
            ledger.note(connection, self.run.link, number, values, read_at=self.read_at)


def _outcome(one: Verdict) -> Outcome:
    """The outcome of a verdict, as it is noted."""
    if one.reasons:
        message = one.message or " ".join(reason.message for reason in one.reasons)
        return Outcome(one.key, one.outcome, one.reasons[0].code, message)
    reason = {"refused_by_minox": "refused_by_minox", "failed": "technical", "in_doubt": "answer_lost"}
    return Outcome(one.key, one.outcome, reason.get(one.outcome), one.message or None)


def _refusal(one: Verdict) -> tuple[Finding, ...]:
    """What Minox said of an invoice that waits to be offered again."""
    return (Finding("refused_by_minox", "", one.message),)
