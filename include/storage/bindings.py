"""Bindings: which QMS record a Minox record is, and the coupled fields as last written to it (spec, section 2)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.storage.tables import binding, field_change, reference

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from include.storage.runs import Run

_DOUBT = (
    sa.update(binding)
    .where(
        binding.c.link == sa.bindparam("of_link"),
        binding.c.entity == sa.bindparam("of_entity"),
        binding.c.source_key == sa.any_(sa.bindparam("of_keys", type_=sa.ARRAY(sa.Text))),
    )
    .values(reoffer=True)
)
_ENCODER = msgspec.json.Encoder(order="deterministic", decimal_format="string")


@dataclass(frozen=True, slots=True)
class Binding:
    """What is known of one record's counterpart in QMS."""

    qms_id: int | None
    written_hash: bytes | None
    read_at: dt.datetime
    refused_hash: bytes | None
    refused_at: dt.datetime | None
    refused_message: str | None
    reoffer: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What one write changed: per coupled field the value before and after."""

    source_key: str
    qms_id: int | None
    operation: str
    changes: dict[str, list[Any]]


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Coupled fields as plain JSON values (decimals as text), for `jsonb` columns."""
    result: dict[str, Any] = msgspec.json.decode(_ENCODER.encode(values))
    return result


def values_hash(values: Mapping[str, Any]) -> bytes:
    """Hash of coupled fields; equal values in another order hash the same."""
    return hashlib.sha256(_ENCODER.encode(values)).digest()


def bindings_of(connection: sa.Connection, link: str, entity: str, keys: Iterable[str]) -> dict[str, Binding]:
    """Look up the bindings of these records, by key."""
    rows = connection.execute(
        sa.select(
            binding.c.source_key,
            binding.c.qms_id,
            binding.c.written_hash,
            binding.c.read_at,
            binding.c.refused_hash,
            binding.c.refused_at,
            binding.c.refused_message,
            binding.c.reoffer,
        ).where(
            binding.c.link == link, binding.c.entity == entity, binding.c.source_key == sa.any_(sa.literal(list(keys)))
        )
    )
    return {row.source_key: Binding(*row[1:]) for row in rows}


def written_of(connection: sa.Connection, link: str, entity: str, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Look up the coupled fields as last written, by key; those of records that were never written are left out."""
    rows = connection.execute(
        sa.select(binding.c.source_key, binding.c.written).where(
            binding.c.link == link,
            binding.c.entity == entity,
            binding.c.source_key == sa.any_(sa.literal(list(keys), sa.ARRAY(sa.Text))),
            binding.c.written_hash.is_not(None),
        )
    )
    return dict(rows.all())


def bind(
    connection: sa.Connection,
    link: str,
    entity: str,
    source_key: str,
    *,
    qms_id: int,
    values: Mapping[str, Any],
    read_at: dt.datetime,
) -> None:
    """Note that QMS's record has these coupled fields now: written, or found equal."""
    bind_all(connection, link, entity, [(source_key, qms_id, values)], read_at=read_at)


def bind_all(
    connection: sa.Connection,
    link: str,
    entity: str,
    records: Iterable[tuple[str, int, Mapping[str, Any]]],
    *,
    read_at: dt.datetime,
) -> None:
    """Note which coupled fields QMS's records have now.

    Args:
        connection: In a transaction.
        link: Name of the link.
        entity: Of the records.
        records: Per record its key in Minox, its key in QMS, and its coupled fields.
        read_at: When the run began to read Minox.
    """
    rows = [
        {
            "link": link,
            "entity": entity,
            "source_key": source_key,
            "qms_id": qms_id,
            "written": plain(values),
            "written_hash": values_hash(values),
            "read_at": read_at,
            "refused_hash": None,
            "refused_at": None,
            "refused_message": None,
            "reoffer": False,
        }
        for source_key, qms_id, values in records
    ]
    _upsert(connection, rows, written_at=sa.func.clock_timestamp())


def doubt(connection: sa.Connection, link: str, entity: str, keys: Iterable[str]) -> None:
    """Note that records are about to be written: until it is known what became of it, they are to be written again.

    What was last written to them may be what Minox has again, while QMS has what was sent since.

    Args:
        connection: In a transaction.
        link: Name of the link.
        entity: Of the records.
        keys: Of the records; those that are not bound are left out.
    """
    connection.execute(_DOUBT, {"of_link": link, "of_entity": entity, "of_keys": list(keys)})


def release_rows(connection: sa.Connection, link: str, entity: str, rows: Mapping[int, str]) -> None:
    """Take rows of QMS from the records that they were bound to before: a row is one record of Minox.

    Args:
        connection: In a transaction.
        link: Name of the link.
        entity: Of the records.
        rows: Key in Minox by key in QMS, of those that are bound to it now.
    """
    if rows:
        connection.execute(
            sa.update(binding)
            .where(
                binding.c.link == link,
                binding.c.entity == entity,
                binding.c.qms_id == sa.any_(sa.literal(list(rows), sa.ARRAY(sa.BigInteger))),
                binding.c.source_key != sa.all_(sa.literal(list(rows.values()), sa.ARRAY(sa.Text))),
            )
            .values(qms_id=None)
        )


def refuse(
    connection: sa.Connection,
    link: str,
    entity: str,
    source_key: str,
    *,
    values: Mapping[str, Any],
    message: str,
    read_at: dt.datetime,
) -> None:
    """Note that QMS refused these coupled fields, so that they are not offered again unasked."""
    row = {
        "link": link,
        "entity": entity,
        "source_key": source_key,
        "read_at": read_at,
        "refused_hash": values_hash(values),
        "refused_message": message,
        "reoffer": False,
    }
    _upsert(connection, [row], refused_at=sa.func.clock_timestamp())


def _upsert(connection: sa.Connection, rows: list[dict[str, Any]], **computed: sa.ColumnElement[Any]) -> None:
    """Insert bindings, or change the columns named; the database computes some of them."""
    if not rows:
        return
    statement = insert(binding).values(computed)
    changed = [name for name in (*rows[0], *computed) if name not in {"link", "entity", "source_key"}]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["link", "entity", "source_key"],
            set_={name: statement.excluded[name] for name in changed},
        ),
        rows,
    )


def forget_qms_ids(connection: sa.Connection, link: str, entity: str, qms_ids: Iterable[int]) -> None:
    """Forget QMS records that QMS does not have any more: nothing refers to them from now on.

    What was last written to them stays, so that only a change in Minox makes them anew.
    """
    gone = sa.literal(list(qms_ids), sa.ARRAY(sa.BigInteger))
    bound = (binding.c.link == link, binding.c.entity == entity, binding.c.qms_id == sa.any_(gone))
    connection.execute(sa.update(binding).where(*bound).values(qms_id=None))
    looked_up = (reference.c.link == link, reference.c.entity == entity, reference.c.qms_id == sa.any_(gone))
    connection.execute(sa.delete(reference).where(*looked_up))


def known_references(connection: sa.Connection, link: str, entity: str) -> dict[str, int]:
    """QMS ids by code, of the records that the link's own bookkeeping knows."""
    bound = sa.select(binding.c.source_key, binding.c.qms_id).where(
        binding.c.link == link, binding.c.entity == entity, binding.c.qms_id.is_not(None)
    )
    return {**looked_up_references(connection, link, entity), **dict(connection.execute(bound).all())}


def looked_up_references(connection: sa.Connection, link: str, entity: str) -> dict[str, int]:
    """QMS ids by code, of those that were looked up in QMS."""
    found = sa.select(reference.c.code, reference.c.qms_id).where(
        reference.c.link == link, reference.c.entity == entity
    )
    return dict(connection.execute(found).all())


def forget_references(connection: sa.Connection, link: str, entity: str, codes: Iterable[str]) -> None:
    """Forget codes that were looked up, and that QMS does not have any more."""
    which = reference.c.code == sa.any_(sa.literal(list(codes), sa.ARRAY(sa.Text)))
    connection.execute(sa.delete(reference).where(reference.c.link == link, reference.c.entity == entity, which))


def note_references(connection: sa.Connection, link: str, entity: str, codes: Mapping[str, int]) -> None:
    """Remember the QMS ids of codes that were looked up."""
    if codes:
        statement = insert(reference)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["link", "entity", "code"],
                set_={"qms_id": statement.excluded.qms_id, "found_at": sa.func.clock_timestamp()},
            ),
            [{"link": link, "entity": entity, "code": code, "qms_id": qms_id} for code, qms_id in codes.items()],
        )


def note_changes(connection: sa.Connection, run: Run, entity: str, changes: Iterable[Change]) -> None:
    """Keep what writes changed, field by field."""
    rows = [
        {
            "run": run.id,
            "link": run.link,
            "entity": entity,
            "source_key": one.source_key,
            "qms_id": one.qms_id,
            "operation": one.operation,
            "changes": one.changes,
        }
        for one in changes
    ]
    if rows:
        connection.execute(insert(field_change), rows)
