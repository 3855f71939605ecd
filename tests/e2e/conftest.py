"""Fixtures of the tests from end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from minox_qms.hooks.http import Limits
from tests.e2e.booking_world import BookingWorld
from tests.e2e.master import shared_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from tests.world import World


@pytest.fixture(scope="module")
def booking_world(tmp_path_factory: pytest.TempPathFactory, database: sa.Engine) -> Iterator[BookingWorld]:
    """Both systems and the database, shared by the tests of a module."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = BookingWorld(tmp_path_factory.mktemp("world"), database, monkeypatch)
        try:
            yield world
        finally:
            world.stop()


@pytest.fixture
def world(booking_world: BookingWorld) -> BookingWorld:
    """The world as it is in the beginning, with the link's default settings and no invoices."""
    booking_world.begin_anew()
    return booking_world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, database: sa.Engine) -> Iterator[World]:
    """A world of master data, shared by the tests of a module; each begins with `master.cleared`."""
    with shared_world(tmp_path_factory.mktemp("links"), database) as made:
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that try as often as ever, with short pauses."""
    monkeypatch.setattr(Limits.__init__, "__defaults__", (10, 60, 300, 900, 3, 5, 64 * 1024 * 1024, 0.01, 0.05, 300))
