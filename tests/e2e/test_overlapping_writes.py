"""Entries overlap on their way to Minox: in order, so many at once, and each as safe as if it were alone."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from include.errors import AccessError
from minox_qms.sync.flights import Flights
from tests.e2e.booking_world import LATER, MORNING, batch_of, invoice
from tests.world import ROOT, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.booking_world import BookingWorld

BATCH = "transaction_line_batch"


pytestmark = pytest.mark.usefixtures("impatient")


def sent(world: BookingWorld) -> list[str]:
    """Ids of the batches in the order in which their PUTs arrived."""
    return [one["path"].rpartition("/")[2] for one in world.puts()]


def states(world: BookingWorld) -> dict[str, int]:
    rows = world.rows("SELECT state, count(*) AS invoices FROM booking GROUP BY state")
    return {row.state: row.invoices for row in rows}


# -- in order, so many at once -----------------------------------------------------------------------------------------


def test_the_oldest_invoices_go_out_first_though_answers_come_late(world: BookingWorld) -> None:
    days = [20, 3, 11, 3, 28, 1, 9, 17, 5, 2]
    world.add(*(invoice(key, invoice_day=dt.date(2026, 2, day)) for key, day in enumerate(days, 1)))
    world.minox.spoil(method="PUT", path=BATCH, action="delay", seconds=0.3, nth=1, times=1)
    ran = world.run()
    assert ran.is_good, ran.tasks
    assert ran.counts == {"invoices": {"booked": len(days)}}
    order = sorted(range(1, len(days) + 1), key=lambda key: (days[key - 1], key))
    assert sent(world) == [batch_of(key) for key in order]


@pytest.mark.parametrize("at_once", [1, 4])
def test_never_more_than_the_setting_are_under_way(world: BookingWorld, at_once: int) -> None:
    world.change_settings(minox_concurrency=at_once)
    world.add(*(invoice(key) for key in range(1, 8)))
    world.minox.spoil(method="PUT", path=BATCH, action="hold", seconds=60, times=None)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.run)
        until(lambda: len(world.puts()) >= at_once, "the PUTs")
        time.sleep(0.3)  # time for one too many
        under_way, known = sent(world), states(world)
        world.minox.control("POST", "faults/release")
        ran = running.result(timeout=120)
    assert under_way == [batch_of(key) for key in range(1, at_once + 1)]
    assert known == {"sending": at_once, "open": 7 - at_once}
    assert ran.counts == {"invoices": {"booked": 7}}
    assert len(world.puts()) == 7


# -- as safe as alone --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["hold", "apply-then-hold"])
def test_a_run_that_is_killed_with_four_under_way_books_each_once(world: BookingWorld, action: str) -> None:
    world.add(*(invoice(key) for key in range(1, 7)))
    world.minox.spoil(method="PUT", path=BATCH, action=action, seconds=120, times=None)
    command = [sys.executable, "-m", "tests.e2e.run_once", str(world.directory), *MORNING]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: len(world.puts()) == 4 or process.poll() is not None, "four PUTs")
    finally:
        process.kill()
        process.wait(timeout=60)
    assert states(world) == {"sending": 4, "open": 2}
    world.minox.heal()
    until(lambda: len(world.batches) == 4 or action == "hold", "the work")
    world.execute("UPDATE run_claim SET seen_at = seen_at - interval '1 minute'")
    arrived = set(world.batches)
    world.minox.forget_requests()
    ran = world.run(LATER)
    assert world.of(ran) == {str(key): "booked" for key in range(1, 7)}
    looked_up = {one["path"].rpartition("/")[2] for one in world.minox.requests("GET", f"{BATCH}/")}
    assert {batch_of(key) for key in range(1, 5)} <= looked_up
    assert not arrived & set(sent(world))
    assert set(world.batches) == {batch_of(key) for key in range(1, 7)}


def test_answers_that_are_lost_all_at_once_are_looked_up_each(world: BookingWorld) -> None:
    world.add(*(invoice(key) for key in range(1, 7)))
    world.minox.spoil(method="PUT", path=BATCH, action="apply-then-drop", times=6)
    ran = world.run()
    assert ran.is_good, ran.tasks
    assert ran.counts == {"invoices": {"booked": 6}}
    assert len(world.puts()) == 6


def test_a_right_that_is_lost_stops_what_has_not_begun(world: BookingWorld) -> None:
    world.add(*(invoice(key) for key in range(1, 21)))
    world.minox.spoil(method="PUT", path=BATCH, action="status", status=403, nth=3, times=None)
    ran = world.run()
    assert isinstance(ran.tasks["book"].__cause__, AccessError)  # type: ignore[union-attr]
    assert ran.counts == {"invoices": {"booked": 2, "failed": 18}}
    assert states(world) == {"booked": 2, "open": 18}
    assert len(world.puts()) <= 2 + 4 + 3  # those under way, and as many as ended in between
    world.minox.heal()
    assert world.run(LATER).counts == {"invoices": {"booked": 18}}
    assert len(world.batches) == 20


# -- the mechanism -----------------------------------------------------------------------------------------------------


def test_the_next_one_begins_when_the_one_before_is_on_its_way() -> None:
    told: list[str] = []
    end = threading.Event()

    def send(name: str) -> Callable[[Callable[[], None]], None]:
        def work(on_sent: Callable[[], None]) -> None:
            time.sleep(0.02)
            told.append(name)
            on_sent()
            end.wait(10)

        return work

    with Flights(3) as flights:
        for name in ("first", "second", "third"):
            assert flights.make_room() == []
            flights.begin(send(name))
            assert told[-1] == name
        end.set()
        assert [one.result() for one in flights.rest()] == [None, None, None]
    assert told == ["first", "second", "third"]


def test_one_that_ends_before_it_is_on_its_way_keeps_nobody_waiting() -> None:
    def fail(_: Callable[[], None]) -> BaseException | None:
        raise RuntimeError("never sent")

    with Flights(2) as flights:
        flights.begin(fail)
        (ended,) = flights.rest()
    assert isinstance(ended.exception(), RuntimeError)
