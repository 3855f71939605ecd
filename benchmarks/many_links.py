"""`python -m benchmarks.many_links`: what many links cost one installation; the figures behind docs/scaling.md.

Measured are the reading of the DAG files (as the DAG processor does, for all links, and as a task does, for its own
one), and a quarter of an hour in which nothing changed, for all links at once, in a real Airflow with the demo's
settings over one pair of stand-ins. All links share one administration and one grant: it is the connector, Airflow and
PostgreSQL that are measured, not the two systems.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil  # type: ignore[import-untyped] # its types are a package of their own
import sqlalchemy as sa

from benchmarks.figures import circumstances
from benchmarks.installation import installed, write_links
from demo import airflow, databases, environment, processes
from demo.places import LINK, PROJECT, DemoError, Places
from include.storage.retention import BOUNDED, KEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.installation import Installation

MODULES = ("minox_master_data", "qms_invoices")
START_SECONDS = 1200
PATIENCE = {
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "600",
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
}
OURS = "(dag_id LIKE 'minox_master_data__%' OR dag_id LIKE 'qms_invoices__%')"
"""The watcher runs beside them."""

STATES = f"SELECT coalesce(state, 'none'), count(*) FROM task_instance WHERE {OURS} GROUP BY 1"  # noqa: S608
BAD = f"SELECT count(*) FROM dag_run WHERE state <> 'success' AND {OURS}"  # noqa: S608
OVER = f"SELECT count(*) FROM dag_run WHERE state IN ('success', 'failed') AND {OURS}"  # noqa: S608
TASK_SECONDS = f"SELECT sum(duration) FROM task_instance WHERE {OURS}"  # noqa: S608
MEGABYTE = 2**20

PROBE = """
import json, resource, sys, time
import airflow.sdk, psycopg
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager
DagBag(sys.argv[2], collect_dags=False)
before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
with _airflow_parsing_context_manager(dag_id=sys.argv[3] or None):
    bag = DagBag(sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert not bag.import_errors, bag.import_errors
print(json.dumps({"dags": len(bag.dags), "cpu_seconds": round(time.process_time() - begin, 3),
                  "megabytes": round((after - before) / 1024, 1)}))
"""


@dataclass
class Watch:
    """What is seen while the runs go: connections, memory and CPU time at their highest.

    Attributes:
        places: Of the Airflow that is watched.
        engine: Of the server's maintenance database.
        connections: Most connections at once, by database.
        megabytes: Most memory at once (PSS), by component; children count with their component.
        cpu_seconds: CPU time so far, by component, children that have ended included.
    """

    places: Places
    engine: sa.Engine
    connections: dict[str, int] = field(default_factory=dict)
    megabytes: dict[str, int] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    _end: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self.look()
        self._begun = dict(self.cpu_seconds)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.look()
        self.cpu_seconds = {
            name: round(seconds - self._begun.get(name, 0), 1) for name, seconds in self.cpu_seconds.items()
        }

    def look(self) -> None:
        """Look once."""
        query = "SELECT datname, count(*) FROM pg_stat_activity WHERE datname IS NOT NULL GROUP BY 1"
        with self.engine.connect() as connection:
            for name, number in connection.execute(sa.text(query)):
                self.connections[name] = max(self.connections.get(name, 0), number)
        for one in processes.known(self.places.processes):
            self._note(one.name, one.pid)
        pid_file = self.places.postgres / "postmaster.pid"
        self._note("postgres", int(pid_file.read_text().split()[0]))

    def _note(self, name: str, pid: int) -> None:
        """Note memory and CPU time of a process and its children."""
        memory, seconds = 0, 0.0
        try:
            main = psutil.Process(pid)
            for one in (main, *main.children(recursive=True)):
                try:
                    memory += one.memory_full_info().pss
                    times = one.cpu_times()
                    seconds += times.user + times.system
                    if one is main:
                        seconds += times.children_user + times.children_system
                except psutil.NoSuchProcess:
                    continue
        except psutil.NoSuchProcess:
            return
        self.megabytes[name] = max(self.megabytes.get(name, 0), memory // MEGABYTE)
        self.cpu_seconds[name] = max(self.cpu_seconds.get(name, 0), seconds)

    def _work(self) -> None:
        while not self._end.wait(1):
            self.look()


class Client(airflow.Airflow):
    """Airflow's API, for many DAGs at once."""

    def wait_until_up(self, places: Places) -> None:
        """Wait until all components are healthy, and log in.

        Raises:
            DemoError: A component has ended, or it takes too long.
        """
        end = time.monotonic() + airflow.START_SECONDS
        while not self._is_healthy():
            dead = [one.name for one in processes.known(places.processes) if not one.is_alive]
            if dead or time.monotonic() > end:
                raise DemoError(f"Airflow was not ready ({', '.join(dead)}); its logs are in {places.logs}")
            time.sleep(1)
        self._log_in()

    def known(self) -> int:
        """Number of DAGs that Airflow knows."""
        return int(self._get("dags", limit=1)["total_entries"])


def read_files(links: Path) -> dict[str, Any]:
    """Measure the reading of the DAG files, for all links and for one.

    Args:
        links: Directory of the links' files.

    Returns:
        Per DAG file what reading it costs the DAG processor (`all`) and a task (`one`).
    """
    with tempfile.TemporaryDirectory() as home:
        given = environment.clean() | {
            "AIRFLOW_HOME": home,
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "MINOX_QMS_LINKS_DIR": str(links),
            "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "plugins")]),
        }
        found: dict[str, Any] = {}
        for module in (*MODULES, "reconcile"):
            file = str(PROJECT / "dags" / f"{module}.py")
            found[module] = {}
            for kind, dag_id in (("all", ""), ("one", f"{module}__{LINK}")):
                done = subprocess.run(
                    [sys.executable, "-c", PROBE, file, home, dag_id],
                    env=given, capture_output=True, text=True, check=True, timeout=300,
                )  # fmt: skip
                found[module][kind] = json.loads(done.stdout.splitlines()[-1])
    return found


def names_of(number: int) -> list[str]:
    """Names of so many links, of which one is the demo's."""
    return [LINK, *(f"link{one:04}" for one in range(1, number))]


def run_quarter(number: int, slots: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Run both directions of all links at once over data that did not change since their first runs.

    All DAGs are paused at first. Unpaused, each gets the run of the latest quarter from the scheduler.

    Args:
        number: Links.
        slots: Tasks at once (LocalExecutor's parallelism).
        tell: Is told how far it is.

    Returns:
        The quarter's figures.
    """
    names = names_of(number)
    with installed(names, **PATIENCE, AIRFLOW__CORE__PARALLELISM=str(slots)) as here:
        client = Client(here.places.airflow)
        client.wait_until_up(here.places)
        client.add_connections(here.places)
        _run_first(names[:1], here)  # it fills QMS, which refuses no doubles: the others find all there
        _run_first(names[1:], here)
        tell("the first runs are over")
        end = time.monotonic() + START_SECONDS
        while (known := client.known()) < number * 3 + 2:
            if time.monotonic() > end:
                raise DemoError(f"Airflow knows {known} DAGs only")
            time.sleep(2)
        return {"links": number, "slots": slots, **_quarter(names, here, client, tell)}


def _run_first(names: Sequence[str], here: Installation) -> None:
    """Let links have their first runs, in as many processes as there are cores.

    Raises:
        DemoError: A run was not good.
    """
    settings = {**environment.connection_variables(here.places), "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    at_once = min(len(names), os.cpu_count() or 1)
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.first_runs", str(here.places.links), *names[place::at_once]],
            env=here.environment | settings,
            cwd=PROJECT,
        )
        for place in range(at_once)
    ]
    try:
        if any([one.wait(timeout=3600) for one in running]):  # noqa: C419 - all of them are waited for
            raise DemoError("A first run was not good; what it said stands above")
    finally:
        for one in running:
            one.kill()


def _quarter(names: Sequence[str], here: Installation, client: Client, tell: Callable[[str], None]) -> dict[str, Any]:
    """Unpause every DAG, and measure until all of them have run."""
    urls = {
        "server": here.server,
        "airflow": here.server.set(database=databases.AIRFLOW),
        "connector": here.server.set(database=databases.CONNECTOR),
    }
    engines = {
        name: sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool) for name, url in urls.items()
    }
    server = engines.pop("server")
    metadata = engines["airflow"]
    before = {name: _state(one) for name, one in engines.items()}
    dag_ids = [f"{module}__{name}" for name in names for module in MODULES]
    begun = time.monotonic()
    with Watch(here.places, server) as seen:
        for dag_id in dag_ids:
            client.unpause(dag_id)
        unpaused = time.monotonic() - begun
        _wait_for(len(dag_ids), metadata, tell)
        seconds = time.monotonic() - begun
    after = {name: _state(one) for name, one in engines.items()}
    with metadata.connect() as connection:
        states: dict[str, int] = dict(connection.execute(sa.text(STATES)).all())
        bad = connection.scalar(sa.text(BAD))
        task_seconds = connection.scalar(sa.text(TASK_SECONDS))
    return {
        "runs": len(dag_ids),
        "bad_runs": bad,
        "seconds": round(seconds, 1),
        "seconds_until_unpaused": round(unpaused, 1),
        "tasks": states,
        "task_seconds": round(float(task_seconds or 0), 1),
        "most_connections": seen.connections,
        "most_megabytes": seen.megabytes,
        "cpu_seconds": seen.cpu_seconds,
        "database": {name: {key: after[name][key] - before[name][key] for key in after[name]} for name in after},
        "bytes": {name: after[name]["bytes"] for name in after},
    }


def _wait_for(runs: int, metadata: sa.Engine, tell: Callable[[str], None]) -> None:
    """Wait until so many runs are over, for an hour at most."""
    end = time.monotonic() + 3600
    told = time.monotonic()
    while time.monotonic() < end:
        with metadata.connect() as connection:
            left = runs - int(connection.scalar(sa.text(OVER)) or 0)
        if left <= 0:
            return
        if time.monotonic() - told > 30:  # noqa: PLR2004 - seconds
            told = time.monotonic()
            tell(f"{left} runs to go")
        time.sleep(1)
    raise DemoError("The runs were not over after an hour")


def _state(engine: sa.Engine) -> dict[str, int]:
    """Counters of a database: transactions, rows written, bytes; and the rows of each of our tables."""
    query = """SELECT xact_commit AS transactions, tup_inserted AS inserted, tup_updated AS updated,
                      tup_deleted AS deleted, pg_database_size(datname) AS bytes
               FROM pg_stat_database WHERE datname = current_database()"""
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))
        found = {name: int(value) for name, value in connection.execute(sa.text(query)).mappings().one().items()}
        for table in sorted({*BOUNDED, *KEPT}):
            if connection.scalar(sa.text("SELECT to_regclass(:table)"), {"table": table}) is not None:
                found[f"rows of {table}"] = connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0  # noqa: S608
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_links", description=__doc__)
    parser.add_argument("--links", type=int, default=200, help="links that run (0: read the DAG files only)")
    parser.add_argument("--slots", type=int, default=4, help="tasks at once")
    parser.add_argument("--read", type=int, nargs="*", default=[1, 200, 400], help="numbers of links to read files of")
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "scaling.json")
    options = parser.parse_args(arguments)
    if arguments is None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    known = json.loads(options.out.read_text("utf-8")) if options.out.exists() else {}
    here = circumstances(f"python -m benchmarks.many_links --links {options.links} --slots {options.slots}")
    for number in options.read:
        with tempfile.TemporaryDirectory() as directory:
            write_links(Path(directory), names_of(number))
            known.setdefault("reading", {})[str(number)] = {**read_files(Path(directory)), "circumstances": here}
        print(f"read the files of {number} links", flush=True)
        options.out.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
    if options.links:
        found = run_quarter(options.links, options.slots, lambda text: print(text, flush=True))
        known.setdefault("running", {})[str(options.links)] = {**found, "circumstances": here}
        options.out.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
    print(f"Written: {options.out}")


if __name__ == "__main__":
    main()
