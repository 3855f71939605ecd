from __future__ import annotations

from decimal import Decimal

import pytest

from include.wire.text import identifier, row_key, text, whole_number


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        (" \t\n\u00a0", None),
        (0, "0"),
        (Decimal(0), "0"),
        (0.0, "0"),
        (-0.0, "0"),
        (1, "1"),
        (1.0, "1"),
        (1.5, "1.5"),
        (1e15, "1000000000000000"),
        (Decimal("21.00"), "21"),
        (Decimal(100), "100"),
        ("0042", "0042"),
        ("  Café de l'Été 😀 ", "Café de l'Été 😀"),
        ("a  b", "a  b"),
        ("مرحبا", "مرحبا"),
    ],
)
def test_text(value: str | float | Decimal | None, expected: str | None) -> None:
    assert text(value) == expected


@pytest.mark.parametrize("value", [True, False])
def test_true_and_false_are_no_text(value: bool) -> None:
    with pytest.raises(TypeError, match="bool"):
        text(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN")])
def test_what_has_no_digits_is_no_text(value: float | Decimal) -> None:
    with pytest.raises(ValueError, match="digits"):
        text(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        (1, "1"),
        ("1", "1"),
        (" 1 ", "1"),
        (1.0, "1"),
        ("007", "7"),
        (0, "0"),
        ("-0", "0"),
        (999999999999999, "999999999999999"),
        ("H21", "H21"),
        ("1" * 40, "1" * 40),
        ("٣", "٣"),
    ],
)
def test_identifier(value: str | float | None, expected: str | None) -> None:
    assert identifier(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (" ", None), (0, 0), ("0", 0), ("1001", 1001), (1001.0, 1001), (Decimal("30.0"), 30), (-5, -5)],
)
def test_whole_number(value: str | float | Decimal | None, expected: int | None) -> None:
    assert whole_number(value) == expected


@pytest.mark.parametrize("value", ["abc", "1.0", "1 001", 1.5, "٣", "1" * 31, "F12"])
def test_what_is_no_whole_number(value: str | float) -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        whole_number(value)


@pytest.mark.parametrize(
    ("value", "key"), [("11", 11), (" 11 ", 11), (11, 11), (11.0, 11), (0, 0), (2**63 - 1, 2**63 - 1)]
)
def test_the_key_of_a_row(value: object, key: int) -> None:
    assert row_key(value) == key


@pytest.mark.parametrize(
    "value", [None, "", "x", "²", "٣", -1, 2**63, "9" * 5000, 1.5, float("nan"), True, [], {}, Decimal("1E+29")]
)
def test_what_is_no_key_of_a_row(value: object) -> None:
    assert row_key(value) is None
