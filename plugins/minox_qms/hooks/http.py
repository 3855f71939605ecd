"""The one HTTP client: a session with limits on everything, that acts by the table of `policy`."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable  # noqa: TC003 - resolved at run time by the dataclass
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from include.errors import (
    AccessError,
    ConfigurationError,
    ContractViolationError,
    InvariantError,
    LateAnswerError,
    RefusedError,
    TransientError,
    UnknownOutcomeError,
)
from minox_qms.hooks.address import NAMES, checked_base_url, encode_query, origin, with_tls_of
from minox_qms.hooks.messages import messages_of
from minox_qms.hooks.policy import (
    Action,
    Kind,
    Outcome,
    action_for,
    describe_error,
    outcome_of_error,
    outcome_of_status,
)
from minox_qms.hooks.waits import asked_wait, nothing_remains
from minox_qms.hooks.watchdog import ON_SENT, DeadlineAdapter, watch_of

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

T = TypeVar("T")

_CHUNK = 65_536
_HTTP_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything has a limit.

    Attributes:
        connect: Seconds to make a connection.
        read: Seconds without a single byte.
        transfer: Seconds for one attempt, however slowly its bytes drip.
        total: Seconds for a request with all its attempts and pauses; no new attempt begins after it.
        attempts: Attempts that failed by themselves.
        waits: Times that the other system may tell us to wait.
        body: Bytes of an answer, unpacked.
        backoff: Seconds of the first pause at most; it doubles each time.
        backoff_cap: Seconds of any pause at most.
        wait_cap: Seconds that a request waits at most when told to; told to wait longer, it is given up.
    """

    connect: float = 10
    read: float = 60
    transfer: float = 300
    total: float = 900
    attempts: int = 5
    waits: int = 8
    body: int = 64 * 1024 * 1024
    backoff: float = 0.5
    backoff_cap: float = 30
    wait_cap: float = 300


LOOK_AGAIN: Final = 0.25
"""Seconds of waiting for a moment after which it is looked at whether another worker was told to wait meanwhile."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Clock, sleep and chance, so that a test can put its own in their place.

    Attributes:
        sleep: Wait for a number of seconds.
        clock: Seconds since 1970.
        monotonic: Seconds that never run back.
        random: A number from 0 up to 1.
    """

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random


@dataclass(slots=True)
class Stats:
    """What a client did, for the report of a run.

    Attributes:
        requests: Number of attempts per method and path template.
        bytes_received: Bytes of all bodies, unpacked.
        retries: Attempts after a failed one.
        waits: Times that the other system made us wait.
        waited: Seconds of all pauses, those of the shared pace included.
    """

    requests: Counter[str] = field(default_factory=Counter)
    bytes_received: int = 0
    retries: int = 0
    waits: int = 0
    waited: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(
        self,
        *,
        request: str | None = None,
        bytes_received: int = 0,
        retries: int = 0,
        waits: int = 0,
        waited: float = 0.0,
    ) -> None:
        """Add to the figures; requests that overlap count from several threads."""
        with self._lock:
            if request is not None:
                self.requests[request] += 1
            self.bytes_received += bytes_received
            self.retries += retries
            self.waits += waits
            self.waited += waited

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "requests": dict(sorted(self.requests.items())),
            "bytes_received": self.bytes_received,
            "retries": self.retries,
            "waits": self.waits,
            "waited_seconds": round(self.waited, 3),
        }


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as the hooks describe it.

    Attributes:
        method: GET, PUT or POST.
        path: Path below the base address, or a whole address of the same origin (a next link).
        kind: What it does to the other system.
        template: Path with its ids replaced, for counts and messages; it never holds a value.
        query: Parameters, in order.
        body: Body, ready to send.
        headers: More headers, such as Content-Type.
        expected: Statuses that `parse` gets.
        entity: Entity or collection, for errors.
        key: Key of the record, for errors.
        on_turn: Called when the turn of an attempt has come, right before its first byte.
        on_sent: Called when the last byte of an attempt has been given to the network.
    """

    method: str
    path: str
    kind: Kind
    template: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    expected: frozenset[int] = frozenset({200})
    entity: str = ""
    key: str = ""
    on_turn: Callable[[], None] | None = None
    on_sent: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: status, headers (names without case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnusableBodyError(ValueError):
    """Raised by a `parse` function; its text says what is wrong, without values of the body."""


class Tokens(Protocol):
    """Where a client gets its bearer token."""

    def token(self) -> str:
        """Return a token that is valid for a while."""

    def renew(self, rejected: str) -> str:
        """Return another token than the one that was answered with a 401."""


class Pacer(Protocol):
    """The shared pace of one client."""

    def reserve(self) -> float:
        """Take the next free moment; return the seconds until it comes."""

    def block_for(self, seconds: float) -> None:
        """Let nobody send anything for so many seconds."""

    def blocked_for(self) -> float:
        """Return how many seconds nobody may send anything."""


class _Session(requests.Session):
    """A session with one server, that follows no redirect, nor reads the body of one to see where it goes."""

    _environment: Any = None

    def merge_environment_settings(self, *args: Any, **kwargs: Any) -> Any:
        """Read proxies and certificates from the environment once: the library does so for every request."""
        if self._environment is None:
            self._environment = super().merge_environment_settings(*args, **kwargs)
        return self._environment.copy()

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - the library's signature
        """Say that there is none."""
        return None


class Bearer(AuthBase):
    """Set the Authorization header, or none without a token; being an auth object, it keeps `.netrc` out of it."""

    def __init__(self, token: str | None = None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request."""
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class HttpClient:
    """Sends requests to one system, by the policy.

    Args:
        system: `minox` or `qms`.
        base_url: Checked with `checked_base_url` at the first request.
        tokens: Source of bearer tokens; None for requests without (the token endpoint).
        pacer: The shared pace; None for none.
        limits: See `Limits`.
        timing: See `Timing`.
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        *,
        tokens: Tokens | None = None,
        pacer: Pacer | None = None,
        limits: Limits | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.system = system
        self.base_url = base_url
        self.stats = Stats()
        self._tokens = tokens
        self._pacer = pacer
        self._limits = limits or Limits()
        self._timing = timing or Timing()
        self._not_before = 0.0

    @cached_property
    def _base(self) -> str:
        return checked_base_url(self.base_url, self.system)

    @cached_property
    def _session(self) -> requests.Session:
        session = _Session()
        adapter = DeadlineAdapter(self._limits.transfer)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

    def unsigned(self) -> HttpClient:
        """Return a client of the same pace, limits and counts that sends no token, for requests with another login."""
        other = HttpClient(self.system, self.base_url, pacer=self._pacer, limits=self._limits, timing=self._timing)
        other.stats = self.stats
        return other

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if "_session" in self.__dict__:
            self._session.close()

    def send(self, request: Request, parse: Callable[[Answer], T]) -> T:
        """Send a request until it has an end, as the policy says.

        Args:
            request: The request.
            parse: Reads an answer with an expected status; raises `UnusableBodyError` when it cannot be used.

        Returns:
            What `parse` returns.

        Raises:
            TransientError: The attempts or the time are used up.
            ContractViolationError: The answer to a read is not what the contract says.
            RefusedError: A 400 to a write, with the other system's messages.
            UnknownOutcomeError: A write may have been applied (`LateAnswerError`: or may yet be).
            AccessError: 401 with a fresh token, 403 or 404.
            ConfigurationError: The address is wrong, or redirects.
        """
        return _Exchange(self, request).run(parse)

    def url(self, request: Request) -> str:
        """Return the whole address of a request; a whole address must be of the same origin as the base."""
        if request.path.startswith("/"):
            query = f"?{encode_query(request.query)}" if request.query else ""
            return f"{self._base}{request.path}{query}"
        try:
            address = with_tls_of(self._base, request.path)
            same = origin(address) == origin(self._base) and urlsplit(address).username is None
        except ValueError:
            same = False
        if not same:
            raise ContractViolationError(
                f"{NAMES[self.system]} gave a link to another server; it was not followed.",
                system=self.system,
                entity=request.entity,
            )
        return address

    def attempt(self, request: Request, token: str | None) -> Answer:
        """Send once and read the whole answer, within the limits.

        Raises:
            OSError: As the HTTP library does, and when it takes too long.
            UnusableBodyError: The body is too long.
        """
        started = self._timing.monotonic()
        self.stats.count(request=f"{request.method} {request.template}")
        headers = {"Accept": "application/json", "User-Agent": "minox-qms-connector", **dict(request.headers)}
        told = ON_SENT.set(request.on_sent)
        try:
            response = self._session.request(
                request.method,
                self.url(request),
                data=request.body,
                headers=headers,
                auth=Bearer(token),
                timeout=(self._limits.connect, self._limits.read),
                allow_redirects=False,
                stream=True,
            )
        finally:
            ON_SENT.reset(told)
        watch = watch_of(response)
        try:
            body = bytearray()
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                body += chunk
                self._check_limits(len(body), started)
        except BaseException as error:
            response.close()
            if watch.end():  # what broke off was cut by us
                raise requests.exceptions.ReadTimeout(f"more than {self._limits.transfer} seconds") from error
            raise
        if watch.end():  # what looked like the end of the answer was ours
            response.close()
            raise requests.exceptions.ReadTimeout(f"more than {self._limits.transfer} seconds")
        response.raw.release_conn()
        self.stats.count(bytes_received=len(body))
        return Answer(response.status_code, response.headers, bytes(body))

    def _check_limits(self, size: int, started: float) -> None:
        """Stop reading a body that is too long, or takes too long."""
        if size > self._limits.body:
            raise UnusableBodyError(f"more than {self._limits.body} bytes")
        if self._timing.monotonic() - started > self._limits.transfer:
            raise requests.exceptions.ReadTimeout(f"more than {self._limits.transfer} seconds")

    def await_turn(self) -> None:
        """Wait for the shared pace, and for what this system asked of this client."""
        if self._pacer is not None:
            wait = self._pacer.reserve()
            self.pause(wait)
            while wait > LOOK_AGAIN and (wait := self._pacer.blocked_for()) > 0:  # another worker was told to wait
                wait = max(wait, self._pacer.reserve())
                self.pause(wait)
        self.pause(self._not_before - self._timing.monotonic())

    def pause(self, seconds: float) -> None:
        """Sleep, and count it."""
        if seconds > 0:
            self.stats.count(waited=seconds)
            self._timing.sleep(seconds)

    def chance(self, turn: int) -> float:
        """Return the seconds of a pause before a turn, by chance (full jitter).

        Args:
            turn: How often the pause's limit has doubled, from 0.

        Returns:
            From 0 up to the first pause's limit, doubled with each turn, and never more than the cap.
        """
        return self._timing.random() * min(self._limits.backoff_cap, self._limits.backoff * 2.0**turn)

    def back_off(self, turn: int) -> None:
        """Wait longer each time, by chance, before what may have arrived already is sent again.

        Args:
            turn: Number of the repetition, from 1.
        """
        self.pause(self.chance(turn))

    def hold(self, seconds: float) -> None:
        """Send nothing for a while, here and in the other workers; not for ever, should a header be wrong."""
        seconds = min(seconds, self._limits.wait_cap + self._limits.backoff_cap)
        self._not_before = max(self._not_before, self._timing.monotonic() + seconds)
        if self._pacer is not None:
            self._pacer.block_for(seconds)

    def asked_wait(self, answer: Answer) -> float | None:
        """Return how many seconds an answer asks us to wait; None when it does not ask."""
        return asked_wait(answer, self._timing.clock())

    @property
    def limits(self) -> Limits:
        """The limits of this client."""
        return self._limits

    @property
    def timing(self) -> Timing:
        """Clock, sleep and chance of this client."""
        return self._timing

    @property
    def tokens(self) -> Tokens | None:
        """Source of bearer tokens."""
        return self._tokens


class _Exchange:
    """One request on its way through the policy."""

    def __init__(self, client: HttpClient, request: Request) -> None:
        self._client = client
        self._request = request
        self._failures = 0
        self._waits = 0
        self._reauthorized = False
        self._token: str | None = None
        self._started = client.timing.monotonic()

    def run(self, parse: Callable[[Answer], T]) -> T:
        while True:
            if self._client.tokens is not None:  # who waits for a refresh takes no moment of the pace meanwhile
                self._client.tokens.token()
            self._client.await_turn()
            if self._client.tokens is not None:  # only now: one that was taken before a wait may have expired in it
                self._token = self._client.tokens.token()
            if self._request.on_turn is not None:
                self._request.on_turn()
            answer: Answer | None = None
            try:
                answer = self._client.attempt(self._request, self._token)
                self._obey_budget(answer)
                if answer.status in self._request.expected:
                    return parse(answer)
                outcome = outcome_of_status(answer.status, retry_after="Retry-After" in answer.headers)
                detail = f"status {answer.status}"
            except UnusableBodyError as error:
                outcome, detail = Outcome.UNUSABLE, str(error)
            except _HTTP_ERRORS as error:
                outcome, detail = outcome_of_error(error), describe_error(error)
            self._act(outcome, detail, answer)

    def _obey_budget(self, answer: Answer) -> None:
        """When nothing remains of the limit, the next request waits; a 429 does that by itself."""
        if answer.status != requests.codes.too_many_requests and nothing_remains(answer):
            self._client.hold(self._client.asked_wait(answer) or 0.0)

    def _act(self, outcome: Outcome, detail: str, answer: Answer | None) -> None:
        """Prepare the next attempt, or raise."""
        request = self._request
        action = action_for(outcome, request.kind)
        log.debug("%s %s %s: %s -> %s", self._client.system, request.method, request.template, detail, action.name)
        if action is Action.RETRY:
            self._retry(outcome, detail)
        elif action is Action.WAIT:
            self._wait(outcome, detail, answer)
        elif action is Action.REAUTHORIZE:
            self._reauthorize(detail)
        else:
            if action is Action.LOOK_UP and answer is not None and outcome is Outcome.UNAVAILABLE:
                self._client.hold(self._client.asked_wait(answer) or 0.0)
            self._raise(action, outcome, detail, answer)

    def _retry(self, outcome: Outcome, detail: str) -> None:
        limits = self._client.limits
        self._failures += 1
        pause = self._client.chance(self._failures - 1)
        if self._failures >= limits.attempts or self._too_late(pause):
            self._give_up(outcome, detail)
        self._client.stats.count(retries=1)
        self._client.pause(pause)

    def _wait(self, outcome: Outcome, detail: str, answer: Answer | None) -> None:
        limits = self._client.limits
        asked = None if answer is None else self._client.asked_wait(answer)
        # Without a word on how long: 2, 8, 32, 128 seconds outlast the 120 that Minox is reported to ask for.
        seconds = min(limits.wait_cap, 2 * 4.0**self._waits) if asked is None else asked
        # More than was asked, by chance: workers do not all come back in the same moment, nor at once when it was 0.
        pause = seconds + self._client.chance(self._waits)
        self._waits += 1
        self._client.hold(pause)  # so that what was to go out after this one does not go out before it
        if self._waits >= limits.waits or seconds > limits.wait_cap or self._too_late(pause):
            self._give_up(outcome, detail)
        self._reauthorized = False  # a token that was fresh before the wait need not be after it
        self._client.stats.count(waits=1)
        log.info("%s asked us to wait %.1f seconds", NAMES[self._client.system], seconds)
        self._client.pause(pause)

    def _too_late(self, pause: float) -> bool:
        return self._client.timing.monotonic() + pause - self._started > self._client.limits.total

    def _reauthorize(self, detail: str) -> None:
        if self._client.tokens is None:
            raise ConfigurationError(
                f"{NAMES[self._client.system]} does not accept the connection's client id and secret.",
                detail=f"{self._request.method} {self._request.template}: {detail}",
                system=self._client.system,
            )
        if self._reauthorized or self._token is None:
            self._raise(Action.STOP_RUN, Outcome.UNAUTHORIZED, detail, None)
        self._reauthorized = True
        self._client.tokens.renew(self._token)

    def _give_up(self, outcome: Outcome, detail: str) -> NoReturn:
        tried = self._failures + self._waits
        raise TransientError(
            f"{NAMES[self._client.system]} could not be reached properly ({outcome.value}).",
            detail=f"{self._request.method} {self._request.template}: {detail}, {tried} attempts",
            system=self._client.system,
            entity=self._request.entity,
            key=self._request.key,
        ) from None

    def _raise(self, action: Action, outcome: Outcome, detail: str, answer: Answer | None) -> NoReturn:
        request, name = self._request, NAMES[self._client.system]
        detail = f"{request.method} {request.template}: {detail}"
        place = {"system": self._client.system, "entity": request.entity, "key": request.key}
        if action is Action.REFUSE_RECORD:
            messages = messages_of(b"" if answer is None else answer.body)
            raise RefusedError(
                f"{name} refused this record.",
                reason=f"refused_by_{self._client.system}",
                messages=messages or [f"{name} gave no reason."],
                detail=f"{detail}, {len(messages)} messages",
                **place,
            )
        if action is Action.LOOK_UP:
            kind = LateAnswerError if outcome is Outcome.LATE else UnknownOutcomeError
            raise kind(
                f"It is not known whether {name} carried this out; it is looked up before anything is sent again.",
                detail=detail,
                **place,
            ) from None
        if action is Action.FAIL:
            raise ContractViolationError(
                f"{name} gave an answer that cannot be used; nothing of it was used.", detail=detail, **place
            ) from None
        if action is Action.STOP_RUN and outcome in _ACCESS:
            raise AccessError(f"{name} {_ACCESS[outcome]}", detail=detail, **place)
        if action is Action.STOP_RUN:
            raise ConfigurationError(
                f"{name} answered with {outcome.value}: the host of its connection is probably wrong.",
                detail=detail,
                **place,
            )
        raise InvariantError(f"No rule to act by: {action.name}.", detail=detail, **place)


_ACCESS: Final = {
    Outcome.UNAUTHORIZED: "does not accept our token, not even a fresh one; connect again.",
    Outcome.FORBIDDEN: "gives us no right to this; the person who connected may lack it, or the connection its scope.",
    Outcome.NOT_FOUND: "does not know this address; tenant, administration or host may be wrong.",
}
