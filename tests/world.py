"""A small world for the tests: both stand-ins over real connections, a link, a database, and the real DAGs' tasks.

The tasks of the DAGs run here one after the other in this process, by the DAG's own wiring (order, dependencies,
trigger rules), without a scheduler and without Airflow's database: quick enough to use in every test. That the DAGs run
in a real Airflow is shown by the tests of the command line and of the demo.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import os
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import requests
import sqlalchemy as sa
import uvicorn
import yaml
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import DownstreamTasksSkipped

from include.settings.load import load_link
from include.storage.engine import _engine_of_process
from minox_qms.hooks.http import HttpClient
from minox_qms.hooks.minox import MinoxHook
from minox_qms.hooks.qms import QmsHook
from sandbox.common.config import Config
from sandbox.minox.app import create_app as create_minox
from sandbox.qms.app import create_app as create_qms
from sandbox.server import ConnectionInState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from minox_qms.hooks.http import Answer, Request

_BUILDING = threading.Lock()
ROOT = Path(__file__).resolve().parents[1]
SETTINGS: dict[str, Any] = {
    "minox": {"conn_id": "minox_test", "tenant_id": 123456, "administration_id": 1, "requests_per_second": 1000},
    "qms": {"conn_id": "qms_test", "company_id": 3},
    "bookings": {"journal_code": "VRK"},
}


class Server:
    """A stand-in on a port of its own, in a thread."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(
            app, host="127.0.0.1", port=0, log_level="critical", lifespan="off", http=ConnectionInState
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> str:
        """Start, and return the address."""
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=60)


@dataclass
class Ran:
    """What a run did: per task its error (None: good), which were skipped, and per outcome the number of records."""

    dag_id: str
    run_id: str
    tasks: dict[str, BaseException | str | None]
    counts: dict[str, dict[str, int]]
    skipped: frozenset[str] = frozenset()

    @property
    def is_good(self) -> bool:
        return all(error is None for error in self.tasks.values())


@dataclass
class System:
    """One stand-in, and its controls."""

    name: str
    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.session.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    @property
    def state(self) -> Any:
        return self.control("GET", "state")

    def forget_requests(self) -> None:
        self.control("DELETE", "requests")

    def requests(self, method: str | None = None, part: str = "") -> list[dict[str, Any]]:
        """Requests to the API so far, without those for tokens."""
        found = self.control("GET", "requests")["requests"]
        return [
            one
            for one in found
            if "oauth" not in one["path"] and (method is None or one["method"] == method) and part in one["path"]
        ]

    def writes(self) -> list[dict[str, Any]]:
        return [one for one in self.requests() if one["method"] in {"POST", "PUT", "DELETE"}]

    def edit(self, *edits: dict[str, Any]) -> None:
        self.control("POST", "rows", list(edits))

    def spoil(self, **fault: Any) -> None:
        self.control("POST", "faults", [fault])

    def heal(self) -> None:
        self.control("DELETE", "faults")


@contextmanager
def talk_of(entity: str) -> Iterator[list[str]]:
    """Hear what the clients do about an entity: the method of each attempt, and the pauses before repetitions."""
    heard: list[str] = []
    attempt, back_off = HttpClient.attempt, HttpClient.back_off

    def attempting(self: HttpClient, request: Request, token: str | None) -> Answer:
        if request.entity == entity:
            heard.append(request.method)
        return attempt(self, request, token)

    def backing_off(self: HttpClient, turn: int) -> None:
        heard.append(f"pause {turn}")
        back_off(self, turn)

    with mock.patch.object(HttpClient, "attempt", attempting), mock.patch.object(HttpClient, "back_off", backing_off):
        yield heard


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so; fail when it does not come about within ninety seconds."""
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


class World:
    """Both systems, one link, one database."""

    def __init__(
        self,
        directory: Path,
        database: sa.Engine,
        monkeypatch: pytest.MonkeyPatch,
        dataset: Any = "empty",
        **modes: Any,
    ) -> None:
        modes = {"rate_limit": "off", **modes}
        self.database = database
        self.directory = directory
        self.monkeypatch = monkeypatch
        self._servers = [Server(create(Config(dataset=dataset, **modes))) for create in (create_minox, create_qms)]
        self.minox, self.qms = (
            System(name, server.start()) for name, server in zip(("minox", "qms"), self._servers, strict=True)
        )
        monkeypatch.setenv("MINOX_QMS_LINKS_DIR", str(directory))
        monkeypatch.setenv("MINOX_QMS_HOME", str(directory))
        monkeypatch.setenv("MINOX_QMS_DATABASE_URL", database.url.render_as_string(hide_password=False))
        monkeypatch.setenv("MINOX_QMS_TASK_RETRIES", "0")
        monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
        for system, client in ((self.minox, "qics-connector"), (self.qms, "qms-connector")):
            content = {
                "conn_type": system.name,
                "host": system.url,
                "login": client,
                "password": "geheim",
                "extra": {"refresh_token": f"sandbox-{system.name}-refresh"},
            }
            monkeypatch.setenv(f"AIRFLOW_CONN_{system.name.upper()}_TEST", json.dumps(content))
        _engine_of_process.cache_clear()
        self.settings: dict[str, Any] = {}
        self.configure()

    def configure(self, name: str = "test", **sections: dict[str, Any]) -> None:
        """Write the link's file: the smallest one, with these settings over it."""
        content = {section: dict(SETTINGS.get(section, {})) for section in {*SETTINGS, *sections}}
        for section, settings in sections.items():
            content[section] |= settings
        (self.directory / f"{name}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        self.settings = content

    def stop(self) -> None:
        for server in self._servers:
            server.stop()
        _engine_of_process(os.getpid()).dispose()
        _engine_of_process.cache_clear()

    # -- running -------------------------------------------------------------------------------------------------------

    def run_master_data(self, link: str = "test", *, run_id: str | None = None, dry_run: bool = False) -> Ran:
        return self._run("minox_master_data", link, run_id, {"dry_run": dry_run})

    def run_invoices(
        self,
        link: str = "test",
        *,
        run_id: str | None = None,
        interval: tuple[str, str] | None = None,
        dates: tuple[str, str] | None = None,
        dry_run: bool = False,
    ) -> Ran:
        """Run the invoices' DAG: of an interval (ISO 8601), of a range of dates, or of 2026 when neither is given."""
        params: dict[str, Any] = {"dry_run": dry_run}
        if interval is not None:
            params |= {"interval_start": interval[0], "interval_end": interval[1]}
        else:
            params |= dict(zip(("from_date", "to_date"), dates or ("2026-01-01", "2026-12-31"), strict=True))
        return self._run("qms_invoices", link, run_id, params)

    def run_reconciliation(self, link: str = "test", dates: tuple[str, str] = ("2026-01-01", "2026-12-31")) -> Ran:
        return self._run("reconcile", link, None, dict(zip(("from_date", "to_date"), dates, strict=True)))

    def run_by_airflow(self, interval: tuple[str, str], run_type: str = "scheduled", link: str = "test") -> Ran:
        """Run the invoices' DAG as Airflow begins it by itself, for a data interval (ISO 8601)."""
        start, end = (dt.datetime.fromisoformat(one) for one in interval)
        given = {"dag_run": _DagRun(end, run_type), "data_interval_start": start, "data_interval_end": end}
        return self._run("qms_invoices", link, None, {}, **given)

    def _run(self, module: str, link: str, run_id: str | None, params: dict[str, Any], **given: Any) -> Ran:
        run_id = run_id or f"test__{uuid.uuid4().hex[:8]}"
        with _BUILDING:  # Airflow keeps the DAG that is being built in a global
            dag = _build(module)(load_link(self.directory / f"{link}.yaml"))
        now = dt.datetime.now(dt.UTC)
        context = {
            "run_id": run_id,
            "params": {"from_date": None, "to_date": None, "interval_start": None, "interval_end": None, **params},
            "dag_run": _DagRun(run_after=now, run_type="manual"),
            "data_interval_start": now - dt.timedelta(minutes=15),
            "data_interval_end": now,
            "ti": TaskInstance(),
            **given,
        }
        tasks: dict[str, BaseException | str | None] = {}
        skipped: set[str] = set()
        for task in dag.topological_sort():
            state = _state_before(task, tasks, skipped)
            tasks[task.task_id] = state if state == "upstream_failed" else None
            if state == "skipped":
                skipped.add(task.task_id)
            if state is not None:
                continue
            try:
                task.execute(context)
            except DownstreamTasksSkipped as more:
                skipped |= set(more.tasks)
            except Exception as error:  # noqa: BLE001 - as a scheduler would: the task is red, the others go on
                tasks[task.task_id] = error
        return Ran(dag.dag_id, run_id, tasks, self._counts(run_id), frozenset(skipped))

    def _counts(self, run_id: str) -> dict[str, dict[str, int]]:
        query = sa.text("SELECT entity, outcome, count(*) FROM sync_outcomes WHERE run_id = :run GROUP BY 1, 2")
        counts: dict[str, dict[str, int]] = {}
        with self.database.connect() as connection:
            for entity, outcome, number in connection.execute(query, {"run": run_id}):
                counts.setdefault(entity, {})[outcome] = number
        return counts

    # -- looking -------------------------------------------------------------------------------------------------------

    def outcomes(
        self, run: Ran | None = None, *, entity: str | None = None
    ) -> dict[tuple[str, str], tuple[str, Any, Any]]:
        """Outcome, reason and message by entity and key: of a run, or the current ones."""
        view, values = ("sync_current", {}) if run is None else ("sync_outcomes", {"run": run.run_id})
        where = "WHERE run_id = :run" if run is not None else ""
        query = sa.text(f"SELECT entity, source_key, outcome, reason, message FROM {view} {where}")  # noqa: S608
        with self.database.connect() as connection:
            rows = connection.execute(query, values).all()
        return {
            (row.entity, row.source_key): (row.outcome, row.reason, row.message)
            for row in rows
            if entity is None or row.entity == entity
        }

    def scalar(self, query: str, **values: Any) -> Any:
        with self.database.connect() as connection:
            return connection.scalar(sa.text(query), values)

    def rows(self, query: str, **values: Any) -> list[Any]:
        with self.database.connect() as connection:
            return list(connection.execute(sa.text(query), values).all())

    def session_token(self, system: str) -> str:
        """An access token for a test that acts as a user of the system."""
        hook = MinoxHook("minox_test", 123456, 1, 1000) if system == "minox" else QmsHook("qms_test", 3)
        return hook.tokens.token()

    def execute(self, query: str, **values: Any) -> None:
        with self.database.begin() as connection:
            connection.execute(sa.text(query), values)


@dataclass
class _DagRun:
    run_after: dt.datetime
    run_type: str


@dataclass
class TaskInstance:
    """As much of Airflow's task instance as the tasks need."""

    map_index: int = -1
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


def _state_before(task: Any, tasks: dict[str, Any], skipped: set[str]) -> str | None:
    """What a scheduler makes of a task before it starts, by its trigger rule; None: it starts."""
    if task.task_id in skipped:  # by a task before it, whatever its rule
        return "skipped"
    failed = any(tasks[one] is not None for one in task.upstream_task_ids)
    match task.trigger_rule.value:
        case "all_done":
            return None
        case "none_failed":
            return "upstream_failed" if failed else None
        case "all_success":
            if failed:
                return "upstream_failed"
            return "skipped" if task.upstream_task_ids & skipped else None
        case rule:
            raise NotImplementedError(rule)


def _build(module: str) -> Any:
    """The function that builds the DAG of a link."""
    spec = importlib.util.spec_from_file_location(f"dag_{module}", ROOT / "dags" / f"{module}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded.build


@contextmanager
def a_world(
    directory: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch, dataset: Any = "empty", **modes: Any
) -> Iterator[World]:
    """Make a world and take it down again."""
    world = World(directory, database, monkeypatch, dataset, **modes)
    try:
        yield world
    finally:
        world.stop()
