"""The promises hold in seeded schedules of faults; the same seed is the same history; a broken connector is caught."""

from __future__ import annotations

import pytest

from tests.simulation.broken import BROKEN
from tests.simulation.running import run_parallel, trace_of

SCHEDULES = 100
HINTS = dict.fromkeys(BROKEN, 1)
"""A seed from which on each of them is caught soon."""


def test_nothing_is_booked_twice_or_lost_whatever_goes_wrong() -> None:
    figures = run_parallel(range(1, 1 + SCHEDULES))
    assert figures.failed == []
    assert figures.counts["schedules"] == SCHEDULES
    assert figures.counts["bookings"] > SCHEDULES
    assert figures.counts["kills"] > SCHEDULES / 5
    assert figures.faults.total() > SCHEDULES


def test_the_same_seed_is_the_same_history_byte_for_byte() -> None:
    first, _ = trace_of(4711)
    second, _ = trace_of(4711)
    assert len(first.splitlines()) > 20
    assert first == second


@pytest.mark.parametrize("name", BROKEN)
def test_a_connector_that_is_broken_on_purpose_is_caught(name: str) -> None:
    figures = run_parallel(range(HINTS[name], HINTS[name] + 300), broken=name, until_failed=True)
    assert figures.failed
