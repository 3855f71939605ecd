"""The client's limits, pauses, addresses and silence about secrets."""

from __future__ import annotations

import datetime as dt
import gzip
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from include.errors import ConfigurationError, ContractViolationError, RefusedError, TransientError
from minox_qms.hooks.address import checked_base_url
from minox_qms.hooks.http import Answer, HttpClient, Limits, Request, Timing, UnusableBodyError
from minox_qms.hooks.messages import messages_of
from minox_qms.hooks.policy import Kind
from tests.hooks.fake_server import FakeServer, FakeTime, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

READ = Request("GET", "/list", Kind.READ, "/list", query=(("next", "geheime-cursor"),), entity="list")
WRITE = Request("PUT", "/row", Kind.REPLACE, "/row", body=b"{}", entity="row")


class OneToken:
    def token(self) -> str:
        return "access-token-geheim"

    def renew(self, rejected: str) -> str:
        return rejected


def body_of(answer: Answer) -> bytes:
    return answer.body


@pytest.fixture
def make(server: FakeServer, fake_time: FakeTime) -> Iterator[Callable[..., HttpClient]]:
    made: list[HttpClient] = []

    def client(*, real_time: bool = False, **limits: float) -> HttpClient:
        timing = None if real_time else Timing(fake_time.sleep, fake_time.clock, fake_time.clock, fake_time.random)
        chosen = Limits(**{"connect": 2, "read": 2, **limits})  # type: ignore[arg-type]
        made.append(HttpClient("minox", server.url, tokens=OneToken(), limits=chosen, timing=timing))
        return made[-1]

    yield client
    for one in made:
        one.close()


def test_attempts_are_bounded_and_back_off(
    server: FakeServer, make: Callable[..., HttpClient], fake_time: FakeTime
) -> None:
    server.default = lambda _: Reply(500)
    client = make()
    with pytest.raises(TransientError, match="5xx"):
        client.send(READ, body_of)
    assert len(server.seen) == 5
    assert fake_time.sleeps == [0.25, 0.5, 1.0, 2.0]  # half of 0.5, 1, 2, 4: full jitter with chance 0.5
    assert client.stats.as_dict() == {
        "requests": {"GET /list": 5},
        "bytes_received": 0,
        "retries": 4,
        "waits": 0,
        "waited_seconds": 3.75,
    }


def test_what_is_sent_again_after_a_look_up_backs_off(make: Callable[..., HttpClient], fake_time: FakeTime) -> None:
    client = make()
    for turn in (1, 2, 3, 40):
        client.back_off(turn)
    assert fake_time.sleeps == [0.5, 1.0, 2.0, 15.0]
    assert client.stats.waited == 18.5


def test_the_time_of_all_attempts_is_bounded(
    server: FakeServer, make: Callable[..., HttpClient], fake_time: FakeTime
) -> None:
    server.default = lambda _: Reply(429, b"", {"Retry-After": "100"})
    with pytest.raises(TransientError, match="429"):
        make(total=250).send(READ, body_of)
    assert len(server.seen) == 3
    assert sum(fake_time.sleeps) < 250


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 0),
        ({"x-rate-limit-reset": "{ms-9}"}, 0),
        ({"Retry-After": "300"}, 300),
        ({"Retry-After": "{date+90}"}, 90),
        ({"x-rate-limit-reset": "{ms+120}", "x-rate-limit-remaining": "0"}, 120),
        ({"x-rate-limit-reset": "{ms+12}"}, 12),
        ({"Retry-After": "3", "x-rate-limit-reset": "{ms+120}"}, 3),
        ({"Retry-After": "soon", "x-rate-limit-reset": "{ms+4}"}, 4),
        ({}, 2),
        ({"Retry-After": "-5"}, 2),
        ({"x-rate-limit-reset": "later"}, 2),
        ({"Date": "{date+600}", "x-rate-limit-reset": "{ms+630}"}, 30),  # the server's clock is ten minutes ahead
    ],
)
def test_429_waits_as_long_as_asked(
    server: FakeServer,
    make: Callable[..., HttpClient],
    fake_time: FakeTime,
    headers: dict[str, str],
    seconds: float,
) -> None:
    def filled(text: str) -> str:
        if text.startswith("{date"):
            moment = dt.datetime.fromtimestamp(fake_time.now + int(text[6:-1]), dt.UTC)
            return format_datetime(moment, usegmt=True)
        return str(int((fake_time.now + int(text[3:-1])) * 1000)) if text.startswith("{ms") else text

    server.script.append(Reply(429, b"", {name: filled(text) for name, text in headers.items()}))
    server.script.append(Reply(200, b"{}"))
    client = make()
    client.send(WRITE, body_of)
    chance = 0.5 * 0.5
    assert sum(fake_time.sleeps) == pytest.approx(seconds + chance, abs=0.01)
    assert client.stats.waits == 1


@pytest.mark.parametrize(
    "headers", [{"Retry-After": "600"}, {"x-rate-limit-remaining": "0", "x-rate-limit-reset": "{ms+600}"}]
)
def test_a_wait_longer_than_a_request_takes_is_given_up_and_held(
    server: FakeServer, make: Callable[..., HttpClient], fake_time: FakeTime, headers: dict[str, str]
) -> None:
    reset = str(int((fake_time.now + 600) * 1000))
    server.script.append(Reply(429, b"", {name: text.replace("{ms+600}", reset) for name, text in headers.items()}))
    server.default = lambda _: Reply(200, b"{}")
    client = make()
    with pytest.raises(TransientError, match="429"):
        client.send(READ, body_of)
    assert len(server.seen) == 1
    assert fake_time.sleeps == []
    assert client.send(READ, body_of) == b"{}"
    assert fake_time.sleeps == [330]  # one wrong header silences nobody for ever


def test_nobody_goes_before_the_one_that_was_told_to_wait(
    server: FakeServer, make: Callable[..., HttpClient], fake_time: FakeTime
) -> None:
    server.script.append(Reply(429, b"", {"Retry-After": "2"}))
    server.default = lambda _: Reply(200, b"{}")
    client = make()
    waiting: list[float] = []

    def another() -> None:  # a request that comes while the first one waits
        if not waiting:
            waiting.append(fake_time.now)
            fake_time.now -= fake_time.sleeps[0]
            client.await_turn()

    fake_time.on_sleep = another
    client.send(READ, body_of)
    assert fake_time.sleeps == pytest.approx([2.25, 2.25])


class Pace:
    """A pace whose moments and blocks are given."""

    def __init__(self, *, waits: list[float], blocks: list[float]) -> None:
        self.waits, self.blocks, self.calls = waits, blocks, list[str]()

    def reserve(self) -> float:
        self.calls.append("reserve")
        return self.waits.pop(0)

    def blocked_for(self) -> float:
        self.calls.append("look")
        return self.blocks.pop(0)

    def block_for(self, seconds: float) -> None:
        raise AssertionError(seconds)


@pytest.mark.parametrize(
    ("waits", "blocks", "sleeps"),
    [
        ([0.2], [], [0.2]),
        ([2.0], [0.0], [2.0]),
        ([2.0, 5.4], [5.0, 0.0], [2.0, 5.4]),
        ([2.0, 0.0, 7.0], [5.0, 6.0, 0.0], [2.0, 5.0, 7.0]),
    ],
)
def test_who_waited_for_a_moment_looks_whether_another_was_told_to_wait(
    server: FakeServer, fake_time: FakeTime, waits: list[float], blocks: list[float], sleeps: list[float]
) -> None:
    timing = Timing(fake_time.sleep, fake_time.clock, fake_time.clock, fake_time.random)
    HttpClient("minox", server.url, pacer=Pace(waits=waits, blocks=blocks), timing=timing).await_turn()
    assert fake_time.sleeps == sleeps
    assert waits == blocks == []


def test_who_waits_for_a_refresh_takes_no_moment_meanwhile(server: FakeServer, fake_time: FakeTime) -> None:
    pace = Pace(waits=[0.0], blocks=[])

    class Tokens(OneToken):
        def token(self) -> str:
            pace.calls.append("token")
            return super().token()

    client = HttpClient("minox", server.url, tokens=Tokens(), pacer=pace)
    client.send(READ, body_of)
    client.close()
    assert pace.calls == ["token", "reserve", "token"]


def test_a_proxy_of_the_environment_is_used(
    server: FakeServer, make: Callable[..., HttpClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    client = make()
    client.base_url = "http://elders.localhost:9"
    server.default = lambda _: Reply(200, b"{}")
    assert client.send(WRITE, body_of) == b"{}"
    assert server.seen[0].headers["host"] == "elders.localhost:9"


def test_a_body_may_take_longer_to_send_than_a_connection_to_make() -> None:
    body = bytes(8 * 1024 * 1024)  # more than the sockets hold
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def read_slowly() -> None:
            connection, _ = listener.accept()
            with connection:
                time.sleep(0.6)
                left = len(body)
                while left > 0:  # the head is read with it
                    left -= len(connection.recv(1024 * 1024))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        reading = pool.submit(read_slowly)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = HttpClient("minox", address, limits=Limits(connect=0.2, read=5, transfer=20))
        assert client.send(replace(WRITE, body=body), body_of) == b"{}"
        reading.result()
        client.close()


def test_a_link_of_a_server_behind_tls_is_followed_with_tls() -> None:
    client = HttpClient("qms", "https://qms.example")

    def followed(link: str) -> str:
        return client.url(replace(READ, path=link, query=()))

    assert followed("http://qms.example/odata?$skiptoken=1") == "https://qms.example/odata?$skiptoken=1"
    for other in (
        "http://qms.example:8080/x",
        "http://elders.example/x",
        "http://u@qms.example/x",
        "ftp://qms.example",
    ):
        with pytest.raises(ContractViolationError, match="another server"):
            followed(other)


@pytest.mark.parametrize(("asked", "pauses"), [("0", [0.25, 0.5, 1, 2]), ("7", [7.25, 7.5, 8, 9])])
def test_pauses_by_chance_double_on_top_of_what_is_asked(
    server: FakeServer, make: Callable[..., HttpClient], fake_time: FakeTime, asked: str, pauses: list[float]
) -> None:
    server.default = lambda _: Reply(429, b"", {"Retry-After": asked})
    with pytest.raises(TransientError, match="429"):
        make(waits=5).send(READ, body_of)
    assert fake_time.sleeps == pauses


def test_a_pause_by_chance_has_a_cap(server: FakeServer, make: Callable[..., HttpClient], fake_time: FakeTime) -> None:
    server.default = lambda _: Reply(429, b"", {"Retry-After": "0"})
    with pytest.raises(TransientError, match="429"):
        make(backoff_cap=1, waits=5).send(READ, body_of)
    assert fake_time.sleeps == [0.25, 0.5, 0.5, 0.5]


def test_twenty_requests_and_then_two_minutes_are_survived(
    server: FakeServer, make: Callable[..., HttpClient], fake_time: FakeTime
) -> None:
    window = {"left": 20, "reset": 0.0}

    def limited(_: object) -> Reply:
        if fake_time.now >= window["reset"] and window["left"] == 0:
            window["left"] = 20
        if window["left"] == 0:
            return Reply(429, b"", {"x-rate-limit-reset": str(int(window["reset"] * 1000))})
        window["left"] -= 1
        window["reset"] = fake_time.now + 120
        headers = {"x-rate-limit-limit": "20", "x-rate-limit-remaining": str(int(window["left"]))}
        return Reply(200, b"{}", {**headers, "x-rate-limit-reset": str(int(window["reset"] * 1000))})

    server.default = limited
    client = make()
    for _ in range(65):
        assert client.send(READ, body_of) == b"{}"
    assert len(server.seen) == 65  # the headers told in time: not one 429
    assert sum(fake_time.sleeps) == pytest.approx(360, abs=1)


def test_429_without_a_word_outlasts_two_minutes(
    server: FakeServer, make: Callable[..., HttpClient], fake_time: FakeTime
) -> None:
    start = fake_time.now
    server.default = lambda _: Reply(200, b"{}") if fake_time.now > start + 120 else Reply(429)
    assert make().send(READ, body_of) == b"{}"


def test_nothing_goes_out_before_a_503_said_so(
    server: FakeServer, make: Callable[..., HttpClient], fake_time: FakeTime
) -> None:
    server.script.append(Reply(503, b"", {"Retry-After": "30"}))
    client = make()
    create = Request("POST", "/row", Kind.CREATE, "/row", body=b"{}")
    with pytest.raises(Exception, match="looked up"):
        client.send(create, body_of)
    client.send(READ, body_of)
    assert sum(fake_time.sleeps) == pytest.approx(30)


def test_a_body_has_a_limit_also_when_packed(server: FakeServer, make: Callable[..., HttpClient]) -> None:
    server.script.append(Reply(200, gzip.compress(b"x" * 5_000_000), {"Content-Encoding": "gzip"}))
    with pytest.raises(ContractViolationError, match="more than 1000000 bytes"):
        make(body=1_000_000).send(READ, body_of)
    assert len(server.seen) == 1


@pytest.mark.parametrize("fault", ["drip", "drip_head"])
def test_dripping_bytes_have_a_deadline(server: FakeServer, make: Callable[..., HttpClient], fault: str) -> None:
    server.default = lambda _: Reply(200, b"x" * 200, fault=fault)
    with pytest.raises(TransientError):  # without, the answer would be whole after ten seconds
        make(real_time=True, transfer=0.4, attempts=2, backoff=0.01).send(READ, body_of)
    assert len(server.seen) == 2
    assert all(server.cut.acquire(timeout=5) for _ in range(2))  # in the middle of the answer


def test_whole_and_packed_and_chunked_answers_are_read(server: FakeServer, make: Callable[..., HttpClient]) -> None:
    text = b'{"a": "' + b"x" * 200_000 + b'"}'
    client = make()
    server.script.append(Reply(200, text))
    server.script.append(Reply(200, gzip.compress(text), {"Content-Encoding": "gzip"}))
    assert client.send(READ, body_of) == text
    assert client.send(READ, body_of) == text
    assert client.stats.bytes_received == 2 * len(text)


def test_connections_are_kept(server: FakeServer, make: Callable[..., HttpClient]) -> None:
    client = make()
    for _ in range(3):
        client.send(READ, body_of)
    assert len({seen.client_port for seen in server.seen}) == 1


def test_a_redirect_is_not_followed_and_its_body_not_awaited(
    server: FakeServer, make: Callable[..., HttpClient]
) -> None:
    server.script.append(Reply(307, b"", {"Location": f"{server.url}/login"}))
    with pytest.raises(ConfigurationError, match="redirect"):
        make().send(WRITE, body_of)
    assert [seen.path for seen in server.seen] == ["/row"]


def test_the_body_of_a_redirect_has_the_limit_of_any_other(server: FakeServer, make: Callable[..., HttpClient]) -> None:
    server.script.append(Reply(307, b"x" * 5_000, {"Location": f"{server.url}/login"}))
    with pytest.raises(ContractViolationError, match="more than 1000 bytes"):
        make(body=1_000).send(READ, body_of)
    assert len(server.seen) == 1


def test_netrc_does_not_replace_the_token(
    server: FakeServer, make: Callable[..., HttpClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    make().send(READ, body_of)
    HttpClient("minox", server.url).send(READ, body_of)
    assert server.seen[0].headers["authorization"] == "Bearer access-token-geheim"
    assert "authorization" not in server.seen[1].headers


@pytest.mark.parametrize(
    "url",
    [
        "https://host.example",
        "https://host.example:8443/prefix/",
        "http://127.0.0.1:80",
        "http://localhost",
        "http://[::1]:9",
    ],
)
def test_addresses_that_may_be_used(url: str) -> None:
    assert checked_base_url(url, "minox") == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://host.example",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "ftp://host.example",
        "host.example",
        "https://",
        "https://user:geheim@host.example",
        "https://host.example?token=geheim",
        "https://host.example:99999",
        "https://[::1",
        "",
    ],
)
def test_addresses_that_may_not(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_base_url(url, "minox")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "link",
    [
        "https://{host}/list",
        "http://evil.example/list",
        "http://127.0.0.1:1/list",
        "http://user@{host}/list",
        "http://{host}@evil.example/list",
        "evil.example/list",
        "http://[/list",
    ],
)
def test_the_token_stays_with_its_server(server: FakeServer, make: Callable[..., HttpClient], link: str) -> None:
    request = Request("GET", link.replace("{host}", f"127.0.0.1:{server.port}"), Kind.READ, "/list")
    with pytest.raises(ContractViolationError, match="another server"):
        make().send(request, body_of)
    assert server.seen == []


def test_a_link_of_the_same_server_is_followed_as_it_is(server: FakeServer, make: Callable[..., HttpClient]) -> None:
    link = f"{server.url}/list?%24skiptoken=a%20b%27&x=1"
    make().send(Request("GET", link, Kind.READ, "/list"), body_of)
    assert server.seen[0].raw_query == "%24skiptoken=a%20b%27&x=1"


def test_the_own_machine_is_one_server_by_whichever_name(server: FakeServer, make: Callable[..., HttpClient]) -> None:
    make().send(Request("GET", f"http://localhost:{server.port}/list", Kind.READ, "/list"), body_of)
    assert [seen.path for seen in server.seen] == ["/list"]


def test_it_is_told_when_a_request_is_on_its_way(server: FakeServer, make: Callable[..., HttpClient]) -> None:
    told: list[tuple[str, int]] = []
    write = replace(
        WRITE,
        on_turn=lambda: told.append(("turn", len(server.seen))),
        on_sent=lambda: told.append(("sent", len(told))),
    )
    server.script.append(Reply(429, b"", {"Retry-After": "1"}))
    server.script.append(Reply(200, b"{}"))
    client = make()
    client.send(write, body_of)
    client.send(READ, body_of)
    assert told == [("turn", 0), ("sent", 1), ("turn", 1), ("sent", 3)]


def test_no_secret_in_errors_or_logs(
    server: FakeServer, make: Callable[..., HttpClient], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="minox_qms")
    body = b'{"name": "Jansen persoonlijk"}'
    write = Request("PUT", "/row", Kind.REPLACE, "/row", body=body, query=(("q", "geheime-cursor"),))
    texts: list[str] = []
    client = make(attempts=2, waits=2)
    for reply in (
        Reply(fault="reset"),
        Reply(500, "Jansen persoonlijk"),
        Reply(400, [{"message": "Jansen persoonlijk"}]),
        Reply(401, "Jansen persoonlijk"),
        Reply(403, "Jansen persoonlijk"),
        Reply(429, "Jansen persoonlijk"),
        Reply(200, "Jansen persoonlijk"),
        Reply(302, "Jansen persoonlijk", {"Location": "/?token=geheime-cursor"}),
    ):
        server.default = lambda _, reply=reply: reply  # type: ignore[misc]
        for request in (READ, write):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - of any kind; its text is what counts
                client.send(request, _unusable)
            error: BaseException | None = caught.value
            while error is not None and not error.__suppress_context__:
                texts.append(f"{error} {error!r}")
                error = error.__cause__ or error.__context__
            texts.append(f"{error} {error!r}")
    text = "\n".join([*texts, caplog.text])
    assert "GET /list" in text
    assert not [secret for secret in ("geheim", "persoonlijk", "Bearer") if secret in text]


def _unusable(_: Answer) -> bytes:
    raise UnusableBodyError("not usable")


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (b'[{"message": "A", "field": "lines[1].account.id"}, {"message": "B"}]', ["A (lines[1].account.id)", "B"]),
        (b'["A", "A", " B "]', ["A", "B"]),
        (b'"Rekening 8999 bestaat niet"', ["Rekening 8999 bestaat niet"]),
        (b"Rekening 8999 bestaat niet", ["Rekening 8999 bestaat niet"]),
        (b'{"message": "A"}', ["A"]),
        (
            b'{"odata.error": {"code": "x", "message": {"lang": "nl", "value": "Code: a\\nName: b"}}}',
            ["Code: a", "Name: b"],
        ),
        (b'{"error": "invalid", "error_description": "B"}', ["invalid"]),
        (b"<html><body>Bad</body></html>", ["a web page in place of a message"]),
        (b"[[[]]]", []),
        (b"null", []),
        (b"42", ["42"]),
        (b'{"x": 1}', ['{"x":1}']),
        (b"", []),
        (b"\xff\xfe", ["\ufffd\ufffd"]),
        (b'["a\\u0000b"]', ["ab"]),
        (b"[" * 100_000, ["[" * 500]),
    ],
)
def test_messages_of_any_shape(body: bytes, messages: list[str]) -> None:
    assert messages_of(body) == messages


def test_a_refusal_carries_all_messages(server: FakeServer, make: Callable[..., HttpClient]) -> None:
    server.script.append(Reply(400, [{"message": f"fout {number}"} for number in range(3)]))
    with pytest.raises(RefusedError) as caught:
        make().send(WRITE, body_of)
    assert caught.value.messages == ["fout 0", "fout 1", "fout 2"]
    assert caught.value.reason == "refused_by_minox"
    server.script.append(Reply(400))
    with pytest.raises(RefusedError) as caught:
        make().send(WRITE, body_of)
    assert caught.value.messages == ["Minox gave no reason."]
