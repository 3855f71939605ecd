"""The life of a deployment, from docker-compose.yaml itself: Celery, a killed worker, a restore, new keys, an upgrade.

There is no container engine here: `engine.py` runs the services as processes, with their own environment. The tests go
on where the one before ended, as a deployment does.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from tests.deploy.stack import LINKS, RUN_SECONDS, AirflowApi, Deployment, StandIns, a_key
from tests.docs.commands import documented

if TYPE_CHECKING:
    from collections.abc import Callable

YEAR = {"from_date": "2026-01-01", "to_date": "2026-12-31"}
RANGE = "--from 2026-01-01 --to 2026-12-31"
DIRECTIONS = ("minox_master_data", "qms_invoices")
INVOICES = {"noord": range(101, 107), "oost": range(201, 204), "zuid": range(301, 304)}
HELD = 2
"""The booking of the first link whose answer never comes."""
LEDGER = "SELECT * FROM booking ORDER BY invoice_header_id"
FERNET = ("AIRFLOW__CORE__FERNET_KEY", "MINOX_QMS_FERNET_KEY")


def until(found: Callable[[], Any], what: str) -> Any:
    """Ask until there is something, and return it."""
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        answer = found()
        if answer:
            return answer
        time.sleep(0.3)
    pytest.fail(f"{what} never came")


def run_all(airflow: AirflowApi) -> dict[str, str]:
    """Run both DAGs of all links; their states."""
    conf = {"minox_master_data": {}, "qms_invoices": YEAR}
    runs = [airflow.trigger(f"{one}__{link}", **conf[one]) for link in LINKS for one in DIRECTIONS]
    return airflow.wait_for_runs(runs)


def hosts(deployment: Deployment) -> set[str]:
    """Containers that tasks ran in, tries that came to nothing included."""
    query = "SELECT hostname FROM task_instance UNION SELECT hostname FROM task_instance_history"
    found = {row.hostname for row in deployment.rows(query, "airflow")} - {"", None}
    names = {deployment.address("worker", number): f"worker-{number}" for number in (1, 2)}
    return {names.get(one, one) for one in found}


def outcomes(deployment: Deployment) -> dict[int, tuple[str, int]]:
    """Current outcome of every invoice, and how many rows say so."""
    query = (
        "SELECT source_key, min(outcome) AS outcome, count(*) AS number FROM sync_current "
        "WHERE entity = 'invoices' GROUP BY source_key"
    )
    return {int(row.source_key): (row.outcome, row.number) for row in deployment.rows(query)}


def expected(stand_ins: StandIns) -> dict[int, tuple[str, int]]:
    return {key: ("booked", 1) for keys in stand_ins.expected.values() for key in keys}


def test_everything_is_up(deployment: Deployment) -> None:
    names = set(
        re.findall(
            r"^(\S+)\s+running$", deployment.shell(documented("operations.md", "docker compose ps")), re.MULTILINE
        )
    )
    services = set(deployment.engine.services) - {"migrate"}
    assert names == {f"{one}-1" for one in services} | {"worker-2"}
    assert "ready." in deployment.shell(documented("operations.md", "docker compose logs worker"))


def test_a_worker_is_killed_and_nothing_is_lost_or_doubled(deployment: Deployment, stand_ins: StandIns) -> None:
    airflow = deployment.airflow()
    for connection in stand_ins.connections():
        airflow.call("POST", "connections", connection)
    dags = [f"{one}__{link}" for link in LINKS for one in DIRECTIONS]
    airflow.wait_for_dags(dags)
    for dag_id in dags:
        airflow.unpause(dag_id)
    for link, keys in INVOICES.items():
        stand_ins.add_invoices(link, *keys)

    path = rf"/{LINKS['noord'][0]}/transaction_line_batch"
    stand_ins.minox.spoil(method="PUT", path=path, nth=HELD, action="apply-then-hold", seconds=RUN_SECONDS)
    conf = {"minox_master_data": {}, "qms_invoices": YEAR}
    runs = [airflow.trigger(f"{one}__{link}", **conf[one]) for one in reversed(DIRECTIONS) for link in LINKS]
    until(stand_ins.is_held, "the booking that is held")
    [row] = deployment.rows(
        "SELECT hostname FROM task_instance WHERE dag_id = 'qms_invoices__noord' AND task_id = 'book' "
        "AND state = 'running'",
        "airflow",
    )
    [victim] = (number for number in (1, 2) if deployment.address("worker", number) == row.hostname)
    deployment.engine.kill(f"worker-{victim}")
    stand_ins.minox.heal()

    assert set(airflow.wait_for_runs(runs).values()) == {"success"}
    assert hosts(deployment) == {"worker-1", "worker-2"}
    log = (deployment.engine.logs / f"worker-{3 - victim}.log").read_text(errors="replace")
    assert len(re.findall(r"Task execute_workload\[\S+\] succeeded", log)) > len(dags)
    assert stand_ins.faults() == []
    assert outcomes(deployment) == expected(stand_ins)

    for system in (stand_ins.minox, stand_ins.qms):
        system.forget_requests()
    assert set(run_all(airflow).values()) == {"success"}
    assert stand_ins.minox.writes() + stand_ins.qms.writes() == []
    assert stand_ins.faults() == []


def test_the_commands_of_the_first_look_write_nothing(deployment: Deployment, stand_ins: StandIns) -> None:
    deployment.shell(documented("getting-started.md", "docker compose up"))
    stand_ins.add_invoices("noord", 107)
    said = [
        deployment.shell(f"docker compose exec worker {command} --link noord")
        for command in (
            documented("getting-started.md", "minox-qms run master-data"),
            documented("getting-started.md", "minox-qms run invoices").replace("2026-01-31", "2026-12-31"),
        )
    ]
    assert "F2026-0107" in said[1]
    assert stand_ins.booked("noord") == len(INVOICES["noord"])
    deployment.shell(f"docker compose exec worker minox-qms run invoices {RANGE} --link noord")
    assert stand_ins.faults() == []
    assert "noord" in deployment.shell(documented("operations.md", "docker compose exec worker minox-qms status"))


def test_a_restore_books_nothing_twice(deployment: Deployment, stand_ins: StandIns) -> None:
    deployment.shell(documented("operations.md", "docker compose exec * pg_dump * > minox_qms.dump"))
    deployment.shell(documented("operations.md", "docker compose exec * pg_dump * > airflow.dump"))
    before = deployment.rows(LEDGER)
    stand_ins.add_invoices("noord", 108, 109)
    stand_ins.expire_tokens()  # so the next run uses the refresh tokens that are in the backup
    deployment.shell(f"docker compose exec worker minox-qms run invoices {RANGE} --link noord")
    assert len(deployment.rows(LEDGER)) == len(before) + 2
    assert stand_ins.faults() == []

    deployment.shell(documented("operations.md", "docker compose stop"))
    assert {name.rpartition("-")[0] for name in deployment.engine.running()} == {"postgres", "redis"}
    deployment.shell(documented("operations.md", "docker compose exec * pg_restore * < minox_qms.dump"))
    deployment.shell(documented("operations.md", "docker compose exec * pg_restore * < airflow.dump"))
    assert deployment.rows(LEDGER) == before
    # With two keys from here on; the next test takes the old ones out.
    deployment.set(**{name: f"{a_key()},{deployment.setting(name)}" for name in FERNET})
    deployment.shell(documented("operations.md", "docker compose up --detach --wait --scale"))

    stand_ins.expire_tokens()
    puts = len(stand_ins.minox.requests("PUT"))
    for what in (f"invoices {RANGE}", "master-data"):  # QMS is met first by the one, Minox by the other
        said = deployment.shell(f"docker compose exec worker minox-qms run {what} --link noord --verbose", code=1)
        assert "has withdrawn our access: connect again" in said
    airflow = deployment.airflow()
    for connection in stand_ins.connections(anew=True):
        airflow.call("PATCH", f"connections/{connection['connection_id']}", connection)
    assert set(run_all(airflow).values()) == {"success"}
    assert stand_ins.faults() == []
    assert outcomes(deployment) == expected(stand_ins)
    assert len(stand_ins.minox.requests("PUT")) == puts  # what was booked since the backup was found there
    assert len(deployment.rows(LEDGER)) == len(before) + 2


def test_secrets_are_rotated_and_the_old_ones_gone(deployment: Deployment, stand_ins: StandIns) -> None:
    connections = "SELECT conn_id, password, extra FROM connection ORDER BY conn_id"
    tokens = "SELECT conn_id, access_token, refresh_token FROM oauth_grant ORDER BY conn_id"
    new = {name: deployment.setting(name).partition(",")[0] for name in FERNET}
    sealed = [row.password for row in deployment.rows(connections, "airflow")]
    deployment.shell(documented("operations.md", "docker compose run --rm scheduler airflow rotate-fernet-key"))
    rotated = deployment.rows(connections, "airflow")
    assert [row.conn_id for row in rotated] == ["minox_prod", "qms_prod"]
    assert not {row.password for row in rotated} & set(sealed)
    airflows, own = (Fernet(new[name]) for name in FERNET)
    assert {airflows.decrypt(row.password) for row in rotated} == {b"geheim"}
    assert len([own.decrypt(token) for row in deployment.rows(tokens) for token in row[1:]]) == 4

    deployment.set(**new)
    for role, name in (("minox_qms", "MINOX_QMS_DB_PASSWORD"), ("airflow", "AIRFLOW_DB_PASSWORD")):
        command = {
            "minox_qms": documented("operations.md", "docker compose exec postgres psql*ROLE minox_qms"),
            "airflow": documented("operations.md", "docker compose exec postgres psql*ROLE airflow"),
        }[role]
        password = secrets.token_hex(24)
        deployment.shell(command.replace("NEW", password))
        with pytest.raises(sa.exc.OperationalError, match="password authentication failed"):
            deployment.rows("SELECT 1", role)
        deployment.set(**{name: password})
    deployment.shell(documented("operations.md", "docker compose build"))
    deployment.shell(documented("README.md", "docker compose up --detach --wait"))

    stand_ins.add_invoices("oost", 204)
    assert set(run_all(deployment.airflow()).values()) == {"success"}
    assert stand_ins.faults() == []
    assert outcomes(deployment) == expected(stand_ins)
    assert "worker-2" not in deployment.shell("docker compose ps")


def test_no_secret_stands_in_a_log(deployment: Deployment) -> None:
    text = "".join(path.read_text(errors="replace") for path in deployment.engine.logs.glob("*.log"))
    assert len(text) > 10_000
    for name in re.findall(r"^([A-Z_]+)=", (deployment.project / ".env").read_text(encoding="utf-8"), re.MULTILINE):
        if re.search("PASSWORD|SECRET|FERNET", name):
            assert deployment.setting(name) not in text, name
