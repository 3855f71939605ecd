"""What the connector knows of QMS's fields is what the contract says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from include.wire import qms
from include.wire.decode import decode_record

CONTRACT = Path(__file__).parents[2] / "sandbox" / "contracts" / "qms.openapi.yaml"
STRUCTS = (
    qms.Company,
    qms.OverviewInvoice,
    qms.Invoice,
    qms.OverviewInvoiceLine,
    qms.EntityChange,
)


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    contract: dict[str, Any] = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    return contract["components"]["schemas"]  # type: ignore[no-any-return]


def kind_of(schemas: dict[str, Any], schema: dict[str, Any]) -> str:
    """The kind of a field, from its schema in the contract."""
    reference = schema.get("$ref", "").rpartition("/")[2].removesuffix("OrNull")
    if reference in {"Int64", "Decimal"}:
        return str(reference.lower())
    if reference:
        schema = schemas[reference]
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kinds = {"boolean": "bool", "integer": schema.get("format", "?"), "string": "text"}
    (kind,) = (str(kinds[name]) for name in types if name != "null")
    return kind


def test_every_replace_schema_of_the_contract_is_known(schemas: dict[str, Any]) -> None:
    entities = {name.removesuffix("Replace") for name in schemas if name.endswith("Replace")}
    assert len(entities) == 6
    assert set(qms.WRITABLE) == entities == set(qms.FIELD_KINDS)


@pytest.mark.parametrize("entity", list(qms.WRITABLE))
def test_writable_fields_and_their_kinds_are_those_of_the_contract(entity: str, schemas: dict[str, Any]) -> None:
    fields = schemas[f"{entity}Replace"]["properties"]
    assert qms.WRITABLE[entity] == tuple(fields)
    assert dict(qms.FIELD_KINDS[entity]) == {name: kind_of(schemas, field) for name, field in fields.items()}


def test_keys_are_required_fields_of_their_entities(schemas: dict[str, Any]) -> None:
    assert set(qms.WRITABLE) | {struct.__name__ for struct in STRUCTS} == set(qms.KEYS)
    for entity, key in qms.KEYS.items():
        assert key in schemas[entity]["required"], entity


@pytest.mark.parametrize("struct", STRUCTS)
def test_structs_read_only_fields_that_the_contract_has(struct: type[Any], schemas: dict[str, Any]) -> None:
    names = [field.name for field in msgspec.structs.fields(struct)]
    known = list(schemas[struct.__name__]["properties"])
    assert names == [name for name in known if name in names]
    for field in msgspec.structs.fields(struct):
        assert field.default is None


def test_a_line_has_every_field_of_the_contract(schemas: dict[str, Any]) -> None:
    assert list(schemas["OverviewInvoiceLine"]["properties"]) == [
        field.name for field in msgspec.structs.fields(qms.OverviewInvoiceLine)
    ]


@pytest.mark.parametrize("struct", STRUCTS)
def test_the_examples_of_the_contract_are_read_without_loss(struct: type[Any], schemas: dict[str, Any]) -> None:
    for example in schemas[struct.__name__]["examples"]:
        record = msgspec.json.decode(msgspec.json.encode(example), type=struct)
        for field in msgspec.structs.fields(struct):
            value = getattr(record, field.name)
            expected = example.get(field.name)
            assert value == expected or str(value) == expected


def test_a_fault_in_a_field_that_nobody_uses_costs_no_invoice() -> None:
    head = b'{"InvoiceHeaderId": "1", "InvoiceHeaderType": ["Invoice"], "InvoiceCustomerName": {"first": "Jan"}}'
    record, faults = decode_record(head, qms.OverviewInvoice)
    assert (record, faults) == (qms.OverviewInvoice(InvoiceHeaderId="1"), ())


def test_amounts_are_exact_whether_they_come_as_number_or_text() -> None:
    number = msgspec.json.decode(b'{"VatAmount": 1234567890123.05}', type=qms.Invoice)
    text = msgspec.json.decode(b'{"VatAmount": "1234567890123.05"}', type=qms.Invoice)
    assert str(number.VatAmount) == str(text.VatAmount) == "1234567890123.05"
