"""Figures worked out of what was measured, and the JSON that keeps all of it."""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.world import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.workloads import Cell

Measured = dict[str, Any]


def circumstances(command: str) -> Measured:
    """Where and when it is measured.

    Args:
        command: What was run.
    """
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False)
    return {
        "command": command,
        "commit": commit.stdout.strip() or "unknown",
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="minutes"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gigabytes():.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_gigabytes() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def as_json(cell: Cell) -> Measured:
    """A measured run as plain values."""
    return asdict(cell)


def median(cells: Sequence[Measured], value: Callable[[Measured], float]) -> float:
    """The median of a value over the turns."""
    return statistics.median(value(one) for one in cells)


def of(measured: Sequence[Measured], **wanted: str) -> list[Measured]:
    """Those of the measured runs that are of this workload, run, contender."""
    return [one for one in measured if all(one[name] == value for name, value in wanted.items())]


def bytes_of(cell: Measured) -> int:
    """Bytes of bodies, both ways, to and from both systems."""
    return sum(cell[name]["received"] + cell[name]["sent"] for name in ("minox", "qms"))


def working_bytes(cell: Measured) -> int:
    """Most memory of a run over that of its idle process."""
    peak: int = cell["took"]["peak_bytes"]
    idle: int = cell["took"]["idle_bytes"]
    return max(0, peak - idle)
