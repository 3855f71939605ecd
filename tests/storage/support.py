"""Runs and records for the tests of the storage."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.bookings.batch_id import batch_id
from include.checks.results import Finding
from include.storage import ledger
from include.storage.outcomes import Outcome, finish_entity, note_extracted, note_outcomes
from include.storage.quarantine import Rejected
from include.storage.runs import Run, close_run, open_run
from include.storage.staging import stage

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBERS = itertools.count(1)
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def new_link() -> str:
    return f"link{next(_NUMBERS)}"


def new_run(
    engine: sa.Engine,
    link: str,
    direction: str = "minox_to_qms",
    *,
    dry_run: bool = False,
    plan: dict[str, Any] | None = None,
) -> Run:
    return open_run(
        engine,
        link=link,
        direction=direction,
        dag_id=f"{direction}__{link}",
        run_id=f"manual__{uuid.uuid4()}",
        plan=plan or {},
        dry_run=dry_run,
    )


def now(engine: sa.Engine) -> dt.datetime:
    with engine.connect() as connection:
        instant: dt.datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return instant


def whole_run(
    engine: sa.Engine,
    link: str,
    entity: str,
    unchanged: Iterable[str] = (),
    noted: Iterable[Outcome] = (),
    direction: str = "minox_to_qms",
) -> Run:
    """A run from its opening to its closing, with these outcomes."""
    run = new_run(engine, link, direction)
    unchanged, noted = list(unchanged), list(noted)
    with engine.begin() as connection:
        note_extracted(connection, run, entity, len(unchanged) + len(noted), now(engine))
        note_outcomes(connection, run, entity, noted)
        finish_entity(connection, run, entity, unchanged, state="good")
    close_run(engine, run, good=True)
    return run


def rejected(key: str, reason: str = "nameless_debtor", field: str = "postal.name") -> Rejected:
    return Rejected(key, (Finding(reason, field, "It is blank."),), f'{{"id": {key}}}')


def stage_records(engine: sa.Engine, run: Run, entity: str, records: dict[str, str]) -> None:
    """Stage raw records under keys."""
    keys = iter(records)
    stage(engine, run, entity, [[raw.encode() for raw in records.values()]], lambda _: next(keys))


def new_invoice(engine: sa.Engine, link: str, number: int, *, read_at: dt.datetime = LONG_AGO, **values: Any) -> None:
    """Put an invoice in the ledger."""
    row = {
        "batch_id": batch_id(1, 2, 3, number),
        "state": "open",
        "outcome": "failed",
        "invoice_number": f"F2026-{number:04d}",
        **values,
    }
    with engine.begin() as connection:
        ledger.note(connection, link, number, row, read_at=read_at)


def state_of(engine: sa.Engine, link: str, number: int) -> ledger.LedgerRow:
    with engine.connect() as connection:
        return ledger.rows_of(connection, link, [number])[number]
