"""Fixtures of the tests from end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.booking_world import BookingWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa


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
