"""A part of the matrix for every day: a fifth of its cells, with every fault and every point at least once.

`make fault-matrix` runs all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.halves import ExportHalf, Half, ImportHalf
from tests.faults.matrix import Report, cells, reasons, run_cells, sample, table
from tests.faults.points import POINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


@pytest.fixture(params=[ExportHalf, ImportHalf], ids=lambda half: half.name)
def half(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, database: sa.Engine
) -> Iterator[Half]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = request.param(tmp_path_factory.mktemp("matrix"), database, monkeypatch)
        try:
            yield made
        finally:
            made.world.stop()


def test_whatever_goes_wrong_the_next_run_makes_it_right(half: Half) -> None:
    chosen = [cell for cell in sample() if cell.point.half == half.name]
    report = run_cells(half, chosen)
    assert report.wrong == {}, table(report)
    assert sum(report.runs.values()) == len(chosen) > 20


def test_every_point_and_fault_is_a_cell_or_says_why_not() -> None:
    run, not_run = {(cell.fault.name, cell.point.name) for cell in cells()}, set(reasons())
    assert run | not_run == {(fault.name, point.name) for fault in FAULTS for point in POINTS}
    assert not run & not_run
    assert all(why.strip() for why in reasons().values())


def test_the_part_for_every_day_has_every_point_and_every_fault_that_can_be() -> None:
    part, whole = sample(), cells()
    assert {cell.point for cell in part} == {cell.point for cell in whole} == set(POINTS)
    assert {cell.fault.name for cell in part} == {cell.fault.name for cell in whole}
    assert [cell.name for cell in sample()] == [cell.name for cell in part]


def test_the_page_shows_a_run_of_the_whole_matrix_as_it_is_now() -> None:
    page = PAGE.read_text(encoding="utf-8")
    head, *rows = table(Report(runs=dict.fromkeys((cell.name for cell in cells()), 1))).splitlines()
    assert head in page
    assert [row for row in rows if row not in page.replace("\N{WHITE CIRCLE}", "\N{CHECK MARK}")] == []
