"""A world whose database can fail, and runs that follow each other without waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.checks.results import CheckedBatch, CheckedChunk
from include.storage.engine import engine
from minox_qms.hooks.http import Limits
from minox_qms.sync import checking
from tests.database_faults.faults import Faults, prepare_server
from tests.e2e.booking_world import BookingWorld

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import sqlalchemy as sa

    from include.checks.results import StagedRecord


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry with short pauses, and check without Great Expectations: what matters here is what is written when."""

    def all_good(_: object, records: Iterable[StagedRecord]) -> Iterator[CheckedChunk]:
        found = list(records)
        yield CheckedChunk(len(found), {}, {}, ())

    monkeypatch.setattr(Limits.__init__, "__defaults__", (10, 60, 300, 900, 3, 5, 64 * 1024 * 1024, 0.01, 0.05, 300))
    monkeypatch.setattr(checking, "check_records", all_good)
    monkeypatch.setattr(checking, "check_batch", lambda *_: CheckedBatch((), ()))


@pytest.fixture(scope="module")
def booking_world(tmp_path_factory: pytest.TempPathFactory, database: sa.Engine) -> Iterator[BookingWorld]:
    """Both systems and the database, shared by the tests of a module."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = BookingWorld(tmp_path_factory.mktemp("world"), database, monkeypatch)
        prepare_server(database)
        try:
            yield world
        finally:
            world.stop()


@pytest.fixture
def faults(booking_world: BookingWorld) -> Iterator[Faults]:
    """What watches the engine that the runs work with."""
    with Faults(engine(), booking_world.database).watching() as watching:
        yield watching
