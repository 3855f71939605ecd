"""The stand-in for Minox as an application."""

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
from sandbox.minox.api import ALL_SCOPES, MinoxApi
from sandbox.minox.limiter import Limiter
from sandbox.minox.pages import SYSTEM, pages_router
from sandbox.minox.state import MinoxState

CLIENT_ID = "qics-connector"
CLIENT_SECRET = "geheim"  # noqa: S105 - made up, and known to everyone
FIRST_REFRESH_TOKEN = "sandbox-minox-refresh"  # noqa: S105 - made up, and known to everyone
TOKEN_SECONDS = 3600


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
    state = MinoxState(config, load(config.dataset, config.seed).get("minox", {}))
    store = TokenStore(
        clients={CLIENT_ID: CLIENT_SECRET},
        scopes=ALL_SCOPES,
        first_refresh_token=FIRST_REFRESH_TOKEN,
        token_seconds=config.token_seconds or TOKEN_SECONDS,
        token_type="Bearer",  # noqa: S106 - a type, no secret
        clock=config.clock,
    )
    store.arm()
    log, faults = RequestLog(), FaultList()
    place = OAuthPlace(SYSTEM, "/oauth/authorize", "/oauth/token", state_required=True)
    app = FastAPI(title=SYSTEM, openapi_url=None)
    app.include_router(oauth_router(place, store))
    app.include_router(MinoxApi(state, store, Limiter(config.clock)).router())
    app.include_router(control_router(state, store, log, faults))
    app.include_router(pages_router(state))
    app.add_middleware(
        Instruments,
        prefixes=("/api/", "/oauth/"),
        secret_paths=frozenset({"/oauth/token", "/oauth/authorize", "/api/1/inspect"}),
        log=log,
        faults=faults,
        clock=config.clock,
    )
    return app
