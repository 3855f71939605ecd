"""What QMS is told of each record (EntityState): what it should say, and what it was told last (spec, section 3)."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.storage.tables import entity_report

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.dialects.postgresql import Insert

RETRY_AFTER = dt.timedelta(minutes=60)
MAX_MESSAGE = 2000

_ONE = sa.update(entity_report).where(
    entity_report.c.link == sa.bindparam("of_link"),
    entity_report.c.entity_type == sa.bindparam("of_type"),
    entity_report.c.entity_id == sa.bindparam("of_id"),
)
_NOTE = _ONE.values(updated_at=sa.func.clock_timestamp())
_DOUBT = _ONE.values(reported=sa.null())


@dataclass(frozen=True, slots=True)
class DueReport:
    """A row that QMS does not have as it should be."""

    entity_type: str
    entity_id: int
    entity_state_id: int | None
    wanted: dict[str, Any]


def report(
    connection: sa.Connection, link: str, entity_type: str, entity_id: int, *, key: str, is_error: bool, message: str
) -> None:
    """Note what QMS should be told of a record from now on."""
    wanted = {"DataSourceKey": key, "IsError": is_error, "Message": message[:MAX_MESSAGE]}
    row = {"link": link, "entity_type": entity_type, "entity_id": entity_id, "wanted": wanted}
    connection.execute(_report(), row)


@functools.cache
def _report() -> Insert:
    """The statement of `report`, made once: to make it takes longer than to carry it out."""
    statement = insert(entity_report)
    return statement.on_conflict_do_update(
        index_elements=["link", "entity_type", "entity_id"],
        set_={"wanted": statement.excluded.wanted, "message": None},
        where=entity_report.c.wanted.is_distinct_from(statement.excluded.wanted),
    )


def clear(
    connection: sa.Connection,
    link: str,
    entity_type: str,
    *,
    keys: list[str] | None = None,
    unless: Collection[str] = (),
) -> None:
    """Turn errors into no error, without a message.

    Args:
        connection: In a transaction.
        link: Name of the link.
        entity_type: `InvoiceHeader` or `CustomerCompany`.
        keys: Only reports with these keys; all when left out.
        unless: Keys that are left as they are.
    """
    key = entity_report.c.wanted["DataSourceKey"].astext
    which = [
        entity_report.c.link == link,
        entity_report.c.entity_type == entity_type,
        entity_report.c.wanted["IsError"].as_boolean(),
        key != sa.all_(sa.literal(list(unless), sa.ARRAY(sa.Text))),
    ]
    if keys is not None:
        which.append(key == sa.any_(sa.literal(keys, sa.ARRAY(sa.Text))))
    nothing = sa.func.jsonb_build_object("IsError", sa.false(), "Message", "")
    connection.execute(
        sa.update(entity_report).where(*which).values(wanted=entity_report.c.wanted.concat(nothing), message=None)
    )


def due(connection: sa.Connection, link: str, limit: int) -> list[DueReport]:
    """Reports that QMS has to be told, the oldest first; one that it refused waits for an hour."""
    refused = entity_report.c.message.is_not(None) & (entity_report.c.attempts > 0)
    waiting = refused & (entity_report.c.updated_at > sa.func.clock_timestamp() - RETRY_AFTER)
    rows = connection.execute(
        sa.select(
            entity_report.c.entity_type,
            entity_report.c.entity_id,
            entity_report.c.entity_state_id,
            entity_report.c.wanted,
        )
        .where(
            entity_report.c.link == link,
            sa.or_(
                entity_report.c.reported.is_(None), entity_report.c.reported.is_distinct_from(entity_report.c.wanted)
            ),
            sa.not_(waiting),
        )
        .order_by(entity_report.c.updated_at)
        .limit(limit)
    )
    return [DueReport(*row) for row in rows]


def doubt(connection: sa.Connection, link: str, batch: list[DueReport]) -> None:
    """Note that rows are about to be told: until it is known what became of that, they are to be told again.

    What QMS was told before may be what it is to be told once more, while it has what was sent since.
    """
    known = [_place(link, one) for one in batch if one.entity_state_id is not None]
    if known:
        connection.execute(_DOUBT, known)


def note_reported(connection: sa.Connection, link: str, one: DueReport, entity_state_id: int) -> None:
    """Note that QMS was told."""
    row = {"entity_state_id": entity_state_id, "reported": one.wanted, "message": None, "attempts": 0}
    connection.execute(_NOTE, {**row, **_place(link, one)})


def note_report_failed(
    connection: sa.Connection, link: str, one: DueReport, message: str, *, refused: bool = False
) -> None:
    """Note that QMS could not be told, and why; only refusals count as attempts, and make the row wait."""
    attempts = entity_report.c.attempts + 1 if refused else 0
    connection.execute(_NOTE.values(attempts=attempts), {"message": message, **_place(link, one)})


def _place(link: str, one: DueReport) -> dict[str, Any]:
    """Where `_NOTE` and `_DOUBT` note something."""
    return {"of_link": link, "of_type": one.entity_type, "of_id": one.entity_id}
