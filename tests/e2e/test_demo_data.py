"""Both directions over the demo's data: everything acceptable arrives, once; a second run writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.world import World, a_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa


@pytest.fixture
def world(tmp_path: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with a_world(tmp_path, database, monkeypatch, "demo") as made:
        yield made


def test_both_directions_run_and_a_second_run_writes_nothing(world: World) -> None:
    first = world.run_master_data()
    assert first.is_good, first.tasks
    assert first.counts["customers"]["rejected"] == 6
    assert sum(first.counts["customers"].values()) == 300
    booked = world.run_invoices()
    assert booked.is_good, booked.tasks
    batches = world.minox.state["tenants"][0]["data"]["1"]["batches"]
    assert len(batches) == booked.counts["invoices"]["booked"]
    for system in (world.minox, world.qms):
        system.forget_requests()
    again, invoices = world.run_master_data(), world.run_invoices()
    assert again.is_good
    assert invoices.is_good
    assert world.qms.writes() == []
    assert world.minox.writes() == []
    assert set(again.counts["customers"]) == {"rejected", "unchanged"}
