"""One seeded schedule: what people do, when runs come, where they die, and what goes wrong on the way."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from tests.simulation.checker import BATCHES, PATIENCE, check_bookings
from tests.simulation.connector import Job, settings_of
from tests.simulation.minox_model import MinoxModel
from tests.simulation.people import People
from tests.simulation.process import Lane
from tests.simulation.qms_model import QmsModel

if TYPE_CHECKING:
    from tests.simulation.connector import Connector
    from tests.simulation.world import World

START = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
QUARTER = dt.timedelta(minutes=15)
OUTAGES = ("connection refused", "503 with Retry-After", "502")


@dataclass
class Result:
    """What became of a schedule."""

    seed: int
    violations: list[str]
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    trace: str = ""


class Schedule:
    """Runs one schedule of bookings.

    Args:
        world: The world.
        connector: The connector in it.
        seed: Decides everything.
        settings: Settings of bookings that are not left to chance.
    """

    dag = "qms_invoices"
    deadly: tuple[str, ...] = (
        "open_run",
        "stage",
        "check",
        "book",
        "book",
        "book",
        "book",
        "attach_pdfs",
        "close_run",
    )
    halting: tuple[str, ...] = ("stage", "book", "book", "book", "close_run")
    steps: ClassVar[dict[str, int]] = {"stage": 20, "book": 30, "attach_pdfs": 10, "close_run": 18}
    requests: ClassVar[dict[str, int]] = {"stage": 5, "book": 16, "close_run": 4}
    deeds_at_once = (2, 4)
    again = 0.25
    kill_share = 0.5
    stop_share = 0.5

    def __init__(self, world: World, connector: Connector, seed: int, settings: dict[str, Any] | None = None) -> None:
        self.settings_given = settings or {}
        self.world = world
        self.connector = connector
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - a simulation
        self.counts: Counter[str] = Counter()
        self.zombies: list[tuple[Lane, Job]] = []
        self._jobs = 0

    def run(self) -> Result:
        """Run the schedule and judge it."""
        self._begin()
        self._trouble()
        self._quiet()
        violations = self._judge()
        self.counts["schedules"] = 1
        self.counts["requests"] = sum(event.who != "person" for event in self.world.history)
        self.counts["bookings"] = len(self.world.minox.batches)
        deeds = self.people.counts + Counter({"connect again": len(self.people.deeds.reconnected)})
        trace = "\n".join(event.line() for event in self.world.history)
        faults, kills = self.world.faults.counts, self.connector.kills
        return Result(self.seed, violations, self.counts, faults, deeds, kills, trace)

    # -- the parts of a schedule ---------------------------------------------------------------------------------------

    def _begin(self) -> None:
        random, world = self.random, self.world
        self.connector.database.forget()
        self.connector.kills = Counter()
        world.clock.begin(START)
        life = random.choice((600, 1200, 3600))
        minox = MinoxModel(random.choice((2, 3, 100)), life)
        qms = QmsModel("https://qms.example", random.choice((2, 3, 100)), life)
        world.begin(random, minox, qms)
        self._fill()
        self.settings = self.connector.settings = settings_of(self.bookings, self.entities)
        self.end = START

    def _fill(self) -> None:
        """What there is in the beginning, and how the link is set."""
        random = self.random
        for number in (10001, 10002, 10003):
            self.world.minox.lists["customer"][str(number)] = {"id": number}
        self.entities: dict[str, bool] = {}
        self.bookings: dict[str, Any] = {
            "lines": random.choice(("single", "single", "grouped")),
            "attach_pdf": random.random() < 0.25,
            "negative_amounts": random.choice(("signed", "opposite_side")),
            "check_existing": random.random() < 0.8,
            "minox_concurrency": random.choice((1, 4)),
            **self.settings_given,
        }
        self.people = People(self.world, self.connector)

    def _judge(self) -> list[str]:
        return check_bookings(self)

    def _trouble(self) -> None:
        """Some intervals in which anything may happen."""
        random, faults = self.random, self.world.faults
        for place in range(random.choice((1, 1, 2))):
            faults.per_request = random.choice((0.0, 0.02, 0.06, 0.2))
            faults.per_commit = random.choice((0.0, 0.0, 0.0, 0.03))
            faults.down = {random.choice(("minox", "qms")): random.choice(OUTAGES)} if random.random() < 0.08 else {}
            self._act(random.randint(*self.deeds_at_once), is_first=place == 0)
            self._interval(self._troubled_job())
            self._extra_run()
            if self.zombies and random.random() < 0.6:
                self._wake()
            self._reconnect()

    def _act(self, times: int, *, is_first: bool = False) -> None:
        """Let people do a few things."""
        for turn in range(times):
            self.world.clock.sleep(self.random.uniform(1, 200))
            self.people.act(is_first=is_first and turn == 0)

    def _quiet(self) -> None:
        """The faults stop; a quiet run, and now and then a second one: always when something is to be offered again."""
        while self.zombies:
            self._wake()
        self.world.faults.heal()
        self._reconnect()
        self._act(self.random.randint(0, 3))
        begin = self.end
        while self.end + QUARTER < self.world.clock.now():  # whoever stood still long has held the others up
            self.end += QUARTER
        self._interval(self._job(begin=begin))
        if self._reconnect():  # a process that died while it refreshed took the tokens with it: only now that shows
            self._interval(self._job())
        self.after_first = self.world.clock.micros
        self.held_at_first = set(self.world.minox.batches)
        if self._waits() or self.random.random() < self.again:
            begin = self.end
            self.end += 5 * QUARTER
            self._interval(self._job(begin=begin))

    def _waits(self) -> bool:
        """Minox refused an entry not long ago: it is offered again later."""
        since = self.after_first - PATIENCE
        return any(one.status == 400 and one.micros > since and BATCHES in one.what for one in self.world.history)

    # -- runs ----------------------------------------------------------------------------------------------------------

    def _job(self, begin: dt.datetime | None = None, **params: Any) -> Job:
        self._jobs += 1
        start = begin or self.end
        return Job(f"run{self._jobs}", (start, self.end + QUARTER), params)

    def _troubled_job(self) -> Job:
        random = self.random
        job = self._job()
        job.retries = random.choice((0, 1, 2))
        if random.random() < self.kill_share:
            task = random.choice(self.deadly)
            job.kills[task] = random.randint(1, self.steps.get(task.rpartition(".")[2], 8))
            job.is_abandoned = random.random() < 0.5
        elif random.random() < self.stop_share:
            task = random.choice(self.halting)
            if task == "book" and random.random() < 0.5:
                job.stops[task], job.stop_before = random.randint(1, 3), "PUT"
            else:
                job.stops[task] = random.randint(1, self.requests[task.rpartition(".")[2]])
        return job

    def _interval(self, job: Job) -> None:
        """Run a job when its interval is over."""
        self.world.clock.pass_until(self.end + QUARTER)
        self.end += QUARTER
        self._run(job)

    def _run(self, job: Job) -> None:
        self.counts["runs"] += 1
        if job.stops and len(self.zombies) == 0:
            lane = Lane(lambda: self.connector.run(self.dag, job, lane=1))
            self.world.lane = lane
            lane.start()
            self._take_turn()
            if lane.error is not None:
                raise lane.error
            if not lane.is_done:
                self.counts["processes that stood still"] += 1
                self.zombies.append((lane, job))
                self._believed_dead(lane, job)
        else:
            job.stops = {}
            self.connector.run(self.dag, job)

    def _believed_dead(self, lane: Lane, job: Job) -> None:
        """What the others make of a process that stands still: cut off from the database, or started again."""
        chance = self.random.random()
        if chance < 0.6 and lane.process is not None:
            self.connector.database.cut_off(lane.process)
        if chance < 0.35:
            job.is_superseded = True
            self.world.clock.sleep(400)
            self.counts["tasks started twice"] += 1
            again = Job(
                job.run_id,
                job.interval,
                job.params,
                retries=1,
                results=dict(job.results),
                tries=dict(job.tries),
                skipped=set(job.skipped),
            )
            self.connector.run(self.dag, again, first=job.at)

    def _wake(self) -> None:
        """Let a process that stood still go on."""
        lane, _ = self.zombies.pop(0)
        self.world.lane, self.world.process = lane, lane.process
        lane.resume()
        self._take_turn()
        if lane.error is not None:
            raise lane.error
        if not lane.is_done:
            raise RuntimeError("it stands still again")

    def _take_turn(self) -> None:
        self.world.lane = self.world.process = self.world.intended_at = None

    def _extra_run(self) -> None:
        """Now and then somebody runs a range of dates, or a dry run."""
        chance = self.random.random()
        if chance < 0.1:
            self.counts["dry runs"] += 1
            self._run(self._job(dry_run=True))
        elif chance < 0.2 and self.dag == "qms_invoices":
            self.counts["runs over a range of dates"] += 1
            self._run(self._job(from_date="2026-02-01", to_date="2026-03-31"))

    def _reconnect(self) -> bool:
        """A person connects again what was refused, as the alert asks for; tells whether there was anything."""
        rows = self.connector.database.rows("SELECT conn_id FROM oauth_grant WHERE state = 'refused' ORDER BY 1")
        for (conn_id,) in rows:
            system = conn_id.partition("_")[0]
            if self.world.seeds[system] not in {None, ""}:
                self.people.reconnect(system)
        return bool(rows)
