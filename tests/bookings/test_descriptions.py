from __future__ import annotations

import pytest

from include.bookings.descriptions import describe, describe_group
from include.wire.qms import OverviewInvoiceLine as Line


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  Advies \n", "Advies"),
        ("", None),
        (" \t\u00a0", None),
        (None, None),
        (2026, "2026"),
        ("a" * 255, "a" * 255),
        ("a" * 256, "a" * 255),
        (" " + "a" * 255, "a" * 255),
        ("🏗️" * 200, ("🏗️" * 200)[:255]),
        ("é" * 300, "é" * 255),
    ],
)
def test_trimmed_and_then_cut_to_255_code_points(value: str | int | None, expected: str | None) -> None:
    assert describe(value) == expected


def test_a_cut_counts_code_points_not_bytes_or_utf16_units() -> None:
    assert describe("🦉" * 300) == "🦉" * 255


def test_a_group_names_each_value_once_in_line_order() -> None:
    lines = [Line(ItemName=" Uren "), Line(ItemName="Kilometers"), Line(ItemName="Uren"), Line(ItemName=" ")]
    assert describe_group(lines, ["ItemName"]) == "Uren, Kilometers"


def test_fields_are_joined_with_a_dash_and_empty_ones_leave_no_trace() -> None:
    lines = [
        Line(ItemName="Uren", ProjectCode="P-1", Description=None),
        Line(ItemName="Uren", ProjectCode="P-2", Description=" "),
    ]
    assert describe_group(lines, ["ProjectCode", "Description", "ItemName"]) == "P-1, P-2 - Uren"


def test_a_group_without_anything_to_say_has_no_description() -> None:
    assert describe_group([Line(), Line(ItemName=" ")], ["ItemName", "ProjectName"]) is None


def test_a_group_is_cut_to_255_code_points_as_well() -> None:
    lines = [Line(ItemName=f"{number:03d}") for number in range(100)]
    described = describe_group(lines, ["ItemName"])
    assert described is not None
    assert len(described) == 255
    assert described.startswith("000, 001, 002")


def test_numbers_are_written_without_decimals_that_say_nothing() -> None:
    line = Line(ProjectId=104.0, ItemCompanyItemCode=7)
    assert describe_group([line], ["ProjectId", "ItemCompanyItemCode"]) == "104 - 7"
