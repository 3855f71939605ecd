"""Who is measured: the connector and the two peers, each run being a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.ours import IDLE
from tests.world import ROOT, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import sqlalchemy as sa

    from tests.world import System

OURS, BY_HAND, DLT = "connector", "requests + pandas", "dlt"
LINK = "test"
CLIENTS = {"minox": "qics-connector", "qms": "qms-connector"}
ENTITIES = dict.fromkeys(("vat_codes", "cost_centers", "payment_terms", "items"), True)
RUN_SECONDS = 3600


class RunFailedError(Exception):
    """A contender's run did not come to a good end."""


@dataclass(frozen=True)
class Contender:
    """One that is measured.

    Attributes:
        name: What it is called in the tables.
        module: The program of one run.
        python: The interpreter that has what it needs.
    """

    name: str
    module: str
    python: str = sys.executable


@dataclass(frozen=True)
class Took:
    """What one run took.

    Attributes:
        seconds: Of the work, without the start of the process.
        cpu_seconds: User and system, of the work.
        start_seconds: From nothing to the beginning of the work: interpreter, imports.
        whole_cpu_seconds: User and system of the whole process and its children.
        peak_bytes: Most resident memory during the work.
        idle_bytes: Resident memory when the work began.
    """

    seconds: float
    cpu_seconds: float
    start_seconds: float
    whole_cpu_seconds: float
    peak_bytes: int
    idle_bytes: int

    @property
    def working_bytes(self) -> int:
        """Most memory over that of the idle process."""
        return max(0, self.peak_bytes - self.idle_bytes)


def contenders(peers_python: str | None) -> list[Contender]:
    """List who is measured.

    Args:
        peers_python: An interpreter with dlt; without, that peer stays away.
    """
    found = [Contender(OURS, "benchmarks.ours"), Contender(BY_HAND, "benchmarks.peers.requests_pandas")]
    if peers_python is not None:
        found.append(Contender(DLT, "benchmarks.peers.dlt_pipeline", peers_python))
    return found


def environment(directory: Path, database: sa.URL, systems: Mapping[str, System]) -> dict[str, str]:
    """Write the link's file, and return the environment that every contender finds what it needs in.

    Args:
        directory: The contender's own.
        database: The contender's own.
        systems: Both stand-ins.
    """
    url = database.render_as_string(hide_password=False)
    configure(directory)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MINOX_QMS_"))}
    variables |= {
        "AIRFLOW_HOME": str(directory / "airflow"),
        "MINOX_QMS_LINKS_DIR": str(directory),
        "MINOX_QMS_HOME": str(directory),
        "MINOX_QMS_DATABASE_URL": url,
        "MINOX_QMS_TASK_RETRIES": "0",
        "BENCH_DATABASE": url,
        "BENCH_MINOX": systems["minox"].url,
        "BENCH_QMS": systems["qms"].url,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    for name, system in systems.items():
        connection = {
            "conn_type": name,
            "host": system.url,
            "login": CLIENTS[name],
            "password": "geheim",
            "extra": {"refresh_token": f"sandbox-{name}-refresh"},
        }
        variables[f"AIRFLOW_CONN_{name.upper()}_TEST"] = json.dumps(connection)
    return variables


def configure(directory: Path, requests_per_second: int = 1000) -> None:
    """Write the link's file; a long run is not cut short."""
    content: dict[str, Any] = SETTINGS | {
        "minox": SETTINGS["minox"] | {"requests_per_second": requests_per_second},
        "bookings": SETTINGS["bookings"] | {"max_run_minutes": 600},
        "master_data": {"entities": ENTITIES},
    }
    (directory / f"{LINK}.yaml").write_text(json.dumps(content), "utf-8")


def run(contender: Contender, direction: str, directory: Path, variables: Mapping[str, str], *, idle: bool) -> Took:
    """Let a contender do one run.

    Args:
        contender: Who.
        direction: `master_data` or `invoices`.
        directory: Its own.
        variables: From `environment`.
        idle: Only what is new since the last run.

    Raises:
        RunFailedError: It did not come to a good end.
    """
    command = [contender.python, "-m", contender.module, direction, str(directory)]
    variables = {**variables, **({IDLE: "1"} if idle else {})}
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as problems:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=told, stderr=problems)
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        whole = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        problems.seek(0)
        lines = told.read().decode().splitlines()
        if process.returncode or not lines:
            raise RunFailedError(f"{contender.name}, {direction}:\n{problems.read().decode()[-4000:]}")
    figures = json.loads(lines[-1])
    return Took(
        seconds=figures["seconds"],
        cpu_seconds=figures["cpu_seconds"],
        start_seconds=whole - figures["seconds"],
        whole_cpu_seconds=used.ru_utime + used.ru_stime,
        peak_bytes=figures["peak_bytes"],
        idle_bytes=figures["idle_bytes"],
    )
