"""The wire between the connector's HTTP client and the models of both systems."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter

from tests.simulation.answers import Answer, Asked

if TYPE_CHECKING:
    from tests.simulation.world import World

_BUILDER = HTTPAdapter()


class Wire(BaseAdapter):
    """Takes requests to the world's models in place of a network."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Send a request; see `World.exchange`."""
        parts = urlsplit(request.url or "")
        body = request.body or b""
        asked = Asked(
            request.method or "",
            unquote(parts.path),
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            body.encode() if isinstance(body, str) else body,
            (request.headers.get("Authorization") or "").removeprefix("Bearer ") or None,
        )
        system = "minox" if (parts.hostname or "").startswith("minox") else "qms"
        return response(request, self.world.exchange(system, asked))

    def close(self) -> None:
        """Nothing is open."""


class _NoWatch:
    """Nothing has to be cut here: an answer is there at once, or never comes."""

    def end(self) -> bool:
        """Say that nothing was cut."""
        return False


def response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    """Dress an answer as the HTTP library would."""
    raw = urllib3.HTTPResponse(
        body=io.BytesIO(answer.body),
        headers=answer.headers,
        status=answer.status,
        preload_content=False,
        request_method=request.method,
    )
    raw.watch = _NoWatch()  # type: ignore[attr-defined] # what the connector's own connections set
    return _BUILDER.build_response(request, raw)


def never_connected() -> Exception:
    """The error of a connection that was never made."""
    cause = urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]  # which pool is no matter
    return requests.exceptions.ConnectionError(cause)


def connection_reset() -> Exception:
    """The error of a connection that broke before there was an answer."""
    return requests.exceptions.ConnectionError(ConnectionResetError(104, "Connection reset by peer"))


def no_answer() -> Exception:
    """The error of an answer that did not come in time."""
    return requests.exceptions.ReadTimeout("no answer")
