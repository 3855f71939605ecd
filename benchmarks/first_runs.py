"""First runs of links, one after the other: `python -m benchmarks.first_runs DIRECTORY NAME ...`.

What a link needs before a quarter of an hour in which nothing changed can be measured; `tests/world.py` runs the DAGs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from airflow.sdk.bases.operator import ExecutorSafeguard

from benchmarks.installation import QUARTER
from include.storage.engine import engine
from tests.world import World


def main(directory: Path, names: list[str]) -> None:
    """Run both directions of each.

    Raises:
        SystemExit: A run was not good.
    """
    ExecutorSafeguard.test_mode = True
    world = World.__new__(World)
    world.directory, world.database = directory, engine()
    interval = (QUARTER["interval_start"], QUARTER["interval_end"])
    for name in names:
        for ran in (world.run_master_data(name), world.run_invoices(name, interval=interval)):
            if not ran.is_good:
                raise SystemExit(f"The first run of {name} was not good: {ran.tasks}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
