"""Raw values of rows made comparable."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sandbox.common.http import whole_number

if TYPE_CHECKING:
    from sandbox.qms.entities import Kind

_FRACTION = 7


def comparable(kind: Kind, value: Any) -> Any:
    """Make a raw value comparable with others of its kind.

    Args:
        kind: The field's type.
        value: The value as it stands in the row.

    Returns:
        An int, Decimal, bool or text; None when it is null, or not of the kind.
    """
    if kind == "text":
        return value if isinstance(value, str) else None
    if kind in {"int64", "int32"}:
        return whole_number(value)
    if kind == "datetime":
        return moment(value) if isinstance(value, str) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    return decimal_or_none(value)


def moment(text: str) -> str:
    """Write a point in time so that text order is time order.

    Args:
        text: `YYYY-MM-DDTHH:MM:SS`, with a fraction of up to seven digits or none, and with or without `Z`.

    Returns:
        The same without `Z` and with seven digits of fraction.
    """
    whole, _, fraction = text.rstrip("Z").partition(".")
    return f"{whole}.{fraction:0<{_FRACTION}}"


def decimal_or_none(value: Any) -> Decimal | None:
    """Read a decimal that may come as a number or as text.

    Args:
        value: The value.

    Returns:
        The decimal, or None when it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
