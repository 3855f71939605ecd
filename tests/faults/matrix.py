"""The matrix: every point with every fault, run or said why not, and printed."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.faults.catalogue import FAULTS, Fault, Variant
from tests.faults.points import POINTS, Point

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.faults.halves import Half

SEED = 20260302
SHARE = 5
DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Cell:
    """A point with a fault that can come there."""

    point: Point
    fault: Fault
    variants: tuple[Variant, ...]

    @property
    def name(self) -> str:
        return f"{self.point.name} {self.fault.name}"


@dataclass(slots=True)
class Report:
    """What came of cells: runs by cell, what went wrong, and what a zombie's own request did a second time."""

    runs: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    twice: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    def plus(self, other: Report) -> Report:
        return Report(
            self.runs | other.runs, self.wrong | other.wrong, self.twice | other.twice, self.seconds + other.seconds
        )


def cells(half: str | None = None) -> list[Cell]:
    """All cells of a half, or of both."""
    found = []
    for fault in FAULTS:
        for point in POINTS:
            variants = fault.at(point)
            if half in {None, point.half} and not isinstance(variants, str):
                found.append(Cell(point, fault, tuple(variants)))
    return found


def reasons() -> dict[tuple[str, str], str]:
    """Why there is no cell, by fault and point."""
    found = {(fault.name, point.name): fault.at(point) for fault in FAULTS for point in POINTS}
    return {place: why for place, why in found.items() if isinstance(why, str)}


def brief(seed: int = SEED) -> list[Cell]:
    """Every cell once: one of its variants, by chance."""
    chance = random.Random(seed)  # noqa: S311 - the same cells for the same seed
    return [Cell(one.point, one.fault, (chance.choice(one.variants),)) for one in cells()]


def sample(seed: int = SEED) -> list[Cell]:
    """A part for every day: a fifth of the cells, each once, with every fault and every point among them."""
    rest = brief(seed)
    random.Random(seed).shuffle(rest)  # noqa: S311 - as above
    faults, points = set[str](), set[str]()
    chosen: list[Cell] = []
    others: list[Cell] = []
    for one in rest:
        is_new = one.fault.name not in faults or one.point.name not in points
        (chosen if is_new else others).append(one)
        faults.add(one.fault.name)
        points.add(one.point.name)
    return chosen + others[: max(0, len(rest) // SHARE - len(chosen))]


def run_cells(half: Half, chosen: Sequence[Cell], say: Callable[[str], None] = lambda _: None) -> Report:
    """Run cells of a half, one after the other; how far it is, and what goes wrong, is said at once."""
    report = Report()
    begun = time.monotonic()
    with half.instrument:
        half.learn()
        for number, cell in enumerate(chosen):
            if number % 25 == 0:
                say(f"{half.name}: {number} of {len(chosen)} cells, {time.monotonic() - begun:.0f} s")
            for variant in cell.variants:
                report.runs[cell.name] = report.runs.get(cell.name, 0) + 1
                wrong = _run(half, cell.point, variant)
                if half.twice:
                    report.twice.setdefault(cell.name, []).extend(half.twice)
                if wrong:
                    say(f"✗ {cell.name}, {variant.name}: {'; '.join(wrong)}")
                    report.wrong.setdefault(cell.name, []).append(f"{variant.name}: {'; '.join(wrong)}")
    report.seconds = time.monotonic() - begun
    return report


def _run(half: Half, point: Point, variant: Variant) -> list[str]:
    """Run one variant; returns what was wrong in the end."""
    half.begin()
    if point.reads:
        half.use_small_pages()
    variant.go(half)
    fired = half.instrument.fired
    half.heal()
    came = bool(half.spoilt or fired)
    wrong = half.check(half.last_run())
    return wrong if came else ["the fault never came", *wrong]


def table(report: Report) -> str:
    """The matrix as text: a row per fault, a column per point."""
    width = max(len(fault.name) for fault in FAULTS)
    lines = [" " * (width + 10) + "".join(f"{point.name:>4}" for point in POINTS)]
    for fault in FAULTS:
        marks = "".join(f"{_mark(report, fault, point):>4}" for point in POINTS)
        lines.append(f"{fault.group:<8}  {fault.name:<{width}}{marks}")
    return "\n".join(lines)


def _mark(report: Report, fault: Fault, point: Point) -> str:
    name = f"{point.name} {fault.name}"
    if name in report.wrong:
        return "✗"
    if name in report.runs:
        return "○" if name in report.twice else "✓"
    return DASH if isinstance(fault.at(point), str) else "·"


def notes(report: Report) -> str:
    """Why cells cannot exist, each reason with its cells; and what was there twice."""
    found: dict[str, list[str]] = {}
    for (fault, point), why in reasons().items():
        found.setdefault(f"{fault}: {why}", []).append(point)
    lines = [f"{DASH} {why} ({', '.join(places)})" for why, places in found.items()]
    lines += [
        f"○ {name}: {', '.join(sorted(set(what)))} twice, by the request that the suspended process was about to send"
        for name, what in report.twice.items()
    ]
    return "\n".join(lines)
