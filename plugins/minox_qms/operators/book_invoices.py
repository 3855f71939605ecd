"""Book the staged invoices in Minox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.bookings.plan import Plan
from include.storage import ledger
from include.storage.outcomes import read_at
from include.storage.runs import count_outcomes
from minox_qms.assets import tell_change
from minox_qms.lineage import BATCHES, INVOICE_TABLES, Flow, minox_collection, staging_table
from minox_qms.operators.link import LinkOperator
from minox_qms.sync.booking_run import BookingRun
from minox_qms.sync.selection import ENTITY, InvoiceSelection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.settings.link import LinkSettings
    from include.storage.runs import Run


class BookInvoicesOperator(LinkOperator):
    """Judges every staged invoice, and posts those that can be posted, exactly once."""

    def work(self, settings: LinkSettings, run: Run) -> None:
        """Book."""
        qms, plan = self.qms(settings), Plan.from_json(run.plan)
        first = InvoiceSelection(self.engine, qms, settings, run, plan).is_first_of_day()
        BookingRun(self.engine, self.minox(settings), qms, settings, run, plan, first_of_day=first).book()

    def flow(self, settings: LinkSettings, run: Run) -> Flow:
        """From the staging tables to the entries of Minox; a dry run writes none."""
        target = minox_collection(self.base_url("minox"), settings, BATCHES)
        tables = tuple(staging_table(self.engine.url, one) for one in INVOICE_TABLES)
        return Flow(tables, () if run.dry_run else (target,))

    def tell_assets(self, context: Mapping[str, Any], run: Run) -> None:
        """Tell that invoices were booked; those that were booked before have that outcome too, and are no news."""
        with self.engine.connect() as connection:
            is_news = ledger.has_booked(connection, run, since=read_at(self.engine, run, ENTITY))
        if is_news:
            tell_change(context, self.link, ENTITY, count_outcomes(self.engine, run).get(ENTITY, {}))
