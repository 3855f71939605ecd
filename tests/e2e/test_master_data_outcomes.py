"""Sections 5 and 6 for master data: batches that are held, outcomes, quarantine, reports, changes, dry runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.e2e import master
from tests.e2e.master import (
    change,
    change_in_qms,
    conserved,
    cost_center,
    customer,
    forget,
    give,
    good,
    item,
    item_group,
    only,
    outcome,
    payment_term,
    put_in_qms,
    qms_row,
    qms_rows,
    take_away,
    told,
    vat,
)

if TYPE_CHECKING:
    from tests.world import World

COLUMNS = [
    *("link", "direction", "entity", "source_key", "outcome", "reason", "message", "dag_id", "run_id", "occurred_at")
]


@pytest.fixture
def world(shared: World, monkeypatch: pytest.MonkeyPatch) -> World:
    master.quicken(monkeypatch)
    return master.cleared(shared)


# -- batches that are held ---------------------------------------------------------------------------------------------


def test_more_than_a_quarter_of_twenty_records_holds_the_batch(world: World) -> None:
    give(world, "customer", *(customer(number, name=" " if number <= 6 else "Naam") for number in range(1, 21)))
    ran = world.run_master_data()
    assert "max_rejected_share" in str(ran.tasks["customers.check"])
    assert ran.tasks["customers.load"] == "upstream_failed"
    assert ran.counts == {"customers": {"failed": 20}}
    assert outcome(world, ran, "customers", 20)[1] == "batch_held"
    assert world.qms.requests() == []
    assert world.scalar("SELECT count(*) FROM quarantine") == 0
    conserved(world, ran)
    change(world, "customer", 6, addresses=customer(6)["addresses"])
    assert good(world.run_master_data()).counts == {"customers": {"created": 15, "rejected": 5}}


def test_nineteen_records_are_too_few_for_a_share(world: World) -> None:
    give(world, "customer", *(customer(number, name=" " if number <= 18 else "Naam") for number in range(1, 20)))
    assert good(world.run_master_data()).counts == {"customers": {"created": 1, "rejected": 18}}


def test_fewer_than_half_of_the_last_good_run_holds_the_batch(world: World) -> None:
    give(world, "customer", *(customer(number) for number in range(1, 11)))
    good(world.run_master_data())
    take_away(world, "customer", *range(1, 6))
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 5}}
    take_away(world, "customer", 6, 7, 8)
    forget(world)
    for _ in range(2):  # a held run is no good run to compare with
        ran = world.run_master_data()
        assert "min_share_of_previous" in str(ran.tasks["customers.check"])
        assert ran.counts == {"customers": {"failed": 2}}
        conserved(world, ran)
    assert world.qms.requests() == []
    world.configure(checks={"min_share_of_previous": "30 %"}, master_data={"entities": master.ALL_OFF})
    assert good(world.run_master_data()).counts == {"customers": {"unchanged": 2}}


def test_an_empty_list_after_a_full_one_holds_the_batch(world: World) -> None:
    give(world, "customer", customer(1), customer(2))
    good(world.run_master_data())
    take_away(world, "customer", 1, 2)
    ran = world.run_master_data()
    assert "min_share_of_previous" in str(ran.tasks["customers.check"])
    assert ran.counts == {}
    conserved(world, ran)


def test_bad_item_groups_hold_the_items(world: World) -> None:
    only(world, "items")
    give(world, "item_group", *(item_group(number) for number in range(1, 5)))
    give(world, "item", item("ADV", group=1))
    good(world.run_master_data())
    take_away(world, "item_group", 1, 2, 3)
    ran = world.run_master_data()
    assert "min_share_of_previous" in str(ran.tasks["items.check"])
    assert ran.counts == {"items": {"failed": 1}}
    assert qms_row(world, "ItemCompany", "ADV")["GLAccountRevenue"] == "8000"
    conserved(world, ran)
    give(world, "item_group", *(item_group(number) for number in range(1, 4)))
    assert good(world.run_master_data()).counts == {"items": {"unchanged": 1}}


def test_one_bad_among_a_thousand_lets_999_through(world: World) -> None:
    give(world, "customer", *(customer(number, name=None if number == 500 else "Naam") for number in range(1, 1001)))
    ran = good(world.run_master_data())
    assert ran.counts == {"customers": {"created": 999, "rejected": 1}}
    assert outcome(world, ran, "customers", 500)[:2] == ("rejected", "nameless_debtor")
    codes = [row["CustomerCode"] for row in qms_rows(world, "CustomerCompany")]
    assert len(codes) == len(set(codes)) == 999
    conserved(world, ran)


@pytest.mark.parametrize(
    ("collection", "switch", "record", "reason"),
    [
        ("vat", "vat_codes", vat(2, percentage=101), "percentage_out_of_range"),
        ("vat", "vat_codes", vat(2, percentage=-1), "percentage_out_of_range"),
        ("vat", "vat_codes", vat(2, percentage="veel"), "wrong_type"),
        ("payment_term", "payment_terms", payment_term(2, days=-1), "negative_days"),
        ("payment_term", "payment_terms", payment_term(2, days=1.5), "wrong_type"),
        ("customer", "", customer("abc"), "wrong_type"),
        ("customer", "", customer(2, addresses="Postbus 12"), "wrong_type"),
        ("item", "items", item("B", vat={"id": [1]}), "wrong_type"),
    ],
)
def test_a_bad_record_is_put_aside_with_its_reason(
    world: World, collection: str, switch: str, record: dict[str, Any], reason: str
) -> None:
    only(world, *([switch] if switch else []))
    fine = {"vat": vat(1), "payment_term": payment_term(1), "customer": customer(1), "item": item("A")}[collection]
    give(world, collection, fine, record)
    ran = good(world.run_master_data())
    (counts,) = ran.counts.values()
    assert counts == {"created": 1, "rejected": 1}
    (row,) = world.rows("SELECT source_key, reason, payload FROM quarantine")
    assert (row.source_key, row.reason) == (str(record["id"]), reason)
    assert row.payload


# -- outcomes and views ------------------------------------------------------------------------------------------------


def test_the_views_have_the_columns_that_are_promised(world: World) -> None:
    give(world, "customer", customer(1))
    ran = good(world.run_master_data())
    for view in ("sync_outcomes", "sync_current"):
        with world.database.connect() as connection:
            result = connection.execute(sa.text(f"SELECT * FROM {view}"))  # noqa: S608 - one of the two
            assert list(result.keys()) == COLUMNS
            (row,) = result.all()
        assert tuple(row[:9]) == (
            "test",
            "minox_to_qms",
            "customers",
            "1",
            "created",
            None,
            None,
            "minox_master_data__test",
            ran.run_id,
        )
        assert row.occurred_at.tzinfo is not None


def test_the_current_outcome_follows_a_record_through_its_life(world: World) -> None:
    give(world, "customer", customer(1), customer(2), customer(3))
    good(world.run_master_data())
    second = good(world.run_master_data())
    take_away(world, "customer", 3)
    change(world, "customer", 2, addresses=[])
    third = good(world.run_master_data())

    def current(key: int) -> tuple[str, str]:
        row = world.rows("SELECT outcome, run_id FROM sync_current WHERE source_key = :key", key=str(key))
        assert len(row) == 1
        return row[0].outcome, row[0].run_id

    assert current(1) == ("unchanged", third.run_id)
    assert current(2) == ("rejected", third.run_id)
    assert current(3) == ("unchanged", second.run_id)
    give(world, "customer", customer(3))
    change(world, "customer", 2, addresses=customer(2)["addresses"])
    fourth = good(world.run_master_data())
    assert [current(key) for key in (1, 2, 3)] == [("unchanged", fourth.run_id)] * 3
    assert world.scalar("SELECT count(*) FROM sync_outcomes") == 3 + 3 + 2 + 3


def test_quarantine_counts_solves_itself_and_keeps_its_history(world: World) -> None:
    give(world, "customer", customer(1, name=" "), customer(2))
    runs = [good(world.run_master_data()) for _ in range(3)]
    (row,) = world.rows("SELECT *, first_seen < last_seen AS later FROM quarantine")
    assert (row.source_key, row.reason, row.times, row.later, row.solved_at) == ("1", "nameless_debtor", 3, True, None)
    ids = [world.scalar("SELECT id FROM sync_run WHERE run_id = :run", run=ran.run_id) for ran in runs]
    assert (row.first_run, row.last_run) == (ids[0], ids[-1])
    change(world, "customer", 1, addresses=customer(1)["addresses"])
    good(world.run_master_data())
    change(world, "customer", 1, addresses=[])
    good(world.run_master_data())
    found = world.rows("SELECT times, solved_at IS NOT NULL AS solved FROM quarantine ORDER BY id")
    assert [(row.times, row.solved) for row in found] == [(3, True), (1, False)]
    take_away(world, "customer", 1)
    good(world.run_master_data())
    assert world.scalar("SELECT count(*) FROM quarantine WHERE solved_at IS NULL") == 0


def test_what_was_rejected_stays_in_quarantine_while_its_entity_fails(world: World) -> None:
    give(world, "customer", customer(1, name=" "), *(customer(number) for number in range(2, 11)))
    good(world.run_master_data())
    take_away(world, "customer", *range(4, 11))
    world.run_master_data()
    world.minox.spoil(path="/customer", times=None, action="status", status=500)
    world.run_master_data()
    assert world.scalar("SELECT count(*) FROM quarantine WHERE solved_at IS NULL") == 1


def test_every_write_keeps_what_was_before_and_after(world: World) -> None:
    give(world, "customer", customer(1, chamber_of_commerce=None))
    good(world.run_master_data())
    change(world, "customer", 1, chamber_of_commerce="5", blocked=True)
    good(world.run_master_data())
    created, updated = world.rows("SELECT operation, qms_id, changes FROM field_change ORDER BY id")
    assert created.operation == "created"
    assert created.changes["Name"] == [None, "Jansen B.V."]
    assert "Identification" not in created.changes
    assert (updated.operation, updated.changes) == (
        "updated",
        {"Identification": [None, "5"], "IsActive": [True, False]},
    )
    assert str(updated.qms_id) == qms_row(world, "CustomerCompany", "1")["CustomerCompanyId"]


# -- reports to QMS ----------------------------------------------------------------------------------------------------


def test_a_rejected_debtor_that_qms_has_is_reported_and_cleared(world: World) -> None:
    give(world, "customer", customer(1), customer(2, name=" "), customer(3, name=" "))
    row = {"CustomerCompanyId": "52", "CustomerCode": "2", "Name": "Van vroeger", "CustomerType": "Customer"}
    put_in_qms(world, "CustomerCompany", row)
    before = qms_row(world, "CustomerCompany", "2")
    good(world.run_master_data())
    (state,) = told(world)
    assert (state["CompanyId"], state["EntityType"], state["EntityId"]) == ("3", "CustomerCompany", "52")
    assert (state["DataSource"], state["DataSourceKey"], state["IsError"]) == ("Minox", "2", True)
    assert state["Message"]
    assert qms_row(world, "CustomerCompany", "2") == before
    forget(world)
    good(world.run_master_data())
    assert world.qms.requests() == []
    change(world, "customer", 2, addresses=customer(2)["addresses"])
    change(world, "customer", 1, addresses=[])
    good(world.run_master_data())
    states = {one["DataSourceKey"]: (one["IsError"], one["Message"]) for one in told(world)}
    assert states["2"] == (False, "")
    assert states["1"][0] is True
    assert len(told(world)) == 2


def test_a_debtor_stays_reported_while_the_entity_fails(world: World) -> None:
    give(world, "customer", customer(1), *(customer(number) for number in range(2, 8)))
    good(world.run_master_data())
    change(world, "customer", 1, addresses=[])
    good(world.run_master_data())
    take_away(world, "customer", *range(3, 8))
    assert not world.run_master_data().is_good
    (state,) = told(world)
    assert state["IsError"] is True


def test_whether_qms_has_a_rejected_debtor_is_asked_until_it_answers(world: World) -> None:
    give(world, "customer", customer(2, name=" "))
    row = {"CustomerCompanyId": "52", "CustomerCode": "2", "Name": "Van vroeger", "CustomerType": "Customer"}
    put_in_qms(world, "CustomerCompany", row)
    world.qms.spoil(path="CustomerCompany", times=None, action="status", status=500)
    good(world.run_master_data())
    assert told(world) == []
    world.qms.heal()
    good(world.run_master_data())
    assert [one["EntityId"] for one in told(world)] == ["52"]
    forget(world)
    good(world.run_master_data())
    assert world.qms.requests() == []


def test_a_rejected_debtor_that_came_to_qms_later_is_reported_when_the_list_is_loaded_next(world: World) -> None:
    give(world, "customer", customer(1, name=" "), customer(2))
    good(world.run_master_data())
    put_in_qms(world, "CustomerCompany", {"CustomerCompanyId": "77", "CustomerCode": "1", "Name": "x"})
    forget(world)
    good(world.run_master_data())
    assert world.qms.requests() == []
    change(world, "customer", 2, chamber_of_commerce="77")
    good(world.run_master_data())
    assert [(one["EntityId"], one["IsError"]) for one in told(world)] == [("77", True)]


def test_a_failing_report_is_a_warning_and_is_made_up_for(world: World) -> None:
    give(world, "customer", customer(1))
    good(world.run_master_data())
    change(world, "customer", 1, addresses=[])
    world.qms.spoil(path="EntityState", times=None, action="status", status=500)
    good(world.run_master_data())
    assert told(world) == []
    world.qms.heal()
    world.execute("UPDATE entity_report SET updated_at = updated_at - interval '61 minutes'")
    good(world.run_master_data())
    assert len(told(world)) == 1


def test_a_report_that_somebody_deleted_is_made_anew(world: World) -> None:
    give(world, "customer", customer(1))
    good(world.run_master_data())
    change(world, "customer", 1, addresses=[])
    good(world.run_master_data())
    world.qms.edit({"entity": "EntityState", "delete": [told(world)[0]["EntityStateId"]]})
    change(world, "customer", 1, addresses=customer(1)["addresses"])
    good(world.run_master_data())
    assert [(one["IsError"], one["Message"]) for one in told(world)] == [(False, "")]


def test_nothing_is_reported_when_that_is_switched_off(world: World) -> None:
    world.configure(master_data={"entities": master.ALL_OFF}, bookings={"journal_code": "VRK", "report_to_qms": False})
    give(world, "customer", customer(1))
    good(world.run_master_data())
    change(world, "customer", 1, addresses=[])
    good(world.run_master_data())
    assert told(world) == []


# -- dry runs ----------------------------------------------------------------------------------------------------------


def _contents(world: World) -> dict[str, list[str]]:
    """Everything in the database but staging, the runs themselves and the pace of the requests."""
    free = {"sync_run", "sync_run_entity", "run_claim", "request_pacing", "oauth_grant"}
    names = [name for name in sa.inspect(world.database).get_table_names() if not name.startswith("staging_")]
    return {
        name: sorted(map(repr, world.rows(f'SELECT * FROM "{name}"')))  # noqa: S608 - our own tables
        for name in sorted(set(names) - free)
    }


def _previews(world: World) -> dict[tuple[str, str], tuple[str, Any]]:
    found = world.rows("SELECT entity, source_key, outcome, reason FROM staging_preview")
    return {(row.entity, row.source_key): (row.outcome, row.reason) for row in found}


def _mixed(world: World) -> None:
    only(world, "vat_codes", "cost_centers", "payment_terms", "items")
    give(world, "vat", vat(1), vat(2, percentage=200))
    give(world, "payment_term", payment_term(30))
    give(world, "cost_center", cost_center(110), cost_center(120))
    give(world, "item_group", item_group(10))
    give(world, "item", item("A", vat_code=1, group=10), item("B", vat_code=9), item("C", group=77))
    give(world, "customer", customer(1, term=30), customer(2, name=" "), customer(3), customer(4))
    put_in_qms(world, "CostCenter", {"CostCenterId": "21", "Code": "110", "Name": "Advies", "Remarks": "blijft"})
    row = {"CustomerCompanyId": "51", "CustomerCode": "3", "Name": "Oud", "CustomerType": "Customer"}
    put_in_qms(world, "CustomerCompany", row)


def test_a_dry_run_computes_the_same_and_writes_nothing(world: World) -> None:
    _mixed(world)
    before, state = _contents(world), world.qms.state
    dry = good(world.run_master_data(dry_run=True))
    assert dry.counts == {}
    assert world.qms.writes() == []
    assert world.minox.writes() == []
    assert world.qms.state == state
    assert _contents(world) == before
    previews = _previews(world)
    real = good(world.run_master_data())
    assert previews == {place: (result, reason) for place, (result, reason, _) in world.outcomes(real).items()}
    assert {result for result, _ in previews.values()} == {"created", "updated", "unchanged", "rejected"}
    change(world, "customer", 1, chamber_of_commerce="5")
    before, state = _contents(world), world.qms.state
    good(world.run_master_data(dry_run=True))
    assert _contents(world) == before
    assert world.qms.state == state
    latest = world.rows(
        "SELECT details FROM staging_preview WHERE source_key = '1' AND entity = 'customers' ORDER BY run DESC LIMIT 1"
    )
    assert latest[0].details == {"Identification": ["30123456", "5"]}


def test_a_dry_run_of_a_bad_batch_writes_nothing_either(world: World) -> None:
    give(world, "customer", *(customer(number) for number in range(1, 11)))
    good(world.run_master_data())
    take_away(world, "customer", *range(1, 9))
    change_in_qms(world, "CustomerCompany", qms_row(world, "CustomerCompany", "9"), Remarks="x")
    before = _contents(world)
    dry = world.run_master_data(dry_run=True)
    assert "min_share_of_previous" in str(dry.tasks["customers.check"])
    assert _contents(world) == before
    assert _previews(world) == {("customers", key): ("failed", "batch_held") for key in ("9", "10")}
