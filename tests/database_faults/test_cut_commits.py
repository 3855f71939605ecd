"""The connection to the database is cut at each commit of a run, on either side of it.

Many commits are the same in every task (the claim, the lock, the pace); of those with the same statement one is cut,
the one in the middle of the run, on one side. With `MINOX_QMS_EVERY_COMMIT=1` in the environment (`make cut-commits`)
every single one is, on both sides, which takes minutes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.database_faults.after import (
    begin_invoices,
    begin_master_data,
    begin_reconciliation,
    first_run,
    invoices_are_right,
    master_data_is_right,
    reconciliation_is_right,
    unclear,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.database_faults.faults import Faults, Side
    from tests.e2e.booking_world import BookingWorld
    from tests.world import Ran

    Step = Callable[[BookingWorld], None]
    Running = Callable[[BookingWorld], Ran]

AT_LEAST = {"invoices": 65, "master_data": 60, "reconciliation": 15}
"""Commits that a run is known to have: fewer would mean that this test does not see them."""


@pytest.mark.parametrize(
    ("begin", "run", "is_right"),
    [
        pytest.param(begin_invoices, first_run, invoices_are_right, id="invoices"),
        pytest.param(begin_master_data, lambda world: world.run_master_data(), master_data_is_right, id="master_data"),
        pytest.param(
            begin_reconciliation, lambda world: world.run_reconciliation(), reconciliation_is_right, id="reconciliation"
        ),
    ],
)
def test_a_connection_that_is_cut_at_a_commit_costs_nothing(
    booking_world: BookingWorld,
    faults: Faults,
    request: pytest.FixtureRequest,
    begin: Step,
    run: Running,
    is_right: Step,
) -> None:
    begin(booking_world)
    faults.commits.clear()
    run(booking_world)
    commits = list(faults.commits)
    is_right(booking_world)
    assert len(commits) >= AT_LEAST[request.node.callspec.id]
    problems = []
    for number, side in _chosen(commits):
        begin(booking_world)
        faults.commits.clear()
        faults.struck = False
        faults.cut(number, side)
        ran = run(booking_world)
        faults.disarm()
        place = f"{side} commit {number} ({commits[number]})"
        problems += [f"{place}: {one}" for one in unclear(ran)]
        if not faults.struck:
            problems.append(f"{place}: did not come")
        try:
            is_right(booking_world)
        except AssertionError as error:
            problems.append(f"{place}: {error}\n{ran.tasks}")
    assert problems == [], "\n\n".join(problems)


def _chosen(commits: list[str]) -> list[tuple[int, Side]]:
    """Numbers and sides of the commits to cut."""
    sides: tuple[Side, Side] = ("before", "after")
    if os.environ.get("MINOX_QMS_EVERY_COMMIT"):
        return [(number, side) for number in range(len(commits)) for side in sides]
    numbers: dict[str, list[int]] = {}
    for number, statement in enumerate(commits):
        numbers.setdefault(statement, []).append(number)
    return [(of_it[len(of_it) // 2], sides[place % 2]) for place, of_it in enumerate(numbers.values())]
