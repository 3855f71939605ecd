"""The demo's sandbox: started, and asked what it holds."""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import requests

from demo import processes
from demo.places import PROJECT, DemoError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.places import Places

START_SECONDS = 60
WRITES = ("POST", "PUT", "PATCH", "DELETE")
_POLL = 0.1


def start(places: Places, environment: Mapping[str, str]) -> None:
    """Start both stand-ins with the demo's data set, as new; `Sandbox.wait` waits for them.

    Args:
        places: Addresses and paths.
        environment: For the processes.
    """
    ports = ["--minox-port", str(places.minox_port), "--qms-port", str(places.qms_port)]
    processes.start(
        "sandbox",
        [sys.executable, "-m", "sandbox", "up", *ports, "--rate-limit", places.rate_limit],
        environment,
        files=places.processes,
        logs=places.logs,
        directory=PROJECT,
    )


class Sandbox:
    """The controls of both stand-ins.

    Args:
        places: Their addresses.
    """

    def __init__(self, places: Places) -> None:
        self._urls = {"Minox": places.minox, "QMS": places.qms}
        self._log = places.logs / "sandbox.log"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands before loopback

    def wait(self) -> None:
        """Wait until both answer.

        Raises:
            DemoError: It takes too long.
        """
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if all(self._is_well(url) for url in self._urls.values()):
                return
            time.sleep(_POLL)
        raise DemoError(f"The sandbox did not start; its log is {self._log}")

    def minox(self) -> dict[str, Any]:
        """Everything in Minox's administration: lists and batches."""
        data: dict[str, Any] = self._ask("Minox", "state")["tenants"][0]["data"]["1"]
        return data

    def qms(self) -> dict[str, Any]:
        """Everything in QMS, by entity."""
        data: dict[str, Any] = self._ask("QMS", "state")
        return data

    def forget_requests(self) -> None:
        """Begin to count requests anew."""
        for url in self._urls.values():
            self._session.delete(f"{url}/_sandbox/requests", timeout=30).raise_for_status()

    def requests(self) -> dict[str, tuple[int, int]]:
        """Count the requests to each system: reads and writes, without those for tokens."""
        counts = {}
        for name in self._urls:
            calls = [one for one in self._ask(name, "requests")["requests"] if "oauth" not in one["path"]]
            writes = sum(1 for one in calls if one["method"] in WRITES)
            counts[name] = (len(calls) - writes, writes)
        return counts

    def _is_well(self, url: str) -> bool:
        try:
            return self._session.get(f"{url}/_sandbox/health", timeout=2).ok
        except requests.RequestException:
            return False

    def _ask(self, name: str, path: str) -> Any:
        answer = self._session.get(f"{self._urls[name]}/_sandbox/{path}", timeout=60)
        answer.raise_for_status()
        return json.loads(answer.content, parse_float=Decimal)
