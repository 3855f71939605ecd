"""Which invoices a run takes, and their extraction into staging (spec, section 3, "Which invoices")."""

from __future__ import annotations

import datetime as dt
import logging
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.bookings.batch_id import batch_id
from include.bookings.dates import comparison_date
from include.storage import ledger
from include.storage.outcomes import note_extracted
from include.storage.runs import insist_on_claim
from include.storage.settling import forget_unstaged
from include.storage.staging import read_staged, stage, staged_keys
from include.storage.tables import daily_sweep
from include.wire.decode import decode_readable
from include.wire.qms import EntityChange, Invoice, OverviewInvoice, OverviewInvoiceLine
from include.wire.text import identifier, row_key, text
from minox_qms.hooks import odata

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Iterator

    from include.bookings.plan import Plan
    from include.settings.link import LinkSettings
    from include.storage.runs import Run
    from include.storage.staging import KeyReader
    from minox_qms.hooks.qms import QmsHook

log = logging.getLogger(__name__)

ENTITY = "invoices"


def invoice_id(header: OverviewInvoice | Invoice | OverviewInvoiceLine | None) -> int | None:
    """InvoiceHeaderId of a record; None when it has none that is usable."""
    return None if header is None else row_key(header.InvoiceHeaderId)


def batch_of(link: LinkSettings, invoice_header_id: int) -> uuid.UUID:
    """Id of the batch of an invoice of a link: the same for ever."""
    return batch_id(link.minox.tenant_id, link.minox.administration_id, link.qms.company_id, invoice_header_id)


class InvoiceSelection:
    """Selects the invoices of a run and stages them with their totals and lines.

    Args:
        engine: Of the connector's database.
        qms: The hook of the link's company.
        link: The link's settings.
        run: The run.
        plan: What it was asked to take.
    """

    def __init__(self, engine: sa.Engine, qms: QmsHook, link: LinkSettings, run: Run, plan: Plan) -> None:
        self.engine = engine
        self.qms = qms
        self.link = link
        self.run = run
        self.plan = plan
        self.states = link.bookings.invoice_states

    def stage(self) -> int:
        """Stage the invoices, and note that each of them needs an outcome.

        Returns:
            Number of invoices.

        Raises:
            RunBusyError: Another run has taken over, or this one is over: what was read late is not noted with it.
        """
        with self.engine.connect() as connection:
            read_at: dt.datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        extracted = self.stage_rows()
        with self.engine.begin() as connection:
            insist_on_claim(connection, self.run)
            forget_unstaged(connection, self.run, ENTITY)
            note_extracted(connection, self.run, ENTITY, extracted, read_at)
            if not self.run.dry_run:
                self._take_up(connection, read_at)
        return extracted

    def _take_up(self, connection: sa.Connection, read_at: dt.datetime) -> None:
        """Give every invoice a row in the ledger: should this run die, the next one takes it up."""
        numbers = [int(key) for key in staged_keys(self.engine, self.run, ENTITY) if not key.startswith("#")]
        batches = {number: batch_of(self.link, number) for number in numbers}
        ledger.take_up(connection, self.run.link, batches, read_at=read_at)

    def stage_rows(self) -> int:
        """Stage the invoices, their totals and their lines; returns the number of invoices."""
        extracted = stage(self.engine, self.run, ENTITY, self._headers(), _invoice_key)
        ids = [int(key) for key in staged_keys(self.engine, self.run, ENTITY) if not key.startswith("#")]
        totals = self.qms.pages_any("Invoice", "InvoiceHeaderId", ids)
        stage(self.engine, self.run, "invoice_totals", totals, _totals_key)
        lines = self.qms.pages_any("OverviewInvoiceLine", "InvoiceHeaderId", ids)
        stage(self.engine, self.run, "invoice_lines", lines, _line_key, _line_parent)
        return extracted

    def there(self, ids: Iterable[int]) -> set[int]:
        """Those of these invoices that QMS has in the states that are booked, whatever their date."""
        pages = self.qms.pages_any("OverviewInvoice", "InvoiceHeaderId", sorted(ids))
        keys = {_invoice_key(raw) for page in pages for raw in page if self._is_taken(raw, None, None)}
        return {int(key) for key in keys if key is not None}

    def is_first_of_day(self) -> bool:
        """Whether no run has compared the last days with the ledger today: the day is the run's own."""
        if self.plan.from_date is not None:
            return False
        with self.engine.connect() as connection:
            swept = connection.scalar(
                sa.select(daily_sweep.c.local_date).where(
                    daily_sweep.c.link == self.run.link, daily_sweep.c.local_date == self.plan.local_date
                )
            )
        return swept is None

    def _headers(self) -> Iterator[list[bytes]]:
        """Heads of the invoices that the run takes, page by page."""
        if self.plan.from_date is not None and self.plan.to_date is not None:
            yield from self._of_dates(self.plan.from_date, self.plan.to_date)
            return
        if self.is_first_of_day():
            since = self.plan.local_date - dt.timedelta(days=self.link.bookings.sweep_days)
            for page in self._of_dates(since, None):
                yield self._unsettled(page)
        with self.engine.connect() as connection:
            ids = {*self._changed_ids(), *ledger.open_ids(connection, self.run.link)}
        for page in self.qms.pages_any("OverviewInvoice", "InvoiceHeaderId", sorted(ids)):
            yield [raw for raw in page if self._is_taken(raw, None, None)]

    def _of_dates(self, first: dt.date, last: dt.date | None) -> Iterator[list[bytes]]:
        """Heads with a date from `first` to `last` inclusive, in the states that are booked."""
        states = " or ".join(f"InvoiceHeaderState eq {odata.literal(state)}" for state in self.states)
        dates = " or ".join(
            (
                f"({_within('InvoiceDate', first, last)})",
                f"(InvoiceDate eq null and {_within('WorkInProgressDate', first, last)})",
            )
        )
        for page in self.qms.pages("OverviewInvoice", filter=f"({states}) and ({dates})"):
            yield [raw for raw in page if self._is_taken(raw, first, last)]

    def _is_taken(self, raw: bytes, first: dt.date | None, last: dt.date | None) -> bool:
        """Whether an invoice is the link's, in a booked state, and within the dates.

        One whose date cannot be read, or that has none, is taken: it is rejected with its reason, not passed over.
        """
        header, faults = decode_readable(raw, OverviewInvoice)
        if header is None:
            return True
        faulty = {fault.field for fault in faults}
        if "CompanyId" not in faulty and identifier(header.CompanyId) != str(self.link.qms.company_id):
            return False
        if "InvoiceHeaderState" not in faulty and text(header.InvoiceHeaderState) not in self.states:
            return False
        date = comparison_date(header)
        if date is None:
            return True
        start = self.link.bookings.start_date
        lower = max(first or dt.date.min, start or dt.date.min)
        return lower <= date <= (last or dt.date.max)

    def _unsettled(self, page: list[bytes]) -> list[bytes]:
        """Those of a page that the ledger is not done with."""
        ids = {raw: invoice_id(decode_readable(raw, OverviewInvoice)[0]) for raw in page}
        with self.engine.connect() as connection:
            settled = ledger.settled_ids(connection, self.run.link, [one for one in ids.values() if one is not None])
        return [raw for raw in page if ids[raw] not in settled]

    def _changed_ids(self) -> Iterable[int]:
        """InvoiceHeaderIds that the change log has as processed in the run's interval, of any company."""
        intervals = self.plan.intervals
        pages = chain.from_iterable(self._changes(start, end) for start, end in intervals)
        stage(self.engine, self.run, "entity_changes", pages, _change_key)
        found: set[int] = set()
        for raw in _staged_raw(self.engine, self.run, "entity_changes"):
            change, _ = decode_readable(raw, EntityChange)
            if change is None or not _is_processing(change):
                continue
            instant = _instant(change.Date)
            entity_id = row_key(change.EntityId)
            within = instant is None or any(start <= instant < end for start, end in intervals)
            if entity_id is not None and within:
                found.add(entity_id)
        log.info("The change log has %d processed invoices in the interval", len(found))
        return found

    def _changes(self, start: dt.datetime, end: dt.datetime) -> Iterator[list[bytes]]:
        """Read the change log of an interval, to whole seconds: its exact ends are compared here."""
        condition = odata.all_of(
            "EntityType eq 'InvoiceHeader'",
            "BusinessOperation eq 'Process'",
            f"Date ge {odata.literal(start.replace(microsecond=0))}",
            f"Date lt {odata.literal(_next_second(end))}",
        )
        return self.qms.pages("EntityChange", filter=condition)


def note_sweep(connection: sa.Connection, run: Run, plan: Plan) -> None:
    """Note that the run has compared the last days with the ledger, and every invoice it found has an outcome."""
    connection.execute(
        insert(daily_sweep).values(link=run.link, local_date=plan.local_date, run=run.id).on_conflict_do_nothing()
    )


def _within(field: str, first: dt.date, last: dt.date | None) -> str:
    """Filter a local date-time by dates, both inclusive."""
    lower = f"{field} ge {_midnight(first)}"
    if last is None or last == dt.date.max:
        return lower
    return f"{lower} and {field} lt {_midnight(last + dt.timedelta(days=1))}"


def _midnight(date: dt.date) -> str:
    return f"datetime'{date.isoformat()}T00:00:00'"


def _next_second(instant: dt.datetime) -> dt.datetime:
    """Round up to a whole second: the filter is coarse, the exact end is compared here."""
    return instant if instant.microsecond == 0 else instant.replace(microsecond=0) + dt.timedelta(seconds=1)


def _is_processing(change: EntityChange) -> bool:
    return text(change.EntityType) == "InvoiceHeader" and text(change.BusinessOperation) == "Process"


def _instant(value: str | float | None) -> dt.datetime | None:
    """Read a UTC date-time; one that cannot be read counts as within: the server chose it."""
    try:
        instant = dt.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=dt.UTC)


def _staged_raw(engine: sa.Engine, run: Run, entity: str) -> Iterator[bytes]:
    for chunk in read_staged(engine, run, entity, with_rejected=True):
        for record in chunk:
            yield record.raw


def _key_reader(type_: type[Any], field: str) -> KeyReader:
    """Make a reader of a record's key, which reads it though other fields of the record may be faulty."""

    def read(raw: bytes) -> str | None:
        record, _ = decode_readable(raw, type_)
        key = None if record is None else row_key(getattr(record, field))
        return None if key is None else str(key)

    return read


_invoice_key = _key_reader(OverviewInvoice, "InvoiceHeaderId")
_totals_key = _key_reader(Invoice, "InvoiceHeaderId")
_line_key = _key_reader(OverviewInvoiceLine, "InvoiceLineId")
_line_parent = _key_reader(OverviewInvoiceLine, "InvoiceHeaderId")
_change_key = _key_reader(EntityChange, "EntityChangeId")
