"""What memory each task of a first run takes: every customer is created in QMS, and every task is a process of its own.

As in Airflow, a task is forked from a process that has the libraries loaded; what counts is how much more than that it
needs at its worst.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import contenders as who
from benchmarks.by_task import BY_TASK, FIGURES
from benchmarks.stand_ins import stand_in
from include.storage.embedded import ensure_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from benchmarks.figures import Measured

ITEMS = 500


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
