"""Grants: encrypted, one worker at a time, refreshed once, refused once, never in a loop."""

from __future__ import annotations

import datetime as dt
import json
import logging
import multiprocessing
import os
import stat
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from include.errors import ConfigurationError, GrantRefusedError, TransientError
from include.storage.engine import engine_from_url
from include.storage.grants import (
    AIRFLOW_KEY_VARIABLE,
    KEY_FILE,
    KEY_VARIABLE,
    Cipher,
    GrantStore,
    LockedGrant,
    Pair,
    fingerprint,
)
from include.storage.tables import oauth_grant
from minox_qms.hooks.http import Limits, Timing
from minox_qms.hooks.oauth import TokenSource
from minox_qms.hooks.site import MINOX_SCOPES, Site, authorize_url
from tests.hooks.fake_server import FakeServer, FakeTime, Reply, Seen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import Queue
    from pathlib import Path

KEY = Fernet.generate_key().decode()
SHORT = Limits(connect=2, read=1, transfer=3, total=60, attempts=3)


class TokenServer(FakeServer):
    """Rotates refresh tokens as the contracts say: a spent one revokes the family."""

    def __init__(self, lifetime: int = 3600) -> None:
        super().__init__()
        self.lifetime = lifetime
        self.valid: dict[str, str] = {"seed-one": "one", "seed-two": "two"}
        self.family_of: dict[str, str] = dict(self.valid)
        self.number = 0
        self.lost = 0
        self.default = self.token

    def token(self, seen: Seen) -> Reply:
        form = seen.form
        if (form.get("client_id"), form.get("client_secret")) != ("client", "client-geheim"):
            return Reply(401, {"error": "invalid_client"})
        presented = form.get("refresh_token") or form.get("code") or ""
        family = self.valid.pop(presented, None)
        if family is None:
            revoked = self.family_of.get(presented)
            self.valid = {token: of for token, of in self.valid.items() if of != revoked}
            return Reply(400, {"error": "invalid_grant", "error_description": f"{presented} was used before"})
        self.number += 1
        access, refresh = f"access-geheim-{self.number}", f"refresh-geheim-{self.number}"
        self.valid[refresh] = self.family_of[refresh] = family
        if self.lost:
            self.lost -= 1
            return Reply(fault="close")
        content = {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
        }
        return Reply(200, content)

    def presented(self) -> list[str]:
        return [seen.form.get("refresh_token", "") for seen in self.seen]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    server = TokenServer()
    yield server
    server.stop()


@pytest.fixture
def empty(database: sa.Engine) -> sa.Engine:
    with database.begin() as connection:
        connection.execute(sa.delete(oauth_grant))
    return database


def site(url: str, seed: str = "seed-one", **changes: str) -> Site:
    values = {"system": "minox", "conn_id": "minox_one", "client_id": "client", "client_secret": "client-geheim"}
    return Site(**{**values, "base_url": url, "scope": MINOX_SCOPES, "seed": seed, **changes})


def source(engine: sa.Engine, where: Site, fake: FakeTime | None = None) -> TokenSource:
    timing = Timing() if fake is None else Timing(fake.sleep, fake.clock, fake.clock, fake.random)
    return TokenSource(lambda: where, GrantStore(lambda: engine), limits=SHORT, timing=timing)


def stored(engine: sa.Engine, conn_id: str = "minox_one") -> dict[str, Any]:
    with engine.connect() as connection:
        row = connection.execute(sa.select(oauth_grant).where(oauth_grant.c.conn_id == conn_id)).one()
    return dict(row._mapping)


# -- refreshing --------------------------------------------------------------------------------------------------------


def test_the_seed_is_used_once_and_the_pair_is_stored_encrypted(empty: sa.Engine, tokens: TokenServer) -> None:
    first = source(empty, site(tokens.url))
    assert first.token() == "access-geheim-1"
    assert first.token() == source(empty, site(tokens.url)).token() == "access-geheim-1"
    assert len(tokens.seen) == 1
    seen = tokens.seen[0]
    assert (seen.method, seen.path) == ("POST", "/oauth/token")
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert seen.form == {
        "grant_type": "refresh_token",
        "refresh_token": "seed-one",
        "client_id": "client",
        "client_secret": "client-geheim",
    }
    row = stored(empty)
    assert (row["state"], row["generation"]) == ("good", 1)
    assert row["spent_seeds"] == [fingerprint(site(tokens.url).issuer, "seed-one")]
    assert "geheim" not in repr(row)
    assert row["obtained_at"] is not None
    assert row["refreshed_at"] is None
    assert Fernet(KEY).decrypt(row["refresh_token"]) == b"refresh-geheim-1"


@pytest.mark.parametrize(("lifetime", "fresh_for"), [(3600, 3540), (100, 90), (1199, 1139)])
def test_it_refreshes_a_minute_or_a_tenth_before_the_end(
    empty: sa.Engine, tokens: TokenServer, lifetime: int, fresh_for: int
) -> None:
    tokens.lifetime = lifetime
    fake = FakeTime()
    one = source(empty, site(tokens.url), fake)
    assert one.token() == "access-geheim-1"
    fake.now += fresh_for - 1
    assert one.token() == "access-geheim-1"
    fake.now += 2
    assert one.token() == "access-geheim-2"
    assert tokens.presented() == ["seed-one", "refresh-geheim-1"]
    assert stored(empty)["refreshed_at"] is not None


def test_a_rejected_token_is_renewed_once_for_all(empty: sa.Engine, tokens: TokenServer) -> None:
    one, two = source(empty, site(tokens.url)), source(empty, site(tokens.url))
    assert one.token() == two.token() == "access-geheim-1"
    assert one.renew("access-geheim-1") == "access-geheim-2"
    assert two.renew("access-geheim-1") == "access-geheim-2"
    assert two.token() == "access-geheim-2"
    assert len(tokens.seen) == 2


def test_the_new_pair_is_committed_before_it_is_used(empty: sa.Engine, tokens: TokenServer) -> None:
    one = source(empty, site(tokens.url))
    access = one.token()
    with empty.connect() as other:
        row = other.execute(sa.select(oauth_grant.c.access_token, oauth_grant.c.refresh_token)).one()
    assert Cipher().decrypt(row.access_token) == access
    assert Cipher().decrypt(row.refresh_token) == "refresh-geheim-1"


def test_others_wait_while_one_refreshes(empty: sa.Engine, tokens: TokenServer) -> None:
    give = tokens.token

    def slowly(seen: Seen) -> Reply:
        time.sleep(0.7)
        return give(seen)

    tokens.default = slowly
    got: list[str] = []
    workers = [threading.Thread(target=lambda: got.append(source(empty, site(tokens.url)).token())) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert got == ["access-geheim-1"] * 6
    assert len(tokens.seen) == 1


@pytest.mark.parametrize("look", [1, 2])
def test_a_token_is_there_while_another_thread_renews(empty: sa.Engine, tokens: TokenServer, look: int) -> None:
    give, fake = tokens.token, FakeTime()
    one, here = source(empty, site(tokens.url), fake), threading.current_thread()
    assert one.token() == "access-geheim-1"
    renewing = threading.Thread(target=one.renew, args=("access-geheim-1",))
    asked = threading.Event()
    looks = 0

    def slowly(seen: Seen) -> Reply:
        asked.set()
        time.sleep(0.3)
        return give(seen)

    def clock() -> float:
        nonlocal looks
        if threading.current_thread() is here:
            looks += 1
            if looks == look:  # between looking at the grant and using it
                renewing.start()
                assert asked.wait(30)
        return fake.now

    tokens.default = slowly
    one._timing = Timing(fake.sleep, clock, clock, fake.random)
    assert one.token() in {"access-geheim-1", "access-geheim-2"}
    if renewing.ident is not None:
        renewing.join(30)
    assert one.token() == f"access-geheim-{tokens.number}"


def test_a_token_is_decrypted_once_for_many_requests(empty: sa.Engine, tokens: TokenServer) -> None:
    one = source(empty, site(tokens.url))
    with mock.patch.object(Cipher, "decrypt", autospec=True, side_effect=Cipher.decrypt) as decrypt:
        assert [one.token() for _ in range(5)] == ["access-geheim-1"] * 5
        assert decrypt.call_count == 1
        assert one.renew("access-geheim-1") == one.token() == "access-geheim-2"
        assert source(empty, site(tokens.url)).token() == "access-geheim-2"


def test_a_lost_answer_is_asked_again_and_may_end_in_refusal(empty: sa.Engine, tokens: TokenServer) -> None:
    tokens.lost = 1
    with pytest.raises(GrantRefusedError, match="connect again"):
        source(empty, site(tokens.url), FakeTime()).token()
    assert tokens.presented() == ["seed-one", "seed-one"]
    with pytest.raises(GrantRefusedError):
        source(empty, site(tokens.url), FakeTime()).token()
    assert len(tokens.seen) == 2


def test_an_endpoint_that_is_down_changes_nothing(empty: sa.Engine, tokens: TokenServer) -> None:
    one = source(empty, site(tokens.url), FakeTime())
    tokens.default = lambda _: Reply(500)
    with pytest.raises(TransientError):
        one.token()
    assert len(tokens.seen) == 3
    tokens.default = tokens.token
    assert one.token() == "access-geheim-1"


def test_the_token_endpoints_limit_is_obeyed(empty: sa.Engine, tokens: TokenServer) -> None:
    fake = FakeTime()
    tokens.script.append(Reply(429, b"", {"Retry-After": "20"}))
    assert source(empty, site(tokens.url), fake).token() == "access-geheim-1"
    assert sum(fake.sleeps) >= 20


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_a_refusal_is_remembered_and_never_a_loop(empty: sa.Engine, tokens: TokenServer) -> None:
    one = source(empty, site(tokens.url), FakeTime())
    one.token()
    tokens.valid.clear()
    with pytest.raises(GrantRefusedError) as caught:
        one.renew("access-geheim-1")
    assert "refresh_token" in caught.value.message
    for again in (one, source(empty, site(tokens.url), FakeTime())):
        for call in (again.token, lambda again=again: again.renew("access-geheim-1")):
            with pytest.raises(GrantRefusedError):
                call()
    assert len(tokens.seen) == 2
    row = stored(empty)
    assert (row["state"], row["message"]) == ("refused", "Minox: invalid_grant")
    assert row["refused_at"] is not None


def test_a_new_refresh_token_in_the_connection_is_a_new_set_up(empty: sa.Engine, tokens: TokenServer) -> None:
    source(empty, site(tokens.url), FakeTime()).token()
    tokens.valid = {"seed-two": "two"}
    for seed in ("seed-one", "seed-one", "seed-bad", "seed-bad", "seed-one"):
        with pytest.raises(GrantRefusedError):
            source(empty, site(tokens.url, seed), FakeTime()).renew("access-geheim-1")
    assert tokens.presented() == ["seed-one", "refresh-geheim-1", "seed-bad"]
    assert source(empty, site(tokens.url, "seed-two"), FakeTime()).token() == "access-geheim-2"
    row = stored(empty)
    assert (row["state"], row["message"], row["refused_at"]) == ("good", None, None)
    issuer = site(tokens.url).issuer
    assert row["spent_seeds"] == [fingerprint(issuer, seed) for seed in ("seed-one", "seed-bad", "seed-two")]


def test_another_refresh_token_is_left_alone_while_the_grant_is_good(empty: sa.Engine, tokens: TokenServer) -> None:
    source(empty, site(tokens.url)).token()
    assert source(empty, site(tokens.url, "seed-two")).token() == "access-geheim-1"
    assert tokens.presented() == ["seed-one"]


def test_another_refresh_token_takes_over_when_the_stored_one_is_refused(empty: sa.Engine, tokens: TokenServer) -> None:
    source(empty, site(tokens.url)).token()
    tokens.valid = {"seed-two": "two"}
    assert source(empty, site(tokens.url, "seed-two"), FakeTime()).renew("access-geheim-1") == "access-geheim-2"
    assert tokens.presented() == ["seed-one", "refresh-geheim-1", "seed-two"]


def test_two_connections_cannot_use_the_same_refresh_token(empty: sa.Engine, tokens: TokenServer) -> None:
    source(empty, site(tokens.url)).token()
    with pytest.raises(ConfigurationError, match="used by another connection"):
        source(empty, site(tokens.url, conn_id="minox_two")).token()
    assert len(tokens.seen) == 1


def test_a_connection_without_anything_says_what_to_do(empty: sa.Engine, tokens: TokenServer) -> None:
    with pytest.raises(GrantRefusedError, match="not connected yet"):
        source(empty, site(tokens.url, "")).token()
    assert tokens.seen == []
    assert stored(empty)["state"] == "absent"


@pytest.fixture
def elsewhere() -> Iterator[TokenServer]:
    other = TokenServer()
    yield other
    other.stop()


def test_stored_tokens_go_to_no_other_address_than_their_own(
    empty: sa.Engine, tokens: TokenServer, elsewhere: TokenServer
) -> None:
    source(empty, site(tokens.url)).token()
    elsewhere.valid = {}
    for _ in range(2):
        with pytest.raises(GrantRefusedError, match="another address"):
            source(empty, site(elsewhere.url)).token()
    assert elsewhere.presented() == ["seed-one"]  # what the connection says, once
    assert source(empty, site(tokens.url)).token() == "access-geheim-1"


def test_another_spelling_of_the_address_spends_no_seed_twice(empty: sa.Engine, tokens: TokenServer) -> None:
    source(empty, site(tokens.url)).token()
    other = site(tokens.url.replace("127.0.0.1", "localhost"))
    assert source(empty, other).token() == "access-geheim-1"
    assert tokens.presented() == ["seed-one"]


def test_a_connection_that_has_moved_is_set_up_by_its_refresh_token(
    empty: sa.Engine, tokens: TokenServer, elsewhere: TokenServer
) -> None:
    source(empty, site(tokens.url)).token()
    elsewhere.number = 7
    assert source(empty, site(elsewhere.url)).token() == "access-geheim-8"
    assert stored(empty)["issuer"] == site(elsewhere.url).issuer


def test_both_systems_may_begin_with_the_same_text(
    empty: sa.Engine, tokens: TokenServer, elsewhere: TokenServer
) -> None:
    source(empty, site(tokens.url)).token()
    qms = site(elsewhere.url, system="qms", conn_id="qms_one")
    assert source(empty, qms).token() == "access-geheim-1"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(401, {"error": "invalid_client"}),
        Reply(400, {"error": "invalid_client"}),
        Reply(401),
        Reply(400, "<html>"),
        Reply(400, {"error": "unauthorized_client"}),
        Reply(400, {"error": {"message": "invalid_grant"}}),
        Reply(400, {"error": ["invalid_grant"]}),
        Reply(403),
        Reply(404),
        Reply(302, b"", {"Location": "/login"}),
        Reply(415),
    ],
)
def test_a_wrong_client_does_not_spoil_the_grant(empty: sa.Engine, tokens: TokenServer, reply: Reply) -> None:
    one = source(empty, site(tokens.url), FakeTime())
    tokens.script.append(reply)
    with pytest.raises(ConfigurationError) as caught:
        one.token()
    assert not isinstance(caught.value, GrantRefusedError)
    assert len(tokens.seen) == 1
    assert one.token() == "access-geheim-1"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"access_token": "a", "refresh_token": "r", "token_type": "bearer", "expires_in": "1199"}, 1199),
        ({"access_token": "a", "refresh_token": "r", "token_type": "BEARER", "expires_in": 5}, 5),
        ({"access_token": "a", "refresh_token": "r"}, 600),
        ({"access_token": "a", "token_type": "Bearer", "expires_in": None}, 600),
        ({"access_token": "a", "refresh_token": "r", "expires_in": -3}, 600),
        ({"access_token": "a", "refresh_token": "r", "expires_in": True}, 600),
    ],
)
def test_answers_of_the_token_endpoint(empty: sa.Engine, tokens: TokenServer, body: Any, expected: int) -> None:
    tokens.script.append(Reply(200, body))
    assert source(empty, site(tokens.url), FakeTime()).token() == "a"
    row = stored(empty)
    assert row["lifetime"] == expected
    assert Cipher().decrypt(row["refresh_token"]) == body.get("refresh_token", "seed-one")


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b"", {"access_token": "a b\n", "refresh_token": "r"}, {"access_token": 5}]
)
def test_an_unusable_pair_is_asked_again(empty: sa.Engine, tokens: TokenServer, body: Any) -> None:
    tokens.script.append(Reply(200, body))
    assert source(empty, site(tokens.url), FakeTime()).token() == "access-geheim-1"
    assert tokens.presented() == ["seed-one", "seed-one"]


# -- the code flow -----------------------------------------------------------------------------------------------------


def test_authorize_url() -> None:
    url = authorize_url(site("https://app.minox.nl"), "https://k.example/cb?x=1", "st ate")
    assert url == (
        "https://app.minox.nl/oauth/authorize?response_type=code&client_id=client"
        "&redirect_uri=https%3A%2F%2Fk.example%2Fcb%3Fx%3D1&state=st+ate&scope="
        + MINOX_SCOPES.replace(":", "%3A").replace(" ", "+")
    )
    qms = authorize_url(site("https://q.example/pre", system="qms", scope=""), "https://k.example/cb", "s")
    assert qms.startswith("https://q.example/pre/api/oauth2/oauth2/auth?response_type=code&client_id=client&redirect")
    assert "scope" not in qms


def test_a_code_mends_a_refused_grant(empty: sa.Engine, tokens: TokenServer) -> None:
    one = source(empty, site(tokens.url), FakeTime())
    one.token()
    tokens.valid = {"code-one": "three"}
    tokens.family_of["code-one"] = "three"
    with pytest.raises(GrantRefusedError):
        one.renew("access-geheim-1")
    with pytest.raises(GrantRefusedError, match="code of this sign-in"):
        one.exchange_code("code-wrong", "https://k.example/cb")
    assert stored(empty)["state"] == "refused"
    one.exchange_code("code-one", "https://k.example/cb")
    assert one.token() == "access-geheim-2"
    form = tokens.seen[-1].form
    assert (form["grant_type"], form["code"], form["redirect_uri"]) == (
        "authorization_code",
        "code-one",
        "https://k.example/cb",
    )
    assert stored(empty)["state"] == "good"


# -- keys --------------------------------------------------------------------------------------------------------------


def test_tokens_that_no_key_reads(empty: sa.Engine, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    source(empty, site(tokens.url)).token()
    new = Fernet.generate_key().decode()
    monkeypatch.setenv(KEY_VARIABLE, new)
    with pytest.raises(ConfigurationError, match=KEY_VARIABLE):
        source(empty, site(tokens.url)).token()
    monkeypatch.setenv(KEY_VARIABLE, f"{new}, {KEY}")
    assert source(empty, site(tokens.url)).token() == "access-geheim-1"
    assert len(tokens.seen) == 1


def test_connecting_again_needs_no_old_key(
    empty: sa.Engine, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(empty, site(tokens.url)).token()
    monkeypatch.setenv(KEY_VARIABLE, Fernet.generate_key().decode())
    tokens.valid["code-one"] = tokens.family_of["code-one"] = "three"
    one = source(empty, site(tokens.url))
    one.exchange_code("code-one", "https://k.example/cb")
    assert one.token() == "access-geheim-2"


def test_airflows_key_is_the_second_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = Fernet.generate_key().decode()
    monkeypatch.setenv(AIRFLOW_KEY_VARIABLE, other)
    assert Fernet(KEY).decrypt(Cipher(tmp_path).encrypt("x")) == b"x"
    monkeypatch.setenv(KEY_VARIABLE, " ")
    assert Fernet(other).decrypt(Cipher(tmp_path).encrypt("x")) == b"x"
    assert list(tmp_path.iterdir()) == []


def test_a_bad_key_is_said_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "geheim")
    with pytest.raises(ConfigurationError, match=KEY_VARIABLE) as caught:
        Cipher().encrypt("x")
    assert "geheim" not in str(caught.value)


def test_the_key_file_is_made_once_for_its_owner_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.delenv(AIRFLOW_KEY_VARIABLE, raising=False)
    sealed: list[str] = []
    workers = [threading.Thread(target=lambda: sealed.append(Cipher(tmp_path).encrypt("x"))) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [Cipher(tmp_path).decrypt(text) for text in sealed] == ["x"] * 8
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


# -- silence -----------------------------------------------------------------------------------------------------------


def test_a_pair_shows_neither_of_its_tokens() -> None:
    pair = Pair("the-access-token", "the-refresh-token", 3600, dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    assert repr(pair) == "Pair(lifetime=3600)"


def test_no_token_or_secret_in_logs_errors_or_reprs(
    empty: sa.Engine, tokens: TokenServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    one = source(empty, site(tokens.url, "seed-one"), FakeTime())
    texts += [repr(one), repr(site(tokens.url)), repr(GrantStore(lambda: empty).read("minox_one"))]
    one.token()
    texts.append(repr(GrantStore(lambda: empty).read("minox_one")))
    for reply in (Reply(500, "access-geheim"), Reply(401, {"error": "client-geheim"}), Reply(400, {"error": "x"})):
        tokens.script.extend([reply] * 3)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - of any kind; its text is what counts
            one.renew("access-geheim-1")
        texts.append(f"{caught.value} {caught.value!r} {caught.value.__cause__!r}")
        tokens.script.clear()
    tokens.valid.clear()
    with pytest.raises(GrantRefusedError) as refused:
        one.renew("access-geheim-1")
    text = "\n".join([*texts, str(refused.value), json.dumps(stored(empty), default=str), caplog.text])
    assert "refused the refresh token" in text
    assert not [secret for secret in ("geheim", "seed-one", "seed-two") if secret in text]


# -- the race ----------------------------------------------------------------------------------------------------------


WORKERS = 8
ROUNDS = int(os.environ.get("MINOX_QMS_EXPIRIES", "80")) // 2  # each brings one expiry and one rejection


def _work(url: str, where: Site, barrier: Any, errors: Queue[str]) -> None:
    """Meet the others, let an hour pass, ask for a token; then have it rejected, all of us at once."""
    engine = engine_from_url(sa.make_url(url))
    fake = FakeTime(time.time() // 1_000_000 * 1_000_000)  # the same for all workers
    one = source(engine, where, fake)
    try:
        for _ in range(ROUNDS):
            barrier.wait(60)
            token = one.token()
            barrier.wait(60)
            if one.renew(token) == token:
                errors.put("the rejected token came back")
            fake.now += 4000
    except Exception as error:  # noqa: BLE001 - reported to the test
        errors.put(repr(error))
        barrier.abort()
    finally:
        engine.dispose()


def test_eight_processes_refresh_once_for_every_expiry(
    empty: sa.Engine, database_url: sa.URL, tokens: TokenServer
) -> None:
    context = multiprocessing.get_context("spawn")
    errors: Queue[str] = context.Queue()
    barrier = context.Barrier(WORKERS)
    arguments = (database_url.render_as_string(hide_password=False), site(tokens.url), barrier, errors)
    workers = [context.Process(target=_work, args=arguments) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(900)
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    assert errors.empty(), errors.get()
    presented = Counter(tokens.presented())
    assert max(presented.values()) == 1  # no refresh token went out twice
    assert len(presented) == 2 * ROUNDS  # one refresh per expiry and one per rejection, whoever asked
    row = stored(empty)
    assert (row["state"], row["generation"]) == ("good", 2 * ROUNDS)
    assert set(tokens.valid) == {Cipher().decrypt(row["refresh_token"]), "seed-two"}


def test_a_worker_that_dies_while_refreshing_lets_go(empty: sa.Engine, tokens: TokenServer) -> None:
    store = GrantStore(lambda: empty)
    with pytest.raises(RuntimeError), store.locked("minox_one"):
        raise RuntimeError("died")
    assert source(empty, site(tokens.url)).token() == "access-geheim-1"


def _cut_holder(engine: sa.Engine) -> None:
    """End the sessions that hold a grant's row, as a restart of the database would."""
    with engine.connect() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
                " AND datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


def test_a_pair_survives_the_database_going_away(empty: sa.Engine, tokens: TokenServer) -> None:
    give = tokens.token

    def cut(seen: Seen) -> Reply:
        _cut_holder(empty)
        return give(seen)

    one = source(empty, site(tokens.url), FakeTime())
    tokens.default = cut
    assert one.token() == "access-geheim-1"
    assert one.renew("access-geheim-1") == "access-geheim-2"
    assert tokens.presented() == ["seed-one", "refresh-geheim-1"]
    row = stored(empty)
    assert (row["state"], row["generation"], row["spent_seeds"]) == (
        "good",
        2,
        [fingerprint(site(tokens.url).issuer, "seed-one")],
    )
    assert Cipher().decrypt(row["refresh_token"]) == "refresh-geheim-2"


def test_a_pair_that_was_stored_though_the_answer_was_lost(empty: sa.Engine, tokens: TokenServer) -> None:
    class LosesTheFirstAnswer(GrantStore):
        lost = False

        @contextmanager
        def locked(self, conn_id: str) -> Iterator[LockedGrant]:
            with super().locked(conn_id) as held:
                yield held
            if not self.lost:
                self.lost = True
                raise sa.exc.OperationalError("COMMIT", {}, Exception("connection lost"))

    one = TokenSource(lambda: site(tokens.url), LosesTheFirstAnswer(lambda: empty), limits=SHORT)
    assert one.token() == "access-geheim-1"
    assert (stored(empty)["generation"], len(tokens.seen)) == (1, 1)


def test_a_pair_that_cannot_be_stored_is_said(empty: sa.Engine, tokens: TokenServer) -> None:
    fake = FakeTime()
    down: list[bool] = []

    def engine() -> sa.Engine:
        if down:
            raise sa.exc.OperationalError("", {}, Exception("down"))
        return empty

    def cut(seen: Seen) -> Reply:
        _cut_holder(empty)
        down.append(True)
        return tokens.token(seen)

    tokens.default = cut
    timing = Timing(fake.sleep, fake.clock, fake.clock, fake.random)
    one = TokenSource(lambda: site(tokens.url), GrantStore(engine), limits=SHORT, timing=timing)
    with pytest.raises(TransientError, match="could not be stored") as caught:
        one.token()
    assert "geheim" not in str(caught.value)
    assert sum(fake.sleeps) == pytest.approx(30.5)


def test_two_connections_with_one_new_refresh_token_at_once(empty: sa.Engine, tokens: TokenServer) -> None:
    give = tokens.token

    def slowly(seen: Seen) -> Reply:
        time.sleep(0.5)
        return give(seen)

    tokens.default = slowly
    ends: list[str] = []

    def one(conn_id: str) -> None:
        try:
            ends.append(source(empty, site(tokens.url, conn_id=conn_id)).token())
        except ConfigurationError:
            ends.append("refused")

    workers = [threading.Thread(target=one, args=(f"minox_{number}",)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(ends) == ["access-geheim-1", "refused", "refused"]
    assert len(tokens.seen) == 1


def test_waiting_for_the_row_has_an_end(empty: sa.Engine, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.storage.grants.LOCK_SECONDS", 1)
    with GrantStore(lambda: empty).locked("minox_one"), pytest.raises(TransientError, match="Another task"):
        source(empty, site(tokens.url)).token()
    assert tokens.seen == []


def test_a_fresh_grant_is_one_of_its_own_issuer(empty: sa.Engine, tokens: TokenServer) -> None:
    source(empty, site(tokens.url)).token()
    grant = GrantStore(lambda: empty).read("minox_one")
    assert grant is not None
    now = dt.datetime.now(dt.UTC)
    issuer = site(tokens.url).issuer
    assert grant.is_fresh(issuer, now)
    assert not grant.is_fresh("https://other.example/oauth/token", now)
    assert not grant.is_fresh(issuer, now + dt.timedelta(hours=1))
