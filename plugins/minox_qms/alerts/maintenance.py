"""Tell that the nightly clean-up failed, and that it is well again; people who share links are told once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa

log = logging.getLogger(__name__)


def maintenance_failed(context: Mapping[str, Any]) -> None:
    """Report that it failed (Airflow's `on_failure_callback`, of the task and of the DAG).

    Args:
        context: Airflow's; it may hold no more than the DAG, the run's id and a reason.
    """
    # The DAG processor imports this file with the DAG file: nothing heavy before something has failed.
    import sqlalchemy as sa  # noqa: PLC0415

    from include.alerts.diagnosis import own_error  # noqa: PLC0415
    from include.alerts.incident import MAINTENANCE, Place, Trouble  # noqa: PLC0415
    from include.errors import ConnectorError  # noqa: PLC0415
    from include.storage.engine import engine  # noqa: PLC0415
    from minox_qms.alerts.desk import Desk  # noqa: PLC0415

    ours = own_error(context.get("exception"))
    trouble = Trouble(
        MAINTENANCE,
        "The nightly clean-up of the connector's database failed; it goes on the next night.",
        "" if ours is None else f"{ours.message} {ours.detail}".strip(),
    )
    place = Place(str(context["dag"].dag_id), str(context["run_id"]))
    try:
        for link in _one_link_each():
            desk = Desk(engine(), link)
            desk.report("", [trouble], place)
            desk.deliver()
    except (sa.exc.SQLAlchemyError, ConnectorError) as error:
        log.error("The alert could not be kept: %s", type(error).__name__)  # noqa: TRY400 - the database quotes rows


def maintenance_good(engine: sa.Engine) -> None:
    """Note that it went well: what was wrong is over, and people are told."""
    from include.alerts.incident import MAINTENANCE  # noqa: PLC0415
    from include.storage.incidents import open_incidents, resolve  # noqa: PLC0415
    from minox_qms.alerts.desk import Desk  # noqa: PLC0415

    with engine.begin() as connection:
        for link in {one.link for one in open_incidents(connection) if one.kind == MAINTENANCE}:
            Desk(engine, link).tell_over(connection, resolve(connection, link, "", (MAINTENANCE,)))


def _one_link_each() -> list[str]:
    """One link for each group of people that links name, the first of its name."""
    from include.alerts.routes import alert_settings  # noqa: PLC0415
    from include.settings.load import link_files  # noqa: PLC0415

    found: dict[Any, str] = {}
    for path in link_files():
        settings = alert_settings(path)
        if settings is not None:
            found.setdefault((settings.email, settings.webhooks), path.stem)
    return list(found.values())
