"""The pages that show what is in the stand-in for Minox."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation while running
from starlette.responses import HTMLResponse

from sandbox.common import html
from sandbox.common.html import Link, Number
from sandbox.minox.books import LISTS, ZERO, Batch, Books

if TYPE_CHECKING:
    from sandbox.common.config import Row
    from sandbox.minox.state import MinoxState

SYSTEM = "Minox (stand-in)"
ROWS_PER_PAGE = 200
_HOME = Link("Minox", "/")

_COLUMNS = {
    "vat": ("id", "description", "percentage", "type"),
    "cost_center": ("id", "description"),
    "payment_term": ("id", "description", "days", "mandate"),
    "item_group": ("id", "description", "ledger_accounts"),
    "item": ("id", "description", "unit_packaging", "blocked", "price"),
    "customer": ("id", "addresses", "payment_term", "blocked"),
    "ledger_account": ("id", "description", "vat", "blocked"),
    "journal": ("id", "description", "type", "ledger_account_id"),
    "receivable": ("account_id", "invoice_number", "invoice_date", "total", "balance"),
}


def pages_router(state: MinoxState) -> APIRouter:
    """Make the routes of the pages.

    Args:
        state: The data.

    Returns:
        A router.
    """
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/")
    def start() -> HTMLResponse:
        with state.lock:
            parts = [_overview(tenant, name, books) for tenant, name, books in state.all_books()]
        return HTMLResponse(html.page(SYSTEM, SYSTEM, *parts or [html.paragraph("Nothing is stored.")]))

    @router.get("/pages/{tenant}/{administration}/{entity}")
    def entity_page(request: Request, tenant: int, administration: str, entity: str) -> HTMLResponse:
        books = state.books(tenant, int(administration)) if administration.isdecimal() else None
        if books is None or entity not in {*LISTS, "batch"}:
            return HTMLResponse(html.page(SYSTEM, "Not there", trail=[_HOME]), 404)
        first = max(0, int(request.query_params["from"])) if request.query_params.get("from", "").isdecimal() else 0
        base = f"/pages/{tenant}/{administration}/{entity}"
        with state.lock:
            count, content = _batches(books, base, first) if entity == "batch" else _rows(books, entity, base, first)
        steps = [Link("Previous", f"{base}?from={max(0, first - ROWS_PER_PAGE)}")] if first else []
        steps += [Link("Next", f"{base}?from={first + ROWS_PER_PAGE}")] if first + ROWS_PER_PAGE < count else []
        return HTMLResponse(html.page(SYSTEM, f"{entity} ({count})", content, html.paragraph(*steps), trail=[_HOME]))

    @router.get("/pages/{tenant}/{administration}/{entity}/{place}")
    def record_page(tenant: int, administration: str, entity: str, place: str) -> HTMLResponse:
        books = state.books(tenant, int(administration)) if administration.isdecimal() else None
        trail = [_HOME, Link(entity, f"/pages/{tenant}/{administration}/{entity}")]
        with state.lock:
            if books is not None and entity == "batch" and place in books.batches:
                return HTMLResponse(html.page(SYSTEM, f"Batch {place}", _batch(books.batches[place]), trail=trail))
            rows = books.receivables() if books is not None and entity == "receivable" else []
            rows = books.lists[entity] if books is not None and entity in LISTS and not rows else rows
        if not place.isdecimal() or int(place) >= len(rows):
            return HTMLResponse(html.page(SYSTEM, "Not there", trail=[_HOME]), 404)
        row = rows[int(place)]
        title = f"{entity} {row.get('id', row.get('invoice_number', place))}"
        fields = html.table("All fields", ("field", "value"), row.items())
        return HTMLResponse(html.page(SYSTEM, title, fields, trail=trail))

    return router


def _overview(tenant: int, name: str, books: Books) -> str:
    base = f"/pages/{tenant}/{name}"
    counts: list[tuple[Any, ...]] = [
        (Link(entity, f"{base}/{entity}"), Number(len(books.receivables() if entity == "receivable" else rows)))
        for entity, rows in books.lists.items()
    ]
    counts.append((Link("batch (booked entries)", f"{base}/batch"), Number(len(books.batches))))
    title = html.heading(f"{books.row.get('name')}: tenant {tenant}, administration {name}")
    return title + html.table("What is stored", ("entity", "rows"), counts)


def _rows(books: Books, entity: str, base: str, first: int) -> tuple[int, str]:
    rows = books.receivables() if entity == "receivable" else books.lists[entity]
    columns = _COLUMNS[entity]
    shown = (
        (
            Link(_text(entity, row, columns[0]) or "-", f"{base}/{place}"),
            *(_text(entity, row, name) for name in columns[1:]),
        )
        for place, row in enumerate(islice(rows, first, first + ROWS_PER_PAGE), first)
    )
    return len(rows), html.table(f"Rows from {first + 1}", columns, shown)


def _text(entity: str, row: Row, name: str) -> Any:
    value = row.get(name)
    if entity == "customer" and name == "addresses" and isinstance(value, list):
        first = value[0] if value and isinstance(value[0], dict) else {}
        return f"{first.get('name') or '(no name)'}, {first.get('city') or ''}"
    return str(value) if name in {"id", "account_id"} and value is not None else value


def _batches(books: Books, base: str, first: int) -> tuple[int, str]:
    heads = ("batch", "date", "invoice", "debtor", "description", "lines", "debit", "credit", "VAT", "documents")
    shown = (_batch_row(batch, base) for batch in islice(books.batches.values(), first, first + ROWS_PER_PAGE))
    return len(books.batches), html.table(f"Entries from {first + 1}", heads, shown)


def _batch_row(batch: Batch, base: str) -> tuple[Any, ...]:
    head = batch.lines[0]
    return (
        Link(batch.batch_id[:8], f"{base}/{batch.batch_id}"),
        head["document_date"],
        str(head.get("invoice_number")),
        f"{head['account']['id']} {head['account'].get('description') or ''}",
        head.get("description"),
        Number(len(batch.lines)),
        *(Number(f"{total:.2f}") for total in _totals(batch)),
        Number(len(batch.documents)),
    )


def _totals(batch: Batch) -> tuple[Decimal, Decimal, Decimal]:
    debit = sum((Decimal(line["debit"]) for line in batch.lines), ZERO)
    credit = sum((Decimal(line["credit"]) for line in batch.lines), ZERO)
    vat = sum((Decimal(line["vat"]["amount"]) for line in batch.lines), ZERO)
    return debit, credit, vat


def _batch(batch: Batch) -> str:
    heads = ("account", "name", "description", "cost centre", "debit", "credit", "VAT code", "VAT")
    lines = [
        (
            line["account"]["id"],
            line["account"].get("description"),
            line.get("description"),
            (line.get("cost_center") or {}).get("id"),
            Number(f"{Decimal(line['debit']):.2f}"),
            Number(f"{Decimal(line['credit']):.2f}"),
            Number(line["vat"]["id"]),
            Number(f"{Decimal(line['vat']['amount']):.2f}"),
        )
        for line in batch.lines
    ]
    debit, credit, vat = (Number(f"{total:.2f}") for total in _totals(batch))
    lines.append(("total", None, None, None, debit, credit, Number(None), vat))
    head = batch.lines[0]
    about = f"{head['journal']['id']}, {head['document_date']}, invoice {head.get('invoice_number')}"
    documents = [(document["name"], document["media_type"], Number(document["bytes"])) for document in batch.documents]
    return html.table(about, heads, lines) + html.table("Documents", ("name", "type", "bytes"), documents)
