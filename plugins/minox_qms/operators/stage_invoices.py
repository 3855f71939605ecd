"""Select the invoices of a run and extract them into staging."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from include.bookings.plan import Plan
from include.storage.runs import missed_intervals, replan
from minox_qms.operators.link import LinkOperator
from minox_qms.sync.selection import ENTITY, InvoiceSelection

if TYPE_CHECKING:
    from include.settings.link import LinkSettings
    from include.storage.runs import Run


class StageInvoicesOperator(LinkOperator):
    """Stages the invoices of the run's interval or range, with their totals and lines."""

    def work(self, settings: LinkSettings, run: Run) -> int:
        """Return the number of invoices."""
        plan = self._with_missed(run, Plan.from_json(run.plan))
        return InvoiceSelection(self.engine, self.qms(settings), settings, run, plan).stage()

    def _with_missed(self, run: Run, plan: Plan) -> Plan:
        """Widen an interval by those of earlier runs that died or failed before their invoices had an outcome."""
        if plan.from_date is not None or run.dry_run:
            return plan
        missed = [Plan.from_json(one) for one in missed_intervals(self.engine, run, ENTITY)]
        if not missed:
            return plan
        start, end = min(one.start for one in (plan, *missed)), max(one.end for one in (plan, *missed))
        self.log.info("Making up for %d earlier runs: the change log is read from %s", len(missed), start.isoformat())
        wider = replace(plan, start=start, end=end)
        replan(self.engine, run, wider.as_json())
        return wider
