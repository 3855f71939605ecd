"""Plain HTML for the pages of the stand-ins: no scripts, no outside files, fit for phones, light and dark."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from sandbox.common.json_text import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STYLE = """
:root{color-scheme:light dark;--line:#8885;--accent:#0a5ca8;--soft:#8881}
@media (prefers-color-scheme:dark){:root{--accent:#7db8f0}}
*{box-sizing:border-box}body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem}
h1{font-size:1.4rem;margin:.3rem 0 1rem}h2{font-size:1.1rem;margin:1.4rem 0 .5rem}a{color:var(--accent)}
nav{font-size:.9rem}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;padding:.2rem 0;opacity:.8}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line)}
th{background:var(--soft);white-space:nowrap}th.n,td.n{text-align:right;font-variant-numeric:tabular-nums}
td{overflow-wrap:anywhere;min-width:4rem}button{font:inherit;padding:.5rem 1rem;margin:.5rem .5rem 0 0}
"""

_NUMERIC = ' class="n"'


@dataclass(frozen=True)
class Link:
    """A text that leads to another page.

    Attributes:
        text: What is shown.
        href: Where it leads.
    """

    text: str
    href: str


@dataclass(frozen=True)
class Number:
    """A number, shown at the right of its cell.

    Attributes:
        value: What is shown; None is nothing.
    """

    value: Any


def page(system: str, title: str, *parts: str, trail: Sequence[Link] = ()) -> str:
    """Make a whole page.

    Args:
        system: The system's name, for the head of the page.
        title: The page's own title.
        *parts: HTML of the content, in order.
        trail: Links to the pages above this one.

    Returns:
        HTML text.
    """
    way = " / ".join(_cell_text(link) for link in trail)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · {escape(system)}</title><style>{_STYLE}</style></head><body>"
        f'<nav aria-label="Path">{way}</nav><main><h1>{escape(title)}</h1>{"".join(parts)}</main></body></html>'
    )


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Make a table.

    Args:
        caption: What the table shows.
        heads: The column heads.
        rows: The cells: text, numbers, `Link`, `Number`, None or anything JSON can write.

    Returns:
        HTML text.
    """
    shown = list(rows)
    numbers = [isinstance(cell, Number) for cell in shown[0]] if shown else [False] * len(heads)
    head = "".join(
        f'<th scope="col"{_NUMERIC if numeric else ""}>{escape(name)}</th>'
        for name, numeric in zip(heads, numbers, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in shown)
    label = escape(caption, quote=True)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table><caption>{label}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def heading(text: str) -> str:
    """Make a heading under the page's title.

    Args:
        text: The heading.

    Returns:
        HTML text.
    """
    return f"<h2>{escape(text)}</h2>"


def paragraph(*pieces: str | Link) -> str:
    """Make a paragraph.

    Args:
        *pieces: Texts and links.

    Returns:
        HTML text.
    """
    return f"<p>{' '.join(map(_cell_text, pieces))}</p>"


def _cell(value: Any) -> str:
    return f"<td{_NUMERIC if isinstance(value, Number) else ''}>{_cell_text(value)}</td>"


def _cell_text(value: Any) -> str:
    if isinstance(value, Number):
        value = value.value
    if value is None:
        return ""
    if isinstance(value, Link):
        return f'<a href="{escape(value.href, quote=True)}">{escape(value.text)}</a>'
    return escape(value if isinstance(value, str) else dumps(value).decode())
