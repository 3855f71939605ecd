"""Tasks that have nothing to do are skipped: what stands still is noted as ever, and everything else is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from minox_qms.sync import standstill
from tests.e2e import master
from tests.e2e.master import change, conserved, customer, forget, give, good, item, item_group, only, qms_row, vat

if TYPE_CHECKING:
    from tests.world import Ran, World

ALL = frozenset(f"{entity}.{task}" for entity in ("vat_codes", "items", "customers") for task in ("check", "load"))

ASK_AGAIN = """
    INSERT INTO link_fact (link, name, value)
    VALUES ('test', 'rejected debtors that QMS was not asked for', '["1"]')
    ON CONFLICT (link, name) DO UPDATE SET value = EXCLUDED.value
"""


@pytest.fixture
def world(shared: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """One of each, two customers, and one that is rejected; loaded once."""
    master.quicken(monkeypatch)
    master.cleared(shared)
    only(shared, "vat_codes", "items")
    give(shared, "vat", vat(1))
    give(shared, "item_group", item_group(10))
    give(shared, "item", item("ADV", vat_code=1, group=10))
    give(shared, "customer", customer(1, name=" "), customer(2), customer(3))
    assert not good(shared.run_master_data()).skipped
    return shared


def skipped(ran: Ran) -> set[str]:
    """Entities whose check and load were skipped: both or none."""
    entities = {name.partition(".")[0] for name in ran.skipped}
    assert ran.skipped == {f"{entity}.{task}" for entity in entities for task in ("check", "load")}
    return entities


# -- what stands still -------------------------------------------------------------------------------------------------


def test_a_run_over_unchanged_data_starts_nothing_behind_its_lists_and_notes_all_the_same(world: World) -> None:
    forget(world)
    second, third = (good(world.run_master_data()) for _ in range(2))
    for ran in (second, third):
        assert ran.skipped == ALL
        assert ran.counts == {
            "vat_codes": {"unchanged": 1},
            "items": {"unchanged": 1},
            "customers": {"unchanged": 2, "rejected": 1},
        }
        conserved(world, ran)
        assert master.outcome(world, ran, "customers", 1)[:2] == ("rejected", "nameless_debtor")
    assert world.qms.requests() == []
    assert world.scalar("SELECT count(DISTINCT run_id) FROM sync_current") == 1
    (row,) = world.rows("SELECT times, last_run, solved_at FROM quarantine")
    last = world.scalar("SELECT id FROM sync_run WHERE run_id = :run", run=third.run_id)
    assert tuple(row) == (3, last, None)
    assert world.scalar("SELECT count(*) FROM staging_customers WHERE run = :run AND rejected", run=last) == 1


def test_the_warning_of_a_record_stays_while_it_stands_still(world: World) -> None:
    give(world, "item", item("LOS"))
    query = "SELECT outcome, message FROM sync_current WHERE entity = 'items' AND source_key = 'LOS'"
    for outcome in ("created", "unchanged", "unchanged"):
        ran = good(world.run_master_data())
        ((seen, message),) = world.rows(query)
        assert (seen, "items.load" in ran.skipped) == (outcome, outcome == "unchanged")
        assert message == "The item has no item group, so it has no revenue account."
    world.execute("DELETE FROM link_fact WHERE name LIKE 'last load of %'")
    assert "items.load" not in good(world.run_master_data()).skipped
    assert tuple(world.rows(query)[0]) == ("unchanged", message)


def test_every_task_leaves_what_it_took(world: World) -> None:
    ran = good(world.run_master_data())
    figures = world.scalar("SELECT figures FROM sync_run WHERE run_id = :run", run=ran.run_id)
    assert set(figures) == set(ran.tasks) - ran.skipped
    listed = figures["customers.stage"]
    assert sum(listed["minox"]["requests"].values()) == 1
    assert listed["minox"]["bytes_received"] > 0
    assert listed["seconds"] > 0
    assert listed["peak_megabytes"] > 0
    assert "qms" not in listed


def test_the_checks_of_a_batch_that_stands_still_are_those_of_its_run(world: World) -> None:
    query = (
        "SELECT c.entity, c.expectation, c.column, c.success, c.details->'observed' AS observed FROM check_result c "
        "JOIN sync_run r ON r.id = c.run WHERE r.run_id = :run AND c.entity = 'customers' ORDER BY 1, 2, 3"
    )
    give(world, "customer", customer(4))
    changed = good(world.run_master_data())
    still = good(world.run_master_data())
    assert still.skipped == ALL
    world.execute("DELETE FROM link_fact WHERE name LIKE 'last load of %'")
    checked = good(world.run_master_data())
    assert not checked.skipped
    of = {ran.run_id: [tuple(row) for row in world.rows(query, run=ran.run_id)] for ran in (changed, still, checked)}
    assert of[still.run_id] == of[checked.run_id]
    assert of[still.run_id] != of[changed.run_id]  # 4 customers after 3 are more than those of the last run
    kept = "SELECT DISTINCT c.entity FROM check_result c JOIN sync_run r ON r.id = c.run WHERE r.run_id = :run"
    tables = {row.entity for row in world.rows(kept, run=still.run_id)}
    assert tables == {"vat_codes", "item_groups", "items", "customers"}


# -- what does not -----------------------------------------------------------------------------------------------------


def test_a_record_that_changes_is_written_and_the_others_stand_still(world: World) -> None:
    change(world, "customer", 2, addresses=customer(2, name="Nieuw")["addresses"])
    ran = good(world.run_master_data())
    assert skipped(ran) == {"vat_codes", "items"}
    assert ran.counts["customers"] == {"unchanged": 1, "updated": 1, "rejected": 1}
    assert qms_row(world, "CustomerCompany", "2")["Name"] == "Nieuw"
    assert good(world.run_master_data()).skipped == ALL


def test_an_item_group_that_changes_changes_the_items(world: World) -> None:
    change(world, "item_group", 10, ledger_accounts={"sales_revenue_nl": {"id": 8001}})
    ran = good(world.run_master_data())
    assert skipped(ran) == {"vat_codes", "customers"}
    assert qms_row(world, "ItemCompany", "ADV")["GLAccountRevenue"] == "8001"


def test_other_settings_are_other_results(world: World) -> None:
    only(world, "vat_codes", "items", customer_extra_fields=["city"])
    assert not good(world.run_master_data()).skipped
    assert qms_row(world, "CustomerCompany", "2")["InvoiceAddressCity"] == "Utrecht"


def test_another_release_looks_at_everything_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standstill, "_release", lambda: "another")
    assert not good(world.run_master_data()).skipped
    assert good(world.run_master_data()).skipped == ALL


@pytest.mark.parametrize(
    ("statement", "looked_at"),
    [
        ("UPDATE binding SET qms_id = qms_id + 1 WHERE entity = 'vat_codes'", {"items"}),
        ("UPDATE binding SET written_hash = 'other' WHERE entity = 'customers' AND source_key = '2'", {"customers"}),
        ("DELETE FROM binding WHERE entity = 'customers' AND source_key = '2'", {"customers"}),
        ("UPDATE binding SET reoffer = true WHERE entity = 'customers' AND source_key = '2'", {"customers"}),
        ("UPDATE quarantine SET solved_at = now()", {"customers"}),
        ("UPDATE quarantine SET findings = '[]'", {"customers"}),
        (ASK_AGAIN, {"customers"}),
    ],
)
def test_what_the_bookkeeping_knows_is_not_what_it_was(world: World, statement: str, looked_at: set[str]) -> None:
    world.execute(statement)
    ran = world.run_master_data()
    assert {"vat_codes", "items", "customers"} - skipped(ran) == looked_at


def test_a_code_that_qms_did_not_have_is_looked_for_again(world: World) -> None:
    give(world, "item", item("REIS", vat_code=7))
    for _ in range(2):
        ran = good(world.run_master_data())
        assert skipped(ran) >= {"vat_codes"}
        assert "items" not in skipped(ran)
        assert ran.counts["items"] == {"unchanged": 1, "rejected": 1}


def test_a_load_that_failed_is_done_again_though_the_list_is_as_before_it(world: World) -> None:
    change(world, "customer", 2, addresses=customer(2, name="Nieuw")["addresses"])
    world.qms.spoil(method="PUT", path="CustomerCompany", action="status", status=503, times=None)
    assert world.run_master_data().tasks["customers.load"] is not None
    world.qms.heal()
    change(world, "customer", 2, addresses=customer(2)["addresses"])
    assert skipped(good(world.run_master_data())) == {"vat_codes", "items"}


def test_a_dry_run_looks_at_everything_and_changes_nothing_of_it(world: World) -> None:
    assert not good(world.run_master_data(dry_run=True)).skipped
    change(world, "customer", 2, addresses=customer(2, name="Nieuw")["addresses"])
    good(world.run_master_data(dry_run=True))
    change(world, "customer", 2, addresses=customer(2)["addresses"])
    assert good(world.run_master_data()).skipped == ALL


def test_a_failure_that_an_earlier_try_noted_is_over_when_its_task_is_skipped(world: World) -> None:
    ran = good(world.run_master_data())
    world.execute("""UPDATE sync_run SET failures = '{"customers.load": "lost"}'""")
    again: Any = good(world.run_master_data(run_id=ran.run_id))
    assert again.skipped == ALL
    assert world.scalar("SELECT failures FROM sync_run WHERE run_id = :run", run=ran.run_id) == {}
    assert world.scalar("SELECT times FROM quarantine") == 2
    conserved(world, again)
