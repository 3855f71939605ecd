"""Connections: how the grants are doing, and Connect, which signs in at the other system."""
# ruff: noqa: TC001, TC002 - FastAPI reads the annotations while running

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Annotated, Literal, cast

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from include.errors import ConfigurationError, ConnectorError
from include.settings.load import find_link
from include.storage.engine import engine
from include.storage.grants import GrantStore
from include.storage.overview import GrantStatus, link_status
from include.storage.stories import PersonAction, people_of
from minox_qms.connect import CALLBACK, ENTITY, System, finish, site_for
from minox_qms.hooks.address import NAMES
from minox_qms.hooks.site import authorize_url
from minox_qms.page import sign_ins
from minox_qms.page.links import Link
from minox_qms.page.rendering import render
from minox_qms.page.security import base_url, may_connect, may_read, protect_form, require

log = logging.getLogger(__name__)
router = APIRouter()

UNUSED = dt.timedelta(hours=24)
"""A grant that was not renewed for this long may have lapsed unseen: neither system says how long one lives."""

Short = Annotated[str, Query(max_length=2000)]


@dataclass(frozen=True, slots=True)
class SystemView:
    """One side of a link as the page shows it; nothing in it is a secret.

    Attributes:
        system: `minox` or `qms`.
        name: What people call it.
        grant: How its grant is doing.
        address: Base address; None when the connection cannot be read.
        fault: Why it cannot be.
        warning: `refused`, `absent`, `moved` (the grant is of another address than the connection has now), `unused`
            or None.
        may_connect: Whether this user may connect it.
        people: Who connected it, in order.
    """

    system: System
    name: str
    grant: GrantStatus
    address: str | None
    fault: str | None
    warning: str | None
    may_connect: bool
    people: tuple[PersonAction, ...]


@router.get("/links/{link}/connections", response_class=HTMLResponse)
def connections(
    request: Request, user: GetUserDep, link: Link, connected: Literal["minox", "qms"] | None = None
) -> Response:
    """Show until when each grant is known to be good, and what to do when one is not."""
    with engine().connect() as connection:
        grants = link_status(connection, link).grants
        people = {one.conn_id: people_of(connection, link.name, ENTITY, one.conn_id) for one in grants}
    now = dt.datetime.now(dt.UTC)
    systems = [_view(one, people[one.conn_id], now, allowed=may_connect(user, one.conn_id)) for one in grants]
    return render(
        request,
        "connections",
        user=user,
        link=link.name,
        systems=systems,
        connected=None if connected is None else NAMES[connected],
        callback=_redirect_uri() if base_url() else None,
    )


@router.post("/links/{link}/connect/{system}", dependencies=[Depends(protect_form)], response_class=HTMLResponse)
def connect(request: Request, user: GetUserDep, link: Link, system: System) -> Response:
    """Send the browser to the other system's consent page."""
    conn_id = link.connections[system]
    require(may_connect(user, conn_id))
    redirect_uri = _redirect_uri()
    site = site_for(system, conn_id)
    state = sign_ins.begin(engine(), link.name, system, redirect_uri, user.get_id())
    log.info("%s begins to connect %s of link %s", user.get_name(), NAMES[system], link.name)
    target = authorize_url(site, redirect_uri, state)
    return render(request, "leaving", user=user, link=link.name, name=NAMES[system], target=target)


@router.get("/oauth/callback", response_class=HTMLResponse)
def callback(request: Request, user: GetUserDep, *, state: Short = "", code: Short = "", error: Short = "") -> Response:
    """Take the code that the other system sends the browser back with, and store the tokens that it gives.

    Raises:
        ConfigurationError: The state is not this user's, or is over; nothing is sent to anyone then.
    """
    found = sign_ins.take(engine(), state, user.get_id()) if state else None
    if found is None:
        raise ConfigurationError(
            "This sign-in was not begun on this page by you, or is more than ten minutes old: connect again. If it was "
            "begun with `minox-qms connect`, paste this page's address there."
        )
    link = find_link(found.link)
    system = cast("System", found.system)
    require(may_read(request, user, link.name) and may_connect(user, link.connections[system]))
    if error or not code:
        raise ConfigurationError(f"{NAMES[system]} did not give access: it was refused there. Nothing has changed.")
    finish(link, system, code, found.redirect_uri, user.get_name())
    root = request.scope.get("root_path", "")
    return RedirectResponse(f"{root}/links/{link.name}/connections?connected={system}", 303)


def _redirect_uri() -> str:
    """Where the browser comes back, as it must be registered with both systems.

    Raises:
        ConfigurationError: Airflow does not know its own address.
    """
    if not base_url():
        raise ConfigurationError(
            "Airflow does not know its own address: set [api] base_url (AIRFLOW__API__BASE_URL), and register "
            f"that address followed by {CALLBACK} as redirect address."
        )
    return base_url() + CALLBACK


def _view(grant: GrantStatus, people: tuple[PersonAction, ...], now: dt.datetime, *, allowed: bool) -> SystemView:
    """Put together what is shown of one side."""
    system = cast("System", grant.system)
    stored = GrantStore(engine).read(grant.conn_id)
    address = fault = None
    moved = False
    try:
        site = site_for(system, grant.conn_id)
        address = site.base_url
        moved = stored is not None and stored.state != "absent" and stored.issuer != site.issuer
    except ConnectorError as error:
        fault = error.message
    return SystemView(system, NAMES[system], grant, address, fault, _warning(grant, now, moved=moved), allowed, people)


def _warning(grant: GrantStatus, now: dt.datetime, *, moved: bool) -> str | None:
    """What to warn of."""
    if grant.state != "good":
        return grant.state
    if moved:
        return "moved"
    renewed = grant.refreshed_at or grant.expires_at
    return "unused" if renewed is None or now - renewed > UNUSED else None
