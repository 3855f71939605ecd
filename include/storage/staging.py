"""Staging: what was extracted lands here as received, before anything is made of it (spec, section 5)."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, TypeAlias

import psycopg
import sqlalchemy as sa

from include.checks.results import StagedRecord
from include.storage.tables import STAGING, sync_run
from include.wire.text import MAX_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from include.storage.runs import Run

KeyReader: TypeAlias = "Callable[[bytes], str | None]"

KEEP_RUNS = 3
TRIED_FOR = dt.timedelta(days=1)
LOOKED_BACK = 50
"""Runs behind those whose rows are forgotten; what older runs left goes with them (`include/storage/retention.py`)."""

CHUNK = 1000
_PLACES = sa.ARRAY(sa.Integer)


def stage(
    engine: sa.Engine,
    run: Run,
    entity: str,
    pages: Iterable[list[bytes]],
    key_of: KeyReader,
    parent_of: KeyReader | None = None,
) -> int:
    """Stream pages into the staging table of an entity, in one transaction: nothing half-read stays.

    A record without a usable key (none, one that is too long, or one with a NUL, which PostgreSQL cannot store) is
    known by its place in the list, counted from 1 (`#17`). Of a key that comes twice, the later copy counts (spec,
    section 4). Only the last `KEEP_RUNS` runs of the link keep their rows; a run that did not end keeps them for a day
    as well, since its tasks may be tried again.

    Args:
        engine: Of the connector's database.
        run: The run.
        entity: Name of the staging table without its prefix.
        pages: Raw JSON records, page by page.
        key_of: Reads the key from a raw record; None when there is none.
        parent_of: Reads the key of the record that it belongs to.

    Returns:
        Number of records, each key once.
    """
    table = STAGING[entity]
    with engine.begin() as connection:
        older = (
            sa.select(sync_run.c.id)
            .where(
                sync_run.c.link == run.link,
                sync_run.c.direction == run.direction,
                sync_run.c.id < run.id,
                sa.or_(
                    sync_run.c.finished_at.is_not(None), sync_run.c.started_at < sa.func.clock_timestamp() - TRIED_FOR
                ),
            )
            .order_by(sync_run.c.id.desc())
            .offset(KEEP_RUNS - 1)
            .limit(LOOKED_BACK)
        )
        connection.execute(sa.delete(table).where(sa.or_(table.c.run == run.id, table.c.run.in_(older))))
        _copy(connection, table.name, run.id, pages, key_of, parent_of)
        copies = (
            sa.select(
                table.c.position,
                sa.func.row_number().over(partition_by=table.c.key, order_by=table.c.position.desc()).label("number"),
            )
            .where(table.c.run == run.id)
            .subquery()
        )
        # in two steps: of rows that have come this moment PostgreSQL knows nothing, and may join each with all others
        earlier = list(connection.scalars(sa.select(copies.c.position).where(copies.c.number > 1)))
        if earlier:
            connection.execute(
                sa.delete(table).where(table.c.run == run.id, table.c.position == sa.any_(sa.literal(earlier, _PLACES)))
            )
        staged = connection.scalar(sa.select(sa.func.count()).where(table.c.run == run.id)) or 0
        _tell_planner(connection, table.name, staged)
        return staged


def _tell_planner(connection: sa.Connection, table: str, staged: int) -> None:
    """Have PostgreSQL count a table that has outgrown what it knows: later queries would be planned for a few rows."""
    known = connection.scalar(
        sa.text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)"), {"name": table}
    )
    if staged > 2 * max(known or 0, CHUNK):
        connection.execute(sa.text(f"ANALYZE {table}"))


def _copy(
    connection: sa.Connection,
    table: str,
    run_id: int,
    pages: Iterable[list[bytes]],
    key_of: KeyReader,
    parent_of: KeyReader | None,
) -> None:
    """COPY the records into the table, one page in memory at a time."""
    cursor = connection.connection.cursor()
    position = 0
    statement = f"COPY {table} (run, position, key, parent, content_hash, raw) FROM STDIN"
    try:
        with cursor.copy(statement) as copy:
            for page in pages:
                for raw in page:
                    position += 1
                    found = key_of(raw)
                    key = found if found is not None and _is_usable(found) else f"#{position}"
                    parent = None if parent_of is None else parent_of(raw)
                    copy.write_row((run_id, position, key, parent, hashlib.sha256(raw).digest(), raw.decode()))
    except psycopg.Error as error:  # past SQLAlchemy, by a cursor of the driver: callers know the errors of one
        raise sa.exc.DBAPIError(statement, None, error) from None


def _is_usable(key: str) -> bool:
    return len(key) <= MAX_KEY and "\x00" not in key


def read_staged(
    engine: sa.Engine, run: Run, entity: str, *, with_rejected: bool = False, chunk: int = CHUNK
) -> Iterator[list[StagedRecord]]:
    """Read staged records in the order of the list, a chunk at a time.

    Args:
        engine: Of the connector's database.
        run: The run.
        entity: Name of the staging table without its prefix.
        with_rejected: Also those that the checks rejected.
        chunk: Records a chunk.
    """
    table = STAGING[entity]
    query = sa.select(table.c.position, table.c.key, sa.cast(table.c.raw, sa.Text)).where(table.c.run == run.id)
    if not with_rejected:
        query = query.where(sa.not_(table.c.rejected))
    with engine.connect() as connection:
        rows = connection.execution_options(stream_results=True, max_row_buffer=chunk).execute(
            query.order_by(table.c.position)
        )
        for part in rows.partitions(chunk):
            yield [StagedRecord(position, key, raw.encode()) for position, key, raw in part]


def read_by_key(
    engine: sa.Engine, run: Run, entity: str, keys: Iterable[str], *, by_parent: bool = False
) -> Iterator[tuple[str, StagedRecord]]:
    """Read the staged records with these keys (or that belong to these records), rejected ones too.

    Yields:
        The key that was asked for, and the record; records of one key in the order of the list.
    """
    table = STAGING[entity]
    column = table.c.parent if by_parent else table.c.key
    query = (
        sa.select(column, table.c.position, table.c.key, sa.cast(table.c.raw, sa.Text))
        .where(table.c.run == run.id, column == sa.any_(sa.literal(list(keys), sa.ARRAY(sa.Text))))
        .order_by(table.c.position)
    )
    with engine.connect() as connection:
        for asked, position, key, raw in connection.execute(query):
            yield asked, StagedRecord(position, key, raw.encode())


def read_places(engine: sa.Engine, run: Run, entity: str, positions: Iterable[int]) -> list[StagedRecord]:
    """Read the staged records at these places, rejected ones too, in the order of the list."""
    table = STAGING[entity]
    query = (
        sa.select(table.c.position, table.c.key, sa.cast(table.c.raw, sa.Text))
        .where(table.c.run == run.id, table.c.position == sa.any_(sa.literal(list(positions), sa.ARRAY(sa.Integer))))
        .order_by(table.c.position)
    )
    with engine.connect() as connection:
        return [StagedRecord(position, key, raw.encode()) for position, key, raw in connection.execute(query)]


def mark_rejected(connection: sa.Connection, run: Run, entity: str, positions: Iterable[int]) -> None:
    """Mark the records at these places as rejected by the checks; all others of the run are accepted."""
    table = STAGING[entity]
    connection.execute(sa.update(table).where(table.c.run == run.id, table.c.rejected).values(rejected=False))
    bad = list(positions)
    if bad:
        connection.execute(
            sa.update(table)
            .where(table.c.run == run.id, table.c.position == sa.any_(sa.literal(bad)))
            .values(rejected=True)
        )


def rejected_places(connection: sa.Connection, run: Run, entity: str) -> list[int]:
    """Places of the records that the checks rejected."""
    table = STAGING[entity]
    return list(connection.scalars(sa.select(table.c.position).where(table.c.run == run.id, table.c.rejected)))


def staged_keys(engine: sa.Engine, run: Run, entity: str) -> list[str]:
    """Keys of all staged records of a run, in the order of the list."""
    with engine.connect() as connection:
        return keys_of(connection, run, entity)


def keys_of(connection: sa.Connection, run: Run, entity: str) -> list[str]:
    """As `staged_keys`, within a transaction."""
    table = STAGING[entity]
    return list(connection.scalars(sa.select(table.c.key).where(table.c.run == run.id).order_by(table.c.position)))
