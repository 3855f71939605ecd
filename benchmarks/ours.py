"""The connector's side: one run in a process of its own, `python -m benchmarks.ours master_data|invoices DIRECTORY`.

All tasks of the DAG run one after the other, by the DAG's own wiring, without Airflow's scheduler between them. Airflow
and Great Expectations are loaded beforehand and frozen, as in the processes that an executor forks its tasks from: they
are no garbage that is looked through during the work.
"""

from __future__ import annotations

import datetime as dt
import gc
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk.bases.operator import ExecutorSafeguard

from benchmarks import by_task
from benchmarks.meter import Meter
from include.storage.engine import engine
from minox_qms.operators.link import LinkOperator
from tests.world import World

if TYPE_CHECKING:
    from tests.world import Ran

PRELOADED = ("great_expectations.expectations", "minox_qms.wiring")
IDLE = "BENCH_IDLE"
"""Environment: this run takes the last quarter of an hour, in place of the year."""


def run(what: str, directory: Path) -> Ran:
    """Run one direction once; the first run of the invoices takes a year, the others the last quarter of an hour."""
    world = World.__new__(World)
    world.directory, world.database = directory, engine()
    if what == "master_data":
        return world.run_master_data()
    if IDLE not in os.environ:
        return world.run_invoices()
    now = dt.datetime.now(dt.UTC)
    return world.run_invoices(interval=((now - dt.timedelta(minutes=15)).isoformat(), now.isoformat()))


def main() -> None:
    """Do one run, and tell what it took."""
    what, directory = sys.argv[1], Path(sys.argv[2])
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    ExecutorSafeguard.test_mode = True
    if by_task.BY_TASK in os.environ:
        LinkOperator.execute = by_task.forked(LinkOperator.execute, directory)  # type: ignore[method-assign, assignment]
    with Meter() as meter:
        ran = run(what, directory)
    bad = {name: str(error) for name, error in ran.tasks.items() if isinstance(error, BaseException)}
    if bad:
        raise SystemExit(f"The run was not good: {bad}")
    meter.tell()


if __name__ == "__main__":
    main()
