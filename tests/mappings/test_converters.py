"""Zero, false and empty text are values; None alone is absence."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from include.errors import ConfigurationError
from include.mapping.convert import not_blocked, number, whole
from include.mappings import MASTER_DATA, find
from include.mappings.customers import first_filled
from include.mappings.items import item_type
from include.mappings.payment_terms import condition_type
from include.mappings.vat_codes import reverse_charge
from include.wire.minox import Blocked
from include.wire.text import identifier, text


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        (number, Decimal(0), Decimal(0)),
        (number, Decimal("0.00"), Decimal(0)),
        (number, None, None),
        (whole, 0, 0),
        (whole, None, None),
        (identifier, 0, "0"),
        (identifier, "", None),
        (identifier, None, None),
        (text, 0, "0"),
        (text, Decimal(0), "0"),
        (text, "", None),
        (text, None, None),
        (not_blocked, False, True),
        (not_blocked, True, False),
        (not_blocked, None, True),
        (not_blocked, Blocked(active=True), False),
        (not_blocked, Blocked(active=False), True),
        (not_blocked, Blocked(active=None), True),
        (reverse_charge, 0, False),
        (reverse_charge, "", False),
        (reverse_charge, None, False),
        (reverse_charge, "Verlegd", True),
        (reverse_charge, "onverLEGDe post", True),
        (condition_type, 0, "DirectDebit"),
        (condition_type, "", "Credit"),
        (condition_type, None, "Credit"),
        (item_type, 0, "Expenses"),
        (item_type, "", "Expenses"),
        (item_type, None, "Expenses"),
        (item_type, "uur", "Hours"),
        (item_type, "uren", "Expenses"),
        (first_filled, (None, "", " ", 0, "x"), "0"),
        (first_filled, (), None),
    ],
)
def test_converters(convert: Any, value: Any, expected: Any) -> None:
    assert convert(value) == expected
    assert type(convert(value)) is type(expected)


@pytest.mark.parametrize(
    ("value", "written"),
    [("21.00", "21"), ("5.50", "5.5"), ("100", "100"), ("1E+2", "100"), ("-0", "0"), ("0.000001", "0.000001")],
)
def test_a_percentage_has_one_form(value: str, written: str) -> None:
    assert str(number(Decimal(value))) == written


@pytest.mark.parametrize("name", ["customers", "customer", "CustomerCompany", "CUSTOMERS"])
def test_find_takes_every_name_of_an_entity(name: str) -> None:
    assert find(name) is MASTER_DATA["customers"]


def test_find_lists_the_known_names() -> None:
    with pytest.raises(ConfigurationError, match=r"klanten.*vat_codes \(vat, VatCode\).*customers"):
        find("klanten")
