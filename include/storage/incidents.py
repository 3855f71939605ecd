"""Incidents (who opens one decides, in one statement, whether it is new), and what is known of a run that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.alerts.diagnosis import RunFacts
from include.alerts.incident import HELD, SETUP, Incident
from include.storage.tables import alert_incident, oauth_grant, sync_run, sync_run_entity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from include.alerts.incident import Place, Trouble

_COLUMNS = (
    alert_incident.c.id,
    alert_incident.c.link,
    alert_incident.c.direction,
    alert_incident.c.kind,
    alert_incident.c.subject,
    alert_incident.c.message,
    alert_incident.c.detail,
    alert_incident.c.dag_id,
    alert_incident.c.run_id,
    alert_incident.c.task_id,
    alert_incident.c.opened_at,
    alert_incident.c.resolved_at,
)


def meet(
    connection: sa.Connection, link: str, direction: str, trouble: Trouble, place: Place | None = None
) -> Incident | None:
    """Note a trouble: open its incident, or note that the open one was met again.

    Any number of processes may meet the same trouble at once; one of them opens the incident.

    Args:
        connection: In a transaction.
        link: Name of the link.
        direction: Direction; empty for the whole link.
        trouble: What is wrong.
        place: The run that met it, if one did.

    Returns:
        The incident when it is new, else None.
    """
    if trouble.is_summary and place is not None and _met_by(connection, link, direction, place):
        return None
    values = {
        "message": trouble.message,
        "detail": trouble.detail,
        "dag_id": place.dag_id if place else None,
        "run_id": place.run_id if place else None,
        "task_id": trouble.task_id,
    }
    now = sa.func.clock_timestamp()
    statement = insert(alert_incident).values(
        link=link, direction=direction, kind=trouble.kind, subject=trouble.subject, **values
    )
    other_run = statement.excluded.run_id.is_distinct_from(alert_incident.c.run_id)
    row = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["link", "direction", "kind", "subject"],
            index_where=alert_incident.c.resolved_at.is_(None),
            set_={
                **({} if trouble.is_summary else values),
                "times": alert_incident.c.times + sa.case((other_run, 1), else_=0),
                "run_id": statement.excluded.run_id,
                "last_seen": now,
            },
        ).returning(*_COLUMNS, sa.literal_column("xmax = 0").label("is_new"))
    ).one()
    return Incident(*tuple(row)[:-1]) if row.is_new else None


def _met_by(connection: sa.Connection, link: str, direction: str, place: Place) -> bool:
    """Whether the run has met an open incident already; if so, note that the incident was seen again.

    Airflow's word on a run may come after the next run has met the same: the incident names that one by then.
    """
    began = sa.select(sync_run.c.started_at).where(sync_run.c.dag_id == place.dag_id, sync_run.c.run_id == place.run_id)
    by_it = sa.and_(
        alert_incident.c.direction.in_((direction, "")),
        alert_incident.c.dag_id == place.dag_id,
        alert_incident.c.run_id == place.run_id,
    )
    since_it_began = sa.and_(
        alert_incident.c.direction == direction,
        alert_incident.c.kind.in_((SETUP, HELD)),
        alert_incident.c.last_seen >= began.scalar_subquery(),
    )
    touched = connection.execute(
        sa.update(alert_incident)
        .where(
            alert_incident.c.link == link,
            sa.or_(by_it, since_it_began),
            alert_incident.c.resolved_at.is_(None),
        )
        .values(last_seen=sa.func.clock_timestamp())
    )
    return touched.rowcount > 0


def resolve(
    connection: sa.Connection, link: str, direction: str, kinds: Iterable[str], *, subject: str | None = None
) -> list[Incident]:
    """Note that incidents are over.

    Args:
        connection: In a transaction.
        link: Name of the link.
        direction: Direction; empty for those of the whole link.
        kinds: Which kinds.
        subject: Only those of this subject; all when left out.

    Returns:
        The incidents that were open.
    """
    which = [
        alert_incident.c.link == link,
        alert_incident.c.direction == direction,
        alert_incident.c.kind.in_(list(kinds)),
        alert_incident.c.resolved_at.is_(None),
    ]
    if subject is not None:
        which.append(alert_incident.c.subject == subject)
    rows = connection.execute(
        sa.update(alert_incident).where(*which).values(resolved_at=sa.func.clock_timestamp()).returning(*_COLUMNS)
    )
    return sorted((Incident(*tuple(row)) for row in rows), key=lambda one: one.id)


def open_incidents(connection: sa.Connection, link: str | None = None) -> list[Incident]:
    """Incidents that are not over, the oldest first; of one link, or of all."""
    query = sa.select(*_COLUMNS).where(alert_incident.c.resolved_at.is_(None)).order_by(alert_incident.c.id)
    rows = connection.execute(query if link is None else query.where(alert_incident.c.link == link))
    return [Incident(*tuple(row)) for row in rows]


def run_facts(connection: sa.Connection, place: Place, conn_ids: Collection[str]) -> tuple[RunFacts, bool]:
    """What the database knows of a run that was not good, and whether it was a dry run.

    Args:
        connection: To the connector's database.
        place: The run.
        conn_ids: Connections of its link.
    """
    run = connection.execute(
        sa.select(sync_run.c.id, sync_run.c.message, sync_run.c.failures, sync_run.c.dry_run, sync_run.c.plan).where(
            sync_run.c.dag_id == place.dag_id, sync_run.c.run_id == place.run_id
        )
    ).one_or_none()
    refused = connection.execute(
        sa.select(oauth_grant.c.conn_id, oauth_grant.c.message).where(
            oauth_grant.c.conn_id.in_(list(conn_ids)), oauth_grant.c.state == "refused"
        )
    )
    refusals = {row.conn_id: f"{row.message or 'The connection'} (refused)" for row in refused}
    if run is None:
        return RunFacts(refused=refusals), False
    rows = connection.execute(
        sa.select(sync_run_entity.c.entity, sync_run_entity.c.state, sync_run_entity.c.message).where(
            sync_run_entity.c.run == run.id
        )
    )
    entities = {row.entity: (row.state, row.message) for row in rows}
    dates = run.plan.get("from_date"), run.plan.get("to_date")
    return RunFacts(run.message, run.failures, entities, refusals, dates), run.dry_run


def grant_states(connection: sa.Connection, conn_ids: Collection[str]) -> dict[str, str]:
    """State of the grants of these connections, by connection."""
    rows = connection.execute(
        sa.select(oauth_grant.c.conn_id, oauth_grant.c.state).where(oauth_grant.c.conn_id.in_(list(conn_ids)))
    )
    return {row.conn_id: row.state for row in rows}
