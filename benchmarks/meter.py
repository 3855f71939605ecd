"""What a process measures about its own work; it imports nothing, so that the peers can use it as it is."""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_RESET_PEAK = "5"
"""What the kernel wants to read in /proc/self/clear_refs to begin its peak of resident memory anew (proc(5))."""


class Meter:
    """Seconds, processor seconds and peak memory of what happens inside `with`.

    The memory that is in use at its beginning is what an idle process of the kind needs: interpreter and libraries.
    """

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):  # without it the peak is that of the whole process, which is never less
            Path("/proc/self/clear_refs").write_text(_RESET_PEAK, "ascii")
        self.idle_bytes = memory("VmRSS")
        self._cpu = processor_seconds()
        self._begun = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.seconds = time.perf_counter() - self._begun
        self.cpu_seconds = processor_seconds() - self._cpu
        self.peak_bytes = memory("VmHWM")

    def tell(self) -> None:
        """Print the figures as one line of JSON, for whoever started the process."""
        figures = {
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_bytes": self.peak_bytes,
            "idle_bytes": self.idle_bytes,
        }
        sys.stdout.write(json.dumps(figures) + "\n")


def processor_seconds() -> float:
    """Seconds of user and system time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def memory(name: str) -> int:
    """Resident memory of this process in bytes: `VmRSS` is what is in use now, `VmHWM` its peak."""
    lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024
