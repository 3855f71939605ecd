"""A deadline for one answer as a whole: no timeout of the library covers bytes that come one at a time, without end.

Headers, the sizes of chunks and what may follow the last chunk are read by the library in loops of its own, which only
another thread can end.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import urllib3.connection
import urllib3.connectionpool
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    import requests


class Watch:
    """Cuts a connection when its answer is not there in time.

    Args:
        seconds: Until then.
        sock: The connection's socket.
    """

    def __init__(self, seconds: float, sock: socket.socket | None) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._is_over = False
        self._has_cut = False
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> bool:
        """Stop watching; return whether the connection was cut, which may look like the end of an answer."""
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            return self._has_cut

    def _cut(self) -> None:
        with self._lock:
            if self._is_over or self._sock is None:
                return
            self._has_cut = True
            with contextlib.suppress(OSError):  # it may be closed already
                self._sock.shutdown(socket.SHUT_RDWR)


def watch_of(response: requests.Response) -> Watch:
    """Give the watch over an answer's connection; who has read the answer ends it."""
    watch: Watch = response.raw.watch  # type: ignore[union-attr] # set by the connection below
    return watch


class _Deadline:
    """Mixed into a connection: watch it from the moment that the head of the answer is awaited."""

    deadline: float
    sock: socket.socket | None

    def getresponse(self) -> urllib3.HTTPResponse:
        """Read the head of the answer, or have the socket shut down under it, which ends in an error."""
        watch = Watch(self.deadline, self.sock)
        try:
            response: urllib3.HTTPResponse = super().getresponse()  # type: ignore[misc]  # of the connection mixed into
        except BaseException:
            watch.end()
            raise
        response.watch = watch  # type: ignore[attr-defined] # for `watch_of`
        return response


class DeadlineAdapter(HTTPAdapter):
    """An adapter whose connections are cut when an answer is not there in time; who reads it ends its watch.

    Args:
        deadline: Seconds.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools out of connections with the deadline."""
        super().init_poolmanager(*args, **kwargs)
        attributes = {"deadline": self._deadline}
        plain = type("PlainConnection", (_Deadline, urllib3.connection.HTTPConnection), attributes)
        secure = type("SecureConnection", (_Deadline, urllib3.connection.HTTPSConnection), attributes)
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("PlainPool", (urllib3.connectionpool.HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (urllib3.connectionpool.HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
