"""What an idle run takes beside a run of empty tasks of the same shape, in a real Airflow with the demo's settings."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.installation import QUARTER, installed, write_links
from demo import airflow
from demo.places import LINK, PROJECT, DemoError
from include.settings.load import load_link
from tests.world import _build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.figures import Measured

MODULES = ("minox_master_data", "qms_invoices")
YEAR = {"from_date": "2026-01-01", "to_date": "2026-12-31"}


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
    """The demo's Airflow with one link, the connector's DAG files, and DAGs of the same shape with empty tasks."""
    with tempfile.TemporaryDirectory() as directory:
        folder = write_dags(Path(directory))
        with installed([LINK], AIRFLOW__CORE__DAGS_FOLDER=str(folder)) as here:
            client = _Client(here.places.airflow)
            client.wait_until_healthy(here.places)
            if not client.knows({_empty(module) for module in MODULES}):
                raise DemoError("Airflow does not know the empty DAGs")
            client.add_connections(here.places)
            yield client


def write_dags(directory: Path) -> Path:
    """Write the connector's DAG files and those of the empty DAGs into a directory; returns the DAGs' folder."""
    folder = directory / "dags"
    shutil.copytree(PROJECT / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("empty_dags.py"), folder)
    write_links(directory, [LINK])
    link = load_link(directory / f"{LINK}.yaml")
    shapes = {_empty(module): _shape(_build(module)(link)) for module in MODULES}
    (folder / "shapes.json").write_text(json.dumps(shapes), "utf-8")
    return folder


def _shape(dag: Any) -> dict[str, Any]:
    """Tasks of a DAG: trigger rule, and what comes after each."""
    return {
        task.task_id: {"trigger_rule": str(task.trigger_rule.value), "downstream": sorted(task.downstream_task_ids)}
        for task in dag.tasks
    }
