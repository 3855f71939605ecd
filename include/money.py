"""Money: exact decimals, and the one rounding rule (specification, section 3).

"Money is exact decimal from JSON to JSON; cents are rounded half up, away from zero." Nothing here depends on the
decimal context of the thread: every operation is exact at any size that can arrive, or raises.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

CENT = Decimal("0.01")
ZERO = Decimal("0.00")

PercentageScale: TypeAlias = Literal["percent", "fraction"]

# Numbers arrive with at most 30 digits and exponents of at most 30; the product of three of them fits many times.
_PRECISION = 500
_EXACT = Context(prec=_PRECISION, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
_ROUNDING = Context(prec=_PRECISION, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow])


def to_cents(amount: Decimal) -> Decimal:
    """Round to the cent, half up, away from zero.

    Args:
        amount: Any finite amount.

    Returns:
        The amount with exactly two decimals; zero is never negative.

    Raises:
        decimal.InvalidOperation: The amount is not a finite number.
    """
    if not amount.is_finite():
        raise InvalidOperation(f"{amount} is not an amount")
    rounded = _ROUNDING.quantize(amount, CENT)
    return rounded or ZERO


def product(left: Decimal, right: Decimal) -> Decimal:
    """Multiply, exactly."""
    return _EXACT.multiply(left, right)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add up, exactly; nothing adds up to 0.00."""
    result = ZERO
    for amount in amounts:
        result = _EXACT.add(result, amount)
    return result


def percentage_of(percentage: Decimal, amount: Decimal, scale: PercentageScale) -> Decimal:
    """Take a percentage of an amount, unrounded.

    Args:
        percentage: 21 or 0.21, by `scale`.
        amount: Any amount.
        scale: `percent` (0-100) or `fraction` (0-1), the setting `percentage_scale`.

    Returns:
        The exact result.
    """
    share = _EXACT.multiply(percentage, amount)
    return share if scale == "fraction" else _EXACT.scaleb(share, -2)


def count_cents(amount: Decimal) -> int:
    """Count the cents of an amount that is exact to the cent.

    Raises:
        ValueError: The amount has a part of a cent.
    """
    cents = _EXACT.scaleb(amount, 2)
    whole = int(cents)
    if whole != cents:
        raise ValueError(f"{amount} is not exact to the cent")
    return whole


def from_cents(cents: int) -> Decimal:
    """Write a number of cents as an amount with exactly two decimals."""
    return _EXACT.scaleb(Decimal(cents), -2)
