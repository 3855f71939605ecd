"""The stand-ins as processes of their own, without a rate limit, and what they have counted."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from tests.world import System

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_SIZE = 1000
START_SECONDS = 300
WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Traffic:
    """What a system was asked.

    Attributes:
        reads: Number of requests that read, without those for tokens.
        writes: Number of requests that write.
        received: Bytes of the requests' bodies.
        sent: Bytes of the answers' bodies.
        written: Number of writes that were accepted, per method and kind of row.
    """

    reads: int
    writes: int
    received: int
    sent: int
    written: dict[str, int]


@contextmanager
def stand_in(name: str, dataset: str) -> Iterator[System]:
    """Run a stand-in on a free port.

    Args:
        name: `minox` or `qms`.
        dataset: See `docs/sandbox.md`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sandbox", name, "--port", str(port), "--until-stdin-closes"]
    command += ["--dataset", dataset, "--page-size", str(PAGE_SIZE), "--rate-limit", "off"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as one:
        try:
            system = System(name, f"http://127.0.0.1:{port}")
            system.session.trust_env = False  # no proxy stands before loopback
            _await(system, one)
            yield system
        finally:
            one.terminate()


def _await(system: System, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            system.control("GET", "health")
        except requests.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def traffic(system: System) -> Traffic:
    """Count what a stand-in was asked, and let it forget that."""
    calls = system.requests()
    system.forget_requests()
    writes = [one for one in calls if one["method"] in WRITES]
    good = [one for one in writes if one["status"] is not None and one["status"] < requests.codes.bad_request]
    return Traffic(
        reads=len(calls) - len(writes),
        writes=len(writes),
        received=sum(one["received"] for one in calls),
        sent=sum(one["sent"] for one in calls),
        written=dict(Counter(f"{one['method']} {_kind(one['path'])}" for one in good)),
    )


def _kind(path: str) -> str:
    """What kind of row a path is about: `CustomerCompany`, `transaction_line_batch`."""
    parts = [part.partition("(")[0] for part in path.split("/")]
    return "transaction_line_batch" if "transaction_line_batch" in parts else parts[-1]
