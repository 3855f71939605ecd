"""What can be chosen about a stand-in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]


@dataclass(frozen=True)
class RateLimit:
    """A number of calls in a window of time.

    Attributes:
        calls: How many calls a window allows.
        seconds: The length of the window, in seconds.
    """

    calls: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> RateLimit | None:
        """Read `5/1`, `20/120` or `off`.

        Args:
            text: The calls, a slash and the seconds; or `off`.

        Returns:
            The limit, or None for `off`.

        Raises:
            ValueError: When the text is neither.
        """
        if text == "off":
            return None
        calls, slash, seconds = text.partition("/")
        if not slash or int(calls) < 1 or float(seconds) <= 0:
            raise ValueError(f"A rate limit is calls/seconds (5/1) or off, not {text!r}")
        return cls(int(calls), float(seconds))


@dataclass(frozen=True)
class Config:
    """The settings of one stand-in; both take the same ones.

    Attributes:
        dataset: `demo`, `empty`, `generated:…`, a JSON file's name, or the data set itself.
        seed: Of the made-up data.
        page_size: Rows per page of a list.
        rate_limit: Of Minox: `calls/seconds` or `off`.
        retry_after: Whether Minox's 429 carries the optional Retry-After.
        token_seconds: Life of an access token in seconds; None is the system's own (3600 Minox, 1199 QMS).
        ids_as_text: Whether Minox writes whole-number ids as text.
        rfc3339_dates: Whether Minox writes dates as RFC 3339 instants.
        full_urls: Whether Minox's `links.next` is a full URL in place of a cursor.
        put_answers_row: Whether QMS's PUT answers 200 with the row in place of 204.
        clock: Gives the time in seconds since the epoch.
    """

    dataset: str | Row = "demo"
    seed: int = 1
    page_size: int = 100
    rate_limit: str = "5/1"
    retry_after: bool = True
    token_seconds: int | None = None
    ids_as_text: bool = False
    rfc3339_dates: bool = False
    full_urls: bool = False
    put_answers_row: bool = False
    clock: Callable[[], float] = time.time


MODES = ("page_size", "rate_limit", "retry_after", "ids_as_text", "rfc3339_dates", "full_urls", "put_answers_row")
"""The settings that may be changed while a stand-in runs."""
