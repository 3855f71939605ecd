"""What a person may do on the Sync page; each is logged with their name, in the connector's database."""
# ruff: noqa: TC001, TC002 - FastAPI reads the annotations while running

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from include.errors import ConfigurationError
from include.storage import actions
from include.storage.engine import engine
from include.storage.queries import INVOICES
from minox_qms.page.invoices import InvoiceId
from minox_qms.page.links import Link
from minox_qms.page.security import may_edit, protect_form, require

if TYPE_CHECKING:
    from include.settings.link import LinkSettings

log = logging.getLogger(__name__)
router = APIRouter(dependencies=[Depends(protect_form)])

Reason = Annotated[str, Form(max_length=1000)]
Key = Annotated[str, Form(max_length=200)]


@router.post("/links/{link}/invoices/{invoice_id}/reoffer")
def reoffer_invoice(
    request: Request, user: GetUserDep, link: Link, invoice_id: InvoiceId, reason: Reason = ""
) -> Response:
    """Have an invoice looked at and offered to Minox again by the next run."""
    require(may_edit(request, user, link.name, INVOICES))
    actions.reoffer_invoices(
        engine(), link.name, [f"id:{invoice_id}"], person=user.get_name(), reason=reason.strip() or None
    )
    return _back(request, link, "reoffer", f"invoices/{invoice_id}", user.get_name())


@router.post("/links/{link}/invoices/{invoice_id}/exclude")
def exclude_invoice(
    request: Request, user: GetUserDep, link: Link, invoice_id: InvoiceId, reason: Reason = ""
) -> Response:
    """Never book an invoice, until somebody takes that back."""
    require(may_edit(request, user, link.name, INVOICES))
    actions.exclude_invoice(engine(), link.name, f"id:{invoice_id}", person=user.get_name(), reason=reason)
    return _back(request, link, "exclude", f"invoices/{invoice_id}", user.get_name())


@router.post("/links/{link}/invoices/{invoice_id}/include")
def include_invoice(
    request: Request, user: GetUserDep, link: Link, invoice_id: InvoiceId, reason: Reason = ""
) -> Response:
    """Take an exclusion back."""
    require(may_edit(request, user, link.name, INVOICES))
    actions.include_invoice(engine(), link.name, f"id:{invoice_id}", person=user.get_name(), reason=reason)
    return _back(request, link, "include", f"invoices/{invoice_id}", user.get_name())


@router.post("/links/{link}/record/reoffer")
def reoffer_record(
    request: Request, user: GetUserDep, link: Link, entity: Key, key: Key, reason: Reason = ""
) -> Response:
    """Have a record of master data offered to QMS again by the next run."""
    if entity == INVOICES:
        raise ConfigurationError("An invoice is offered again on its own page.")
    require(may_edit(request, user, link.name, entity))
    actions.reoffer_records(engine(), link.name, entity, [key], person=user.get_name(), reason=reason.strip() or None)
    return _back(request, link, "reoffer", "record", user.get_name(), entity=entity, key=key)


@router.post("/links/{link}/reoffer-refused")
def reoffer_refused(request: Request, user: GetUserDep, link: Link, entity: Key, reason: Reason = "") -> Response:
    """Have everything of an entity that the other system refused offered again by the next run."""
    require(may_edit(request, user, link.name, entity))
    said, person = reason.strip() or None, user.get_name()
    if entity == INVOICES:
        done = actions.reoffer_refused_invoices(engine(), link.name, person=person, reason=said)
    else:
        done = actions.reoffer_refused_records(engine(), link.name, entity, person=person, reason=said)
    return _back(request, link, f"reoffer-{len(done)}", "rejections", person, entity=entity)


def _back(request: Request, link: LinkSettings, done: str, page: str, person: str, **query: str) -> Response:
    """Log it, and lead back to the page that it was done on."""
    log.info("%s: %s on %s of link %s", person, done, page, link.name)
    root = request.scope.get("root_path", "")
    return RedirectResponse(f"{root}/links/{link.name}/{page}?{urlencode({**query, 'done': done})}", 303)
