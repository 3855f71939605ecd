"""Faults of time: leap day, year change, intervals of no length, that overlap, and that end at 20:00 sharp.

The clock's changes are in tests/dags/test_intervals.py, half-open intervals in tests/e2e/test_invoice_selection.py.
"""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from include.storage import runs
from tests.e2e.booking_world import MORNING, batch_of, invoice

if TYPE_CHECKING:
    from tests.e2e.booking_world import BookingWorld
    from tests.faults.halves import ExportHalf


class TestTime:
    """They share a world."""

    @pytest.fixture
    def world(self, export: ExportHalf) -> BookingWorld:
        export.world.begin_anew()
        return export.world

    def test_an_invoice_of_the_leap_day(self, world: BookingWorld) -> None:
        (administration,) = world.minox.state["tenants"][0]["administrations"]
        year = {"fiscal_year": 2028, "start_date": "2028-01-01", "end_date": "2028-12-31"}
        years = [*administration["fiscal_years"], year]
        world.minox.edit({"entity": "administration", "update": [{"id": administration["id"], "fiscal_years": years}]})
        day = dt.date(2028, 2, 29)
        world.add(invoice(1, day=day, invoice_day=day), at="2028-02-29T10:00:00Z")
        assert world.of(world.run(("2028-02-29T09:45:00Z", "2028-02-29T10:15:00Z"))) == {"1": "booked"}
        assert world.batches[batch_of(1)]["lines"][0]["document_date"] == "2028-02-29"
        assert world.of(world.run(None, dates=("2028-02-29", "2028-02-29"))) == {"1": "booked"}
        assert len(world.puts()) == 1

    def test_the_night_in_which_the_year_changes(self, world: BookingWorld) -> None:
        old, new = dt.date(2025, 12, 31), dt.date(2026, 1, 1)
        world.add(invoice(1, day=old, invoice_day=old), at="2025-12-31T22:59:59Z")
        world.add(invoice(2, day=new, invoice_day=new), at="2025-12-31T23:00:00Z")
        ran = world.run(("2025-12-31T18:45:00Z", "2026-01-01T06:00:00Z"))
        assert world.of(ran) == {"1": "booked", "2": "booked"}
        first, second = (world.batches[batch_of(key)]["lines"][0] for key in (1, 2))
        assert (first["document_date"], first["period"]["fiscal_year"]) == ("2025-12-31", 2025)
        assert (second["document_date"], second["period"]["fiscal_year"]) == ("2026-01-01", 2026)
        assert len(world.puts()) == 2

    def test_an_interval_of_no_length_takes_nothing_and_loses_nothing(self, world: BookingWorld) -> None:
        world.execute("INSERT INTO daily_sweep (link, local_date) VALUES ('test', '2026-03-02')")
        world.add(invoice(1))
        ran = world.run(("2026-03-02T10:00:00Z", "2026-03-02T10:00:00Z"))
        assert ran.is_good
        assert world.of(ran) == {}
        assert world.of(world.run()) == {"1": "booked"}

    def test_a_backfill_over_the_interval_of_a_run_that_is_at_work(
        self, world: BookingWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runs, "GRACE_SECONDS", 20)
        world.add(*(invoice(key) for key in range(1, 5)))
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(world.run, MORNING), pool.submit(world.run, ("2026-03-02T08:00:00Z", MORNING[1]))]
            ran = [one.result(timeout=300) for one in both]
        assert all(one.is_good for one in ran), [one.tasks for one in ran]
        assert world.of() == {str(key): "booked" for key in range(1, 5)}
        assert len(world.puts()) == len(world.batches) == 4

    def test_a_run_at_eight_in_the_evening_sharp_leaves_that_instant_to_the_morning(self, world: BookingWorld) -> None:
        world.add(invoice(1), at="2026-03-02T18:59:59.999Z")
        world.add(invoice(2), at="2026-03-02T19:00:00Z")
        world.execute(
            "INSERT INTO daily_sweep (link, local_date) VALUES ('test', '2026-03-02'), ('test', '2026-03-03')"
        )
        by_hand = world.run(("2026-03-02T18:45:00Z", "2026-03-02T19:00:00Z"))
        assert world.of(by_hand) == {"1": "booked"}
        morning = world.run(("2026-03-02T18:45:00Z", "2026-03-03T06:00:00Z"))
        assert morning.is_good
        assert world.of() == {"1": "booked", "2": "booked"}
        assert len(world.puts()) == 2
