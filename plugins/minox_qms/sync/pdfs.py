"""Attach the invoices' PDFs to their entries in Minox: a thing of its own, which never touches the booking."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.errors import (
    ConfigurationError,
    ConnectorError,
    LateAnswerError,
    RecordError,
    TransientError,
    UnknownOutcomeError,
)
from include.storage import ledger
from include.storage.runs import RunBusyError, insist_on_claim, insist_on_turn
from include.wire.text import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.settings.link import LinkSettings
    from include.storage.ledger import DuePdf
    from include.storage.runs import Run
    from minox_qms.hooks.minox import MinoxHook
    from minox_qms.hooks.qms import QmsHook

log = logging.getLogger(__name__)

GIVE_UP_AFTER = 3


class PdfAttacher:
    """Attaches what is due of a link, until it is done or `max_run_minutes` have passed.

    Args:
        engine: Of the connector's database.
        minox: Hook of the administration.
        qms: Hook of the company.
        link: The link's settings.
        run: The run.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        engine: sa.Engine,
        minox: MinoxHook,
        qms: QmsHook,
        link: LinkSettings,
        run: Run,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self.minox = minox
        self.qms = qms
        self.link = link
        self.run = run
        self.clock = clock

    def attach(self) -> int:
        """Attach the PDFs that are due.

        Returns:
            Number of PDFs attached.

        Raises:
            RunBusyError: Another run has taken over; this one attaches and notes nothing more.
            ConnectorError: A technical failure; the other PDFs are done then, and this one is tried again.
        """
        with self.engine.connect() as connection:
            due = ledger.due_pdfs(connection, self.run.link, self.link.bookings.retry_refused_after)
        deadline = self.clock() + float(self.link.bookings.max_run_minutes) * 60
        attached, errors, in_a_row = 0, [], 0
        for one in due:
            if self.clock() >= deadline:
                log.info("The time for PDFs was up; the next run goes on with them")
                break
            try:
                attached += self._attach(one)
                in_a_row = 0
            except RunBusyError:
                raise
            except RecordError as error:
                self._note(one, "failed", error.message)
            except ConnectorError as error:
                errors.append(error)
                in_a_row += 1
                self._note(one, None, error.message)
                if isinstance(error, ConfigurationError) or in_a_row >= GIVE_UP_AFTER:
                    break
        if errors:
            raise errors[0]
        return attached

    def _attach(self, one: DuePdf) -> bool:
        """Attach one PDF; an attachment that may have arrived is looked for before it is sent again."""
        if one.pdf_state != "pending":
            document = self._document(one)
            if document is not None:
                self._note(one, "attached", None, document)
                return True
        content = self.qms.pdf(one.invoice_header_id)
        if content is None:
            self._note(one, "pending", "QMS has not made the PDF yet.")
            return False
        self._note(one, "sending", None)
        self._note(one, "attached", None, self._send(one, content))
        return True

    def _send(self, one: DuePdf, content: bytes) -> str:
        """Send a PDF; after a lost answer the document is looked for before it is sent again."""
        lost: UnknownOutcomeError | None = None
        for turn in range(ledger.TRIES):
            if lost is not None:
                self.minox.client.back_off(turn)
            try:
                return self.minox.attach_blob(
                    one.batch_id,
                    f"{one.invoice_number or one.invoice_header_id}.pdf",
                    content,
                    on_turn=partial(insist_on_turn, self.engine, self.run),
                )
            except UnknownOutcomeError as error:
                lost = error
            document = self._document(one)
            if document is not None:
                return document
            if isinstance(lost, LateAnswerError):
                break  # it may yet arrive: the next run looks before it sends one
        raise TransientError(
            "Minox does not take the PDF; the next run sends it again.",
            detail="" if lost is None else lost.detail,
            system="minox",
            entity="blob",
            key=str(one.invoice_header_id),
        )

    def _document(self, one: DuePdf) -> str | None:
        """Id of the document that Minox has with the entry: on its lines, or on its receivable."""
        for line in self.minox.get_batch(one.batch_id) or []:
            if (document := text(line.document_id)) is not None:
                return document
        if one.customer is None or one.minox_number is None:
            return None
        receivable = self.minox.receivable(one.customer, one.minox_number)
        return None if receivable is None else text(receivable.document_id)

    def _note(self, one: DuePdf, state: str | None, message: str | None, document: str | None = None) -> None:
        """Note the PDF's own state; None leaves it as it is."""
        values = {"pdf_message": message, "pdf_at": sa.func.clock_timestamp()}
        if state is not None:
            values["pdf_state"] = state
        if document is not None:
            values["pdf_document_id"] = document
        with self.engine.begin() as connection:
            insist_on_claim(connection, self.run)
            ledger.change(connection, self.run.link, one.invoice_header_id, values)
            if state in {"attached", "failed"}:
                attempt = ledger.begin_attempt(connection, self.run, one.invoice_header_id, "pdf")
                ledger.end_attempt(connection, attempt, state, [message] if message else [])
