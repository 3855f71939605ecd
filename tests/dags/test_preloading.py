"""A task that is forked from the scheduler finds everything loaded that its DAG file imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.world import ROOT, SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

SCHEDULER = """
import importlib, json, runpy, sys
sys.argv = ["airflow", "scheduler"]
sys.path.insert(0, "config")
importlib.import_module("airflow_local_settings")
known = set(sys.modules)
for name in ("minox_master_data", "qms_invoices", "reconcile"):
    assert any("test" in key for key in runpy.run_path(f"dags/{name}.py")), "no DAG of the link"
late = {name for name in set(sys.modules) - known if name.startswith(("minox_qms", "include", "alembic", "sqlalchemy"))}
print(json.dumps(sorted(late)))
"""


def test_a_dag_file_imports_nothing_of_ours_that_the_scheduler_has_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "test.yaml").write_text(json.dumps(SETTINGS), "utf-8")
    environment = {
        **os.environ,
        "MINOX_QMS_LINKS_DIR": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCHEDULER], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []
