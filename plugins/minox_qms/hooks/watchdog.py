"""A deadline for one answer as a whole: no timeout of the library covers an answer whose bytes drip in without end.

Headers, the sizes of chunks and what may follow the last chunk are read by the library in loops of its own, which only
another thread can end.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import urllib3.connection
import urllib3.connectionpool
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

ON_SENT: ContextVar[Callable[[], None] | None] = ContextVar("ON_SENT", default=None)
"""Called in the thread that sends a request, when its last byte has been given to the network."""


class Watch:
    """Cuts a connection when its answer is not there in time.

    Args:
        watchdog: Looks after it.
        sock: The connection's socket.
    """

    def __init__(self, watchdog: Watchdog, sock: socket.socket | None) -> None:
        self._watchdog = watchdog
        self._sock = sock
        self.until = time.monotonic() + watchdog.seconds
        self.has_cut = False

    def end(self) -> bool:
        """Stop watching; return whether the connection was cut, which may look like the end of an answer."""
        self._watchdog.let_go(self)
        return self.has_cut

    def cut(self) -> None:
        """Cut the connection."""
        if self._sock is None:
            return
        self.has_cut = True
        with contextlib.suppress(OSError):  # it may be closed already
            self._sock.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """One thread that looks after all answers of a client: to start one for each answer would cost time.

    All have the same time, so that the one that began first is due first. The thread ends when it has nothing to watch.

    Args:
        seconds: For each answer.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._watched: dict[Watch, None] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def watch(self, sock: socket.socket | None) -> Watch:
        """Watch a connection from now on."""
        with self._lock:
            one = Watch(self, sock)
            self._watched[one] = None
            if self._thread is None or not self._thread.is_alive():  # a forked process has the object, not the thread
                self._thread = threading.Thread(target=self._look_after, daemon=True)
                self._thread.start()
        return one

    def let_go(self, one: Watch) -> None:
        """Watch a connection no more."""
        with self._lock:
            self._watched.pop(one, None)

    def _look_after(self) -> None:
        while (left := self._cut_late_ones()) is not None:
            time.sleep(left)

    def _cut_late_ones(self) -> float | None:
        """Cut what is late; returns the seconds until there may be more, None when nothing is watched."""
        with self._lock:
            for one in list(self._watched):
                left = one.until - time.monotonic()
                if left > 0:
                    return left
                del self._watched[one]
                one.cut()
            self._thread = None
            return None


def watch_of(response: requests.Response) -> Watch:
    """Give the watch over an answer's connection; who has read the answer ends it."""
    watch: Watch = response.raw.watch  # type: ignore[union-attr] # set by the connection below
    return watch


class _Deadline:
    """Mixed into a connection: watch it from the moment that the head of the answer is awaited."""

    watchdog: Watchdog
    sock: socket.socket | None
    timeout: float | None

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send; the library would let a whole body take no longer than making a connection, short for a slow line."""
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]  # of the connection mixed into
        self.timeout = self.watchdog.seconds
        super().request(*args, **kwargs)  # type: ignore[misc]  # as above

    def getresponse(self) -> urllib3.HTTPResponse:
        """Read the head of the answer, or have the socket shut down under it, which ends in an error."""
        if (on_sent := ON_SENT.get()) is not None:
            on_sent()
        watch = self.watchdog.watch(self.sock)
        try:
            response: urllib3.HTTPResponse = super().getresponse()  # type: ignore[misc]  # of the connection mixed into
        except BaseException as error:
            if watch.end():
                raise TimeoutError(f"more than {self.watchdog.seconds} seconds") from error
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

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.ProxyManager:
        """Make the pools behind a proxy out of connections with the deadline, too."""
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self.poolmanager.pool_classes_by_scheme
        return manager

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools out of connections with the deadline."""
        super().init_poolmanager(*args, **kwargs)
        attributes = {"watchdog": Watchdog(self._deadline)}
        plain = type("PlainConnection", (_Deadline, urllib3.connection.HTTPConnection), attributes)
        secure = type("SecureConnection", (_Deadline, urllib3.connection.HTTPSConnection), attributes)
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("PlainPool", (urllib3.connectionpool.HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (urllib3.connectionpool.HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
