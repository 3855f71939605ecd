"""The connector's real code, put on the simulation's clock, database and wire."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import gc
import logging
import os
import re
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import structlog
from airflow.sdk import Connection
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowFailException, DownstreamTasksSkipped
from cryptography.fernet import Fernet

from include.checks import engine as checks_engine
from include.settings.link import LinkSettings
from include.storage import engine as storage_engine
from include.storage import runs
from minox_qms import metrics
from minox_qms.hooks import base, http
from minox_qms.hooks.http import Timing
from minox_qms.hooks.minox import MinoxHook
from minox_qms.hooks.qms import QmsHook
from minox_qms.operators import attach_pdfs, book_invoices, link, open_run
from minox_qms.sync import booking_run, master_data, reports
from minox_qms.sync.booking_run import BookingRun
from minox_qms.sync.pdfs import PdfAttacher
from minox_qms.sync.verdicts import Examiner
from tests.simulation.process import KilledError, Process
from tests.simulation.transport import Wire
from tests.world import TaskInstance, _build, _state_before

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.simulation.database import Database
    from tests.simulation.world import World

LINK = "simulated"
RETRY_DELAY = 30
POLL = 20.0
"""Seconds between two looks at a direction that is busy: more than in earnest, so that there are fewer."""

HEARTBEAT = 300
"""Seconds after which Airflow notices that a task's process is gone."""


def settings_of(bookings: dict[str, Any] | None = None, entities: dict[str, bool] | None = None) -> LinkSettings:
    """Settings of the link: of its bookings, and which master data it brings over."""
    return LinkSettings.model_validate(
        {
            "name": LINK,
            "minox": {"conn_id": "minox_sim", "tenant_id": 123456, "administration_id": 1},
            "qms": {"conn_id": "qms_sim", "company_id": 3, "qms_concurrency": 1},
            "bookings": {"journal_code": "VRK", **(bookings or {})},
            "master_data": {"entities": entities or {}},
        }
    )


class _Session(http._Session):
    """The connector's session, without a look at the environment's proxies at each request."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False


class _OneByOne:
    """Stands in for the pool of threads: the order of writes must be the same each time."""

    def __init__(self, _size: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, function: Callable[[Any], Any], values: Iterable[Any]) -> Iterator[Any]:
        """Like the built-in, at once."""
        return iter([function(value) for value in values])

    def submit(self, function: Callable[..., Any], *values: Any) -> Future[Any]:
        """Call the function, at once."""
        done: Future[Any] = Future()
        done.set_result(function(*values))
        return done


class _SeededFlights:
    """Stands in for entries that overlap on their way: several are intended, and go out in a seeded order."""

    def __init__(self, world: World, at_once: int) -> None:
        self._world = world
        self._at_once = at_once
        self._flying: list[Callable[[Callable[[], None]], BaseException | None]] = []
        self._ended: list[Future[BaseException | None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def make_room(self) -> list[Future[BaseException | None]]:
        """Let one of them come to its end when there are as many as may be."""
        if len(self._flying) >= self._at_once:
            self._end_one()
        return self._took()

    def rest(self) -> list[Future[BaseException | None]]:
        """Let all of them come to their end."""
        while self._flying:
            self._end_one()
        return self._took()

    def begin(self, send: Callable[[Callable[[], None]], BaseException | None]) -> None:
        """Take one up."""
        intended_at = self._world.clock.micros

        def fly(on_sent: Callable[[], None]) -> BaseException | None:
            self._world.intended_at = intended_at
            try:
                return send(on_sent)
            finally:
                self._world.intended_at = None

        self._flying.append(fly)

    def _end_one(self) -> None:
        done: Future[BaseException | None] = Future()
        send = self._flying.pop(int(self._world.chance() * len(self._flying)))
        done.set_result(send(lambda: None))
        self._ended.append(done)

    def _took(self) -> list[Future[BaseException | None]]:
        ended, self._ended = self._ended, []
        return ended


class _PlainValidator:
    """Stands in for Great Expectations: the same three expectations on the same columns, without its half second."""

    def __init__(self, _name: str, rules: list[Any]) -> None:
        self._rules = rules

    def run(self, columns: dict[str, list[Any]]) -> list[tuple[Any, list[int], dict[str, int]]]:
        """Find the rows that are not as expected."""
        return [
            (rule, [row for row, value in enumerate(columns[rule.column]) if _is_bad(rule, value)], {})
            for rule in self._rules
        ]


def _is_bad(rule: Any, value: Any) -> bool:
    if rule.kind == "ExpectColumnValuesToNotBeNull":
        return value is None
    if value is None:
        return False
    if "regex" in rule.expected:
        return re.match(rule.expected["regex"], value) is None
    low, high = rule.expected.get("min_value"), rule.expected.get("max_value")
    return (low is not None and value < low) or (high is not None and value > high)


@dataclass
class Job:
    """One DAG run.

    Attributes:
        run_id: Its id.
        params: Its params.
        interval: Its data interval.
        retries: How often a task is tried again.
        kills: Step at which the first try of a task dies, by task.
        stops: Request before which the first try of a task stands still, by task.
        stop_before: Method of the requests that are counted for that; empty for all.
        is_abandoned: A killed task is not tried again, and neither does anything after it run.
        results: Per task what became of it; None is good.
        is_superseded: The task that stands still was started again elsewhere.
    """

    run_id: str
    interval: tuple[dt.datetime, dt.datetime]
    params: dict[str, Any] = field(default_factory=dict)
    retries: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    stops: dict[str, int] = field(default_factory=dict)
    stop_before: str = ""
    is_abandoned: bool = False
    results: dict[str, str | None] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    is_superseded: bool = False
    at: str = ""


class Connector:
    """Runs DAG runs of the real connector in a world.

    Args:
        world: What it meets.
        database: Its database.
    """

    def __init__(self, world: World, database: Database) -> None:
        self.world = world
        self.database = database
        self.settings = settings_of()
        self._install()
        self._dags: dict[tuple[str, str], list[Any]] = {}
        self.kills: Counter[str] = Counter()
        self.runs = 0

    def _install(self) -> None:
        """Put the real code on our clock, database and wire; for the life of this process."""
        logging.disable(logging.CRITICAL)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        os.environ.setdefault("MINOX_QMS_FERNET_KEY", Fernet.generate_key().decode())
        ExecutorSafeguard.test_mode = True
        world, clock, module = self.world, self.world.clock, _changeable
        timing = Timing(clock.sleep, clock.time, clock.monotonic, world.chance)
        options: dict[str, Any] = {"timing": timing, "engine_": lambda: self.database.engine}
        module(link).MinoxHook = functools.partial(MinoxHook, **options)
        module(link).QmsHook = functools.partial(QmsHook, **options)
        module(link).engine = lambda: self.database.engine
        module(link).find_link = lambda _name: self.settings
        module(link).working = functools.partial(runs.working, sleep=clock.sleep)
        module(runs)._POLL_SECONDS = POLL
        module(storage_engine)._asking = lambda engine: engine.readers
        module(runs).time = SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep)
        module(book_invoices).BookingRun = functools.partial(BookingRun, clock=clock.monotonic)
        module(attach_pdfs).PdfAttacher = functools.partial(PdfAttacher, clock=clock.monotonic)
        module(metrics)._has_tags = lambda: False  # it asks Airflow's configuration three times a figure
        module(open_run).migrate = lambda _engine: None
        module(reports).dt = SimpleNamespace(datetime=SimpleNamespace(now=lambda _zone: clock.now()), UTC=dt.UTC)
        module(http)._Session = _Session
        module(http).DeadlineAdapter = lambda _deadline: Wire(world)
        module(booking_run).Flights = functools.partial(_SeededFlights, world)
        for name in ("context", "company"):  # Python 3.11 locks them for all of a process, while they are made
            vars(Examiner)[name].lock = contextlib.nullcontext()
        module(master_data).ThreadPoolExecutor = _OneByOne
        module(checks_engine)._Validator = _PlainValidator
        base.SystemHook.get_connection = staticmethod(self._connection)  # type: ignore[method-assign]

    def _connection(self, conn_id: str) -> Connection:
        system = conn_id.partition("_")[0]
        return Connection(
            conn_id=conn_id,
            conn_type=system,
            host=f"https://{system}.example",
            login="connector",
            password="geheim",
            extra=f'{{"refresh_token": "{self.world.seeds[system]}"}}',
        )

    # -- runs ----------------------------------------------------------------------------------------------------------

    def run(self, dag: str, job: Job, *, first: str = "", lane: int = 0) -> None:
        """Run the tasks of a DAG run in their order and by their trigger rules, from one of them on."""
        self.runs += not first
        is_on = not first
        for task in self._tasks(dag)[lane]:
            is_on = is_on or task.task_id == first
            if not is_on:
                continue
            state = _state_before(task, job.results, job.skipped)
            job.results[task.task_id] = state if state == "upstream_failed" else None
            if state == "skipped":
                job.skipped.add(task.task_id)
            if state is not None:
                continue
            job.results[task.task_id] = self._try(task, job)
            if job.is_superseded or (job.results[task.task_id] == "killed" and job.is_abandoned):
                return

    def _tasks(self, dag: str) -> list[list[Any]]:
        """The tasks of a DAG as the link is set, in their order, for each lane."""
        key = (dag, self.settings.master_data.entities.model_dump_json())
        if key not in self._dags:
            self._dags[key] = [list(_build(dag)(self.settings).topological_sort()) for _ in range(2)]
        return self._dags[key]

    def _try(self, task: Any, job: Job) -> str | None:
        """Try a task until it is good or its tries are used up."""
        name = task.task_id
        job.at = name
        start, end = job.interval
        context = {
            "run_id": job.run_id,
            "params": {"from_date": None, "to_date": None, "interval_start": None, "interval_end": None, **job.params},
            "dag_run": SimpleNamespace(run_after=end, run_type="scheduled"),
            "data_interval_start": start,
            "data_interval_end": end,
            "ti": TaskInstance(),
        }
        result: str | None = "not tried"
        for turn in range(job.retries + 1):
            if turn:
                self.world.clock.sleep(HEARTBEAT if result == "killed" else RETRY_DELAY)
            number = job.tries[name] = job.tries.get(name, 0) + 1
            process = Process(f"{job.run_id} {name} {number}", began=self.world.clock.micros)
            process.is_dry = bool(job.params.get("dry_run"))
            if number == 1:
                process.kill_at, process.stop_at = job.kills.get(name, 0), job.stops.get(name, 0)
                process.stop_before = job.stop_before
            result = self._attempt(task, context, process, job)
            if result is None or result == "for good" or job.is_superseded or (result == "killed" and job.is_abandoned):
                break
        return result

    def _attempt(self, task: Any, context: dict[str, Any], process: Process, job: Job) -> str | None:
        """Run one try in its own process; says what became of it, None for good."""
        before = self.world.process
        self.world.process = process
        try:
            task.execute(context)
        except KilledError:
            result: str | None = "killed"
        except DownstreamTasksSkipped as more:
            job.skipped |= set(more.tasks)
            result = None
        except AirflowFailException:
            result = "for good"
        except Exception as error:  # as a scheduler would: the task is red
            result = type(error).__name__
            if result in BUGS:
                raise
        else:
            result = None
        if process.is_dead:
            result = "killed"
            self.kills[f"{task.task_id.rpartition('.')[2]}, {process.died}"] += 1
        if process.connections:
            gc.collect()
            self.database.let_go(process)
        self.world.process = before
        return result

    def act(self, name: str, work: Callable[[], object]) -> None:
        """Let a person do something to the connector's own database."""
        self.world.process = Process(f"person {name}", began=self.world.clock.micros)
        try:
            work()
        finally:
            self.world.process = None


BUGS = {"AttributeError", "TypeError", "KeyError", "NameError", "RuntimeError", "ProgrammingError", "AssertionError"}


def _changeable(module: Any) -> Any:
    """The module, as something that names may be set in."""
    return module
