"""The connection to the connector's own database."""

from __future__ import annotations

import functools
import os

import sqlalchemy as sa

from include.errors import ConfigurationError, TransientError
from include.storage.embedded import ensure_database, start_server
from include.storage.home import state_directory

DATABASE_NAME = "minox_qms"


def database_url() -> sa.URL:
    """URL of the connector's database: `MINOX_QMS_DATABASE_URL`, else the embedded server of this machine.

    Raises:
        ConfigurationError: The variable is not a URL, or names another kind of database than PostgreSQL.
    """
    text = os.environ.get("MINOX_QMS_DATABASE_URL")
    if not text:
        return ensure_database(start_server(state_directory() / "postgres", keep=True), DATABASE_NAME)
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError as error:
        raise ConfigurationError("MINOX_QMS_DATABASE_URL is not a database URL.") from error
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError("MINOX_QMS_DATABASE_URL must name a PostgreSQL database (postgresql://...).")
    return url.set(drivername="postgresql+psycopg")


def engine_from_url(url: sa.URL) -> sa.Engine:
    """Make an engine for a task: few connections, checked before use, that name themselves in `pg_stat_activity`."""
    return sa.create_engine(
        url,
        pool_size=4,
        max_overflow=8,
        pool_pre_ping=True,
        hide_parameters=True,  # they hold personal data, and errors are logged
        connect_args={"connect_timeout": 10, "application_name": "minox-qms"},
    )


@functools.cache
def _engine_of_process(pid: int) -> sa.Engine:  # noqa: ARG001 - the key: a forked child must not share sockets
    """Make the engine of one process; a forked child gets its own."""
    return engine_from_url(database_url())


def engine() -> sa.Engine:
    """Return this process's engine, made at the first call."""
    return _engine_of_process(os.getpid())


def database_error(error: sa.exc.SQLAlchemyError) -> TransientError:
    """Say what the database said, without the row that it quotes: that may hold personal data."""
    original = getattr(error, "orig", None)
    diagnosis = getattr(getattr(original, "diag", None), "message_primary", None)
    return TransientError(
        "The connector's database could not do what was asked; the next try goes on.",
        detail=f"{type(original or error).__name__}: {diagnosis or 'no connection'}",
        system="database",
    )
