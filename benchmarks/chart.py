"""The chart of docs/performance.md: grouped bars as a plain SVG, readable on a light and on a dark page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLOURS = ("#2563eb", "#d97706", "#6b7280")
BAR, GAP, LABELS, WIDTH, HEAD = 14, 12, 260, 420, 34
RIGHT = 90
"""Room for the figures behind the bars."""


@dataclass(frozen=True, slots=True)
class Group:
    """Bars that belong together.

    Attributes:
        label: What they are about.
        values: Per series its value; one that is not there is left out.
    """

    label: str
    values: Mapping[str, float]


def bars(title: str, unit: str, groups: Sequence[Group]) -> str:
    """Draw groups of horizontal bars, each group to the scale of its own largest value.

    Args:
        title: Stands above.
        unit: Of the values.
        groups: From top to bottom.

    Returns:
        An SVG document.
    """
    series = list(dict.fromkeys(name for group in groups for name in group.values))
    colours = dict(zip(series, COLOURS, strict=False))
    parts: list[str] = []
    y = HEAD + 18
    for group in groups:
        middle = y + len(group.values) * BAR / 2
        parts.append(_text(LABELS - 8, middle + 4, group.label, anchor="end"))
        highest = max(group.values.values(), default=0) or 1
        for name, value in group.values.items():
            width = round(WIDTH * value / highest, 1)
            parts.append(f'<rect x="{LABELS}" y="{y}" width="{width}" height="{BAR - 2}" fill="{colours[name]}"/>')
            parts.append(_text(LABELS + width + 5, y + 10, f"{value:,.2f} {unit}"))
            y += BAR
        y += GAP
    legend = []
    for place, name in enumerate(series):
        x = LABELS + place * 150
        legend.append(f'<rect x="{x}" y="{HEAD - 10}" width="10" height="10" fill="{colours[name]}"/>')
        legend.append(_text(x + 15, HEAD - 1, name))
    width = LABELS + WIDTH + RIGHT
    style = "text{font:12px system-ui,sans-serif;fill:#111827}@media(prefers-color-scheme:dark){text{fill:#e5e7eb}}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style>",
            _text(8, 16, title),
            *legend,
            *parts,
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
