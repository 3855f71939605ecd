"""The stand-in for QMS as an application."""

from __future__ import annotations

from fastapi import FastAPI

from sandbox.common.config import Config
from sandbox.common.controls import control_router
from sandbox.common.faults import FaultList
from sandbox.common.middleware import Instruments
from sandbox.common.oauth import TokenStore
from sandbox.common.oauth_routes import OAuthPlace, oauth_router
from sandbox.common.requests_log import RequestLog
from sandbox.dataset import load
from sandbox.qms.api import QmsApi
from sandbox.qms.pages import SYSTEM, pages_router
from sandbox.qms.state import QmsState

CLIENT_ID = "qms-connector"
CLIENT_SECRET = "geheim"  # noqa: S105 - made up, and known to everyone
FIRST_REFRESH_TOKEN = "sandbox-qms-refresh"  # noqa: S105 - made up, and known to everyone
TOKEN_SECONDS = 1199
_OAUTH = "/api/oauth2/oauth2"


def create_app(config: Config | None = None) -> FastAPI:
    """Make the application.

    Args:
        config: The settings; None for the defaults.

    Returns:
        The application, with its own data, grants, faults and log.

    Raises:
        ValueError: When a setting or the data set cannot be read.
    """
    config = config or Config()
    state = QmsState(config, load(config.dataset, config.seed).get("qms", {}))
    store = TokenStore(
        clients={CLIENT_ID: CLIENT_SECRET},
        scopes=(),
        first_refresh_token=FIRST_REFRESH_TOKEN,
        token_seconds=config.token_seconds or TOKEN_SECONDS,
        token_type="bearer",  # noqa: S106 - a type, no secret
        clock=config.clock,
    )
    store.arm()
    log, faults = RequestLog(), FaultList()
    app = FastAPI(title=SYSTEM, openapi_url=None)
    app.include_router(
        oauth_router(OAuthPlace(SYSTEM, f"{_OAUTH}/auth", f"{_OAUTH}/token", state_required=False), store)
    )
    app.include_router(QmsApi(state, store).router())
    app.include_router(control_router(state, store, log, faults))
    app.include_router(pages_router(state))
    app.add_middleware(
        Instruments,
        prefixes=("/api/",),
        secret_paths=frozenset({f"{_OAUTH}/token", f"{_OAUTH}/auth"}),
        log=log,
        faults=faults,
        clock=config.clock,
    )
    return app
