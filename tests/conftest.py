"""Fixtures for all tests: one embedded PostgreSQL per test session, a fresh migrated database per module.

Airflow gets a scratch home of its own before anything imports it: it makes files there, and must not find anybody's.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from include.storage.embedded import ensure_database, start_server, stop_server
from include.storage.engine import engine_from_url
from include.storage.migrate import migrate
from tests.database import hurry
from tests.programs import pytest_configure, pytest_terminal_summary  # noqa: F401 - hooks of pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.demo.test_demo import Demo

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="minox-qms-airflow-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)


SHARED = {"demo": ("tests/browser/", "tests/demo/test_demo.py"), "page": ("tests/page/",)}
"""Tests over one demo, and over one API server with the Sync page, by where they are."""


def _turn(item: pytest.Item) -> int | None:
    """When a test has its turn of those over the one demo: first who looks at it, then who clicks, then who ends it."""
    if item.path.parent.name == "browser":
        return 1
    if item.path.name == "test_demo.py":
        return 2 if item.name == "test_ending_it_leaves_nothing_running" else 0
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests over the demo, in their order: it is started once, and they take longest."""
    turns = {item: turn for item in items if (turn := _turn(item)) is not None}
    items[:] = [*sorted(turns, key=lambda item: turns[item]), *(item for item in items if item not in turns)]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the tests that share a server to one process, beside what `--dist loadscope` keeps together."""
    if config.getvalue("dist") != "loadscope":
        return None
    scheduler = LoadScopeScheduling(config, log)
    of_module = scheduler._split_scope

    def scope_of(nodeid: str) -> str:
        shared = (name for name, paths in SHARED.items() if nodeid.startswith(paths))
        return next(shared, None) or str(of_module(nodeid))

    scheduler._split_scope = scope_of
    return scheduler


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """The demo, up: both directions over the sandbox in a real Airflow."""
    from tests.demo.test_demo import Demo, call  # noqa: PLC0415 - Airflow's home is to be set before

    home = Path(tempfile.mkdtemp(prefix="minox-qms-demo-"))
    try:
        yield Demo.start(home)
    finally:
        call("down", "--home", str(home))
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def database_server() -> Iterator[sa.URL]:
    """URL of an embedded server that lives as long as the test session."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    directory = Path(tempfile.mkdtemp(prefix="minox-qms-test-"))
    try:
        yield hurry(start_server(directory / "pg", keep=True))
    finally:
        stop_server(directory / "pg")
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def database_template(database_server: sa.URL) -> str:
    """Name of a migrated database that the others are copied from."""
    url = ensure_database(database_server, "template_minox_qms")
    engine = engine_from_url(url)
    migrate(engine)
    engine.dispose()
    return "template_minox_qms"


@pytest.fixture(scope="session")
def airflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's empty, migrated metadata database, to be copied: to make one takes ten seconds and more."""
    from minox_qms.cli.in_process import _template  # noqa: PLC0415 - Airflow's home is to be set before

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("MINOX_QMS_HOME", str(tmp_path_factory.mktemp("airflow")))
        return _template()


@pytest.fixture(scope="module")
def database_url(database_server: sa.URL, database_template: str) -> Iterator[sa.URL]:
    """URL of a fresh, migrated database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    server = sa.create_engine(database_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {database_template}"))
    yield database_server.set(database=name)
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def database(database_url: sa.URL) -> Iterator[sa.Engine]:
    """Engine of a fresh, migrated database."""
    engine = engine_from_url(database_url)
    yield engine
    engine.dispose()
