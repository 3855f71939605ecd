"""The connection to the connector's own database."""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from include.errors import ConfigurationError, TransientError
from include.storage.embedded import ensure_database, start_server
from include.storage.home import state_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

DATABASE_NAME = "minox_qms"

_OPTIONS: dict[str, Any] = {
    "hide_parameters": True,  # they hold personal data, and errors are logged
    "connect_args": {"connect_timeout": 10, "application_name": "minox-qms"},
}
_ASKING: WeakKeyDictionary[sa.Engine, sa.Engine] = WeakKeyDictionary()
_ASKING_LOCK = threading.Lock()


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
    return sa.create_engine(url, pool_size=4, max_overflow=8, pool_pre_ping=True, **_OPTIONS)


def ask(engine: sa.Engine, question: sa.Select[Any], parameters: Mapping[str, Any]) -> Any:
    """Ask something small that is asked before each write, over one connection that is kept for it.

    The connection is not checked before use, which would be a second question: where it broke, the question is asked
    again over a new one.

    Args:
        engine: Of the connector's database.
        question: It only reads.
        parameters: Of the question.

    Returns:
        The first column of the first row; None when there is none.
    """
    try:
        return _scalar(engine, question, parameters)
    except sa.exc.DBAPIError as error:
        if not error.connection_invalidated:
            raise
    return _scalar(engine, question, parameters)


def _scalar(engine: sa.Engine, question: sa.Select[Any], parameters: Mapping[str, Any]) -> Any:
    with _asking(engine).connect() as connection:
        return connection.scalar(question, parameters)


def _asking(engine: sa.Engine) -> sa.Engine:
    """The one connection for questions that goes with an engine, and with it."""
    with _ASKING_LOCK:
        if engine not in _ASKING:
            one = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 15, "pool_reset_on_return": None}
            asking = sa.create_engine(engine.url, isolation_level="AUTOCOMMIT", **one, **_OPTIONS)
            sa.event.listen(engine, "engine_disposed", lambda _: asking.dispose())
            _ASKING[engine] = asking
        return _ASKING[engine]


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
