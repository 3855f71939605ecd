"""A link of its own for every test of the commands, and the commands over a real database."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner

from include.storage.engine import _engine_of_process
from minox_qms.cli import app
from tests.storage.support import new_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

SETTINGS: dict[str, Any] = {
    "minox": {"conn_id": "minox_cli", "tenant_id": 123456, "administration_id": 1},
    "qms": {"conn_id": "qms_cli", "company_id": 3},
    "bookings": {"journal_code": "VRK"},
}


@dataclass(frozen=True)
class CommandLine:
    """Runs commands in this process; `link` is the only link there is."""

    link: str
    links: Path

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Run a command that ends with this code; returns what it printed and what it complained of."""
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == code, (result.output, result.exception)
        assert "Traceback" not in result.output
        return result.stdout, result.stderr

    def json(self, *arguments: str) -> Any:
        """Run a command with --json and read what it printed."""
        return json.loads(self.run(*arguments, "--json")[0])

    def add_link(self, name: str) -> None:
        (self.links / f"{name}.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, airflow_database: Path) -> Iterator[Path]:
    """Directory of a world whose commands run as programs: no Airflow is set up, whatever other tests have left."""
    directory = tmp_path_factory.mktemp("world")
    shutil.copy(airflow_database, directory)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("AIRFLOW_HOME")
        yield directory


@pytest.fixture
def cli(database_url: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    """The command line, over the module's database and a link of the test's own."""
    monkeypatch.setenv("MINOX_QMS_DATABASE_URL", database_url.render_as_string(hide_password=False))
    monkeypatch.setenv("MINOX_QMS_LINKS_DIR", str(tmp_path))
    _engine_of_process.cache_clear()
    made = CommandLine(new_link(), tmp_path)
    made.add_link(made.link)
    yield made
    _engine_of_process.cache_clear()
