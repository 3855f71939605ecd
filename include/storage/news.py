"""What people have not been told of quarantine yet; what is taken from here counts as told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.alerts.texts import SHOWN, Record
from include.storage.invoice_search import invoice_numbers
from include.storage.queries import INVOICES
from include.storage.tables import quarantine

if TYPE_CHECKING:
    from collections.abc import Sequence


def take_rejected(connection: sa.Connection, link: str, direction: str) -> Sequence[Record]:
    """Records in quarantine that nobody was told of yet, or that people were told of with another reason.

    Args:
        connection: In the transaction that writes the message.
        link: Name of the link.
        direction: `minox_to_qms` or `qms_to_minox`.
    """
    return _take(connection, link, direction, quarantine.c.solved_at.is_(None))


def take_solved(connection: sa.Connection, link: str, direction: str) -> Sequence[Record]:
    """Records that left quarantine since people were last told.

    Args:
        connection: In the transaction that writes the message.
        link: Name of the link.
        direction: `minox_to_qms` or `qms_to_minox`.
    """
    return _take(connection, link, direction, quarantine.c.solved_at.is_not(None))


def _take(connection: sa.Connection, link: str, direction: str, which: sa.ColumnElement[bool]) -> list[Record]:
    rows = connection.execute(
        sa.update(quarantine)
        .where(quarantine.c.link == link, quarantine.c.direction == direction, sa.not_(quarantine.c.alerted), which)
        .values(alerted=True)
        .returning(
            quarantine.c.id,
            quarantine.c.entity,
            quarantine.c.source_key,
            quarantine.c.reason,
            quarantine.c.message,
        )
    )
    found = sorted(rows, key=lambda row: row.id)  # all invoices, or none: they have a direction of their own
    listed = [row.source_key for row in found[:SHOWN] if row.entity == INVOICES]
    names = invoice_numbers(connection, link, listed)
    return [Record(row.entity, row.source_key, row.reason, row.message, names.get(row.source_key, "")) for row in found]
