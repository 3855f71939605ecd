"""One stand-in as a server on the loopback address."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.common.middleware import TRANSPORT
from sandbox.minox.app import create_app as create_minox
from sandbox.qms.app import create_app as create_qms

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from fastapi import FastAPI

    from sandbox.common.config import Config

HOST = "127.0.0.1"
PORTS = {"minox": 8701, "qms": 8702}
"""The port of each system when none is given."""

_FACTORIES: dict[str, Callable[[Config], FastAPI]] = {"minox": create_minox, "qms": create_qms}


class ConnectionInState(H11Protocol):
    """HTTP/1.1 that tells the application its connection, so that a fault rule can drop it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the connection.

        Args:
            transport: The new connection.
        """
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


def stop_when_stdin_closes() -> None:
    """End this process, as a SIGTERM does, when whoever holds the other end of its standard input is gone."""

    def wait() -> None:
        while sys.stdin.buffer.read(1):
            pass
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def serve(system: str, port: int, config: Config) -> None:
    """Run one stand-in until the process is told to stop.

    Args:
        system: `minox` or `qms`.
        port: The port on the loopback address.
        config: The settings.
    """
    app = _FACTORIES[system](config)
    uvicorn.run(
        app,
        host=HOST,
        port=port,
        http=ConnectionInState,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
