"""A link whose alerts go by mail and to a webhook, both real, and a database of its own."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="minox-qms-airflow-"))  # before the first airflow import

import pytest
import sqlalchemy as sa
import yaml

from include.storage.engine import _engine_of_process
from minox_qms.alerts.desk import Desk
from tests.alerts.receivers import MailServer, Webhook
from tests.settings.support import MINIMAL
from tests.storage.support import new_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDRESSES = ["boekhouder@kantoor.example", "technicus@kantoor.example"]
SECRET = "T0/B0/geheim-van-de-webhook"


@dataclass
class Office:
    """One link, and the people who are told of it."""

    link: str
    links: Path
    database: sa.Engine
    mail: MailServer
    webhook: Webhook

    def settle(self, *, email: bool = True, webhook: bool = False, **alerts: Any) -> None:
        """Write the link's file with these routes."""
        section: dict[str, Any] = {**alerts}
        if email:
            section["email"] = ADDRESSES
        if webhook:
            section["webhooks"] = ["alert_hook"]
        self.write(yaml.safe_dump({**MINIMAL, "alerts": section}))

    def write(self, content: str) -> None:
        (self.links / f"{self.link}.yaml").write_text(content, encoding="utf-8")

    @property
    def desk(self) -> Desk:
        return Desk(self.database, self.link)

    def rows(self, query: str, **values: Any) -> list[Any]:
        with self.database.connect() as connection:
            return list(connection.execute(sa.text(query), {"link": self.link, **values}).all())

    def execute(self, query: str, **values: Any) -> None:
        with self.database.begin() as connection:
            connection.execute(sa.text(query), {"link": self.link, **values})

    def incidents(self) -> list[tuple[str, str, str]]:
        """Direction, kind and subject of the open incidents."""
        which = "link = :link AND resolved_at IS NULL ORDER BY id"
        rows = self.rows(f"SELECT direction, kind, subject FROM alert_incident WHERE {which}")  # noqa: S608
        return [(row.direction, row.kind, row.subject) for row in rows]

    def lapse(self) -> None:
        """Let the leases of all messages lapse."""
        self.execute("UPDATE alert_message SET claimed_at = claimed_at - interval '10 minutes' WHERE link = :link")


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    yield server
    server.stop()


@pytest.fixture
def receivers(mail: MailServer, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's connections to both."""
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "koppeling@kantoor.example", "timeout": 5}
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": mail.start(), "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(smtp))
    hook = {"conn_type": "http", "host": f"http://127.0.0.1:{webhook.start()}/services", "password": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_ALERT_HOOK", json.dumps(hook))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.kantoor.example")


@pytest.fixture
def office(
    receivers: None,
    mail: MailServer,
    webhook: Webhook,
    database: sa.Engine,
    database_url: sa.URL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Office]:
    """A link of the test's own, whose alerts are mailed."""
    monkeypatch.setenv("MINOX_QMS_DATABASE_URL", database_url.render_as_string(hide_password=False))
    monkeypatch.setenv("MINOX_QMS_HOME", str(tmp_path / "home"))
    links = tmp_path / "links"
    links.mkdir()
    monkeypatch.setenv("MINOX_QMS_LINKS_DIR", str(links))
    _engine_of_process.cache_clear()
    made = Office(new_link(), links, database, mail, webhook)
    made.settle()
    yield made
    _engine_of_process(os.getpid()).dispose()
    _engine_of_process.cache_clear()
