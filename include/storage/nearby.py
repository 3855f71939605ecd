"""Names that look like one that is not there, for the message that says so."""

from __future__ import annotations

import difflib
from typing import Any

import sqlalchemy as sa

NEAR = 5
MAX_COMPARED = 20_000


def near_ones(connection: sa.Connection, known: sa.Select[Any], column: sa.ColumnElement[Any], wanted: str) -> str:
    """Say which known names come near: `; near it: A01, A02`, or nothing when none does.

    Args:
        connection: To the connector's database.
        known: Selects the known names.
        column: The column that it selects.
        wanted: What was asked for.
    """
    length = sa.func.char_length(column)
    similar = sa.or_(
        sa.func.left(column, 1) == wanted[:1], sa.func.right(column, 1) == wanted[-1:], column.contains(wanted)
    )
    close = sa.or_(length.between(len(wanted) - 2, len(wanted) + 2), column.contains(wanted))
    names = connection.scalars(known.distinct().where(similar, close).limit(MAX_COMPARED)).all()
    found = difflib.get_close_matches(wanted, names, n=NEAR)
    found += sorted(name for name in names if wanted in name and name not in found)[: NEAR - len(found)]
    return f"; near it: {', '.join(found)}" if found else ""
