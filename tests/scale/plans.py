"""How much of a table PostgreSQL reads for a statement: counted rows, not time."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.storage.retention import BOUNDED, KEPT

if TYPE_CHECKING:
    from collections.abc import Iterator

GROWING = frozenset(BOUNDED) | {"booking", "binding", "record_current", "entity_report", "person_action"}
"""Tables that grow with time, or with the number of records."""

assert set(BOUNDED) | set(KEPT) >= GROWING


@dataclass(frozen=True)
class Read:
    """What one statement reads of one table."""

    table: str
    node: str
    rows: float
    statement: str


@contextmanager
def statements() -> Iterator[dict[str, Any]]:
    """Collect the statements that any engine sends, each text once, with the parameters that came first."""
    sent: dict[str, Any] = {}

    def keep(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        sent.setdefault(statement, parameters[0] if many else parameters)

    sa.event.listen(sa.Engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", keep)


def reads(engine: sa.Engine, sent: dict[str, Any]) -> list[Read]:
    """Have PostgreSQL carry the statements out, and count what each reads of the growing tables; nothing stays."""
    found: list[Read] = []
    for statement, parameters in sent.items():
        if not any(table in statement for table in GROWING) or statement.lstrip().startswith(("TRUNCATE", "EXPLAIN")):
            continue
        with engine.connect() as connection:
            (row,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", parameters)
            connection.rollback()
        plan = (row[0] if isinstance(row[0], list) else json.loads(row[0]))[0]["Plan"]
        found += _reads(plan, statement)
    return found


def _reads(plan: dict[str, Any], statement: str) -> Iterator[Read]:
    """The scans of a plan."""
    if plan.get("Relation Name") in GROWING and plan["Node Type"] != "ModifyTable":
        rows = (
            plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        )
        yield Read(plan["Relation Name"], plan["Node Type"], rows * plan["Actual Loops"], statement)
    for part in plan.get("Plans", ()):
        yield from _reads(part, statement)
