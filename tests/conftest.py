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
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from include.storage.embedded import ensure_database, start_server, stop_server
from include.storage.engine import engine_from_url
from include.storage.migrate import migrate
from tests.database import hurry
from tests.programs import pytest_configure, pytest_terminal_summary  # noqa: F401 - hooks of pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="minox-qms-airflow-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)


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
@pytest.fixture(scope="session")
def airflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's empty, migrated metadata database, to be copied: to make one takes ten seconds and more."""
    from minox_qms.cli.in_process import _template  # noqa: PLC0415 - Airflow's home is to be set before

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("MINOX_QMS_HOME", str(tmp_path_factory.mktemp("airflow")))
        return _template()


