"""Read a list to its end, whatever the size of its pages, or fail: nothing half-read is used (spec, section 4)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from include.errors import ContractViolationError
from include.wire.decode import with_whole_pairs
from minox_qms.hooks.address import NAMES
from minox_qms.hooks.http import UnusableBodyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

MAX_PAGES: Final = 20_000
MAX_BARREN: Final = 100  # pages in a row that bring nothing new


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        records: The records, as raw JSON.
        next: Cursor or address of the next page; None on the last.
    """

    records: list[bytes]
    next: str | None


class _MinoxLinks(msgspec.Struct):
    next: str | None = None


class _MinoxList(msgspec.Struct):
    links: _MinoxLinks
    collection: list[msgspec.Raw]


class _ODataList(msgspec.Struct):
    value: list[msgspec.Raw]
    next_link: str | None = msgspec.field(default=None, name="odata.nextLink")


_MINOX: Final = msgspec.json.Decoder(_MinoxList)
_ODATA: Final = msgspec.json.Decoder(_ODataList)


def minox_page(body: bytes) -> Page:
    """Read `{"links": {"next": ...}, "collection": [...]}`; raises `UnusableBodyError`."""
    content = _decode(_MINOX, body)
    return Page(_records(content.collection), content.links.next or None)


def odata_page(body: bytes) -> Page:
    """Read `{"value": [...], "odata.nextLink": ...}`; raises `UnusableBodyError`."""
    content = _decode(_ODATA, body)
    return Page(_records(content.value), content.next_link or None)


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        body.decode("utf-8")  # msgspec leaves the text of a record it has not to read unchecked
        try:
            return decoder.decode(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # perhaps of half a surrogate pair only
            return decoder.decode(with_whole_pairs(body))
    except UnicodeDecodeError:
        raise UnusableBodyError("the list is not UTF-8") from None
    except RecursionError:
        raise UnusableBodyError("the list is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise UnusableBodyError(f"the list is not what the contract says: {error}") from None
    except msgspec.DecodeError:
        raise UnusableBodyError("the list is not JSON") from None


def _records(raw: list[msgspec.Raw]) -> list[bytes]:
    records = [bytes(record) for record in raw]
    if not all(record.startswith(b"{") for record in records):
        raise UnusableBodyError("a record of the list is not an object")
    return records


def walk(fetch: Callable[[str | None], Page], *, system: str, entity: str) -> Iterator[list[bytes]]:
    """Go from page to page.

    Args:
        fetch: Gets a page by its cursor; None for the first.
        system: `minox` or `qms`, for errors.
        entity: Collection, for errors.

    Yields:
        The records of each page; empty pages are passed over.

    Raises:
        ContractViolationError: A cursor or a page comes twice, too many pages bring nothing new, or there is no end.
    """
    cursors: set[str] = set()
    seen: set[bytes] = set()
    cursor: str | None = None
    barren = 0
    for _ in range(MAX_PAGES):
        page = fetch(cursor)
        mark = hashlib.blake2b(b"\x00".join(page.records), digest_size=16).digest()
        repeats = mark in seen
        if repeats and len(page.records) > 1:  # one record alone may come twice
            raise _violation(system, entity, "gives the same page twice")
        seen.add(mark)
        barren = barren + 1 if repeats or not page.records else 0
        if page.records:
            yield page.records
        if page.next is None:
            return
        if page.next in cursors:
            raise _violation(system, entity, "comes back to a page that was read already")
        if barren >= MAX_BARREN:
            raise _violation(system, entity, f"gives {MAX_BARREN} pages in a row that bring nothing new")
        cursors.add(page.next)
        cursor = page.next
    raise _violation(system, entity, f"has no end after {MAX_PAGES} pages")


def _violation(system: str, entity: str, what: str) -> ContractViolationError:
    return ContractViolationError(
        f"The list of {NAMES[system]} {what}; nothing of it is used.", system=system, entity=entity
    )
