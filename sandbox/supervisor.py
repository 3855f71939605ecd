"""Both stand-ins as child processes, started and ended together."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
import urllib.request
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.error import URLError

from sandbox.server import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

START_SECONDS = 60
STOP_SECONDS = 10
_POLL_SECONDS = 0.1


class _StopError(Exception):
    """Someone asked to stop."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _StopError


def run(ports: dict[str, int], arguments: Sequence[str]) -> int:
    """Start both, say where they are, and end both on SIGTERM or SIGINT or when one of them dies.

    Args:
        ports: The port by system.
        arguments: Further command-line arguments that both get.

    Returns:
        The exit code: 0 when asked to stop, 1 when a stand-in did not start or died.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    children: list[subprocess.Popen[bytes]] = []
    try:
        for system, port in ports.items():
            command = [sys.executable, "-m", "sandbox", system, "--port", str(port), "--until-stdin-closes", *arguments]
            children.append(subprocess.Popen(command, stdin=subprocess.PIPE))  # noqa: S603 - our own interpreter and module
        for child, (system, port) in zip(children, ports.items(), strict=True):
            if not _healthy(child, f"http://{HOST}:{port}/_sandbox/health"):
                sys.stderr.write(f"{system} did not start on port {port}\n")
                return 1
            sys.stdout.write(f"{system}: http://{HOST}:{port}\n")
        sys.stdout.flush()
        while all(child.poll() is None for child in children):
            time.sleep(_POLL_SECONDS)
    except _StopError:
        return 0
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        _end(children)
    sys.stderr.write("A stand-in has died\n")
    return 1


def _healthy(child: subprocess.Popen[bytes], url: str) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and child.poll() is None:
        with contextlib.suppress(URLError, OSError), urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - a fixed loopback address
            return bool(answer.status == HTTPStatus.OK)
        time.sleep(_POLL_SECONDS)
    return False


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    end = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
