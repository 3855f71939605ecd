"""Tell people directly when the connector's own database cannot be reached: nothing else could tell them.

Incidents are kept in that database, so that here a file stands in for them: a machine tells of each link and direction
once an hour at most. There is no message that it is over.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from include.alerts.incident import FAILED, Incident
from include.alerts.routes import alert_settings, routes_of
from include.alerts.texts import alert_text
from include.settings.load import links_directory
from include.storage.home import state_directory
from minox_qms.alerts.desk import base_url
from minox_qms.alerts.errors import NotSentError
from minox_qms.alerts.post_office import send

if TYPE_CHECKING:
    from include.alerts.incident import Place

log = logging.getLogger(__name__)

AT_MOST_EVERY = dt.timedelta(hours=1)
MESSAGE = "The connector's own database cannot be reached, so no run can do its work."


def tell_directly(link: str, direction: str, place: Place) -> int:
    """Tell that the database is down.

    Args:
        link: Name of the link.
        direction: Direction of the run that met it.
        place: That run.

    Returns:
        The number of messages sent.
    """
    now = dt.datetime.now(dt.UTC)
    stamp = state_directory() / "alerts" / f"{link}.{direction}.told"
    if stamp.exists() and now.timestamp() - stamp.stat().st_mtime < AT_MOST_EVERY.total_seconds():
        return 0
    settings = alert_settings(links_directory() / f"{link}.yaml")
    if settings is None:
        log.error("nobody can be told: the file of link %s cannot be read", link)
        return 0
    incident = Incident(0, link, direction, FAILED, "", MESSAGE, "", place.dag_id, place.run_id, None, now, None)
    text = alert_text(incident, base_url())
    sent = 0
    for route in routes_of(settings):
        try:
            send(route, settings, text.subject, text.body)
            sent += 1
        except NotSentError as error:
            log.error("%s", error)  # noqa: TRY400 - it says all
    if sent:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
    return sent
