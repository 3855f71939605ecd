"""Last task of a run: tell QMS, check that everything adds up, and let go of the link's direction."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from include.errors import KnownEndError
from include.storage.couple import is_couple, remember_couple
from include.storage.history import forget_old_changes
from include.storage.previews import previews_of
from include.storage.runs import RunBusyError, abandon, close_run, count_outcomes, failures_of, unfinished_entities
from include.storage.settling import settle
from minox_qms.alerts.closing import after_run
from minox_qms.metrics import note_outcomes
from minox_qms.operators.link import LinkOperator
from minox_qms.sync.booking_notes import settle_invoices
from minox_qms.sync.reports import Reporter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.settings.link import LinkSettings
    from include.storage.runs import Run

log = logging.getLogger(__name__)

UNDONE = ("failed", "postponed", "in_doubt", "rejected")
"""Outcomes of records that a run has done nothing for."""


class RunNotGoodError(KnownEndError):
    """Something of the run did not come to a good end."""


class CloseRunOperator(LinkOperator):
    """Reports to QMS, checks conservation, and is red when anything of the run was.

    Args:
        entities: What the run was to do.
        **kwargs: See `LinkOperator`.
    """

    def __init__(self, *, entities: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entities = entities

    def _work_for(self, run: Run, settings: LinkSettings, context: Mapping[str, Any]) -> Any:
        """Work for a run; one that never got the link's direction has come to its end too."""
        try:
            return super()._work_for(run, settings, context)
        except RunBusyError:
            abandon(self.engine, run)
            raise

    def work(self, settings: LinkSettings, run: Run) -> dict[str, dict[str, int]]:
        """Return the number of records per entity and outcome."""
        if not run.dry_run and self.direction == "qms_to_minox":
            settle_invoices(self.engine, run)
        if not run.dry_run and self.direction == "minox_to_qms":
            settle(self.engine, run, self.entities)
            forget_old_changes(self.engine, run, settings.master_data.history_days)
        if not run.dry_run and settings.bookings.report_to_qms and self._is_coupled(settings):
            told = Reporter(self.engine, self.qms(settings), settings, run).report()
            log.info("QMS was told of %d records", told)
        bad = failures_of(self.engine, run) if run.dry_run else unfinished_entities(self.engine, run, self.entities)
        found = count_outcomes(self.engine, run)
        for entity, by_outcome in sorted(found.items()):
            log.info("%s: %s", entity, ", ".join(f"{count} {outcome}" for outcome, count in sorted(by_outcome.items())))
        if run.dry_run:
            self._show(run)
        elif not set().union(*found.values()).issubset(UNDONE):
            with self.engine.begin() as connection:
                remember_couple(connection, settings)
        counts = close_run(self.engine, run, good=not bad, message="; ".join(bad) or None)
        note_outcomes(self.link, self.direction, counts)
        after_run(self.engine, settings, run, good=not bad)
        if bad:
            raise RunNotGoodError("Not everything of this run came to a good end: " + "; ".join(bad))
        return counts

    def _is_coupled(self, settings: LinkSettings) -> bool:
        """Whether the link still couples what its bookkeeping is of; the first task fails when it does not."""
        with self.engine.connect() as connection:
            return is_couple(connection, settings)

    def _show(self, run: Run) -> None:
        """Log how many records a dry run would have left how; the records themselves are on the Sync page."""
        with self.engine.connect() as connection:
            found = Counter((one.entity, one.outcome.outcome) for one in previews_of(connection, run))
        for (entity, outcome), count in sorted(found.items()):
            log.info("Dry run, %s: %d %s", entity, count, outcome)
