"""Where troubles are reported: incidents are opened and closed here, and what people are to be told is written down."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.sdk.configuration import conf

from include.alerts.incident import DIFFERENCES, GRANT, GRANT_IDLE, OF_RUNS, SETTINGS
from include.alerts.routes import routes_of
from include.alerts.texts import alert_text, recovered_text, rejected_text, solved_text
from include.storage.findings import found_by
from include.storage.incidents import meet, open_incidents, resolve
from include.storage.news import take_rejected, take_solved
from include.storage.outbox import put
from minox_qms.alerts.post_office import deliver, settings_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import sqlalchemy as sa

    from include.alerts.incident import Incident, Place, Trouble
    from include.storage.runs import Run

log = logging.getLogger(__name__)

WHOLE_LINK = frozenset({GRANT, GRANT_IDLE, SETTINGS})


class Desk:
    """The alerts of one link.

    Args:
        engine: Of the connector's database.
        link: Name of the link.
    """

    def __init__(self, engine: sa.Engine, link: str) -> None:
        self.engine = engine
        self.link = link

    def report(self, direction: str, troubles: Iterable[Trouble], place: Place | None = None) -> list[Incident]:
        """Report troubles; people are told of those that are new.

        Args:
            direction: Direction of the run, or that the watcher looked at.
            troubles: What is wrong.
            place: The run that met them, if one did.

        Returns:
            The incidents that were opened.
        """
        opened = []
        with self.engine.begin() as connection:
            routes = routes_of(settings_of(connection, self.link))
            for trouble in troubles:
                of = "" if trouble.kind in WHOLE_LINK else direction
                if trouble.kind == DIFFERENCES and place is not None:
                    self._let_go(connection, place)
                incident = meet(connection, self.link, of, trouble, place)
                if incident is None:
                    continue
                opened.append(incident)
                put(connection, self.link, routes, alert_text(incident, base_url()), incident=incident.id)
                log.error("ALERT link %s %s: %s: %s", self.link, of or "-", incident.kind, incident.message)
                if not routes:
                    log.warning("nobody is told: the link's file names no alerts.email and no alerts.webhooks")
        return opened

    def _let_go(self, connection: sa.Connection, place: Place) -> None:
        """End an open incident of differences of other dates, so that people are told of those that this run found."""
        found = found_by(connection, place.dag_id, place.run_id)
        for incident in open_incidents(connection, self.link):
            before = found_by(connection, incident.dag_id, incident.run_id) if incident.kind == DIFFERENCES else None
            if found is not None and before is not None and found.is_other_than(before):
                resolve(connection, self.link, incident.direction, (DIFFERENCES,))

    def all_clear(self, direction: str, grants: Mapping[str, str], still: Collection[str] = ()) -> list[Incident]:
        """Note that a run of a direction was good: what was wrong with it is over, and people are told.

        Args:
            direction: Direction of the run.
            grants: State of the grant of each of the link's connections.
            still: Kinds that this run does not end.

        Returns:
            The incidents that are over.
        """
        with self.engine.begin() as connection:
            over = resolve(connection, self.link, direction, set(OF_RUNS).difference(still))
            over += resolve(connection, self.link, "", (SETTINGS,))
            for conn_id, state in grants.items():
                if state == "good":
                    over += resolve(connection, self.link, "", (GRANT,), subject=conn_id)
            self.tell_over(connection, over)
        return over

    def tell_over(self, connection: sa.Connection, over: list[Incident]) -> None:
        """Tell that incidents are over, in one message.

        Args:
            connection: In the transaction that noted it.
            over: The incidents; none: nothing is told.
        """
        if not over:
            return
        put(connection, self.link, routes_of(settings_of(connection, self.link)), recovered_text(self.link, over))
        log.info("link %s: over: %s", self.link, ", ".join(sorted({one.kind for one in over})))

    def digest(self, run: Run) -> tuple[int, int]:
        """Tell of what is newly rejected and of what is solved, each once and each in one message (spec, section 6).

        Args:
            run: The run that ends.

        Returns:
            The number of records newly rejected, and of those solved.
        """
        with self.engine.begin() as connection:
            routes = routes_of(settings_of(connection, self.link))
            rejected = take_rejected(connection, self.link, run.direction)
            solved = take_solved(connection, self.link, run.direction)
            if rejected:
                put(connection, self.link, routes, rejected_text(self.link, run.direction, rejected, base_url()))
            if solved:
                put(connection, self.link, routes, solved_text(self.link, run.direction, solved, base_url()))
        return len(rejected), len(solved)

    def deliver(self) -> int:
        """Send what is due of this link; returns the number of messages sent."""
        return deliver(self.engine, self.link)


def base_url() -> str:
    """Address of Airflow's pages, as its configuration says; empty when it does not."""
    return str(conf.get("api", "base_url", fallback="") or "")
