"""What memory each task of a first run takes: every customer is created in QMS, and every task is a process of its own.

As in Airflow, a task is forked from a process that has the libraries loaded; what counts is how much more than that it
needs at its worst.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import DownstreamTasksSkipped

from benchmarks import contenders as who
from benchmarks.meter import Meter
from benchmarks.stand_ins import stand_in
from include.storage.embedded import ensure_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

    from benchmarks.figures import Measured

ITEMS = 500
FIGURES = "memory.jsonl"
BY_TASK = "BENCH_MEMORY"
"""Environment: each task is to be a process of its own, and to say what it took."""


def measure(server: sa.URL, customers: int) -> Iterator[Measured]:
    """Bring so many customers over; yields a row for each of their tasks, and one for the largest of all tasks."""
    directory = Path(tempfile.mkdtemp(prefix="minox-qms-bench-"))
    dataset = f"generated:customers={customers},items={ITEMS},invoices=0,lines=1"
    try:
        with ExitStack() as stack:
            systems = {name: stack.enter_context(stand_in(name, dataset)) for name in ("minox", "qms")}
            variables = who.environment(directory, ensure_database(server, f"bench_memory_{customers}"), systems)
            contender = who.Contender(who.OURS, "benchmarks.ours")
            who.run(contender, "master_data", directory, {**variables, BY_TASK: "1"}, idle=False)
        told = [json.loads(line) for line in (directory / FIGURES).read_text("utf-8").splitlines()]
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    own = [one for one in told if one["task"].startswith("customers.")]
    largest = {**max(told, key=lambda one: int(one["working_bytes"])), "task": "largest of all"}
    yield from ({"records": customers, **one} for one in [*own, largest])


def forked(execute: Callable[[Any, Any], Any], directory: Path) -> Callable[[Any, Any], Any]:
    """Let a task work in a process of its own, which writes down what memory it took.

    Args:
        execute: The operators' own method.
        directory: Where that is written down.
    """

    def in_a_process(task: Any, context: Any) -> None:
        reading, writing = os.pipe()
        if (pid := os.fork()) == 0:
            _work(lambda: execute(task, context), task.task_id, directory, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            content = answer.read()
        os.waitpid(pid, 0)
        result = json.loads(content or b'{"failed": "the process died"}')
        if "failed" in result:
            raise RuntimeError(f"{task.task_id}: {result['failed']}")
        if result["skipped"]:
            raise DownstreamTasksSkipped(tasks=result["skipped"])  # type: ignore[no-untyped-call]  # Airflow's

    return in_a_process


def _work(execute: Callable[[], Any], task_id: str, directory: Path, writing: int) -> None:
    """Work, in the child; it ends here."""
    result: dict[str, Any] = {"skipped": []}
    try:
        with Meter() as meter:
            try:
                execute()
            except DownstreamTasksSkipped as more:
                result["skipped"] = list(more.tasks)
        row = {"task": task_id, "working_bytes": max(0, meter.peak_bytes - meter.idle_bytes), "seconds": meter.seconds}
        with (directory / FIGURES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent is told
        result = {"failed": repr(error)}
    finally:
        os.write(writing, json.dumps(result).encode())
        os._exit(0)
