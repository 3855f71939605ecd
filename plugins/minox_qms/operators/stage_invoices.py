"""Select the invoices of a run and extract them into staging."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from include.bookings.plan import Plan
from include.storage import ledger
from include.storage.runs import missed_runs, replan
from minox_qms.lineage import INVOICE_ENTITIES, INVOICE_TABLES, Flow, qms_entity, staging_table
from minox_qms.operators.skipping import SkippingOperator
from minox_qms.sync.selection import ENTITY, InvoiceSelection
from minox_qms.sync.standstill import settle_empty_booking

if TYPE_CHECKING:
    from include.settings.link import LinkSettings
    from include.storage.runs import Run

log = logging.getLogger(__name__)


class StageInvoicesOperator(SkippingOperator):
    """Stages the invoices of the run's interval or range, with their totals and lines; without any, all is done."""

    def work(self, settings: LinkSettings, run: Run) -> int:
        """Return the number of invoices."""
        plan = self._with_missed(run, Plan.from_json(run.plan))
        log.info("Taking the invoices %s", plan.in_words)
        selection = InvoiceSelection(self.engine, self.qms(settings), settings, run, plan)
        extracted = selection.stage()
        log.info("%d invoices are staged", extracted)
        if settle_empty_booking(self.engine, run, plan, first_of_day=selection.is_first_of_day()):
            self.skip_later("check", "book", *(() if self._has_pdfs(settings) else ("attach_pdfs",)))
        return extracted

    def _has_pdfs(self, settings: LinkSettings) -> bool:
        """Whether a PDF of an earlier booking is still to be attached."""
        if not settings.bookings.attach_pdf:
            return False
        with self.engine.connect() as connection:
            return bool(ledger.due_pdfs(connection, self.link, settings.bookings.retry_refused_after))

    def flow(self, settings: LinkSettings, run: Run) -> Flow:  # noqa: ARG002 - the base's signature
        """From the entities of QMS to the staging tables of invoices."""
        base_url = self.base_url("qms")
        return Flow(
            tuple(qms_entity(base_url, settings, one) for one in INVOICE_ENTITIES),
            tuple(staging_table(self.engine.url, one) for one in INVOICE_TABLES),
        )

    def _with_missed(self, run: Run, plan: Plan) -> Plan:
        """Add the intervals of earlier runs that died or failed before their invoices had an outcome."""
        if plan.from_date is not None or run.dry_run:
            return plan
        missed = {number: Plan.from_json(one) for number, one in missed_runs(self.engine, run, ENTITY).items()}
        if not missed:
            return plan
        log.info("Making up for %d earlier runs", len(missed))
        wider = replace(plan, missed=tuple((one.start, one.end) for one in missed.values()), missed_runs=tuple(missed))
        replan(self.engine, run, wider.as_json())
        return wider
