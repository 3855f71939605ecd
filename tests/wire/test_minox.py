from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from include.wire import minox
from include.wire.decode import decode_record

if TYPE_CHECKING:
    import msgspec

CONTRACT = Path(__file__).resolve().parents[2] / "sandbox/contracts/minox.openapi.yaml"
SCHEMAS: dict[str, Any] = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))["components"]["schemas"]
STRUCTS: tuple[type[msgspec.Struct], ...] = (
    minox.Vat,
    minox.CostCenter,
    minox.PaymentTerm,
    minox.ItemGroup,
    minox.Item,
    minox.Address,
    minox.Customer,
    minox.Administration,
    minox.Journal,
    minox.Receivable,
    minox.StoredLine,
    minox.Message,
    minox.Currency,
)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_example_of_the_contract_is_read(struct: type[msgspec.Struct]) -> None:
    examples = SCHEMAS[struct.__name__]["examples"]
    assert examples
    for example in examples:
        record, faults = decode_record(json.dumps(example).encode(), struct)
        assert faults == ()
        assert record is not None
        for name in struct.__struct_fields__:
            assert (getattr(record, name) is None) == (example.get(name) is None), name


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_is_one_of_the_contract(struct: type[msgspec.Struct]) -> None:
    assert set(struct.__struct_fields__) <= set(SCHEMAS[struct.__name__]["properties"])


def test_a_record_without_anything_is_no_fault() -> None:
    assert decode_record(b"{}", minox.Customer) == (minox.Customer(), ())


def test_a_fault_in_a_field_that_nobody_uses_costs_no_stored_line() -> None:
    line = b'{"debit": 1, "journal": "VRK", "document_date": ["2026-01-31"], "messages": [{"message_code": {}}]}'
    assert decode_record(line, minox.StoredLine) == (
        minox.StoredLine(debit=Decimal(1), messages=(minox.Message(),)),
        (),
    )


def test_amounts_of_a_stored_line_are_exact() -> None:
    line, _ = decode_record(b'{"debit": 0, "credit": 0.30, "vat": {"amount": "21.10"}}', minox.StoredLine)
    assert line is not None
    assert line.vat is not None
    assert (line.debit, line.credit, line.vat.amount) == (Decimal(0), Decimal("0.30"), Decimal("21.10"))


@pytest.mark.parametrize("written", ["2026-01-31", "2026-01-31T00:00:00.000Z", " 2026-01-31 "])
def test_day_takes_the_date_part(written: str) -> None:
    assert minox.day(written) == dt.date(2026, 1, 31)


def test_no_day() -> None:
    assert minox.day("") is None
    assert minox.day(None) is None
    with pytest.raises(ValueError, match="isoformat"):
        minox.day("31-01-2026")


def test_fiscal_years_in_order() -> None:
    years = (
        minox.FiscalYear(start_date="2026-01-01", end_date="2026-12-31T00:00:00Z"),
        minox.FiscalYear(start_date="2025-01-01", end_date="2025-12-31"),
    )
    assert minox.fiscal_years(minox.Administration(fiscal_years=years)) == (
        (dt.date(2025, 1, 1), dt.date(2025, 12, 31)),
        (dt.date(2026, 1, 1), dt.date(2026, 12, 31)),
    )
    assert minox.fiscal_years(minox.Administration()) == ()


def test_a_fiscal_year_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="end_date"):
        minox.fiscal_years(minox.Administration(fiscal_years=(minox.FiscalYear(start_date="2026-01-01"),)))
