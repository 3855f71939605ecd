"""The books of one administration: its lists, its batches and its receivables."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sandbox.common.http import whole_number

if TYPE_CHECKING:
    from sandbox.common.config import Row

LISTS = (
    "vat",
    "cost_center",
    "payment_term",
    "item_group",
    "item",
    "customer",
    "ledger_account",
    "journal",
    "receivable",
)
"""The entities that are stored as raw rows; `receivable` holds what was typed in by hand."""

ZERO = Decimal(0)


@dataclass
class Batch:
    """A stored entry.

    Attributes:
        batch_id: Its UUID.
        lines: The contract's StoredLine rows, in order.
        documents: Id, file name, media type and size in bytes of what is attached.
    """

    batch_id: str
    lines: list[Row]
    documents: list[Row] = field(default_factory=list)


@dataclass
class Books:
    """One administration.

    Attributes:
        row: The administration's own row.
        lists: Raw rows per entity of `LISTS`.
        batches: Stored entries by id.
        closed_until: The last closed day (`YYYY-MM-DD`), or None.
        last_line_id: The line id given out last.
    """

    row: Row
    lists: dict[str, list[Row]]
    batches: dict[str, Batch] = field(default_factory=dict)
    closed_until: str | None = None
    last_line_id: int = 0
    _index: dict[str, dict[str, Row]] = field(default_factory=dict)
    _invoices: dict[tuple[int, int], str | None] | None = None

    @classmethod
    def parse(cls, row: Row, data: Row) -> Books:
        """Read an administration of a data set.

        Args:
            row: The administration's own row.
            data: Its entities, and optionally `batches` and `closed_until`.

        Returns:
            The books.
        """
        batches = {
            key: Batch(key, value["lines"], value.get("documents", []))
            for key, value in data.get("batches", {}).items()
        }
        for batch in batches.values():
            for line in batch.lines:
                line.setdefault("_debit", on_debit_side(line))
        last = max((line["id"] for batch in batches.values() for line in batch.lines), default=0)
        lists = {entity: data.get(entity, []) for entity in LISTS}
        return cls(row, lists, batches, data.get("closed_until"), last)

    def as_json(self) -> Row:
        """Show everything, in the form of a data set.

        Returns:
            A JSON object.
        """
        batches = {key: {"lines": batch.lines, "documents": batch.documents} for key, batch in self.batches.items()}
        return {**self.lists, "batches": batches, "closed_until": self.closed_until}

    def changed(self) -> None:
        """Drop what was worked out from the rows; to be called after every change."""
        self._index.clear()
        self._invoices = None

    def find(self, entity: str, key: Any) -> Row | None:
        """Find a row by its id.

        Args:
            entity: One of `LISTS`.
            key: The id, as a number or as text.

        Returns:
            The row, or None.
        """
        if entity not in self._index:
            self._index[entity] = {str(row["id"]): row for row in self.lists[entity] if "id" in row}
        return self._index[entity].get(str(key))

    def account_type(self, key: Any) -> str | None:
        """Tell what an account number stands for.

        Args:
            key: The number.

        Returns:
            `ledger_account`, `customer`, or None when nothing has it.
        """
        for kind in ("ledger_account", "customer"):
            if self.find(kind, key) is not None:
                return kind
        return None

    def holder_of(self, customer: int, invoice_number: int) -> tuple[bool, str | None]:
        """Tell who holds an invoice number of a customer.

        Args:
            customer: The customer number.
            invoice_number: The invoice number.

        Returns:
            Whether it is taken, and by which batch (None: typed in by hand).
        """
        if self._invoices is None:
            self._invoices = {}
            for item in self.receivables():
                key = (whole_number(item.get("account_id")), whole_number(item.get("invoice_number")))
                if key[0] is not None and key[1] is not None:
                    self._invoices[key[0], key[1]] = item.get("_batch")
        key_wanted = (customer, invoice_number)
        return key_wanted in self._invoices, self._invoices.get(key_wanted)

    def store(self, batch_id: UUID, lines: list[Row]) -> list[Row]:
        """Create or replace an entry.

        Args:
            batch_id: Its id.
            lines: Checked lines of the request.

        Returns:
            The stored lines.
        """
        key = str(batch_id)
        old = self.batches.get(key)
        page_number = len(self.batches) + 1
        stored = [self._stored_line(key, line, page_number, place) for place, line in enumerate(lines, 1)]
        self.batches[key] = Batch(key, stored, old.documents if old is not None else [])
        self._note_invoices(key, replaced=old is not None)
        return stored

    def attach(self, batch: Batch, name: str, media_type: str, content: bytes) -> str:
        """Attach a document to an entry.

        Args:
            batch: The entry.
            name: The file's name.
            media_type: Its MIME type.
            content: Its bytes.

        Returns:
            The document's id.
        """
        document_id = str(uuid4())
        batch.documents.append({"id": document_id, "name": name, "media_type": media_type, "bytes": len(content)})
        self._invoices = None
        return document_id

    def receivables(self) -> list[Row]:
        """List all receivables: those typed in by hand, then those of the batches.

        Returns:
            The contract's Receivable rows; those of a batch carry its id as `_batch`, which is not to be served.
        """
        rows = list(self.lists["receivable"])
        for batch in self.batches.values():
            rows += self._receivables_of(batch)
        return rows

    def _note_invoices(self, key: str, *, replaced: bool) -> None:
        if replaced or self._invoices is None:
            self._invoices = None
            return
        for item in self._receivables_of(self.batches[key]):
            self._invoices[int(item["account_id"]), int(item["invoice_number"])] = key

    def _receivables_of(self, batch: Batch) -> list[Row]:
        totals: dict[str, Decimal] = {}
        for line in batch.lines:
            account, journal = line["account"], line["journal"]
            if account.get("type") != "customer" or journal.get("type") != "sales" or not line.get("invoice_number"):
                continue
            amount = Decimal(line["debit"]) - Decimal(line["credit"])
            vat = Decimal((line.get("vat") or {}).get("amount", ZERO))
            totals[str(account["id"])] = (
                totals.get(str(account["id"]), ZERO) + amount + (vat if line["_debit"] else -vat)
            )
        return [self._receivable(batch, customer, total) for customer, total in totals.items()]

    def _receivable(self, batch: Batch, customer: str, total: Decimal) -> Row:
        first = batch.lines[0]
        return {
            "type": "receivable",
            "account_id": int(customer),
            "account": self.account_reference(customer),
            "invoice_number": first["invoice_number"],
            "invoice_date": first["document_date"],
            "due_date": first.get("due_date"),
            "total": total,
            "paid": 0,
            "balance": total,
            "currency": {"id": "EUR"},
            "document_id": f"{batch.documents[0]['id']}.pdf" if batch.documents else None,
            "_batch": batch.batch_id,
        }

    def account_reference(self, key: Any) -> Row:
        """Describe an account as the contract's AccountReference.

        Args:
            key: Its number; it must exist.

        Returns:
            The reference.
        """
        kind = self.account_type(key) or "ledger_account"
        row = self.find(kind, key) or {}
        names = [address.get("name") for address in row.get("addresses") or []]
        return {
            "id": str(key),
            "scheme": "MINOX",
            "type": kind,
            "description": row.get("description") or next(filter(None, names), None),
        }

    def fiscal_year_of(self, date: str) -> Row | None:
        """Find the fiscal year that a day is in.

        Args:
            date: `YYYY-MM-DD`.

        Returns:
            The fiscal year, or None.
        """
        for year in self.row.get("fiscal_years", []):
            if year["start_date"][:10] <= date <= year["end_date"][:10]:
                found: Row = year
                return found
        return None

    def _stored_line(self, batch_id: str, line: Row, page_number: int, line_number: int) -> Row:
        self.last_line_id += 1
        account = self.account_reference(line["account"]["id"])
        journal = self.find("journal", line["journal"]["id"]) or {}
        ledger = self.find("ledger_account", account["id"]) or {}
        vat = line.get("vat") or {}
        fiscal_year = self.fiscal_year_of(line["document_date"]) or {}
        month = int(line["document_date"][5:7])
        messages = []
        if "id" in vat:
            messages.append(
                {
                    "message_code": "VAT_CODE_GIVEN",
                    "message_type": "warning",
                    "message": "De btw-code volgt uit de grootboekrekening; meesturen wordt afgeraden",
                    "field": f"lines[{line_number - 1}].vat.id",
                }
            )
        return {
            "id": self.last_line_id,
            "batch_id": batch_id,
            "account": account,
            "journal": {
                "id": line["journal"]["id"],
                "description": journal.get("description"),
                "type": journal.get("type"),
                "page_number": page_number,
                "line_number": line_number,
            },
            "document_date": line["document_date"],
            "due_date": line.get("due_date"),
            "invoice_number": line.get("invoice_number"),
            "entry_number": line.get("entry_number"),
            "debit": line.get("debit", 0),
            "credit": line.get("credit", 0),
            "description": line.get("description"),
            "vat": {"id": vat.get("id", (ledger.get("vat") or {}).get("id")), "amount": vat.get("amount", 0)},
            "cost_center": line.get("cost_center"),
            "period": line.get("period") or {"id": month, "fiscal_year": fiscal_year.get("fiscal_year", 0)},
            "currency": line.get("currency") or {"id": "EUR"},
            "document_id": None,
            "messages": messages,
            "_debit": on_debit_side(line),
        }


def on_debit_side(line: Row) -> bool:
    """Tell the side of a line: that of its field, whatever its sign (contract, putBatch).

    Args:
        line: A line of the request, valid by the contract's schema.

    Returns:
        True for debit.
    """
    if "debit" not in line:
        return False
    return bool(line["debit"] != 0 or line.get("credit", 0) == 0)
