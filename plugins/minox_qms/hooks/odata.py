"""OData v3 literals and filters, as the QMS contract takes them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Final

from include.errors import InvariantError
from minox_qms.hooks.address import encode_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_QUERY: Final = 2047  # "the query string may have 2,048 characters" with its question mark
_ROOM: Final = 500  # for the company and the order that a list adds, and for QMS's own mark in the link to a next page
_RUN: Final = 3  # from so many consecutive keys on a range is shorter than its terms


def literal(value: str | bool | int | Decimal | datetime | None) -> str:  # noqa: FBT001 - a value, not a switch
    """Write a value for a filter.

    Args:
        value: Text is put in quotes, an integer is Edm.Int64, a date and time goes without its zone.

    Returns:
        The literal, e.g. `'d''Arc'`, `5L`, `1.5M`, `datetime'2026-01-01T00:00:00'`, `true`, `null`.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}L"
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("a filter cannot hold a number that is not finite")
        return f"{value:f}M"
    if isinstance(value, datetime):
        written = value.replace(tzinfo=None)
        return f"datetime'{written.isoformat(timespec='milliseconds' if written.microsecond else 'seconds')}'"
    return "'" + value.replace("'", "''") + "'"


def all_of(*terms: str | None) -> str | None:
    """Join filters with `and`; those that are None are left out."""
    given = [term for term in terms if term]
    if len(given) < 2:  # noqa: PLR2004 - nothing to join
        return given[0] if given else None
    return " and ".join(f"({term})" if " or " in term else term for term in given)


def any_of(field: str, values: Iterable[int] | Iterable[str], *, and_: str | None = None) -> Iterator[str]:
    """Make filters that together find every one of the values, each short enough for a query string.

    Args:
        field: Field to compare.
        values: Keys or texts; doubles are left out. Consecutive keys become ranges.
        and_: A further condition for each filter.

    Yields:
        Filters of `or` terms, such as `(F eq 1L or (F ge 5L and F le 9L)) and CompanyId eq 3L`.

    Raises:
        InvariantError: A single value is too long for a query string already.
    """
    chunk: list[str] = []
    for term in _terms(field, values):
        if chunk and not _fits(_joined([*chunk, term], and_)):
            yield _joined(chunk, and_)
            chunk = []
        chunk.append(term)
        if len(chunk) == 1 and not _fits(_joined(chunk, and_)):
            raise InvariantError("A filter is too long for QMS.", system="qms", field=field)
    if chunk:
        yield _joined(chunk, and_)


def _terms(field: str, values: Iterable[int] | Iterable[str]) -> Iterator[str]:
    texts: dict[str, None] = {}
    keys: set[int] = set()
    for value in values:
        if isinstance(value, str):
            texts[value] = None
        else:
            keys.add(value)
    for text in texts:
        yield f"{field} eq {literal(text)}"
    for _, run in groupby(enumerate(sorted(keys)), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        if len(numbers) >= _RUN:
            yield f"({field} ge {numbers[0]}L and {field} le {numbers[-1]}L)"
        else:
            yield from (f"{field} eq {number}L" for number in numbers)


def _joined(terms: list[str], and_: str | None) -> str:
    joined = " or ".join(terms)
    if and_ is None:
        return joined
    return f"({joined}) and {f'({and_})' if ' or ' in and_ else and_}"


def fits(field: str, value: str) -> bool:
    """Tell whether a text is short enough to be looked for in a list."""
    return _fits(f"{field} eq {literal(value)}")


def _fits(expression: str) -> bool:
    return len(encode_query((("$filter", expression),))) <= MAX_QUERY - _ROOM
