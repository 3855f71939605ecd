"""Read the tables of the owner's article (`docs/reference/koppeling-met-minox.txt`), to hold code to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ARTICLE = Path(__file__).resolve().parents[1] / "docs/reference/koppeling-met-minox.txt"

MASTER_DATA_TABLES = {
    "BTW codes": "vat_codes",
    "Kostenplaatsen": "cost_centers",
    "Betalingscondities": "payment_terms",
    "Artikelen": "items",
    "Klanten": "customers",
}
"""Headings of the tables from Minox to QMS, with the entity that each is about."""

BOOKING_TABLES = {
    "Facturen - Kop": "header",
    "Facturen - Regels": "single",
    "Facturen - Gegroepeerde regels": "grouped",
    "Facturen - Toeslag regels": "surcharge",
}
"""Headings of the tables from QMS to Minox, with the kind of entry line that each is about."""

_HEADER = re.compile(r"(Minox|QicsMilestones)\s+\N{BLACK RIGHTWARDS ARROW}\ufe0f\s+(QicsMilestones|Minox)")
_GAP = re.compile(r"\s{5}")


@dataclass(frozen=True)
class ArticleRow:
    """One row of one table.

    Attributes:
        table: Heading of the table.
        source: Left column, without its footnote marks.
        target: Right column, without its footnote marks.
    """

    table: str
    source: str
    target: str

    @property
    def mark(self) -> str:
        """The row in one text, as the declarations name it: `source → target`."""
        return f"{self.source} → {self.target}"


def article_rows() -> tuple[ArticleRow, ...]:
    """Read every row of every table, in the order of the article."""
    rows: list[ArticleRow] = []
    table, last = "", ""
    for line in ARTICLE.read_text(encoding="utf-8").splitlines():
        written = line.strip()
        cells = [cell for cell in (part.strip() for part in _GAP.split(written)) if cell]
        if _HEADER.fullmatch(written):
            table = last
        elif table and len(cells) == 2:
            rows.append(ArticleRow(table, _unmarked(cells[0]), _unmarked(cells[1])))
        elif written:
            table = ""
        last = written or last
    return tuple(rows)


def rows_of(tables: dict[str, str]) -> dict[str, tuple[ArticleRow, ...]]:
    """Group the rows by what their table is about.

    Args:
        tables: `MASTER_DATA_TABLES` or `BOOKING_TABLES`.

    Returns:
        Per entity (or kind of line) its rows.
    """
    return {name: tuple(row for row in article_rows() if row.table == table) for table, name in tables.items()}


def _unmarked(cell: str) -> str:
    """Take the footnote stars off the end (a cell of stars alone stays), and write every gap as one space."""
    return re.sub(r"\s*\*+$", "", " ".join(cell.split())) or cell
