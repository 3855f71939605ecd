"""Every answer that the contracts describe, spoilt: its end is a value or one of our errors, which names the system.

`make fuzz EXAMPLES=1000` runs more examples of each; `make test` runs some, always the same.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from include.errors import ConnectorError
from minox_qms.hooks.address import NAMES
from minox_qms.hooks.http import Limits
from tests.hooks.fake_server import FakeServer, FakeTime, Reply
from tests.security.calls import call_for, come_back, hook_of, numbers_of, texts_of
from tests.security.hostile import HOSTILE, Described, described, hostile_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minox_qms.hooks.base import SystemHook

EXAMPLES = int(os.environ.get("MINOX_QMS_FUZZ_EXAMPLES", "8"))
ANSWERS = [one for one in described() if not one.path.endswith(("/authorize", "/auth"))]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.stop()


@pytest.fixture(scope="module")
def clock() -> FakeTime:
    return FakeTime()


@pytest.fixture(scope="module")
def hooks(server: FakeServer, clock: FakeTime) -> Iterator[dict[str, SystemHook]]:
    made = {system: hook_of(system, server.url, clock) for system in NAMES}
    yield made
    for hook in made.values():
        hook.close()


def test_every_answer_of_both_contracts_is_here() -> None:
    assert len(ANSWERS) == len(set(ANSWERS)) > 370
    assert {one.system for one in ANSWERS} == set(NAMES)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda one: one.label)
def test_a_hostile_answer_ends_in_a_value_or_in_one_of_our_errors(
    answer: Described, server: FakeServer, clock: FakeTime, hooks: dict[str, SystemHook]
) -> None:
    server.seen.clear()
    call = call_for(answer, hooks[answer.system])
    for number in range(EXAMPLES):
        clock.now += Limits().total  # the answer before may have told us to wait
        status, body, headers = hostile_answer(answer, Random(f"{answer.label} {number}"))  # noqa: S311 - no secret
        reply = Reply(status, body, headers)
        server.default = lambda _, reply=reply: reply  # type: ignore[misc]
        try:
            end = call()
        except ConnectorError as error:
            check_error(error, answer.system)
        except Exception as error:  # noqa: BLE001 - the finding itself
            pytest.fail(f"example {number} (status {status}, {body[:300]!r}, {headers}) ends in {error!r}")
        else:
            check_value(end)
    assert server.seen


def check_error(error: ConnectorError, system: str) -> None:
    """It says which system, in a sentence, and repeats nothing long."""
    assert NAMES[system] in error.message
    assert error.system in {system, ""}
    assert error.message[0].isupper()
    assert error.message.endswith((".", ")"))
    assert len(str(error)) < 1500


def check_value(value: Any) -> None:
    """What gets through can be stored and counted with: no NUL, no half character, no endless number."""
    for text in texts_of(value):
        assert "\x00" not in text
        text.encode()
    for number in numbers_of(value):
        assert number.is_finite()
        assert abs(number.adjusted()) < 100


def test_what_a_browser_brings_back_from_the_consent_page() -> None:
    random = Random("consent")  # noqa: S311 - no secret
    texts = [one for one in HOSTILE if isinstance(one, str)] + ["code=x&state=state", "state=state", "code=&state=é"]
    for _ in range(50 * EXAMPLES):
        query = "&".join(
            f"{random.choice(('code', 'state', 'error', '[', ''))}={random.choice(texts)}" for _ in range(3)
        )
        try:
            assert come_back(query).state in {"state", None}
        except ConnectorError as error:
            assert len(str(error)) < 500  # noqa: PT017 - a value is as good an end
