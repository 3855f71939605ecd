"""What people are told when a run ends: news of quarantine, and that what was wrong is over."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.alerts.incident import DIFFERENCES
from include.storage.findings import found_by, range_of
from include.storage.incidents import grant_states, open_incidents
from minox_qms.alerts.desk import Desk

if TYPE_CHECKING:
    import sqlalchemy as sa

    from include.settings.link import LinkSettings
    from include.storage.runs import Run

log = logging.getLogger(__name__)


def after_run(engine: sa.Engine, settings: LinkSettings, run: Run, *, good: bool) -> None:
    """Tell people what they should know of a run that has ended; a dry run has no news.

    Alerts never break a run: what goes wrong here is logged, and the watcher sends what was kept.

    Args:
        engine: Of the connector's database.
        settings: The link's.
        run: The run, closed.
        good: It came to a good end.
    """
    if run.dry_run:
        return
    desk = Desk(engine, settings.name)
    try:
        if run.direction in {"minox_to_qms", "qms_to_minox"}:
            rejected, solved = desk.digest(run)
            log.info("news of quarantine: %d rejected, %d solved", rejected, solved)
        if good:
            with engine.connect() as connection:
                grants = grant_states(connection, settings.connections.values())
                still = _still(connection, run)
            desk.all_clear(run.direction, grants, still)
        desk.deliver()
    except Exception as error:  # noqa: BLE001 - the run is closed, and its result stands
        log.error("People could not be told of the end of run %d: %s", run.id, type(error).__name__)  # noqa: TRY400


def _still(connection: sa.Connection, run: Run) -> tuple[str, ...]:
    """Kinds of incidents that a good run does not end: differences of invoices that it did not look at."""
    dates = range_of(run.plan)
    for incident in open_incidents(connection, run.link):
        found = found_by(connection, incident.dag_id, incident.run_id) if incident.kind == DIFFERENCES else None
        if found is not None and (dates is None or not found.is_within(*dates)):
            return (DIFFERENCES,)
    return ()
