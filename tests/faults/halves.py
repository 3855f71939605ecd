"""The two halves of the matrix: a small world each, its first state, its runs, and what must be there in the end."""

from __future__ import annotations

import contextlib
import functools
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowTaskTimeout

from include.checks.engine import check_batch, check_records
from include.settings.load import load_link
from include.storage import runs
from include.storage.engine import _engine_of_process, engine
from minox_qms.hooks.http import Limits
from minox_qms.operators import open_run
from minox_qms.operators.link import LinkOperator
from minox_qms.sync import checking
from tests import world as world_module
from tests.e2e import master
from tests.e2e.booking_world import AFTER, LATER, MORNING, BookingWorld, batch_of, invoice
from tests.faults.instrument import Instrument, KilledError
from tests.world import Ran, World, _build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest
    import sqlalchemy as sa

    from include.checks.results import CheckedBatch, CheckedChunk

QUICK = (2, 10, 20, 60, 3, 5, 64 * 1024 * 1024, 0.005, 0.02, 0.03)
"""Limits of the clients: as many tries as ever, with pauses of milliseconds."""

APPLYING = {"apply-then-status", "apply-then-drop", "apply-then-replace", "apply-then-hold", "truncate", "drip", "hold"}
"""What a stand-in does before it spoils the answer is done; the others do nothing."""

HASTY = (2, 0.4, 0.8, 60, 2, 3, 64 * 1024 * 1024, 0.005, 0.02, 0.03)
"""The same for answers that do not come, or come a byte at a time."""


class TaskTookTooLongError(RuntimeError):
    """A task took too long: Airflow ends it, and calls it failed."""


class Half:
    """One half: a world with a handful of records, brought to its first state before every cell."""

    name: ClassVar[str]
    dag: ClassVar[str]
    direction: ClassVar[str]

    def __init__(self, directory: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.world = self._make_world(directory, database, monkeypatch)
        self.instrument = Instrument(database)
        self.at_work = ""
        self.extra: set[str] = set()
        self.unfenced = False
        self.spoilt = 0
        self.twice: list[str] = []
        self.applying: set[tuple[str, int]] = set()
        self.environment: dict[str, str] = {}
        monkeypatch.setattr(runs, "GRACE_SECONDS", -1)
        monkeypatch.setattr(runs, "_POLL_SECONDS", 0.05)
        monkeypatch.setitem(runs.working.__wrapped__.__kwdefaults__, "wait_seconds", 900)  # type: ignore[attr-defined]
        monkeypatch.setattr(Limits.__init__, "__defaults__", QUICK)
        _remember_checks(monkeypatch)
        _spare_work(monkeypatch)
        self._watch_tasks(monkeypatch)
        self.expected: Any = None

    def _make_world(self, directory: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> World:
        raise NotImplementedError

    def _watch_tasks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Know which task is at work; a timeout is a failure of its task, as it is to Airflow."""
        execute = LinkOperator.execute

        def watched(operator: LinkOperator, context: Any) -> Any:
            self.at_work = operator.task_id
            try:
                return execute(operator, context)
            except AirflowTaskTimeout as error:
                raise TaskTookTooLongError(str(error)) from None

        monkeypatch.setattr(LinkOperator, "execute", watched)

    # -- what a cell does ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The first state of both systems, an empty database, no fault."""
        self.instrument.disarm()
        self.extra, self.unfenced = set(), False
        self.spoilt, self.applying, self.twice = 0, set(), []
        self.monkeypatch.setattr(Limits.__init__, "__defaults__", QUICK)
        self.fill()

    def fill(self) -> None:
        """Bring the records of the first state."""
        raise NotImplementedError

    def use_small_pages(self, size: int = 2) -> None:
        """Let lists have several pages."""
        for system in (self.world.minox, self.world.qms):
            system.control("POST", "modes", {"page_size": size})

    def run(self, run_id: str | None = None) -> Ran:
        """The run that meets the fault."""
        raise NotImplementedError

    def run_again(self, run_id: str | None = None) -> Ran:
        """A later run."""
        raise NotImplementedError

    def last_run(self) -> Ran:
        """The run after the fault."""
        return self.run_again()

    def resume(self, run_id: str, task_id: str) -> dict[str, Any]:
        """Try a task of a run again, and go on with those behind it, as a scheduler does that comes back."""
        return resume(self.world.directory, self.dag, run_id, task_id)

    def die(self, run: Any) -> None:
        """Let a run die of the armed fault, and take away what it held."""
        with contextlib.suppress(KilledError):
            run()
        self.bury()

    def bury(self) -> None:
        """What a dead process held is gone: its connections, with what they had not committed, and their locks."""
        self.cut_connections()
        self.instrument.dead = False
        _engine_of_process.cache_clear()

    def cut_connections(self) -> None:
        """End every session of the connector in the database."""
        with self.world.database.connect() as connection:
            own = [connection.connection.dbapi_connection.info.backend_pid]  # type: ignore[union-attr]
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'minox-qms' AND pid <> ALL(%s)",
                (own,),
            )
        for pool in (self.world.database, engine()):  # who comes next is another process, with connections of its own
            pool.dispose()

    def locks_awaited(self) -> int:
        """Sessions that wait for a lock."""
        found: int = self.world.scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return found

    def heal(self) -> None:
        """End every fault; a person connects again where a grant was lost."""
        self.instrument.disarm()
        for system in (self.world.minox, self.world.qms):
            rules = system.control("GET", "faults")
            self.spoilt += sum(rule["spoilt"] for rule in rules)
            self.applying |= {(system.name, rule["number"]) for rule in rules if rule["action"] in APPLYING}
            system.heal()
        if self.is_refused():
            self.connect_again()

    def connect_again(self) -> None:
        """A person connects again: the one thing that nobody can do for them."""
        for system in (self.world.minox, self.world.qms):
            system.control("POST", "grants", {"action": "reset"})
        self.world.execute("DELETE FROM oauth_grant")

    def is_refused(self) -> bool:
        """Whether a grant is refused now."""
        return bool(self.world.scalar("SELECT count(*) FROM oauth_grant WHERE state = 'refused'"))

    # -- what must be there in the end ---------------------------------------------------------------------------------

    def learn(self) -> None:
        """Learn what must be there from a run that nothing disturbs."""
        self.begin()
        ran = self.run()
        assert ran.is_good, ran.tasks
        self.expected = self.found()
        self.examine(self.expected)

    def found(self, *, once: bool = False) -> dict[str, Any]:
        """What there is to compare: both systems, and what the connector says of them.

        Args:
            once: Count what is there twice as one.
        """
        raise NotImplementedError

    def examine(self, found: dict[str, Any]) -> None:
        """Compare what an undisturbed run left with what was written down by hand."""
        raise NotImplementedError

    def check(self, ran: Ran) -> list[str]:
        """Say what is wrong after the last run; nothing when all is as it must be."""
        wrong = [f"{task}: {error}" for task, error in ran.tasks.items() if error is not None]
        strict, lenient = self.found(), self.found(once=True) if self.unfenced else {}
        for name, value in self.expected.items():
            if strict[name] != value and lenient.get(name) != value:
                wrong.append(f"{name}: {strict[name]!r} in place of {value!r}")
            elif strict[name] != value:
                self.twice.append(name)
        wrong += self._not_conserved()
        left = self.world.rows("SELECT run_id, state FROM sync_run WHERE state = 'running'")
        wrong += [f"run {one.run_id} is {one.state} for ever" for one in left]
        if self.world.scalar("SELECT count(*) FROM run_claim"):
            wrong.append("the direction is still claimed")
        return wrong + self.more_wrong()

    def more_wrong(self) -> list[str]:
        """What else is wrong."""
        return []

    def _not_conserved(self) -> list[str]:
        """Entities of finished runs whose records and outcomes do not add up."""
        rows = self.world.rows(
            "SELECT r.run_id, e.entity, e.extracted, (SELECT count(*) FROM sync_outcomes o WHERE o.run_id = r.run_id "
            "AND o.entity = e.entity) AS outcomes FROM sync_run_entity e JOIN sync_run r ON r.id = e.run "
            "WHERE e.finished_at IS NOT NULL"
        )
        return [
            f"{one.run_id}: {one.extracted} {one.entity} extracted, {one.outcomes} outcomes"
            for one in rows
            if one.extracted != one.outcomes
        ]

    def _quarantine(self) -> list[tuple[Any, ...]]:
        query = "SELECT DISTINCT entity, source_key, reason, solved_at IS NULL FROM quarantine ORDER BY 1, 2"
        return [tuple(row) for row in self.world.rows(query) if row.source_key not in self.extra]


class ExportHalf(Half):
    """QMS to Minox: two invoices that can be booked, with PDFs and reports, and one without a debtor."""

    name = "export"
    dag = "qms_invoices"
    direction = "qms_to_minox"
    world: BookingWorld

    def _make_world(self, directory: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> World:
        return BookingWorld(directory, database, monkeypatch)

    def fill(self) -> None:
        # A 404 to a PDF may be the batch's own: it counts as refused, and is tried again after this long.
        self.world.begin_anew(attach_pdf=True, retry_refused_after=0, minox_concurrency=1)
        self.world.configure(bookings=self.world.settings["bookings"], qms={"qms_concurrency": 1})
        self.world.add(invoice(1), invoice(2), invoice(3, customer_code=None))

    def run(self, run_id: str | None = None) -> Ran:
        return self.world.run_invoices(interval=MORNING, run_id=run_id)

    def run_again(self, run_id: str | None = None) -> Ran:
        return self.world.run_invoices(interval=LATER, run_id=run_id)

    def last_run(self) -> Ran:
        return self.world.run_invoices(interval=AFTER)

    def found(self, *, once: bool = False) -> dict[str, Any]:
        batches = {
            key: one for key, one in self.world.batches.items() if key not in map(batch_of, map(int, self.extra))
        }
        states = [row for row in self.world.qms.state["EntityState"] if str(row["EntityId"]) not in self.extra]
        told = [(str(row["EntityId"]), row["IsError"], row["DataSourceKey"]) for row in states]
        ledger = self.world.rows(
            "SELECT invoice_header_id, state, outcome, pdf_state, minox_number FROM booking ORDER BY 1"
        )
        return {
            "batches": {key: [_amounts(line) for line in one["lines"]] for key, one in sorted(batches.items())},
            "documents": {
                key: min(len(one["documents"]), 1) if once else len(one["documents"])
                for key, one in sorted(batches.items())
            },
            "reports": sorted(set(told) if once else told),
            "outcomes": {key: value for key, value in sorted(self.world.of().items()) if key not in self.extra},
            "ledger": [tuple(row) for row in ledger if str(row.invoice_header_id) not in self.extra],
            "quarantine": self._quarantine(),
        }

    def examine(self, found: dict[str, Any]) -> None:
        assert found["batches"] == {
            batch_of(key): [
                ("10001", "2026-03-01", 20260000 + key, Decimal(121), Decimal(0), Decimal(0)),
                ("8000", "2026-03-01", 20260000 + key, Decimal(0), Decimal(100), Decimal(21)),
            ]
            for key in sorted((1, 2), key=batch_of)
        }
        assert found["documents"] == {batch_of(key): 1 for key in (1, 2)}
        assert found["outcomes"] == {"1": "booked", "2": "booked", "3": "rejected: missing_customer_code"}
        assert [(key, is_error) for key, is_error, _ in found["reports"]] == [("1", False), ("2", False), ("3", True)]
        assert found["quarantine"] == [("invoices", "3", "missing_customer_code", True)]

    def more_wrong(self) -> list[str]:
        """Balance, reckoned here; and an entry goes out once, or again with the very same body."""
        wrong = []
        everything = self.world.minox.requests("PUT", "transaction_line_batch")
        for key, batch in self.world.batches.items():
            balance = sum(debit - credit - vat for *_, debit, credit, vat in map(_amounts, batch["lines"]))
            if balance != 0:
                wrong.append(f"{key} is out of balance by {balance}")
        for number in (1, 2):
            puts = [one for one in everything if batch_of(number) in one["path"]]
            stored = [one for one in puts if self._is_stored(one)]
            bodies = {str(one["body"]) for one in puts if one["body"]}
            if len(bodies) != 1:
                wrong.append(f"{len(bodies)} different entries were sent for invoice {number}")
            if len(stored) > (2 if self.unfenced else 1):
                wrong.append(f"invoice {number} was stored {len(stored)} times")
            elif len(stored) > 1:
                self.twice.append("same PUT")
        return wrong

    def _is_stored(self, put: dict[str, Any]) -> bool:
        """Whether Minox has carried a PUT out, whatever its answer was."""
        return put["status"] == 200 if put["fault"] is None else ("minox", put["fault"]) in self.applying


class ImportHalf(Half):
    """Minox to QMS: a debtor that QMS has with fields of its users, a new one, and one without a name."""

    name = "import"
    dag = "minox_master_data"
    direction = "minox_to_qms"

    def _make_world(self, directory: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> World:
        return World(directory, database, monkeypatch)

    def fill(self) -> None:
        master.cleared(self.world)
        self.world.execute("DELETE FROM oauth_grant")
        self.world.configure(master_data={"entities": master.ALL_OFF}, qms={"qms_concurrency": 1})
        master.give(
            self.world,
            "customer",
            master.customer(10001, "Jansen B.V."),
            master.customer(10002, "De Vries"),
            master.customer(10003, " "),
        )
        own = {"CustomerCompanyId": "52", "CustomerCode": "10001", "Name": "Oud", "CustomerType": "Customer"}
        master.put_in_qms(self.world, "CustomerCompany", own | {"Remarks": "van de gebruiker"})

    def run(self, run_id: str | None = None) -> Ran:
        return self.world.run_master_data(run_id=run_id)

    def run_again(self, run_id: str | None = None) -> Ran:
        return self.world.run_master_data(run_id=run_id)

    def found(self, *, once: bool = False) -> dict[str, Any]:
        there = sorted(master.qms_rows(self.world, "CustomerCompany"), key=lambda row: -int(row["CustomerCompanyId"]))
        if once:  # the older of two is the one that the connector keeps up
            there = list({row["CustomerCode"]: row for row in there}.values())
        rows = [
            {name: value for name, value in row.items() if name != "CustomerCompanyId"}
            for row in there
            if row["CustomerCode"] not in self.extra
        ]
        current = self.world.outcomes(entity="customers")
        bound = self.world.rows("SELECT source_key, qms_id FROM binding WHERE written_hash IS NOT NULL")
        ids = {row["CustomerCompanyId"]: row["CustomerCode"] for row in self.world.qms.state["CustomerCompany"]}
        return {
            "rows": sorted(rows, key=lambda row: str(row["CustomerCode"])),
            "outcomes": {
                key: (reason or "good" if outcome == "rejected" else _good(outcome))
                for (_, key), (outcome, reason, _) in sorted(current.items())
                if key not in self.extra
            },
            "bindings": {one.source_key: ids.get(str(one.qms_id)) for one in bound if one.source_key not in self.extra},
            "quarantine": self._quarantine(),
        }

    def examine(self, found: dict[str, Any]) -> None:
        first, second = found["rows"]
        assert (first["CustomerCode"], first["Name"], first["Remarks"]) == ("10001", "Jansen B.V.", "van de gebruiker")
        assert (second["CustomerCode"], second["Name"], second["CustomerType"]) == ("10002", "De Vries", "Customer")
        assert found["outcomes"] == {"10001": "good", "10002": "good", "10003": "nameless_debtor"}
        assert found["bindings"] == {"10001": "10001", "10002": "10002"}
        assert found["quarantine"] == [("customers", "10003", "nameless_debtor", True)]


def resume(directory: Path, dag_name: str, run_id: str, task_id: str) -> dict[str, Any]:
    """Execute a task of a run, and those behind it; returns their errors."""
    dag = _build(dag_name)(load_link(directory / "test.yaml"))
    order = [task.task_id for task in dag.topological_sort()]
    tasks: dict[str, Any] = {}
    context = {"run_id": run_id, "params": {}}
    for name in order[order.index(task_id) :]:
        try:
            dag.get_task(name).execute(context)
            tasks[name] = None
        except Exception as error:  # noqa: BLE001 - the task is red, the others go on
            tasks[name] = error
    return tasks


def _good(outcome: str) -> str:
    """Created, updated and unchanged are one: which of them it is depends on the run that was first."""
    return "good" if outcome in {"created", "updated", "unchanged"} else outcome


def _amounts(line: dict[str, Any]) -> tuple[Any, ...]:
    vat = (line.get("vat") or {}).get("amount") or 0
    return (
        str(line["account"]["id"]),
        line["document_date"],
        line["invoice_number"],
        Decimal(str(line["debit"])),
        Decimal(str(line["credit"])),
        Decimal(str(vat)),
    )


def _spare_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a DAG file once, and look once whether the tables are up to date."""
    monkeypatch.setattr(world_module, "_build", functools.cache(_build))
    monkeypatch.setattr(open_run, "migrate", lambda _: None)


def _remember_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Great Expectations check the same batch of the same table once: its answer is always the same."""
    chunks: dict[tuple[Any, ...], list[CheckedChunk]] = {}
    batches: dict[str, CheckedBatch] = {}

    def records_remembered(checks: Any, records: Any) -> Iterator[CheckedChunk]:
        given = list(records)
        key = (checks.table, *((one.position, one.raw) for one in given))
        if key not in chunks:
            chunks[key] = list(check_records(checks, given))
        return iter(chunks[key])

    def batch_remembered(checks: Any, summary: Any, settings: Any) -> CheckedBatch:
        key = repr((checks.table, summary, settings))
        if key not in batches:
            batches[key] = check_batch(checks, summary, settings)
        return batches[key]

    monkeypatch.setattr(checking, "check_records", records_remembered)
    monkeypatch.setattr(checking, "check_batch", batch_remembered)
