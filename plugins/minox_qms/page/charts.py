"""The geometry of the small charts; the template draws it as inline SVG, so that no script is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from include.storage.trend import Day

WIDTH, HEIGHT, GAP = 10, 36, 3
LEAST = 2
"""Height of the smallest bar, so that one record among thousands can be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Two bars of one day, side by side; places and heights in the chart's own units.

    Attributes:
        date: The day.
        x: Left edge.
        written: Number of records written.
        problems: Number of records that could not be.
        written_height: Height of the first bar.
        problems_height: Height of the second bar.
    """

    date: dt.date
    x: int
    written: int
    problems: int
    written_height: float
    problems_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of one entity."""

    bars: tuple[Bar, ...]
    width: int
    height: int
    bar: float
    highest: int


def bars(days: Sequence[Day]) -> Chart:
    """Lay out a chart.

    Args:
        days: One per place, in order.
    """
    highest = max((max(day.written, day.problems) for day in days), default=0)

    def height(number: int) -> float:
        return 0 if number == 0 else round(max(LEAST, HEIGHT * number / highest), 2)

    laid = tuple(
        Bar(day.date, place * (WIDTH + GAP), day.written, day.problems, height(day.written), height(day.problems))
        for place, day in enumerate(days)
    )
    return Chart(laid, len(days) * (WIDTH + GAP) - GAP, HEIGHT, WIDTH / 2, highest)
