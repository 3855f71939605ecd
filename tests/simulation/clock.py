"""One virtual time for both systems, the connector's code and its database."""

from __future__ import annotations

import datetime as dt

TICK = 1_000
"""Microseconds that the clock moves at least, so that the database's own ticks stay between two of its moments."""


class Clock:
    """Time that stands still until somebody lets it pass; in whole microseconds, so that it is exact.

    The database counts a microsecond at each look at its clock (`database.CLOCK`); before each statement it is brought
    to this clock's time.
    """

    def __init__(self) -> None:
        self.micros = 0
        self.is_new = True

    def begin(self, instant: dt.datetime) -> None:
        """Set the time at the beginning of a schedule."""
        self.micros = int(instant.timestamp()) * 1_000_000
        self.is_new = True

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.micros += max(TICK, int(seconds * 1_000_000))
        self.is_new = True

    def pass_until(self, instant: dt.datetime) -> None:
        """Let time pass until an instant; nothing when that is over already."""
        left = instant.timestamp() - self.time()
        if left > 0:
            self.sleep(left)

    def time(self) -> float:
        """Seconds since 1970."""
        return self.micros / 1_000_000

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return self.micros / 1_000_000

    def now(self) -> dt.datetime:
        """The instant, in UTC."""
        return dt.datetime.fromtimestamp(self.time(), dt.UTC)
