"""Gather what QMS, the ledger and Minox say of a period's invoices, compare, and keep what does not agree."""

from __future__ import annotations

import datetime as dt
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.bookings.codes import account_number
from include.bookings.number import invoice_number
from include.bookings.plan import Plan
from include.bookings.reading import LARGEST_TOTAL, total_of
from include.bookings.reconcile import (
    Difference,
    LedgerEntry,
    MinoxItem,
    QmsInvoice,
    entry_differs,
    reconcile,
)
from include.bookings.skipped import is_written_off
from include.errors import ContractViolationError
from include.money import to_cents
from include.storage.runs import covered_until
from include.storage.tables import booking, reconciliation_finding
from include.wire.decode import decode_readable
from include.wire.minox import day
from include.wire.qms import EntityChange
from include.wire.text import row_key, text
from minox_qms.hooks import odata
from minox_qms.sync.existing import place_of
from minox_qms.sync.invoices import in_booking_order, read_invoices
from minox_qms.sync.selection import InvoiceSelection
from minox_qms.sync.verdicts import Examiner

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator
    from decimal import Decimal

    from include.settings.link import LinkSettings
    from include.storage.runs import Run
    from include.wire.minox import Receivable
    from minox_qms.hooks.minox import MinoxHook
    from minox_qms.hooks.qms import QmsHook

log = logging.getLogger(__name__)

READERS = 4
LEDGER_CHUNK = 5000


@dataclass(frozen=True, slots=True)
class _Booked:
    """A booked invoice of the ledger, with the entry as it was sent."""

    invoice_header_id: int
    batch_id: uuid.UUID
    entry: list[dict[str, object]] | None


class Reconciliation:
    """Compares one period of a link.

    Args:
        engine: Of the connector's database.
        minox: Hook of the administration.
        qms: Hook of the company.
        link: The link's settings.
        run: The run; its plan is a range of invoice dates.
    """

    def __init__(self, engine: sa.Engine, minox: MinoxHook, qms: QmsHook, link: LinkSettings, run: Run) -> None:
        self.engine = engine
        self.minox = minox
        self.qms = qms
        self.link = link
        self.run = run
        self.plan = Plan.from_json(run.plan)

    def reconcile(self) -> list[Difference]:
        """Compare; what a run has changed meanwhile is left to the next time.

        Returns:
            The differences; they are kept with the run.
        """
        with self.engine.connect() as connection:
            began: dt.datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        selection = InvoiceSelection(self.engine, self.qms, self.link, self.run, self.plan)
        selection.stage_rows()
        keys = [key for key in in_booking_order(self.engine, self.run) if not key.startswith("#")]
        invoices = list(self._invoices(keys))
        ledger, booked = self._ledger([one.invoice_header_id for one in invoices])
        unread = {one.invoice_header_id for one in booked} - {int(key) for key in keys}
        moved_away = selection.there(unread)  # they have another date since, and are of another period
        ledger = [one for one in ledger if one.invoice_header_id not in moved_away]
        receivables = self._receivables({one.minox_number for one in invoices} | {one.ledger_number for one in ledger})
        differences = reconcile(
            invoices,
            ledger,
            receivables,
            self._batches([one for one in booked if one.invoice_header_id not in moved_away]),
            not_due=self._processed_since_last_run(),
            accounted_for=self._places([one.minox_number for one in receivables]),
        )
        moved = self._moved_since(began)
        differences = [one for one in differences if one.invoice_header_id not in moved]
        self._keep(differences)
        return differences

    def _invoices(self, keys: list[str]) -> Iterator[QmsInvoice]:
        """QMS's invoices of the period that are to be accounted for."""
        examiner = Examiner(self.link, self.minox, self.qms, {}, read_at=self.plan.end, now=self.plan.end)
        for invoice in read_invoices(self.engine, self.run, keys):
            source = invoice.source
            if source is None:
                yield QmsInvoice(int(invoice.key), None, None, None, None)
            elif not is_written_off(source, self.link.bookings):
                prefix = examiner.context.company.InvoiceNumberPrefix
                sum_ = total_of(source)
                yield QmsInvoice(
                    int(invoice.key),
                    text(source.header.InvoiceNumber),
                    invoice_number(source.header.InvoiceNumber, self.link.bookings.invoice_number, prefix),
                    account_number(source.header.InvoiceCustomerCompanyCustomerCode),
                    None if sum_ is None or abs(sum_) >= LARGEST_TOTAL else sum_,
                )

    def _ledger(self, ids: list[int]) -> tuple[list[LedgerEntry], list[_Booked]]:
        """The ledger's rows of these invoices and of the period, and the booked ones among them."""
        columns = (
            booking.c.invoice_header_id,
            booking.c.state,
            booking.c.minox_number,
            booking.c.customer,
            booking.c.total,
            booking.c.batch_id,
            booking.c.entry,
        )
        entries: dict[int, LedgerEntry] = {}
        booked: dict[int, _Booked] = {}
        period = booking.c.invoice_date.between(self.plan.from_date, self.plan.to_date)
        conditions: list[sa.ColumnElement[bool]] = [period]
        for start in range(0, len(ids), LEDGER_CHUNK):
            part = sa.literal(ids[start : start + LEDGER_CHUNK], sa.ARRAY(sa.BigInteger))
            conditions.append(booking.c.invoice_header_id == sa.any_(part))
        with self.engine.connect() as connection:
            for condition in conditions:
                for row in connection.execute(sa.select(*columns).where(booking.c.link == self.run.link, condition)):
                    number = row.invoice_header_id
                    entries[number] = LedgerEntry(number, row.state, row.minox_number, row.customer, row.total)
                    if row.state == "booked":
                        booked[number] = _Booked(number, row.batch_id, row.entry)
        return list(entries.values()), list(booked.values())

    def _places(self, numbers: list[int]) -> set[tuple[int, int]]:
        """Debtor and number of the ledger's invoices with these numbers, of whatever period."""
        places: set[tuple[int, int]] = set()
        with self.engine.connect() as connection:
            for start in range(0, len(numbers), LEDGER_CHUNK):
                part = sa.literal(numbers[start : start + LEDGER_CHUNK], sa.ARRAY(sa.BigInteger))
                rows = connection.execute(
                    sa.select(booking.c.customer, booking.c.minox_number).where(
                        booking.c.link == self.run.link, booking.c.minox_number == sa.any_(part)
                    )
                )
                places.update((row.customer, row.minox_number) for row in rows)
        return places

    def _receivables(self, numbers: set[int | None]) -> list[MinoxItem]:
        """Minox's receivables of the period, and those with one of these numbers."""
        items = []
        for page in self.minox.receivables():
            for one in page:
                place = place_of(one)
                if place is None or one.total is None:
                    continue
                customer, number = place
                if number in numbers or self._is_within(one):
                    items.append(MinoxItem(number, customer, _amount(one.total)))
        return items

    def _is_within(self, one: Receivable) -> bool:
        """Whether a receivable is of the period; one whose date cannot be read is, rather than be passed over."""
        try:
            date = day(one.invoice_date)
        except ValueError:
            return True
        return date is not None and (self.plan.from_date or dt.date.min) <= date <= (self.plan.to_date or dt.date.max)

    def _batches(self, booked: list[_Booked]) -> dict[int, str | None]:
        """Compare every booked batch with the entry that was sent."""

        def compare(one: _Booked) -> tuple[int, str | None]:
            stored = self.minox.get_batch(one.batch_id)
            if stored is None:
                return one.invoice_header_id, "deleted"
            return one.invoice_header_id, None if one.entry is None else entry_differs(one.entry, stored)

        with ThreadPoolExecutor(READERS) as pool:
            return dict(pool.map(compare, booked))

    def _processed_since_last_run(self) -> set[int]:
        """InvoiceHeaderIds that were processed after the interval that was run last: no run has seen them yet."""
        covered = covered_until(self.engine, self.run.link, "qms_to_minox", "invoices")
        if covered is None:
            return set()
        condition = odata.all_of(
            "EntityType eq 'InvoiceHeader'",
            "BusinessOperation eq 'Process'",
            f"Date ge {odata.literal(dt.datetime.fromisoformat(covered).replace(microsecond=0))}",
        )
        changes = (
            decode_readable(raw, EntityChange)[0]
            for page in self.qms.pages("EntityChange", filter=condition)
            for raw in page
        )
        ids = (row_key(change.EntityId) for change in changes if change is not None)
        return {number for number in ids if number is not None}

    def _moved_since(self, instant: dt.datetime) -> set[int]:
        """Invoices that a run has worked on since."""
        with self.engine.connect() as connection:
            return set(
                connection.scalars(
                    sa.select(booking.c.invoice_header_id).where(
                        booking.c.link == self.run.link, booking.c.updated_at >= instant
                    )
                )
            )

    def _keep(self, differences: list[Difference]) -> None:
        """Keep the differences with the run."""
        with self.engine.begin() as connection:
            connection.execute(sa.delete(reconciliation_finding).where(reconciliation_finding.c.run == self.run.id))
            rows = [{"run": self.run.id, "link": self.run.link, **asdict(one)} for one in differences]
            if rows:
                connection.execute(insert(reconciliation_finding), rows)


def _amount(amount: Decimal) -> Decimal:
    """An amount of Minox to the cent; one that no books can hold is none."""
    if abs(amount) >= LARGEST_TOTAL - 1:
        raise ContractViolationError(
            "A receivable of Minox has an amount that cannot be right; nothing of the list was used.",
            system="minox",
            entity="receivable",
            field="total",
        )
    return to_cents(amount)
