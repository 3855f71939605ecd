"""How long an answer asks us to wait."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import requests

if TYPE_CHECKING:
    from minox_qms.hooks.http import Answer

_FAR_CLOCK: Final = 1.5  # seconds; a smaller difference with the server's Date is its rounding and the way here
_LONGEST: Final = 20  # characters of a number


def asked_wait(answer: Answer, now: float) -> float | None:
    """Read how long an answer asks us to wait.

    Args:
        answer: The answer.
        now: Seconds since 1970, by our clock.

    Returns:
        Seconds from now, 0 when it is over already: from Retry-After (seconds or a date), else from
        `x-rate-limit-reset` (epoch in milliseconds) when nothing remains or the status is 429; None without either.
    """
    text = answer.headers.get("Retry-After", "").strip()
    seconds, instant = _number(text), _http_date(text)
    if seconds is not None:
        return seconds
    if instant is not None:
        return max(0.0, instant - _server_clock(answer, now))
    reset = _number(answer.headers.get("x-rate-limit-reset"))
    if reset is None or not (answer.status == requests.codes.too_many_requests or nothing_remains(answer)):
        return None
    return max(0.0, reset / 1000 - _server_clock(answer, now))


def nothing_remains(answer: Answer) -> bool:
    """Tell whether the answer says that the limit is used up."""
    return _number(answer.headers.get("x-rate-limit-remaining")) == 0


def _server_clock(answer: Answer, now: float) -> float:
    """Return the time by the server's own clock when that is far from ours, else by ours, which is finer."""
    theirs = _http_date(answer.headers.get("Date", ""))
    return now if theirs is None or abs(theirs - now) < _FAR_CLOCK else theirs


def _number(text: str | None) -> float | None:
    """Read a plain number that is not negative."""
    if text is None or not text.isascii() or not text.replace(".", "", 1).isdigit() or len(text) > _LONGEST:
        return None
    return float(text)


def _http_date(text: str) -> float | None:
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
