"""A simulated process of the connector: it counts its steps, and is killed or stands still at one of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class KilledError(BaseException):
    """The process is dead: nothing in it may catch this, and nothing that it does after it has an effect."""


@dataclass
class Process:
    """One try of one task.

    Attributes:
        name: Run, task and number of the try.
        kill_at: The step at which it is killed; 0 for never.
        stop_at: The request before which it stands still for a while; 0 for never.
        stop_before: Method of the requests that count for that; empty for all.
        stood_at: When it stood still, in microseconds.
        began: When it began, in microseconds.
        is_dead: It was killed.
        died: Where.
        lost_commits: Commits whose answer it did not get.
    """

    name: str
    kill_at: int = 0
    stop_at: int = 0
    stop_before: str = ""
    stood_at: int = -1
    began: int = 0
    steps: int = 0
    requests: int = 0
    is_dead: bool = False
    died: str = ""
    is_dry: bool = False
    lost_commits: int = 0
    connections: dict[int, Any] = field(default_factory=dict)

    @property
    def has_lost(self) -> bool:
        """It may not have written down what it learned."""
        return self.is_dead or self.lost_commits > 0

    def step(self, where: str) -> None:
        """Take a step; raises `KilledError` at the one it is killed at, and at each after it."""
        self.steps += 1
        if self.is_dead or self.steps == self.kill_at:
            self.is_dead = True
            self.died = self.died or where
            raise KilledError(self.name)


class Lane:
    """Runs a process in a thread of its own that takes turns with the others: only one of them runs at a time."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.process: Process | None = None
        self._work = work
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.is_done = False
        self.error: BaseException | None = None

    def start(self) -> None:
        """Run it until it stands still or ends."""
        self._thread.start()
        self._back.acquire()

    def resume(self) -> None:
        """Let it go on to its end."""
        self._go.release()
        self._back.acquire()

    def stand_still(self) -> None:
        """Called by the process itself: give the turn back, and wait for the next one."""
        self._back.release()
        self._go.acquire()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for it
            self.error = error
        finally:
            self.is_done = True
            self._back.release()
