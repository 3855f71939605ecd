"""One budget of requests per client of Minox, shared by all workers through the database (spec, section 4, limits).

Every request takes the next free moment; moments lie 1/requests_per_second apart, and a little more. Who takes one
waits until it has come, outside the database. The clock is the database's, so that workers with wrong clocks share one
time.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.storage.engine import ask
from include.storage.tables import request_pacing

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.sql.dml import ReturningUpdate

SLACK = 0.04
"""How much longer than a second the requests of a second take: the way to Minox is not the same for each, and one that
arrives a millisecond early costs a second and more (429, Retry-After)."""


@functools.cache
def _take() -> ReturningUpdate[Any]:
    """Take the next free moment; made once, since every request needs it."""
    now = sa.func.clock_timestamp()
    step = sa.func.make_interval(0, 0, 0, 0, 0, 0, sa.bindparam("step", type_=sa.Double))
    moment = sa.func.greatest(request_pacing.c.next_at, request_pacing.c.blocked_until, now)
    # After the update next_at is the moment taken plus one step; the clock has gone on since, by almost nothing.
    left = sa.func.extract("epoch", request_pacing.c.next_at - step - now)
    return (
        sa.update(request_pacing)
        .where(request_pacing.c.key == sa.bindparam("of_key"))
        .values(next_at=moment + step)
        .returning(sa.cast(left, sa.Double))
    )


class Pacing:
    """The shared budget.

    Args:
        engine: Returns the engine of the connector's database; called at the first use.
    """

    def __init__(self, engine: Callable[[], sa.Engine]) -> None:
        self._engine = engine

    def reserve(self, key: str, per_second: float) -> float:
        """Take the next free moment.

        Args:
            key: Of the client.
            per_second: Requests per second, over all workers together; above 0.

        Returns:
            Seconds to wait until that moment; 0 when it is now.
        """
        if per_second <= 0:
            raise ValueError("requests per second must be above 0")
        given = {"of_key": key, "step": (1 + SLACK) / per_second}
        with self._connect() as connection:
            wait = connection.scalar(_take(), given)
            if wait is None:
                self._add(connection, key)
                wait = connection.scalar(_take(), given)
        return max(0.0, wait or 0.0)

    def block_for(self, key: str, seconds: float) -> None:
        """Let nobody send anything for a while; a longer block that stands already stays.

        Args:
            key: Of the client.
            seconds: From now on.
        """
        until = sa.func.clock_timestamp() + sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        block = (
            sa.update(request_pacing)
            .where(request_pacing.c.key == key)
            .values(blocked_until=sa.func.greatest(request_pacing.c.blocked_until, until))
        )
        with self._connect() as connection:
            self._add(connection, key)
            connection.execute(block)

    def blocked_for(self, key: str) -> float:
        """How many seconds nobody may send anything; 0 when everybody may."""
        left = sa.func.extract("epoch", request_pacing.c.blocked_until - sa.func.clock_timestamp())
        question = sa.select(sa.cast(left, sa.Double)).where(request_pacing.c.key == sa.bindparam("of_key"))
        return max(0.0, ask(self._engine(), question, {"of_key": key}) or 0.0)

    def _connect(self) -> sa.Connection:
        """Open a short connection whose statements commit one by one."""
        return self._engine().connect().execution_options(isolation_level="AUTOCOMMIT")

    @staticmethod
    def _add(connection: sa.Connection, key: str) -> None:
        row = insert(request_pacing).values(key=key, next_at=sa.func.clock_timestamp())
        connection.execute(row.on_conflict_do_nothing())
