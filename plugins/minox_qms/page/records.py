"""Records of master data and open rejections: what became of them, what was overwritten, and why."""
# ruff: noqa: TC001, TC002 - FastAPI reads the annotations while running

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from include.errors import ConfigurationError
from include.mappings import MASTER_DATA
from include.storage.actions import count_refused
from include.storage.engine import engine
from include.storage.invoice_names import find_invoice
from include.storage.invoice_search import invoice_numbers, invoices_numbered
from include.storage.queries import (
    INVOICES,
    Filter,
    changes,
    current_outcomes,
    past_outcomes,
    payload_of,
    rejections,
)
from include.storage.stories import binding_of, people_of
from include.words import OUTCOMES, REASONS
from minox_qms.page.links import Link
from minox_qms.page.rendering import UnknownError, render
from minox_qms.page.security import may_edit

router = APIRouter()

ENTITIES = [*MASTER_DATA, INVOICES]
Key = Annotated[str, Query(max_length=200)]
Name = Annotated[str, Query(max_length=50)]
Mark = Annotated[str | None, Query(max_length=1000)]
_PAGE = 50


@router.get("/links/{link}/rejections", response_class=HTMLResponse)
def rejected(
    request: Request,
    user: GetUserDep,
    link: Link,
    *,
    entity: Name = "",
    reason: Name = "",
    solved: bool = False,
    after: Mark = None,
    done: Key = "",
) -> Response:
    """List the rejections that are open, or those that were solved."""
    with engine().connect() as connection:
        page = rejections(
            connection, link.name, entity=entity or None, reason=reason or None, solved=solved, limit=_PAGE, after=after
        )
        numbers = invoice_numbers(
            connection, link.name, [one.source_key for one in page.rows if one.entity == INVOICES]
        )
        refused = count_refused(connection, link.name)
    editable = {one for one in ENTITIES if may_edit(request, user, link.name, one)}
    reoffered = [one for one in ENTITIES if one in editable & refused.keys() and entity in {"", one} and not solved]
    return render(
        request,
        "rejections",
        user=user,
        link=link.name,
        page=page,
        asked={"entity": entity, "reason": reason},
        solved=solved,
        entities=ENTITIES,
        reasons=REASONS,
        after=after,
        done=done,
        editable=editable,
        refused=[(one, refused[one]) for one in reoffered],
        numbers=numbers,
    )


@router.get("/links/{link}/records", response_class=HTMLResponse)
def records(
    request: Request,
    user: GetUserDep,
    link: Link,
    *,
    entity: Name = "",
    outcome: Name = "",
    reason: Name = "",
    key: Key = "",
    after: Mark = None,
) -> Response:
    """List what became of each record, latest outcome each."""
    which = Filter(entity=entity or None, outcome=outcome or None, reason=reason or None, key=key.strip() or None)
    with engine().connect() as connection:
        if which.key is not None:
            which = replace(which, invoices=tuple(invoices_numbered(connection, link.name, which.key)))
        page = current_outcomes(connection, link.name, which, limit=_PAGE, after=after)
        numbers = invoice_numbers(
            connection, link.name, [one.source_key for one in page.rows if one.entity == INVOICES]
        )
    return render(
        request,
        "records",
        user=user,
        link=link.name,
        page=page,
        asked={"entity": entity, "outcome": outcome, "reason": reason, "key": key},
        entities=ENTITIES,
        outcomes=OUTCOMES,
        reasons=REASONS,
        after=after,
        numbers=numbers,
    )


@router.get("/links/{link}/record", response_class=HTMLResponse)
def record(request: Request, user: GetUserDep, link: Link, *, entity: Name, key: Key, done: Key = "") -> Response:
    """Tell everything about one record; an invoice that the ledger knows has a page of its own."""
    with engine().connect() as connection:
        if entity == INVOICES and key.isascii() and key.isdigit():
            try:
                number = find_invoice(connection, link.name, f"id:{key}")
            except ConfigurationError:
                number = None
            if number is not None:
                root = request.scope.get("root_path", "")
                return RedirectResponse(f"{root}/links/{link.name}/invoices/{number}", 303)
        current = current_outcomes(connection, link.name, Filter(entity=entity, key=key), limit=1).rows
        rejected_rows = [
            row
            for solved in (False, True)
            for row in rejections(connection, link.name, entity=entity, key=key, solved=solved, limit=10).rows
        ]
        if not current and not rejected_rows:
            raise UnknownError(entity, key)
        shown: dict[str, Any] = {
            "history": past_outcomes(connection, link.name, Filter(entity=entity, key=key), limit=20).rows,
            "changed": changes(connection, link.name, entity=entity, key=key, limit=20).rows,
            "binding": binding_of(connection, link.name, entity, key),
            "people": people_of(connection, link.name, entity, key),
            "payload": payload_of(connection, link.name, key, entity=entity) if rejected_rows else None,
        }
    return render(
        request,
        "record",
        user=user,
        link=link.name,
        entity=entity,
        key=key,
        current=current[0] if current else None,
        rejections=rejected_rows,
        done=done,
        may_act=may_edit(request, user, link.name, entity),
        **shown,
    )


@router.get("/links/{link}/changes", response_class=HTMLResponse)
def changed(
    request: Request, user: GetUserDep, link: Link, *, entity: Name = "", key: Key = "", after: Mark = None
) -> Response:
    """List what was written to QMS, and what that overwrote."""
    with engine().connect() as connection:
        page = changes(connection, link.name, entity=entity or None, key=key.strip() or None, limit=_PAGE, after=after)
    return render(
        request,
        "changes",
        user=user,
        link=link.name,
        page=page,
        asked={"entity": entity, "key": key},
        entities=list(MASTER_DATA),
        after=after,
    )
