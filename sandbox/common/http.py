"""Small things about requests that both stand-ins need."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

from sandbox.common.json_text import dumps, loads

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BODY_BYTES = 32 * 1024 * 1024
_WHOLE = re.compile(r"-?[0-9]{1,19}")


class BodyTooLargeError(Exception):
    """A request body of more bytes than `MAX_BODY_BYTES`."""


async def read_body(request: Request) -> bytes:
    """Read a request's body up to the limit.

    Args:
        request: The request.

    Returns:
        Its bytes.

    Raises:
        BodyTooLargeError: When there are more than `MAX_BODY_BYTES`.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise BodyTooLargeError
        parts.append(part)
    return b"".join(parts)


def media_type(request: Request) -> str:
    """Give the media type of a request's body.

    Args:
        request: The request.

    Returns:
        It in lower case and without parameters; empty when there is none.
    """
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def bearer_token(request: Request) -> str | None:
    """Read the access token of a request.

    Args:
        request: The request.

    Returns:
        The token, or None when the Authorization header holds none.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """Read HTTP Basic credentials.

    Args:
        request: The request.

    Returns:
        The name and the secret, or None when the Authorization header holds no readable ones.
    """
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, secret) if colon else None


def whole_number(value: Any) -> int | None:
    """Read a whole number that may come as a number or as text.

    Args:
        value: What to read.

    Returns:
        The number, or None when it is none.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None


def json_or_none(data: bytes) -> Any:
    """Read JSON, for a log.

    Args:
        data: The bytes.

    Returns:
        The value, or None when it is not JSON or cannot be written again.
    """
    try:
        value = loads(data)
        dumps(value)
    except (ValueError, OverflowError):
        return None
    return value
