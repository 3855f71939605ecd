"""`python -m tests.simulation`: run seeded schedules of faults, and print what came of it.

python -m tests.simulation --schedules 10000 --workers 2
python -m tests.simulation --seed 4711 --trace
python -m tests.simulation --break "no look-up" --schedules 300
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.running import Figures

BLOCK = 1000
"""Schedules after which it says how far it has come."""

ENVIRONMENT = {**os.environ, "PYTHONHASHSEED": "0"}


def main() -> int:
    """Run; returns 1 when something was not as promised."""
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets of texts is part of a schedule
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]], ENVIRONMENT)  # noqa: S606 - itself
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then, too
    home = tempfile.mkdtemp(prefix="minox-qms-airflow-")
    os.environ["AIRFLOW_HOME"] = home
    try:
        return _run(options)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule; the others follow it")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--trace", action="store_true", help="run the one schedule of the seed, and print its history")
    parser.add_argument("--break", dest="broken", help="break the connector in this way")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> int:
    from tests.simulation.running import Figures, a_pool  # noqa: PLC0415 - Airflow needs its home first

    if options.trace:
        with a_pool(1) as pool:
            trace, violations = pool.trace(options.seed, options.broken)
        sys.stdout.write(f"{trace}\n")
        for one in violations:
            sys.stdout.write(f"VIOLATION {one}\n")
        return int(bool(violations))
    seeds = range(options.seed, options.seed + options.schedules)
    with a_pool(options.workers) as pool:
        began = time.monotonic()
        figures = Figures()
        for start in range(0, len(seeds), BLOCK):
            figures.join(pool.run(seeds[start : start + BLOCK], options.broken))
            done = min(start + BLOCK, len(seeds))
            sys.stderr.write(f"{done} of {len(seeds)} schedules, {len(figures.failed)} with violations\n")
    _print(figures, options, time.monotonic() - began)
    return int(bool(figures.failed))


def _print(figures: Figures, options: argparse.Namespace, seconds: float) -> None:
    """Write what the schedules added up to."""

    def line(name: str, value: object) -> None:
        sys.stdout.write(f"{name:<42}{value:>12}\n")

    for name, number in figures.counts.most_common():
        line(name, number)
    for title, counter in (("kills", figures.kills), ("faults", figures.faults), ("what people did", figures.deeds)):
        line(title, counter.total())
        for name, number in counter.most_common():
            line(f"  {name}", number)
    line("violations", sum(len(found) for _, found in figures.failed))
    line("seconds", round(seconds))
    for seed, found in sorted(figures.failed)[:20]:
        sys.stdout.write(f"seed {seed}: {found[0]}\n  replay: python -m tests.simulation --seed {seed} --trace\n")
    last = options.seed + options.schedules - 1
    again = f"make simulate SCHEDULES={options.schedules} SEED={options.seed}"
    sys.stdout.write(f"seeds {options.seed} to {last}; {again}\n")


if __name__ == "__main__":
    sys.exit(main())
