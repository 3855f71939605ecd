"""Book the staged invoices in Minox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.bookings.plan import Plan
from minox_qms.operators.link import LinkOperator
from minox_qms.sync.booking_run import BookingRun
from minox_qms.sync.selection import InvoiceSelection

if TYPE_CHECKING:
    from include.settings.link import LinkSettings
    from include.storage.runs import Run


class BookInvoicesOperator(LinkOperator):
    """Judges every staged invoice, and posts those that can be posted, exactly once."""

    def work(self, settings: LinkSettings, run: Run) -> None:
        """Book."""
        qms, plan = self.qms(settings), Plan.from_json(run.plan)
        first = InvoiceSelection(self.engine, qms, settings, run, plan).is_first_of_day()
        BookingRun(self.engine, self.minox(settings), qms, settings, run, plan, first_of_day=first).book()
