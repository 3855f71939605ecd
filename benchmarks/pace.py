"""How many invoices a minute are booked at Minox's limit of five requests a second, also when Minox is slow."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import contenders as who
from benchmarks.stand_ins import stand_in
from include.storage.embedded import ensure_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from benchmarks.figures import Measured

PER_SECOND = 5
STORED = 200
SLOW_SECONDS = (0.0, 0.3)
"""What Minox takes for a PUT beside its usual time."""


def measure(server: sa.URL, invoices: int) -> Iterator[Measured]:
    """Book so many invoices; yields a row for each pace of Minox."""
    dataset = f"generated:customers=100,items=10,invoices={invoices},lines=10"
    contender = who.Contender(who.OURS, "benchmarks.ours")
    for slow in SLOW_SECONDS:
        directory = Path(tempfile.mkdtemp(prefix="minox-qms-bench-"))
        try:
            with ExitStack() as stack:
                systems = {name: stack.enter_context(stand_in(name, dataset)) for name in ("minox", "qms")}
                name = f"bench_pace_{int(slow * 10)}"
                variables = who.environment(directory, ensure_database(server, name), systems)
                who.configure(directory, PER_SECOND)
                systems["minox"].control("POST", "modes", {"rate_limit": f"{PER_SECOND}/1"})
                if slow:
                    fault = {"method": "PUT", "path": "transaction_line_batch", "action": "delay", "times": None}
                    systems["minox"].spoil(**fault, seconds=slow)
                who.run(contender, "invoices", directory, variables, idle=False)
                times = [one["time"] for one in systems["minox"].requests("PUT") if one["status"] == STORED]
            if len(times) != invoices:
                raise who.RunFailedError(f"{len(times)} entries were stored, not {invoices}")
            minutes = (max(times) - min(times)) / 60
            yield {"slow": slow, "invoices": invoices, "per_minute": (invoices - 1) / minutes if minutes else 0.0}
        finally:
            shutil.rmtree(directory, ignore_errors=True)
