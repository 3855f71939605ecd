"""What an idle run takes beside a run of empty tasks of the same shape, in a real Airflow with the demo's settings."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo import airflow, databases, environment, processes
from demo.places import LINK, PROJECT, DemoError, Places
from demo.sandbox import Sandbox
from include.settings.load import load_link
from include.storage.embedded import stop_server
from tests.world import SETTINGS, _build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.figures import Measured

DATASET = "generated:customers=300,items=60,invoices=50,lines=10"
MODULES = ("minox_master_data", "qms_invoices")
YEAR = {"from_date": "2026-01-01", "to_date": "2026-12-31"}
QUARTER = {"interval_start": "2026-01-02T10:00:00+00:00", "interval_end": "2026-01-02T10:15:00+00:00"}
LAST = ("api-server", "sandbox")


class _Client(airflow.Airflow):
    """Airflow's API, with what it says of a run."""

    def knows(self, dag_ids: set[str]) -> bool:
        return dag_ids <= {dag["dag_id"] for dag in self._get("dags", limit=100)["dags"]}

    def run(self, dag_id: str, conf: dict[str, str]) -> tuple[float, int]:
        """Run a DAG; returns its seconds, and how many of its tasks were started."""
        run_id = self.trigger(dag_id, conf)
        states = [event[1] for event in self.follow(dag_id, run_id) if event is not None]
        told = self._get(f"dags/{dag_id}/dagRuns/{run_id}")
        return float(told["duration"]), len([state for state in states if state != "skipped"])


def measure(repeat: int, tell: Callable[[Measured], None]) -> list[Measured]:
    """Run both DAGs and their empty likenesses in turn.

    Args:
        repeat: Number of turns.
        tell: Is told of every run.

    Raises:
        DemoError: Airflow could not be started, or a run failed.
    """
    measured: list[Measured] = []
    with _airflow() as client:
        real, empty = {one: f"{one}__{LINK}" for one in MODULES}, {one: _empty(one) for one in MODULES}
        for dag_id in (*real.values(), *empty.values()):
            client.unpause(dag_id)
        client.run(real["minox_master_data"], {})
        client.run(real["qms_invoices"], YEAR)
        for module in MODULES:  # the first idle run of a day looks back; what is forked for the first time is slower
            client.run(real[module], _idle(module))
            client.run(empty[module], {})
        for turn in range(1, repeat + 1):
            for module in MODULES:
                for kind, dag_id, conf in (("idle", real[module], _idle(module)), ("empty", empty[module], {})):
                    seconds, started = client.run(dag_id, conf)
                    row = {"dag": module, "kind": kind, "turn": turn, "seconds": seconds, "tasks": started}
                    measured.append(row)
                    tell(row)
    return measured


def _idle(module: str) -> dict[str, str]:
    """What an idle run is given: an interval in which nothing was processed."""
    return QUARTER if module == "qms_invoices" else {}


def _empty(module: str) -> str:
    return f"empty__{module}"


@contextmanager
def _airflow() -> Iterator[_Client]:
    """Everything that the demo starts, on ports of its own, over clean data and without a rate limit."""
    home = Path(tempfile.mkdtemp(prefix="minox-qms-bench-"))
    ports = _free_ports(3)
    places = Places(home, home / "links", "off", *ports)
    try:
        _write_link(places)
        _write_dags(places, home / "dags")
        yield _start(places, home / "dags")
    finally:
        processes.stop(places.processes, LAST)
        stop_server(places.postgres)
        shutil.rmtree(home, ignore_errors=True)


def _start(places: Places, dags: Path) -> _Client:
    base = environment.clean() | {"NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "sandbox", "up", "--dataset", DATASET, "--rate-limit", "off"]
    command += ["--minox-port", str(places.minox_port), "--qms-port", str(places.qms_port)]
    processes.start("sandbox", command, base, files=places.processes, logs=places.logs, directory=PROJECT)
    server = databases.start(places)
    variables = environment.connector(places, databases.new_connector_database(server))
    environment.write_passwords(places)
    whole = base | variables | environment.airflow(places, databases.airflow_url(server))
    whole["AIRFLOW__CORE__DAGS_FOLDER"] = str(dags)
    databases.new_airflow_database(server, whole)
    airflow.start(places, whole)
    Sandbox(places).wait()
    client = _Client(places.airflow)
    client.wait_until_healthy(places)
    if not client.knows({_empty(module) for module in MODULES}):
        raise DemoError("Airflow does not know the empty DAGs")
    client.add_connections(places)
    return client


def _write_link(places: Places) -> None:
    """The test's link under the demo's name, so that the demo's connections are its own."""
    places.links.mkdir(parents=True)
    content: dict[str, Any] = {name: dict(section) for name, section in SETTINGS.items()}
    for system in ("minox", "qms"):
        content[system]["conn_id"] = f"{system}_demo"
    (places.links / f"{LINK}.yaml").write_text(json.dumps(content), "utf-8")


def _write_dags(places: Places, folder: Path) -> None:
    """The connector's DAG files, and DAGs of the same shape with empty tasks."""
    shutil.copytree(PROJECT / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("empty_dags.py"), folder)
    link = load_link(places.links / f"{LINK}.yaml")
    shapes = {_empty(module): _shape(_build(module)(link)) for module in MODULES}
    (folder / "shapes.json").write_text(json.dumps(shapes), "utf-8")


def _shape(dag: Any) -> dict[str, Any]:
    """Tasks of a DAG: trigger rule, and what comes after each."""
    return {
        task.task_id: {"trigger_rule": str(task.trigger_rule.value), "downstream": sorted(task.downstream_task_ids)}
        for task in dag.tasks
    }


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
