"""Canonical text and whole numbers: how a value of either system is read, whichever JSON type it came in."""

from __future__ import annotations

import re
from decimal import Decimal

_WHOLE = re.compile(r"-?[0-9]{1,30}")
_KEYS = 2**63

MAX_KEY = 600
"""Characters of a key: PostgreSQL's indexes hold no row of more than 2,704 bytes, and a character has up to four."""


def text(value: str | float | Decimal | None) -> str | None:
    """Read a text field.

    "Blank text is null in the target. Text is trimmed at both ends, and otherwise unchanged" (the specification).
    Numbers are read as text, because both systems send some texts as numbers; 1.0 is "1".

    Args:
        value: Text, a number, or None.

    Returns:
        The trimmed text; None for None and for text of white space only. 0 is "0": a value.

    Raises:
        TypeError: The value is neither text nor a number; True and False are no text.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError(f"expected text or a number, got {type(value).__name__}")
    return plain(value)


def identifier(value: str | float | Decimal | None) -> str | None:
    """Read an id that is a whole number by contract, in its one canonical text.

    1, 1.0, "1" and "01" are the same id, "1". Text that is no whole number stays as it is, trimmed. Item ids are texts
    of their own, whose leading zeros count: those are read with `text`.

    Args:
        value: The id as it came.

    Returns:
        The canonical text; None when there is none.

    Raises:
        TypeError: The value is neither text nor a number.
    """
    read = text(value)
    return str(int(read)) if read is not None and _WHOLE.fullmatch(read) else read


def whole_number(value: str | float | Decimal | None) -> int | None:
    """Read a whole number, which may come as a number or as text.

    Args:
        value: 1001, "1001", 1001.0, or None.

    Returns:
        The number; None for None and for blank text. 0 is a value.

    Raises:
        ValueError: There is a value, and it is no whole number of at most 30 digits.
        TypeError: The value is neither text nor a number.
    """
    read = text(value)
    if read is None:
        return None
    if not _WHOLE.fullmatch(read):
        raise ValueError(f"{read!r} is not a whole number")
    return int(read)


def row_key(value: object) -> int | None:
    """Read the key of a row of QMS: Edm.Int64 (the contract), which is never negative.

    Args:
        value: 5, "5", 5.0, or anything else.

    Returns:
        The key; None when it is none.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        key = whole_number(value)
    except ValueError:
        return None
    return key if key is not None and 0 <= key < _KEYS else None


def plain(number: float | Decimal) -> str:
    """Write a number without exponent and without decimals that say nothing: 21.00 is "21", -0.0 is "0".

    Raises:
        ValueError: It is NaN or infinite.
    """
    if isinstance(number, int):
        return str(number)
    exact = Decimal(repr(number)) if isinstance(number, float) else number
    if not exact.is_finite():
        raise ValueError(f"{number} is not a number with digits")
    written = format(exact, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written == "-0" else written
