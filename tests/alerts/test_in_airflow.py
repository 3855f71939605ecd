"""Metrics, lineage, assets and pools, as a real Airflow sees them: one run of each direction over the stand-ins."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.dags.conftest import PROJECT
from tests.e2e.booking_world import BookingWorld, invoice
from tests.e2e.master import ALL_OFF, change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

WHOLE_YEAR = {"from_date": "2026-01-01", "to_date": "2026-12-31"}


@dataclass
class Collector:
    """Takes StatsD's datagrams."""

    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while (datagram := self._socket.recv(65_536)) != b"end":
            self.lines += datagram.decode().splitlines()

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"end", ("127.0.0.1", self.port))
        self._thread.join(timeout=60)
        self._socket.close()


@dataclass
class Ended:
    """What a run left behind."""

    state: str
    tasks: dict[str, str]
    events: list[list[Any]]
    metrics: list[str]
    lineage: list[dict[str, Any]]
    queued: dict[str, list[str]]

    def value(self, name: str) -> str:
        """Value and kind of the one metric of this name."""
        (found,) = [line.partition(":")[2] for line in self.metrics if line.startswith(f"airflow.minox_qms.{name}:")]
        return found

    def completed(self, task_id: str) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
        """Namespace and name of what the task has read and written, as its last event says."""
        (event,) = [
            one
            for one in self.lineage
            if one["eventType"] == "COMPLETE" and one["job"]["name"].partition(".")[2] == task_id
        ]
        inputs, outputs = ({(one["namespace"], one["name"]) for one in event[side]} for side in ("inputs", "outputs"))
        return inputs, outputs


def run_dag_apart(
    dag_id: str, conf: dict[str, Any], home: Path, collector: Collector, *, lineage: Path, answer: Path
) -> subprocess.CompletedProcess[str]:
    """Run a DAG once in a process of its own, with an Airflow whose home is given and whose metrics are collected."""
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_PORT": str(collector.port),
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "file", "log_file_path": str(lineage), "append": True}),
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "plugins")]),
    }
    return subprocess.run(
        [sys.executable, "-m", "tests.alerts.in_airflow", dag_id, json.dumps(conf), str(answer)],
        env=environment, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, database: sa.Engine) -> Iterator[BookingWorld]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = BookingWorld(tmp_path_factory.mktemp("world"), database, monkeypatch)
        made.configure(master_data={"entities": ALL_OFF})
        change(made, "customer", 10001, payment_term=None)
        yield made
        made.stop()


@pytest.fixture(scope="module")
def run(world: BookingWorld, airflow_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs a DAG in a process of its own."""
    home = tmp_path_factory.mktemp("airflow")
    shutil.copyfile(airflow_database, home / "airflow.db")

    def once(dag_id: str, **conf: Any) -> Ended:
        collector, log, answer = Collector(), home / f"{dag_id}.events", home / f"{dag_id}.json"
        done = run_dag_apart(dag_id, conf, home, collector, lineage=log, answer=answer)
        collector.stop()
        assert done.returncode == 0, done.stderr[-3000:]
        left = json.loads(answer.read_text())
        lineage = [json.loads(line) for line in log.read_text().splitlines()]
        return Ended(left["state"], left["tasks"], left["events"], collector.lines, lineage, left["queued"])

    return once


@pytest.fixture(scope="module")
def master_data(run: Any) -> Ended:
    ended: Ended = run("minox_master_data__test")
    assert ended.state == "success"
    return ended


def test_a_scheduler_leaves_the_run_to_the_process_that_began_it(master_data: Ended) -> None:
    assert master_data.queued["without_slots"] == []
    assert len(master_data.queued["with_a_slot"]) == 1


def test_metrics_carry_outcomes_durations_and_requests(master_data: Ended) -> None:
    assert master_data.value("outcomes.test.minox_to_qms.customers.created") == "1|c"
    assert master_data.value("outcomes.test.minox_to_qms.customers.rejected") == "9|c"
    assert master_data.value("task.test.minox_to_qms.load.customers.good").endswith("|ms")
    assert master_data.value("task.test.minox_to_qms.close_run.all.good").endswith("|ms")
    requests = [line for line in master_data.metrics if line.startswith("airflow.minox_qms.requests.test.")]
    assert {line.split(".")[4].split(":")[0] for line in requests} == {"minox", "qms"}


def test_lineage_names_the_collection_the_table_and_the_entity(master_data: Ended, world: BookingWorld) -> None:
    minox, qms = (url.replace("http", name) for name, url in (("minox", world.minox.url), ("qms", world.qms.url)))
    inputs, (table, *others) = (list(one) for one in master_data.completed("customers.stage"))
    assert inputs == [(minox, "123456/1/customer")]
    assert others == []
    assert table[0].startswith("postgres://")
    assert table[1] == f"{world.database.url.database}.public.staging_customers"
    assert master_data.completed("customers.load") == ({table}, {(qms, "3/CustomerCompany")})


def test_assets_tell_of_customers_and_invoices(master_data: Ended, run: Any, world: BookingWorld) -> None:
    customers = ["minox-qms://test/customers", {"created": 1, "rejected": 9}, "customers.load"]
    assert master_data.events == [customers]
    world.add(invoice(1), invoice(2))
    booked = run("qms_invoices__test", **WHOLE_YEAR)
    invoices = ["minox-qms://test/invoices/booked", {"booked": 2}, "book"]
    assert (booked.state, booked.events) == ("success", [customers, invoices])
    assert booked.value("outcomes.test.qms_to_minox.invoices.booked") == "2|c"
    minox = world.minox.url.replace("http", "minox")
    inputs, outputs = booked.completed("book")
    assert outputs == {(minox, "123456/1/transaction_line_batch")}
    assert {name.rpartition(".")[2] for _, name in inputs} == {
        "staging_invoices", "staging_invoice_totals", "staging_invoice_lines",
    }  # fmt: skip
    again = run("qms_invoices__test", **WHOLE_YEAR)
    assert (again.state, again.tasks["book"]) == ("success", "success")
    assert again.events == booked.events  # it has met what was booked before, and booked nothing


def test_a_run_over_unchanged_data_skips_what_has_nothing_to_do(
    master_data: Ended, run: Any, world: BookingWorld
) -> None:
    assert set(master_data.tasks.values()) == {"success"}
    for number in range(10002, 10011):  # a code that QMS does not have is looked for in every run
        change(world, "customer", number, payment_term=None)
    loaded = world.run_master_data()
    assert (loaded.is_good, loaded.skipped) == (True, frozenset())
    again = run("minox_master_data__test")
    assert again.state == "success"
    assert again.tasks == {
        "open_run": "success",
        "customers.stage": "success",
        "customers.check": "skipped",
        "customers.load": "skipped",
        "close_run": "success",
    }
