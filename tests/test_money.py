"""Cents are rounded half up, away from zero, and nothing is ever inexact."""

from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.money import ZERO, count_cents, from_cents, percentage_of, product, to_cents, total

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=12)


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [
        ("0.005", "0.01"),
        ("-0.005", "-0.01"),
        ("0.0049999999999999999999999999999", "0.00"),
        ("-0.004", "0.00"),
        ("-0.00", "0.00"),
        ("2.675", "2.68"),
        ("1.005", "1.01"),
        ("-1.005", "-1.01"),
        ("1E+3", "1000.00"),
        ("100", "100.00"),
        ("99999999999999999999999999999.995", "100000000000000000000000000000.00"),
    ],
)
def test_cents_are_rounded_half_up_away_from_zero(amount: str, rounded: str) -> None:
    assert str(to_cents(Decimal(amount))) == rounded


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "sNaN"])
def test_what_is_no_number_is_refused(amount: str) -> None:
    with pytest.raises(decimal.InvalidOperation):
        to_cents(Decimal(amount))


@given(AMOUNTS)
def test_rounding_moves_an_amount_by_half_a_cent_at_most(amount: Decimal) -> None:
    rounded = to_cents(amount)
    assert rounded.as_tuple().exponent == -2
    assert abs(Fraction(rounded) - Fraction(amount)) <= Fraction(1, 200)
    assert to_cents(amount.copy_negate()) == rounded.copy_negate()


@given(AMOUNTS, AMOUNTS)
def test_products_and_sums_are_exact_whatever_the_context_of_the_thread(left: Decimal, right: Decimal) -> None:
    with decimal.localcontext(prec=3):
        assert Fraction(product(left, right)) == Fraction(left) * Fraction(right)
        assert Fraction(total([left, right, left])) == 2 * Fraction(left) + Fraction(right)
        assert Fraction(percentage_of(left, right, "percent")) == Fraction(left) * Fraction(right) / 100
        assert Fraction(percentage_of(left, right, "fraction")) == Fraction(left) * Fraction(right)


def test_the_sum_of_nothing_has_two_decimals() -> None:
    assert str(total([])) == "0.00" == str(ZERO)


@given(st.integers(min_value=-(10**40), max_value=10**40))
def test_cents_go_there_and_back(cents: int) -> None:
    assert count_cents(from_cents(cents)) == cents
    assert from_cents(cents).as_tuple().exponent == -2


def test_counting_cents_refuses_part_of_a_cent() -> None:
    with pytest.raises(ValueError, match=r"0\.001 is not exact to the cent"):
        count_cents(Decimal("0.001"))
