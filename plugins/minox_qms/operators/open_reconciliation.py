"""First task of a reconciliation: which period."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from include.bookings.plan import make_plan
from include.storage.couple import insist_on_couple
from include.storage.migrate import migrate
from include.storage.runs import open_run
from minox_qms.operators.asked import asked
from minox_qms.operators.link import LinkOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.settings.link import LinkSettings
    from include.storage.runs import Run


class OpenReconciliationOperator(LinkOperator):
    """Notes the period: the range of the run's params, else the last `sweep_days` days."""

    def run_of(self, context: Mapping[str, Any], settings: LinkSettings) -> Run:
        """Note the run."""
        params = asked(context, self.dag.params)
        migrate(self.engine)
        now = dt.datetime.now(dt.UTC)
        plan = make_plan(start=now, end=now, from_date=params.get("from_date"), to_date=params.get("to_date"))
        if plan.from_date is None:
            first = plan.local_date - dt.timedelta(days=settings.bookings.sweep_days)
            plan = replace(plan, from_date=first, to_date=plan.local_date)
        return open_run(
            self.engine,
            link=settings.name,
            direction=self.direction,
            dag_id=self.dag_id,
            run_id=str(context["run_id"]),
            plan=plan.as_json(),
        )

    def work(self, settings: LinkSettings, run: Run) -> dict[str, Any]:
        """See that the link couples what it did before; return the period."""
        with self.engine.connect() as connection:
            insist_on_couple(connection, settings)
        return run.plan
