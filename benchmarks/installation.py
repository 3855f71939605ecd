"""A real Airflow with the demo's settings, on ports of its own, over clean data and without a rate limit."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo import airflow, databases, environment, processes
from demo.places import PROJECT, Places
from demo.sandbox import Sandbox
from include.storage.embedded import stop_server
from tests.world import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa

DATASET = "generated:customers=300,items=60,invoices=50,lines=10"
QUARTER = {"interval_start": "2026-01-02T10:00:00+00:00", "interval_end": "2026-01-02T10:15:00+00:00"}
"""In which nothing was processed."""

LAST = ("api-server", "sandbox")


@dataclass(frozen=True, slots=True)
class Installation:
    """What is up.

    Attributes:
        places: Its files and ports.
        server: The PostgreSQL server's maintenance database.
        environment: Of its processes.
    """

    places: Places
    server: sa.URL
    environment: dict[str, str]


@contextmanager
def installed(links: Sequence[str], **settings: str) -> Iterator[Installation]:
    """Start everything that the demo starts, and end it again.

    Args:
        links: Their names; all share one administration and one grant.
        **settings: Environment variables of Airflow, over the demo's.
    """
    home = Path(tempfile.mkdtemp(prefix="minox-qms-bench-"))
    places = Places(home, home / "links", "off", *_free_ports(3))
    try:
        write_links(places.links, links)
        base = environment.clean() | {"NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "sandbox", "up", "--dataset", DATASET, "--rate-limit", "off"]
        command += ["--minox-port", str(places.minox_port), "--qms-port", str(places.qms_port)]
        processes.start("sandbox", command, base, files=places.processes, logs=places.logs, directory=PROJECT)
        server = databases.start(places)
        variables = environment.connector(places, databases.new_connector_database(server))
        environment.write_passwords(places)
        whole = base | variables | environment.airflow(places, databases.airflow_url(server)) | settings
        databases.new_airflow_database(server, whole)
        airflow.start(places, whole)
        Sandbox(places).wait()
        yield Installation(places, server, whole)
    finally:
        processes.stop(places.processes, LAST)
        stop_server(places.postgres)
        shutil.rmtree(home, ignore_errors=True)


def write_links(directory: Path, names: Sequence[str]) -> None:
    """Write links' files: the smallest one, with the demo's connections."""
    directory.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {name: dict(section) for name, section in SETTINGS.items()}
    for system in ("minox", "qms"):
        content[system]["conn_id"] = f"{system}_demo"
    for name in names:
        (directory / f"{name}.yaml").write_text(json.dumps(content), "utf-8")


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
