"""Check a staged batch: bad records are put aside, a bad batch is held back (spec, section 5)."""

from __future__ import annotations

import logging
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING

from include.checks.engine import check_batch, check_records
from include.checks.results import BatchSummary
from include.errors import BatchHeldError
from include.mappings import CHECKS, MASTER_DATA
from include.storage.checks import note_results, records_of_last_good_run
from include.storage.facts import fact, remember
from include.storage.outcomes import Outcome, finish_entity, note_outcomes
from include.storage.previews import note_previews
from include.storage.quarantine import Rejected, put_aside
from include.storage.staging import mark_rejected, read_places, read_staged, staged_keys

if TYPE_CHECKING:
    import sqlalchemy as sa

    from include.checks.results import CheckedBatch, Finding
    from include.settings.link import CheckSettings
    from include.storage.runs import Run

log = logging.getLogger(__name__)


def check_table(engine: sa.Engine, run: Run, table: str, settings: CheckSettings, *, outcomes_of: str) -> None:
    """Check what a run has staged in one table.

    Args:
        engine: Of the connector's database.
        run: The run.
        table: Staging table without its prefix.
        settings: When a batch is held back.
        outcomes_of: Entity whose records get an outcome when the batch is held: the table itself, or the one that it
            belongs to (item groups to items, invoice lines to invoices).

    Raises:
        BatchHeldError: The batch is bad; its records have the outcome `failed`.
    """
    checks = CHECKS[table]
    with engine.connect() as connection:
        beside = fact(connection, run.link, f"records of {table}")  # of a collection that is no entity of its own
    summary = BatchSummary(table, previous=records_of_last_good_run(engine, run, table) or beside)
    findings: dict[int, tuple[Finding, ...]] = {}
    records = chain.from_iterable(read_staged(engine, run, table, with_rejected=True))
    for checked in check_records(checks, records):
        summary = summary.plus(checked)
        findings |= checked.findings
    batch = check_batch(checks, summary, settings)
    if not run.dry_run:
        note_results(engine, run, table, [asdict(one) for one in (*summary.results, *batch.results)])
    if batch.findings:
        _hold(engine, run, table, outcomes_of, batch)
    with engine.begin() as connection:
        mark_rejected(connection, run, table, findings)
        if table != outcomes_of and not run.dry_run:
            remember(connection, run.link, f"records of {table}", summary.records)
    if table in MASTER_DATA and findings:
        _put_aside(engine, run, table, findings)
    log.info("%s: %d records checked, %d rejected", table, summary.records, summary.rejected)


def _hold(engine: sa.Engine, run: Run, table: str, outcomes_of: str, batch: CheckedBatch) -> None:
    """Give all records of the entity the outcome `failed`, and say why."""
    words = " ".join(one.message for one in batch.findings)
    message = f"Nothing of {outcomes_of} was loaded: {words}"
    outcomes = [Outcome(key, "failed", "batch_held", message) for key in staged_keys(engine, run, outcomes_of)]
    with engine.begin() as connection:
        if run.dry_run:
            note_previews(connection, run, outcomes_of, [(place, one, None) for place, one in enumerate(outcomes, 1)])
        else:
            note_outcomes(connection, run, outcomes_of, outcomes)
            finish_entity(connection, run, outcomes_of, (), state="held", message=message)
    rules = ", ".join(one.expectation for one in batch.findings)
    raise BatchHeldError(message, detail=f"failed expectation: {rules}", entity=table)


def _put_aside(engine: sa.Engine, run: Run, table: str, findings: dict[int, tuple[Finding, ...]]) -> None:
    """Quarantine the bad records and note their outcome."""
    records = read_places(engine, run, table, findings)
    rejected = [Rejected(one.key, findings[one.position], one.raw.decode()) for one in records]
    outcomes = [Outcome(one.source_key, "rejected", one.reason, one.message) for one in rejected]
    with engine.begin() as connection:
        if run.dry_run:
            places = zip(sorted(findings), outcomes, strict=True)
            note_previews(connection, run, table, [(place, outcome, None) for place, outcome in places])
            return
        put_aside(connection, run, table, rejected)
        note_outcomes(connection, run, table, outcomes)
