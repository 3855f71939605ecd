"""Answers without end, or far too large: memory and time stay bounded, and the end is one of our errors."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import tracemalloc
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from include.errors import ConnectorError, ContractViolationError, TransientError, UnknownOutcomeError
from minox_qms.hooks import pages
from minox_qms.hooks.http import HttpClient, Limits, Timing
from tests.hooks.fake_server import FakeServer, FakeTime, Reply
from tests.security.calls import BATCH, Tokens, hook_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT = 1_000_000
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class RawServer:
    """Answers every request with bytes of a generator, as long as anybody reads them."""

    def __init__(self, answer: Callable[[], Iterator[bytes]]) -> None:
        self._answer = answer
        self.requests = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._give, args=(connection,), daemon=True).start()

    def _give(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            self.requests += 1
            for part in self._answer():
                connection.sendall(part)

    def stop(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def endless_chunks() -> Iterator[bytes]:
    yield OK + b"Transfer-Encoding: chunked\r\n\r\n"
    yield from itertools.repeat(b"2000\r\n" + b" " * 0x2000 + b"\r\n")


def endless_body() -> Iterator[bytes]:
    yield OK + b"\r\n"
    yield from itertools.repeat(b"[" * 65_536)


def endless_headers() -> Iterator[bytes]:
    yield OK
    yield from (b"X-%d: y\r\n" % number for number in itertools.count())


def an_endless_header() -> Iterator[bytes]:
    yield OK + b"X: "
    yield from itertools.repeat(b"y" * 65_536)


def an_endless_status() -> Iterator[bytes]:
    yield from itertools.repeat(b"H" * 65_536)


def endless_continues() -> Iterator[bytes]:
    yield from itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")


def endless_trailers() -> Iterator[bytes]:
    yield OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    yield from itertools.repeat(b"X: y\r\n")


def a_chunk_of_no_size() -> Iterator[bytes]:
    yield OK + b"Transfer-Encoding: chunked\r\n\r\n"
    yield from itertools.repeat(b"f" * 65_536)


def a_lying_length() -> Iterator[bytes]:
    yield OK + b"Content-Length: 99999999999999999999999\r\n\r\n"
    yield from itertools.repeat(b" " * 65_536)


def bomb(layers: int) -> bytes:
    """Zeros, 200 MB of them in one layer and 2 GB in two, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(bytes(10_000_000)) for _ in range(20)) + packer.flush()
    if layers == 1:
        return packed
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(packed) for _ in range(10)) + packer.flush()


def a_bomb(layers: int) -> Callable[[], Iterator[bytes]]:
    body = bomb(layers)
    head = OK + b"Content-Encoding: " + b", ".join([b"gzip"] * layers) + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    return lambda: iter((head, body))


ANSWERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "endless_chunks": endless_chunks,
    "endless_body": endless_body,
    "endless_headers": endless_headers,
    "an_endless_header": an_endless_header,
    "an_endless_status": an_endless_status,
    "endless_continues": endless_continues,
    "endless_trailers": endless_trailers,
    "a_chunk_of_no_size": a_chunk_of_no_size,
    "a_lying_length": a_lying_length,
    "a_bomb": a_bomb(1),
    "a_bomb_in_a_bomb": a_bomb(2),
}


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Fail when this process takes more memory than this, in bytes, while the block runs."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit, peak


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("system", ["minox", "qms"])
def test_an_answer_without_end_ends_soon_and_small(name: str, system: str) -> None:
    raw = RawServer(ANSWERS[name])
    hook: Any = hook_of(system, raw.url, FakeTime())
    limits = Limits(connect=5, read=5, transfer=0.4, attempts=1, body=LIMIT)
    hook.__dict__["client"] = HttpClient(system, raw.url, tokens=Tokens(), limits=limits, timing=no_pause())
    try:
        with memory_below(12 * LIMIT), pytest.raises(TransientError):
            list(hook.pages("vat"))
        assert raw.requests == 1
        with memory_below(12 * LIMIT), pytest.raises(ConnectorError) as caught:
            hook.put_batch(BATCH, b"[]") if system == "minox" else hook.create("VatCode", {})
        assert isinstance(caught.value, UnknownOutcomeError)
    finally:
        hook.close()
        raw.stop()


def no_pause() -> Timing:
    """Real time for what is received, none for pauses."""
    return Timing(sleep=lambda _: None)


@pytest.mark.parametrize("system", ["minox", "qms"])
def test_the_limits_that_are_really_used_hold_a_hundred_megabytes(system: str) -> None:
    def answer() -> Iterator[bytes]:
        yield OK + b"Content-Length: 104857600\r\n\r\n"
        yield from itertools.repeat(b"[" * 1_048_576, 100)

    raw = RawServer(answer)
    hook: Any = hook_of(system, raw.url, FakeTime())
    hook.__dict__["client"] = HttpClient(system, raw.url, tokens=Tokens(), timing=no_pause())
    try:
        with pytest.raises(ContractViolationError, match="more than 67108864 bytes"):
            list(hook.pages("vat"))
        assert raw.requests == 1
    finally:
        hook.close()
        raw.stop()


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_of_sixty_megabytes_is_refused(server: FakeServer, opening: bytes, closing: bytes) -> None:
    deep = opening * (30_000_000 // len(opening))
    for body in (deep, b'{"collection": [{"a": ' + deep + b'}], "links": {}, "value": [' + deep):
        server.script.append(Reply(200, body))
        hook: Any = hook_of("minox", server.url, FakeTime())
        hook.__dict__["client"] = HttpClient("minox", server.url, tokens=Tokens(), timing=no_pause())
        with pytest.raises(ContractViolationError):
            list(hook.pages("vat"))
        hook.close()
    assert closing not in deep


@pytest.mark.parametrize("system", ["minox", "qms"])
def test_a_list_that_always_has_a_next_page_ends(
    server: FakeServer, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_PAGES", 150)
    numbers = itertools.count()

    def give(_: object) -> Reply:
        number = next(numbers)
        link = f"{server.url}/list?next={number}"
        rows = [{"id": number}]
        page = {"collection": rows, "links": {"next": link}, "value": rows, "odata.nextLink": link}
        return Reply(200, json.dumps(page))

    server.default = give
    hook: Any = hook_of(system, server.url, FakeTime())
    with pytest.raises(ContractViolationError, match="no end after 150 pages"):
        list(hook.pages("vat"))
    assert len(server.seen) == 150
    hook.close()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_loop_of_redirects_is_one_request(server: FakeServer, status: int) -> None:
    server.default = lambda seen: Reply(status, b"", {"Location": f"{server.url}{seen.path}"})
    hook: Any = hook_of("qms", server.url, FakeTime())
    with pytest.raises(ConnectorError):
        hook.replace("VatCode", 11, {})
    assert len(server.seen) == 1
    hook.close()
