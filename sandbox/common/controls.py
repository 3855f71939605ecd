"""The controls for tests and the demo, under `/_sandbox`; no part of either contract."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation while running
from starlette.responses import Response

from sandbox.common.config import MODES, Config, RateLimit
from sandbox.common.faults import FaultError, FaultList
from sandbox.common.http import BodyTooLargeError, read_body
from sandbox.common.json_text import ExactJSONResponse, loads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sandbox.common.oauth import TokenStore
    from sandbox.common.requests_log import RequestLog


class ControlError(ValueError):
    """A control that cannot be understood."""


class Controllable(Protocol):
    """What the controls need of a system's state."""

    config: Config

    def snapshot(self) -> Any:
        """Show everything that is stored, as JSON."""

    def reset(self, data: Any) -> None:
        """Take a data set, or with None go back to the original."""

    def edit(self, change: dict[str, Any]) -> Any:
        """Change raw rows of one entity."""


def control_router(state: Controllable, store: TokenStore, log: RequestLog, faults: FaultList) -> APIRouter:
    """Make the routes.

    Args:
        state: The system's data.
        store: The grants.
        log: The recorded requests.
        faults: The fault rules.

    Returns:
        A router.
    """
    router = APIRouter(prefix="/_sandbox")
    router.add_api_route("/health", _answer(lambda _: {"status": "ok"}), methods=["GET"])
    router.add_api_route("/state", _answer(lambda _: state.snapshot()), methods=["GET"])
    router.add_api_route("/requests", _answer(lambda _: log.as_json()), methods=["GET"])
    router.add_api_route("/requests", _answer(lambda _: log.clear()), methods=["DELETE"])
    router.add_api_route("/faults", _answer(lambda _: faults.as_json()), methods=["GET"])
    router.add_api_route("/faults", _answer(lambda rules: {"added": faults.add(rules)}), methods=["POST"])
    router.add_api_route("/faults", _answer(lambda _: faults.clear()), methods=["DELETE"])
    router.add_api_route("/faults/release", _answer(lambda _: faults.release()), methods=["POST"])
    router.add_api_route("/modes", _answer(lambda modes: _set_modes(state, modes)), methods=["POST"])
    router.add_api_route("/grants", _answer(lambda body: _grants(store, body)), methods=["POST"])
    router.add_api_route("/rows", _answer(lambda body: _edit(state, body)), methods=["POST"])

    def reset(data: Any) -> dict[str, str]:
        state.reset(data)
        faults.clear()
        log.clear()
        store.arm()
        return {"status": "reset"}

    router.add_api_route("/reset", _answer(reset), methods=["POST"])
    return router


def _answer(work: Callable[[Any], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            body = await read_body(request)
            result = work(loads(body) if body.strip() else None)
        except (ControlError, FaultError, BodyTooLargeError, ValueError) as problem:
            return ExactJSONResponse({"error": str(problem)}, 400)
        return ExactJSONResponse(result) if result is not None else Response(status_code=204)

    return handle


def _set_modes(state: Controllable, modes: Any) -> dict[str, Any]:
    if not isinstance(modes, dict) or not set(modes) <= set(MODES):
        raise ControlError(f"The modes are {', '.join(MODES)}")
    if "rate_limit" in modes:
        RateLimit.parse(modes["rate_limit"])
    if modes.get("page_size", 1) < 1:
        raise ControlError("page_size is 1 or more")
    state.config = replace(state.config, **modes)
    return {name: getattr(state.config, name) for name in MODES}


def _grants(store: TokenStore, body: Any) -> dict[str, int | str]:
    action = body.get("action") if isinstance(body, dict) else None
    if action == "expire":
        return {"expired": store.expire_access_tokens()}
    if action == "revoke":
        return {"revoked": store.revoke_all()}
    if action == "reset":
        store.forget()
        return {"status": "reset"}
    raise ControlError('The body is {"action": "expire"}, "revoke" or "reset"')


def _edit(state: Controllable, body: Any) -> Any:
    changes = body if isinstance(body, list) else [body]
    if not all(isinstance(change, dict) for change in changes):
        raise ControlError("An edit, or a list of edits, is expected")
    return [state.edit(change) for change in changes]
