"""What the link of the page's tests holds: a row of everything that a page shows, with hostile text in every field."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.bookings.batch_id import batch_id
from include.storage import tables
from include.storage.grants import GrantStore, Pair
from include.storage.outcomes import Outcome, finish_entity, note_extracted, note_outcomes
from include.storage.runs import Run, close_run, open_run

if TYPE_CHECKING:
    from collections.abc import Iterable

LINK = "page"
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 313*317 }}"
TOKENS = ("access-token-of-the-page", "refresh-token-of-the-page")
KEY = f"10001/{EVIL}"
SETTINGS: dict[str, Any] = {
    "minox": {"conn_id": "minox_page", "tenant_id": 123456, "administration_id": 1},
    "qms": {"conn_id": "qms_page", "company_id": 3},
    "bookings": {"journal_code": "VRK"},
    "alerts": {"email": [EVIL]},
}
BOOKED, REJECTED, REFUSED, EXCLUDED, OPEN = 9001, 9002, 9003, 9004, 9005
PATHS = (
    "",
    "/invoices",
    f"/invoices/{BOOKED}",
    f"/invoices/{REJECTED}",
    f"/invoices/{EXCLUDED}",
    "/rejections",
    "/rejections?solved=true",
    "/records",
    "/changes",
    "/runs",
    "/runs?direction=minox_to_qms",
    "/runs?direction=reconcile",
    "/runs/1",
    "/runs/2",
    "/runs/3",
    "/checks",
    "/reconciliation",
    "/settings",
    "/connections",
)
"""The pages of the link."""

LINE = {
    "account": 8000,
    "debit": None,
    "credit": "100.00",
    "vat": "21.00",
    "vat_code": None,
    "cost_center": 7,
    "description": EVIL,
}
HEAD = {
    "account": 10001,
    "debit": "121.00",
    "credit": None,
    "vat": "0.00",
    "vat_code": None,
    "cost_center": None,
    "description": EVIL,
}


def fill(engine: sa.Engine) -> None:
    """Fill the database of the link: runs 1 (master data), 2 (invoices), 3 (reconciliation)."""
    master = _run(engine, "minox_to_qms", "minox_master_data")
    invoices = _run(engine, "qms_to_minox", "qms_invoices")
    reconciliation = _run(engine, "reconcile", "reconcile")
    _note(engine, master, "customers", [Outcome(KEY, "rejected", "nameless_debtor", EVIL), Outcome("2", "updated")])
    _note(
        engine,
        invoices,
        "invoices",
        [Outcome(str(BOOKED), "booked"), Outcome(str(REJECTED), "rejected", "unbalanced", EVIL)],
    )
    with engine.begin() as connection:
        _invoices(connection, invoices)
        _master_data(connection, master)
        connection.execute(
            sa.insert(tables.reconciliation_finding).values(
                run=reconciliation.id,
                link=LINK,
                kind="edited",
                invoice_header_id=BOOKED,
                invoice_number=EVIL,
                customer=10001,
                in_qms=Decimal("121.00"),
                in_minox=Decimal("120.00"),
                message=EVIL,
            )
        )
        connection.execute(
            sa.insert(tables.check_result).values(
                run=master.id,
                entity="customers",
                level="record",
                expectation=EVIL,
                column=EVIL,
                success=False,
                details={EVIL: EVIL},
            )
        )
    for run in (master, invoices, reconciliation):
        close_run(engine, run, good=run is not reconciliation)
    with engine.begin() as connection:
        took = {EVIL: {"seconds": EVIL, "peak_megabytes": 284, "minox": {"requests": {f"GET {EVIL}": 3}}}, "x": EVIL}
        connection.execute(sa.update(tables.sync_run).values(message=EVIL, figures=took, plan={EVIL: EVIL}))
    grant(engine)


def grant(engine: sa.Engine, **changes: Any) -> None:
    """Store good grants, or one with other columns."""
    store = GrantStore(lambda: engine)
    pair = Pair(*TOKENS, 3600, dt.datetime.now(dt.UTC))
    for conn_id in ("minox_page", "qms_page"):
        with store.locked(conn_id) as held:
            held.store(pair, "https://elsewhere/oauth/token")
    if changes:
        with engine.begin() as connection:
            connection.execute(sa.update(tables.oauth_grant).values(**changes))


def invoice(number: int, state: str, outcome: str, **values: Any) -> dict[str, Any]:
    """A row of the ledger."""
    return {
        "link": LINK,
        "invoice_header_id": number,
        "batch_id": batch_id(123456, 1, 3, number),
        "state": state,
        "outcome": outcome,
        "invoice_number": f"F2026-{number}",
        "minox_number": 20260000 + number,
        "customer": 10001,
        "invoice_date": dt.date(2026, 3, 1),
        "document_date": dt.date(2026, 3, 1),
        "total": Decimal("1121.00"),
        "read_at": dt.datetime(2026, 3, 2, tzinfo=dt.UTC),
        **values,
    }


def put_invoice(engine: sa.Engine, number: int, state: str, outcome: str, **values: Any) -> None:
    """Put an invoice in the ledger as it is asked for, whatever was there."""
    row = invoice(number, state, outcome, **values)
    with engine.begin() as connection:
        connection.execute(sa.delete(tables.booking).where(tables.booking.c.invoice_header_id == number))
        connection.execute(sa.insert(tables.booking).values(row))


def _run(engine: sa.Engine, direction: str, prefix: str) -> Run:
    return open_run(
        engine, link=LINK, direction=direction, dag_id=f"{prefix}__{LINK}", run_id=f"manual__{EVIL}", plan={}
    )


def _note(engine: sa.Engine, run: Run, entity: str, outcomes: Iterable[Outcome]) -> None:
    noted = list(outcomes)
    with engine.begin() as connection:
        note_extracted(connection, run, entity, len(noted) + 1, dt.datetime.now(dt.UTC))
        note_outcomes(connection, run, entity, noted)
        finish_entity(connection, run, entity, ["7"], state="good", message=EVIL)


def _invoices(connection: sa.Connection, run: Run) -> None:
    reasons = [{"code": "unbalanced", "field": EVIL, "message": EVIL}]
    rows = (
        invoice(
            BOOKED,
            "booked",
            "booked",
            invoice_number=EVIL,
            message=EVIL,
            entry=[HEAD, LINE],
            pdf_state="failed",
            rounding=[{"line": 1, "field": "credit", "cents": 1}],
            pdf_message=EVIL,
            booked_at=run_time(),
        ),
        invoice(REJECTED, "rejected", "rejected", reason="unbalanced", message=EVIL, reasons=reasons),
        invoice(REFUSED, "refused", "refused_by_minox", reason="refused_by_minox", message=EVIL),
        invoice(EXCLUDED, "excluded", "excluded", excluded_by=EVIL, excluded_reason=EVIL, message=EVIL),
        invoice(OPEN, "open", "postponed", total=None, customer=None, invoice_date=None, minox_number=None),
    )
    for row in rows:
        connection.execute(sa.insert(tables.booking).values(row))
    line = {"ItemCompanyGLAccountRevenue": EVIL, "Description": EVIL, "Quantity": 1.0, "Price": 100.00}
    for table, key, parent, raw in (
        ("invoices", str(BOOKED), None, {"InvoiceHeaderId": BOOKED, EVIL: EVIL}),
        ("invoice_totals", str(BOOKED), None, {"VatAmount": 21.00, EVIL: EVIL}),
        ("invoice_lines", "1", str(BOOKED), {**line, "InvoiceLineState": EVIL}),
    ):
        connection.execute(
            sa.insert(tables.STAGING[table]).values(
                run=run.id, position=1, key=key, parent=parent, content_hash=b"1", raw=raw
            )
        )
    about = {"link": LINK, "entity": "invoices", "source_key": str(BOOKED)}
    person = {**about, "action": "reoffer", "person": EVIL, "reason": EVIL}
    connection.execute(sa.insert(tables.person_action).values(person))
    connection.execute(
        sa.insert(tables.booking_attempt).values(
            link=LINK, invoice_header_id=BOOKED, run=run.id, what="put", answer=EVIL, messages=[EVIL]
        )
    )
    connection.execute(
        sa.insert(tables.entity_report).values(
            link=LINK,
            entity_type="InvoiceHeader",
            entity_id=BOOKED,
            message=EVIL,
            wanted={"DataSourceKey": EVIL, "IsError": True, "Message": EVIL},
        )
    )


def _master_data(connection: sa.Connection, run: Run) -> None:
    about = {"link": LINK, "entity": "customers"}
    for key, solved in ((KEY, None), ("3", run_time())):
        connection.execute(
            sa.insert(tables.quarantine).values(
                **about,
                direction="minox_to_qms",
                source_key=key,
                reason="refused_by_qms",
                message=EVIL,
                findings=[{"reason": "refused_by_qms", "field": EVIL, "message": EVIL}],
                payload=json.dumps({EVIL: EVIL}),
                first_run=run.id,
                last_run=run.id,
                solved_at=solved,
            )
        )
    connection.execute(
        sa.insert(tables.binding).values(
            **about,
            source_key=KEY,
            qms_id=11,
            written={EVIL: EVIL},
            refused_hash=b"1",
            refused_message=EVIL,
            refused_at=run_time(),
            read_at=run_time(),
            written_at=run_time(),
        )
    )
    connection.execute(
        sa.insert(tables.field_change).values(
            **about, run=run.id, source_key=KEY, qms_id=11, operation="updated", changes={EVIL: [EVIL, f"{EVIL}!"]}
        )
    )


def run_time() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
