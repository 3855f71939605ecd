"""What docs/bookings.md says is so."""

from __future__ import annotations

import re
from pathlib import Path

from include.bookings.entry import Entry, build_entry
from include.bookings.reasons import ORDER
from include.bookings.rounding import Cent
from tests.bookings.samples import case_of, context_of, invoice_of, line_of, settings_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "bookings.md").read_text(encoding="utf-8")


def test_the_example_of_rounding() -> None:
    case = case_of([line_of(1, Price="37.50"), line_of(2, Price="12.50")], "50.00", "10.50")
    entry = build_entry(invoice_of(case), settings_of(), context_of(case))
    assert isinstance(entry, Entry)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("|")]
    sent = [row for row in rows if len(row) == 5 and row[0].isdigit()]
    assert [(row[0], row[1] or None, row[2] or None, row[4]) for row in sent] == [
        (
            str(line.account),
            None if line.debit is None else str(line.debit),
            None if line.credit is None else str(line.credit),
            str(line.vat_amount),
        )
        for line in entry.lines
    ]
    assert entry.rounding == (Cent(1, "vat.amount", -1),)


def test_the_reasons_are_all_there_in_their_order() -> None:
    assert tuple(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE)) == ORDER


def test_the_files_exist() -> None:
    named = re.findall(r"`((?:include|tests)/[\w/.]+)`", PAGE)
    assert len(named) >= 6
    assert all((ROOT / name).exists() for name in named)
