"""The promises hold in seeded schedules of faults; the same seed is the same history; a broken connector is caught."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.simulation.broken import BROKEN
from tests.simulation.running import Pool, a_pool

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
SCHEDULES = 500
HINTS: dict[str, int] = {}
"""Seeds from which on some of them are caught soon."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with a_pool() as started:
        yield started


def test_nothing_is_booked_twice_or_lost_whatever_goes_wrong(pool: Pool) -> None:
    figures = pool.run(range(1, 1 + SCHEDULES))
    assert figures.failed == []
    assert figures.counts["schedules"] == SCHEDULES
    assert figures.counts["bookings"] > SCHEDULES
    assert figures.counts["kills"] > SCHEDULES / 5
    assert figures.faults.total() > SCHEDULES


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
    first = HINTS.get(name, 1)
    assert pool.run(range(first, first + 120), name, until_failed=True, part=3).failed
