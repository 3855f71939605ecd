"""A person may decide about an invoice at any moment, also while a run works: what they said holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from minox_qms.cli import app
from minox_qms.hooks.minox import MinoxHook
from tests.world import a_world

if TYPE_CHECKING:
    import uuid
    from pathlib import Path

    import pytest
    import sqlalchemy as sa

    from include.wire.minox import StoredLine
    from tests.world import World

FIRST_DAYS = ("2026-01-01", "2026-01-08")


def _states(world: World, names: list[str]) -> list[str]:
    """States of invoices in the ledger."""
    query = "SELECT state FROM booking WHERE invoice_header_id = :id"
    return [world.scalar(query, id=int(name.removeprefix("id:"))) for name in names]


def test_an_invoice_that_is_excluded_while_a_run_posts_is_not_booked(
    tmp_path: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    excluded: list[str] = []
    put_batch = MinoxHook.put_batch

    with a_world(tmp_path, database, monkeypatch, "demo") as world:

        def and_somebody_excludes(hook: MinoxHook, batch_id: uuid.UUID, body: bytes, **how: Any) -> list[StoredLine]:
            if not excluded:
                number = world.scalar("SELECT max(invoice_header_id) FROM booking WHERE state = 'open'")
                excluded.append(f"id:{number}")
                done = CliRunner().invoke(app, ["exclude", *excluded, "--reason", "Booked by hand.", "--by", "anna"])
                assert done.exit_code == 0, done.output
            return put_batch(hook, batch_id, body, **how)

        monkeypatch.setattr(MinoxHook, "put_batch", and_somebody_excludes)
        ran = world.run_invoices(dates=FIRST_DAYS)
        assert ran.is_good, ran.tasks
        assert ran.counts["invoices"]["excluded"] == 1
        assert ran.counts["invoices"]["booked"] == len(world.minox.state["tenants"][0]["data"]["1"]["batches"]) > 1
        assert _states(world, excluded) == ["excluded"]

        taken_back = CliRunner().invoke(app, ["include", excluded[0], "--reason", "It was not.", "--by", "anna"])
        assert taken_back.exit_code == 0, taken_back.output
        again = world.run_invoices(dates=FIRST_DAYS)
        assert again.is_good, again.tasks
        assert "excluded" not in again.counts["invoices"]
        assert _states(world, excluded) == ["booked"]
