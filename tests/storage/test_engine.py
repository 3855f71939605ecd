"""The engine of a task: connections that have lain in the pool for a while are tried out before they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from include.storage import engine as module
from include.storage.engine import engine_from_url

if TYPE_CHECKING:
    from collections.abc import Iterator

PID = sa.select(sa.func.pg_backend_pid())


@pytest.fixture
def engine(database_url: sa.URL) -> Iterator[sa.Engine]:
    made = engine_from_url(database_url)
    yield made
    made.dispose()


def test_a_connection_that_died_in_the_pool_is_replaced(
    engine: sa.Engine, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PING_AFTER", 0)
    with engine.connect() as one, engine.connect() as other:
        first = {one.scalar(PID), other.scalar(PID)}
    with database.connect() as admin:
        for pid in first:
            assert admin.scalar(sa.select(sa.func.pg_terminate_backend(pid, 5000)))
    with engine.connect() as one, engine.connect() as other:
        assert not first & {one.scalar(PID), other.scalar(PID)}


@pytest.mark.parametrize(("after", "times"), [(0.0, 3), (3600.0, 0)])
def test_a_connection_that_was_just_used_is_used_again_at_once(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, after: float, times: int
) -> None:
    monkeypatch.setattr(module, "PING_AFTER", after)
    pings: list[object] = []
    monkeypatch.setattr(engine.dialect, "do_ping", pings.append)
    pids = set()
    for _ in range(4):
        with engine.connect() as connection:
            pids.add(connection.scalar(PID))
    assert (len(pings), len(pids)) == (times, 1)
