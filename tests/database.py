"""The databases of the tests: a server that need not outlive its machine, and tables that are emptied fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.storage.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Collection


def hurry(server: sa.URL, *settings: str) -> sa.URL:
    """Let a server not wait for the disk: what it holds outlives the crash of a process, not that of the machine.

    Args:
        server: URL of its maintenance database.
        *settings: More of its settings, e.g. `jit = off`.

    Returns:
        The URL.
    """
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for setting in ("fsync = off", "full_page_writes = off", *settings):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting}")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    return server


def empty_tables(engine: sa.Engine, but: Collection[str] = ()) -> None:
    """Empty the connector's tables, and let their ids begin anew.

    TRUNCATE makes the files of every table and index anew, which takes a hundred times as long as to delete the few
    rows of a test; like it, this waits for whoever still writes.

    Args:
        engine: Of the database.
        but: Names of tables that are left as they are.
    """
    tables = [table for table in reversed(metadata.sorted_tables) if table.name not in but]
    ids = [(table.name, column.name) for table in tables for column in table.columns if column.identity is not None]
    again = ", ".join(f"setval(pg_get_serial_sequence('{table}', '{column}'), 1, false)" for table, column in ids)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(table.name for table in tables)} IN ACCESS EXCLUSIVE MODE")
        connection.exec_driver_sql("; ".join(f"DELETE FROM {table.name}" for table in tables))  # noqa: S608 - our own names
        connection.exec_driver_sql(f"SELECT {again}")
