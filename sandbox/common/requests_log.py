"""The requests that a stand-in has had."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

LIMIT = 50_000


@dataclass
class Entry:
    """One request; no header and nothing of a token request's body is kept.

    Attributes:
        number: Counted from 1 since the start or the last reset.
        time: When it came, epoch seconds.
        method: The HTTP method.
        path: The path.
        query: The query string, still encoded.
        status: The HTTP status sent; None when the connection was dropped or the answer is still under way.
        milliseconds: How long the answer took.
        fault: The number of the fault rule that spoilt it, or None.
        body: The JSON body of a write, or None.
        received: Bytes of the request's body.
        sent: Bytes of the answer's body.
    """

    number: int
    time: float
    method: str
    path: str
    query: str
    status: int | None = None
    milliseconds: float = 0.0
    fault: int | None = None
    body: Any = None
    received: int = 0
    sent: int = 0


class RequestLog:
    """Remembers the last `LIMIT` requests, and counts all."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=LIMIT)
        self._count = 0
        self._lock = Lock()

    def start(self, time: float, method: str, path: str, query: str) -> Entry:
        """Note a request that comes in.

        Args:
            time: Epoch seconds.
            method: The HTTP method.
            path: The path.
            query: The query string.

        Returns:
            The entry, for the answer to be noted in.
        """
        with self._lock:
            self._count += 1
            entry = Entry(self._count, time, method, path, query)
            self._entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget every request."""
        with self._lock:
            self._entries.clear()
            self._count = 0

    def as_json(self) -> dict[str, Any]:
        """Show the requests.

        Returns:
            `count`, `counts` per method and path, and `requests` in order.
        """
        with self._lock:
            entries = list(self._entries)
            count = self._count
        counts = Counter(f"{entry.method} {entry.path}" for entry in entries)
        return {"count": count, "counts": dict(counts), "requests": [asdict(entry) for entry in entries]}
