"""The entities of QMS and the types of their fields, read from the contract."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sandbox.common.contract import contract

BASE = "/api/V3/odata"
NAMES = (
    "Company",
    "VatCode",
    "CostCenter",
    "PaymentCondition",
    "ItemCompany",
    "CustomerCompany",
    "OverviewInvoice",
    "Invoice",
    "OverviewInvoiceLine",
    "EntityChange",
    "EntityState",
)

Kind = Literal["int64", "int32", "decimal", "datetime", "boolean", "text"]

_BY_REFERENCE: dict[str, Kind] = {
    "Int64": "int64",
    "Decimal": "decimal",
    "Local": "datetime",
    "Utc": "datetime",
    "Text": "text",
    "InvoiceHeaderState": "text",
}
_BY_TYPE: dict[str, Kind] = {"integer": "int32", "boolean": "boolean", "string": "text"}


@dataclass(frozen=True)
class Field:
    """A field of an entity.

    Attributes:
        name: Its name.
        kind: Its type.
        nullable: Whether it may be null.
        read_only: Whether QMS ignores it in a body.
    """

    name: str
    kind: Kind
    nullable: bool
    read_only: bool


@dataclass(frozen=True)
class Entity:
    """An entity.

    Attributes:
        name: Its name.
        key: The name of its key field.
        fields: By name, in the contract's order.
        methods: HTTP methods offered on the list, e.g. `GET`.
        key_methods: HTTP methods offered on one row.
    """

    name: str
    key: str
    fields: dict[str, Field]
    methods: frozenset[str]
    key_methods: frozenset[str]


@cache
def entity(name: str) -> Entity:
    """Describe an entity.

    Args:
        name: One of `NAMES`.

    Returns:
        The description.

    Raises:
        KeyError: When the contract has no such entity.
    """
    document = contract("qms")
    properties: dict[str, Any] = document.schema(name)["properties"]
    fields = {each: _field(each, schema) for each, schema in properties.items()}
    paths = document.document["paths"]
    return Entity(
        name,
        next(iter(fields)),
        fields,
        _methods(paths.get(f"{BASE}/{name}", {})),
        _methods(paths.get(f"{BASE}/{name}({{key}})", {})),
    )


def _methods(path: dict[str, Any]) -> frozenset[str]:
    return frozenset(method.upper() for method in path if method in {"get", "post", "put"})


def _field(name: str, schema: dict[str, Any]) -> Field:
    read_only = bool(schema.get("readOnly", False))
    reference = schema.get("$ref", "").rpartition("/")[2]
    if reference:
        nullable = reference.endswith("OrNull") or reference == "Text"
        return Field(name, _BY_REFERENCE[reference.removesuffix("OrNull")], nullable, read_only)
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kind = next(_BY_TYPE[each] for each in types if each != "null")
    return Field(name, kind, "null" in types, read_only)
