"""The connector's real database, embedded, on virtual time, and a place where processes die and commits get lost."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa

from include.storage.embedded import ensure_database, start_server
from include.storage.engine import engine_from_url
from include.storage.migrate import migrate
from include.storage.tables import metadata
from tests.database import hurry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulation.world import World

CLOCK = """
CREATE SEQUENCE virtual_clock;
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
  $$ SELECT timestamptz 'epoch' + pg_catalog.nextval('public.virtual_clock') * interval '1 microsecond' $$;
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql STABLE AS
  $$ SELECT timestamptz 'epoch' + last_value * interval '1 microsecond' FROM public.virtual_clock $$
"""
"""A clock that stands before PostgreSQL's own in the search path: every look at it is a microsecond later."""

TIDY_AFTER = 30
"""Schedules after which the server clears away what was deleted; each time it makes all its plans anew."""

TO_TIME = "SELECT setval('public.virtual_clock', greatest(%s, last_value)) FROM public.virtual_clock"


def make_database(server: sa.URL, name: str) -> sa.Engine:
    """Make a migrated database on virtual time."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    url = ensure_database(server, name)
    plain = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with plain.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {name} SET search_path = public, pg_catalog"))
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET plan_cache_mode = force_generic_plan")
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET lock_timeout = '20s'")
        for statement in CLOCK.split(";"):
            connection.exec_driver_sql(statement)
    engine = engine_from_url(url)
    migrate(engine)
    engine.dispose()
    return _engine(url)


def _engine(url: sa.URL, **options: Any) -> sa.Engine:
    """An engine whose connections plan each statement once, and never again."""
    engine = sa.create_engine(
        url,
        pool_size=12,
        max_overflow=40,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={"prepare_threshold": 0},
        **options,
    )
    engine.dialect.supports_server_side_cursors = False  # they need a transaction, and batches are small here
    sa.event.listen(engine, "connect", lambda dbapi, _record: setattr(dbapi, "prepared_max", None))
    return engine


def start(directory: Path) -> sa.URL:
    """Start a server that may forget everything when it crashes, and that tidies up only when it is told to."""
    return hurry(start_server(directory / "pg", keep=True), "autovacuum = off", "jit = off")


@functools.cache
def _looks_at_clock(statement: str) -> bool:
    """Whether a statement may ask for the time: what writes may do so in a column's default."""
    return not statement.startswith("SELECT") or "clock_timestamp" in statement or "now()" in statement


class QuickEngine:
    """The engine as the connector gets it: what only reads goes without BEGIN and ROLLBACK, two in three round trips.

    In PostgreSQL's READ COMMITTED each statement sees what is committed when it begins, in a transaction or not.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.readers = _engine(engine.url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)

    def connect(self) -> sa.Connection:
        """Open a connection whose statements stand each on their own."""
        return self.readers.connect()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the engine's."""
        return getattr(self._engine, name)


class Database:
    """The engine, with what happens to the processes that use it.

    Args:
        engine: Of the database.
        world: Whose process is at work, and which commits get lost.
    """

    def __init__(self, engine: sa.Engine, world: World) -> None:
        self.engine: Any = QuickEngine(engine)
        self.world = world
        self._forgotten = 0
        tables = [table.name for table in metadata.sorted_tables]
        each = (f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables)  # noqa: S608 - our own names
        self._tidy = f"VACUUM {', '.join(tables)}"
        self._filled = " UNION ALL ".join(each)
        self._control = psycopg.connect(
            engine.url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
        )
        self._control.execute("SET session_replication_role = replica")  # so that tables are emptied in any order
        sequences = [name for (name,) in self._control.execute("SELECT sequencename FROM pg_sequences ORDER BY 1")]
        again = ", ".join(f"setval('public.{name}', 1, false)" for name in sequences)
        self._restart = f"SELECT {again}"
        for each_engine in (engine, self.engine.readers):
            sa.event.listen(each_engine, "before_cursor_execute", self._before_statement)
            sa.event.listen(each_engine, "checkout", self._lent)
            sa.event.listen(each_engine, "checkin", self._given_back)
        sa.event.listen(engine, "commit", self._before_commit)

    def forget(self) -> None:
        """Empty all tables."""
        filled = [name for (name,) in self._control.execute(self._filled)]
        self._forgotten += 1
        if self._forgotten % TIDY_AFTER == 0:
            self._control.execute(self._tidy)
        if filled:
            self._control.execute("; ".join(f"DELETE FROM {name}" for name in filled))  # noqa: S608 - as above
        self._control.execute(self._restart)

    def rows(self, query: str) -> list[Any]:
        """Read, past everything that the simulation does."""
        return self._control.execute(query).fetchall()

    def let_go(self, process: Any) -> None:
        """What the server does when a client's connections break: roll back, and let go of its locks."""
        for connection in [one for one in process.connections.values() if not one.closed]:
            connection.rollback()
            connection.execute("SELECT pg_advisory_unlock_all()")
            connection.commit()

    @staticmethod
    def cut_off(process: Any) -> None:
        """The server takes the client of an idle connection for dead: it lets go of that session's locks."""
        for connection in process.connections.values():
            if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                connection.execute("SELECT pg_advisory_unlock_all()")

    def _before_statement(self, _connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        process = self.world.process
        if process is not None and process.is_dead:
            process.step("before a statement")
        clock = self.world.clock
        if clock.is_new and _looks_at_clock(statement):
            clock.is_new = False
            self._control.execute(TO_TIME, (clock.micros,))

    def _before_commit(self, connection: sa.Connection) -> None:
        process = self.world.process
        if process is None or process.name.startswith("person "):  # nothing goes wrong with what a person does here
            return
        process.step("before a commit")
        dbapi: Any = connection.connection.dbapi_connection
        if process.steps + 1 == process.kill_at:
            dbapi.commit()  # the process dies before it hears of it
        elif (fault := self.world.faults.of_commit()) is not None:
            process.lost_commits += 1
            if fault == "commit lost after":
                dbapi.commit()
            lost = psycopg.OperationalError("server closed the connection unexpectedly")
            raise sa.exc.OperationalError("COMMIT", None, lost)
        process.step("after a commit")

    def _lent(self, dbapi: Any, record: Any, _proxy: Any) -> None:
        if self.world.process is not None:
            record.info["process"] = self.world.process
            self.world.process.connections[id(dbapi)] = dbapi

    def _given_back(self, dbapi: Any, record: Any) -> None:
        process = record.info.pop("process", None)
        if process is None or dbapi is None:
            return
        process.connections.pop(id(dbapi), None)
        if process.is_dead and not dbapi.closed:
            dbapi.rollback()
            dbapi.execute("SELECT pg_advisory_unlock_all()")
            dbapi.commit()
