"""Who may see and do what on the Sync page: Airflow's login, Airflow's permissions, and forms of this page only.

A plugin's app is open to anyone unless its routes ask for Airflow's user; every route of this page does. A link may be
seen by those who may read its DAGs, its records may be acted on by those who may edit the DAG that brings them over,
and a system may be connected by those who may edit its Airflow connection.
"""
# ruff: noqa: TC001, TC002 - FastAPI reads the annotations while running

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails
from airflow.api_fastapi.auth.tokens import get_signing_key
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.configuration import conf
from airflow.models.connection import Connection
from fastapi import Form, HTTPException, Path
from starlette.requests import Request

from include.errors import ConfigurationError
from include.settings.link import LinkSettings
from include.settings.load import find_link, link_files, load_link
from include.storage.queries import INVOICES

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

SESSION_COOKIE = "minox_qms_form"
LinkName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]


def dag_of(link: str, entity: str) -> str:
    """Id of the DAG that brings an entity of a link over."""
    return f"{'qms_invoices' if entity == INVOICES else 'minox_master_data'}__{link}"


def may(request: Request, user: BaseUser, method: ResourceMethod, dag_id: str) -> bool:
    """Tell whether Airflow lets a user read (`GET`) or edit (`PUT`) a DAG."""
    try:
        requires_access_dag(method, param_dag_id=dag_id)(request, user)
    except HTTPException:
        return False
    return True


def may_read(request: Request, user: BaseUser, link: str) -> bool:
    """Tell whether a user may see a link: both of its directions."""
    return all(may(request, user, "GET", dag_of(link, entity)) for entity in (INVOICES, "customers"))


def may_edit(request: Request, user: BaseUser, link: str, entity: str) -> bool:
    """Tell whether a user may act on records of an entity."""
    return may_read(request, user, link) and may(request, user, "PUT", dag_of(link, entity))


def may_connect(user: BaseUser, conn_id: str) -> bool:
    """Tell whether a user may connect a system: that replaces what its Airflow connection signs in with."""
    details = ConnectionDetails(conn_id=conn_id, team_name=Connection.get_team_name(conn_id))
    return get_auth_manager().is_authorized_connection(method="PUT", details=details, user=user)


def readable_links(request: Request, user: BaseUser) -> dict[str, LinkSettings | str]:
    """The links that a user may see, by name; one whose file is not valid is the sentence that says what is wrong."""
    found: dict[str, LinkSettings | str] = {}
    for path in link_files():
        if may_read(request, user, path.stem):
            try:
                found[path.stem] = load_link(path)
            except ConfigurationError as error:
                found[path.stem] = error.message
    return found


def readable_link(link: LinkName, request: Request, user: GetUserDep) -> LinkSettings:
    """Dependency: the link of the address, for those who may see it.

    Raises:
        HTTPException: 403 for those who may not, 404 when there is no such link, 503 when its file is not valid.
    """
    require(may_read(request, user, link))
    try:
        return find_link(link)
    except ConfigurationError as error:
        is_there = any(path.stem == link for path in link_files())
        raise HTTPException(503 if is_there else 404, error.message) from error


def require(allowed: bool) -> None:  # noqa: FBT001 - reads as a sentence
    """Refuse with 403 what is not allowed."""
    if not allowed:
        raise HTTPException(403, "Airflow does not give you permission for this.")


def session_of(request: Request) -> str:
    """The browser's session with this page: made at its first page, kept in a cookie that scripts cannot read."""
    known: str | None = getattr(request.state, "minox_qms_session", None) or request.cookies.get(SESSION_COOKIE)
    request.state.minox_qms_session = known or secrets.token_urlsafe(32)
    return str(request.state.minox_qms_session)


def form_token(request: Request, user: BaseUser) -> str:
    """The text that every form of this page carries: bound to the user and to the browser's session."""
    key = hashlib.sha256(b"minox-qms forms" + get_signing_key("api", "secret_key").encode()).digest()
    text = f"{user.get_id()}\x00{session_of(request)}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def protect_form(
    request: Request, user: GetUserDep, form_token_: Annotated[str, Form(alias="form_token")] = ""
) -> None:
    """Dependency of every write: it comes from a form of this very page, shown to this user in this browser.

    Raises:
        HTTPException: 403 when it does not.
    """
    right = request.cookies.get(SESSION_COOKIE) and hmac.compare_digest(
        form_token(request, user).encode(), form_token_.encode()
    )
    if not right or not _is_same_origin(request):
        raise HTTPException(403, "This form was not sent from this page. Reload the page and try again.")


def _is_same_origin(request: Request) -> bool:
    """Tell whether a browser says that the request comes from this page; one that says nothing is not believed."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is None:
        return False
    own = {request.headers.get("host", "").lower(), urlsplit(base_url()).netloc.lower()} - {""}
    return site in {None, "same-origin"} and (origin is None or urlsplit(origin).netloc.lower() in own)


def base_url() -> str:
    """Airflow's own address as people reach it (`[api] base_url`), without a slash at its end; empty when not set."""
    return (conf.get("api", "base_url", fallback="") or "").strip().rstrip("/")
