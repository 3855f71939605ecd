"""A deadline for the part of a request that no timeout covers: headers that come one byte at a time."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

import urllib3.connection
import urllib3.connectionpool
from requests.adapters import HTTPAdapter


class _Deadline:
    """Mixed into a connection: cut it when the head of the answer is not there in time."""

    deadline: float
    sock: socket.socket | None

    def getresponse(self) -> urllib3.HTTPResponse:
        """Read the head of the answer, or have the socket shut down under it, which ends in an error."""
        timer = threading.Timer(self.deadline, _cut, [self.sock])
        timer.daemon = True
        timer.start()
        try:
            response: urllib3.HTTPResponse = super().getresponse()  # type: ignore[misc]  # of the connection mixed into
        finally:
            timer.cancel()
        return response


def _cut(sock: socket.socket | None) -> None:
    if sock is not None:
        with contextlib.suppress(OSError):  # it may be closed already
            sock.shutdown(socket.SHUT_RDWR)


class DeadlineAdapter(HTTPAdapter):
    """An adapter whose connections wait at most so long for the head of an answer.

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
