"""Bring the database to the tables of this release (Alembic).

Alembic is imported when it is needed: every task of every DAG imports this module.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "minox_qms_version"
_LOCK = 4_815_162_342


def _config() -> Config:
    """Point Alembic at the migrations of this package."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def head() -> str | None:
    """Newest revision of this release."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head()


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Apply the missing migrations; any number of processes may call it at once.

    A migration runs in one transaction: when it fails half way nothing of it stays, and the next call runs it again.

    Args:
        engine: Engine of the connector's database.
        revision: Where to; the newest when left out.
    """
    from alembic import command

    config = _config()
    with engine.connect() as connection:
        if revision == "head" and _version(connection) == head():
            return
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
