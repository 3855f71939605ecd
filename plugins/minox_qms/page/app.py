"""The Sync page as an app of its own, which Airflow's API server mounts under `/minox-qms`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import sqlalchemy as sa
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from include.errors import ConfigurationError, ConnectorError
from include.storage.engine import database_error
from minox_qms.page import actions, connections, invoices, links, records, reports, statics
from minox_qms.page.rendering import UnknownError, render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

log = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Airflow shows the page in a frame of its own; nothing else may, and nothing is fetched from elsewhere."""

TITLES = {
    401: "Please sign in",
    403: "Not allowed",
    404: "Not found",
    400: "That cannot be done",
    503: "Not available now",
}


def create_app() -> FastAPI:
    """Make the app: every route asks for Airflow's user first.

    Returns:
        The app, without pages of documentation.
    """
    app = FastAPI(title="Sync", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(get_user)])
    for module in (links, invoices, records, reports, connections, actions, statics):
        app.include_router(module.router)
    app.middleware("http")(_add_headers)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(ConnectorError, _failed)
    app.add_exception_handler(sa.exc.SQLAlchemyError, _database_failed)
    return app


async def _add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Give every answer the headers that keep the page to itself."""
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _refused(request: Request, error: Exception) -> Response:
    """Say why a request is refused."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if isinstance(error, UnknownError):
        return _page(request, status, error.detail, (error.kind,), error.name)
    return _page(request, status, error.detail if isinstance(error, HTTPException) else "")


def _not_understood(request: Request, error: Exception) -> Response:
    """Say which part of a request cannot be read."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    names = sorted({str(fault["loc"][-1]) for fault in faults})
    return _page(request, 400, "This cannot be read:", names)


def _failed(request: Request, error: Exception) -> Response:
    """Say what the connector says."""
    if isinstance(error, ConfigurationError):
        return _page(request, 400, error.message)
    log.warning("the page could not be shown: %s", error)
    return _page(request, 503, error.message if isinstance(error, ConnectorError) else "")


def _database_failed(request: Request, error: Exception) -> Response:
    """Say that the database does not answer, without the rows that it may quote."""
    known = database_error(error) if isinstance(error, sa.exc.SQLAlchemyError) else error
    return _failed(request, known)


def _page(request: Request, status: int, message: str, codes: Sequence[str] = (), name: str = "") -> Response:
    """Make a page that says what is wrong, and with what: codes, which it says in its language, and a name."""
    title = TITLES.get(status, "Something went wrong")
    return render(request, "error", code=status, title=title, message=message, codes=codes, name=name)
