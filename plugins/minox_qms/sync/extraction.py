"""Extract a collection of Minox into its staging table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.mappings import MASTER_DATA, items
from include.storage.outcomes import note_extracted
from include.storage.runs import insist_on_claim
from include.storage.settling import forget_unstaged
from include.storage.staging import read_staged, stage
from include.wire.decode import decode_readable, decode_record
from include.wire.minox import ItemGroup

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from include.storage.runs import Run
    from include.storage.staging import KeyReader
    from minox_qms.hooks.minox import MinoxHook

ITEM_GROUPS = "item_groups"


def stage_entity(engine: sa.Engine, run: Run, minox: MinoxHook, entity: str) -> int:
    """Stage the collection of an entity, and what it needs beside it (item groups).

    Returns:
        Number of records.

    Raises:
        RunBusyError: Another run has taken over, or this one is over: what was read late is not noted with it.
    """
    with engine.connect() as connection:
        read_at: dt.datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    mapping = MASTER_DATA[entity]
    if entity == items.MAPPING.entity:
        stage(engine, run, ITEM_GROUPS, minox.pages("item_group"), _key_reader(ItemGroup, items.group_key))
    extracted = stage(engine, run, entity, minox.pages(mapping.minox), _key_reader(mapping.struct, mapping.key))
    with engine.begin() as connection:
        insist_on_claim(connection, run)
        note_extracted(connection, run, entity, extracted, read_at)
        forget_unstaged(connection, run, entity)
    return extracted


def staged_item_groups(engine: sa.Engine, run: Run) -> dict[str, ItemGroup]:
    """The usable item groups of a run, by id."""
    groups: dict[str, ItemGroup] = {}
    for chunk in read_staged(engine, run, ITEM_GROUPS):
        for record in chunk:
            group, _ = decode_record(record.raw, ItemGroup)
            if group is not None:
                groups[record.key] = group
    return groups


def _key_reader(struct: type[Any], key: Callable[[Any], str | None]) -> KeyReader:
    """Make a reader of a record's key, which reads it though other fields of the record may be faulty."""

    def read(raw: bytes) -> str | None:
        record, _ = decode_readable(raw, struct)
        return None if record is None else key(record)

    return read
