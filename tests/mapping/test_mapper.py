from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from include.mapping.context import MappingContext
from include.mapping.mapper import Mapped, map_raw, same_value
from include.mapping.path import reader
from include.mapping.rejection import Rejection
from include.mappings import MASTER_DATA
from include.settings.link import MasterDataSettings
from include.wire.minox import Item, Reference


@pytest.mark.parametrize(
    ("kind", "wanted", "actual", "same"),
    [
        ("int64", 11, "11", True),
        ("int64", 11, 11, True),
        ("int64", 11, "12", False),
        ("int64", 11, "elf", False),
        ("int64", 0, None, False),
        ("int64", None, "0", False),
        ("int64", None, None, True),
        ("int64", 1, True, False),
        ("int32", 0, 0, True),
        ("int32", 0, False, False),
        ("decimal", Decimal(21), "21.00", True),
        ("decimal", Decimal("0.1"), 0.1, True),
        ("decimal", Decimal(0), "0", True),
        ("decimal", Decimal(0), None, False),
        ("decimal", Decimal(21), "21.01", False),
        ("decimal", Decimal(21), "veel", False),
        ("decimal", Decimal(21), ["21"], False),
        ("text", "a", "a", True),
        ("text", "a", "A", False),
        ("text", "a", "a ", False),
        ("text", None, "", False),
        ("text", "1", 1, True),
        ("text", "1", True, False),
        ("text", "1.5", Decimal("1.50"), True),
        ("bool", False, False, True),
        ("bool", False, None, False),
        ("bool", False, 0, False),
        ("bool", True, "true", False),
    ],
)
def test_same_value(kind: Any, wanted: Any, actual: Any, same: bool) -> None:
    assert same_value(kind, wanted, actual) is same


def test_path() -> None:
    assert reader("vat.id")(Item(vat=Reference(id=0))) == 0
    assert reader("vat.id")(Item()) is None
    assert reader("vat.id")(None) is None
    with pytest.raises(AttributeError):
        reader("vat.code")(Item(vat=Reference()))


def test_a_record_that_cannot_be_read_is_rejected_with_every_fault() -> None:
    mapped = map_raw(MASTER_DATA["vat_codes"], b'{"id": [], "percentage": "veel"}', MappingContext())
    assert mapped == Mapped(
        {},
        (),
        (
            Rejection("wrong_type", "id", "Expected text or a number, got a list."),
            Rejection("wrong_type", "percentage", "Expected a number, got text."),
        ),
    )


def test_an_unresolved_reference_says_what_is_missing() -> None:
    mapped = map_raw(MASTER_DATA["items"], b'{"id": "A", "description": "a", "vat": {"id": 9}}', MappingContext())
    assert mapped.rejections == (Rejection("unresolved_reference", "vat.id", "QMS has no VAT code 9."),)
    assert mapped.values["VatCodeId"] is None


def test_references_and_rows_in_force() -> None:
    customers = MASTER_DATA["customers"]
    assert [row.to for row in customers.references] == ["payment_terms"]
    assert [row.to for row in MASTER_DATA["items"].references] == ["vat_codes"]
    plain, city = MasterDataSettings(), MasterDataSettings(customer_extra_fields=("city",))
    assert len(customers.rows(city)) == len(customers.rows(plain)) + 2
