"""A small model of Minox, written from its contract alone: lists, batches, receivables, documents."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.simulation.answers import Answer, Asked, Tokens, as_json

LEDGER_ACCOUNTS = {"1300", "8000", "8010", "8020", "8080"}
YEARS = (("2025-01-01", "2025-12-31"), ("2026-01-01", "2026-12-31"))
ROOT = "/api/1/tenant/123456/administration"
MAX_DESCRIPTION = 255


@dataclass
class Batch:
    """A stored entry.

    Attributes:
        lines: As stored.
        documents: Ids of what is attached.
        is_edited: A person changed it.
    """

    lines: list[dict[str, Any]]
    documents: list[str] = field(default_factory=list)
    is_edited: bool = False


class MinoxModel:
    """One administration.

    Args:
        page_size: Records a page.
        token_life: Seconds that an access token lives.
    """

    name = "minox"

    def __init__(self, page_size: int, token_life: int) -> None:
        self.tokens = Tokens("minox", token_life)
        self.page_size = page_size
        self.lists: dict[str, dict[str, dict[str, Any]]] = {
            name: {} for name in ("vat", "cost_center", "payment_term", "item_group", "item", "customer")
        }
        self.batches: dict[str, Batch] = {}
        self.typed: dict[tuple[str, int], dict[str, Any]] = {}
        self.closed_until = ""
        self._documents = 0

    def answer(self, asked: Asked, now: float, event: int) -> Answer:  # noqa: PLR0911 - one answer an address
        """Carry a request out."""
        if asked.path == "/oauth/token":
            return self.tokens.exchange(asked.body, now, event)
        if not self.tokens.accepts(asked.token, now):
            return Answer(401)
        if asked.path == ROOT:
            return self._list(asked, [self._administration()])
        if not asked.path.startswith(f"{ROOT}/1/"):
            return Answer(404)
        parts = asked.path.removeprefix(f"{ROOT}/1/").split("/")
        if parts[0] == "transaction_line_batch":
            return self._batch(asked, parts[1:])
        if parts[0] == "receivable" and len(parts) > 1:
            found = self._receivables().get((parts[2], int(parts[4])))
            return Answer(404) if found is None else as_json(200, found)
        if parts[0] == "receivable":
            return self._list(asked, list(self._receivables().values()))
        if parts[0] == "journal":
            return self._list(
                asked, [{"id": "VRK", "description": "Verkoop", "type": "sales", "ledger_account_id": 1300}]
            )
        if parts[0] in self.lists:
            return self._list(asked, list(self.lists[parts[0]].values()))
        return Answer(404)

    def _administration(self) -> dict[str, Any]:
        years = [{"fiscal_year": int(first[:4]), "start_date": first, "end_date": last} for first, last in YEARS]
        return {"id": 1, "name": "Van Dijk", "currency": {"id": "EUR"}, "fiscal_years": years}

    def _list(self, asked: Asked, rows: list[dict[str, Any]]) -> Answer:
        start = int(asked.query.get("next", "o0")[1:])
        more = start + self.page_size < len(rows)
        links = {"next": f"o{start + self.page_size}" if more else None}
        return as_json(200, {"links": links, "collection": rows[start : start + self.page_size]})

    # -- bookings ------------------------------------------------------------------------------------------------------

    def holder(self, customer: str, number: int) -> str | None:
        """Id of the batch that has this debtor and number; empty for one typed in; None when nothing has."""
        if (customer, number) in self.typed:
            return ""
        for key, batch in self.batches.items():
            if batch.lines[0]["account"]["id"] == customer and batch.lines[0]["invoice_number"] == number:
                return key
        return None

    def _receivables(self) -> dict[tuple[str, int], dict[str, Any]]:
        found = dict(self.typed)
        for batch in self.batches.values():
            head = batch.lines[0]
            customer, number = head["account"]["id"], head["invoice_number"]
            document = batch.documents[-1] if batch.documents else None
            found[customer, number] = receivable(customer, number, head.get("debit", 0), document)
        return found

    def _batch(self, asked: Asked, parts: list[str]) -> Answer:
        key = parts[0]
        if asked.method == "PUT":
            lines = json.loads(asked.body, parse_float=Decimal)
            problems = self.problems(key, lines)
            if problems:
                kind = {"message_type": "error"}
                return as_json(400, [{"message_code": code, "message": text, **kind} for code, text in problems])
            documents = self.batches[key].documents if key in self.batches else []
            self.batches[key] = Batch(lines, documents)
            return as_json(200, self._stored(key))
        if key not in self.batches:
            return Answer(404)
        if asked.method == "POST":
            data = re.search(rb"\r\n\r\n([A-Za-z0-9+/=]+)\r\n", asked.body)
            if data is None or not base64.b64decode(data.group(1)).startswith(b"%PDF-"):
                return as_json(400, [{"message_code": "DOC", "message_type": "error", "message": "Geen document"}])
            self._documents += 1
            document = f"00000000-0000-4000-8000-{self._documents:012d}"
            self.batches[key].documents.append(document)
            return as_json(200, {"document_id": document})
        return as_json(200, self._stored(key))

    def _stored(self, key: str) -> list[dict[str, Any]]:
        batch = self.batches[key]
        document = {"document_id": batch.documents[-1]} if batch.documents else {}
        return [{**line, "id": place, "batch_id": key, **document} for place, line in enumerate(batch.lines, 1)]

    def problems(self, key: str, lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
        """Everything that the contract's putBatch refuses."""
        found = [("LINES", "Te weinig regels")] if len(lines) < 2 else []
        sides = {"debit": Decimal(0), "credit": Decimal(0)}
        for line in lines:
            side = "debit" if "debit" in line else "credit"
            sides[side] += line[side] + line["vat"]["amount"]
            account = line["account"]["id"]
            if account not in LEDGER_ACCOUNTS and account not in self.lists["customer"]:
                found.append(("ACCOUNT_UNKNOWN", f"Rekening {account} bestaat niet"))
            if line["journal"]["id"] != "VRK":
                found.append(("JOURNAL_UNKNOWN", "Dagboek bestaat niet"))
            if len(line.get("description", "x")) > MAX_DESCRIPTION:
                found.append(("TEXT_TOO_LONG", "Te lang"))
        date, head = lines[0]["document_date"], lines[0]
        if not any(first <= date <= last for first, last in YEARS):
            found.append(("FISCAL_YEAR_MISSING", "Geen boekjaar"))
        if date <= self.closed_until:
            found.append(("PERIOD_CLOSED", "Periode is afgesloten"))
        if self.holder(head["account"]["id"], head["invoice_number"]) not in {None, key}:
            found.append(("INVOICE_NUMBER_EXISTS", "Factuur bestaat al"))
        if sides["debit"] != sides["credit"]:
            found.append(("TRANSACTION_NOT_BALANCED", "Niet in evenwicht"))
        return found


def receivable(customer: str, number: int, total: Any, document: str | None = None) -> dict[str, Any]:
    """An open item of a debtor."""
    return {
        "type": "receivable",
        "account_id": int(customer),
        "account": {"id": customer, "type": "customer"},
        "invoice_number": number,
        "invoice_date": "2026-03-01",
        "total": total,
        "balance": total,
        "document_id": document,
    }
