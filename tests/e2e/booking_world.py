"""A world with invoices, for the tests of the bookings: made by hand, so that each test says what is in it."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.bookings.batch_id import batch_id
from include.settings.load import load_link
from sandbox.data import minox_rows
from sandbox.data.invoices import Invoice, Line, header_row, line_rows, overview_row
from sandbox.dataset import empty
from tests.database import empty_tables
from tests.world import Ran, World, _build

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PROCESSED = "2026-03-02T10:00:00Z"
MORNING = ("2026-03-02T09:00:00Z", "2026-03-02T11:00:00Z")
LATER = ("2026-03-02T11:00:00Z", "2026-03-02T12:00:00Z")
AFTER = ("2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z")


def invoice(key: int, *, lines: list[Line] | None = None, **changes: Any) -> Invoice:
    """An invoice that can be booked: number F2026-<key>, of 1 March 2026, one line of 100.00 and 21 per cent."""
    values: dict[str, Any] = {
        "number": f"F2026-{key:04d}",
        "day": dt.date(2026, 3, 1),
        "invoice_day": dt.date(2026, 3, 1),
        "customer_code": "10001",
        "customer_name": "Klant",
        "text": f"Werk {key}",
        **changes,
    }
    return Invoice(key=key, lines=lines if lines is not None else [Line(Decimal(1), Decimal(100))], **values)


def number_of(key: int) -> int:
    """Minox's number of `invoice(key)`."""
    return int(f"2026{key:04d}")


def batch_of(key: int) -> str:
    """Id of the batch of an invoice of the link."""
    return str(batch_id(123456, 1, 3, key))


class BookingWorld(World):
    """A world whose administration has ten customers, and no invoices until a test adds them."""

    def __init__(self, directory: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch, **modes: Any) -> None:
        data = empty()
        data["minox"]["tenants"][0]["data"]["1"]["customer"] = minox_rows.customers(Random(1), 10)  # noqa: S311
        super().__init__(directory, database, monkeypatch, dataset=data, **modes)
        self.begin_anew()

    def begin_anew(self, **bookings: Any) -> None:
        """Back to the beginning: both systems, the database, and the link's settings."""
        for system in (self.minox, self.qms):
            system.control("POST", "reset")
            system.control("POST", "modes", {"page_size": 100})
        self.minox.control("POST", "modes", {"rate_limit": "off"})
        empty_tables(self.database)
        self.change_settings(**bookings)

    def change_settings(self, **bookings: Any) -> None:
        """Set the link's settings for bookings; those that are not named have their defaults."""
        self.configure(bookings=bookings)

    def take_over(self) -> None:
        """Give the link's direction to another run, as when this one's machine was out of reach for a while."""
        self.execute(
            "WITH other AS (INSERT INTO sync_run (link, direction, dag_id, run_id, plan) "
            "VALUES ('test', 'qms_to_minox', 'd', CAST(gen_random_uuid() AS text), '{}') RETURNING id) "
            "UPDATE run_claim SET run = (SELECT id FROM other)"
        )

    # -- QMS -----------------------------------------------------------------------------------------------------------

    def add(self, *invoices: Invoice, at: str | None = PROCESSED) -> None:
        """Add invoices to QMS, processed at this instant; None leaves them out of the change log."""
        rows = [row | {"InvoiceLineId": _line_id(row)} for one in invoices for row in line_rows([one], 1)]
        self.qms.edit(
            {"entity": "OverviewInvoice", "add": [overview_row(one) for one in invoices], "log": False},
            {"entity": "Invoice", "add": [header_row(one) for one in invoices], "log": False},
            {"entity": "OverviewInvoiceLine", "add": rows, "log": False},
        )
        if at is not None:
            self.log(*(one.key for one in invoices), at=at)

    def change(self, one: Invoice, *, at: str | None = PROCESSED, **changes: Any) -> Invoice:
        """Change an invoice of QMS that `add` has added; it is processed again at this instant."""
        changed = replace(one, **changes)
        lines = line_rows([changed], 1)
        self.qms.edit(
            {"entity": "OverviewInvoice", "replace": [overview_row(changed)], "log": False},
            {"entity": "Invoice", "replace": [header_row(changed)], "log": False},
            {
                "entity": "OverviewInvoiceLine",
                "delete": [_line_id(row) for row in line_rows([one], 1)],
                "add": [row | {"InvoiceLineId": _line_id(row)} for row in lines],
                "log": False,
            },
        )
        if at is not None:
            self.log(one.key, at=at)
        return changed

    def log(self, *keys: int, at: str = PROCESSED, operation: str = "Process", kind: str = "InvoiceHeader") -> None:
        """Write to the change log."""
        known = len(self.qms.state["EntityChange"])
        rows = [
            {
                "EntityChangeId": str(500_000 + known + place),
                "Date": at,
                "EntityId": str(key),
                "EntityType": kind,
                "EntityOperation": "Update",
                "BusinessOperation": operation,
                "UserName": "m.visser",
            }
            for place, key in enumerate(keys)
        ]
        self.qms.edit({"entity": "EntityChange", "add": rows})

    @property
    def states(self) -> dict[str, dict[str, Any]]:
        """Rows of EntityState of invoices, by InvoiceHeaderId; a second row of an invoice fails the test."""
        rows = [row for row in self.qms.state["EntityState"] if row["EntityType"] == "InvoiceHeader"]
        found = {str(row["EntityId"]): row for row in rows}
        assert len(found) == len(rows), rows
        return found

    # -- Minox ---------------------------------------------------------------------------------------------------------

    @property
    def books(self) -> dict[str, Any]:
        """The administration: lists and batches."""
        data: dict[str, Any] = self.minox.state["tenants"][0]["data"]["1"]
        return data

    @property
    def batches(self) -> dict[str, Any]:
        found: dict[str, Any] = self.books["batches"]
        return found

    @property
    def booked(self) -> set[int]:
        """Invoice numbers of the batches in Minox."""
        return {int(batch["lines"][0]["invoice_number"]) for batch in self.batches.values()}

    def puts(self, key: int | None = None) -> list[dict[str, Any]]:
        """PUTs of batches so far, all or of one invoice."""
        return self.minox.requests("PUT", "transaction_line_batch" if key is None else batch_of(key))

    def type_in(self, customer: int, number: int) -> None:
        """Type an entry into Minox by hand, as a bookkeeper does."""
        row = {
            "type": "receivable",
            "account_id": customer,
            "account": {"id": str(customer), "scheme": "MINOX", "type": "customer"},
            "invoice_number": number,
            "invoice_date": "2026-03-01",
            "total": 121,
            "balance": 121,
            "paid": 0,
        }
        self.minox.edit({"entity": "receivable", "add": [row]})

    # -- runs ----------------------------------------------------------------------------------------------------------

    def run(self, interval: tuple[str, str] | None = MORNING, **options: Any) -> Ran:
        """Run the invoices' DAG over an interval (None: a range of dates), and check that its numbers add up."""
        ran = self.run_invoices(interval=interval, **options)
        extracted = self.scalar(
            "SELECT e.extracted FROM sync_run_entity e JOIN sync_run r ON r.id = e.run "
            "WHERE r.run_id = :run AND e.entity = 'invoices'",
            run=ran.run_id,
        )
        if extracted is not None and not options.get("dry_run"):
            assert extracted == sum(ran.counts.get("invoices", {}).values()), ran
        return ran

    def retry(self, ran: Ran, *task_ids: str) -> Ran:
        """Run some tasks of a run again, as a scheduler does with those that failed."""
        dag = _build("qms_invoices")(load_link(self.directory / "test.yaml"))
        context = {"run_id": ran.run_id, "params": {}}
        for task_id in task_ids:
            dag.get_task(task_id).execute(context)
        return Ran(ran.dag_id, ran.run_id, dict.fromkeys(task_ids), self._counts(ran.run_id))

    def of(self, ran: Ran | None = None) -> dict[str, str]:
        """Outcome by InvoiceHeaderId, of a run or the current ones; with its reason where it has one."""
        found = self.outcomes(ran, entity="invoices")
        return {
            key: outcome if reason in {None, outcome} else f"{outcome}: {reason}"
            for (_, key), (outcome, reason, _) in found.items()
        }

    def message(self, key: int) -> str:
        """Current message of an invoice."""
        return str(self.outcomes(entity="invoices")["invoices", str(key)][2])

    def ledger(self, key: int) -> Any:
        """The ledger's row of an invoice."""
        with self.database.connect() as connection:
            return connection.execute(
                sa.text("SELECT * FROM booking WHERE invoice_header_id = :key"), {"key": key}
            ).one_or_none()

    def plan(self, ran: Ran) -> Any:
        """What a run was asked to take, as it is stored."""
        found = self.scalar("SELECT plan FROM sync_run WHERE run_id = :run", run=ran.run_id)
        return json.loads(found) if isinstance(found, str) else found


def _line_id(row: dict[str, Any]) -> str:
    return str(int(row["InvoiceHeaderId"]) * 1000 + int(row["InvoiceLineId"]))
