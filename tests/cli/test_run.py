"""`minox-qms run` as a program: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.world import a_world

if TYPE_CHECKING:
    import pytest
    import sqlalchemy as sa

COMMAND = [str(Path(sys.executable).with_name("minox-qms")), "run", "master-data", "--link", "test", "--json"]


def test_a_run_that_fails_prints_its_result_alone_on_standard_output(
    home: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_world(home, database, monkeypatch, "demo") as world:
        world.minox.spoil(method="GET", path="/vat", action="status", status=404, times=None)
        done = subprocess.run(COMMAND, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["state"] == "failed"
    assert set(told["outcomes"]) == {"payment_terms", "cost_centers", "customers"}
    assert "may be wrong" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_that_fails_does_not_say_that_there_is_nothing_to_do(
    tmp_path: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*COMMAND[:-1], "--dry-run"]
    with a_world(tmp_path, database, monkeypatch, "demo"):
        key = {"MINOX_QMS_FERNET_KEY": "abc"}
        done = subprocess.run(command, env=os.environ | key, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (1, "")
    assert "MINOX_QMS_FERNET_KEY is not a Fernet key" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_without_its_database_ends_with_a_sentence(
    home: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_world(home, database, monkeypatch):
        nowhere = {"MINOX_QMS_DATABASE_URL": "postgresql://minox:geheim@127.0.0.1:1/minox"}
        done = subprocess.run(
            COMMAND, env=os.environ | nowhere, capture_output=True, text=True, check=False, timeout=300
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("minox-qms: The connector's database does not answer")
    assert "geheim" not in done.stderr
