from __future__ import annotations

import pytest

from include.bookings.number import NumberRule, invoice_number


@pytest.mark.parametrize(
    ("number", "rule", "prefix", "expected"),
    [
        ("F2024-0012", "digits", None, 20240012),
        ("  F2024-0012 ", "digits", "X", 20240012),
        (20260012, "digits", None, 20260012),
        (20260012.0, "digits", None, 20260012),
        ("2147483647", "digits", None, 2147483647),
        ("2147483648", "digits", None, None),
        ("00000000000000000007", "digits", None, 7),
        ("F" + "9" * 5000, "digits", None, None),
        ("F0-0", "digits", None, None),
        ("F", "digits", None, None),
        ("", "digits", None, None),
        (" ", "digits", None, None),
        (None, "digits", None, None),
        ("Afgeboekte factuur: 1234", "digits", None, None),
        ("F2024\t0012", "digits", None, None),
        ("F2024\u00a00012", "digits", None, None),
        ("F\u0661\u0662", "digits", None, None),
        ("F\uff12\uff10\uff12\uff16-0012", "digits", None, None),
        ("F2\u00b21", "digits", None, None),
        ("F\u00e92026", "digits", None, 2026),
        ("F20260012", "strip_prefix", "F", 20260012),
        (" F20260012", "strip_prefix", " F ", 20260012),
        ("F2026-0012", "strip_prefix", "F", None),
        ("F2026-0012", "strip_prefix", "F2026-", 12),
        ("20260012", "strip_prefix", "F", None),
        ("f20260012", "strip_prefix", "F", None),
        ("F", "strip_prefix", "F", None),
        ("20260012", "strip_prefix", "20", 260012),
        ("20260012", "strip_prefix", None, 20260012),
        ("20260012", "strip_prefix", "", 20260012),
        ("F\u0661", "strip_prefix", "F", None),
        ("F-12", "strip_prefix", "F", None),
        ("F0", "strip_prefix", "F", None),
    ],
)
def test_number(number: str | float | None, rule: NumberRule, prefix: str | None, expected: int | None) -> None:
    assert invoice_number(number, rule, prefix) == expected
