"""The reconciliation finds every difference that was made, and none where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.world import World, a_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

PERIOD = ("2026-01-01", "2026-01-31")


@pytest.fixture
def world(tmp_path: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with a_world(tmp_path, database, monkeypatch, "demo") as made:
        booked = made.run_invoices(dates=PERIOD)
        assert booked.is_good, booked.tasks
        assert booked.counts["invoices"]["booked"] > 20
        yield made


def findings(world: World, run_id: str) -> set[tuple[str, int | None]]:
    query = (
        "SELECT json_agg(json_build_array(f.kind, f.invoice_header_id)) FROM reconciliation_finding f "
        "JOIN sync_run r ON r.id = f.run WHERE r.run_id = :run"
    )
    return {(kind, number) for kind, number in world.scalar(query, run=run_id) or []}


def batches(world: World) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = world.minox.state["tenants"][0]["data"]["1"]["batches"]
    return found


def test_finds_what_was_changed_and_nothing_else(world: World) -> None:
    clean = world.run_reconciliation(dates=PERIOD)
    assert clean.is_good, clean.tasks
    assert findings(world, clean.run_id) == set()

    ledger = {
        str(row[0]): row[1]
        for row in world.rows("SELECT batch_id::text, invoice_header_id FROM booking WHERE state = 'booked'")
    }
    chosen = sorted(ledger, key=lambda batch: ledger[batch])[:4]
    deleted, cent, account, withdrawn = chosen
    world.minox.edit({"entity": "batch", "delete": [deleted]})
    held = batches(world)
    put(world, cent, held[cent]["lines"], cents=1)
    put(world, account, held[account]["lines"], account="8010")
    world.qms.edit(
        {
            "entity": "OverviewInvoice",
            "update": [{"InvoiceHeaderId": str(ledger[withdrawn]), "InvoiceHeaderState": "Proposal"}],
        },
    )
    world.execute("DELETE FROM booking_attempt")
    forgotten = world.scalar("SELECT max(invoice_header_id) FROM booking WHERE state = 'booked'")
    world.execute("DELETE FROM booking WHERE invoice_header_id = :number", number=forgotten)

    found = world.run_reconciliation(dates=PERIOD)
    assert not found.is_good
    assert findings(world, found.run_id) == {
        ("deleted", ledger[deleted]),
        ("edited", ledger[cent]),
        ("edited", ledger[account]),
        ("extra", ledger[withdrawn]),
        ("missing", forgotten),
    }


def put(world: World, batch: str, stored: list[dict[str, Any]], *, cents: int = 0, account: str | None = None) -> None:
    """Edit a batch by hand, as a bookkeeper does."""
    lines = []
    for place, line in enumerate(stored):
        kept = {
            name: line[name]
            for name in ("document_date", "invoice_number", "description")
            if line.get(name) is not None
        }
        kept["document_date"] = kept["document_date"][:10]
        kept["account"] = {"id": str(line["account"]["id"])}
        kept["journal"] = {"id": line["journal"]["id"]}
        amounts = {"debit": line["debit"], "credit": line["credit"]}
        side = "debit" if place == 0 else "credit"
        kept[side] = round(amounts[side] + cents / 100 * (1 if place < 2 else 0), 2)
        kept["vat"] = {"amount": (line.get("vat") or {}).get("amount", 0)}
        if place == 1 and account is not None:
            kept["account"] = {"id": account}
        lines.append(kept)
    token = world.session_token("minox")
    answer = world.minox.session.put(
        f"{world.minox.url}/api/1/tenant/123456/administration/1/transaction_line_batch/{batch}",
        json=lines,
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
