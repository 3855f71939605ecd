"""Everything that Minox refuses about an entry, as the contract's putBatch lists it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.common.contract import contract
from sandbox.minox.books import ZERO, Books, on_debit_side

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from jsonschema import ValidationError

    from sandbox.common.config import Row

_CENTS = -2
_UNKNOWN = re.compile(r"'([^']*)'")


def message(code: str, text: str, field: str | None = None) -> Row:
    """Make an error message as the contract's Message.

    Args:
        code: The message's code.
        text: A Dutch sentence.
        field: The path of the field, or None when it is about the whole.

    Returns:
        The message.
    """
    made = {"message_code": code, "message_type": "error", "message": text}
    return made | ({"field": field} if field is not None else {})


def check_entry(books: Books, batch_id: UUID, body: Any) -> list[Row]:
    """Check the body of a PUT of a batch.

    Args:
        books: The administration.
        batch_id: The id of the address.
        body: The body, with Decimals for numbers with a point.

    Returns:
        Every problem found, as messages; empty when the entry is good.
    """
    errors = list(contract("minox").component("BatchRequest").iter_errors(body))
    found = [problem for error in errors for problem in _schema_messages(error)]
    if not isinstance(body, list):
        return found
    spoilt = {(error.absolute_path[0], _second(error)) for error in errors if error.absolute_path}
    lines = [(place, line) for place, line in enumerate(body) if isinstance(line, dict)]
    for place, line in lines:
        usable = {name: value for name, value in line.items() if (place, name) not in spoilt}
        found += _check_line(books, f"lines[{place}]", usable)
        found += _check_invoice_number(books, str(batch_id), f"lines[{place}]", usable)
    found += _check_same(body, lines)
    if not errors and not any(problem["message_code"] == "AMOUNT_DECIMALS" for problem in found):
        found += _check_balance(body)
    return found


def _second(error: ValidationError) -> Any:
    return error.absolute_path[1] if len(error.absolute_path) > 1 else None


def _path(error: ValidationError) -> str:
    steps = list(error.absolute_path)
    text = f"lines[{steps[0]}]" if steps else "lines"
    return text + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps[1:])


_SCHEMA_TEXTS = {
    "type": ("FIELD_TYPE", "De waarde is van het verkeerde type"),
    "minProperties": ("FIELD_EMPTY", "Een leeg object is niet toegestaan"),
    "minItems": ("LINES_MISSING", "Een boeking heeft ten minste twee regels"),
    "maxLength": ("TEXT_TOO_LONG", "De tekst is te lang; een omschrijving heeft ten hoogste 255 tekens"),
}


def _schema_messages(error: ValidationError) -> Iterator[Row]:
    path = _path(error)
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        for name in error.instance:
            if name not in known:
                yield message("FIELD_UNKNOWN", f"Het veld {name} is onbekend", f"{path}.{name}")
    elif error.validator == "required":
        missing = _UNKNOWN.search(error.message)
        name = missing.group(1) if missing else ""
        yield message("FIELD_REQUIRED", f"Het veld {name} is verplicht", f"{path}.{name}")
    elif error.validator == "oneOf" and len(error.absolute_path) == 1:
        yield message("DEBIT_CREDIT", "Een regel heeft een bedrag debet of credit, en niet allebei", f"{path}.debit")
    elif path.endswith(".invoice_number"):
        yield message("INVOICE_NUMBER_INVALID", "Het factuurnummer is geen geheel getal van 1 tot 2147483647", path)
    else:
        code, text = _SCHEMA_TEXTS.get(str(error.validator), ("FIELD_INVALID", "De waarde is niet toegestaan"))
        yield message(code, text, path)


def _check_line(books: Books, path: str, line: Row) -> list[Row]:
    found = _check_account(books, path, line)
    journal = line.get("journal")
    if isinstance(journal, dict) and books.find("journal", journal.get("id")) is None:
        found.append(message("JOURNAL_UNKNOWN", f"Dagboek {journal.get('id')} bestaat niet", f"{path}.journal.id"))
    for name, entity, code, text in (
        ("cost_center", "cost_center", "COST_CENTER_UNKNOWN", "Kostenplaats {} bestaat niet"),
        ("payment_term", "payment_term", "PAYMENT_TERM_UNKNOWN", "Betalingsconditie {} bestaat niet"),
        ("vat", "vat", "VAT_UNKNOWN", "Btw-code {} bestaat niet"),
    ):
        part = line.get(name)
        if isinstance(part, dict) and "id" in part and books.find(entity, part["id"]) is None:
            found.append(message(code, text.format(part["id"]), f"{path}.{name}.id"))
    found += _check_date(books, path, line)
    vat = line.get("vat")
    amounts = [(name, line.get(name)) for name in ("debit", "credit")]
    amounts += [("vat.amount", vat.get("amount"))] if isinstance(vat, dict) else []
    for name, amount in amounts:
        if isinstance(amount, Decimal) and int(amount.as_tuple().exponent) < _CENTS:
            found.append(message("AMOUNT_DECIMALS", f"{amount} heeft meer dan twee decimalen", f"{path}.{name}"))
    return found


def _check_account(books: Books, path: str, line: Row) -> list[Row]:
    account = line.get("account")
    if not isinstance(account, dict) or "id" not in account:
        return []
    kind = books.account_type(account["id"])
    if kind is None:
        return [message("ACCOUNT_UNKNOWN", f"Rekening {account['id']} bestaat niet", f"{path}.account.id")]
    if account.get("type", kind) != kind:
        text = f"Rekening {account['id']} is geen {account['type']}"
        return [message("ACCOUNT_TYPE", text, f"{path}.account.type")]
    journal = books.find("journal", line["journal"].get("id")) if isinstance(line.get("journal"), dict) else None
    if kind == "customer" and journal is not None and journal.get("type") != "sales":
        text = f"Debiteur {account['id']} kan alleen in een verkoopdagboek geboekt worden"
        return [message("CUSTOMER_NOT_ALLOWED", text, f"{path}.account.id")]
    return []


def _check_date(books: Books, path: str, line: Row) -> list[Row]:
    date = line.get("document_date")
    found = []
    if isinstance(date, str):
        if books.fiscal_year_of(date) is None:
            text = f"Datum {date} valt niet in een boekjaar"
            found.append(message("FISCAL_YEAR_MISSING", text, f"{path}.document_date"))
        elif books.closed_until is not None and date <= books.closed_until:
            text = f"Datum {date} valt in een afgesloten periode"
            found.append(message("PERIOD_CLOSED", text, f"{path}.document_date"))
    period = line.get("period")
    if isinstance(period, dict):
        years = {year["fiscal_year"]: year for year in books.row.get("fiscal_years", [])}
        year = years.get(period.get("fiscal_year"))
        if year is None or period.get("id", 0) > year.get("number_of_periods", 12):
            found.append(message("PERIOD_UNKNOWN", "Deze periode bestaat niet", f"{path}.period"))
    return found


def _check_invoice_number(books: Books, batch_id: str, path: str, line: Row) -> list[Row]:
    account, number = line.get("account"), line.get("invoice_number")
    if (
        not isinstance(account, dict)
        or not isinstance(number, int)
        or books.find("customer", account.get("id")) is None
    ):
        return []
    taken, holder = books.holder_of(int(account["id"]), number)
    if not taken or holder == batch_id:
        return []
    text = f"Factuur {number} van debiteur {account['id']} bestaat al"
    return [message("INVOICE_NUMBER_EXISTS", text, f"{path}.invoice_number")]


def _check_same(body: list[Any], lines: list[tuple[int, Row]]) -> list[Row]:
    if not lines:
        return []
    first = body[lines[0][0]]
    found = []
    for name in ("journal", "document_date", "invoice_number"):
        for place, line in lines[1:]:
            if line.get(name) != first.get(name):
                text = f"Alle regels van een boeking hebben hetzelfde veld {name}"
                found.append(message("LINES_DIFFER", text, f"lines[{place}].{name}"))
    return found


def _check_balance(body: list[Row]) -> list[Row]:
    debit = credit = ZERO
    for line in body:
        vat = Decimal(line.get("vat", {}).get("amount", 0))
        if on_debit_side(line):
            debit += Decimal(line["debit"]) + vat
        else:
            credit += Decimal(line["credit"]) + vat
    if debit == credit:
        return []
    text = f"De boeking is niet in evenwicht: debet {debit:.2f}, credit {credit:.2f}"
    return [message("TRANSACTION_NOT_BALANCED", text, "debit")]
