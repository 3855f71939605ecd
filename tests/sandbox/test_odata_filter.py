"""The $filter grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.qms.entities import entity
from sandbox.qms.odata_filter import ODataSyntaxError, parse_filter

if TYPE_CHECKING:
    from sandbox.common.config import Row

ROWS: list[Row] = [
    {"VatCodeId": "1", "CompanyId": "3", "Code": "21", "Name": "d'Arc", "Percentage": "21.00", "IsDefault": True},
    {"VatCodeId": "2", "CompanyId": 3, "Code": "9", "Name": "Laag", "Percentage": 9, "IsDefault": False},
    {"VatCodeId": "3", "CompanyId": "4", "Code": "21", "Name": "Hoog", "Percentage": "21", "ReverseCharge": None},
    {"VatCodeId": "4", "CompanyId": None, "Code": "V", "Name": "x' or 'y", "Percentage": "0.00", "ReverseCharge": True},
]


def keys(text: str) -> list[str]:
    test = parse_filter(entity("VatCode"), text)
    return [row["VatCodeId"] for row in ROWS if test(row)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CompanyId eq 3L", "12"),
        ("CompanyId eq 3", "12"),
        ("3L eq CompanyId", "12"),
        ("CompanyId ne 3L", "34"),
        ("CompanyId eq null", "4"),
        ("CompanyId ne null", "123"),
        ("CompanyId gt 3L", "3"),
        ("CompanyId le 3", "12"),
        ("Percentage eq 21M", "13"),
        ("Percentage eq 21", "13"),
        ("Percentage eq 21.00M", "13"),
        ("Percentage lt 9.5M", "24"),
        ("Percentage ge 9m", "123"),
        ("Code eq '21'", "13"),
        ("Code eq '021'", ""),
        ("Name eq 'd''Arc'", "1"),
        ("Name eq 'x'' or ''y'", "4"),
        ("Name eq 'laag'", ""),
        ("Name gt 'H'", "1234"[0:4]),
        ("IsDefault eq true", "1"),
        ("IsDefault eq false", "2"),
        ("ReverseCharge eq true", "4"),
        ("ReverseCharge ne true", "123"),
        ("Code eq '21' and CompanyId eq 3L", "1"),
        ("Code eq '9' or Code eq '21' and CompanyId eq 4L", "23"),
        ("(Code eq '9' or Code eq '21') and CompanyId eq 3L", "12"),
        ("CompanyId eq 3L and (Code eq '9' or (Code eq '21' and IsDefault eq true))", "12"),
        ("((CompanyId eq 4L))", "3"),
        ("  CompanyId   eq 3L  ", "12"),
        ("Code eq '9' or Code eq 'V' or CompanyId gt 3", "234"),
        ("Percentage gt -1", "1234"),
        ("true eq true", "1234"),
    ],
)
def test_what_is_taken(text: str, found: str) -> None:
    assert keys(text) == list(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CompanyId",
        "CompanyId eq",
        "eq 3L",
        "CompanyId = 3",
        "CompanyId eq 3L and",
        "CompanyId eq 3L or or Code eq '1'",
        "(CompanyId eq 3L",
        "CompanyId eq 3L)",
        "CompanyId eq 3L Code eq '1'",
        "CompanyId eq '3'",
        "Code eq 21",
        "Code eq 'open",
        "Code eq '21",
        "Percentage eq 1.5",
        "Percentage eq 15x",
        "Percentage eq 1.5L",
        "IsDefault eq 1",
        "IsDefault gt true",
        "CompanyId gt null",
        "Invented eq 1",
        "companyid eq 3L",
        "substringof('a', Name)",
        "startswith(Name, 'a') eq true",
        "not (CompanyId eq 3L)",
        "CompanyId in (3L, 4L)",
        "CompanyId add 1 eq 4",
        "Name eq datetime'2026-01-01T00:00:00'",
        "Code EQ '21'",
        "(" * 60 + "CompanyId eq 3L" + ")" * 60,
    ],
)
def test_what_is_not_taken(text: str) -> None:
    with pytest.raises(ODataSyntaxError):
        parse_filter(entity("VatCode"), text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Date ge datetime'2026-01-31T13:05:10'", "23"),
        ("Date gt datetime'2026-01-31T13:05:10'", "3"),
        ("Date lt datetime'2026-01-31T13:05:10.123'", "12"),
        ("Date eq datetime'2026-01-31T13:05:10.1230000'", "3"),
        ("Date gt datetime'2026-01-31T13:05'", "23"),
        ("EntityType eq 'InvoiceHeader' and BusinessOperation eq null", "1"),
    ],
)
def test_points_in_time(text: str, found: str) -> None:
    rows = [
        {"EntityChangeId": "1", "Date": "2026-01-31T13:05:00Z", "EntityType": "InvoiceHeader"},
        {"EntityChangeId": "2", "Date": "2026-01-31T13:05:10Z"},
        {"EntityChangeId": "3", "Date": "2026-01-31T13:05:10.123Z"},
    ]
    test = parse_filter(entity("EntityChange"), text)
    assert [row["EntityChangeId"] for row in rows if test(row)] == list(found)


@pytest.mark.parametrize("literal", ["2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+01:00", "x"])
def test_a_point_in_time_has_no_zone(literal: str) -> None:
    with pytest.raises(ODataSyntaxError):
        parse_filter(entity("EntityChange"), f"Date ge datetime'{literal}'")


def test_values_of_the_wrong_type_match_nothing() -> None:
    wrong: list[Any] = [{"CompanyId": "x"}, {"CompanyId": True}, {"CompanyId": []}, {}]
    test = parse_filter(entity("VatCode"), "CompanyId ge 0L or CompanyId eq 1L")
    assert [row for row in wrong if test(row)] == []


class CountedRow(dict[str, Any]):
    """A row that counts how often a field of it is looked at."""

    looks = 0

    def get(self, key: str, default: Any = None) -> Any:
        CountedRow.looks += 1
        return super().get(key, default)


def test_forty_terms_look_at_a_row_as_seldom_as_one() -> None:
    rows = [CountedRow({"CompanyId": "3", "Code": str(place)}) for place in range(400)]
    terms = " or ".join(f"Code eq '{place * 7}'" for place in range(40))
    test = parse_filter(entity("VatCode"), f"CompanyId eq 3L and ({terms})")
    assert len([row for row in rows if test(row)]) == 40
    assert CountedRow.looks == 2 * len(rows)
