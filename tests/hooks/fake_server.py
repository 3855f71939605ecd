"""A real HTTP server in a thread whose every answer, or fault, is programmed."""

from __future__ import annotations

import json
import socket
import ssl  # noqa: TC003 - as Callable, below
import struct
import threading
import time
from collections import deque
from collections.abc import Callable  # noqa: TC003 - used at run time in annotations of attributes
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    path: str
    query: dict[str, str]
    raw_query: str
    headers: dict[str, str]
    body: bytes
    at: float
    client_port: int

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


@dataclass
class Reply:
    """An answer; `fault` is one of reset, close, stall, truncate, drip, drip_head."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""

    def bytes(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *args: object) -> None:
        return

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        request = Seen(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            parts.query,
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            time.monotonic(),
            self.client_address[1],
        )
        try:
            self._give(self.server.fake.answer(request))
        except OSError:
            self.server.fake.cut.release()

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the library's names

    def _give(self, reply: Reply) -> None:
        body = reply.bytes()
        if reply.fault in {"reset", "close"}:
            self._hang_up(abruptly=reply.fault == "reset")
            return
        if reply.fault == "stall":
            time.sleep(1.5)
        length = len(body) + (10 if reply.fault == "truncate" else 0)
        lines = [f"HTTP/1.1 {reply.status} X", *(f"{k}: {v}" for k, v in reply.headers.items())]
        if reply.status not in {204, 304}:
            lines.append(f"Content-Length: {length}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self._write(head, slowly=reply.fault == "drip_head")
        if reply.status not in {204, 304}:
            self._write(body, slowly=reply.fault == "drip")
        self.close_connection = reply.fault == "truncate"

    def _hang_up(self, *, abruptly: bool) -> None:
        if abruptly:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _write(self, data: bytes, *, slowly: bool) -> None:
        if not slowly:
            self.wfile.write(data)
            return
        for byte in data:
            self.wfile.write(bytes([byte]))
            time.sleep(0.05)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    fake: FakeServer

    def handle_error(self, request: object, client_address: object) -> None:
        return


class FakeServer:
    """Answers with the next reply of the script, else with what `default` makes of the request."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.cut = threading.Semaphore(0)  # once for every answer that was broken off by the other side
        self.script: deque[Reply] = deque()
        self.default: Callable[[Seen], Reply] = lambda _: Reply(200, {})
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def answer(self, request: Seen) -> Reply:
        with self._lock:
            self.seen.append(request)
            return self.script.popleft() if self.script else self.default(request)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class FakeTime:
    """Time that only passes by sleeping; every sleep is kept."""

    def __init__(self, start: float = 1_767_600_000.0) -> None:
        self.now = start
        self.sleeps: list[float] = []
        self.on_sleep: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.sleeps.append(seconds)
        self.now += seconds
        self.on_sleep()

    def clock(self) -> float:
        return self.now

    def random(self) -> float:
        return 0.5
