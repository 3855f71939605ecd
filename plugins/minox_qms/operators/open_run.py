"""First task of a run: note it, and take the link's direction."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from include.bookings.plan import make_plan
from include.errors import AskedWronglyError
from include.storage.couple import insist_on_couple
from include.storage.migrate import migrate
from include.storage.previews import forget_previews
from include.storage.runs import covered_until, open_run
from minox_qms.operators.asked import asked
from minox_qms.operators.link import LinkOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.bookings.plan import Plan
    from include.settings.link import LinkSettings
    from include.storage.runs import Run

QUARTER = dt.timedelta(minutes=15)


class OpenRunOperator(LinkOperator):
    """Notes what the run was asked, refusing wrong ranges before anything is read, and brings the tables up to date."""

    def run_of(self, context: Mapping[str, Any], settings: LinkSettings) -> Run:
        """Note the run."""
        params = asked(context, self.dag.params)
        migrate(self.engine)
        plan = self._plan(context)
        return open_run(
            self.engine,
            link=settings.name,
            direction=self.direction,
            dag_id=self.dag_id,
            run_id=str(context["run_id"]),
            plan=plan.as_json(),
            dry_run=bool(params.get("dry_run")),
        )

    def work(self, settings: LinkSettings, run: Run) -> dict[str, Any]:
        """See that the link couples what it did before, and forget what an earlier try of this run found."""
        with self.engine.begin() as connection:
            insist_on_couple(connection, settings)
            forget_previews(connection, run)
        return run.plan

    def _plan(self, context: Mapping[str, Any]) -> Plan:
        """Make the plan from the run's params and its data interval."""
        params = context["params"]
        start, end = self._interval(context)
        return make_plan(start=start, end=end, from_date=params.get("from_date"), to_date=params.get("to_date"))

    def _interval(self, context: Mapping[str, Any]) -> tuple[dt.datetime, dt.datetime]:
        """The interval of the run: the params' own, else the data interval.

        A run of the schedule begins where the runs before it ended, should there be a gap: a scheduler that was down
        makes no runs for what it missed, and a run may have died before it could note itself. So does a run that
        somebody starts by hand, which takes everything up to now: its data interval ends before it was asked for.
        """
        params = context["params"]
        given = [params.get("interval_start"), params.get("interval_end")]
        if any(given) and not all(given):
            raise AskedWronglyError("An interval needs both interval_start and interval_end.")
        if all(given):
            return _instant(params["interval_start"]), _instant(params["interval_end"])
        dag_run = context["dag_run"]
        now = dt.datetime.now(dt.UTC)
        now = min(now, dag_run.run_after or now)
        start = context.get("data_interval_start") or now - QUARTER
        end = context.get("data_interval_end") or now
        run_type = str(getattr(dag_run.run_type, "value", dag_run.run_type))
        if run_type not in {"manual", "scheduled"}:
            return start, end
        covered = covered_until(self.engine, self.link, self.direction, "invoices")
        if covered is not None:
            start = min(start, dt.datetime.fromisoformat(covered))
        return (start, end) if run_type == "scheduled" else (min(start, now), dt.datetime.now(dt.UTC))


def _instant(value: str) -> dt.datetime:
    """Read an instant of the run's form; `make_plan` refuses one without a time zone."""
    try:
        return dt.datetime.fromisoformat(value)
    except ValueError as error:
        raise AskedWronglyError(f"{value!r} is not an instant: write it as 2026-01-31T07:00:00+01:00.") from error
