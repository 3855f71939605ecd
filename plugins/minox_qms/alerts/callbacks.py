"""What Airflow calls when a task or a run has failed.

Both lead to the same incident, and the database decides who opens it. A task that is killed calls nobody, so that the
call of the run is needed as well; it comes from Airflow's DAG processor, which imports this file with every DAG file:
nothing heavy is imported before something has failed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa

    from include.alerts.diagnosis import RunFacts
    from include.alerts.incident import Place, Trouble

log = logging.getLogger(__name__)

DIRECTIONS = {"minox_master_data": "minox_to_qms", "qms_invoices": "qms_to_minox", "reconcile": "reconcile"}
"""Direction by what stands before the two underscores of a DAG's id."""


def task_failed(context: Mapping[str, Any]) -> None:
    """Report a task that failed for good (Airflow's `on_failure_callback` of a task).

    Args:
        context: Airflow's; without an `exception` when the scheduler found the task dead.
    """
    _report(context, str(context["task_instance"].task_id))


def run_failed(context: Mapping[str, Any]) -> None:
    """Report a run that failed (Airflow's `on_failure_callback` of a DAG).

    Args:
        context: Airflow's; it may hold no more than the DAG, the run's id and a reason.
    """
    _report(context, None)


def link_of(dag_id: str) -> tuple[str, str]:
    """Return direction and link of a DAG's id."""
    prefix, _, link = dag_id.partition("__")
    return DIRECTIONS[prefix], link


def _report(context: Mapping[str, Any], task_id: str | None) -> None:
    """Report what failed, and send what there is to send; without the database, tell directly."""
    import sqlalchemy as sa  # noqa: PLC0415 - see above

    from include.alerts.incident import Place  # noqa: PLC0415
    from include.errors import ConnectorError  # noqa: PLC0415
    from include.storage.engine import engine  # noqa: PLC0415
    from minox_qms.alerts.desk import Desk  # noqa: PLC0415
    from minox_qms.alerts.without_database import tell_directly  # noqa: PLC0415

    place = Place(str(context["dag"].dag_id), str(context["run_id"]))
    direction, link = link_of(place.dag_id)
    try:
        database = engine()
        troubles = _troubles(database, link, place, context, task_id)
        desk = Desk(database, link)
        desk.report(direction, troubles, place)
        desk.deliver()
    except (sa.exc.SQLAlchemyError, ConnectorError) as error:
        log.error("The alert could not be kept: %s", type(error).__name__)  # noqa: TRY400 - the database quotes rows
        tell_directly(link, direction, place)


def _troubles(
    database: sa.Engine, link: str, place: Place, context: Mapping[str, Any], task_id: str | None
) -> list[Trouble]:
    """Work out what went wrong; nothing for a dry run: who asked for it looks at it."""
    from include.alerts.diagnosis import own_error, reconcile_command, trouble_of_error, troubles_of_run  # noqa: PLC0415
    from include.alerts.incident import DIFFERENCES, SETTINGS, Trouble  # noqa: PLC0415
    from include.errors import ConfigurationError  # noqa: PLC0415
    from include.settings.load import find_link  # noqa: PLC0415
    from minox_qms.operators.reconcile import DifferencesFoundError  # noqa: PLC0415

    try:
        settings = find_link(link)
    except ConfigurationError as error:
        return [Trouble(SETTINGS, error.message)]
    connections = settings.connections
    facts, is_dry = _facts(database, place, connections)
    if is_dry or (context.get("params") or {}).get("dry_run"):
        return []
    if task_id is not None:
        raised = context.get("exception")
        ours = own_error(raised)
        if isinstance(ours, DifferencesFoundError):
            return [Trouble(DIFFERENCES, ours.message, reconcile_command(link, *facts.dates), task_id=task_id)]
        trouble = trouble_of_error(raised, task_id, connections)
        if trouble is not None:
            return [trouble]
    return troubles_of_run(facts)


def _facts(database: sa.Engine, place: Place, connections: Mapping[str, str]) -> tuple[RunFacts, bool]:
    """Read what the database knows of the run."""
    from include.storage.incidents import run_facts  # noqa: PLC0415

    with database.connect() as connection:
        return run_facts(connection, place, connections.values())
