"""The pages that show what is in the stand-in for QMS."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation while running
from starlette.responses import HTMLResponse, Response

from sandbox.common import html
from sandbox.common.html import Link, Number
from sandbox.qms.api import WITH_PDF, invoice_pdf
from sandbox.qms.entities import NAMES, entity

if TYPE_CHECKING:
    from sandbox.common.config import Row
    from sandbox.qms.state import QmsState

SYSTEM = "QicsMilestones (stand-in)"
ROWS_PER_PAGE = 200
_HOME = Link("QMS", "/")

_COLUMNS = {
    "Company": ("Code", "Name", "InvoiceNumberPrefix"),
    "VatCode": ("CompanyId", "Code", "Name", "Percentage", "ReverseCharge"),
    "CostCenter": ("CompanyId", "Code", "Name"),
    "PaymentCondition": ("CompanyId", "Code", "Name", "PaymentTerm", "PaymentConditionType"),
    "ItemCompany": ("CompanyId", "ItemCode", "Name", "ItemType", "IsActive", "GLAccountRevenue"),
    "CustomerCompany": ("CompanyId", "CustomerCode", "Name", "IsActive", "SendInvoiceTo"),
    "OverviewInvoice": ("CompanyId", "InvoiceNumber", "InvoiceHeaderState", "InvoiceDate", "InvoiceCustomerName"),
    "Invoice": ("CompanyId", "InvoiceNumber", "InvoiceHeaderState", "AmountWithoutVat", "VatAmount"),
    "OverviewInvoiceLine": ("InvoiceHeaderId", "InvoiceLineState", "Description", "Quantity", "Price", "VatPercentage"),
    "EntityChange": ("Date", "EntityType", "EntityId", "EntityOperation", "BusinessOperation", "UserName"),
    "EntityState": ("EntityType", "EntityId", "DataSource", "DataSourceKey", "IsError", "Message"),
}
_LINE_COLUMNS = (
    "InvoiceLineState",
    "ItemName",
    "Description",
    "ItemCompanyGLAccountRevenue",
    "Quantity",
    "Price",
    "IrregularityAmount",
    "VatPercentage",
    "SurchargePercentage",
    "CostCenterCode",
)


def pages_router(state: QmsState) -> APIRouter:
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
            counts = [(Link(name, f"/pages/{name}"), Number(len(state.rows(name)))) for name in NAMES]
        return HTMLResponse(html.page(SYSTEM, SYSTEM, html.table("What is stored", ("entity", "rows"), counts)))

    @router.get("/pages/{name}")
    def entity_page(request: Request, name: str) -> HTMLResponse:
        if name not in NAMES:
            return _not_there()
        first = int(request.query_params["from"]) if request.query_params.get("from", "").isdecimal() else 0
        with state.lock:
            rows = list(reversed(state.rows(name))) if name == "EntityChange" else state.rows(name)
            content = _rows(name, rows, first)
        steps = [Link("Previous", f"/pages/{name}?from={max(0, first - ROWS_PER_PAGE)}")] if first else []
        steps += (
            [Link("Next", f"/pages/{name}?from={first + ROWS_PER_PAGE}")] if first + ROWS_PER_PAGE < len(rows) else []
        )
        return HTMLResponse(html.page(SYSTEM, f"{name} ({len(rows)})", content, html.paragraph(*steps), trail=[_HOME]))

    @router.get("/pages/{name}/{key}")
    def record_page(name: str, key: int) -> HTMLResponse:
        with state.lock:
            row = state.find(name, key) if name in NAMES else None
            if row is None:
                return _not_there()
            parts = _invoice_parts(state, key) if name in {"Invoice", "OverviewInvoice"} else []
        fields = html.table("All fields", ("field", "value"), row.items())
        trail = [_HOME, Link(name, f"/pages/{name}")]
        return HTMLResponse(html.page(SYSTEM, f"{name} {key}", *parts, fields, trail=trail))

    @router.get("/pages/Invoice/{key}/pdf")
    def pdf_page(key: int) -> Response:
        with state.lock:
            row = state.find("Invoice", key)
            return _not_there() if row is None else invoice_pdf(state, row)

    return router


def _not_there() -> HTMLResponse:
    return HTMLResponse(html.page(SYSTEM, "Not there", trail=[_HOME]), 404)


def _rows(name: str, rows: list[Row], first: int) -> str:
    key, columns = entity(name).key, _COLUMNS[name]
    shown = (_row(name, key, columns, row) for row in islice(rows, first, first + ROWS_PER_PAGE))
    return html.table(f"Rows from {first + 1}", (key, *columns), shown)


def _row(name: str, key: str, columns: tuple[str, ...], row: Row) -> list[Any]:
    text = str(row.get(key))
    return [Link(text, f"/pages/{name}/{text}"), *(row.get(column) for column in columns)]


def _invoice_parts(state: QmsState, key: int) -> list[str]:
    lines = [row for row in state.rows("OverviewInvoiceLine") if str(row.get("InvoiceHeaderId")) == str(key)]
    header = state.find("Invoice", key) or {}
    statuses = [
        row
        for row in state.rows("EntityState")
        if row.get("EntityType") == "InvoiceHeader" and str(row.get("EntityId")) == str(key)
    ]
    totals = f"Amount without VAT {header.get('AmountWithoutVat')}, VAT {header.get('VatAmount')}."
    has_pdf = header.get("InvoiceHeaderState") in WITH_PDF
    links = [Link("PDF", f"/pages/Invoice/{key}/pdf")] if has_pdf else []
    return [
        html.paragraph(totals, *links),
        html.table("Lines", _LINE_COLUMNS, ([row.get(name) for name in _LINE_COLUMNS] for row in lines)),
        html.table(
            "Status records",
            ("DataSource", "IsError", "Message"),
            ([row.get("DataSource"), row.get("IsError"), row.get("Message")] for row in statuses),
        ),
    ]
