"""Meets every request, statement and commit of the connector as it happens, so that a fault can be put there."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from minox_qms.hooks.http import HttpClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from minox_qms.hooks.http import Answer, Request

When: TypeAlias = Literal["before", "after"]


class KilledError(BaseException):
    """The process is gone: nothing catches this, and nothing more of it reaches a system or the database."""


@dataclass(frozen=True, slots=True)
class Place:
    """Something that the connector does.

    Attributes:
        name: A request (`PUT minox transaction_line_batch`), a kind of statement, or `commit:` and a kind of statement
            that the transaction holds.
        path: What the stand-in sees of a request, as a regular expression for its fault rules.
    """

    name: str
    path: str = ""

    @property
    def method(self) -> str:
        return self.name.split()[0]

    @property
    def system(self) -> str:
        return self.name.split()[1]


STATEMENTS: tuple[tuple[str, str, tuple[str, Any] | None], ...] = (
    ("intent", r"INSERT INTO booking ", ("state", "sending")),
    ("result", r"UPDATE booking ", ("state", "booked")),
    ("pdf sending", r"UPDATE booking ", ("pdf_state", "sending")),
    ("pdf result", r"UPDATE booking ", ("pdf_state", "attached")),
    ("reported", r"UPDATE entity_report ", ("attempts", 0)),
    ("finished", r"UPDATE sync_run_entity SET state=.*finished_at", None),
    ("closed", r"UPDATE sync_run SET state=.*finished_at=clock_timestamp", None),
    ("staged", r"SELECT .*row_number\(\) OVER \(PARTITION BY staging_customers\.", None),
    ("extracted", r"INSERT INTO sync_run_entity ", None),
    ("bound", r"INSERT INTO binding ", None),
    ("quarantined", r"INSERT INTO quarantine ", None),
)
"""Kinds of statements: name, the beginning of its text, and a parameter that it has."""


def kind_of(statement: str, parameters: Any) -> str | None:
    """Name the kind of a statement; None for one that is no place of the matrix."""
    text = " ".join(statement.split())
    for name, pattern, wanted in STATEMENTS:
        has = wanted is None or (isinstance(parameters, dict) and parameters.get(wanted[0]) == wanted[1])
        if has and re.match(pattern, text):
            return name
    return None


def name_of(client: HttpClient, request: Request) -> str:
    """Name a request; `next` behind it marks a page that is not the first."""
    tail = request.template.removeprefix("/api/1/tenant/{tenant_id}/administration/{administration_id}/")
    follows = any(name == "next" for name, _ in request.query) or not request.path.startswith("/")
    return f"{request.method} {client.system} {tail.removeprefix('/api/V3/odata/')}{' next' if follows else ''}"


class Instrument:
    """Acts at one moment of a run: the first time that the connector comes there after `arm`.

    Args:
        own: The tests' own engine, whose statements are nobody's business.
    """

    def __init__(self, own: sa.Engine) -> None:
        self._own = own
        self._real_attempt = HttpClient.attempt
        self._real_commit: Callable[[PGDialect_psycopg, Any], None] = PGDialect_psycopg.do_commit
        self._patch = pytest.MonkeyPatch()
        self._lock = threading.Lock()
        self._of_transaction: dict[int, set[str]] = {}
        self.disarm()

    def __enter__(self) -> Self:
        """Begin to listen, in this process."""
        meet = self

        def attempt(client: HttpClient, request: Request, token: str | None) -> Answer:
            return meet._attempt(client, request, token)

        def commit(dialect: PGDialect_psycopg, connection: Any) -> None:
            meet._commit(dialect, connection)

        self._patch.setattr(HttpClient, "attempt", attempt)
        self._patch.setattr(PGDialect_psycopg, "do_commit", commit)
        sa.event.listen(sa.Engine, "before_cursor_execute", self._live)
        sa.event.listen(sa.Engine, "do_execute", self._before_statement)
        sa.event.listen(sa.Engine, "after_cursor_execute", self._after_statement)
        sa.event.listen(sa.Engine, "rollback", self._rollback)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Listen no more."""
        self._patch.undo()
        sa.event.remove(sa.Engine, "before_cursor_execute", self._live)
        sa.event.remove(sa.Engine, "do_execute", self._before_statement)
        sa.event.remove(sa.Engine, "after_cursor_execute", self._after_statement)
        sa.event.remove(sa.Engine, "rollback", self._rollback)

    def disarm(self) -> None:
        """Act nowhere, and live."""
        self.dead = False
        self.fired = 0
        self._armed: tuple[str, When, Callable[..., Any], int] | None = None

    def arm(self, place: Place, when: When, act: Callable[..., Any], *, times: int = 1) -> None:
        """Act at a place, the first times that the connector comes there.

        Args:
            place: Where.
            when: Before or after it.
            act: Called there, with the cursor or the driver's connection (or nothing at a request). At `before` of a
                request it may give back a function that is called in the request's place.
            times: How often.
        """
        self.disarm()
        self._armed = (place.name, when, act, times)

    def die(self, *_: Any) -> NoReturn:
        """Die here."""
        self.dead = True
        raise KilledError

    # -- what is met ---------------------------------------------------------------------------------------------------

    def _meet(self, name: str, when: When, *given: Any) -> Any:
        if self.dead:
            raise KilledError
        with self._lock:
            armed = self._armed
            if armed is None or armed[:2] != (name, when) or self.fired >= armed[3]:
                return None
            self.fired += 1
        return armed[2](*given)

    def _attempt(self, client: HttpClient, request: Request, token: str | None) -> Answer:
        name = name_of(client, request)
        other = self._meet(name, "before")
        try:
            if other is not None:
                answer: Answer = other(self._real_attempt, client, request, token)
                return answer
            return self._real_attempt(client, request, token)
        finally:
            self._meet(name, "after")

    def _live(self, connection: sa.Connection, *_: Any) -> None:
        if self.dead and connection.engine is not self._own:
            raise KilledError

    def _before_statement(self, cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        if context.engine is not self._own:
            self._meet(kind_of(statement, parameters) or "", "before", cursor)

    def _after_statement(
        self, connection: sa.Connection, cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> None:
        if connection.engine is self._own:
            return
        kind = kind_of(statement, parameters)
        if kind is not None:
            driver = connection.connection.dbapi_connection
            self._of_transaction.setdefault(id(driver), set()).add(kind)
        self._meet(kind or "", "after", cursor)

    def _commit(self, dialect: PGDialect_psycopg, connection: Any) -> None:
        driver = getattr(connection, "dbapi_connection", connection)
        kinds = self._of_transaction.pop(id(driver), set())
        for kind in kinds:
            self._meet(f"commit:{kind}", "before", driver)
        self._real_commit(dialect, connection)
        for kind in kinds:
            self._meet(f"commit:{kind}", "after", driver)

    def _rollback(self, connection: sa.Connection) -> None:
        if connection.engine is not self._own and not connection.invalidated:
            self._of_transaction.pop(id(connection.connection.dbapi_connection), None)
