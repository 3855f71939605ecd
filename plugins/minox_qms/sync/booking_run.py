"""Book the staged invoices of a run: settle what is in doubt, judge, and post, oldest invoice first."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from include.bookings.reasons import Rejected as RejectedEntry
from include.errors import ConfigurationError, ConnectorError, TransientError
from include.storage import ledger
from include.storage.engine import database_error
from include.storage.outcomes import Outcome, finish_entity, note_outcomes, read_at
from include.storage.previews import note_preview
from include.storage.runs import insist_on_claim
from include.storage.staging import staged_keys
from include.storage.tables import sync_outcome, sync_run_entity
from include.wire.text import identifier, text
from minox_qms.sync.booking_notes import BookingNotes, keep_held, outcome_of
from minox_qms.sync.existing import ExistingReceivables
from minox_qms.sync.flights import Flights
from minox_qms.sync.invoices import in_booking_order, read_invoices
from minox_qms.sync.patience import Patience
from minox_qms.sync.posting import Poster, not_there
from minox_qms.sync.selection import ENTITY, batch_of, note_sweep
from minox_qms.sync.verdicts import OPEN, TO_POST, Examiner, Verdict, collide, is_free

V = TypeVar("V")

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from concurrent.futures import Future

    from include.bookings.entry import Entry
    from include.bookings.plan import Plan
    from include.settings.link import LinkSettings
    from include.storage.ledger import Holder, LedgerRow
    from include.storage.runs import Run
    from minox_qms.hooks.minox import MinoxHook
    from minox_qms.hooks.qms import QmsHook
    from minox_qms.sync.invoices import StagedInvoice
    from minox_qms.sync.posting import Posted

log = logging.getLogger(__name__)

LEDGER_CHUNK = 1000
ASK_AGAIN = 20
"""Requests that asking Minox for rejected ones may take in every run; beyond that only the first run of a day asks."""
UNSETTLED = ("failed", "in_doubt", "postponed")


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
        self.is_given_up = False
        self._patience = Patience(minox.journals)

    def book(self) -> None:
        """Book what can be booked.

        Raises:
            ConnectorError: Something failed technically; everything else is done then, and every invoice has its
                outcome.
        """
        self.read_at = read_at(self.engine, self.run, ENTITY)
        self.notes = BookingNotes(self.engine, self.link, self.run, read_at=self.read_at)
        try:
            self._book(self._open_keys())
        except ConnectorError as error:
            self._note_error(error)
        except sa.exc.SQLAlchemyError as error:
            self._note_error(database_error(error))
        except Exception as error:
            log.exception("Booking stopped unexpectedly")
            self._note_error(error)
        if not self.run.dry_run:
            self._finish()
        if self.errors:
            raise self.errors[0]

    def _book(self, keys: list[str]) -> None:
        """Judge and post these invoices; what the ledger answers is noted whatever becomes of the rest."""
        if not self.run.dry_run:
            self._settle(keys)
        self.examiner = self._make_examiner(keys)
        left = self._note_settled(keys)
        if any(isinstance(error, ConfigurationError) for error in self.errors):
            return
        verdicts = self._judge(left)
        to_post = [one for one in verdicts if one.outcome == TO_POST]
        log.info("Of %d invoices %d are to be posted", len(keys), len(to_post))
        self._note([one for one in verdicts if one.outcome != TO_POST])
        self._post(to_post)

    def _note_error(self, error: BaseException) -> None:
        if error not in self.errors:
            self.errors.append(error)

    # -- what is taken up ----------------------------------------------------------------------------------------------

    def _open_keys(self) -> list[str]:
        """Keys of the staged invoices in booking order, without those that an earlier try of this task settled."""
        noted = self._noted()
        return [key for key in in_booking_order(self.engine, self.run) if noted.get(key, UNSETTLED[0]) in UNSETTLED]

    def _noted(self) -> dict[str, str]:
        """Outcomes that the run has noted since it began to read QMS, by key."""
        query = sa.select(sync_outcome.c.source_key, sync_outcome.c.outcome).where(
            sync_outcome.c.run == self.run.id,
            sync_outcome.c.entity == ENTITY,
            sync_outcome.c.occurred_at > self.read_at,
        )
        with self.engine.connect() as connection:
            return {row.source_key: row.outcome for row in connection.execute(query)}

    def _settle(self, keys: list[str]) -> None:
        """Look up every entry that went out without an answer, before anything else is decided.

        A run of a range settles those in its range; one of an interval takes up all that is open.
        """
        with self.engine.connect() as connection:
            doubtful = ledger.sending(connection, self.run.link)
        staged = set(keys)
        poster = Poster(self.engine, self.minox, self.run, read_at=self.read_at)
        patience = Patience(self.minox.journals)
        for row in doubtful:
            key = str(row.invoice_header_id)
            if key not in staged and self.plan.from_date is not None:
                continue
            found = poster.look_up(row.invoice_header_id, row.batch_id) or not_there()
            if found.error is not None:
                self._note_error(found.error)
                if isinstance(found.error, ConfigurationError) or patience.is_at_end():
                    return
                continue
            patience.succeeded()
            with self.engine.begin() as connection:
                insist_on_claim(connection, self.run)
                self.notes.answered(connection, row.invoice_header_id, found)
                if key not in staged:
                    self._count_in(connection, Outcome(key, found.outcome, found.reason, found.message))

    def _count_in(self, connection: sa.Connection, outcome: Outcome) -> None:
        """Give an outcome to an invoice that QMS does not list any more: it counts as one of this run."""
        note_outcomes(connection, self.run, ENTITY, [outcome])
        connection.execute(
            sa.update(sync_run_entity)
            .where(sync_run_entity.c.run == self.run.id, sync_run_entity.c.entity == ENTITY)
            .values(extracted=sync_run_entity.c.extracted + 1)
        )

    # -- judging -------------------------------------------------------------------------------------------------------

    def _make_examiner(self, keys: list[str]) -> Examiner:
        """Load what the ledger says of the invoices."""
        with self.engine.connect() as connection:
            now: dt.datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return Examiner(self.link, self.minox, self.qms, self._known(keys), read_at=self.read_at, now=now)

    def _known(self, keys: list[str]) -> dict[int, LedgerRow]:
        """What the ledger says of these invoices."""
        known: dict[int, LedgerRow] = {}
        ids = [int(key) for key in keys if not key.startswith("#")]
        with self.engine.connect() as connection:
            for start in range(0, len(ids), LEDGER_CHUNK):
                known |= ledger.rows_of(connection, self.run.link, ids[start : start + LEDGER_CHUNK])
        return known

    def _note_settled(self, keys: list[str]) -> list[str]:
        """Note the invoices that need no look at Minox; returns the keys of the others."""
        verdicts, left = [], []
        for invoice in read_invoices(self.engine, self.run, keys):
            verdict = self._examined(self.examiner.settled, invoice)
            if verdict is None:
                left.append(invoice.key)
            else:
                verdicts.append(verdict)
        self._note(verdicts)
        return left

    def _examined(self, examine: Callable[[StagedInvoice], V], invoice: StagedInvoice) -> V | Verdict:
        """Examine one invoice; a bug that shows with it fails this invoice, and the others go on."""
        try:
            return examine(invoice)
        except (ConfigurationError, TransientError, sa.exc.SQLAlchemyError):
            raise
        except Exception as error:  # whatever it is, the other invoices are to be booked
            log.exception("Invoice %s could not be examined", invoice.key)
            self._note_error(error)
            return Verdict(invoice.key, "failed", message="The connector could not make an entry of it: a bug.")

    def _judge(self, keys: list[str]) -> list[Verdict]:
        """Decide what is to be done with every other invoice."""
        verdicts = []
        for invoice in read_invoices(self.engine, self.run, keys):
            verdict = self._examined(self.examiner.checked, invoice)
            verdicts.append(verdict)
            if verdict.outcome in {"rejected", "refused_by_minox"}:
                self.payloads[verdict.key] = invoice.payload
        numbers = [one.number for one in verdicts if one.number is not None]
        with self.engine.connect() as connection:
            holders = ledger.number_holders(connection, self.run.link, numbers)
        if self.link.bookings.check_existing:
            free = [one for one in verdicts if one.number is not None and is_free(one, holders.get(one.number, []))]
            there = {one.key: one for one in self._already_there(free, holders)}
            verdicts = [there.get(one.key, one) for one in verdicts]
        return collide(verdicts, self._waiting(verdicts) | holders)

    def _waiting(self, verdicts: list[Verdict]) -> dict[int, list[Holder]]:
        """Find the open invoices that a run of a range does not take, and whose numbers its own invoices want."""
        if self.plan.from_date is None:
            return {}
        taken = {one.invoice_header_id for one in verdicts}
        wanted: dict[int, int] = {}
        for one in verdicts:
            if one.outcome in OPEN and one.number is not None and one.invoice_header_id is not None:
                wanted[one.number] = min(wanted.get(one.number, one.invoice_header_id), one.invoice_header_id)
        with self.engine.connect() as connection:
            waiting = ledger.number_holders(connection, self.run.link, wanted, states=("open",))
        first = {
            number: [one for one in held if one.invoice_header_id not in taken] for number, held in waiting.items()
        }
        return {
            number: held[:1] for number, held in first.items() if held and held[0].invoice_header_id < wanted[number]
        }

    def _already_there(self, verdicts: list[Verdict], holders: dict[int, list[Holder]]) -> list[Verdict]:
        """Find the invoices whose debtor and number Minox has a receivable for.

        Args:
            verdicts: Of invoices whose number no other invoice of the same debtor has.
            holders: The invoices that have a number in the ledger.
        """
        existing = ExistingReceivables(self.engine, self.minox, self.run)
        placed = [one for one in verdicts if one.customer is not None]
        rejected = [one for one in placed if one.outcome in {"rejected", "refused_by_minox"}]
        asked = [one for one in placed if one.outcome == TO_POST] + [one for one in rejected if one.is_news]
        again = [one for one in rejected if not one.is_news]
        if self.first_of_day or existing.cost(len(again)) <= ASK_AGAIN:
            asked += again
        found = existing.among({(one.customer, one.number) for one in asked})  # type: ignore[misc]  # both are there
        patience = Patience(self.minox.journals)
        told = []
        for one in asked:
            place = (one.customer, one.number)
            if place in found:
                held = holders.get(one.number, [])  # type: ignore[arg-type]  # as above
                is_taken = any(each.is_sent and each.invoice_header_id != one.invoice_header_id for each in held)
                told.append(self._claimed(one, patience, is_taken=is_taken))
            elif (error := existing.failed.get(place)) is not None:  # type: ignore[arg-type]  # as above
                told.append(self._untold(one, error))
        return told

    def _untold(self, one: Verdict, error: TransientError) -> Verdict:
        """Keep back an invoice of which Minox could not tell whether it has it; the others go on."""
        self._note_error(error)
        return replace(one, outcome="failed", message=error.message) if one.outcome == TO_POST else one

    def _claimed(self, one: Verdict, patience: Patience, *, is_taken: bool) -> Verdict:
        """Tell an invoice that Minox has under our own id from one that was booked by somebody else.

        Where another invoice has the number (`is_taken`), it cannot be the ledger's own booking too.
        """
        number = one.invoice_header_id
        try:
            is_ours = number is not None and bool(self.minox.get_batch(batch_of(self.link, number)))
        except TransientError as error:
            if patience.is_at_end():
                raise
            return self._untold(one, error)
        patience.succeeded()
        if is_ours and not is_taken:
            return replace(one, outcome="booked", reasons=(), message="Minox has the batch under its own id already.")
        message = f"Minox has a receivable of debtor {one.customer} with invoice number {one.number} already."
        return replace(one, outcome="already_booked", reasons=(), message=message)

    def _note(self, verdicts: list[Verdict]) -> None:
        """Note the outcomes of invoices that nothing is sent for; of a dry run, only in staging."""
        if self.run.dry_run:
            self._preview(verdicts)
        else:
            self.notes.settled(verdicts, self.payloads)

    # -- posting -------------------------------------------------------------------------------------------------------

    def _post(self, verdicts: list[Verdict]) -> None:
        """Post what is to be posted, until it is done, the time is up, or Minox cannot be reached.

        The oldest invoice goes out first; up to `minox_concurrency` are under way at once.
        """
        if not verdicts:
            return
        self._check_preconditions()
        if self.run.dry_run:
            self._preview(verdicts)
            return
        # those that were tried in vain come last, so that some that always fail do not keep the others waiting for ever
        verdicts = sorted(verdicts, key=lambda one: one.ledger is not None and one.ledger.was_tried_in_vain)
        deadline = self.clock() + float(self.link.bookings.max_run_minutes) * 60
        by_key = {one.key: one for one in verdicts}
        with Flights(self.link.bookings.minox_concurrency) as flights:
            try:
                for place, invoice in enumerate(read_invoices(self.engine, self.run, list(by_key))):
                    self._land(flights.make_room())
                    if self.is_given_up:
                        return
                    if self.clock() >= deadline:
                        message = "The run's time was up; the next one goes on with it."
                        self._note([replace(one, outcome="postponed", message=message) for one in verdicts[place:]])
                        return
                    begin = partial(self._begin_one, flights, by_key[invoice.key], invoice)
                    if (error := self._try(invoice, begin)) is not None:
                        self._count(error)
            finally:
                self._land(flights.rest())

    def _land(self, ended: list[Future[BaseException | None]]) -> None:
        """Count failures; what concerns the whole run, or keeps happening, stops it: nothing more is sent."""
        for one in ended:
            self._count(one.result())

    def _count(self, error: BaseException | None) -> None:
        if error is None:
            self._patience.succeeded()
            return
        self._note_error(error)
        if not self.is_given_up:
            self.is_given_up = isinstance(error, ConfigurationError) or self._patience.is_at_end()

    def _try(self, invoice: StagedInvoice, do: Callable[[], BaseException | None]) -> BaseException | None:
        """Do something for one invoice; a bug that shows with it fails this invoice, and the others go on."""
        try:
            return do()
        except (ConnectorError, sa.exc.SQLAlchemyError):
            raise
        except Exception as error:  # whatever it is, the other invoices are to be booked
            log.exception("Invoice %s could not be posted", invoice.key)
            return error

    def _begin_one(self, flights: Flights, verdict: Verdict, invoice: StagedInvoice) -> None:
        """Write down that an invoice's entry may go out, and send it off."""
        number = verdict.invoice_header_id
        assert number is not None  # noqa: S101 - one without an id is never to be posted
        assert invoice.source is not None  # noqa: S101 - neither is an unreadable one
        entry = self.examiner.entry(invoice.source)
        if isinstance(entry, RejectedEntry):
            self._note([replace(verdict, outcome="rejected", reasons=entry.reasons)])
            return
        poster = Poster(self.engine, self.minox, self.run, read_at=self.read_at)
        batch = batch_of(self.link, number)
        attempt = poster.intend(number, batch, entry, verdict.facts)
        if attempt is None:
            self._note([self._judge_again(invoice, entry)])
            return

        def send(on_sent: Callable[[], None]) -> BaseException | None:
            post = partial(poster.post, number, batch, entry, attempt=attempt, on_sent=on_sent)
            return self._try(invoice, lambda: self._send_one(verdict, invoice, post))

        flights.begin(send)

    def _send_one(self, verdict: Verdict, invoice: StagedInvoice, post: Callable[[], Posted]) -> ConnectorError | None:
        """Send one entry and note what became of it; returns a technical failure. Works in a thread of its own."""
        posted = post()
        self.notes.posted(verdict, posted, invoice.payload)
        log.info("Invoice %s: %s", invoice.key, posted.outcome)
        return posted.error

    def _judge_again(self, invoice: StagedInvoice, entry: Entry) -> Verdict:
        """Judge an invoice by what the ledger says now: a person or another run came between."""
        with self.engine.connect() as connection:
            self.examiner.ledger |= ledger.rows_of(connection, self.run.link, [int(invoice.key)])
            holders = ledger.number_holders(connection, self.run.link, [entry.invoice_number])
        (verdict,) = collide([self.examiner.settled(invoice) or self.examiner.checked(invoice)], holders)
        if verdict.outcome != TO_POST:
            return verdict
        return replace(verdict, outcome="postponed", message="The ledger changed meanwhile; the next run looks again.")

    def _check_preconditions(self) -> None:
        """Before anything is posted, once per run: the journal, and its collective account.

        Raises:
            ConfigurationError: No journal is set, Minox has no such journal, or it has another collective account.
        """
        settings = self.link.bookings
        if not settings.journal_code:
            raise ConfigurationError(
                "No journal is set to book in: give the link bookings.journal_code.", entity="link", key=self.link.name
            )
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
        if account is not None and identifier(journal.ledger_account_id) != str(account):
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
                outcome = outcome_of(verdict)
                if verdict.outcome == TO_POST and invoice.source is not None:
                    entry = self.examiner.entry(invoice.source)
                    if not isinstance(entry, RejectedEntry):
                        details["entry"] = entry.body().decode()
                        outcome = Outcome(verdict.key, "would_book")
                note_preview(connection, self.run, ENTITY, outcome, position=position, details=details)

    def _finish(self) -> None:
        """See that every invoice has an outcome: what was not reached has failed, and is tried again.

        Raises:
            RunBusyError: Another run has taken over: it takes up what is open, and may have cleared this one's staging.
        """
        error = self.errors[0] if self.errors else None
        message = error.message if isinstance(error, ConnectorError) else "The run stopped before this invoice."
        noted = self._noted()
        left = [key for key in staged_keys(self.engine, self.run, ENTITY) if key not in noted]
        with self.engine.begin() as connection:
            insist_on_claim(connection, self.run)
            note_outcomes(connection, self.run, ENTITY, [Outcome(key, "failed", "technical", message) for key in left])
            keep_held(connection, self.run)
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
