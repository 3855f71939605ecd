"""Whatever Minox sends is mapped, rejected or quarantined; it never raises."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.mapping.context import MappingContext
from include.mapping.mapper import Mapping, map_raw
from include.mappings import CHECKS, MASTER_DATA
from include.wire.decode import decode_readable
from include.wire.minox import Address, Customer, Item, ItemGroup, PaymentTerm, Vat
from include.wire.qms import FIELD_KINDS

NAMES = sorted(
    {name for struct in (Address, Customer, Item, ItemGroup, PaymentTerm, Vat) for name in struct.__struct_fields__}
    | {"active", "email_address", "phone_number", "sales_revenue_nl"}
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.sampled_from(["", " ", "postal", "street", "uur", "verlegd", "1", "NaN", "1e40"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=8)),
    max_leaves=20,
)
RECORDS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=10)
CONTEXT = MappingContext(references={"vat_codes": {"1": 11}}, item_groups={"1": ItemGroup(id=1)})
KINDS: dict[str, type] = {"text": str, "bool": bool, "int64": int, "int32": int, "decimal": Decimal}


def written(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=True).encode()


@pytest.mark.parametrize("mapping", MASTER_DATA.values(), ids=MASTER_DATA)
@settings(deadline=None, max_examples=50)
@given(content=RECORDS)
def test_any_record_is_mapped_or_rejected(mapping: Mapping[Any], content: dict[str, Any]) -> None:
    mapped = map_raw(mapping, written(content), CONTEXT)
    assert mapped.values or mapped.rejections
    for target, value in mapped.values.items():
        assert value is None or type(value) is KINDS[FIELD_KINDS[mapping.qms][target]]
        assert value != ""
    if not mapped.rejections:
        assert mapped.values["Name"]
        assert mapped.values[mapping.code_field]


@pytest.mark.parametrize("table", CHECKS)
@settings(deadline=None, max_examples=50)
@given(content=st.one_of(RECORDS, VALUES))
def test_the_checked_values_of_any_record_can_be_read(table: str, content: Any) -> None:
    checks = CHECKS[table]
    record, faults = decode_readable(written(content), checks.struct)
    assert faults or record is not None
    if record is not None:
        view = checks.view(record)
        values = [read(view) for read in checks.columns().values()]
        assert all(value is None or isinstance(value, str | int | Decimal) for value in values)
