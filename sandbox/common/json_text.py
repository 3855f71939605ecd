"""JSON in and out without a float in between: money stays exactly what was written."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

import msgspec
from starlette.responses import Response

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def loads(text: str | bytes) -> Any:
    """Read JSON, with every number that has a point or an exponent as a Decimal.

    Args:
        text: The JSON text.

    Returns:
        The value.

    Raises:
        ValueError: When it is not JSON (NaN and Infinity included), not UTF-8, too deep, or holds half a character.
    """
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("The JSON is nested too deeply") from None
    if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]
        # Only an escape can smuggle in a lone surrogate, which no answer could be written with.
        json.dumps(value, ensure_ascii=False, default=str).encode()
    return value


def dumps(value: Any) -> bytes:
    """Write JSON, with a Decimal as the number that it is.

    Args:
        value: Anything made of dicts, lists, text, numbers, Decimals, booleans and None.

    Returns:
        UTF-8 JSON text.
    """
    return _ENCODER.encode(value)


def reread(text: bytes) -> Any:
    """Read JSON that `dumps` has written; quicker than `loads`, and no guard against what others write.

    Args:
        text: The JSON text.

    Returns:
        The value, with Decimals as `loads` gives them.
    """
    return _DECODER.decode(text)


class ExactJSONResponse(Response):
    """A JSON answer written by `dumps`."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Write the content as JSON text.

        Args:
            content: The value to answer with.

        Returns:
            UTF-8 JSON text.
        """
        return dumps(content)
