"""What a reconciliation found, and whether another one has looked at all of it again."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.storage.tables import booking, reconciliation_finding, sync_run

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Found:
    """What one reconciliation found.

    Attributes:
        first: First invoice date that it compared.
        last: Last invoice date that it compared.
        invoices: InvoiceHeaderId and number of what it found.
        dates: Invoice dates of these, as the ledger has them; None: not all are known, or within its range.
    """

    first: dt.date
    last: dt.date
    invoices: frozenset[tuple[int | None, str | None]]
    dates: frozenset[dt.date] | None

    def is_within(self, first: dt.date, last: dt.date) -> bool:
        """Whether a run of these dates looks at all of it: the dates of what was found, or the whole range."""
        return all(first <= date <= last for date in self.dates or (self.first, self.last))

    def is_other_than(self, earlier: Found) -> bool:
        """Whether it is news beside what an earlier run found: none of that, which it did not look at either."""
        return not earlier.is_within(self.first, self.last) and self.invoices.isdisjoint(earlier.invoices)


def range_of(plan: Mapping[str, Any]) -> tuple[dt.date, dt.date] | None:
    """First and last invoice date that a plan compares; None when it has no range."""
    if plan.get("from_date") is None or plan.get("to_date") is None:
        return None
    return dt.date.fromisoformat(plan["from_date"]), dt.date.fromisoformat(plan["to_date"])


def found_by(connection: sa.Connection, dag_id: str | None, run_id: str | None) -> Found | None:
    """Look up what a reconciliation found; None when it is not known any more, or found nothing.

    Args:
        connection: To the connector's database.
        dag_id: Of the DAG.
        run_id: Of the DAG run.
    """
    finding = reconciliation_finding.c
    same = sa.and_(booking.c.link == finding.link, booking.c.invoice_header_id == finding.invoice_header_id)
    rows = connection.execute(
        sa.select(sync_run.c.plan, finding.invoice_header_id, finding.invoice_number, booking.c.invoice_date)
        .select_from(reconciliation_finding)
        .join(sync_run, sync_run.c.id == finding.run)
        .outerjoin(booking, same)
        .where(sync_run.c.dag_id == dag_id, sync_run.c.run_id == run_id)
    ).all()
    dates = range_of(rows[0].plan) if rows else None
    if dates is None:
        return None
    first, last = dates
    are_known = all(row.invoice_date is not None and first <= row.invoice_date <= last for row in rows)
    return Found(
        first,
        last,
        frozenset((row.invoice_header_id, row.invoice_number) for row in rows),
        frozenset(row.invoice_date for row in rows) if are_known else None,
    )
