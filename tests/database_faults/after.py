"""What must be true of a run that the database failed, and of the ordinary run after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowException

from include.errors import ConnectorError
from tests.e2e.booking_world import LATER, MORNING, batch_of, invoice
from tests.e2e.master import customer, give, item, item_group, only, put_in_qms, qms_rows, vat

if TYPE_CHECKING:
    from tests.e2e.booking_world import BookingWorld
    from tests.world import Ran

BOOKABLE, REJECTED = (1, 2), 3


def is_clear(error: BaseException | str | None) -> bool:
    """Whether an error says what happened in sentences: no statement, no values, and the database by its name."""
    if error is None or error == "upstream_failed":
        return True
    text = str(error)
    quotes = any(word in text for word in ("SELECT ", "INSERT ", "UPDATE ", "[SQL", "Traceback", "psycopg."))
    known = isinstance(error, ConnectorError | AirflowException) and not quotes
    return known and (getattr(error, "system", "database") in {"database", ""})


def unclear(ran: Ran) -> list[str]:
    """Errors of a run that are not clear."""
    return [f"{task}: {error!r}" for task, error in ran.tasks.items() if not is_clear(error)]


def adds_up(world: BookingWorld) -> None:
    """Every run that came to its end has an outcome for each record that it read, and one only."""
    sums = (
        "SELECT r.run_id, e.entity, e.extracted, count(o.source_key), count(DISTINCT o.source_key) FROM sync_run r "
        "JOIN sync_run_entity e ON e.run = r.id "
        "LEFT JOIN sync_outcomes o ON o.dag_id = r.dag_id AND o.run_id = r.run_id AND o.entity = e.entity "
        "WHERE r.state IN ('good', 'failed') GROUP BY 1, 2, 3"
    )
    rows = world.rows(sums)
    assert rows
    assert [row for row in rows if not row[2] == row[3] == row[4]] == []


def time_passes(world: BookingWorld) -> None:
    """Let the grace of a run that died be over."""
    world.execute("UPDATE run_claim SET seen_at = seen_at - interval '1 minute'")


# -- invoices ----------------------------------------------------------------------------------------------------------


def begin_invoices(world: BookingWorld, at_once: int = 1) -> None:
    """Two invoices that can be booked, with their PDFs, and one that cannot; one by one, commits have a fixed order."""
    world.begin_anew(attach_pdf=True, minox_concurrency=at_once)
    world.add(*(invoice(key) for key in BOOKABLE), invoice(REJECTED, customer_code=None))


def first_run(world: BookingWorld) -> Ran:
    """The run that the database fails; whether its numbers add up is looked at afterwards."""
    return world.run_invoices(interval=MORNING)


def invoices_are_right(world: BookingWorld) -> None:
    """After the next ordinary run everything is as if nothing had happened."""
    time_passes(world)
    ran = world.run(LATER)
    assert ran.is_good, ran.tasks
    assert set(world.batches) == {batch_of(key) for key in BOOKABLE}
    assert [len(world.puts(key)) for key in BOOKABLE] == [1] * len(BOOKABLE)
    assert [len(world.batches[batch_of(key)]["documents"]) for key in BOOKABLE] == [1] * len(BOOKABLE)
    assert world.of() == {"1": "booked", "2": "booked", "3": "rejected: missing_customer_code"}
    rows = {key: world.ledger(key) for key in (*BOOKABLE, REJECTED)}
    assert [row.state for row in rows.values()] == ["booked", "booked", "rejected"]
    assert all(rows[key].booked_at is not None and rows[key].pdf_state == "attached" for key in BOOKABLE)
    assert {key: row["IsError"] for key, row in world.states.items()} == {"1": False, "2": False, "3": True}
    assert world.rows("SELECT source_key FROM quarantine WHERE solved_at IS NULL") == [("3",)]
    assert world.scalar("SELECT count(*) FROM sync_run WHERE state = 'running'") == 0
    adds_up(world)


# -- master data -------------------------------------------------------------------------------------------------------


def begin_master_data(world: BookingWorld) -> None:
    """A VAT code, an item that refers to it, and customers: new, known to QMS already, and nameless."""
    world.begin_anew()
    world.minox.edit({"entity": "customer", "delete": list(range(10001, 10011))})
    only(world, "vat_codes", "items")
    give(world, "vat", vat(1))
    give(world, "item_group", item_group(10))
    give(world, "item", item("ADV", vat_code=1, group=10))
    give(world, "customer", customer(1), customer(2, "Bakker"), customer(3, " "))
    put_in_qms(world, "CustomerCompany", *(_known(number, name) for number, name in ((2, "Oud"), (3, "Nog ouder"))))


def _known(number: int, name: str) -> dict[str, object]:
    return {
        "CustomerCompanyId": str(900 + number),
        "CustomerCode": str(number),
        "Name": name,
        "CustomerType": "Customer",
        "IsActive": True,
    }


def master_data_is_right(world: BookingWorld) -> None:
    """After the next ordinary run QMS has every record once, as it should be, and every record has its outcome."""
    time_passes(world)
    ran = world.run_master_data()
    assert ran.is_good, ran.tasks
    adds_up(world)
    assert [row["Code"] for row in qms_rows(world, "VatCode")] == ["1"]
    assert [row["ItemCode"] for row in qms_rows(world, "ItemCompany")] == ["ADV"]
    customers = {row["CustomerCode"]: row["Name"] for row in qms_rows(world, "CustomerCompany")}
    assert customers == {"1": "Jansen B.V.", "2": "Bakker", "3": "Nog ouder"}
    assert len(qms_rows(world, "CustomerCompany")) == len(customers)
    current = {key: outcome for key, (outcome, _, _) in world.outcomes().items()}
    assert {key for key, outcome in current.items() if outcome == "rejected"} == {("customers", "3")}
    assert set(current.values()) <= {"created", "updated", "unchanged", "rejected"}
    assert len(current) == 5
    assert world.scalar("SELECT count(*) FROM binding WHERE written_hash IS NOT NULL AND qms_id IS NOT NULL") == 4
    assert [(row["EntityId"], row["IsError"]) for row in world.qms.state["EntityState"]] == [("903", True)]
    world.qms.forget_requests()
    assert world.run_master_data().is_good
    assert world.qms.writes() == []


# -- reconciliation ----------------------------------------------------------------------------------------------------


def begin_reconciliation(world: BookingWorld) -> None:
    """Two invoices that were booked, one of which somebody has deleted in Minox."""
    world.begin_anew(report_to_qms=False)
    world.add(*(invoice(key) for key in BOOKABLE))
    assert world.run().is_good
    world.minox.edit({"entity": "batch", "delete": [batch_of(1)]})


def reconciliation_is_right(world: BookingWorld) -> None:
    """The next one finds what there is to find."""
    time_passes(world)
    ran = world.run_reconciliation()
    assert next(iter(ran.tasks.values())) is None
    assert "1 invoices do not agree" in str(ran.tasks["reconcile"])
    found = "SELECT invoice_header_id FROM reconciliation_finding f JOIN sync_run r ON r.id = f.run WHERE run_id = :run"
    assert world.rows(found, run=ran.run_id) == [(1,)]
    assert [len(world.puts(key)) for key in BOOKABLE] == [1] * len(BOOKABLE)
