"""Invoices: found by number, debtor, date, amount and outcome; and the whole story of one."""
# ruff: noqa: TC001, TC002 - FastAPI reads the annotations while running

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from include.errors import ConfigurationError
from include.storage.engine import engine
from include.storage.invoice_search import REOFFERED, InvoiceFilter, search_invoices
from include.storage.queries import INVOICES
from include.storage.stories import invoice_story
from include.words import OUTCOMES
from minox_qms.page.links import Link
from minox_qms.page.rendering import UnknownError, render
from minox_qms.page.security import may_edit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

router = APIRouter()

InvoiceId = Annotated[int, Path(ge=0, le=2**63 - 1)]
Text = Annotated[str, Query(max_length=100)]
STANDINGS = [*(name for name in OUTCOMES if name not in {"created", "updated", "unchanged"}), REOFFERED]
_LARGEST_CUSTOMER = 2**31 - 1
_LARGEST_AMOUNT = Decimal(10) ** 16
_IN_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}([.,])\d{3}(?:\1\d{3})*(?:(?!\1)[.,]\d*)?")


class Search(BaseModel):
    """The search form as it was sent: texts, of which empty ones do not narrow, and whether only open ones count."""

    model_config = ConfigDict(str_strip_whitespace=True, str_max_length=100)

    number: str = ""
    customer: str = ""
    from_date: str = ""
    to_date: str = ""
    amount_from: str = ""
    amount_to: str = ""
    outcome: str = ""
    open: bool = False
    after: Annotated[int | None, Field(ge=0, le=2**63 - 1)] = None


@router.get("/links/{link}/invoices", response_class=HTMLResponse)
def invoices(request: Request, user: GetUserDep, link: Link, search: Annotated[Search, Query()]) -> Response:
    """Search the link's invoices, a page at a time."""
    asked = search.model_dump(exclude={"after", "open"})
    values, faults = _read(asked)
    page = None
    if not faults:
        which = InvoiceFilter(**values, is_open=search.open)
        with engine().connect() as connection:
            page = search_invoices(connection, link.name, which, after=search.after)
    return render(
        request,
        "invoices",
        code=400 if faults else 200,
        user=user,
        link=link.name,
        asked=asked,
        is_open=search.open,
        faults=faults,
        page=page,
        outcomes=STANDINGS,
        after=search.after,
    )


@router.get("/links/{link}/invoices/{invoice_id}", response_class=HTMLResponse)
def story(request: Request, user: GetUserDep, link: Link, invoice_id: InvoiceId, done: Text = "") -> Response:
    """Tell the whole story of one invoice."""
    with engine().connect() as connection:
        try:
            found = invoice_story(connection, link.name, f"id:{invoice_id}")
        except ConfigurationError as error:
            raise UnknownError(INVOICES, f"id {invoice_id}") from error
    return render(
        request,
        "invoice",
        user=user,
        link=link.name,
        story=found,
        entry=with_totals(found.ledger["entry"] or ()),
        done=done,
        may_act=may_edit(request, user, link.name, INVOICES),
    )


def with_totals(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """An entry with the totals of its sides; VAT counts on the side of its line."""
    totals = {"debit": Decimal(), "credit": Decimal()}
    for line in lines:
        side = "debit" if line["credit"] is None else "credit"
        totals[side] += Decimal(line[side]) + Decimal(line["vat"])
    return {"lines": lines, **totals}


def _read(asked: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Read what was asked for; returns the values, and the names of what cannot be read."""
    values: dict[str, Any] = {}
    faults = []
    for name, text in asked.items():
        if text:
            try:
                values[name] = _READERS[name](text)
            except (ValueError, InvalidOperation):
                faults.append(name)
    return values, faults


def _customer(text: str) -> int:
    """Read a debtor number."""
    number = int(text)
    if not 0 <= number <= _LARGEST_CUSTOMER:
        raise ValueError(text)
    return number


def _amount(text: str) -> Decimal:
    """Read an amount: a point or a comma before the cents, and the other of the two, or spaces, between thousands."""
    plain = "".join(text.split())
    if in_thousands := _IN_THOUSANDS.fullmatch(plain):
        plain = plain.replace(in_thousands[1], "")
    amount = Decimal(plain.replace(",", "."))
    if not amount.is_finite() or abs(amount) >= _LARGEST_AMOUNT:
        raise ValueError(text)
    return amount


def _outcome(text: str) -> str:
    """Read what an invoice may stand as."""
    if text not in STANDINGS:
        raise ValueError(text)
    return text


_READERS: dict[str, Callable[[str], Any]] = {
    "number": str,
    "customer": _customer,
    "from_date": dt.date.fromisoformat,
    "to_date": dt.date.fromisoformat,
    "amount_from": _amount,
    "amount_to": _amount,
    "outcome": _outcome,
}
