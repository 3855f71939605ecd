"""The links: how they are doing, and the tabs on Airflow's own pages that lead here."""
# ruff: noqa: TC002 - FastAPI reads the annotations while running

from __future__ import annotations

import datetime as dt
from typing import Annotated

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from include.bookings.plan import LOCAL
from include.errors import ConfigurationError
from include.settings.link import LinkSettings
from include.storage.engine import engine
from include.storage.overview import link_status
from include.storage.queries import run_named
from include.storage.trend import trend
from minox_qms.alerts.callbacks import DIRECTIONS
from minox_qms.page.rendering import UnknownError, render
from minox_qms.page.security import may_read, readable_link, readable_links, require

router = APIRouter()
Link = Annotated[LinkSettings, Depends(readable_link)]

DAGS_OF_ALL_LINKS = {"minox_qms_watch", "minox_qms_maintenance"}


@router.get("/", response_class=HTMLResponse)
def index(request: Request, user: GetUserDep) -> Response:
    """Show all links that the user may see."""
    found = readable_links(request, user)
    good = {name: link for name, link in found.items() if isinstance(link, LinkSettings)}
    with engine().connect() as connection:
        known = [link_status(connection, link) for link in good.values()]
    broken = {name: message for name, message in found.items() if isinstance(message, str)}
    return render(request, "index", user=user, links=known, broken=broken)


@router.get("/links/{link}", response_class=HTMLResponse)
def overview(request: Request, user: GetUserDep, link: Link) -> Response:
    """Show how a link is doing."""
    with engine().connect() as connection:
        status = link_status(connection, link)
        charts = trend(connection, link.name, dt.datetime.now(LOCAL).date())
    rejections = sum(sum(one.rejections.values()) for one in status.directions)
    return render(request, "overview", user=user, link=link.name, status=status, charts=charts, rejections=rejections)


@router.get("/dag/{dag_id}")
def dag_tab(request: Request, user: GetUserDep, dag_id: str) -> Response:
    """Lead from a DAG to its link."""
    return _lead(request, user, dag_id, None)


@router.get("/dag/{dag_id}/run/{run_id}")
def run_tab(request: Request, user: GetUserDep, dag_id: str, run_id: str) -> Response:
    """Lead from a run or a task of Airflow to what the connector did in it."""
    return _lead(request, user, dag_id, run_id)


def _lead(request: Request, user: GetUserDep, dag_id: str, run_id: str | None) -> Response:
    """Find the page that belongs to a DAG, or to one of its runs."""
    prefix, mark, link = dag_id.partition("__")
    root = request.scope.get("root_path", "")
    if prefix not in DIRECTIONS or not mark:
        return render(request, "foreign", user=user, dag_id=dag_id, is_own=dag_id in DAGS_OF_ALL_LINKS)
    require(may_read(request, user, link))
    if run_id is None:
        page = "/reconciliation" if prefix == "reconcile" else ""
        return RedirectResponse(f"{root}/links/{link}{page}", 303)
    with engine().connect() as connection:
        try:
            run = run_named(connection, link, run_id)
        except ConfigurationError as error:
            raise UnknownError("run", run_id) from error
    return RedirectResponse(f"{root}/links/{link}/runs/{run.id}", 303)
