"""Codes that QMS keeps as text and Minox wants as whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.wire.text import text, whole_number

if TYPE_CHECKING:
    from include.wire.qms import Text

LARGEST_ACCOUNT = 999_999
LARGEST_INT64 = 2**63 - 1


def account_number(value: Text) -> int | None:
    """Read a ledger account or customer number: 1 to 999,999, and `08000` is 8000; None when it is none."""
    return _between(value, 1, LARGEST_ACCOUNT)


def vat_code(value: Text) -> int | None:
    """Read a VAT code (Minox's vat.id): a whole number from 0; None when it is none."""
    return _between(value, 0, LARGEST_INT64)


def cost_center(value: Text) -> int | None:
    """Read a cost centre (kostenplaats): a whole number from 1; None when it is none."""
    return _between(value, 1, LARGEST_INT64)


def is_filled(value: Text) -> bool:
    """Tell whether there is more than white space."""
    return text(value) is not None


def shown(value: Text) -> str:
    """Write a value that cannot be used for a message: `empty`, or the value in quotes, at most 40 characters."""
    written = text(value)
    return "empty" if written is None else repr(written[:40])


def _between(value: Text, lowest: int, highest: int) -> int | None:
    try:
        number = whole_number(value)
    except ValueError:
        return None
    return number if number is not None and lowest <= number <= highest else None
