"""Fixtures of the hooks' tests: programmed servers, and connections that Airflow finds in the environment."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

if "AIRFLOW_HOME" not in os.environ:  # before the first airflow import, which makes files there
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="minox-qms-airflow-")
    atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

from include.storage.grants import KEY_VARIABLE
from tests.hooks.fake_server import FakeServer, FakeTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.stop()


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, FERNET_KEY)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Declare an Airflow connection."""

    def declare(conn_id: str, conn_type: str, host: str, **fields: object) -> None:
        extra = {"refresh_token": "seed-refresh-token-1"}
        content = {"conn_type": conn_type, "host": host, "login": "client-one", "password": "secret-of-client-one"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({**content, "extra": extra, **fields}))

    return declare
