"""Run the invoices' DAG of a world once in a process of its own: `python -m tests.e2e.run_once DIRECTORY START END`."""

from __future__ import annotations

import sys
from pathlib import Path

from airflow.sdk.bases.operator import ExecutorSafeguard

from include.storage.engine import engine
from tests.world import World


def main(directory: str, start: str, end: str) -> None:
    """Run; where systems, database and connections are, the environment says."""
    ExecutorSafeguard.test_mode = True
    world = object.__new__(World)
    world.directory, world.database = Path(directory), engine()
    world.run_invoices(interval=(start, end))


if __name__ == "__main__":
    main(*sys.argv[1:])
