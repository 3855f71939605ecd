"""Runs, checks, reconciliation and the settings in force."""
# ruff: noqa: TC001, TC002 - FastAPI reads the annotations while running

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, Literal

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from include.errors import ConfigurationError
from include.storage.differences import differences
from include.storage.engine import engine
from include.storage.invoice_search import invoice_numbers
from include.storage.overview import entities_of
from include.storage.queries import (
    INVOICES,
    Filter,
    OutcomeRow,
    Page,
    PreviewRow,
    latest_checks,
    past_outcomes,
    previews,
    run_named,
    runs,
)
from minox_qms.page.invoices import with_totals
from minox_qms.page.links import Link
from minox_qms.page.rendering import UnknownError, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

router = APIRouter()

Direction = Literal["minox_to_qms", "qms_to_minox", "reconcile"]
Mark = Annotated[str | None, Query(max_length=1000)]
RunNumber = Annotated[int, Path(ge=0, le=2**63 - 1)]
PLAN = ("start", "end", "from_date", "to_date", "missed", "missed_runs")
_PAGE = 50


@router.get("/links/{link}/runs", response_class=HTMLResponse)
def run_list(
    request: Request, user: GetUserDep, link: Link, *, direction: Direction = "qms_to_minox", after: Mark = None
) -> Response:
    """List the runs of a direction, dry runs among them."""
    with engine().connect() as connection:
        page = runs(connection, link.name, direction, limit=_PAGE, after=after, dry=True)
    return render(request, "runs", user=user, link=link.name, page=page, asked={"direction": direction}, after=after)


@router.get("/links/{link}/runs/{number}", response_class=HTMLResponse)
def run(
    request: Request,
    user: GetUserDep,
    link: Link,
    number: RunNumber,
    *,
    outcome: Annotated[str, Query(max_length=50)] = "",
    after: Mark = None,
) -> Response:
    """Tell what one run did."""
    with engine().connect() as connection:
        try:
            found = run_named(connection, link.name, str(number))
        except ConfigurationError as error:
            raise UnknownError("run", str(number)) from error
        entities = entities_of(connection, found)
        page: Page[OutcomeRow] | Page[PreviewRow]
        if found.dry_run:
            page = previews(connection, found.id, outcome=outcome or None, limit=_PAGE, after=after)
        else:
            which = Filter(run=found.id, outcome=outcome or None)
            page = past_outcomes(connection, link.name, which, limit=_PAGE, after=after)
        known = invoice_numbers(connection, link.name, [one.source_key for one in page.rows if one.entity == INVOICES])
        found_differences = differences(connection, found) if found.direction == "reconcile" else None
    return render(
        request,
        "run",
        user=user,
        link=link.name,
        run=found,
        plan=_plan(found.plan),
        entities=entities,
        known=known,
        names=_previewed_numbers(page.rows) | known,
        entry_of=_previewed_entry,
        page=page,
        differences=found_differences,
        asked={"outcome": outcome},
        outcomes=sorted({name for one in entities for name in one.counts}),
        after=after,
    )


@router.get("/links/{link}/checks", response_class=HTMLResponse)
def checks(request: Request, user: GetUserDep, link: Link) -> Response:
    """Show how the latest checks came out, per staging table."""
    with engine().connect() as connection:
        found = latest_checks(connection, link.name)
    tables = [(table, list(rows)) for table, rows in groupby(found, key=lambda one: one.entity)]
    return render(request, "checks", user=user, link=link.name, tables=tables)


@router.get("/links/{link}/reconciliation", response_class=HTMLResponse)
def reconciliation(
    request: Request,
    user: GetUserDep,
    link: Link,
    after: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
) -> Response:
    """Show what the last reconciliation found."""
    with engine().connect() as connection:
        latest = runs(connection, link.name, "reconcile", limit=1).rows
        run_ = latest[0] if latest else None
        page = None if run_ is None else differences(connection, run_, after=after)
    return render(request, "reconciliation", user=user, link=link.name, run=run_, page=page, after=after)


@router.get("/links/{link}/settings", response_class=HTMLResponse)
def settings(request: Request, user: GetUserDep, link: Link) -> Response:
    """Show the settings in force, and which of them are the link's own."""
    sections = [
        (name, str(field.description), list(_settings(getattr(link, name))))
        for name, field in type(link).model_fields.items()
        if not field.exclude
    ]
    return render(request, "settings", user=user, link=link.name, sections=sections)


def _plan(plan: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What a run was to do, in a fixed order; what says nothing is left out."""
    names = sorted(plan, key=lambda name: (PLAN.index(name) if name in PLAN else len(PLAN), name))
    return [(name, plan[name]) for name in names if plan[name] not in (None, [], False)]


def _previewed_numbers(rows: Iterable[OutcomeRow | PreviewRow]) -> dict[str, str]:
    """Numbers of the invoices that a dry run read, by key."""
    details = {one.source_key: one.details or {} for one in rows if isinstance(one, PreviewRow)}
    return {key: one["invoice_number"] for key, one in details.items() if isinstance(one.get("invoice_number"), str)}


def _previewed_entry(row: PreviewRow) -> dict[str, Any] | None:
    """The entry that a dry run would send for an invoice, as the page shows entries; None: it would send none."""
    if row.entity != INVOICES or not row.details or "entry" not in row.details:
        return None
    return with_totals(
        [
            {
                "account": line["account"]["id"],
                "description": line.get("description"),
                "cost_center": line.get("cost_center", {}).get("id"),
                "debit": line.get("debit"),
                "credit": line.get("credit"),
                "vat": line["vat"]["amount"],
            }
            for line in json.loads(row.details["entry"], parse_float=str)
        ]
    )


def _settings(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, bool, str]]:
    """Key, value, whether it was set, and meaning of each setting; those of sections inside it with a dot."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, name in section.model_fields_set, str(field.description)
