"""Literals and filters, as the QMS contract takes them."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import InvariantError
from minox_qms.hooks.odata import all_of, any_of, literal


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("21", "'21'"),
        ("d'Arc", "'d''Arc'"),
        ("", "''"),
        (5, "5L"),
        (0, "0L"),
        (-7, "-7L"),
        (Decimal("1.50"), "1.50M"),
        (Decimal("1E+3"), "1000M"),
        (Decimal(0), "0M"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        (dt.datetime(2026, 1, 1), "datetime'2026-01-01T00:00:00'"),  # noqa: DTZ001 - local, as QMS keeps invoice dates
        (dt.datetime(2026, 1, 1, 5, 6, 7, 123_000, dt.UTC), "datetime'2026-01-01T05:06:07.123'"),
    ],
)
def test_literals(value: str | int | Decimal | dt.datetime | None, written: str) -> None:
    assert literal(value) == written


def test_a_number_without_end_has_no_literal() -> None:
    with pytest.raises(ValueError, match="not finite"):
        literal(Decimal("NaN"))


def test_all_of() -> None:
    assert all_of("A eq 1L", None, "B eq 2L or C eq 3L") == "A eq 1L and (B eq 2L or C eq 3L)"
    assert all_of(None, "A eq 1L or B eq 2L") == "A eq 1L or B eq 2L"
    assert all_of(None, None) is None


@pytest.mark.parametrize(
    ("values", "filters"),
    [
        ([], []),
        ([5], ["F eq 5L"]),
        ([0], ["F eq 0L"]),
        ([3, 1, 2, 3], ["(F ge 1L and F le 3L)"]),
        ([1, 2], ["F eq 1L or F eq 2L"]),
        ([9, 1, 2, 3, 4, 7], ["(F ge 1L and F le 4L) or F eq 7L or F eq 9L"]),
        (["b", "a", "b"], ["F eq 'b' or F eq 'a'"]),
        (["d'Arc"], ["F eq 'd''Arc'"]),
    ],
)
def test_any_of(values: list[int] | list[str], filters: list[str]) -> None:
    assert list(any_of("F", values)) == filters


def test_any_of_with_a_condition() -> None:
    assert list(any_of("F", [1, 5], and_="A eq 1L or B eq 2L")) == ["(F eq 1L or F eq 5L) and (A eq 1L or B eq 2L)"]
    assert list(any_of("F", [1], and_="A eq 1L")) == ["(F eq 1L) and A eq 1L"]


def test_a_single_value_that_is_too_long() -> None:
    with pytest.raises(InvariantError, match="too long"):
        list(any_of("F", ["x" * 3000]))


def _selected(filters: list[str], candidates: set[int]) -> set[int]:
    found = set()
    for text in filters:
        for term in text.split(" or "):
            between = re.fullmatch(r"\(F ge (\d+)L and F le (\d+)L\)", term)
            low, high = between.groups() if between else (term.split()[2][:-1],) * 2
            found |= {number for number in candidates if int(low) <= number <= int(high)}
    return found


@given(st.sets(st.integers(0, 2000), max_size=400))
def test_keys_are_all_found_and_no_others(keys: set[int]) -> None:
    filters = list(any_of("F", keys))
    assert _selected(filters, set(range(2001))) == keys
    assert all(len("%24filter=" + quote(text, safe="")) < 2048 - 150 for text in filters)


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40), unique=True, max_size=150))
def test_texts_are_all_asked_for_within_the_length(texts: list[str]) -> None:
    filters = list(any_of("CustomerCode", texts, and_="CompanyId eq 3L"))
    assert all(len("%24filter=" + quote(text, safe="")) < 2048 - 150 for text in filters)
    joined = " or ".join(text.removesuffix(" and CompanyId eq 3L")[1:-1] for text in filters)
    assert joined == " or ".join(f"CustomerCode eq {literal(text)}" for text in texts)


def test_many_keys_take_few_filters() -> None:
    assert len(list(any_of("InvoiceHeaderId", range(10_000)))) == 1
    scattered = list(any_of("InvoiceHeaderId", range(9_000_000, 9_002_000, 2)))
    assert 1000 / len(scattered) > 35
