"""Send the messages that are kept; what cannot be sent stays, and is tried again by whoever comes next."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.alerts.routes import EMAIL, WEBHOOK, alert_settings, routes_of
from include.settings.link import AlertSettings
from include.settings.load import links_directory
from include.storage.facts import fact, remember
from include.storage.outbox import claim, drop, note_not_sent, note_sent
from minox_qms.alerts.errors import NotSentError

if TYPE_CHECKING:
    import sqlalchemy as sa


log = logging.getLogger(__name__)

AT_ONCE = 20
FACT = "alert settings"


def settings_of(connection: sa.Connection, link: str) -> AlertSettings:
    """Who is told of a link's troubles; when its file cannot be read any more, those whom it named last.

    Args:
        connection: To the connector's database.
        link: Name of the link.
    """
    found = alert_settings(links_directory() / f"{link}.yaml")
    if found is not None:
        return found
    return AlertSettings.model_validate(fact(connection, link, FACT) or {})


def remember_settings(connection: sa.Connection, link: str, settings: AlertSettings) -> None:
    """Remember who is told, for the day that the link's file cannot be read."""
    wanted = settings.model_dump(mode="json")
    if fact(connection, link, FACT) != wanted:
        remember(connection, link, FACT, wanted)


def deliver(engine: sa.Engine, link: str | None = None) -> int:
    """Send the messages that are due.

    Args:
        engine: Of the connector's database.
        link: Only those of this link; all when left out.

    Returns:
        How many were sent.
    """
    sent = 0
    for _ in range(AT_ONCE):
        message = claim(engine, link)
        if message is None:
            break
        with engine.connect() as connection:
            settings = settings_of(connection, message.link)
        if message.route not in routes_of(settings):
            drop(engine, message)
            continue
        try:
            send(message.route, settings, message.subject, message.body)
        except NotSentError as error:
            log.error("%s", error)  # noqa: TRY400 - it says all; a traceback might show addresses
            note_not_sent(engine, message, str(error))
        except Exception as error:  # noqa: BLE001 - one message must not keep the others
            log.error("link %s, %s: %s", message.link, message.route, type(error).__name__)  # noqa: TRY400 - as above
            note_not_sent(engine, message, type(error).__name__)
        else:
            note_sent(engine, message)
            sent += 1
            log.info("told of link %s by %s", message.link, message.route)
    return sent


def send(route: str, settings: AlertSettings, subject: str, body: str) -> None:
    """Send one text on one route.

    Args:
        route: `email` or `webhook:<connection>`.
        settings: The link's.
        subject: One line.
        body: Plain text.

    Raises:
        NotSentError: It could not be sent.
    """
    # Both take a while to import, and most tasks send nothing.
    if route == EMAIL:
        from minox_qms.alerts.mail import send_mail  # noqa: PLC0415

        send_mail(settings.email, subject, body)
        return
    from minox_qms.alerts.webhook import post  # noqa: PLC0415

    post(route.removeprefix(WEBHOOK), subject, body)
