"""The demo's databases: new and empty at every start, on an embedded PostgreSQL of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import sqlalchemy as sa

from demo.places import PROJECT, DemoError
from include.storage.embedded import start_server
from include.storage.engine import engine_from_url
from include.storage.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.places import Places

CONNECTOR, AIRFLOW = "minox_qms", "airflow"
_LIMIT = 300
"""Seconds that making Airflow's tables may take."""


def start(places: Places) -> sa.URL:
    """Start the server.

    Args:
        places: Where its data is.

    Returns:
        URL of its maintenance database.
    """
    return start_server(places.postgres, keep=True)


def new_connector_database(server: sa.URL) -> sa.URL:
    """Make the connector's database anew, with its tables.

    Args:
        server: URL of the maintenance database.

    Returns:
        The URL of the database.
    """
    _make(server, CONNECTOR, template="template0")
    url = server.set(database=CONNECTOR)
    engine = engine_from_url(url)
    migrate(engine)
    engine.dispose()
    return url


def new_airflow_database(server: sa.URL, environment: Mapping[str, str]) -> sa.URL:
    """Make Airflow's database anew, as a copy of an empty one that is made once per release.

    Args:
        server: URL of the maintenance database.
        environment: For Airflow's own command; it names the database of the URL that is returned.

    Returns:
        The URL of the database.

    Raises:
        DemoError: Airflow could not make its tables.
    """
    empty = f"{AIRFLOW}_{version('apache-airflow').replace('.', '_')}"
    if not _exists(server, empty):
        _make(server, AIRFLOW, template="template0")
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=dict(environment),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT,
        )
        if done.returncode != 0:
            raise DemoError(f"Airflow could not make its tables:\n{done.stderr[-2000:]}")
        _make(server, empty, template=AIRFLOW)
    _make(server, AIRFLOW, template=empty)
    return airflow_url(server)


def airflow_url(server: sa.URL) -> sa.URL:
    """URL of Airflow's database."""
    return server.set(database=AIRFLOW)


def _make(server: sa.URL, name: str, template: str) -> None:
    """Make a database, in place of the one of that name."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    quote = engine.dialect.identifier_preparer.quote
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)"))
        connection.execute(sa.text(f"CREATE DATABASE {quote(name)} TEMPLATE {quote(template)}"))


def _exists(server: sa.URL, name: str) -> bool:
    engine = sa.create_engine(server, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = connection.scalar(sa.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
    return found is not None
