"""The watcher: looks at every link from outside of its runs, and sends what nobody has sent yet."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.alerts.incident import GRANT, GRANT_IDLE, MAINTENANCE, SETTINGS, Place, Trouble
from include.alerts.watching import trouble_of_direction, trouble_of_grant
from include.errors import ConfigurationError
from include.settings.load import link_files, load_link
from include.storage.incidents import open_incidents, resolve
from include.storage.outbox import purge
from include.storage.queries import DIRECTIONS
from include.storage.watch import now_of, see_direction, see_grants, watched_since
from minox_qms.alerts.desk import Desk
from minox_qms.alerts.post_office import deliver, remember_settings

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    import sqlalchemy as sa

    from include.alerts.watching import DirectionSeen, GrantSeen
    from include.settings.link import LinkSettings

log = logging.getLogger(__name__)


def watch(engine: sa.Engine, now: dt.datetime | None = None) -> dict[str, int]:
    """Look at every link once.

    Args:
        engine: Of the connector's database.
        now: The time; the database's when left out.

    Returns:
        Counts: links, incidents opened, incidents open, messages sent.
    """
    files = link_files()
    opened = sum(_watch_file(engine, path, now) for path in files)
    sent = deliver(engine)
    unsent = purge(engine)
    if unsent:
        log.error("%d old alerts were given up: they could not be sent for a day", unsent)
    with engine.connect() as connection:
        still = len(open_incidents(connection))
    return {"links": len(files), "opened": opened, "open": still, "sent": sent}


def _watch_file(engine: sa.Engine, path: Path, now: dt.datetime | None) -> int:
    """Look at the link of one file; returns the number of incidents opened."""
    desk = Desk(engine, path.stem)
    try:
        settings = load_link(path)
    except ConfigurationError as error:
        return len(desk.report("", [Trouble(SETTINGS, error.message)]))
    with engine.begin() as connection:
        remember_settings(connection, settings.name, settings.alerts)
        moment = now or now_of(connection)
        since = watched_since(connection, settings.name, moment)
        seen = {one: see_direction(connection, settings.name, one, since=since, now=moment) for one in DIRECTIONS}
        grants = see_grants(connection, settings.connections, moment)
        _tell_over(connection, desk, grants)
    opened = len(desk.report("", [trouble for one in grants if (trouble := trouble_of_grant(one))]))
    return opened + sum(_report(desk, settings, direction, one) for direction, one in seen.items())


def _tell_over(connection: sa.Connection, desk: Desk, grants: list[GrantSeen]) -> None:
    """Close incidents that are over without a run: the file is valid again, the connection is good or in use again."""
    over = resolve(connection, desk.link, "", (SETTINGS,))
    for grant in grants:
        if grant.state == "good":
            over += resolve(connection, desk.link, "", (GRANT,), subject=grant.conn_id)
        if trouble_of_grant(grant) is None:
            over += resolve(connection, desk.link, "", (GRANT_IDLE,), subject=grant.conn_id)
    desk.tell_over(connection, over)


def _report(desk: Desk, settings: LinkSettings, direction: str, seen: DirectionSeen) -> int:
    """Report what is wrong with a direction, unless an open incident explains it already."""
    trouble = trouble_of_direction(seen, settings.alerts.silence_minutes)
    if trouble is None:
        return 0
    with desk.engine.connect() as connection:
        known = [one.kind for one in open_incidents(connection, desk.link) if one.direction in {direction, ""}]
    if set(known) - {GRANT_IDLE, MAINTENANCE}:
        return 0
    place = None if seen.last is None else Place(seen.last.dag_id, seen.last.run_id)
    return len(desk.report(direction, [trouble], place))
