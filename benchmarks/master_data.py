"""How long master data takes, and how many requests: `python -m benchmarks.master_data [--customers N] [--items N]`.

The stand-ins run as processes of their own, without a rate limit and with pages of 1,000. Each run of the connector is
a process of its own too, so that its peak memory is its own: all tasks of the DAG one after the other, without
Airflow's scheduler between them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from airflow.sdk.bases.operator import ExecutorSafeguard

from include.storage.embedded import ensure_database, start_server, stop_server
from include.storage.engine import engine
from tests.world import SETTINGS, System, World

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_SIZE = 1000
CLIENTS = {"minox": "qics-connector", "qms": "qms-connector"}


def main() -> None:
    """Run the benchmark, or (with `--in`) one run of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.master_data")
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--in", dest="directory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.directory is None:
        measure(options.customers, options.items)
    else:
        print(json.dumps(run_once(Path(options.directory))))


def measure(customers: int, items: int) -> None:
    """Run a first time, over unchanged data, and with every hundredth customer changed; print a table."""
    directory = Path(tempfile.mkdtemp(prefix="minox-qms-benchmark-"))
    dataset = f"generated:customers={customers},items={items}"
    try:
        url = ensure_database(start_server(directory / "pg", keep=True), "benchmark")
        with stand_in("minox", dataset) as minox, stand_in("qms", dataset) as qms:
            environment = _environment(directory, url.render_as_string(hide_password=False), minox, qms)
            print(f"{customers} customers, {items} items; pages of {PAGE_SIZE}, no rate limit")
            print(f"{'run':12}{'Minox':>8}{'QMS reads':>11}{'QMS writes':>12}{'seconds':>9}{'peak MB':>9}")
            for name in ("first", "second", "1 % changed"):
                if name == "1 % changed":
                    rows = minox.state["tenants"][0]["data"]["1"]["customer"][::100]
                    minox.edit({"entity": "customer", "update": [{"id": one["id"], "blocked": True} for one in rows]})
                for system in (minox, qms):
                    system.forget_requests()
                told = _child(directory, environment)
                writes = len(qms.writes())
                print(
                    f"{name:12}{len(minox.requests()):8}{len(qms.requests()) - writes:11}{writes:12}"
                    f"{told['seconds']:9.1f}{told['megabytes']:9.0f}   {told['counts']}"
                )
    finally:
        stop_server(directory / "pg")
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def stand_in(name: str, dataset: str) -> Iterator[System]:
    """Run a stand-in on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sandbox", name, "--port", str(port), "--until-stdin-closes"]
    command += ["--dataset", dataset, "--page-size", str(PAGE_SIZE), "--rate-limit", "off"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as one:
        system = System(name, f"http://127.0.0.1:{port}")
        _await(system)
        try:
            yield system
        finally:
            one.terminate()


def _await(system: System) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            system.control("GET", "health")
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _environment(directory: Path, database: str, minox: System, qms: System) -> dict[str, str]:
    entities = dict.fromkeys(("vat_codes", "cost_centers", "payment_terms", "items"), True)
    content = SETTINGS | {"master_data": {"entities": entities}}
    (directory / "test.yaml").write_text(json.dumps(content), encoding="utf-8")
    environment = dict(os.environ) | {
        "MINOX_QMS_LINKS_DIR": str(directory),
        "MINOX_QMS_HOME": str(directory),
        "MINOX_QMS_DATABASE_URL": database,
    }
    for system in (minox, qms):
        connection = {
            "conn_type": system.name,
            "host": system.url,
            "login": CLIENTS[system.name],
            "password": "geheim",
            "extra": {"refresh_token": f"sandbox-{system.name}-refresh"},
        }
        environment[f"AIRFLOW_CONN_{system.name.upper()}_TEST"] = json.dumps(connection)
    return environment


def _child(directory: Path, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.master_data", "--in", str(directory)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def run_once(directory: Path) -> dict[str, Any]:
    """Run the master data once; Great Expectations is loaded beforehand, as in the scheduler."""
    importlib.import_module("great_expectations.expectations")
    ExecutorSafeguard.test_mode = True
    world = World.__new__(World)
    world.directory, world.database = directory, engine()
    begun = time.monotonic()
    ran = world.run_master_data()
    seconds = time.monotonic() - begun
    bad = {name: str(error) for name, error in ran.tasks.items() if error is not None}
    if bad:
        raise SystemExit(f"The run was not good: {bad}")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "megabytes": megabytes, "counts": ran.counts}


if __name__ == "__main__":
    main()
