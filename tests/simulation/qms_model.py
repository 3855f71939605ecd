"""A small model of QMS, written from its contract alone: OData lists with filters, rows that are written, PDFs."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.simulation.answers import Answer, Asked, Tokens, as_json

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = "/api/V3/odata/"
KEYS = {"OverviewInvoice": "InvoiceHeaderId", "Invoice": "InvoiceHeaderId", "OverviewInvoiceLine": "InvoiceLineId"}
WRITTEN = ("VatCode", "CostCenter", "PaymentCondition", "ItemCompany", "CustomerCompany", "EntityState")
READ_ONLY = ("Company", "OverviewInvoice", "Invoice", "OverviewInvoiceLine", "EntityChange")
REFERENCES = {
    "ItemCompany": {"VatCodeId": "VatCode"},
    "CustomerCompany": {"PaymentConditionId": "PaymentCondition"},
}
_TOKENS = re.compile(r"\(|\)|datetime'[^']*'|'(?:[^']|'')*'|-?\d+(?:\.\d+)?[LM]?|\w+")

Row = dict[str, Any]


class QmsModel:
    """One environment with two companies; the link's is number 3.

    Args:
        base: Address, for the links to next pages.
        page_size: Rows a page.
        token_life: Seconds that an access token lives.
    """

    name = "qms"

    def __init__(self, base: str, page_size: int, token_life: int) -> None:
        self.base = base
        self.page_size = page_size
        self.tokens = Tokens("qms", token_life)
        self.rows: dict[str, dict[int, Row]] = {entity: {} for entity in (*WRITTEN, *READ_ONLY)}
        for number in (3, 4):
            self.rows["Company"][number] = {
                "CompanyId": str(number),
                "Name": f"Bedrijf {number}",
                "CurrencyCode": "EUR",
                "InvoiceNumberPrefix": "F",
            }
        self._last = 1000

    def answer(self, asked: Asked, now: float, event: int) -> Answer:  # noqa: PLR0911 - one answer an address
        """Carry a request out."""
        if asked.path == "/api/oauth2/oauth2/token":
            return self.tokens.exchange(asked.body, now, event)
        if not self.tokens.accepts(asked.token, now):
            return Answer(401)
        place = re.fullmatch(r"(\w+)(?:\((\d+)\))?(/Pdf)?", asked.path.removeprefix(ROOT))
        if place is None or place[1] not in self.rows:
            return Answer(404)
        entity, key = place[1], None if place[2] is None else int(place[2])
        if place[3]:
            is_there = key in self.rows["Invoice"]
            return Answer(200, b"%PDF-1.4 " + str(key).encode()) if is_there else Answer(404)
        if asked.method == "POST":
            return self._write(entity, None, asked.body)
        if asked.method == "PUT" and key is not None:
            return self._write(entity, key, asked.body)
        return self._list(entity, asked.query)

    def _list(self, entity: str, query: dict[str, str]) -> Answer:
        keep = reader(query["$filter"]) if "$filter" in query else None
        rows = [row for _, row in sorted(self.rows[entity].items()) if keep is None or keep(row)]
        if "desc" in query.get("$orderby", ""):
            rows.reverse()
        start = int(query.get("$skiptoken", 0))
        content: dict[str, Any] = {"value": rows[start : start + self.page_size]}
        if start + self.page_size < len(rows):
            again = {**query, "$skiptoken": str(start + self.page_size)}
            asked = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in again.items())
            content["odata.nextLink"] = f"{self.base}{ROOT}{entity}?{asked}"
        return as_json(200, content)

    def _write(self, entity: str, key: int | None, body: bytes) -> Answer:
        if entity not in WRITTEN:
            return Answer(404)
        if key is not None and key not in self.rows[entity]:
            return Answer(404)
        row: Row = json.loads(body)
        wrong = self._wrong(entity, row)
        if wrong:
            return as_json(400, {"odata.error": {"code": "", "message": {"lang": "nl", "value": wrong}}})
        is_new = key is None
        if key is None:
            self._last += 1
            key = self._last
        self.put(entity, {**row, f"{entity}Id": str(key)})
        return as_json(201, self.rows[entity][key]) if is_new else Answer(204)

    def _wrong(self, entity: str, row: Row) -> str:
        """What QMS refuses: a blank name, and a reference to a row that it does not have."""
        if entity != "EntityState" and not str(row.get("Name") or "").strip():
            return "Name is required"
        for name, other in REFERENCES.get(entity, {}).items():
            if row.get(name) is not None and int(row[name]) not in self.rows[other]:
                return f"{name}: no such {other}"
        return ""

    def put(self, entity: str, row: Row) -> None:
        """Store a row under its key; whole numbers of 64 bits are text, as the contract writes them."""
        kept = {name: str(value) if name.endswith("Id") and value is not None else value for name, value in row.items()}
        self.rows[entity][int(kept[KEYS.get(entity, f"{entity}Id")])] = kept

    def log(self, key: int, instant: str) -> None:
        """Note in the change log that an invoice was processed."""
        self._last += 1
        self.put(
            "EntityChange",
            {
                "EntityChangeId": self._last,
                "Date": instant,
                "EntityId": key,
                "EntityType": "InvoiceHeader",
                "EntityOperation": "Update",
                "BusinessOperation": "Process",
            },
        )


@functools.lru_cache(maxsize=4096)
def reader(text: str) -> Callable[[Row], bool]:
    """Read a filter: comparisons, `and`, `or`, parentheses."""
    tokens = _TOKENS.findall(text)
    place = 0

    def take() -> str:
        nonlocal place
        place += 1
        return str(tokens[place - 1])

    def one_of() -> Callable[[Row], bool]:
        parts = [all_of()]
        while place < len(tokens) and tokens[place] == "or":
            take()
            parts.append(all_of())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def all_of() -> Callable[[Row], bool]:
        parts = [term()]
        while place < len(tokens) and tokens[place] == "and":
            take()
            parts.append(term())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def term() -> Callable[[Row], bool]:
        if tokens[place] == "(":
            take()
            inner = one_of()
            take()
            return inner
        return comparison(take(), take(), take())

    found = one_of()
    if place != len(tokens):
        raise ValueError(f"not a filter: {text}")
    return found


def comparison(field: str, operator: str, literal: str) -> Callable[[Row], bool]:
    """One comparison; nothing is less or greater than an empty field."""
    read: Callable[[Any], Any] = str
    wanted: Any
    if literal == "null":
        return lambda row: (row.get(field) is None) == (operator == "eq")
    if literal.startswith("datetime'"):
        wanted, read = literal[9:-1][:19], lambda value: str(value)[:19]
    elif literal.startswith("'"):
        wanted = literal[1:-1].replace("''", "'")
    else:
        wanted, read = int(literal.rstrip("LM")), int

    def holds(row: Row) -> bool:
        if row.get(field) is None:
            return False
        value = read(row[field])
        return bool(
            {"eq": value == wanted, "ge": value >= wanted, "le": value <= wanted, "lt": value < wanted}[operator]
        )

    return holds
