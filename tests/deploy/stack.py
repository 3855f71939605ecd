"""A deployment that runs: a project directory as somebody has one, its commands, Airflow's API, and both stand-ins."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import requests
import sqlalchemy as sa
import yaml

from include.mappings import MASTER_DATA
from include.storage.engine import engine_from_url
from minox_qms.hooks.site import MINOX_SCOPES
from sandbox.common.config import Config
from sandbox.data import qms_rows
from sandbox.data.invoices import header_row, line_rows, overview_row
from sandbox.data.minox_rows import administration, customers, master_data
from sandbox.dataset import empty
from sandbox.minox.app import create_app as create_minox
from sandbox.qms.app import create_app as create_qms
from tests.deploy import docker
from tests.deploy.engine import CHECKOUT, SYSTEM_PATH, Engine
from tests.e2e.booking_world import invoice
from tests.sandbox.support import AUTHORIZE_PATHS, CREDENTIALS, TOKEN_PATHS
from tests.world import Server, System

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from random import Random

LINKS = {"noord": (1, 3), "oost": (2, 4), "zuid": (3, 5)}
"""Administration of Minox and company of QMS, by link."""

ENTITIES = {"noord": ("vat_codes", "payment_terms", "cost_centers", "customers")}
"""What a link brings over; the others what customers need."""

FEWEST = ("payment_terms", "customers")

SETTINGS = {
    # Everything that is read often is read at once, and a worker that is gone is missed soon.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
    "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "3",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "25",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
}
COMMAND_SECONDS = 1500
RUN_SECONDS = 900
_POLL = 0.5


def a_key() -> str:
    """A new Fernet key."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


class Deployment:
    """A project directory, and what runs of it.

    Args:
        directory: Where to make it.
    """

    def __init__(self, directory: Path) -> None:
        self.project = directory / "project"
        (self.project / "config" / "links").mkdir(parents=True)
        for name in ("docker-compose.yaml", ".env.example"):
            shutil.copy(CHECKOUT / name, self.project)
        shutil.copytree(CHECKOUT / "deploy", self.project / "deploy")
        docker.install(directory / "bin")
        self._path = f"{directory / 'bin'}:{SYSTEM_PATH}"

    def shell(self, command: str, *, code: int = 0, text: str = "") -> str:
        """Run a command as somebody types it; what it says, on both channels.

        Args:
            command: The line.
            code: The exit code that it has to end with.
            text: What is typed in.
        """
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.project,
            env={"PATH": self._path, "LANG": "C.UTF-8"},
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=COMMAND_SECONDS,
        )
        assert done.returncode == code, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{self.last_words()}"
        return done.stdout + done.stderr

    def last_words(self) -> str:
        """The end of every log, for a test that fails."""
        logs = sorted((self.project / ".engine" / "logs").glob("*.log"))
        return "\n".join(f"== {path.stem}\n{path.read_text(errors='replace')[-1500:]}" for path in logs)

    # -- settings ------------------------------------------------------------------------------------------------------

    def fill_in(self) -> None:
        """Fill in what is empty in `.env`, as its comments say."""
        path = self.project / ".env"
        values = {"AIRFLOW_ADMIN_EMAIL": "beheer@example.com"}

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name in values:
                return f"{name}={values[name]}"
            return f"{name}={a_key() if 'FERNET' in name else secrets.token_hex(32)}"

        path.write_text(re.sub(r"^([A-Z_]+)=$", value, path.read_text(encoding="utf-8"), flags=re.MULTILINE))
        self.set(**SETTINGS, WORKER_CONCURRENCY="2", AIRFLOW_BASE_URL=f"http://{self.address('api-server')}:8080")

    def set(self, **values: str) -> None:
        """Change settings in `.env`."""
        path = self.project / ".env"
        text = path.read_text(encoding="utf-8")
        for name, value in values.items():
            line = f"{name}={value}"
            text, found = re.subn(rf"^{name}=.*$", line, text, flags=re.MULTILINE)
            text += "" if found else f"{line}\n"
        path.write_text(text, encoding="utf-8")

    def setting(self, name: str) -> str:
        """A setting of `.env`."""
        found = re.search(rf"^{name}=(.*)$", (self.project / ".env").read_text(encoding="utf-8"), re.MULTILINE)
        assert found is not None
        return found[1]

    def write_link(self, name: str, administration_id: int, company_id: int) -> None:
        """Write the file of a link, fast enough for a test."""
        content = {
            "minox": {
                "conn_id": "minox_prod",
                "tenant_id": 123456,
                "administration_id": administration_id,
                "requests_per_second": 1000,
            },
            "qms": {"conn_id": "qms_prod", "company_id": company_id},
            "bookings": {"journal_code": "VRK"},
            "master_data": {
                "entities": {
                    entity: entity in ENTITIES.get(name, FEWEST) for entity in MASTER_DATA if entity != "customers"
                }
            },
        }
        (self.project / "config" / "links" / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    # -- looking -------------------------------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        return Engine(self.project)

    def address(self, service: str, number: int = 1) -> str:
        """Address of a container."""
        return self.engine.container(service, number).address

    def database(self, name: str) -> sa.Engine:
        """A database of the deployment, as its own role sees it."""
        password = self.setting("AIRFLOW_DB_PASSWORD" if name == "airflow" else "MINOX_QMS_DB_PASSWORD")
        return engine_from_url(
            sa.URL.create("postgresql+psycopg", name, password, self.address("postgres"), 5432, name)
        )

    def rows(self, query: str, database: str = "minox_qms", **values: Any) -> list[Any]:
        """Ask one of the databases."""
        engine = self.database(database)
        try:
            with engine.connect() as connection:
                return list(connection.execute(sa.text(query), values).all())
        finally:
            engine.dispose()

    def airflow(self) -> AirflowApi:
        """Airflow's API, for its first administrator."""
        return AirflowApi(
            f"http://{self.address('api-server')}:8080",
            self.setting("AIRFLOW_ADMIN_USER"),
            self.setting("AIRFLOW_ADMIN_PASSWORD"),
        )


class AirflowApi:
    """Airflow's REST API, logged in.

    Args:
        url: Address of Airflow.
        user: A user's name.
        password: And password.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False
        made = self._session.post(f"{url}/auth/token", json={"username": user, "password": password}, timeout=60)
        made.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {made.json()['access_token']}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API; anything but success fails the test."""
        answer = self._session.request(method, f"{self.url}/api/v2/{path}", json=body, timeout=120)
        assert answer.ok, (method, path, answer.status_code, answer.text[:500])
        return answer.json() if answer.content else None

    def wait_for_dags(self, wanted: Iterable[str]) -> None:
        """Wait until Airflow knows these DAGs."""
        end = time.monotonic() + RUN_SECONDS
        missing = set(wanted)
        while missing and time.monotonic() < end:
            time.sleep(_POLL)
            missing -= {one["dag_id"] for one in self.call("GET", "dags?limit=100")["dags"]}
        assert not missing, self.call("GET", "importErrors")

    def unpause(self, dag_id: str) -> None:
        self.call("PATCH", f"dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, **conf: Any) -> tuple[str, str]:
        """Start a run; the DAG and the run's id."""
        made = self.call("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})
        return dag_id, str(made["dag_run_id"])

    def wait_for_runs(self, runs: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Wait until runs have ended; their states by DAG."""
        open_runs, states = dict(runs), {}
        end = time.monotonic() + RUN_SECONDS
        while open_runs and time.monotonic() < end:
            for dag_id, run_id in list(open_runs.items()):
                state = self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"]
                if state in {"success", "failed"}:
                    states[dag_id] = state
                    del open_runs[dag_id]
            time.sleep(_POLL)
        assert not open_runs, [self.tasks(*run) for run in open_runs.items()]
        return states

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        """State by task of a run."""
        found = self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {one["task_id"]: one["state"] for one in found}


@dataclass
class StandIns:
    """Both stand-ins, with an administration and a company per link."""

    servers: list[Server]
    minox: System
    qms: System
    expected: dict[str, set[int]] = field(default_factory=lambda: {name: set() for name in LINKS})
    """Keys of the invoices that are to be booked, by link."""

    @classmethod
    def start(cls, rng: Random) -> StandIns:
        """Start them with ten customers per link, and no invoices."""
        data = empty()
        tenant = data["minox"]["tenants"][0]
        tenant["administrations"] = [administration() | {"id": number} for number, _ in LINKS.values()]
        tenant["data"] = {
            str(number): master_data() | {"item": [], "customer": customers(rng, 10)} for number, _ in LINKS.values()
        }
        company = qms_rows.companies()[0]
        data["qms"]["Company"] = [company | {"CompanyId": str(key)} for _, key in LINKS.values()]
        servers = [Server(create(Config(dataset=data, rate_limit="off"))) for create in (create_minox, create_qms)]
        systems = [System(name, server.start()) for name, server in zip(("minox", "qms"), servers, strict=True)]
        return cls(servers, systems[0], systems[1])

    def stop(self) -> None:
        for server in self.servers:
            server.stop()

    def connections(self, *, anew: bool = False) -> list[dict[str, Any]]:
        """Airflow's connections to them; `anew` with refresh tokens of a new sign-in, not those they begin with."""
        found = []
        for system in (self.minox, self.qms):
            client = CREDENTIALS[system.name]
            token = self._sign_in(system) if anew else f"sandbox-{system.name}-refresh"
            content = {
                "connection_id": f"{system.name}_prod",
                "conn_type": system.name,
                "host": system.url,
                "login": client["client_id"],
                "password": client["client_secret"],
                "extra": json.dumps({"refresh_token": token}),
            }
            found.append(content)
        return found

    def _sign_in(self, system: System) -> str:
        """Sign in as a person does; the refresh token."""
        back = "http://127.0.0.1:8080/"
        client = CREDENTIALS[system.name]
        query = {"response_type": "code", "client_id": client["client_id"], "redirect_uri": back, "state": "one"}
        scope = {"scope": MINOX_SCOPES} if system.name == "minox" else {}
        page = f"{system.url}{AUTHORIZE_PATHS[system.name]}"
        answer = system.session.post(
            page, params=query | scope, data={"decision": "approve"}, timeout=30, allow_redirects=False
        )
        [code] = parse_qs(urlsplit(answer.headers["Location"]).query)["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, **client}
        made = system.session.post(f"{system.url}{TOKEN_PATHS[system.name]}", data=form, timeout=30)
        made.raise_for_status()
        return str(made.json()["refresh_token"])

    def expire_tokens(self) -> None:
        """End all access tokens."""
        for system in (self.minox, self.qms):
            system.control("POST", "grants", {"action": "expire"})

    def is_held(self) -> bool:
        """Whether a request to Minox waits for an answer that a fault holds back."""
        return any(rule["held"] for rule in self.minox.control("GET", "faults"))

    def booked(self, link: str) -> int:
        """Number of batches in a link's administration."""
        return len(self.minox.state["tenants"][0]["data"][str(LINKS[link][0])]["batches"])

    def add_invoices(self, link: str, *keys: int) -> None:
        """Add invoices to a link's company."""
        made = [invoice(key, company=LINKS[link][1]) for key in keys]
        lines = [row | {"InvoiceLineId": str(int(row["InvoiceHeaderId"]) * 1000)} for row in line_rows(made, 1)]
        tables = {
            "OverviewInvoice": [overview_row(one) for one in made],
            "Invoice": [header_row(one) for one in made],
            "OverviewInvoiceLine": lines,
        }
        self.qms.edit(*({"entity": name, "add": rows, "log": False} for name, rows in tables.items()))
        self.expected[link] |= set(keys)

    def faults(self) -> list[str]:
        """Whatever is lost or doubled on either side; nothing when all is as it should be."""
        found = []
        qms = self.qms.state
        administrations = self.minox.state["tenants"][0]["data"]
        for link, (number, company) in LINKS.items():
            batches = administrations[str(number)]["batches"].values()
            booked = sorted(int(batch["lines"][0]["invoice_number"]) for batch in batches)
            wanted = sorted(int(f"2026{key:04d}") for key in self.expected[link])
            if booked != wanted:
                found.append(f"{link}: booked {booked}, not {wanted}")
            for mapping in (MASTER_DATA[entity] for entity in ENTITIES.get(link, FEWEST)):
                code = mapping.code_field
                codes = sorted(row[code] for row in qms.get(mapping.qms, []) if row["CompanyId"] == str(company))
                there = sorted(str(row["id"]) for row in administrations[str(number)][mapping.minox])
                if codes != there:
                    found.append(f"{link}: {mapping.entity} {codes}, not {there}")
        states = sorted(row["EntityId"] for row in qms["EntityState"] if row["EntityType"] == "InvoiceHeader")
        keys = sorted(str(key) for expected in self.expected.values() for key in expected)
        if states != keys:
            found.append(f"EntityState {states}, not {keys}")
        return found
