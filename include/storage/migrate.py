"""Bring the database to the tables of this release (Alembic).

Alembic is imported when there is something to bring: every run looks whether there is.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

VERSION_TABLE = "minox_qms_version"
_LOCK = 4_815_162_342
_MIGRATIONS = Path(__file__).with_name("migrations")


def head() -> str:
    """Newest revision of this release: the number that its file begins with."""
    return max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Apply the missing migrations; any number of processes may call it at once.

    A migration runs in one transaction: when it fails half way nothing of it stays, and the next call runs it again.

    Args:
        engine: Engine of the connector's database.
        revision: Where to; the newest when left out.
    """
    with engine.connect() as connection:
        if revision == "head" and _version(connection) == head():
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        connection.rollback()
        with connection.begin():
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, revision)


def _version(connection: sa.Connection) -> str | None:
    """Revision that the database is at; None for an empty one."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)))
    return version
