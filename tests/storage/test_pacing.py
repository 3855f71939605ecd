"""The shared pace: even, over all workers, and blocked for all of them at once."""

from __future__ import annotations

import datetime as dt
import itertools
import multiprocessing
import threading
import time

import pytest
import sqlalchemy as sa

from include.storage.engine import engine_from_url
from include.storage.pacing import Pacing
from include.storage.tables import request_pacing


def _taken(database: sa.Engine, key: str) -> dt.timedelta:
    """How far ahead of the end of its block the next free moment of a key lies."""
    columns = request_pacing.c
    with database.connect() as connection:
        taken = connection.scalar(sa.select(columns.next_at - columns.blocked_until).where(columns.key == key))
    assert isinstance(taken, dt.timedelta)
    return taken


def test_moments_lie_evenly_apart(database: sa.Engine) -> None:
    pacing = Pacing(lambda: database)
    waits = [pacing.reserve("even", 0.1) for _ in range(11)]
    assert waits[0] == 0
    assert waits[-1] == pytest.approx(104, abs=9)  # ten steps of 10.4 s, less what the calls themselves took
    assert all(later > earlier for earlier, later in itertools.pairwise(waits))


def test_the_requests_of_a_second_take_a_little_more_than_one(database: sa.Engine) -> None:
    pacing = Pacing(lambda: database)
    pacing.block_for("slack", 60)
    for _ in range(5):
        pacing.reserve("slack", 5)
    assert _taken(database, "slack") == dt.timedelta(seconds=1.04)


def test_a_pause_is_not_saved_up(database: sa.Engine) -> None:
    pacing = Pacing(lambda: database)
    pacing.reserve("saved", 0.5)
    time.sleep(2.2)
    assert pacing.reserve("saved", 0.5) == 0
    assert pacing.reserve("saved", 0.5) > 0


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
        assert done.wait(60)


def _take_turns(url: str, number: int) -> None:
    engine = engine_from_url(sa.make_url(url))
    pacing = Pacing(lambda: engine)
    for _ in range(number):
        pacing.reserve("shared", 20)
    engine.dispose()


def test_processes_share_one_pace(database: sa.Engine, database_url: sa.URL) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = (database_url.render_as_string(hide_password=False), 10)
    workers = [context.Process(target=_take_turns, args=arguments) for _ in range(4)]
    Pacing(lambda: database).block_for("shared", 3600)  # so that every moment lies ahead, however slow a process is
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    assert _taken(database, "shared") == dt.timedelta(seconds=2 * 1.04)  # forty moments at twenty a second
