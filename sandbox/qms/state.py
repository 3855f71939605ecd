"""What the stand-in for QMS knows: rows per entity, and the change log."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import RLock
from typing import TYPE_CHECKING, Any

from sandbox.common.controls import ControlError
from sandbox.common.http import whole_number
from sandbox.common.json_text import dumps, reread
from sandbox.common.rows import apply_edit
from sandbox.qms.entities import NAMES, Entity, entity
from sandbox.qms.query import key_order

if TYPE_CHECKING:
    from sandbox.common.config import Config, Row

CONSENTER = "j.vandijk"
"""The user who authorised the connector; writes through the API carry this name."""

_LOG_TYPES = {"Invoice": "InvoiceHeader", "OverviewInvoice": "InvoiceHeader", "OverviewInvoiceLine": "InvoiceLine"}
_OPERATIONS = {"add": "Insert", "replace": "Update", "update": "Update", "delete": "Delete"}


class QmsState:
    """All data of the stand-in, in memory.

    Args:
        config: The settings.
        data: The `qms` part of a data set.

    Attributes:
        config: The settings; some may change while it runs.
        lock: Held while data is read or changed.
        references: Known ids of entities that the contract does not offer, by field; a field without entry takes any.
    """

    def __init__(self, config: Config, data: Row) -> None:
        self.config = config
        self.lock = RLock()
        self.references: dict[str, list[str]] = {}
        self._original = dumps(data)
        self._tables: dict[str, list[Row]] = {}
        self._sorted: dict[str, list[Row]] = {}
        self._by_key: dict[str, dict[int, Row]] = {}
        self._last_key: dict[str, int] = {}
        self.reset(None)

    def reset(self, data: Any) -> None:
        """Take a data set, or go back to the original.

        Args:
            data: A data set with a `qms` part (or that part itself); None for the original.
        """
        part = reread(self._original) if data is None else reread(dumps(data.get("qms", data)))
        with self.lock:
            self._tables = {name: part.get(name, []) for name in NAMES}
            self.references = part.get("references", {})
            self._sorted.clear()
            self._by_key.clear()
            self._last_key.clear()

    def snapshot(self) -> Row:
        """Show everything, in the form of a data set.

        Returns:
            A JSON object.
        """
        with self.lock:
            return reread(dumps({**self._tables, "references": self.references}))  # type: ignore[no-any-return]

    def rows(self, name: str) -> list[Row]:
        """List the rows of an entity in order of their key.

        Args:
            name: The entity.

        Returns:
            The rows.
        """
        if name not in self._sorted:
            self._sorted[name] = key_order(entity(name), self._tables[name])
        return self._sorted[name]

    def find(self, name: str, key: int) -> Row | None:
        """Find a row by its key.

        Args:
            name: The entity.
            key: The key.

        Returns:
            The row, or None.
        """
        if name not in self._by_key:
            field = entity(name).key
            keyed = ((whole_number(row.get(field)), row) for row in self._tables[name])
            self._by_key[name] = {number: row for number, row in keyed if number is not None}
        return self._by_key[name].get(key)

    def new_key(self, name: str) -> str:
        """Give out the next key of an entity.

        Args:
            name: The entity, or any other name that is counted by itself.

        Returns:
            The key, as text.
        """
        if name not in self._last_key:
            field = entity(name).key if name in NAMES else ""
            known = (whole_number(row.get(field)) for row in self._tables.get(name, []))
            self._last_key[name] = max((number for number in known if number is not None), default=0)
        self._last_key[name] += 1
        return str(self._last_key[name])

    def insert(self, kind: Entity, row: Row) -> None:
        """Add a row that came through the API, and log it.

        Args:
            kind: Its entity.
            row: The whole row.
        """
        self._append(kind.name, row)
        self.log(kind.name, row[kind.key], "Insert")

    def put(self, kind: Entity, old: Row, row: Row) -> None:
        """Replace a row through the API, and log it.

        Args:
            kind: Its entity.
            old: The row that is there.
            row: The whole new row.
        """
        table = self._tables[kind.name]
        place = next(place for place, each in enumerate(table) if each is old)
        table[place] = row
        self._sorted.pop(kind.name, None)
        if kind.name in self._by_key:
            self._by_key[kind.name][int(row[kind.key])] = row
        self.log(kind.name, row[kind.key], "Update")

    def log(
        self,
        name: str,
        key: Any,
        operation: str,
        *,
        business_operation: str | None = None,
        user: str = CONSENTER,
        date: str | None = None,
    ) -> None:
        """Write a row of the change log.

        Args:
            name: The entity.
            key: The key of the changed row.
            operation: Insert, Update or Delete.
            business_operation: Process, Approve, or None.
            user: Who did it.
            date: When, in UTC with `Z`; None is now.
        """
        change_id = self.new_key("EntityChange")
        self._append(
            "EntityChange",
            {
                "EntityChangeId": change_id,
                "Date": date or self._now(),
                "EntityId": str(key),
                "EntityType": _LOG_TYPES.get(name, name),
                "EntityOperation": operation,
                "BusinessOperation": business_operation,
                "AdditionalDescription": None,
                "UserName": user,
            },
        )

    def edit(self, change: dict[str, Any]) -> Row:
        """Change raw rows, as a user does.

        Args:
            change: Either `entity` with the verbs of `apply_edit`, or `process` (an InvoiceHeaderId: its state becomes
                `state`, Processed when left out, with a Process entry in the log). With both optionally `user`, `date`
                (UTC, with `Z`), `business_operation` and `log` (false writes nothing to the change log).

        Returns:
            How many rows were changed.

        Raises:
            ControlError: When something is unknown.
        """
        with self.lock:
            if "process" in change:
                return self._process(change)
            name = change.get("entity")
            if name not in NAMES:
                raise ControlError(f"The entities are {', '.join(NAMES)}")
            key = entity(name).key
            done = apply_edit(self._tables[name], key, change)
            self._touched(name)
            if change.get("log", True) and name != "EntityChange":
                for verb, row in done:
                    self._log_edit(name, row.get(key), _OPERATIONS[verb], change)
        return {"changed": len(done)}

    def _process(self, change: dict[str, Any]) -> Row:
        new = {"InvoiceHeaderId": change["process"], "InvoiceHeaderState": change.get("state", "Processed")}
        for name in ("Invoice", "OverviewInvoice"):
            table = self._tables[name]
            key = next(
                (row["InvoiceHeaderId"] for row in table if str(row["InvoiceHeaderId"]) == str(change["process"])), None
            )
            apply_edit(table, "InvoiceHeaderId", {"update": [new | {"InvoiceHeaderId": key or change["process"]}]})
            self._touched(name)
        self._log_edit("Invoice", change["process"], "Update", {"business_operation": "Process"} | change)
        return {"changed": 1}

    def _log_edit(self, name: str, key: Any, operation: str, change: dict[str, Any]) -> None:
        self.log(
            name,
            key,
            operation,
            business_operation=change.get("business_operation"),
            user=change.get("user", "m.visser"),
            date=change.get("date"),
        )

    def _append(self, name: str, row: Row) -> None:
        # A new key is the largest one, so what was worked out stays right and need not be made again.
        self._tables[name].append(row)
        if name in self._sorted:
            self._sorted[name].append(row)
        if name in self._by_key:
            self._by_key[name][int(row[entity(name).key])] = row

    def _touched(self, name: str) -> None:
        self._sorted.pop(name, None)
        self._by_key.pop(name, None)
        self._last_key.pop(name, None)

    def _now(self) -> str:
        now = datetime.fromtimestamp(self.config.clock(), UTC)
        return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
