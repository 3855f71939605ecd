"""The connection to the connector's own database, and the one for questions."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from include.storage.engine import ask, engine_from_url

if TYPE_CHECKING:
    from typing import Any

WHO: sa.Select[Any] = sa.select(sa.func.pg_backend_pid())


def test_all_questions_go_over_one_connection(database: sa.Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = {one.result() for one in [pool.submit(ask, database, WHO, {}) for _ in range(20)]}
    assert len(asked) == 1


def test_a_question_whose_connection_broke_is_asked_again_over_a_new_one(database: sa.Engine) -> None:
    first = ask(database, WHO, {})
    with database.connect() as connection:
        connection.execute(sa.select(sa.func.pg_terminate_backend(first)))
    second = ask(database, WHO, {})
    assert second != first
    assert ask(database, WHO, {}) == second


def test_the_connection_ends_with_the_engines_others(database: sa.Engine) -> None:
    engine = engine_from_url(database.url)
    asked = ask(engine, WHO, {})
    engine.dispose()
    there = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
    deadline = time.monotonic() + 30
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.scalar(there, {"pid": asked}) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert connection.scalar(there, {"pid": asked}) == 0


def test_a_question_that_the_database_refuses_is_not_asked_again(database: sa.Engine) -> None:
    before = ask(database, WHO, {})
    with pytest.raises(sa.exc.DataError):
        ask(database, sa.select(sa.literal(1) / sa.bindparam("zero", type_=sa.Integer)), {"zero": 0})
    assert ask(database, WHO, {}) == before
