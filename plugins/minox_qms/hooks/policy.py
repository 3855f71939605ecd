"""What to do with each outcome of a request: the whole policy of the clients, as one table.

Rules (spec, section 4, and the contracts):

* what was never sent (no connection, no such host, no trusted certificate) may be sent again, whatever it is;
* 429 means not applied, so it waits and goes again, whatever it is;
* a read may always be repeated; a write whose outcome is unknown is looked up by its caller, never blindly sent again;
* 503 with Retry-After makes everything wait; a write that it answers is looked up after that;
* an insert whose answer did not come in time may come about after the look-up: it goes again in a later run only;
* a 400 concerns one record; 401, 403 and 404 concern the run;
* a token request may be repeated with the same token: refused at worst, never a loop.
"""

from __future__ import annotations

import ssl
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import requests
import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Kind(Enum):
    """What a request does to the other system."""

    READ = auto()
    REPLACE = auto()  # PUT: the same effect twice
    CREATE = auto()  # POST that inserts: twice makes two
    ATTACH = auto()  # POST of a document: twice attaches two
    TOKEN = auto()  # POST to a token endpoint


class Outcome(Enum):
    """How a request ended, when it did not end well."""

    NEVER_SENT = "no connection"
    MAYBE_APPLIED = "no complete answer"
    LATE = "no answer in time"
    REDIRECT = "a redirect"
    BAD_REQUEST = "400"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    OTHER_4XX = "an unexpected 4xx"
    TOO_MANY = "429"
    UNAVAILABLE = "503 with Retry-After"
    SERVER_ERROR = "5xx"
    UNUSABLE = "an unusable answer"


class Action(Enum):
    """What happens next."""

    RETRY = auto()  # after a pause, a bounded number of times; then TransientError
    WAIT = auto()  # as long as the other system asks for, a bounded number of times; then TransientError
    REAUTHORIZE = auto()  # one fresh token, once between two waits; then AccessError
    REFUSE_RECORD = auto()  # RefusedError: this record, with the other system's words
    STOP_RUN = auto()  # ConfigurationError or AccessError: the run, no record
    LOOK_UP = auto()  # UnknownOutcomeError: the caller looks whether it was applied
    FAIL = auto()  # ContractViolationError: nothing of it is used


_O, _A, _K = Outcome, Action, Kind

# fmt: off
_ORDER: Final =       (_K.READ,          _K.REPLACE,       _K.CREATE,        _K.ATTACH,        _K.TOKEN)
_ROWS: Final = {
    _O.NEVER_SENT:    (_A.RETRY,         _A.RETRY,         _A.RETRY,         _A.RETRY,         _A.RETRY),
    _O.MAYBE_APPLIED: (_A.RETRY,         _A.LOOK_UP,       _A.LOOK_UP,       _A.LOOK_UP,       _A.RETRY),
    _O.LATE:          (_A.RETRY,         _A.LOOK_UP,       _A.LOOK_UP,       _A.LOOK_UP,       _A.RETRY),
    _O.REDIRECT:      (_A.STOP_RUN,      _A.STOP_RUN,      _A.STOP_RUN,      _A.STOP_RUN,      _A.STOP_RUN),
    _O.BAD_REQUEST:   (_A.FAIL,          _A.REFUSE_RECORD, _A.REFUSE_RECORD, _A.REFUSE_RECORD, _A.STOP_RUN),
    _O.UNAUTHORIZED:  (_A.REAUTHORIZE,   _A.REAUTHORIZE,   _A.REAUTHORIZE,   _A.REAUTHORIZE,   _A.STOP_RUN),
    _O.FORBIDDEN:     (_A.STOP_RUN,      _A.STOP_RUN,      _A.STOP_RUN,      _A.STOP_RUN,      _A.STOP_RUN),
    _O.NOT_FOUND:     (_A.STOP_RUN,      _A.STOP_RUN,      _A.STOP_RUN,      _A.REFUSE_RECORD, _A.STOP_RUN),
    _O.OTHER_4XX:     (_A.FAIL,          _A.FAIL,          _A.FAIL,          _A.REFUSE_RECORD, _A.STOP_RUN),
    _O.TOO_MANY:      (_A.WAIT,          _A.WAIT,          _A.WAIT,          _A.WAIT,          _A.WAIT),
    _O.UNAVAILABLE:   (_A.WAIT,          _A.LOOK_UP,       _A.LOOK_UP,       _A.LOOK_UP,       _A.WAIT),
    _O.SERVER_ERROR:  (_A.RETRY,         _A.LOOK_UP,       _A.LOOK_UP,       _A.LOOK_UP,       _A.RETRY),
    _O.UNUSABLE:      (_A.FAIL,          _A.LOOK_UP,       _A.LOOK_UP,       _A.LOOK_UP,       _A.RETRY),
}
# fmt: on
POLICY: Final[Mapping[Outcome, Mapping[Kind, Action]]] = {
    outcome: dict(zip(_ORDER, actions, strict=True)) for outcome, actions in _ROWS.items()
}

_STATUSES: Final[Mapping[int, Outcome]] = {
    400: Outcome.BAD_REQUEST,
    401: Outcome.UNAUTHORIZED,
    403: Outcome.FORBIDDEN,
    404: Outcome.NOT_FOUND,
    408: Outcome.SERVER_ERROR,  # the server gave up waiting for the request: passing, like a 5xx
    429: Outcome.TOO_MANY,
    504: Outcome.LATE,  # the server behind the one that answers may still be at it
}


def action_for(outcome: Outcome, kind: Kind) -> Action:
    """Look up what to do."""
    return POLICY[outcome][kind]


def outcome_of_status(status: int, *, retry_after: bool) -> Outcome:
    """Classify the status of an answer that was not the expected one.

    Args:
        status: HTTP status.
        retry_after: Whether the answer carries Retry-After.

    Returns:
        The outcome; an unexpected 2xx or 1xx is unusable.
    """
    if status in _STATUSES:
        return _STATUSES[status]
    if status == requests.codes.service_unavailable and retry_after:
        return Outcome.UNAVAILABLE
    by_class = {3: Outcome.REDIRECT, 4: Outcome.OTHER_4XX, 5: Outcome.SERVER_ERROR}
    return by_class.get(status // 100, Outcome.UNUSABLE)


_NEVER_SENT = (
    urllib3.exceptions.NewConnectionError,  # refused, unreachable, name not found
    urllib3.exceptions.ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)
_LATE = (TimeoutError, urllib3.exceptions.ReadTimeoutError, requests.exceptions.ReadTimeout)
_HANDSHAKE = frozenset({"WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "HTTP_REQUEST"})


def outcome_of_error(error: BaseException) -> Outcome:
    """Classify an exception of the HTTP library: never sent only when that is certain.

    Args:
        error: What `requests` or urllib3 raised.

    Returns:
        `NEVER_SENT` when the connection was not made, `LATE` when its answer did not come in time, else
        `MAYBE_APPLIED`.
    """
    outcome = Outcome.MAYBE_APPLIED
    for cause in _causes(error):
        if isinstance(cause, _NEVER_SENT):
            return Outcome.NEVER_SENT
        if isinstance(cause, ssl.SSLError) and cause.reason in _HANDSHAKE:
            return Outcome.NEVER_SENT
        if isinstance(cause, _LATE):
            outcome = Outcome.LATE
    return outcome


def describe_error(error: BaseException) -> str:
    """Name the innermost cause by its type; the text of these errors holds addresses with their query."""
    return type(list(_causes(error))[-1]).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk to the innermost cause: these libraries wrap by argument, by `reason` and by `__cause__`."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        inner = [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
        current = next((cause for cause in inner if isinstance(cause, BaseException) and id(cause) not in seen), None)
