"""A real API server of Airflow with the Sync page in it, over both stand-ins; nothing of its login is stubbed."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import requests
import sqlalchemy as sa
import yaml

from demo import environment
from demo.places import PROJECT, Places
from include.storage.engine import engine_from_url
from sandbox.common.config import Config
from sandbox.minox.app import create_app as create_minox
from sandbox.qms.app import create_app as create_qms
from tests.page import records
from tests.world import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

START_SECONDS = 120
SECRETS = ("geheim-of-the-client", "access-token-of-the-page", "refresh-token-of-the-page", "seed-of-the-page")


@dataclass
class Visitor:
    """Somebody at a browser: keeps cookies, and sends what a browser sends with a form."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False  # no proxy stands before loopback

    def log_in(self, name: str) -> None:
        body = {"username": name, "password": name}
        answer = self.session.post(f"{self.url.removesuffix('/minox-qms')}/auth/token", json=body, timeout=30)
        answer.raise_for_status()
        self.session.cookies.set("_token", answer.json()["access_token"])

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(self.url + path, headers=headers, timeout=30, allow_redirects=False)

    def page(self, path: str, **headers: str) -> str:
        """A page that is there."""
        answer = self.get(path, **headers)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[-2000:])
        return answer.text

    def token(self) -> str:
        """The form token that the page shows this visitor."""
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', self.page("/links/page/connections"))
        return found[1] if found else ""

    def post(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> requests.Response:
        """Send a form as a browser does: same origin, with the page's token, unless the test says otherwise."""
        own = {"Origin": self.url.removesuffix("/minox-qms"), "Sec-Fetch-Site": "same-origin"}
        return self.session.post(
            self.url + path,
            data={"form_token": self.token() if token is None else token, **(form or {})},
            headers=dict(own if headers is None else headers),
            timeout=30,
            allow_redirects=False,
        )


@dataclass
class Site:
    """The server under test."""

    url: str
    database: sa.Engine
    minox: str
    qms: str
    links: Path
    secret: str = ""

    def visitor(self, name: str | None) -> Visitor:
        made = Visitor(self.url)
        if name is not None:
            made.log_in(name)
        return made


@pytest.fixture(scope="session")
def site(
    database_server: sa.URL, database_template: str, airflow_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The server, with a link `page` full of records."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    server = sa.create_engine(database_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {database_template}"))
    engine = engine_from_url(database_server.set(database=name))
    systems = [Server(create(Config(dataset="empty", rate_limit="off"))) for create in (create_minox, create_qms)]
    home = tmp_path_factory.mktemp("page")
    made = Site("", engine, systems[0].start(), systems[1].start(), home / "links")
    made.links.mkdir()
    (made.links / "page.yaml").write_text(yaml.safe_dump(records.SETTINGS), encoding="utf-8")
    shutil.copyfile(airflow_database, home / "airflow.db")
    process = _start(made, home)
    try:
        records.fill(engine)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=30)
        for system in systems:
            system.stop()
        engine.dispose()
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def _start(site: Site, home: Path) -> subprocess.Popen[bytes]:
    """Start Airflow's API server on a SQLite database of its own, and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        places = Places(home=home, links=site.links, airflow_port=probe.getsockname()[1])
    environment.write_passwords(places)
    variables = environment.airflow(places, sa.make_url(f"sqlite:///{home / 'airflow.db'}"))
    del variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"]  # SQLite has a driver of its own for that
    variables |= environment.connector(places, site.database.url)
    variables |= {f"AIRFLOW_CONN_{name.upper()}_PAGE": content for name, content in _connections(site).items()}
    os.environ["MINOX_QMS_FERNET_KEY"] = variables["MINOX_QMS_FERNET_KEY"]
    site.url = f"{places.airflow}/minox-qms"
    site.secret = variables["AIRFLOW__API__SECRET_KEY"]
    with (home / "api-server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server", "--host", "127.0.0.1"],
            env=environment.clean() | variables,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if site.visitor(None).get("/").status_code == 401:
                return process
        except requests.ConnectionError:
            time.sleep(0.2)
    process.kill()
    raise AssertionError((home / "api-server.log").read_text()[-3000:])


def _connections(site: Site) -> dict[str, str]:
    """Both connections, whose secrets no page may show."""
    return {
        name: json.dumps(
            {
                "conn_type": name,
                "host": url,
                "login": client,
                "password": "geheim",
                "extra": {"refresh_token": SECRETS[3]},
            }
        )
        for name, url, client in (("minox", site.minox, "qics-connector"), ("qms", site.qms, "qms-connector"))
    }


@pytest.fixture
def admin(site: Site) -> Visitor:
    """Somebody who may do everything."""
    return site.visitor("admin")


@pytest.fixture
def viewer(site: Site) -> Visitor:
    """Somebody who may look."""
    return site.visitor("eva")


@pytest.fixture
def nobody(site: Site) -> Visitor:
    """Somebody who did not log in."""
    return site.visitor(None)
