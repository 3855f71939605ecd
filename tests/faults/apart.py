"""Runs in processes of their own, which can be killed: forked from one that has loaded everything, as Airflow's are."""

from __future__ import annotations

import os
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk.bases.operator import ExecutorSafeguard

from include.storage import runs
from include.storage.engine import engine
from minox_qms.hooks.http import Limits
from tests.e2e.booking_world import MORNING
from tests.faults.halves import QUICK, resume
from tests.world import World

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

    from tests.faults.halves import Half

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.faults.apart", "great_expectations"])


def start(half: Half, run_id: str, task_id: str | None = None) -> ForkServerProcess:
    """Start a run of a half, or try a task of one again with those behind it, in a process of its own."""
    given = (half.name, str(half.world.directory), dict(os.environ), run_id, task_id)
    process = CONTEXT.Process(target=_work, args=given, daemon=True)
    process.start()
    return process


def _work(half: str, directory: str, environment: dict[str, str], run_id: str, task_id: str | None) -> None:
    """Work in the process; where systems, database and connections are, the environment says."""
    os.environ.update(environment)
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    ExecutorSafeguard.test_mode = True
    runs.GRACE_SECONDS = -1
    Limits.__init__.__defaults__ = (*QUICK[:1], 60, 60, *QUICK[3:])
    world = object.__new__(World)
    world.directory, world.database = Path(directory), engine()
    if task_id is not None:
        resume(world.directory, "qms_invoices" if half == "export" else "minox_master_data", run_id, task_id)
    elif half == "export":
        world.run_invoices(interval=MORNING, run_id=run_id)
    else:
        world.run_master_data(run_id=run_id)
