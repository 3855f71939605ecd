"""Converters that more than one mapping uses: from a source value (None when absent) to the target value."""

from __future__ import annotations

from decimal import Decimal

from include.wire.minox import Blocked
from include.wire.text import plain


def not_blocked(blocked: Blocked | bool | None) -> bool:  # noqa: FBT001 - a value of a record, not a switch
    """Turn `blocked` into IsActive: "not blocked"; it may be null, an object with `active`, or a plain boolean.

    Args:
        blocked: As Minox gives it.

    Returns:
        False only where Minox says that the record is blocked.
    """
    active = blocked.active if isinstance(blocked, Blocked) else blocked
    return active is not True


def number(value: Decimal | None) -> Decimal | None:
    """Keep a number exactly, in its one canonical form: 21.00 is 21; 0 is a value.

    Args:
        value: The number.

    Returns:
        The same number without decimals that say nothing and without exponent.
    """
    return None if value is None else Decimal(plain(value))


def whole(value: int | None) -> int | None:
    """Keep a whole number; 0 is a value."""
    return value
