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
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil  # type: ignore[import-untyped] # its types are a package of their own
import sqlalchemy as sa

from benchmarks.figures import circumstances
from demo import airflow, databases, environment, processes
from demo.places import LINK, PROJECT, DemoError, Places
from demo.sandbox import Sandbox
from include.storage.embedded import stop_server
from include.storage.retention import BOUNDED, KEPT
from tests.world import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MODULES = ("minox_master_data", "qms_invoices")
DATASET = "generated:customers=300,items=60,invoices=50,lines=10"
QUARTER = {"interval_start": "2026-01-02T10:00:00+00:00", "interval_end": "2026-01-02T10:15:00+00:00"}
IDLE: dict[str, dict[str, str]] = {"minox_master_data": {}, "qms_invoices": QUARTER}
LAST = ("api-server", "sandbox")
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


def write_links(directory: Path, number: int) -> list[str]:
    """Write the files of so many links, of which one has the demo's name; returns their names."""
    directory.mkdir(parents=True, exist_ok=True)
    names = [LINK, *(f"link{one:04}" for one in range(1, number))]
    content: dict[str, Any] = {name: dict(section) for name, section in SETTINGS.items()}
    for system in ("minox", "qms"):
        content[system]["conn_id"] = f"{system}_demo"
    for name in names:
        (directory / f"{name}.yaml").write_text(json.dumps(content), "utf-8")
    return names


def run_quarters(number: int, slots: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Run both directions of all links at once: the first time, and then a quarter in which nothing changed.

    Args:
        number: Links.
        slots: Tasks at once (LocalExecutor's parallelism).
        tell: Is told how far it is.

    Returns:
        Figures of each round.
    """
    with _started(number, slots) as (places, client, server, names):
        tell(f"Airflow is up with {client.known()} DAGs")
        airflow_db, ours = server.set(database=databases.AIRFLOW), server.set(database=databases.CONNECTOR)
        ids = [f"{module}__{name}" for name in names for module in MODULES]
        for dag_id in ids:
            client._send("PATCH", f"dags/{dag_id}", {"is_paused": False})  # noqa: SLF001 - the demo's own client
        found = {}
        for title in ("first", "idle"):
            found[title] = _round(title, ids, places, client, server, airflow_db, ours, tell)
        return {"links": number, "slots": slots, **found}


def _round(
    title: str,
    ids: Sequence[str],
    places: Places,
    client: Client,
    server: sa.URL,
    airflow_db: sa.URL,
    ours: sa.URL,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Start a run of every DAG, and measure until all are over."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    metadata = sa.create_engine(airflow_db, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    connector = sa.create_engine(ours, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    _wait_for_all(metadata, tell)  # the runs that Airflow began by itself when the DAGs were unpaused
    before = {name: _state(one) for name, one in (("airflow", metadata), ("connector", connector))}
    begun = time.monotonic()
    with Watch(places, engine) as seen:
        for dag_id in ids:
            client.trigger(dag_id, {**IDLE[dag_id.partition("__")[0]], "round": title})
        triggered = time.monotonic() - begun
        _wait_for_all(metadata, tell)
        seconds = time.monotonic() - begun
    after = {name: _state(one) for name, one in (("airflow", metadata), ("connector", connector))}
    mine = "FROM task_instance t JOIN dag_run r USING (dag_id, run_id) WHERE r.conf ->> 'round' = :title"
    with metadata.connect() as connection:
        states: dict[str, int] = dict(
            connection.execute(sa.text(f"SELECT t.state, count(*) {mine} GROUP BY 1"), {"title": title}).all()
        )
        bad = connection.scalar(
            sa.text("SELECT count(*) FROM dag_run WHERE conf ->> 'round' = :title AND state <> 'success'"),
            {"title": title},
        )
        task_seconds = connection.scalar(sa.text(f"SELECT sum(t.duration) {mine}"), {"title": title})
    return {
        "runs": len(ids),
        "bad_runs": bad,
        "seconds": round(seconds, 1),
        "seconds_until_triggered": round(triggered, 1),
        "tasks": states,
        "task_seconds": round(float(task_seconds or 0), 1),
        "most_connections": seen.connections,
        "most_megabytes": seen.megabytes,
        "cpu_seconds": seen.cpu_seconds,
        "database": {name: {key: after[name][key] - before[name][key] for key in after[name]} for name in after},
        "bytes": {name: after[name]["bytes"] for name in after},
    }


def _wait_for_all(metadata: sa.Engine, tell: Callable[[str], None]) -> None:
    """Wait until no run is queued or running, for an hour at most."""
    end = time.monotonic() + 3600
    told = time.monotonic()
    while time.monotonic() < end:
        with metadata.connect() as connection:
            left = connection.scalar(sa.text("SELECT count(*) FROM dag_run WHERE state IN ('queued', 'running')"))
        if not left:
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


@contextmanager
def _started(number: int, slots: int) -> Iterator[tuple[Places, Client, sa.URL, list[str]]]:
    """Everything that the demo starts, with many links, on ports of its own and without a rate limit."""
    home = Path(tempfile.mkdtemp(prefix="minox-qms-links-"))
    places = Places(home, home / "links", "off", *_free_ports(3))
    try:
        names = write_links(places.links, number)
        base = environment.clean() | {"NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "sandbox", "up", "--dataset", DATASET, "--rate-limit", "off"]
        command += ["--minox-port", str(places.minox_port), "--qms-port", str(places.qms_port)]
        processes.start("sandbox", command, base, files=places.processes, logs=places.logs, directory=PROJECT)
        server = databases.start(places)
        variables = environment.connector(places, databases.new_connector_database(server))
        environment.write_passwords(places)
        whole = base | variables | environment.airflow(places, databases.airflow_url(server))
        whole |= {
            "AIRFLOW__CORE__PARALLELISM": str(slots),
            "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "600",
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
        }
        databases.new_airflow_database(server, whole)
        airflow.start(places, whole)
        Sandbox(places).wait()
        client = Client(places.airflow)
        client.wait_until_up(places)
        end = time.monotonic() + 1200
        while client.known() < number * 3 + 2:
            if time.monotonic() > end:
                raise DemoError(f"Airflow knows {client.known()} DAGs only")
            time.sleep(2)
        client.add_connections(places)
        yield places, client, server, names
    finally:
        processes.stop(places.processes, LAST)
        stop_server(places.postgres)
        shutil.rmtree(home, ignore_errors=True)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


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
            write_links(Path(directory), number)
            known.setdefault("reading", {})[str(number)] = {**read_files(Path(directory)), "circumstances": here}
        print(f"read the files of {number} links", flush=True)
        options.out.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
    if options.links:
        found = run_quarters(options.links, options.slots, lambda text: print(text, flush=True))
        known.setdefault("running", {})[str(options.links)] = {**found, "circumstances": here}
        options.out.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
    print(f"Written: {options.out}")


if __name__ == "__main__":
    main()
