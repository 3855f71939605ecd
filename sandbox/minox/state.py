"""What the stand-in for Minox knows: its tenants and their administrations."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

from sandbox.common.controls import ControlError
from sandbox.common.json_text import dumps, reread
from sandbox.common.rows import apply_edit
from sandbox.minox.books import LISTS, Books

if TYPE_CHECKING:
    from sandbox.common.config import Config, Row


class MinoxState:
    """All data of the stand-in, in memory.

    Args:
        config: The settings.
        data: The `minox` part of a data set.

    Attributes:
        config: The settings; some may change while it runs.
        lock: Held while data is read or changed.
    """

    def __init__(self, config: Config, data: Row) -> None:
        self.config = config
        self.lock = RLock()
        self._original = dumps(data)
        self._tenants: dict[int, dict[str, Any]] = {}
        self.reset(None)

    def reset(self, data: Any) -> None:
        """Take a data set, or go back to the original.

        Args:
            data: A data set with a `minox` part (or that part itself); None for the original.
        """
        part = reread(self._original) if data is None else reread(dumps(data.get("minox", data)))
        with self.lock:
            self._tenants = {tenant["tenant_id"]: _tenant(tenant) for tenant in part.get("tenants", [])}

    def tenants(self) -> list[Row]:
        """List the tenants.

        Returns:
            Their ids and names.
        """
        return [{"tenant_id": key, "name": tenant["name"]} for key, tenant in self._tenants.items()]

    def administrations(self, tenant_id: int) -> list[Row] | None:
        """List the rows of a tenant's administrations.

        Args:
            tenant_id: The tenant.

        Returns:
            The rows, or None when there is no such tenant.
        """
        tenant = self._tenants.get(tenant_id)
        return None if tenant is None else tenant["administrations"]

    def books(self, tenant_id: int, administration_id: int) -> Books | None:
        """Find an administration.

        Args:
            tenant_id: The tenant.
            administration_id: The administration.

        Returns:
            Its books, or None when it is not there.
        """
        tenant = self._tenants.get(tenant_id)
        return None if tenant is None else tenant["books"].get(str(administration_id))

    def all_books(self) -> list[tuple[int, str, Books]]:
        """List every administration.

        Returns:
            Tenant id, administration id and books.
        """
        return [(key, name, books) for key, tenant in self._tenants.items() for name, books in tenant["books"].items()]

    def snapshot(self) -> Row:
        """Show everything, in the form of a data set.

        Returns:
            A JSON object.
        """
        with self.lock:
            tenants = [
                {
                    "tenant_id": key,
                    "name": tenant["name"],
                    "administrations": tenant["administrations"],
                    "data": {name: books.as_json() for name, books in tenant["books"].items()},
                }
                for key, tenant in self._tenants.items()
            ]
        return reread(dumps({"tenants": tenants}))  # type: ignore[no-any-return]

    def edit(self, change: dict[str, Any]) -> Row:
        """Change raw rows, as a user does.

        Args:
            change: `entity` (one of the lists, `administration`, or `batch`, which can only be deleted), optionally
                `tenant` and `administration` (the first of each when left out), and the verbs of `apply_edit`.

        Returns:
            How many rows each verb changed.

        Raises:
            ControlError: When something is unknown.
        """
        with self.lock:
            tenant_id = change.get("tenant", next(iter(self._tenants), None))
            tenant = self._tenants.get(tenant_id)  # type: ignore[arg-type]
            if tenant is None:
                raise ControlError(f"There is no tenant {tenant_id}")
            entity = change.get("entity")
            if entity == "administration":
                done = apply_edit(tenant["administrations"], "id", change)
                tenant["books"] = _books_of(tenant["administrations"], tenant["books"])
                return {"changed": len(done)}
            name = str(change.get("administration", next(iter(tenant["books"]), None)))
            books = tenant["books"].get(name)
            if books is None:
                raise ControlError(f"There is no administration {name}")
            if entity == "batch":
                for key in change.get("delete", []):
                    books.batches.pop(key, None)
                books.changed()
                return {"changed": len(change.get("delete", []))}
            if entity not in LISTS:
                raise ControlError(f"The entities are administration, batch, {', '.join(LISTS)}")
            key_field = "invoice_number" if entity == "receivable" else "id"
            done = apply_edit(books.lists[entity], key_field, change)
            if "closed_until" in change:
                books.closed_until = change["closed_until"]
            books.changed()
        return {"changed": len(done)}


def _tenant(tenant: Row) -> dict[str, Any]:
    rows = tenant.get("administrations", [])
    data = tenant.get("data", {})
    books = {str(row.get("id")): Books.parse(row, data.get(str(row.get("id")), {})) for row in rows}
    return {"name": tenant.get("name"), "administrations": rows, "books": books}


def _books_of(rows: list[Row], known: dict[str, Books]) -> dict[str, Books]:
    kept: dict[str, Books] = {}
    for row in rows:
        name = str(row.get("id"))
        books = known.get(name) or Books.parse(row, {})
        books.row = row
        kept[name] = books
    return kept
