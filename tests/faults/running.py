"""Runs the cells of one half in a process of its own; nothing of Airflow is imported before that."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.matrix import Cell


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def run_half(half: str, server: str, only: str, size: str, shard: tuple[int, int]) -> object:
    """Run cells of a half in this process.

    Args:
        half: `export` or `import`.
        server: URL of the database server; each process makes a database of its own.
        only: Only cells whose name holds this.
        size: `all`, `brief` or `sample`.
        shard: Which part of them, and of how many.

    Returns:
        A `Report`.
    """
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="minox-qms-airflow-")
    import pytest  # noqa: PLC0415 - Airflow's home is to be set before anything imports it
    import sqlalchemy as sa  # noqa: PLC0415

    from include.storage.embedded import ensure_database  # noqa: PLC0415
    from include.storage.engine import engine_from_url  # noqa: PLC0415
    from include.storage.migrate import migrate  # noqa: PLC0415
    from tests.faults.halves import ExportHalf, ImportHalf  # noqa: PLC0415
    from tests.faults.matrix import brief, cells, run_cells, sample  # noqa: PLC0415

    logging.disable(logging.CRITICAL)
    database = engine_from_url(ensure_database(sa.make_url(server), f"matrix_{half}_{shard[0]}"))
    migrate(database)
    sizes: dict[str, Callable[[], list[Cell]]] = {"all": cells, "brief": brief, "sample": sample}
    given = sizes[size]()
    chosen = [one for one in given if one.point.half == half and only in one.name][shard[0] :: shard[1]]
    directory = Path(tempfile.mkdtemp(prefix="minox-qms-matrix-"))
    try:
        with pytest.MonkeyPatch.context() as monkeypatch:
            made = {"export": ExportHalf, "import": ImportHalf}[half](directory, database, monkeypatch)
            try:
                return run_cells(made, chosen, _say)
            finally:
                made.world.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(os.environ["AIRFLOW_HOME"], ignore_errors=True)
