"""Send one entry to Minox, exactly once (spec, section 3, "Exactly once").

Before the first byte goes out, the ledger says so, committed. When the answer is lost the batch is looked up by its id
before it is sent again, and when that fails too the invoice is in doubt until the next run has looked.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.errors import ConnectorError, RefusedError, TransientError, UnknownOutcomeError
from include.storage import ledger
from include.storage.runs import RunBusyError, insist_on_claim, insist_on_turn
from include.wire.text import text

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Callable

    from include.bookings.entry import Entry
    from include.storage.runs import Run
    from include.wire.minox import StoredLine
    from minox_qms.hooks.minox import MinoxHook

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of an entry.

    Attributes:
        outcome: The invoice's.
        values: The ledger's columns.
        reason: The outcome's.
        message: The outcome's.
        error: One that concerns the run.
        attempt: The attempt that Minox stored it by, which is yet to be ended.
        warnings: What Minox said when it stored it.
    """

    outcome: str
    values: dict[str, Any]
    reason: str | None = None
    message: str | None = None
    error: ConnectorError | None = None
    attempt: int | None = None
    warnings: tuple[str, ...] = ()


class Poster:
    """Posts entries of one run."""

    def __init__(self, engine: sa.Engine, minox: MinoxHook, run: Run, *, read_at: dt.datetime) -> None:
        self.engine = engine
        self.minox = minox
        self.run = run
        self.read_at = read_at

    def intend(self, invoice_header_id: int, batch: uuid.UUID, entry: Entry, facts: dict[str, Any]) -> int | None:
        """Write down, before anything is sent, that this entry may go out.

        Returns:
            Number of the attempt; None when another invoice of the link holds the number, or when a person has
            excluded the invoice (or another run has staged or sent it) since it was judged: nothing may be sent then.

        Raises:
            RunBusyError: Another run has taken over the link's direction.
        """
        values = {
            **facts,
            "batch_id": batch,
            "state": "sending",
            "outcome": "in_doubt",
            "reason": None,
            "message": "The entry was sent; its answer is not known.",
            "reasons": None,
            "document_date": entry.document_date,
            "minox_number": entry.invoice_number,
            "customer": entry.customer,
            "total": entry.total,
            "booked_source_hash": facts.get("source_hash"),
            "changed_source_hash": None,
            "entry": _plain_entry(entry),
            "entry_hash": entry.content_hash,
            "rounding": [{"line": cent.line, "field": cent.field, "cents": cent.cents} for cent in entry.rounding],
            "reoffer": False,
        }
        try:
            with self.engine.begin() as connection:
                insist_on_claim(connection, self.run)
                intended = ledger.note(
                    connection,
                    self.run.link,
                    invoice_header_id,
                    values,
                    read_at=self.read_at,
                    unless=("excluded", "booked", "sending"),
                    is_attempt=True,
                )
                if not intended:
                    return None
                return ledger.begin_attempt(connection, self.run, invoice_header_id, "put", entry.content_hash)
        except sa.exc.IntegrityError as error:
            if "uq_booking_held_number" not in str(error):
                raise
            return None

    def post(
        self,
        invoice_header_id: int,
        batch: uuid.UUID,
        entry: Entry,
        *,
        attempt: int,
        on_sent: Callable[[], None] | None = None,
    ) -> Posted:
        """Send an entry that is intended, and find out what became of it.

        Args:
            invoice_header_id: Of the invoice.
            batch: Id of the batch.
            entry: The entry.
            attempt: Number of the attempt, from `intend`.
            on_sent: Called when it is on its way to Minox.

        Raises:
            RunBusyError: Another run, or another try of this task, has gone on with the invoice.
        """
        body = entry.body()
        at_turn = partial(self._at_turn, invoice_header_id, entry)
        lost: ConnectorError | None = None
        for turn in range(ledger.TRIES):
            if lost is not None:
                self.minox.client.back_off(turn)
                attempt = self._begin(invoice_header_id, "put", entry.content_hash)
            try:
                lines = self.minox.put_batch(batch, body, on_turn=at_turn, on_sent=on_sent)
            except RefusedError as error:
                self._end(attempt, "refused", error.messages)
                return _refused(error, entry)
            except UnknownOutcomeError as error:
                self._end(attempt, "unknown", [str(error)])
                lost = error
            except RunBusyError as error:
                self._end(attempt, "not sent", [str(error)])
                raise
            except ConnectorError as error:
                self._end(attempt, "not sent", [str(error)])
                return _not_sent(error)
            else:
                warnings = _messages(lines)
                return replace(_booked("; ".join(warnings) or None), attempt=attempt, warnings=tuple(warnings))
            found = self.look_up(invoice_header_id, batch)
            if found is not None:
                return found
        message = "Minox does not take the entry, nor refuse it; it does not have it, and the next run sends it again."
        detail = "" if lost is None else lost.detail
        return _not_sent(TransientError(message, detail=detail, system="minox", key=str(batch)))

    def _at_turn(self, invoice_header_id: int, entry: Entry) -> None:
        """See, right before the first byte, that the invoice is still this task's: it may have stood still meanwhile.

        What it wrote down stays: whoever goes on looks the entry up.
        """
        this_entry = (invoice_header_id, entry.content_hash)
        if not ledger.is_intended(self.engine, self.run, *this_entry, read_at=self.read_at):
            insist_on_turn(self.engine, self.run)
            raise RunBusyError(
                f"Another task went on with invoice {invoice_header_id}; this one sends nothing for it.",
                system="database",
            )

    def look_up(self, invoice_header_id: int, batch: uuid.UUID) -> Posted | None:
        """Look an entry up that may have arrived; None when Minox does not have it.

        An administration that is switched off, or an address that leads elsewhere, does not have it either: so what is
        not there counts as such only when Minox shows the administration's journals, and once more does not have it.
        """
        attempt = self._begin(invoice_header_id, "look_up", None)
        try:
            lines = self.minox.get_batch(batch)
            if not lines:
                self.minox.journals()
                lines = self.minox.get_batch(batch)
        except ConnectorError as error:
            self._end(attempt, "unknown", [str(error)])
            return _in_doubt(error)
        self._end(attempt, "there" if lines else "not there", [])
        return _booked(None) if lines else None

    def _begin(self, invoice_header_id: int, what: str, entry_hash: str | None) -> int:
        with self.engine.begin() as connection:
            if what == "put":
                ledger.count_attempt(connection, self.run.link, invoice_header_id)
            return ledger.begin_attempt(connection, self.run, invoice_header_id, what, entry_hash)

    def _end(self, attempt: int, answer: str, messages: list[str]) -> None:
        with self.engine.begin() as connection:
            ledger.end_attempt(connection, attempt, answer, messages)


def _plain_entry(entry: Entry) -> list[dict[str, Any]]:
    """The entry as it is sent, amounts as text, for people to read."""
    return [
        {
            "account": str(line.account),
            "debit": None if line.debit is None else str(line.debit),
            "credit": None if line.credit is None else str(line.credit),
            "vat": str(line.vat_amount),
            "vat_code": line.vat_code,
            "description": line.description,
            "cost_center": line.cost_center,
        }
        for line in entry.lines
    ]


def _messages(lines: list[StoredLine]) -> list[str]:
    """Warnings that Minox gave with lines that it stored."""
    found = [text(message.message) for line in lines for message in line.messages or ()]
    return [message for message in dict.fromkeys(found) if message is not None]


def _booked(warnings: str | None) -> Posted:
    values = {
        "state": "booked",
        "booked_at": ledger.NOW,
        "refused_entry_hash": None,
        "refused_at": None,
    }
    return Posted("booked", values, message=warnings)


def _refused(error: RefusedError, entry: Entry) -> Posted:
    message = "; ".join(error.messages) or error.message
    values = {
        "state": "refused",
        "refused_entry_hash": entry.content_hash,
        "refused_at": ledger.NOW,
        "booked_source_hash": None,
    }
    return Posted("refused_by_minox", values, reason="refused_by_minox", message=message)


def not_there() -> Posted:
    """An entry that an earlier run sent never arrived: the invoice is open again, and holds no number."""
    message = "The entry that was sent before did not arrive; it is sent again."
    return Posted("failed", {"state": "open", "booked_source_hash": None}, "technical", message)


def _not_sent(error: ConnectorError) -> Posted:
    """The entry is not in the books: the invoice stays open, and holds no number."""
    return Posted("failed", {"state": "open", "booked_source_hash": None}, "technical", error.message, error)


def _in_doubt(error: ConnectorError) -> Posted:
    message = "The entry was sent, its answer was lost, and Minox could not be asked; the next run looks it up."
    return Posted("in_doubt", {"state": "sending"}, "answer_lost", message, error)
