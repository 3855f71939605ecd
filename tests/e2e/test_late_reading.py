"""A task that was taken for dead reads no more for its run: what was read and noted since stays."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from include.bookings.plan import Plan
from include.settings.link import LinkSettings
from include.storage.outcomes import Outcome, note_extracted
from include.storage.runs import RunBusyError, close_run, working
from include.storage.tables import sync_run_entity
from minox_qms.sync.extraction import stage_entity
from minox_qms.sync.selection import ENTITY, InvoiceSelection
from tests.storage.support import new_link, new_run, now, whole_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.storage.runs import Run

LINK = LinkSettings.model_validate(
    {
        "name": "late",
        "minox": {"conn_id": "minox_test", "tenant_id": 1, "administration_id": 1},
        "qms": {"conn_id": "qms_test", "company_id": 3},
        "bookings": {"journal_code": "VRK"},
    }
)


class _Minox:
    """Has one cost centre more than the run knew."""

    def pages(self, _collection: str) -> Iterator[list[bytes]]:
        yield [b'{"id": 1, "description": "A"}', b'{"id": 2, "description": "B"}']


def _plan(engine: sa.Engine) -> Plan:
    instant = now(engine).isoformat()
    return Plan.from_json({"start": instant, "end": instant, "from_date": None, "to_date": None})


def _noted(engine: sa.Engine, run: Run) -> list[tuple[str, int]]:
    query = sa.select(sync_run_entity.c.entity, sync_run_entity.c.extracted).where(sync_run_entity.c.run == run.id)
    with engine.connect() as connection:
        return [(row.entity, row.extracted) for row in connection.execute(query)]


def test_master_data_that_is_read_late_is_not_noted_with_a_run_that_is_over(database: sa.Engine) -> None:
    run = whole_run(database, new_link(), "cost_centers", noted=[Outcome("1", "created")])
    minox: Any = _Minox()
    with pytest.raises(RunBusyError, match="took over"):
        stage_entity(database, run, minox, "cost_centers")
    assert _noted(database, run) == [("cost_centers", 1)]


def test_a_run_that_is_at_work_again_reads_again(database: sa.Engine) -> None:
    run = whole_run(database, new_link(), "cost_centers", noted=[Outcome("1", "created")])
    minox: Any = _Minox()
    with working(database, run):
        assert stage_entity(database, run, minox, "cost_centers") == 2
    assert _noted(database, run) == [("cost_centers", 2)]


def test_invoices_that_are_read_late_are_not_noted_with_a_run_that_is_over(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = whole_run(database, new_link(), ENTITY, noted=[Outcome("7", "booked")], direction="qms_to_minox")
    qms: Any = None
    selection = InvoiceSelection(database, qms, LINK, run, _plan(database))
    monkeypatch.setattr(selection, "stage_rows", lambda: 4)
    with pytest.raises(RunBusyError, match="took over"):
        selection.stage()
    assert _noted(database, run) == [(ENTITY, 1)]


def test_what_a_later_try_has_read_stays(database: sa.Engine) -> None:
    run = new_run(database, new_link())
    instant = now(database)
    with database.begin() as connection:
        note_extracted(connection, run, "customers", 2, instant)
    with pytest.raises(RunBusyError, match="read it since"), database.begin() as connection:
        note_extracted(connection, run, "customers", 4, instant - dt.timedelta(seconds=1))
    assert _noted(database, run) == [("customers", 2)]
    close_run(database, run, good=False)
