from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from include.bookings.rounding import compare, spread

CENTS = st.integers(min_value=-1000, max_value=1000)


def test_the_largest_by_absolute_value_take_a_cent_each_ties_in_line_order() -> None:
    assert spread(2, [100, -500, 300, 300], range(4)) == (1, 2)
    assert spread(-3, [100, -500, 300, 300], range(4)) == (1, 2, 3)
    assert spread(1, [0, 0], range(2)) == (0,)


def test_no_difference_takes_no_lines_also_when_there_are_none() -> None:
    assert spread(0, [100], range(1)) == ()
    assert spread(0, [], []) == ()


def test_more_cents_than_lines_is_no_rounding() -> None:
    assert spread(3, [100, 200], range(2)) is None
    assert spread(-1, [100, 200], []) is None


def test_only_eligible_lines_take_a_cent() -> None:
    assert spread(1, [900, 100, 200], [1, 2]) == (2,)


@given(st.integers(min_value=-12, max_value=12), st.lists(CENTS, max_size=10))
def test_what_is_spread_adds_up_and_touches_no_line_twice(difference: int, amounts: list[int]) -> None:
    chosen = spread(difference, amounts, range(len(amounts)))
    if chosen is None:
        assert abs(difference) > len(amounts)
        return
    assert len(set(chosen)) == len(chosen) == abs(difference)
    others = [abs(amounts[index]) for index in range(len(amounts)) if index not in chosen]
    assert all(abs(amounts[index]) >= max(others, default=0) for index in chosen)


def test_net_and_vat_are_compared_separately() -> None:
    balance = compare(15001, 3149, [10000, 5000], [2100, 1050], [True, True])
    assert (balance.net_difference, balance.vat_difference) == (1, -1)
    assert (balance.net_lines, balance.vat_lines) == ((0,), (0,))


def test_differences_that_cancel_out_are_still_differences() -> None:
    balance = compare(15005, 3145, [10000, 5000], [2100, 1050], [True, True])
    assert (balance.net_lines, balance.vat_lines) == (None, None)


def test_vat_goes_only_to_lines_with_a_percentage() -> None:
    balance = compare(15000, 2101, [5000, 10000], [2100, 0], [True, False])
    assert balance.vat_lines == (0,)
    assert compare(15000, 1, [5000, 10000], [0, 0], [False, False]).vat_lines is None
    assert compare(15000, 2, [5000, 10000], [0, 0], [True, True]).vat_lines == (0, 1)
