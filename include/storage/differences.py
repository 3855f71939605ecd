"""What the last reconciliation found. Nothing here writes."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - part of the dataclass's public annotations
from dataclasses import dataclass, fields
from decimal import Decimal  # noqa: TC003 - as above
from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.storage.queries import Page
from include.storage.tables import reconciliation_finding

if TYPE_CHECKING:
    from include.storage.queries import RunRow


@dataclass(frozen=True, slots=True)
class Difference:
    """One invoice on which QMS, the ledger and Minox do not agree; totals with VAT."""

    id: int
    kind: str
    invoice_header_id: int | None
    invoice_number: str | None
    customer: int | None
    in_qms: Decimal | None
    in_ledger: Decimal | None
    in_minox: Decimal | None
    message: str
    found_at: dt.datetime


def differences(
    connection: sa.Connection, run: RunRow, *, limit: int = 100, after: int | None = None
) -> Page[Difference]:
    """List what a reconciliation found, in its own order.

    Args:
        connection: To the connector's database.
        run: The run of the reconciliation.
        limit: Rows a page.
        after: Id that the page before ended with (`Page.after`).
    """
    query = sa.select(*(reconciliation_finding.c[one.name] for one in fields(Difference)))
    query = query.where(reconciliation_finding.c.run == run.id)
    if after is not None:
        query = query.where(reconciliation_finding.c.id > after)
    rows = [
        Difference(*row) for row in connection.execute(query.order_by(reconciliation_finding.c.id).limit(limit + 1))
    ]
    kept = tuple(rows[:limit])
    return Page(kept, str(kept[-1].id) if len(rows) > limit else None)
