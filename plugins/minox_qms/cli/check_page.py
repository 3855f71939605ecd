"""The report of the checks as one page that needs nothing but a browser."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from minox_qms.cli.checks import COLUMNS, cells
from minox_qms.cli.output import moment, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.storage.queries import CheckRow

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; width: 100%; margin-bottom: 2rem; font-size: 0.9rem; }
caption { text-align: left; font-weight: 600; font-size: 1.1rem; padding: 0.5rem 0; }
th, td { text-align: left; padding: 0.35rem 0.6rem; border-bottom: 1px solid #ccc; vertical-align: top; }
tr.bad td { background: #fdeaea; }
"""


def page(link: str, results: list[CheckRow]) -> str:
    """Write the page.

    Args:
        link: Name of the link.
        results: In the order of their tables.

    Returns:
        HTML, with everything it needs in it.
    """
    parts = [_section(table, list(rows)) for table, rows in groupby(results, key=lambda one: one.entity)]
    bad = sum(not one.success for one in results)
    summary = f"{len(results)} checks of {len(parts)} tables; {bad} not as expected."
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Checks of {escape(link)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Checks of {escape(link)}</h1>
<p>{summary}</p>
{"".join(parts)}</body>
</html>
"""


def _section(table: str, results: list[CheckRow]) -> str:
    """The results of one staging table."""
    first = results[0]
    caption = f"{table}, run {first.run} of {moment(first.started_at)}"
    heads = "".join(f'<th scope="col">{escape(name.rstrip("#"))}</th>' for name in COLUMNS[2:])
    rows = "".join(_row(cells(one)[2:], is_good=one.success) for one in results)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>\n"


def _row(values: Iterable[object], *, is_good: bool) -> str:
    """One result."""
    columns = "".join(f"<td>{escape(shown(value))}</td>" for value in values)
    return f"<tr>{columns}</tr>" if is_good else f'<tr class="bad">{columns}</tr>'
