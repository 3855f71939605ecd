"""Secrets are nowhere, personal data only where it is needed: whole runs with recognisable ones, and a search.

Both directions and the reconciliation run, good and failing, in this process and in a real Airflow; then everything
that they left behind is searched. That no page of the Sync page shows one is tested in `tests/page/test_routes.py`.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import shutil
import sqlite3
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from include.settings.load import load_link
from include.storage.engine import _engine_of_process
from include.storage.grants import AIRFLOW_KEY_VARIABLE, KEY_VARIABLE
from include.storage.tables import metadata
from minox_qms.alerts.watcher import watch
from minox_qms.cli import app
from sandbox.common.oauth import TokenStore
from sandbox.minox import app as minox_app
from sandbox.qms import app as qms_app
from tests.alerts.calls import run_fails, task_fails
from tests.alerts.receivers import MailServer, Webhook
from tests.alerts.test_in_airflow import Collector, run_dag_apart
from tests.e2e import master
from tests.e2e.booking_world import BookingWorld, invoice
from tests.world import _build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.world import Ran

SECRETS = {
    "client secret of Minox": "klantgeheim-minox-7f3a",
    "client secret of QMS": "klantgeheim-qms-91bc",
    "first refresh token of Minox": "sandbox-minox-refresh",
    "first refresh token of QMS": "sandbox-qms-refresh",
    "database password": "databasewachtwoord-5d1e",
    "address of the webhook": "T0/B0/webhookgeheim-c02f",
    "mail password": "mailwachtwoord-8a44",
    "key of the tokens": Fernet.generate_key().decode(),
    "Airflow's key": Fernet.generate_key().decode(),
}
PERSONAL = {
    "name": "Wilhelmina Persoonsma",
    "contact": "Diederik Contactmans",
    "e-mail address": "wilhelmina@priveadres.example",
    "phone number": "06-31415926",
    "street": "Verborgenlaan 133",
    "name in QMS": "Aleida Faktuurstra",
    "text of an invoice": "Gesprek over Joris Tekstema",
    "name that was echoed": "Roderick Teruggekaatst",
}
ALLOWED = {
    "staging_customers.raw", "staging_qms_customers.raw", "staging_invoices.raw", "staging_invoice_totals.raw",
    "staging_preview.details", "quarantine.payload", "quarantine.message", "quarantine.findings",
    "binding.written", "binding.refused_message", "field_change.changes", "booking.entry", "booking.message",
    "booking_attempt.messages", "record_current.message", "sync_outcome.message", "entity_report.wanted",
    "entity_report.reported", "alert_message.body",
}  # fmt: skip
"""Columns of the connector's database that may hold personal data: records as received and as written, and the other
system's own words about a record."""


def forms(secret: str) -> set[str]:
    """A text as it is, and as it looks in an address, a JSON text, a header or a listing of bytes."""
    raw = secret.encode()
    packed = {base64.b64encode(b"x" * shift + raw).decode().rstrip("=")[4:-3] for shift in range(3)}
    return {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], raw.hex(), *packed}


def found(wanted: dict[str, str], places: dict[str, str]) -> list[tuple[str, str]]:
    """Where which of these is found: pairs of what and where."""
    return sorted(
        (name, place)
        for name, secret in wanted.items()
        for place, text in places.items()
        if any(form in text for form in forms(secret))
    )


@dataclass
class Left:
    """What the runs left behind, by place."""

    secrets: dict[str, str]
    logs: dict[str, str] = field(default_factory=dict)
    airflow: dict[str, str] = field(default_factory=dict)
    telemetry: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def everything(self) -> dict[str, str]:
        kinds = (self.logs, self.airflow, self.telemetry, self.messages, self.commands, self.columns)
        return {place: text for kind in kinds for place, text in kind.items()}


class Recorder(logging.Handler):
    """Keeps every record as a text, with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {self.format(record)}")


class Scene:
    """A world in which every secret and every person can be recognised."""

    def __init__(self, directory: Path, database: sa.Engine, patch: pytest.MonkeyPatch) -> None:
        self.secrets = dict(SECRETS)
        self._remember_tokens(patch)
        patch.setattr(minox_app, "CLIENT_SECRET", SECRETS["client secret of Minox"])
        patch.setattr(qms_app, "CLIENT_SECRET", SECRETS["client secret of QMS"])
        patch.setenv(KEY_VARIABLE, SECRETS["key of the tokens"])
        patch.setenv(AIRFLOW_KEY_VARIABLE, SECRETS["Airflow's key"])
        self.world = BookingWorld(directory, database, patch)
        for system in ("minox", "qms"):
            self._secret_of(patch, system)
        self._database_password(database, patch)
        self.mail, self.webhook = MailServer(), Webhook()
        self._receivers(patch)
        self.world.configure(
            alerts={"email": ["boekhouder@kantoor.example"], "webhooks": ["alert_hook"]},
            master_data={"entities": master.ALL_OFF},
        )
        self._people()

    def _remember_tokens(self, patch: pytest.MonkeyPatch) -> None:
        """Know every token that the stand-ins give out, of every generation."""
        original: Any = TokenStore._issue

        def issue(store: TokenStore, family: Any) -> Any:
            answer = original(store, family)
            for name in ("access_token", "refresh_token"):
                self.secrets[f"{name} {len(self.secrets)}"] = str(answer[name])
            return answer

        patch.setattr(TokenStore, "_issue", issue)

    def _secret_of(self, patch: pytest.MonkeyPatch, system: str) -> None:
        variable = f"AIRFLOW_CONN_{system.upper()}_TEST"
        content = json.loads(os.environ[variable])
        content["password"] = SECRETS[f"client secret of {'Minox' if system == 'minox' else 'QMS'}"]
        patch.setenv(variable, json.dumps(content))

    def _database_password(self, database: sa.Engine, patch: pytest.MonkeyPatch) -> None:
        password = SECRETS["database password"]
        with database.begin() as connection:
            connection.execute(sa.text("DROP ROLE IF EXISTS leaks"))
            connection.execute(sa.text(f"CREATE ROLE leaks LOGIN SUPERUSER PASSWORD '{password}'"))
        url = database.url.set(username="leaks", password=password)
        patch.setenv("MINOX_QMS_DATABASE_URL", url.render_as_string(hide_password=False))
        _engine_of_process.cache_clear()

    def _receivers(self, patch: pytest.MonkeyPatch) -> None:
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "koppeling@kantoor.example", "timeout": 5}
        smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": self.mail.start(), "extra": extra}
        patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps({**smtp, "password": SECRETS["mail password"]}))
        hook = {"conn_type": "http", "host": f"http://127.0.0.1:{self.webhook.start()}/services"}
        patch.setenv("AIRFLOW_CONN_ALERT_HOOK", json.dumps({**hook, "password": SECRETS["address of the webhook"]}))

    def _people(self) -> None:
        address = {
            "name": PERSONAL["name"],
            "contact_name": PERSONAL["contact"],
            "streetname_and_number": PERSONAL["street"],
            "phone_numbers": [{"phone_number": PERSONAL["phone number"]}],
            "email_addresses": [{"email_address": PERSONAL["e-mail address"]}],
        }
        person = master.customer(20001)
        person["addresses"][0] |= address
        nameless = master.customer(20002)
        nameless["addresses"][0] |= address | {"name": " "}
        wrong = master.customer(20003, blocked={"active": "misschien"})
        wrong["addresses"][0] |= address
        master.give(self.world, "customer", person, nameless, wrong)
        names: dict[str, Any] = {"customer_code": "20001", "customer_name": PERSONAL["name in QMS"]}
        self.world.add(
            *(invoice(key, text=PERSONAL["text of an invoice"], **names) for key in (1, 2, 3)),
            invoice(4, text=PERSONAL["text of an invoice"], customer_code="x", customer_name=PERSONAL["name in QMS"]),
        )

    def echo(self) -> None:
        """Let Minox refuse an entry in words that repeat a person, and QMS a customer."""
        body = [{"message": f"Debiteur {PERSONAL['name that was echoed']} is geblokkeerd", "field": "account"}]
        self.world.minox.spoil(method="PUT", path="transaction_line_batch", action="status", status=400, body=body)
        value = {"odata.error": {"code": "x", "message": {"lang": "nl", "value": PERSONAL["name that was echoed"]}}}
        self.world.qms.spoil(method="POST", path="CustomerCompany", action="status", status=400, body=value)

    def call_back(self, ran: Ran) -> None:
        """Airflow's calls after a run that failed."""
        dag = _build(ran.dag_id.partition("__")[0])(load_link(self.world.directory / "test.yaml"))
        for task_id, error in ran.tasks.items():
            if isinstance(error, BaseException):
                task_fails(dag, ran.run_id, task_id, error)
        run_fails(SimpleNamespace(dags={ran.dag_id: dag}), ran.dag_id, ran.run_id)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.mail.stop()
        self.webhook.stop()
        self.world.stop()


def run_here(scene: Scene, left: Left) -> None:
    """Good and failing runs in this process, whose log records are kept."""
    world, recorder = scene.world, Recorder()
    root, levels = logging.getLogger(), {name: logging.getLogger(name).level for name in ("minox_qms", "include")}
    root.addHandler(recorder)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        scene.echo()
        runs = [world.run_master_data(), world.run(), world.run_reconciliation()]
        world.minox.control("POST", "grants", {"action": "expire"})
        runs.append(world.run_master_data())
        world.minox.spoil(method="GET", path="customer", action="status", status=401, times=None)
        runs.append(world.run_master_data())
        world.minox.heal()
        world.execute("ALTER TABLE staging_customers ADD CONSTRAINT planted CHECK (key <> '20001') NOT VALID")
        runs.append(world.run_master_data())
        world.execute("ALTER TABLE staging_customers DROP CONSTRAINT planted")
        world.minox.control("POST", "grants", {"action": "revoke"})
        runs.append(world.run_master_data())
        for ran in runs:
            scene.call_back(ran)
        watch(world.database)
    finally:
        root.removeHandler(recorder)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    left.logs["log records"] = "\n".join(recorder.lines)
    left.logs["errors of tasks"] = "\n".join(f"{error!r} {error}" for ran in runs for error in ran.tasks.values())
    assert sum(not ran.is_good for ran in runs) >= 3
    left.messages["mails"] = "\n".join(str(mail) for mail in scene.mail.mails) + "\n".join(scene.mail.texts())
    left.messages["webhook"] = "\n".join(json.dumps(content) for _, _, content in scene.webhook.posts)
    assert scene.mail.mails
    assert scene.webhook.posts


def run_in_airflow(scene: Scene, left: Left, home: Path) -> None:
    """The same in a real Airflow: its logs, database, metrics and lineage."""
    world, collector = scene.world, Collector()
    world.minox.control("POST", "grants", {"action": "reset"})
    world.execute("DELETE FROM oauth_grant WHERE conn_id = 'minox_test'")
    world.execute("ALTER TABLE staging_customers ADD CONSTRAINT planted CHECK (key <> '20001') NOT VALID")
    period = {"from_date": "2026-01-01", "to_date": "2026-12-31"}
    for dag_id, conf in (("minox_master_data__test", {}), ("qms_invoices__test", period)):
        done = run_dag_apart(dag_id, conf, home, collector, lineage=home / "lineage", answer=home / "answer")
        left.logs[f"output of {dag_id}"] = done.stdout + done.stderr
        assert (home / "answer").exists(), done.stderr[-2000:]
    collector.stop()
    world.execute("ALTER TABLE staging_customers DROP CONSTRAINT planted")
    assert "could not do what was asked" in "".join(left.logs.values())
    for path in (*home.rglob("*.log"), *home.rglob("logs/*")):
        if path.is_file():
            left.logs[f"file {path.relative_to(home)}"] = path.read_text(encoding="utf-8", errors="replace")
    left.telemetry["metrics"] = "\n".join(collector.lines)
    left.telemetry["lineage"] = (home / "lineage").read_text(encoding="utf-8")
    assert "minox_qms" in left.telemetry["metrics"]
    with sqlite3.connect(home / "airflow.db") as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            rows = connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 - the names of its own tables
            left.airflow[f"Airflow's {name}"] = "\n".join(map(repr, rows))
    assert left.airflow["Airflow's xcom"]
    assert left.airflow["Airflow's rendered_task_instance_fields"]


def run_commands(left: Left) -> None:
    """What every command that looks prints, for people and for machines, and how they fail."""
    commands = [
        ["status"], ["outcomes"], ["outcomes", "--history"], ["rejections"], ["changes"], ["checks"],
        ["explain", "customers", "20001"], ["explain", "customers", "20002"], ["invoice", "F2026-0001"],
        ["invoice", "F2026-0004"], ["invoice", "nothing"], ["explain", "customers", "0"], ["status", "--link", "none"],
        ["reconcile"],
    ]  # fmt: skip
    for command in [*commands, *([*command, "--json"] for command in commands)]:
        result = CliRunner().invoke(app, command)
        left.commands[" ".join(command)] = f"{result.output}\n{result.stderr}\n{result.exception!r}"
    assert PERSONAL["name"] in left.commands["explain customers 20001"]


def read_columns(database: sa.Engine, left: Left) -> None:
    """Everything in the connector's database, by column."""
    with database.connect() as connection:
        for table in sa.inspect(database).get_table_names():
            rows = connection.execute(sa.text(f'SELECT * FROM "{table}"')).mappings().all()  # noqa: S608 - as above
            for column in rows[0] if rows else ():
                values = (row[column] for row in rows)
                texts = (json.dumps(one, default=str, ensure_ascii=False) for one in values if one is not None)
                left.columns[f"{table}.{column}"] = "\n".join(texts)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, database: sa.Engine, airflow_database: Path) -> Iterator[Left]:
    with pytest.MonkeyPatch.context() as patch:
        master.quicken(patch)
        directory = tmp_path_factory.mktemp("leaks")
        scene = Scene(directory, database, patch)
        try:
            made = Left(scene.secrets)
            run_here(scene, made)
            home = directory / "airflow"
            home.mkdir()
            shutil.copyfile(airflow_database, home / "airflow.db")
            run_in_airflow(scene, made, home)
            run_commands(made)
            read_columns(database, made)
            yield made
        finally:
            scene.stop()


def test_the_search_finds_what_is_planted(left: Left) -> None:
    assert len(left.secrets) >= len(SECRETS) + 6
    for name, secret in {**left.secrets, **PERSONAL}.items():
        login = base64.b64encode(f"client:{secret}".encode()).decode()
        for planted in (f"x{secret}y", f"?a={quote(secret, safe='')}&", json.dumps({"a": secret}), f"Basic {login}"):
            assert found({name: secret}, {"place": f"line\n{planted}\n", "other": "x"}) == [(name, "place")], planted
    places = {place.partition(".")[0] for _, place in found(PERSONAL, left.columns)}
    assert {"staging_customers", "quarantine"} <= places


def test_no_secret_is_anywhere(left: Left) -> None:
    assert found(left.secrets, left.everything) == []


def test_tokens_are_in_the_database_and_encrypted(left: Left) -> None:
    assert left.columns["oauth_grant.refresh_token"].count("gAAAA") >= 2
    assert left.columns["oauth_grant.access_token"].count("gAAAA") >= 2


def test_no_personal_data_in_logs_xcom_metrics_and_lineage(left: Left) -> None:
    assert found(PERSONAL, {**left.logs, **left.airflow, **left.telemetry}) == []


def test_alerts_hold_no_personal_data_but_what_the_other_system_said_of_a_record(left: Left) -> None:
    """Why an entry was refused is told in the refuser's own words: that is what the bookkeeper has to act on."""
    assert {name for name, _ in found(PERSONAL, left.messages)} <= {"name that was echoed"}


def test_personal_data_is_in_the_columns_that_need_it_and_no_others(left: Left) -> None:
    assert {place for _, place in found(PERSONAL, left.columns)} <= ALLOWED


def test_the_columns_that_may_hold_personal_data_exist() -> None:
    assert {f"{column.table.name}.{column.name}" for table in metadata.tables.values() for column in table.c} >= ALLOWED
