"""How an entry is shown: debit, credit and VAT in columns with their totals, and its rounding in words."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from minox_qms.cli.output import print_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAMES = {"credit": "credit", "debit": "debit", "vat.amount": "VAT"}


def print_entry(title: str, lines: Iterable[Mapping[str, Any]]) -> None:
    """Print the lines of an entry as the ledger keeps them, amounts as text."""
    rows: list[tuple[Any, ...]] = []
    totals = {"debit": Decimal(), "credit": Decimal()}
    for number, line in enumerate(lines):
        side = "debit" if line["credit"] is None else "credit"
        totals[side] += Decimal(line[side]) + Decimal(line["vat"])
        columns = ("account", "debit", "credit", "vat", "vat_code", "cost_center", "description")
        rows.append((number, *(line[name] for name in columns)))
    if rows:
        rows.append(("", "with VAT", totals["debit"], totals["credit"], "", "", "", ""))
    print_table(
        title, ("line#", "account#", "debit#", "credit#", "VAT#", "VAT code", "cost centre", "description"), rows
    )


def rounding_in_words(rounding: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say which cents rounding put where; line 0 is the header."""
    return [
        f"{abs(cent['cents'])} cent was {'added to' if cent['cents'] > 0 else 'taken from'} the "
        f"{_NAMES[cent['field']]} of line {cent['line']}"
        for cent in rounding
    ]
