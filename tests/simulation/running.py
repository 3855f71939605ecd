"""Many schedules, one after the other or in several processes, and the figures of them all."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.storage.embedded import stop_server
from tests.simulation.broken import BROKEN, SETTINGS, SHARES
from tests.simulation.connector import Connector
from tests.simulation.database import Database, make_database, start
from tests.simulation.master import MasterSchedule
from tests.simulation.schedule import Result, Schedule
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


MASTER = 5
"""Every so many schedules one is of master data."""

LIMIT = 600
"""Seconds that a process may take for its part; a schedule that hangs is a fault of the simulation."""

PART = 25
"""Schedules that a process takes at a time."""


@dataclass
class Figures:
    """What a number of schedules added up to."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[int, list[str]]] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Add a schedule."""
        self.counts += result.counts
        self.faults += result.faults
        self.deeds += result.deeds
        self.kills += result.kills
        if result.violations:
            self.failed.append((result.seed, result.violations))

    def join(self, other: Figures) -> None:
        """Add the figures of other schedules."""
        self.counts += other.counts
        self.faults += other.faults
        self.deeds += other.deeds
        self.kills += other.kills
        self.failed += other.failed


class Simulator:
    """Runs schedules in this process, over one database.

    Args:
        engine: Of a database of its own.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.settings: dict[str, Any] = {}
        self.shares = (Schedule.kill_share, Schedule.stop_share)
        self.world = World()
        self.database = Database(engine, self.world)
        self.connector = Connector(self.world, self.database)
        self._ran = 0
        gc.disable()
        self._tidy()

    def run(self, seed: int) -> Result:
        """Run one schedule."""
        self._ran += 1
        if self._ran % PART == 0:
            self._tidy()
        kind = MasterSchedule if seed % MASTER == 0 else Schedule
        schedule = kind(self.world, self.connector, seed, self.settings)
        schedule.kill_share, schedule.stop_share = self.shares
        return schedule.run()

    @staticmethod
    def _tidy() -> None:
        """Collect what is left behind; Airflow's large heap is not to be searched again and again."""
        gc.collect()
        gc.freeze()

    def run_many(self, seeds: Iterable[int]) -> Figures:
        """Run schedules."""
        figures = Figures()
        for seed in seeds:
            figures.add(self.run(seed))
        return figures


@contextmanager
def a_server() -> Iterator[sa.URL]:
    """An embedded server that is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="minox-qms-simulation-"))
    try:
        yield start(directory)
    finally:
        stop_server(directory / "pg")
        shutil.rmtree(directory, ignore_errors=True)


class Pool:
    """Several processes that run schedules, each with a database of its own on one server.

    Args:
        server: The server.
        workers: Number of processes.
    """

    def __init__(self, server: sa.URL, workers: int) -> None:
        os.environ["PYTHONHASHSEED"] = "0"  # of the processes; the order of sets of texts is part of a schedule
        url = server.render_as_string(hide_password=False)
        self.workers = workers
        self.processes = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin_worker, initargs=(url,))

    def run(self, seeds: range, broken: str | None = None, *, until_failed: bool = False, part: int = PART) -> Figures:
        """Run schedules.

        Args:
            seeds: Of the schedules.
            broken: Break the connector in this way.
            until_failed: Stop when a violation has been found.
            part: Schedules that a process takes at a time.
        """
        figures = Figures()
        waiting = [seeds[start : start + part] for start in range(0, len(seeds), part)]
        running: set[Future[Figures]] = set()
        while running or waiting:
            while waiting and len(running) <= self.workers:
                running.add(self.processes.submit(_run_part, waiting.pop(0), broken))
            done, running = wait(running, LIMIT, FIRST_COMPLETED)
            if not done:
                for process in list(self.processes._processes.values()):
                    process.kill()
                raise TimeoutError(f"a part of seeds {seeds} did not end within {LIMIT} seconds")
            for one in done:
                figures.join(one.result())
            if figures.failed and until_failed:
                waiting = []
        return figures

    def trace(self, seed: int, broken: str | None = None) -> tuple[str, list[str]]:
        """Run one schedule; returns its history as text, and what was not as promised."""
        return self.processes.submit(_trace, seed, broken).result()


@contextmanager
def a_pool(workers: int = 2) -> Iterator[Pool]:
    """Processes and a server for a while."""
    with a_server() as server:
        pool = Pool(server, workers)
        try:
            yield pool
        finally:
            pool.processes.shutdown(cancel_futures=True)


_worker: list[Simulator] = []


def _begin_worker(server: str) -> None:
    """Make this process's simulator, on a database of its own."""
    _worker.append(simulator_on(sa.make_url(server), f"simulation_{os.getpid()}"))


@contextmanager
def _broken(simulator: Simulator, name: str | None) -> Iterator[None]:
    """Break the connector in this way for a while; None leaves it whole."""
    whole = simulator.shares
    simulator.settings, simulator.shares = SETTINGS.get(name or "", {}), SHARES.get(name or "", whole)
    with BROKEN[name]() if name else nullcontext():
        yield
    simulator.settings, simulator.shares = {}, whole


def _run_part(seeds: range, broken: str | None) -> Figures:
    with _broken(_worker[0], broken):
        return _worker[0].run_many(seeds)


def _trace(seed: int, broken: str | None) -> tuple[str, list[str]]:
    with _broken(_worker[0], broken):
        result = _worker[0].run(seed)
    return result.trace, result.violations


def simulator_on(server: sa.URL, name: str) -> Simulator:
    """A simulator on a new database of a server."""
    return Simulator(make_database(server, name))
