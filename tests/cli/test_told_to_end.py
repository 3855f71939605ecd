"""SIGTERM ends `minox-qms run`, as `timeout`, systemd and a container's stop expect."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from include.storage import runs
from tests.world import a_world

if TYPE_CHECKING:
    import pytest
    import sqlalchemy as sa


def test_a_run_that_is_told_to_end_ends_at_once_and_the_next_one_makes_up_for_it(
    home: Path, tmp_path: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with a_world(home, database, monkeypatch, "demo") as world:
        world.minox.spoil(method="GET", path="/vat", action="hold", seconds=600)
        command = [str(Path(sys.executable).with_name("minox-qms")), "run", "master-data", "--link", "test"]
        with subprocess.Popen(command, env=os.environ | {"TMPDIR": str(scratch)}, stderr=subprocess.PIPE) as process:
            try:
                deadline = time.monotonic() + 120
                while not world.minox.control("GET", "faults")[0]["held"] and time.monotonic() < deadline:
                    time.sleep(0.05)
                process.send_signal(signal.SIGTERM)
                _, said = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == -signal.SIGTERM, said.decode()
        assert list(scratch.glob("minox-qms-run-*")) == []
        world.minox.heal()
        monkeypatch.setattr(runs, "GRACE_SECONDS", 0)
        assert world.run_master_data().is_good
