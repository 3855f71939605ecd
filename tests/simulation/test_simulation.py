"""The promises hold in seeded schedules of faults; the same seed is the same history; a broken connector is caught."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.simulation.broken import BROKEN
from tests.simulation.checker import asks_for
from tests.simulation.faults import APPLIED, BATCHES, COMMITS, LISTS, NOT_ARRIVED
from tests.simulation.master import DEEDS as MASTER_DATA
from tests.simulation.people import DEEDS as BOOKKEEPING
from tests.simulation.running import Pool, a_pool
from tests.simulation.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.running import Figures

PROJECT = Path(__file__).resolve().parents[2]
SCHEDULES = 500
PLACES = {"before a request", "before an answer", "before a commit", "after a commit"}
RARE = ("processes that stood still", "tasks started twice", "dry runs", "runs over a range of dates")


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with a_pool() as started:
        yield started


def test_nothing_is_booked_twice_or_lost_whatever_goes_wrong(pool: Pool) -> None:
    figures = pool.run(range(1, 1 + SCHEDULES))
    assert figures.failed == []
    assert figures.counts["schedules"] == SCHEDULES
    assert figures.counts["bookings"] > SCHEDULES
    assert set(figures.faults) == {*NOT_ARRIVED, *APPLIED, *LISTS, *BATCHES, *COMMITS}
    assert {task for task, _ in _kills(figures)} == {*Schedule.deadly, "load"}
    assert {place for _, place in _kills(figures)} == PLACES
    assert set(figures.deeds) == {*BOOKKEEPING, *MASTER_DATA, "connect again"}
    assert min(figures.counts[what] for what in RARE) > 0


def _kills(figures: Figures) -> list[tuple[str, str]]:
    """Task and place of every kill."""
    return [(task, place) for task, _, place in (name.partition(", ") for name in figures.kills)]


@pytest.mark.parametrize("seed", [4711, 4715])
def test_the_same_seed_is_the_same_history_byte_for_byte(pool: Pool, seed: int) -> None:
    traces = [pool.trace(seed)[0] for _ in range(3)]  # in two processes, after whatever they ran before
    assert len(traces[0].splitlines()) > 20
    assert traces[1:] == traces[:-1]


def test_a_seed_is_replayed_at_the_prompt(pool: Pool) -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", "4711", "--trace"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, cwd=PROJECT).stdout
    assert printed == f"{pool.trace(4711)[0]}\n"


@pytest.mark.parametrize("name", BROKEN)
def test_a_connector_that_is_broken_on_purpose_is_caught(pool: Pool, name: str) -> None:
    assert pool.run(range(1, 401), name, until_failed=True, part=5).failed


@pytest.mark.parametrize(("key", "is_asked"), [(2, True), (4, False), (5, True), (7, True), (9, True), (10, False)])
def test_the_checker_sees_which_invoices_a_run_has_read(key: int, is_asked: bool) -> None:
    asked = "(InvoiceHeaderId eq 2L or (InvoiceHeaderId ge 5L and InvoiceHeaderId le 9L)) and CompanyId eq 4L"
    assert asks_for(f"GET /api/V3/odata/Invoice?$filter={asked}", key) is is_asked
