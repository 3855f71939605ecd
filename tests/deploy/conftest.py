"""A deployment that is up, for the tests that run it; without Redis they are left out (see tests/programs.py)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.deploy.stack import LINKS, Deployment, StandIns
from tests.docs.commands import documented
from tests.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

collect_ignore = [] if program("redis-server") else ["test_running.py"]


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[StandIns]:
    """Minox and QMS, in threads of this process."""
    made = StandIns.start(Random(1))  # noqa: S311 - made-up data, no secret
    yield made
    made.stop()


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """A deployment with two workers, started as the pages say; nothing of it stays."""
    directory = Path(tempfile.mkdtemp(prefix="minox-qms-deploy-"))
    try:
        made = Deployment(directory)
        made.shell(documented("getting-started.md", "cp "))
        made.fill_in()
        for name, place in LINKS.items():
            made.write_link(name, *place)
        made.shell(documented("operations.md", "docker compose up --detach --wait --scale"))
        try:
            yield made
        finally:
            made.shell("docker compose down")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
