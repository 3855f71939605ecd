"""The shared pace: even, over all workers, and blocked for all of them at once."""

from __future__ import annotations

import datetime as dt
import itertools
import multiprocessing
import threading
import time
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from include.storage.engine import engine_from_url
from include.storage.pacing import Pacing
from include.storage.tables import request_pacing

if TYPE_CHECKING:
    from multiprocessing.queues import Queue


def test_moments_lie_evenly_apart(database: sa.Engine) -> None:
    pacing = Pacing(lambda: database)
    waits = [pacing.reserve("even", 5) for _ in range(11)]
    assert waits[0] == 0
    assert waits[-1] == pytest.approx(2.0, abs=0.5)  # ten steps of 0.2 s, less what the calls themselves took
    assert all(later > earlier for earlier, later in itertools.pairwise(waits))


def test_the_requests_of_a_second_take_a_little_more_than_one(database: sa.Engine) -> None:
    pacing = Pacing(lambda: database)
    pacing.block_for("slack", 60)
    for _ in range(5):
        pacing.reserve("slack", 5)
    columns = request_pacing.c
    with database.connect() as connection:
        taken = connection.scalar(sa.select(columns.next_at - columns.blocked_until).where(columns.key == "slack"))
    assert taken == dt.timedelta(seconds=1.04)


def test_a_pause_is_not_saved_up(database: sa.Engine) -> None:
    pacing = Pacing(lambda: database)
    pacing.reserve("saved", 10)
    time.sleep(0.5)
    assert pacing.reserve("saved", 10) == 0
    assert pacing.reserve("saved", 10) > 0.05


def test_keys_do_not_wait_for_each_other(database: sa.Engine) -> None:
    pacing = Pacing(lambda: database)
    pacing.block_for("one", 60)
    assert pacing.reserve("other", 1) == 0


def test_a_block_holds_for_all_and_is_never_shortened(database: sa.Engine) -> None:
    pacing = Pacing(lambda: database)
    pacing.block_for("blocked", 60)
    pacing.block_for("blocked", 5)
    assert Pacing(lambda: database).reserve("blocked", 10) == pytest.approx(60, abs=2)
    assert pacing.reserve("blocked", 10) == pytest.approx(60.1, abs=2)


def test_a_pace_above_zero_is_wanted(database: sa.Engine) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Pacing(lambda: database).reserve("none", 0)


def test_nothing_is_held_between_calls(database: sa.Engine) -> None:
    pacing = Pacing(lambda: database)
    pacing.reserve("held", 5)
    done = threading.Event()

    def other() -> None:
        pacing.reserve("held", 5)
        done.set()

    with database.connect() as connection:
        connection.execute(sa.select(request_pacing)).all()
        threading.Thread(target=other).start()
        assert done.wait(5)


def _take_turns(url: str, number: int, moments: Queue[float]) -> None:
    engine = engine_from_url(sa.make_url(url))
    pacing = Pacing(lambda: engine)
    for _ in range(number):
        time.sleep(pacing.reserve("shared", 20))
        moments.put(time.time())
    engine.dispose()


def test_processes_share_one_pace(database_url: sa.URL) -> None:
    context = multiprocessing.get_context("spawn")
    moments: Queue[float] = context.Queue()
    arguments = (database_url.render_as_string(hide_password=False), 10, moments)
    workers = [context.Process(target=_take_turns, args=arguments) for _ in range(4)]
    for worker in workers:
        worker.start()
    times = sorted(moments.get(timeout=60) for _ in range(40))
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    # 40 turns at 20 a second: no window of a second holds more than 20, but for the jitter of waking up.
    assert times[-1] - times[0] > 1.8
    assert max(sum(1 for other in times if start <= other < start + 1) for start in times) <= 23
