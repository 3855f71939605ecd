"""Staged invoices, put together from their head, totals and lines."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.bookings.dates import comparison_date, readable_date
from include.bookings.invoice import SourceInvoice
from include.checks.results import Finding, StagedRecord
from include.storage.runs import RunBusyError
from include.storage.staging import read_by_key, read_staged
from include.wire.decode import decode_readable, decode_record
from include.wire.qms import Invoice, OverviewInvoice, OverviewInvoiceLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from include.storage.runs import Run

CHUNK = 200
_LATEST = dt.date.max


@dataclass(frozen=True, slots=True)
class StagedInvoice:
    """One staged invoice; `source` is None when something of it cannot be read, and `findings` say what.

    Attributes:
        key: InvoiceHeaderId as text; its place in the list (`#17`) when it has none.
        payload: Its head, as received.
        header: Its head as far as it can be read.
        source: The whole invoice; None when something of it cannot be read.
        findings: What cannot be read.
    """

    key: str
    payload: str
    header: OverviewInvoice | None
    source: SourceInvoice | None
    findings: tuple[Finding, ...]

    @property
    def invoice_header_id(self) -> int | None:
        """InvoiceHeaderId; None for a record that has none (known by its place, `#17`)."""
        return None if self.key.startswith("#") else int(self.key)


def in_booking_order(engine: sa.Engine, run: Run) -> list[str]:
    """Keys of the staged invoices, oldest first: by invoice date, then by InvoiceHeaderId."""
    order: list[tuple[dt.date, int, str]] = []
    for chunk in read_staged(engine, run, "invoices", with_rejected=True):
        for record in chunk:
            header, _ = decode_readable(record.raw, OverviewInvoice)
            date = None if header is None else comparison_date(header)
            number = record.position if record.key.startswith("#") else int(record.key)
            order.append((date or _LATEST, number, record.key))
    return [key for _, _, key in sorted(order)]


def read_invoices(engine: sa.Engine, run: Run, keys: list[str]) -> Iterator[StagedInvoice]:
    """Read invoices with everything that belongs to them, in the order of the keys.

    Raises:
        RunBusyError: They are not there any more: later runs, which clear staging, have taken over.
    """
    for start in range(0, len(keys), CHUNK):
        part = keys[start : start + CHUNK]
        headers = dict(read_by_key(engine, run, "invoices", part))
        if len(headers) < len(part):
            raise RunBusyError("Later runs took over; what this one has staged is gone.", system="database")
        totals = dict(read_by_key(engine, run, "invoice_totals", part))
        lines: dict[str, list[StagedRecord]] = {}
        for parent, line in read_by_key(engine, run, "invoice_lines", part, by_parent=True):
            lines.setdefault(parent, []).append(line)
        for key in part:
            yield _put_together(key, headers[key], totals.get(key), lines.get(key, []))


def _put_together(
    key: str, header: StagedRecord, totals: StagedRecord | None, lines: list[StagedRecord]
) -> StagedInvoice:
    """Read the parts; the faults of all of them together are the findings."""
    findings: list[Finding] = []
    head, faults = decode_readable(header.raw, OverviewInvoice)
    findings += [Finding("wrong_type", fault.field, fault.message) for fault in faults]
    for field in ("InvoiceDate", "WorkInProgressDate"):
        if readable_date(getattr(head, field, None)) == "?":
            findings.append(Finding("wrong_type", field, "expected a date"))
    if key.startswith("#") and not faults:
        findings.append(Finding("missing_id", "InvoiceHeaderId", "The invoice has no InvoiceHeaderId."))
    amounts = None
    if totals is not None:
        amounts, faults = decode_record(totals.raw, Invoice)
        findings += [Finding("wrong_type", f"totals.{fault.field}", fault.message) for fault in faults]
    read_lines: list[OverviewInvoiceLine] = []
    for record in lines:
        line, faults = decode_record(record.raw, OverviewInvoiceLine)
        findings += [Finding("wrong_type", f"lines[{record.key}].{fault.field}", fault.message) for fault in faults]
        if line is not None:
            read_lines.append(line)
    source = None if head is None or findings else SourceInvoice(head, amounts, tuple(read_lines))
    return StagedInvoice(key, header.raw.decode(), head, source, tuple(findings))
