"""Rows that come in through the API: checked against the contract, and made whole."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.common.contract import contract
from sandbox.common.http import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

    from sandbox.common.config import Row
    from sandbox.qms.entities import Entity, Field
    from sandbox.qms.state import QmsState

_REFERENCES = {
    "VatCodeId": "VatCode",
    "PaymentConditionId": "PaymentCondition",
    "CostCenterId": "CostCenter",
    "SurchargeItemCompanyId": "ItemCompany",
}
_STATE_TARGETS = {
    "InvoiceHeader": "Invoice",
    "CustomerCompany": "CustomerCompany",
    "ItemCompany": "ItemCompany",
    "VatCode": "VatCode",
    "CostCenter": "CostCenter",
    "PaymentCondition": "PaymentCondition",
}
_QUOTED = re.compile(r"'([^']*)'")
_INT64 = 2**63
_INT32 = 2**31
_DECIMALS = 2


class ValidationFailedError(Exception):
    """A body that QMS refuses.

    Args:
        findings: One text per finding, each beginning with the field's name.
    """

    def __init__(self, findings: list[str]) -> None:
        super().__init__("\n".join(findings))


def insert(state: QmsState, kind: Entity, body: Any) -> Row:
    """Check the body of a POST and insert the row.

    Args:
        state: The data.
        kind: The entity.
        body: The body.

    Returns:
        The new row.

    Raises:
        ValidationFailedError: With every finding.
    """
    given = _without_ignored(kind, body)
    _check(state, kind, f"{kind.name}Create", given, given.get("CompanyId") if isinstance(given, dict) else None)
    row = {kind.key: state.new_key(kind.name)} | _whole(kind, given)
    for field in kind.fields.values():
        if field.read_only:
            row[field.name] = state.new_key(f"{kind.name}.{field.name}")
    row = {name: row[name] for name in kind.fields}
    state.insert(kind, row)
    return row


def replace(state: QmsState, kind: Entity, old: Row, body: Any) -> Row:
    """Check the body of a PUT and replace the row; what is left out becomes null, false or 0.

    Args:
        state: The data.
        kind: The entity.
        old: The row that is there.
        body: The body.

    Returns:
        The new row.

    Raises:
        ValidationFailedError: With every finding.
    """
    key = old[kind.key]
    if isinstance(body, dict) and kind.key in body and whole_number(body[kind.key]) != whole_number(key):
        raise ValidationFailedError([f"{kind.key}: is niet de sleutel van het adres"])
    given = _without_ignored(kind, body)
    _check(state, kind, f"{kind.name}Replace", given, given.get("CompanyId") if isinstance(given, dict) else None)
    kept = {field.name: old.get(field.name) for field in kind.fields.values() if field.read_only}
    row = {kind.key: key} | _whole(kind, given) | kept
    row = {name: row[name] for name in kind.fields}
    state.put(kind, old, row)
    return row


def _without_ignored(kind: Entity, body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    ignored = {kind.key, *(field.name for field in kind.fields.values() if field.read_only)}
    return {name: value for name, value in body.items() if name not in ignored}


def _check(state: QmsState, kind: Entity, schema: str, body: Any, company: Any) -> None:
    errors = contract("qms").component(schema).iter_errors(body)
    findings = [finding for error in errors for finding in _findings(error)]
    if isinstance(body, dict):
        known = [
            (kind.fields[name], value) for name, value in body.items() if name in kind.fields and value is not None
        ]
        findings += [f"{field.name}: {text}" for field, value in known if (text := _range(field, value)) is not None]
        findings += _reference_findings(state, body, company)
        if kind.name == "EntityState":
            findings += _target_findings(state, body, company)
    if findings:
        raise ValidationFailedError(list(dict.fromkeys(findings)))


def _findings(error: ValidationError) -> Iterator[str]:
    name = str(error.absolute_path[0]) if error.absolute_path else ""
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        yield from (f"{each}: onbekend veld" for each in error.instance if each not in known)
    elif error.validator == "required":
        missing = _QUOTED.search(error.message)
        yield f"{missing.group(1) if missing else ''}: is verplicht"
    elif not name:
        yield "Een object wordt verwacht"
    elif error.validator == "enum":
        choices = ", ".join(each for each in error.validator_value if each is not None)
        yield f"{name}: is geen geldige waarde ({choices})"
    elif error.validator == "minLength":
        yield f"{name}: mag niet leeg zijn"
    else:
        yield f"{name}: is van het verkeerde type"


def _range(field: Field, value: Any) -> str | None:
    limit = {"int64": _INT64, "int32": _INT32}.get(field.kind)
    number = whole_number(value)
    if limit is not None and isinstance(value, str | int) and (number is None or not -limit <= number < limit):
        return "is geen geheel getal binnen het bereik"
    if field.kind == "datetime" and isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return "is geen bestaande datum"
    return None


def _reference_findings(state: QmsState, body: Row, company: Any) -> Iterator[str]:
    company_id = whole_number(company)
    if company is not None and (company_id is None or state.find("Company", company_id) is None):
        yield "CompanyId: dit bedrijf bestaat niet"
    for name, value in body.items():
        number = whole_number(value)
        if number is None:
            continue
        if name in _REFERENCES:
            row = state.find(_REFERENCES[name], number)
            if row is None or whole_number(row.get("CompanyId")) != company_id:
                yield f"{name}: {number} bestaat niet in dit bedrijf"
        elif str(number) not in state.references.get(name, [str(number)]):
            yield f"{name}: {number} bestaat niet"


def _target_findings(state: QmsState, body: Row, company: Any) -> Iterator[str]:
    target, number = _STATE_TARGETS.get(str(body.get("EntityType"))), whole_number(body.get("EntityId"))
    if target is None or number is None:
        return
    row = state.find(target, number)
    if row is None or (company is not None and whole_number(row.get("CompanyId")) != whole_number(company)):
        yield f"EntityId: {number} bestaat niet"


def _whole(kind: Entity, body: Row) -> Row:
    return {
        field.name: _stored(field, body.get(field.name)) for field in kind.fields.values() if field.name != kind.key
    }


def _stored(field: Field, value: Any) -> Any:
    if value is None:
        empty: dict[str, Any] = {"int64": "0", "int32": 0, "decimal": "0.00", "boolean": False, "text": ""}
        return None if field.nullable else empty.get(field.kind)
    if field.kind == "int64":
        return str(whole_number(value))
    if field.kind == "int32":
        return int(value)
    return _decimal_text(Decimal(value)) if field.kind == "decimal" else value


def _decimal_text(number: Decimal) -> str:
    places = max(_DECIMALS, -int(number.as_tuple().exponent))
    return f"{number:.{places}f}"
