"""Run the whole matrix and print it: `python -m tests.faults [--size brief]`; ends with 1 when a cell fails."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.faults.running import run_half

HALVES = ("export", "import")


def main() -> int:
    """Run both halves side by side, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", default="", help="only cells whose name holds this")
    parser.add_argument(
        "--size",
        choices=["all", "brief", "sample"],
        default="all",
        help="every variant; every cell once; or the part that `make test` runs",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes, an even number")
    given = parser.parse_args()
    from include.storage.embedded import start_server, stop_server  # noqa: PLC0415 - after the arguments
    from tests.database import hurry  # noqa: PLC0415 - as above

    directory = Path(tempfile.mkdtemp(prefix="minox-qms-matrix-"))
    url = hurry(start_server(directory / "pg", keep=True))
    server = url.render_as_string(hide_password=False)
    try:
        shards = given.workers // 2
        with ProcessPoolExecutor(2 * shards, mp_context=get_context("spawn")) as pool:
            waiting = [
                pool.submit(run_half, half, server, given.only, given.size, (shard, shards))
                for half in HALVES
                for shard in range(shards)
            ]
            reports = [one.result() for one in waiting]
    finally:
        with contextlib.suppress(Exception):
            stop_server(directory / "pg")
        shutil.rmtree(directory, ignore_errors=True)
    return show(reports)


def show(reports: list[object]) -> int:
    """Print the matrix and its counts; returns the exit code."""
    from tests.faults.matrix import Report, notes, reasons, table  # noqa: PLC0415 - as above

    whole = Report()
    for one in reports:
        assert isinstance(one, Report)
        whole = whole.plus(one)
    print(table(whole))  # noqa: T201 - what the command is for
    print(f"\n{notes(whole)}\n")  # noqa: T201
    for name, wrong in whole.wrong.items():
        print(f"✗ {name}:\n  " + "\n  ".join(wrong))  # noqa: T201
    seconds = max(one.seconds for one in reports if isinstance(one, Report))
    print(  # noqa: T201
        f"{len(whole.runs)} cells, {sum(whole.runs.values())} runs with a fault, {len(reasons())} that cannot be, "
        f"{len(whole.wrong)} cells with a violation, {seconds:.0f} s"
    )
    return 1 if whole.wrong or not whole.runs else 0


if __name__ == "__main__":
    sys.exit(main())
