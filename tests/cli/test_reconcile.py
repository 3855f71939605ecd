"""`minox-qms reconcile` as a program: what it prints where, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from minox_qms.cli import app
from tests.world import World, a_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

COMMAND = [str(Path(sys.executable).with_name("minox-qms")), "reconcile", "--link", "test"]
JANUARY, QUIET = ("2026-01-01", "2026-01-31"), ("2025-06-01", "2025-06-30")


@pytest.fixture(scope="module")
def world(home: Path, database: sa.Engine) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as monkeypatch, a_world(home, database, monkeypatch, "demo") as made:
        assert made.run_invoices(dates=JANUARY).is_good
        yield made


def call(dates: tuple[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Compare a range of dates, with the command as a program."""
    words = [*COMMAND, "--from", dates[0], "--to", dates[1], *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture
def say(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What the command prints for a range of dates, in this process: the DAG's tasks run here, as in other tests."""

    def run_dag(_: str, conf: dict[str, Any], **__: Any) -> tuple[str, str]:
        with redirect_stdout(sys.stderr):  # the tasks' logs
            ran = world.run_reconciliation(dates=(conf["from_date"], conf["to_date"]))
        return "success" if ran.is_good else "failed", ran.run_id

    def said(dates: tuple[str, str], *arguments: str) -> str:
        return CliRunner().invoke(app, [*COMMAND[1:], "--from", dates[0], "--to", dates[1], *arguments]).stdout

    monkeypatch.setattr(sys.modules["minox_qms.cli.reconcile"], "run_dag", run_dag)
    return said


def test_differences_are_its_result_and_stay_until_they_are_looked_at_again(
    world: World, say: Callable[..., str]
) -> None:
    assert say(JANUARY) == "QMS, the ledger and Minox agree, invoices of 2026-01-01 to 2026-01-31.\n"

    query = "SELECT batch_id::text, invoice_header_id, invoice_number FROM booking WHERE state = 'booked' LIMIT 1"
    batch, header_id, number = world.rows(query)[0]
    world.minox.edit({"entity": "batch", "delete": [batch]})
    done = call(JANUARY)
    assert (done.returncode, done.stderr) == (1, "")
    title, *lines = done.stdout.splitlines()
    assert title.strip() == "1 difference, invoices of 2026-01-01 to 2026-01-31"
    (row,) = (line.split() for line in lines if "deleted" in line)
    assert row[:3] == ["deleted", str(header_id), number]
    assert " ".join(row).endswith("Its batch is not in Minox any more.")

    agree, elsewhere = say(QUIET).splitlines()
    assert agree == "QMS, the ledger and Minox agree, invoices of 2025-06-01 to 2025-06-30."
    assert elsewhere.endswith(": minox-qms reconcile --link test --from 2026-01-01 --to 2026-01-31")
    found = json.loads(say(JANUARY, "--json"))
    assert (found["state"], [one["kind"] for one in found["differences"]]) == ("failed", ["deleted"])


def test_a_failure_is_one_sentence_of_its_own(world: World) -> None:
    world.minox.spoil(method="GET", path="/receivable", action="status", status=404, times=None)
    done = call(JANUARY)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("minox-qms: the run ended failed: minox receivable: ")
    assert done.stderr.count("\n") == 1
