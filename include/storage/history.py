"""How long what updates overwrote is kept (setting `history_days`)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.storage.tables import field_change

if TYPE_CHECKING:
    from include.storage.runs import Run


def forget_old_changes(engine: sa.Engine, run: Run, days: int) -> int:
    """Delete the link's changes that are older than this many days; returns how many."""
    with engine.begin() as connection:
        old = sa.func.now() - dt.timedelta(days=days)  # the index needs one moment for all rows
        gone = connection.execute(
            sa.delete(field_change).where(field_change.c.link == run.link, field_change.c.changed_at < old)
        )
    return gone.rowcount
