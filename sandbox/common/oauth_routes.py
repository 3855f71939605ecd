"""The web side of the authorization code flow: the consent page and the token endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation while running
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.common import html
from sandbox.common.http import BodyTooLargeError, basic_credentials, media_type, read_body
from sandbox.common.json_text import ExactJSONResponse, loads
from sandbox.common.oauth import OAuthError, TokenStore

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_OWN_PARAMETERS = {"response_type", "client_id", "redirect_uri", "scope"}


@dataclass(frozen=True)
class OAuthPlace:
    """Where a system's OAuth endpoints are.

    Attributes:
        system: The system's name, for the consent page.
        authorize_path: The path of the consent page.
        token_path: The path of the token endpoint.
        state_required: Whether the authorize call must carry a state.
    """

    system: str
    authorize_path: str
    token_path: str
    state_required: bool


def oauth_router(place: OAuthPlace, store: TokenStore) -> APIRouter:
    """Make the routes.

    Args:
        place: Where they are.
        store: The grants.

    Returns:
        A router with the consent page, the answer to its form, and the token endpoint.
    """
    router = APIRouter()

    @router.get(place.authorize_path)
    async def authorize(request: Request) -> Response:
        query = request.query_params
        return _unregistered(place, store, query) or _refusal(place, store, query) or _consent(place, store, query)

    @router.post(place.authorize_path)
    async def consent(request: Request) -> Response:
        query = request.query_params
        refused = _unregistered(place, store, query) or _refusal(place, store, query)
        if refused is not None:
            return refused
        try:
            form = dict(parse_qsl((await read_body(request)).decode()))
        except (BodyTooLargeError, UnicodeDecodeError):
            return HTMLResponse(html.page(place.system, "This form cannot be read"), 400)
        if form.get("decision") != "approve":
            return _back(query, {"error": "access_denied"})
        scopes = _scopes(store, query)
        return _back(query, {"code": store.issue_code(query["client_id"], query["redirect_uri"], scopes)})

    @router.post(place.token_path)
    async def token(request: Request) -> Response:
        try:
            answer: Any = store.exchange(await _token_fields(request))
            status, headers = 200, {"Cache-Control": "no-store", "Pragma": "no-cache"}
        except OAuthError as refusal:
            if refusal.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
                return Response(status_code=415)
            answer = {"error": refusal.error, "error_description": refusal.description}
            status, headers = refusal.status, {"Cache-Control": "no-store"}
            if refusal.status == HTTPStatus.UNAUTHORIZED:
                headers["WWW-Authenticate"] = f'Basic realm="{place.system}"'
        return ExactJSONResponse(answer, status, headers)

    return router


def _registered(redirect_uri: str) -> bool:
    try:
        parts = urlsplit(redirect_uri)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.hostname in _LOOPBACK and not parts.fragment


def _unregistered(place: OAuthPlace, store: TokenStore, query: QueryParams) -> Response | None:
    if query.get("client_id") not in store.clients:
        return HTMLResponse(html.page(place.system, "Unknown client"), 400)
    if not _registered(query.get("redirect_uri", "")):
        return HTMLResponse(html.page(place.system, "This redirect address is not registered"), 400)
    return None


def _refusal(place: OAuthPlace, store: TokenStore, query: QueryParams) -> Response | None:
    if query.get("response_type") != "code":
        return _back(query, {"error": "unsupported_response_type"})
    if place.state_required and not query.get("state"):
        return _back(query, {"error": "invalid_request"})
    asked = _scopes(store, query)
    if store.scopes and (not asked or not set(asked) <= set(store.scopes)):
        return _back(query, {"error": "invalid_scope"})
    return None


def _scopes(store: TokenStore, query: QueryParams) -> tuple[str, ...]:
    return tuple(dict.fromkeys(query.get("scope", "").split())) if store.scopes else ()


def _back(query: QueryParams, answer: dict[str, str]) -> Response:
    others = {name: value for name, value in query.items() if name not in _OWN_PARAMETERS}
    uri = query["redirect_uri"]
    joint = "&" if urlsplit(uri).query else "?"
    return RedirectResponse(f"{uri}{joint}{urlencode(answer | others)}", 302)


def _consent(place: OAuthPlace, store: TokenStore, query: QueryParams) -> Response:
    scopes = "".join(f"<li>{escape(scope)}</li>" for scope in _scopes(store, query))
    action = f"{place.authorize_path}?{urlencode(query.multi_items())}"
    form = (
        f'<form method="post" action="{escape(action, quote=True)}">'
        '<button name="decision" value="approve">Toestaan</button>'
        '<button name="decision" value="refuse">Weigeren</button></form>'
    )
    asks = html.paragraph(f"{query['client_id']} vraagt toegang tot {place.system}.")
    return HTMLResponse(
        html.page(place.system, "Toegang verlenen", asks, f"<ul>{scopes}</ul>" if store.scopes else "", form)
    )


async def _token_fields(request: Request) -> dict[str, str]:
    try:
        body = await read_body(request)
        if media_type(request) == "application/x-www-form-urlencoded":
            pairs = parse_qsl(body.decode(), keep_blank_values=True)
        elif media_type(request) == "application/json":
            pairs = list(_text_fields(loads(body)))
        else:
            raise OAuthError("invalid_request", "A form or JSON is expected", 415)
    except (BodyTooLargeError, ValueError):
        raise OAuthError("invalid_request", "The body cannot be read") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise OAuthError("invalid_request", "A parameter is there twice")
    basic = basic_credentials(request)
    if basic is not None:
        given = {"client_id": basic[0], "client_secret": basic[1]}
        if any(fields.get(name, value) != value for name, value in given.items()):
            raise OAuthError("invalid_request", "The credentials in the header and in the body differ")
        fields |= given
    return fields


def _text_fields(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise OAuthError("invalid_request", "An object with texts is expected")
    return list(value.items())
