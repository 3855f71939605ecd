"""Everything that the bookkeeping knows of one record: an invoice, or a record of master data. Nothing here writes."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - part of the dataclasses' public annotations
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.storage.invoice_names import find_invoice
from include.storage.invoice_search import standing
from include.storage.queries import INVOICES, Filter, OutcomeRow, past_outcomes
from include.storage.tables import (
    STAGING,
    binding,
    booking,
    booking_attempt,
    entity_report,
    person_action,
    sync_run,
    sync_run_entity,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTCOMES = 50


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request about an invoice; `answer` is None while nothing came back."""

    id: int
    run: int
    what: str
    answer: str | None
    messages: list[str] | None
    started_at: dt.datetime
    answered_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Report:
    """What QMS is to be told of a record (`wanted`), and what it was told last (`reported`)."""

    entity_state_id: int | None
    wanted: dict[str, Any]
    reported: dict[str, Any] | None
    attempts: int
    message: str | None
    updated_at: dt.datetime


@dataclass(frozen=True, slots=True)
class PersonAction:
    """What a person did about a record."""

    action: str
    person: str
    reason: str | None
    acted_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Staged:
    """A record as it was staged last.

    Attributes:
        run: Number of the run that staged it.
        run_id: Airflow's run id of it.
        staged_at: When.
        raw: The JSON as received.
        is_latest: Whether no later run read the collection without it.
    """

    run: int
    run_id: str
    staged_at: dt.datetime
    raw: str
    is_latest: bool


@dataclass(frozen=True, slots=True)
class InvoiceStory:
    """The whole story of one invoice.

    Attributes:
        ledger: Its row of the ledger, by column.
        source: Head, totals and lines as QMS gave them, while staging still has them; amounts as text.
        source_run: Number of the run that staged them.
        attempts: Requests about it, in order.
        report: What QMS was told.
        outcomes: What became of it, newest run first.
        people: What people did about it, in order.
    """

    ledger: dict[str, Any]
    source: dict[str, Any] | None
    source_run: int | None
    attempts: tuple[Attempt, ...]
    report: Report | None
    outcomes: tuple[OutcomeRow, ...]
    people: tuple[PersonAction, ...]

    @property
    def standing(self) -> str:
        """What it stands as (see `invoice_search.standing`)."""
        return standing(self.ledger["state"], self.ledger["outcome"], reoffer=self.ledger["reoffer"])


@dataclass(frozen=True, slots=True)
class BindingRow:
    """What is known of a record's counterpart in QMS: its coupled fields as last written, and as last refused."""

    qms_id: int | None
    written: dict[str, Any] | None
    written_at: dt.datetime | None
    refused_at: dt.datetime | None
    refused_message: str | None
    reoffer: bool


def invoice_story(connection: sa.Connection, link: str, name: str) -> InvoiceStory:
    """Tell everything about an invoice.

    Args:
        connection: To the connector's database.
        link: Name of the link.
        name: See `find_invoice`.

    Raises:
        ConfigurationError: The ledger has no such invoice, or more than one.
    """
    number = find_invoice(connection, link, name)
    key = str(number)
    row = connection.execute(
        sa.select(booking).where(booking.c.link == link, booking.c.invoice_header_id == number)
    ).one()
    staged = latest_staged(connection, link, INVOICES, key)
    return InvoiceStory(
        ledger=dict(row._mapping),  # noqa: SLF001 - the documented name, whatever its underscore says
        source=None if staged is None else _source(connection, staged, key),
        source_run=None if staged is None else staged.run,
        attempts=_attempts(connection, link, number),
        report=report_of(connection, link, "InvoiceHeader", number),
        outcomes=past_outcomes(connection, link, Filter(entity=INVOICES, key=key), limit=OUTCOMES).rows,
        people=people_of(connection, link, INVOICES, key),
    )


def latest_staged(connection: sa.Connection, link: str, entity: str, key: str) -> Staged | None:
    """Find the latest staged copy of a record; None when staging has none (any more).

    Args:
        connection: To the connector's database.
        link: Name of the link.
        entity: Name of the staging table without its prefix.
        key: Key of the record.
    """
    table = STAGING[entity]
    row = connection.execute(
        sa.select(table.c.run, sync_run.c.run_id, table.c.staged_at, sa.cast(table.c.raw, sa.Text).label("raw"))
        .join(sync_run, sync_run.c.id == table.c.run)
        .where(sync_run.c.link == link, table.c.key == key)
        .order_by(table.c.run.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    later = sa.select(sa.func.max(sync_run_entity.c.run)).join(sync_run, sync_run.c.id == sync_run_entity.c.run)
    newest = connection.scalar(later.where(sync_run.c.link == link, sync_run_entity.c.entity == entity))
    return Staged(row.run, row.run_id, row.staged_at, row.raw, is_latest=newest is None or newest <= row.run)


def binding_of(connection: sa.Connection, link: str, entity: str, key: str) -> BindingRow | None:
    """Look up a record's counterpart in QMS; None when it never had one, nor was refused."""
    row = connection.execute(
        sa.select(*(binding.c[one.name] for one in fields(BindingRow))).where(
            binding.c.link == link, binding.c.entity == entity, binding.c.source_key == key
        )
    ).one_or_none()
    return None if row is None else BindingRow(*row)


def report_of(connection: sa.Connection, link: str, entity_type: str, entity_id: int) -> Report | None:
    """Look up what QMS is told of a record of its own; None when it is told nothing."""
    row = connection.execute(
        sa.select(*(entity_report.c[one.name] for one in fields(Report))).where(
            entity_report.c.link == link,
            entity_report.c.entity_type == entity_type,
            entity_report.c.entity_id == entity_id,
        )
    ).one_or_none()
    return None if row is None else Report(*row)


def people_of(connection: sa.Connection, link: str, entity: str, key: str) -> tuple[PersonAction, ...]:
    """List what people did about a record, in order."""
    rows = connection.execute(
        sa.select(*(person_action.c[one.name] for one in fields(PersonAction)))
        .where(person_action.c.link == link, person_action.c.entity == entity, person_action.c.source_key == key)
        .order_by(person_action.c.id)
    )
    return tuple(PersonAction(*row) for row in rows)


def _attempts(connection: sa.Connection, link: str, invoice_header_id: int) -> tuple[Attempt, ...]:
    """List the requests about an invoice, in order."""
    rows = connection.execute(
        sa.select(*(booking_attempt.c[one.name] for one in fields(Attempt)))
        .where(booking_attempt.c.link == link, booking_attempt.c.invoice_header_id == invoice_header_id)
        .order_by(booking_attempt.c.id)
    )
    return tuple(Attempt(*row) for row in rows)


def _source(connection: sa.Connection, header: Staged, key: str) -> dict[str, Any]:
    """Put head, totals and lines of one run together; numbers as the text that they came as."""

    def read(table: str, column: str) -> list[Mapping[str, Any]]:
        staging = STAGING[table]
        rows = connection.scalars(
            sa.select(sa.cast(staging.c.raw, sa.Text))
            .where(staging.c.run == header.run, staging.c[column] == key)
            .order_by(staging.c.position)
        )
        return [_plain(raw) for raw in rows]

    totals = read("invoice_totals", "key")
    return {
        "header": _plain(header.raw),
        "totals": totals[0] if totals else None,
        "lines": read("invoice_lines", "parent"),
    }


def _plain(raw: str) -> Any:
    """Read a record as received; one that is no JSON stays text."""
    try:
        return json.loads(raw, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return raw
