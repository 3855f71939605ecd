"""The demo's processes: started in sessions of their own, found again by their files, ended together."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demo.places import HOST, DemoError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE = 30.0
"""Seconds that processes get to end by themselves after SIGTERM."""

KILL_SECONDS = 5.0
"""Seconds that the kernel gets to clear away what was killed."""

_POLL = 0.1


@dataclass(frozen=True)
class Process:
    """A process that was started once; `started` tells it from a later one with the same number.

    Attributes:
        name: What it is, e.g. `scheduler`.
        pid: Its number, and that of its session.
        started: When the kernel started it, in ticks since boot.
    """

    name: str
    pid: int
    started: int

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return _started(self.pid) == self.started

    @property
    def has_session(self) -> bool:
        """Whether anything of its session still runs: itself, or a child that outlived it."""
        return bool(self.members())

    def members(self) -> list[int]:
        """Numbers of the processes of its session, in whatever process groups they are."""
        if _started(self.pid) not in {None, self.started}:
            return []  # somebody else's session by now: a number is free again when its session is gone
        stats = {int(name): _stat(int(name)) for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208 - no paths
        return [pid for pid, fields in stats.items() if fields is not None and int(fields[3]) == self.pid]


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat behind the name; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields


def _started(pid: int) -> int | None:
    fields = _stat(pid)
    return None if fields is None else int(fields[19])


def _boot() -> str:
    """What tells this run of the machine from others; ticks and numbers begin anew with each."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start(
    name: str, command: Sequence[str], environment: Mapping[str, str], *, files: Path, logs: Path, directory: Path
) -> Process:
    """Start a process in a session of its own, with its output in a log file.

    Args:
        name: What it is.
        command: What to run.
        environment: Its whole environment.
        files: Directory of the process files.
        logs: Directory of the logs.
        directory: Its working directory.

    Returns:
        The process.
    """
    files.mkdir(parents=True, exist_ok=True)
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = Process(name, child.pid, _started(child.pid) or 0)
    (files / f"{name}.json").write_text(json.dumps({"pid": child.pid, "started": process.started, "boot": _boot()}))
    return process


def known(files: Path) -> list[Process]:
    """Read which processes were started, whether or not they still run.

    Args:
        files: Directory of the process files.
    """
    found = []
    for path in sorted(files.glob("*.json")) if files.is_dir() else []:
        with contextlib.suppress(ValueError, KeyError):
            content = json.loads(path.read_text())
            if content["boot"] == _boot() and content["pid"] > 0:  # 0 would be all whose session is out of sight
                found.append(Process(path.stem, int(content["pid"]), int(content["started"])))
    return found


def stop(files: Path, last: Sequence[str] = (), patience: float = PATIENCE) -> list[str]:
    """End every process that was started, with its children, by SIGTERM; what has not ended after a while, by SIGKILL.

    Args:
        files: Directory of the process files; emptied.
        last: Names of those that the others talk to: they are ended when the others are gone.
        patience: Seconds to wait before SIGKILL, for each of the two groups.

    Returns:
        Names of those that had to be killed.
    """
    processes = known(files)
    killed = []
    for group in ([one for one in processes if one.name not in last], [one for one in processes if one.name in last]):
        _signal(group, signal.SIGTERM)
        _wait_for(group, patience)
        stubborn = [process for process in group if process.has_session]
        _signal(stubborn, signal.SIGKILL)
        _wait_for(stubborn, KILL_SECONDS)
        killed += [process.name for process in stubborn]
    for process in processes:
        (files / f"{process.name}.json").unlink(missing_ok=True)
    return killed


def _wait_for(processes: list[Process], seconds: float) -> None:
    """Wait until nothing of their sessions is left, or the time is over."""
    end = time.monotonic() + seconds
    while any(process.has_session for process in processes) and time.monotonic() < end:
        _reap(processes)
        time.sleep(_POLL)
    _reap(processes)


def _signal(processes: list[Process], number: signal.Signals) -> None:
    """Signal everything of their sessions."""
    for process in processes:
        for pid in process.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _reap(processes: list[Process]) -> None:
    """Take leave of those that are children of this very process, so that they do not linger as zombies."""
    for process in processes:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)


def check_ports(ports: Mapping[str, int]) -> None:
    """Make sure that nobody listens on the ports that are needed.

    Args:
        ports: By the name of the option that changes them.

    Raises:
        DemoError: One is taken; the message says how to choose another.
    """
    for option, port in ports.items():
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((HOST, port)) == 0:
                raise DemoError(
                    f"Port {port} is taken by another program. Choose another one: make demo {option}={port + 1000}"
                )
