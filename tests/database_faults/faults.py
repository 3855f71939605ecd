"""Faults of the database, made where they arise: in the connection, or in the server itself.

A commit of a run is any moment at which something becomes lasting: the end of a transaction, or a statement of a
connection that commits by itself. `Faults` numbers them, in the order of a run, and strikes at one of them.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import psycopg
import sqlalchemy as sa
from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Side: TypeAlias = Literal["before", "after"]
"""Whether the connection is cut before the commit reaches the server, or before its answer comes back."""

DEADLOCK, SERIALIZATION, DISK_FULL = "40P01", "40001", "53100"
WORDS = {
    DEADLOCK: "deadlock detected",
    SERIALIZATION: "could not serialize access due to concurrent update",
    DISK_FULL: 'could not extend file "base/1/1": No space left on device',
}
_TABLE = re.compile(r"^(INSERT INTO|UPDATE|DELETE FROM|SELECT .*? FROM) (\w+)", re.DOTALL)


@dataclass
class Faults:
    """Watches an engine, and strikes once.

    Args:
        engine: The one that a run works with.
        admin: Another one, for what is done behind the run's back.
    """

    engine: sa.Engine
    admin: sa.Engine
    commits: list[str] = field(default_factory=list)
    """The commits that began so far, each by the statement before it."""
    statements: list[str] = field(default_factory=list)
    """The kinds of statement so far: `INSERT INTO booking`."""
    struck: bool = False
    _at_commit: tuple[int, Callable[[sa.Connection, Side], None]] | None = None
    _at_statement: tuple[str, str] | None = None
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def watching(self) -> Iterator[Faults]:
        """Watch the engine."""
        listeners: list[tuple[str, Any, bool]] = [
            ("commit", self._commit, False),
            ("before_cursor_execute", self._before, True),
            ("after_cursor_execute", self._after, False),
        ]
        for name, listener, changes in listeners:
            event.listen(self.engine, name, listener, **({"retval": True} if changes else {}))
        try:
            yield self
        finally:
            for name, listener, _ in listeners:
                event.remove(self.engine, name, listener)

    def cut(self, number: int, side: Side) -> None:
        """Cut the connection at the commit with this number, counted from 0."""

        def strike(connection: sa.Connection, moment: Side) -> None:
            if moment == side:
                self.struck = True
                (self._terminate if side == "before" else self._commit_and_close)(connection)

        self._at_commit = (number, strike)

    def disarm(self) -> None:
        """Strike no more."""
        self._at_commit = self._at_statement = None

    def call(self, number: int, what: Callable[[], None]) -> None:
        """Do something right before the commit with this number."""

        def strike(_: sa.Connection, moment: Side) -> None:
            if moment == "before":
                self.struck = True
                what()

        self._at_commit = (number, strike)

    def refuse_commit(self, number: int, state: str) -> None:
        """Have the server refuse the commit with this number, with this SQLSTATE; one of a transaction."""

        def strike(connection: sa.Connection, moment: Side) -> None:
            if moment == "before":
                self.struck = True
                _raw(connection).execute("INSERT INTO fault_at_commit VALUES (%s, %s)", (state, WORDS[state]))

        self._at_commit = (number, strike)

    def refuse_statement(self, kind: str, state: str) -> None:
        """Have the server refuse the first statement of a kind, with this SQLSTATE."""
        self._at_statement = (kind, state)

    def _commit(self, connection: sa.Connection) -> None:
        self._count(connection)
        self._reach(connection, "before")
        self._reach(connection, "after")

    def _before(self, connection: sa.Connection, _: Any, statement: str, parameters: Any, *__: Any) -> tuple[str, Any]:
        words = " ".join(statement.split()[:4])
        connection.info["statement"] = words
        found = _TABLE.match(statement)
        kind = f"{found[1].split()[0]} {found[2]}" if found else words
        self.statements.append(kind)
        if _commits_itself(connection):
            self._count(connection)
            self._reach(connection, "before")
        if self._at_statement is not None and self._at_statement[0] == kind and not self.struck:
            self.struck = True
            state = self._at_statement[1]
            raising = f"DO $$ BEGIN RAISE EXCEPTION '{WORDS[state]}' USING ERRCODE = '{state}'; END $$"
            return raising, [{}] if isinstance(parameters, list) else {}
        return statement, parameters

    def _after(self, connection: sa.Connection, *_: Any) -> None:
        if not _commits_itself(connection):
            return
        self._reach(connection, "after")
        if _raw(connection).closed:
            raise psycopg.OperationalError("the connection is closed")

    def _count(self, connection: sa.Connection) -> None:
        """Number a commit when it begins: several threads may be at one at the same time."""
        with self._counting:
            connection.info["commit"] = len(self.commits)
            self.commits.append(connection.info.get("statement", ""))

    def _reach(self, connection: sa.Connection, moment: Side) -> None:
        if self._at_commit is not None and self._at_commit[0] == connection.info["commit"]:
            self._at_commit[1](connection, moment)

    def _terminate(self, connection: sa.Connection) -> None:
        """End the server's side of the connection, and wait until it is gone: what was not committed is lost."""
        with self.admin.connect() as admin:
            pid = _raw(connection).info.backend_pid
            assert admin.scalar(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    @staticmethod
    def _commit_and_close(connection: sa.Connection) -> None:
        """Commit, and lose the connection before anyone hears of it."""
        _raw(connection).commit()
        _raw(connection).close()


def prepare_server(admin: sa.Engine) -> None:
    """Make the table that has the server refuse a commit: a row in it raises what it says when it is committed."""
    with admin.begin() as connection:
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS fault_at_commit (state text, words text)"))
        connection.execute(
            sa.text(
                "CREATE OR REPLACE FUNCTION raise_fault() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION '%', NEW.words USING ERRCODE = NEW.state; END $$"
            )
        )
        connection.execute(
            sa.text(
                "CREATE CONSTRAINT TRIGGER fault AFTER INSERT ON fault_at_commit DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION raise_fault()"
            )
        )


@contextmanager
def full_disk(admin: sa.Engine, table: str, position: int) -> Iterator[None]:
    """Let the server's disk be full when it comes to this record of a staging table."""
    words = WORDS[DISK_FULL]
    with admin.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE OR REPLACE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = '{DISK_FULL}'; END $$"
            )
        )
        connection.execute(
            sa.text(
                f"CREATE TRIGGER no_space BEFORE INSERT ON {table} FOR EACH ROW WHEN (NEW.position = {position}) "
                "EXECUTE FUNCTION no_space()"
            )
        )
    try:
        yield
    finally:
        with admin.begin() as connection:
            connection.execute(sa.text(f"DROP TRIGGER no_space ON {table}"))


def _commits_itself(connection: sa.Connection) -> bool:
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def _raw(connection: sa.Connection) -> psycopg.Connection[Any]:
    """The driver's own connection."""
    return cast("psycopg.Connection[Any]", connection.connection.dbapi_connection)
