"""The layer around a stand-in that records requests and spoils answers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from sandbox.common.http import json_or_none

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sandbox.common.faults import Fault, FaultList
    from sandbox.common.requests_log import Entry, RequestLog

TRANSPORT = "sandbox_transport"
"""The key of the request's state under which the server leaves the connection."""

_MAX_RECORDED_BODY = 256 * 1024
_POLL_SECONDS = 0.02


class Instruments:
    """ASGI middleware: records what comes under the given prefixes, and applies the fault rules to it.

    Args:
        app: The application inside.
        prefixes: The paths of the contract begin with one of these.
        secret_paths: Bodies sent to these are not recorded.
        log: Where requests are noted.
        faults: The rules.
        clock: Gives the time in seconds since the epoch.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        prefixes: tuple[str, ...],
        secret_paths: frozenset[str],
        log: RequestLog,
        faults: FaultList,
        clock: Callable[[], float],
    ) -> None:
        self._app = app
        self._prefixes = prefixes
        self._secret_paths = secret_paths
        self._log = log
        self._faults = faults
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of the server.

        Args:
            scope: What the server knows of it.
            receive: Gives the parts of the request.
            send: Takes the parts of the answer.
        """
        if scope["type"] != "http" or not scope["path"].startswith(self._prefixes):
            await self._app(scope, receive, send)
            return
        query = scope["query_string"].decode("ascii", "replace")
        entry = self._log.start(self._clock(), scope["method"], scope["path"], query)
        began = time.perf_counter()
        body = bytearray()
        is_recorded = scope["method"] in {"POST", "PUT"} and scope["path"] not in self._secret_paths

        async def listen() -> Message:
            message = await receive()
            entry.received += len(message.get("body", b""))
            if len(body) <= _MAX_RECORDED_BODY:
                body.extend(message.get("body", b""))
            if is_recorded and len(body) <= _MAX_RECORDED_BODY and not message.get("more_body"):
                entry.body = json_or_none(bytes(body))
            return message

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            entry.sent += len(message.get("body", b""))
            await send(message)

        target = f"{scope['path']}?{query}" if query else scope["path"]
        rule = self._faults.match(scope["method"], target)
        try:
            if rule is None:
                await self._app(scope, listen, answer)
            else:
                entry.fault = rule.number
                await self._spoil(rule, scope, listen, answer, entry)
        finally:
            entry.milliseconds = round((time.perf_counter() - began) * 1000, 1)

    async def _spoil(self, rule: Fault, scope: Scope, receive: Receive, send: Send, entry: Entry) -> None:
        if rule.action in {"delay", "hold"}:
            await (asyncio.sleep(rule.seconds) if rule.action == "delay" else _wait(rule))
            await self._app(scope, receive, send)
            return
        if rule.action == "hold-then-drop":
            await _wait(rule)
        done: list[Message] = []
        if rule.applies_first:

            async def keep(message: Message) -> None:
                done.append(message)

            await self._app(scope, receive, keep)
        if rule.action == "apply-then-hold":
            await _wait(rule)
            for message in done:
                await send(message)
        elif rule.action.endswith("drop"):
            await _drop(scope)
        elif rule.action == "truncate":
            await _send_half(done, send)
            entry.status = None
            await _drop(scope)
        elif rule.action in _SLOW_OR_CHANGED:
            await _SLOW_OR_CHANGED[rule.action](rule, done, send)
        else:
            await _send_instead(rule, send)


async def _wait(rule: Fault) -> None:
    end = time.monotonic() + rule.seconds
    rule.held += 1
    while not rule.released and time.monotonic() < end:  # noqa: ASYNC110 - an Event belongs to one loop, test clients have several
        await asyncio.sleep(_POLL_SECONDS)
    rule.held -= 1


async def _drop(scope: Scope) -> None:
    transport: Any = scope.get("state", {}).get(TRANSPORT)
    if transport is None:
        raise ConnectionResetError("The connection is dropped, as a fault rule asks")
    transport.abort()
    # The server notices the loss on its loop's next turns, and then says nothing more.
    await asyncio.sleep(_POLL_SECONDS)


def _parts(done: list[Message]) -> tuple[Message, bytes]:
    """The head and the body of an answer that was kept."""
    start = next(message for message in done if message["type"] == "http.response.start")
    return start, b"".join(message.get("body", b"") for message in done)


async def _send_half(done: list[Message], send: Send) -> None:
    start, body = _parts(done)
    await send(start)
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    # Without a pause the part that was written would be thrown away with the connection.
    await asyncio.sleep(_POLL_SECONDS)


async def _send_dripping(rule: Fault, done: list[Message], send: Send) -> None:
    start, body = _parts(done)
    await send(start)
    for place in range(len(body)):
        await asyncio.sleep(rule.seconds)
        await send({"type": "http.response.body", "body": body[place : place + 1], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _send_changed(rule: Fault, done: list[Message], send: Send) -> None:
    start, body = _parts(done)
    content = rule.find.sub(rule.replace, body.decode()).encode()
    kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    await send({**start, "headers": [*kept, (b"content-length", str(len(content)).encode())]})
    await send({"type": "http.response.body", "body": content})


_SLOW_OR_CHANGED = {"drip": _send_dripping, "apply-then-replace": _send_changed}


async def _send_instead(rule: Fault, send: Send) -> None:
    content = rule.content()
    headers = {"content-type": "text/plain; charset=utf-8" if isinstance(rule.body, str) else "application/json"}
    headers |= rule.headers | {"content-length": str(len(content))}
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": rule.status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
