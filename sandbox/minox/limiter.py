"""Minox's limit on calls, counted per client id."""

from __future__ import annotations

import math
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from sandbox.common.config import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable

_UNLIMITED = RateLimit(1_000_000, 1)


@dataclass(frozen=True)
class Verdict:
    """What the limit says of one call.

    Attributes:
        allowed: Whether it may go on.
        headers: The headers that tell the client.
    """

    allowed: bool
    headers: dict[str, str]


class Limiter:
    """Windows of fixed length that begin with a client's first call.

    Args:
        clock: Gives the time in seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}
        self._lock = Lock()

    def count(self, client_id: str, limit: RateLimit | None, *, retry_after: bool) -> Verdict:
        """Count a call.

        Args:
            client_id: Whose it is.
            limit: The limit, or None for none.
            retry_after: Whether a refusal carries Retry-After.

        Returns:
            The verdict; a call over the limit is not counted.
        """
        effective = limit or _UNLIMITED
        with self._lock:
            now = self._clock()
            start, used = self._windows.get(client_id, (now, 0))
            if now >= start + effective.seconds:
                start, used = now, 0
            allowed = used < effective.calls
            used += allowed
            self._windows[client_id] = (start, used)
        end = start + effective.seconds
        headers = {
            "x-rate-limit-limit": str(effective.calls),
            "x-rate-limit-remaining": str(effective.calls - used),
            "x-rate-limit-reset": str(math.ceil(end * 1000)),
        }
        if not allowed and retry_after:
            headers["Retry-After"] = str(max(1, math.ceil(end - now)))
        return Verdict(allowed, headers)
