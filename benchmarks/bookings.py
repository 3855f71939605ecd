"""How long bookings take, and how many requests: `python -m benchmarks.bookings [--invoices N] [--paced N]`.

First many invoices of ten lines without a rate limit, then fewer at five requests per second; also with a Minox that
takes 0.3 seconds for a PUT. The stand-ins run as processes of their own, and so does each run of the connector: all
tasks of the DAG one after the other, without Airflow's scheduler between them.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.operator import ExecutorSafeguard

from benchmarks.master_data import _environment, stand_in
from include.storage.embedded import ensure_database, start_server, stop_server
from include.storage.engine import engine
from tests.world import SETTINGS, World

if TYPE_CHECKING:
    from tests.world import System

LINES = 10
SLOW = {"method": "PUT", "path": "transaction_line_batch", "action": "delay", "seconds": 0.3, "times": None}


def main() -> None:
    """Run the benchmark, or (with `--in`) one run of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bookings")
    parser.add_argument("--invoices", type=int, default=1000, help="without a rate limit")
    parser.add_argument("--paced", type=int, default=100, help="at five requests per second, and with a slow Minox")
    parser.add_argument("--in", dest="directory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.directory is not None:
        print(json.dumps(run_once(Path(options.directory))))
        return
    print(f"invoices of {LINES} lines")
    print(f"{'run':26}{'invoices':>9}{'per minute':>11}{'Minox':>7}{'QMS':>6}{'each':>7}{'seconds':>9}{'peak MB':>9}")
    measure("no limit", options.invoices, "off", slow=False)
    measure("no limit, slow Minox", options.paced, "off", slow=True)
    measure("5 a second", options.paced, "5/1", slow=False)
    measure("5 a second, slow Minox", options.paced, "5/1", slow=True)


def measure(name: str, invoices: int, rate_limit: str, *, slow: bool) -> None:
    """Book so many invoices, and run once more; print a row for each."""
    directory = Path(tempfile.mkdtemp(prefix="minox-qms-benchmark-"))
    dataset = f"generated:customers=100,items=10,invoices={invoices},lines={LINES}"
    try:
        url = ensure_database(start_server(directory / "pg", keep=True), "benchmark")
        with stand_in("minox", dataset) as minox, stand_in("qms", dataset) as qms:
            environment = _environment(directory, url.render_as_string(hide_password=False), minox, qms)
            _configure(directory, 1000 if rate_limit == "off" else 5)
            minox.control("POST", "modes", {"rate_limit": rate_limit})
            if slow:
                minox.spoil(**SLOW)
            for which in (name, "  again"):
                _print_row(which, invoices, _child(directory, environment), minox, qms)
    finally:
        stop_server(directory / "pg")
        shutil.rmtree(directory, ignore_errors=True)


def _configure(directory: Path, requests_per_second: int) -> None:
    """Write the link's file; a long run is not cut short."""
    minox = SETTINGS["minox"] | {"requests_per_second": requests_per_second}
    bookings = SETTINGS["bookings"] | {"max_run_minutes": 600}
    (directory / "test.yaml").write_text(json.dumps(SETTINGS | {"minox": minox, "bookings": bookings}), "utf-8")


def _print_row(name: str, invoices: int, told: dict[str, Any], minox: System, qms: System) -> None:
    """Print what a run took, and forget its requests."""
    ours, theirs = len(minox.requests()), len(qms.requests())
    print(
        f"{name:26}{invoices:9}{invoices / told['seconds'] * 60:11.0f}{ours:7}{theirs:6}{ours / invoices:7.2f}"
        f"{told['seconds']:9.1f}{told['megabytes']:9.0f}   {told['counts']}  booking: {told['book']:.1f} s",
        flush=True,
    )
    for system in (minox, qms):
        system.forget_requests()


def _child(directory: Path, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.bookings", "--in", str(directory)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def run_once(directory: Path) -> dict[str, Any]:
    """Book a year once; Great Expectations is loaded beforehand, as in the scheduler."""
    import great_expectations.expectations  # noqa: F401, PLC0415 - takes seconds

    ExecutorSafeguard.test_mode = True
    world = World.__new__(World)
    world.directory, world.database = directory, engine()
    begun = time.monotonic()
    ran = world.run_invoices()
    seconds = time.monotonic() - begun
    bad = {name: str(error) for name, error in ran.tasks.items() if error is not None}
    if bad:
        raise SystemExit(f"The run was not good: {bad}")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    booking = world.scalar(
        "SELECT extract(epoch FROM max(answered_at) - min(started_at)) FROM booking_attempt WHERE run = "
        "(SELECT max(id) FROM sync_run)"
    )
    return {"seconds": seconds, "megabytes": megabytes, "counts": ran.counts, "book": float(booking or 0)}


if __name__ == "__main__":
    main()
