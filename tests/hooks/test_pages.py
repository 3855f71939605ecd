"""Lists are read to the end, or not at all."""

from __future__ import annotations

import itertools
import json

import pytest

from include.errors import ContractViolationError
from minox_qms.hooks import pages
from minox_qms.hooks.http import UnusableBodyError
from minox_qms.hooks.pages import Page, minox_page, odata_page, walk

A, B, C = b'{"id": 1}', b'{"id": 2}', b'{"id": 3}'


def read(*given: Page) -> list[list[bytes]]:
    """Walk over pages whose cursors are their numbers."""
    asked: list[str | None] = []

    def fetch(cursor: str | None) -> Page:
        asked.append(cursor)
        return given[len(asked) - 1]

    found = list(walk(fetch, system="minox", entity="customer"))
    assert asked == [None, *(page.next for page in given[: len(asked) - 1])]
    return found


def test_pages_of_any_size_are_read_to_the_end() -> None:
    assert read(Page([A, B], "1"), Page([C], "2"), Page([], "3"), Page([A], None)) == [[A, B], [C], [A]]
    assert read(Page([], None)) == []


def test_empty_pages_may_go_on_for_a_while() -> None:
    assert read(Page([A], "x"), *(Page([], str(n)) for n in range(99)), Page([B], None)) == [[A], [B]]
    with pytest.raises(ContractViolationError, match="100 pages in a row that bring nothing new"):
        read(*(Page([], str(n)) for n in range(101)))


def test_one_record_twice_is_no_repetition() -> None:
    assert read(Page([A], "1"), Page([A], "2"), Page([A, B], None)) == [[A], [A], [A, B]]


@pytest.mark.parametrize("round_", [[[A]], [[A], [B]], [[A], []]])
def test_pages_of_one_record_do_not_go_round_for_ever(round_: list[list[bytes]]) -> None:
    asked = itertools.count()

    def fetch(_: str | None) -> Page:
        number = next(asked)
        return Page(round_[number % len(round_)], f"cursor {number}")

    with pytest.raises(ContractViolationError, match="100 pages in a row that bring nothing new"):
        list(walk(fetch, system="minox", entity="vat"))
    assert next(asked) <= pages.MAX_BARREN + len(round_)


def test_pages_that_bring_nothing_new_are_counted_in_a_row() -> None:
    first, again = ([Page([A], f"{part} {number}") for number in range(80)] for part in "ab")
    assert len(read(*first, Page([B], "c"), *again, Page([C], None))) == 162


@pytest.mark.parametrize(
    "given",
    [
        [Page([A, B], "1"), Page([A, B], None)],
        [Page([A, B], "1"), Page([C], "2"), Page([A, B], None)],
        [Page([A], "1"), Page([B], "1")],
        [Page([A], "1"), Page([B], "2"), Page([C], "1")],
    ],
)
def test_what_comes_twice_fails(given: list[Page]) -> None:
    with pytest.raises(ContractViolationError) as caught:
        read(*given)
    assert caught.value.place == "minox customer"


def test_a_list_without_end_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pages.MAX_PAGES == 20_000
    monkeypatch.setattr(pages, "MAX_PAGES", 50)
    numbers = itertools.count()

    def fetch(_: str | None) -> Page:
        number = next(numbers)
        return Page([json.dumps({"id": number}).encode()], str(number))

    with pytest.raises(ContractViolationError, match="no end after 50 pages"):
        list(walk(fetch, system="qms", entity="VatCode"))


def test_records_stay_as_they_were_written() -> None:
    record = (
        b'{"id": 1001, "price": 0.30000000000000004, "name": "Caf\xc3\xa9 \\ud83d\\ude00", "x": {"y": [1.10, null]}}'
    )
    page = minox_page(b'{"links": {"next": "abc"}, "more": 1, "collection": [ ' + record + b" , {}]}")
    assert page == Page([record, b"{}"], "abc")
    assert odata_page(b'{"odata.count": "1", "value": [' + record + b"]}") == Page([record], None)


@pytest.mark.parametrize("links", ['{"next": null}', "{}", '{"next": ""}'])
def test_the_last_page(links: str) -> None:
    assert minox_page(f'{{"links": {links}, "collection": []}}'.encode()).next is None


ODD = [
    b"",
    b"null",
    b"[]",
    b"5",
    b'"text"',
    b"<html></html>",
    b"{}",
    b'{"LIST": null}',
    b'{"LIST": {}}',
    b'{"LIST": [1]}',
    b'{"LIST": [null]}',
    b'{"LIST": ["a"]}',
    b'{"LIST": [[]]}',
    b'{"LIST": [{}]',
    b'{"LIST": [{},]}',
    b'{"LIST": [{"a": NaN}]}',
    b'{"LIST": [{"a": Infinity}]}',
    b'{"LIST": [{"a": "\xff"}]}',
    b'{"LIST": [{"a": "\xed\xa0\x80"}]}',
    b'{"LIST": [{}]} tail',
    b'{"LIST": [' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"]}",
]


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_bodies_that_are_not_what_the_contract_says(body: bytes) -> None:
    with pytest.raises(UnusableBodyError):
        minox_page(body.replace(b'"LIST"', b'"links": {}, "collection"'))
    with pytest.raises(UnusableBodyError):
        odata_page(body.replace(b"LIST", b"value"))


@pytest.mark.parametrize(
    "body", [b'{"collection": []}', b'{"links": null, "collection": []}', b'{"links": {"next": 5}, "collection": []}']
)
def test_minox_lists_have_links(body: bytes) -> None:
    with pytest.raises(UnusableBodyError):
        minox_page(body)
