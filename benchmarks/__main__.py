"""`python -m benchmarks`: measure everything and write docs/performance.md (`make bench`)."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import airflow_overhead, memory, pace, slope, workloads
from benchmarks.contenders import contenders
from benchmarks.figures import as_json, circumstances
from benchmarks.report import DOCS, NAME, write
from tests.world import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Measured
    from benchmarks.workloads import Cell

SECTIONS = ("functions", "airflow", "pace", "slope", "memory", "workloads")
Save = Callable[[Any], None]
LARGE = 5000
"""Invoices from which on a workload has turns of its own number."""

LINES = 10
LATE_SECONDS = 0.05
"""What an answer takes longer over a real network than over loopback."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the sections that are asked for, and write the page after each."""
    options = _options(arguments)
    if arguments is None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    command = _command(sys.argv[1:] if arguments is None else list(arguments))
    options.out.mkdir(parents=True, exist_ok=True)
    known = options.out / f"{NAME}.json"
    measured: Measured = json.loads(known.read_text("utf-8")) if known.exists() else {}
    measure: dict[str, Callable[[argparse.Namespace, Save], Any]] = {
        "functions": _functions,
        "airflow": lambda given, _: airflow_overhead.measure(given.repeat, _tell),
        "pace": _pace,
        "slope": _slope,
        "memory": _memory,
        "workloads": _workloads,
    }
    for section in options.only:
        where = circumstances(command)

        def save(figures: Any, section: str = section, where: Measured = where) -> None:
            measured[section] = {"circumstances": where, "figures": figures}
            write(measured, options.out)

        save(measure[section](options, save))
    print(f"Written: {options.out / NAME}.md")


def _command(words: list[str]) -> str:
    """How this was asked for."""
    given = [word for place, word in enumerate(words) if "--peers-python" not in words[max(0, place - 1) : place + 1]]
    return "make bench" if given == ["--repeat", "3"] else f'make bench BENCH="{" ".join(given)}"'


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers-python", help="an interpreter with dlt; without, that peer stays away")
    parser.add_argument("--only", type=lambda text: text.split(","), default=SECTIONS, help=", ".join(SECTIONS))
    parser.add_argument("--repeat", type=int, default=3, help="turns")
    parser.add_argument("--repeat-large", type=int, default=1, help=f"turns of workloads from {LARGE} invoices on")
    parser.add_argument("--customers", type=int, default=10_000, help="0: without master data")
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--invoices", type=_numbers, default=(1000, 10_000), help="sizes, with commas")
    parser.add_argument("--late", type=int, default=1000, help="customers, and invoices, over slower systems; 0: none")
    parser.add_argument("--sizes", type=_numbers, default=(1000, 10_000, 100_000), help="of what is to grow")
    parser.add_argument("--paced", type=int, default=100, help="invoices at Minox's limit")
    parser.add_argument("--out", type=Path, default=DOCS)
    return parser.parse_args(arguments)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _tell(row: Any) -> None:
    print(json.dumps(row), flush=True)


def _tell_cell(cell: Cell) -> None:
    took = cell.took
    print(
        f"{cell.workload}, {cell.run}, turn {cell.turn}: {cell.contender} {took.seconds:.2f} s, "
        f"CPU {took.cpu_seconds:.2f} s, {took.working_bytes / 1e6:.0f} MB over idle",
        flush=True,
    )


def _workloads(options: argparse.Namespace, save: Save) -> list[Measured]:
    who = contenders(options.peers_python)
    todo = [workloads.master_data(options.customers, options.items)] if options.customers else []
    todo += [workloads.invoices(number, LINES) for number in options.invoices]
    if options.late:
        slow = (workloads.master_data(options.late, options.late // 20), workloads.invoices(options.late, LINES))
        todo += [workloads.late(one, LATE_SECONDS) for one in slow]
    cells: list[Cell] = []
    with workloads.postgres() as server:
        for one in todo:
            large = one.direction == "invoices" and one.records >= LARGE
            turns = options.repeat_large if large else options.repeat
            cells += workloads.measure(server, one, who, turns, _tell_cell)
            save([as_json(cell) for cell in cells])  # what was measured stays when the next is broken off
    return [as_json(cell) for cell in cells]


def _functions(options: argparse.Namespace, _: Save) -> Measured:
    rates = _core("functions", min(10_000, max(options.sizes)))
    stream = [{"records": size} | _core("stream", size) for size in options.sizes]
    return {"rates": rates, "stream": stream}


def _core(what: str, number: int) -> Measured:
    """Measure the core in a process of its own, whose memory is its own."""
    command = [sys.executable, "-m", "benchmarks.core", what, str(number)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    told: Measured = json.loads(done.stdout.splitlines()[-1])
    _tell(told)
    return told


def _pace(options: argparse.Namespace, _: Save) -> list[Measured]:
    with workloads.postgres() as server:
        return _told(pace.measure(server, options.paced))


def _slope(options: argparse.Namespace, _: Save) -> list[Measured]:
    rows: list[Measured] = []
    with workloads.postgres() as server:
        for size in options.sizes:
            rows += _told(slope.measure(server, size))
    return rows


def _memory(options: argparse.Namespace, _: Save) -> list[Measured]:
    rows: list[Measured] = []
    with workloads.postgres() as server:
        for size in options.sizes:
            rows += _told(memory.measure(server, size))
    return rows


def _told(rows: Any) -> list[Measured]:
    found = []
    for row in rows:
        _tell(row)
        found.append(row)
    return found


if __name__ == "__main__":
    main()
