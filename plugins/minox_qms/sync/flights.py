"""Several writes under way at once, which begin in order: the next one when the one before it is on its way."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

Send: TypeAlias = "Callable[[Callable[[], None]], BaseException | None]"
"""Sends one thing; calls what it is given when it is on its way to the other system, and returns a failure."""


class Flights:
    """Writes that are under way.

    One at a time is sent by the caller's own thread; more than one by threads of a pool.

    Args:
        at_once: How many may be under way.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._pool = ThreadPoolExecutor(at_once) if at_once > 1 else None
        self._flying: list[Future[BaseException | None]] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until nothing is under way."""
        if self._pool is not None:
            self._pool.shutdown()

    def make_room(self) -> list[Future[BaseException | None]]:
        """Wait until one more may begin; returns what has ended meanwhile, in the order in which it began."""
        if len(self._flying) >= self._at_once:
            wait(self._flying, return_when=FIRST_COMPLETED)
        return self._ended()

    def rest(self) -> list[Future[BaseException | None]]:
        """Wait until all have ended, and return them in the order in which they began."""
        wait(self._flying)
        return self._ended()

    def begin(self, send: Send) -> None:
        """Begin one, and return when it is on its way to the other system: they go out in the order of the calls."""
        if self._pool is None:
            done: Future[BaseException | None] = Future()
            done.set_result(send(_nothing))
            self._flying.append(done)
            return
        started = threading.Event()
        self._flying.append(self._pool.submit(_sent, send, started))
        started.wait()

    def _ended(self) -> list[Future[BaseException | None]]:
        ended = [one for one in self._flying if one.done()]
        self._flying = [one for one in self._flying if one not in ended]
        return ended


def _sent(send: Send, started: threading.Event) -> BaseException | None:
    """Send one thing in a thread; whoever waits for it to be on its way does so no longer than it is at work."""
    try:
        return send(started.set)
    finally:
        started.set()


def _nothing() -> None:
    """Tell nobody that it is on its way."""
