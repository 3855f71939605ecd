"""Every cell of the policy table, against a real server: what is done, and how often the server is asked."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from include.errors import (
    AccessError,
    ConfigurationError,
    ConnectorError,
    ContractViolationError,
    RefusedError,
    TransientError,
    UnknownOutcomeError,
)
from minox_qms.hooks.http import Answer, HttpClient, Limits, Request, Timing, UnusableBodyError
from minox_qms.hooks.policy import POLICY, Action, Kind, Outcome
from tests.hooks.fake_server import FakeServer, FakeTime, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

# Written out once more, by hand, so that a change of the table has to be meant.
EXPECTED = """
outcome         READ         REPLACE        CREATE         ATTACH         TOKEN
NEVER_SENT      RETRY        RETRY          RETRY          RETRY          RETRY
MAYBE_APPLIED   RETRY        LOOK_UP        LOOK_UP        LOOK_UP        RETRY
LATE            RETRY        LOOK_UP        LOOK_UP        LOOK_UP        RETRY
REDIRECT        STOP_RUN     STOP_RUN       STOP_RUN       STOP_RUN       STOP_RUN
BAD_REQUEST     FAIL         REFUSE_RECORD  REFUSE_RECORD  REFUSE_RECORD  STOP_RUN
UNAUTHORIZED    REAUTHORIZE  REAUTHORIZE    REAUTHORIZE    REAUTHORIZE    STOP_RUN
FORBIDDEN       STOP_RUN     STOP_RUN       STOP_RUN       STOP_RUN       STOP_RUN
NOT_FOUND       STOP_RUN     STOP_RUN       STOP_RUN       REFUSE_RECORD  STOP_RUN
OTHER_4XX       FAIL         FAIL           FAIL           REFUSE_RECORD  STOP_RUN
TOO_MANY        WAIT         WAIT           WAIT           WAIT           WAIT
UNAVAILABLE     WAIT         LOOK_UP        LOOK_UP        LOOK_UP        WAIT
SERVER_ERROR    RETRY        LOOK_UP        LOOK_UP        LOOK_UP        RETRY
UNUSABLE        FAIL         LOOK_UP        LOOK_UP        LOOK_UP        RETRY
"""

METHODS = {Kind.READ: "GET", Kind.REPLACE: "PUT", Kind.CREATE: "POST", Kind.ATTACH: "POST", Kind.TOKEN: "POST"}
LIMITS = Limits(connect=2, read=0.4, transfer=5)

FAULTS = {
    Outcome.MAYBE_APPLIED: [
        Reply(fault="reset"),
        Reply(fault="close"),
        Reply(200, b"{}", fault="truncate"),
        Reply(200, b"{}", {"Content-Encoding": "gzip"}),
    ],
    Outcome.LATE: [Reply(fault="stall"), Reply(504)],
    Outcome.REDIRECT: [Reply(302, b"", {"Location": "/elsewhere"}), Reply(308, b"", {"Location": "http://a.example"})],
    Outcome.BAD_REQUEST: [Reply(400, [{"message": "Nee"}])],
    Outcome.UNAUTHORIZED: [Reply(401)],
    Outcome.FORBIDDEN: [Reply(403, "<html>")],
    Outcome.NOT_FOUND: [Reply(404)],
    Outcome.OTHER_4XX: [Reply(405), Reply(409), Reply(415), Reply(422, {})],
    Outcome.TOO_MANY: [Reply(429), Reply(429, b"", {"Retry-After": "3"})],
    Outcome.UNAVAILABLE: [Reply(503, b"", {"Retry-After": "3"})],
    Outcome.SERVER_ERROR: [Reply(500), Reply(502, "<html>"), Reply(503), Reply(408)],
    Outcome.UNUSABLE: [Reply(200, b"<html>"), Reply(200, b""), Reply(204)],
}
CASES = [
    pytest.param(outcome, reply, kind, id=f"{outcome.name}-{number}-{kind.name}")
    for outcome, replies in FAULTS.items()
    for number, reply in enumerate(replies)
    for kind in Kind
]


class TwoTokens:
    """Gives one token, and another one once it was rejected."""

    def __init__(self) -> None:
        self.renewed = 0

    def token(self) -> str:
        return f"token-{self.renewed + 1}"

    def renew(self, rejected: str) -> str:
        self.renewed += 1
        assert rejected == f"token-{self.renewed}"
        return f"token-{self.renewed + 1}"


def parse(answer: Answer) -> bytes:
    if answer.body != b"{}":
        raise UnusableBodyError("not what was expected")
    return answer.body


@pytest.fixture
def client(server: FakeServer, fake_time: FakeTime) -> Iterator[HttpClient]:
    made = HttpClient("minox", server.url, tokens=TwoTokens(), limits=LIMITS, timing=timing_of(fake_time))
    yield made
    made.close()


def timing_of(fake: FakeTime) -> Timing:
    return Timing(fake.sleep, fake.clock, fake.clock, fake.random)


def request_of(kind: Kind) -> Request:
    body = None if kind is Kind.READ else b'{"a": 1}'
    return Request(METHODS[kind], "/thing", kind, "/thing", body=body, entity="things", key="7")


def test_the_table_is_the_one_that_was_meant() -> None:
    head, *rows = EXPECTED.split("\n")[1:-1]
    kinds = [Kind[name] for name in head.split()[1:]]
    expected = {
        Outcome[name]: dict(zip(kinds, (Action[action] for action in actions), strict=True))
        for name, *actions in map(str.split, rows)
    }
    assert {outcome: dict(row) for outcome, row in POLICY.items()} == expected
    assert set(POLICY) == set(Outcome)


@pytest.mark.parametrize(("outcome", "reply", "kind"), CASES)
def test_every_cell(server: FakeServer, client: HttpClient, outcome: Outcome, reply: Reply, kind: Kind) -> None:
    server.script.append(reply)
    server.script.append(Reply(200, b"{}"))
    action = POLICY[outcome][kind]
    if action in {Action.RETRY, Action.WAIT, Action.REAUTHORIZE}:
        assert client.send(request_of(kind), parse) == b"{}"
        assert len(server.seen) == 2
        second = server.seen[1].headers["authorization"]
        assert second == ("Bearer token-2" if action is Action.REAUTHORIZE else "Bearer token-1")
        assert server.seen[0].body == server.seen[1].body
        assert (client.stats.retries, client.stats.waits) == (int(action is Action.RETRY), int(action is Action.WAIT))
        return
    kinds_of_error = {
        Action.REFUSE_RECORD: RefusedError,
        Action.STOP_RUN: ConfigurationError,
        Action.LOOK_UP: UnknownOutcomeError,
        Action.FAIL: ContractViolationError,
    }
    expected: type[ConnectorError] = kinds_of_error[action]
    with pytest.raises(expected) as caught:
        client.send(request_of(kind), parse)
    assert len(server.seen) == 1
    assert caught.value.place == "minox things 7"


@pytest.mark.parametrize("kind", list(Kind))
def test_what_was_never_sent_is_sent_again(kind: Kind, fake_time: FakeTime) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started: list[FakeServer] = []

    def start() -> None:
        if not started:
            started.append(FakeServer(port))

    fake_time.on_sleep = start
    client = HttpClient("qms", f"http://127.0.0.1:{port}", limits=LIMITS, timing=timing_of(fake_time))
    try:
        assert client.send(request_of(kind), parse) == b"{}"
        assert len(started[0].seen) == 1
        assert client.stats.retries == 1
    finally:
        client.close()
        for fake in started:
            fake.stop()


@pytest.mark.parametrize("kind", list(Kind))
def test_an_unknown_host_was_never_sent(kind: Kind, fake_time: FakeTime) -> None:
    client = HttpClient("qms", "https://no-such-host.invalid", limits=LIMITS, timing=timing_of(fake_time))
    with pytest.raises(TransientError) as caught:
        client.send(request_of(kind), parse)
    assert not isinstance(caught.value, ContractViolationError)
    assert "no connection" in caught.value.message
    assert len(fake_time.sleeps) == LIMITS.attempts - 1


@pytest.mark.parametrize("kind", list(Kind))
def test_speaking_tls_to_a_plain_server_was_never_sent(server: FakeServer, kind: Kind, fake_time: FakeTime) -> None:
    url = server.url.replace("http://", "https://")
    client = HttpClient("qms", url, limits=LIMITS, timing=timing_of(fake_time))
    with pytest.raises(TransientError, match="no connection"):
        client.send(request_of(kind), parse)
    assert server.seen == []


@pytest.fixture(scope="module")
def tls_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a server with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    certificate = certificate.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = certificate.add_extension(names, critical=False).sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + signed.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    fake = FakeServer(tls=context)
    yield fake.port
    fake.stop()


@pytest.mark.parametrize("kind", list(Kind))
def test_a_certificate_nobody_vouches_for_ends_before_anything_is_sent(
    tls_port: int, kind: Kind, fake_time: FakeTime
) -> None:
    client = HttpClient("qms", f"https://localhost:{tls_port}", limits=LIMITS, timing=timing_of(fake_time))
    with pytest.raises(TransientError, match="no connection") as caught:
        client.send(request_of(kind), parse)
    assert "SSLCertVerificationError" in caught.value.detail
    assert len(fake_time.sleeps) == LIMITS.attempts - 1


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.TOKEN])
def test_a_401_with_a_fresh_token_stops_the_run(server: FakeServer, client: HttpClient, kind: Kind) -> None:
    server.script.extend([Reply(401), Reply(401), Reply(200, b"{}")])
    with pytest.raises(AccessError, match="not even a fresh one"):
        client.send(request_of(kind), parse)
    assert len(server.seen) == 2


class ShortTokens:
    """Gives tokens that live so many seconds; the server may let them die sooner than it said."""

    def __init__(self, time: FakeTime, lifetime: float) -> None:
        self._time = time
        self._lifetime = lifetime
        self._ends = 0.0
        self.given = 0

    def token(self) -> str:
        return f"token-{self.given}" if self._time.now < self._ends else self.renew("")

    def renew(self, rejected: str) -> str:
        self.given += 1
        self._ends = self._time.now + self._lifetime
        return f"token-{self.given}"


def of_tokens(server: FakeServer, fake_time: FakeTime, tokens: ShortTokens) -> HttpClient:
    return HttpClient("minox", server.url, tokens=tokens, limits=LIMITS, timing=timing_of(fake_time))


LONG_WAIT = Reply(429, b"", {"Retry-After": "250"})


@pytest.mark.parametrize("script", [[LONG_WAIT], [Reply(401), LONG_WAIT]])
def test_a_token_that_expires_in_a_wait_is_not_sent(
    server: FakeServer, fake_time: FakeTime, script: list[Reply]
) -> None:
    server.script.extend(script)
    client = of_tokens(server, fake_time, ShortTokens(fake_time, 200))
    client.send(request_of(Kind.REPLACE), lambda answer: answer.body)
    assert [seen.headers["authorization"] for seen in server.seen] == [
        f"Bearer token-{number}" for number in range(1, len(script) + 2)
    ]
    client.close()


def test_a_token_that_dies_in_a_wait_is_renewed_though_one_was_before(server: FakeServer, fake_time: FakeTime) -> None:
    server.script.extend([Reply(401), LONG_WAIT, Reply(401)])
    tokens = ShortTokens(fake_time, 3600)
    client = of_tokens(server, fake_time, tokens)
    client.send(request_of(Kind.READ), lambda answer: answer.body)
    assert (len(server.seen), tokens.given) == (4, 3)
    client.close()


@pytest.mark.parametrize("lifetime", [0, 3600])
def test_a_401_for_ever_ends_whatever_the_tokens_life(server: FakeServer, fake_time: FakeTime, lifetime: float) -> None:
    server.default = lambda _: Reply(401)
    client = of_tokens(server, fake_time, ShortTokens(fake_time, lifetime))
    with pytest.raises(AccessError, match="not even a fresh one"):
        client.send(request_of(Kind.READ), parse)
    assert len(server.seen) == 2
    client.close()


def test_401_and_429_in_turn_end_with_the_waits(server: FakeServer, fake_time: FakeTime) -> None:
    server.default = lambda _: Reply(401) if len(server.seen) % 2 else Reply(429, b"", {"Retry-After": "1"})
    client = of_tokens(server, fake_time, ShortTokens(fake_time, 0))
    with pytest.raises(TransientError, match="429"):
        client.send(request_of(Kind.READ), parse)
    assert len(server.seen) == 2 * LIMITS.waits
    client.close()
