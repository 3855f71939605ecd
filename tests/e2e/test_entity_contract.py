"""What every entity of master data does alike: one line declares an entity, and the same list of cases is run on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import master
from tests.e2e.master import conserved, forget, good, put_in_qms, qms_row, qms_rows, reads_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.world import World

ODD_NAMES = (
    'd\'Arc & Zn. <b>"x"</b>',
    "Ünïcødé Ĳssel Łódź",
    "株式会社テスト",
    "شركة",
    "👩‍👩‍👧 B.V. 🚀",
    "a\\b/c%20'd''e;--",
    "nul is 0",
    "x" * 4000,
    "tab\tregel\neinde",
)


@dataclass(frozen=True)
class Entity:
    """What the cases need to know of an entity."""

    name: str
    minox: str
    qms: str
    make: Callable[..., dict[str, Any]]
    own_fields: dict[str, Any]
    required: str
    refers: tuple[str, str, str, Callable[..., dict[str, Any]]] | None = None

    def key(self, number: int) -> Any:
        return f"ART-{number}" if self.name == "items" else number

    def record(self, number: int, name: Any = "Naam", **more: Any) -> dict[str, Any]:
        return self.make(self.key(number), name, **more)

    @property
    def lists(self) -> list[str]:
        return ["item_group", "item"] if self.name == "items" else [self.minox]


def _names(row: dict[str, Any], name: Any) -> dict[str, Any]:
    """A record with another name, wherever its entity keeps that."""
    if "addresses" in row:
        return {"addresses": [row["addresses"][0] | {"name": name}]}
    return {"description": name}


ENTITIES = [
    Entity("vat_codes", "vat", "VatCode", master.vat, {"IcpReturn": "Goods", "IsDefault": True}, "percentage"),
    Entity("cost_centers", "cost_center", "CostCenter", master.cost_center, {"Remarks": "van ons"}, "description"),
    Entity("payment_terms", "payment_term", "PaymentCondition", master.payment_term, {"Remarks": "van ons"}, "days"),
    Entity(
        "items",
        "item",
        "ItemCompany",
        master.item,
        {"LongDescription": "van ons", "ItemGroupId": "2", "SurchargePercentage": "1.50"},
        "description",
        ("vat_code", "vat", "VatCode", master.vat),
    ),
    Entity(
        "customers",
        "customer",
        "CustomerCompany",
        master.customer,
        {"Remarks": "van ons", "PriceIndex": "1.05", "SendInvoiceMethod": "Email", "VisitAddressCity": "Utrecht"},
        "id",
        ("term", "payment_term", "PaymentCondition", master.payment_term),
    ),
]


@pytest.fixture(params=ENTITIES, ids=lambda entity: entity.name)
def entity(request: pytest.FixtureRequest) -> Entity:
    found: Entity = request.param
    return found


@pytest.fixture
def world(shared: World, entity: Entity) -> World:
    master.cleared(shared)
    _only(shared, entity)
    return shared


def _only(world: World, entity: Entity) -> None:
    master.only(world, *(name for name in [entity.name] if name != "customers"))


def _give(world: World, entity: Entity, *records: dict[str, Any]) -> None:
    world.minox.edit({"entity": entity.minox, "add": list(records)})


def _outcomes(world: World, ran: Any, entity: Entity) -> dict[str, tuple[str, Any]]:
    found = world.outcomes(ran, entity=entity.name)
    return {key: (outcome, reason) for (_, key), (outcome, reason, _) in found.items()}


def _name(world: World, entity: Entity, number: int) -> Any:
    return qms_row(world, entity.qms, str(entity.key(number)))["Name"]


def test_a_second_run_writes_nothing_and_reads_one_list_and_nothing_of_qms(world: World, entity: Entity) -> None:
    _give(world, entity, *(entity.record(number) for number in (1, 2, 3)))
    first = good(world.run_master_data())
    assert first.counts == {entity.name: {"created": 3}}
    conserved(world, first)
    forget(world)
    again = good(world.run_master_data())
    assert again.counts == {entity.name: {"unchanged": 3}}
    conserved(world, again)
    assert reads_of(world.minox) == [*entity.lists, *(["customer"] if entity.name != "customers" else [])]
    assert world.qms.requests() == []
    assert len(qms_rows(world, entity.qms)) == 3


def test_of_one_record_on_one_page_or_two_the_later_copy_counts(world: World, entity: Entity) -> None:
    world.minox.control("POST", "modes", {"page_size": 2})
    twice = [entity.record(1, "Eerst"), entity.record(2, "Eerst"), entity.record(2, "Later")]
    _give(world, entity, *twice[:1], entity.record(4), *twice[1:], entity.record(3), entity.record(1, "Later"))
    ran = good(world.run_master_data())
    assert ran.counts == {entity.name: {"created": 4}}
    assert [_name(world, entity, number) for number in (1, 2)] == ["Later", "Later"]
    assert [one["method"] for one in world.qms.writes()] == ["POST"] * 4
    conserved(world, ran)


def test_a_record_without_id_is_known_by_its_place(world: World, entity: Entity) -> None:
    without = [{**entity.record(2), "id": key} for key in (None, "", "  ")]
    absent = {name: value for name, value in entity.record(2).items() if name != "id"}
    _give(world, entity, entity.record(1), *without, absent, entity.record(3))
    ran = good(world.run_master_data())
    assert _outcomes(world, ran, entity) == {
        str(entity.key(1)): ("created", None),
        **{f"#{place}": ("rejected", "missing_id") for place in (2, 3, 4, 5)},
        str(entity.key(3)): ("created", None),
    }
    conserved(world, ran)


def test_a_field_that_nobody_knows_is_ignored(world: World, entity: Entity) -> None:
    _give(world, entity, entity.record(1, brand_new={"deep": [1, None]}))
    good(world.run_master_data())
    forget(world)
    master.change(world, entity.minox, entity.key(1), brand_new="otherwise", another=7)
    assert good(world.run_master_data()).counts == {entity.name: {"unchanged": 1}}
    assert world.qms.requests() == []


def test_a_value_of_the_wrong_type_rejects_its_record_alone(world: World, entity: Entity) -> None:
    wrong = [{"nl": "Naam"}, ["Naam"], True, "a\x00b"]
    _give(world, entity, entity.record(1), *(entity.record(number, name) for number, name in enumerate(wrong, 2)))
    ran = good(world.run_master_data())
    assert _outcomes(world, ran, entity) == {
        str(entity.key(1)): ("created", None),
        **{str(entity.key(number)): ("rejected", "wrong_type") for number in (2, 3, 4, 5)},
    }
    conserved(world, ran)


def test_ids_that_come_as_text_are_the_same_ids(world: World, entity: Entity) -> None:
    _give(world, entity, entity.record(1), entity.record(2))
    good(world.run_master_data())
    forget(world)
    world.minox.control("POST", "modes", {"ids_as_text": True})
    assert good(world.run_master_data()).counts == {entity.name: {"unchanged": 2}}
    assert world.qms.requests() == []


def test_special_characters_arrive_as_they_are(world: World, entity: Entity) -> None:
    _give(world, entity, *(entity.record(number, f"  {name} ") for number, name in enumerate(ODD_NAMES, 1)))
    ran = good(world.run_master_data())
    assert ran.counts == {entity.name: {"created": len(ODD_NAMES)}}
    assert [_name(world, entity, number) for number in range(1, len(ODD_NAMES) + 1)] == list(ODD_NAMES)
    forget(world)
    assert good(world.run_master_data()).counts == {entity.name: {"unchanged": len(ODD_NAMES)}}
    assert world.qms.requests() == []


def test_an_empty_list_is_fine(world: World, entity: Entity) -> None:
    ran = good(world.run_master_data())
    assert ran.counts == {}
    assert world.qms.requests() == []


def test_one_bad_record_among_many_stops_no_other(world: World, entity: Entity) -> None:
    _give(world, entity, *(entity.record(number, "  " if number == 17 else "Naam") for number in range(1, 31)))
    ran = good(world.run_master_data())
    reason = "nameless_debtor" if entity.name == "customers" else "missing_name"
    assert ran.counts == {entity.name: {"created": 29, "rejected": 1}}
    assert _outcomes(world, ran, entity)[str(entity.key(17))] == ("rejected", reason)
    conserved(world, ran)
    forget(world)
    again = good(world.run_master_data())
    assert again.counts == {entity.name: {"unchanged": 29, "rejected": 1}}
    assert world.qms.requests() == []


def test_a_filled_qms_is_matched_on_the_first_run(world: World, entity: Entity) -> None:
    _give(world, entity, *(entity.record(number) for number in (1, 2, 3, 4)))
    good(world.run_master_data())
    rows = [qms_row(world, entity.qms, str(entity.key(number))) for number in (1, 2, 3)]
    key, code = f"{entity.qms}Id", master.code_field(entity.qms)
    equal, differing, doubled = rows
    world.qms.edit({"entity": entity.qms, "delete": [row[key] for row in qms_rows(world, entity.qms)]})
    world.execute("TRUNCATE sync_run, binding, reference, record_current, latest_unchanged, key_set CASCADE")
    put_in_qms(
        world,
        entity.qms,
        equal,
        differing | entity.own_fields | {"Name": "Oude naam"},
        doubled | {key: "900", "Name": "Dubbel, nieuwer"},
        doubled | {key: "899", "Name": "Dubbel, ouder"},
        {**equal, key: "950", "CompanyId": master.OTHER, "Name": "Van een ander"},
        {**differing, key: "951", "CompanyId": master.OTHER, code: str(entity.key(4)), "Name": "Van een ander"},
    )
    before = {row[key]: row for row in world.qms.state[entity.qms]}
    forget(world)
    ran = good(world.run_master_data())
    assert _outcomes(world, ran, entity) == {
        str(entity.key(1)): ("unchanged", None),
        str(entity.key(2)): ("updated", None),
        str(entity.key(3)): ("updated", None),
        str(entity.key(4)): ("created", None),
    }
    after = {row[key]: row for row in world.qms.state[entity.qms]}
    for untouched in (equal[key], "900", "950", "951"):
        assert after[untouched] == before[untouched]
    changed = after[differing[key]]
    assert changed["Name"] == "Naam"
    assert {name: changed[name] for name in entity.own_fields} == entity.own_fields
    assert after["899"]["Name"] == "Naam"
    assert sorted(one["method"] for one in world.qms.writes()) == ["POST", "PUT", "PUT"]
    forget(world)
    assert good(world.run_master_data()).counts == {entity.name: {"unchanged": 4}}
    assert world.qms.requests() == []


def test_a_reference_that_is_missing_is_found_as_soon_as_it_is_there(world: World, entity: Entity) -> None:
    if entity.refers is None:
        assert entity.name in {"vat_codes", "cost_centers", "payment_terms"}
        return
    argument, collection, qms_entity, make = entity.refers
    target = f"{qms_entity}Id"
    _give(world, entity, entity.record(1, **{argument: 7}), entity.record(2, **{argument: 8}), entity.record(3))
    ran = good(world.run_master_data())
    assert _outcomes(world, ran, entity) == {
        str(entity.key(1)): ("rejected", "unresolved_reference"),
        str(entity.key(2)): ("rejected", "unresolved_reference"),
        str(entity.key(3)): ("created", None),
    }
    assert qms_row(world, entity.qms, str(entity.key(3)))[target] is None
    # someone types it in at QMS
    own = {"Code": "7", "Name": "Met de hand", "Percentage": "21.00", "ReverseCharge": False, "IsDefault": False}
    own = own if qms_entity == "VatCode" else {"Code": "7", "Name": "Met de hand", "PaymentConditionType": "Credit"}
    put_in_qms(world, qms_entity, {target: "71", **own})
    ran = good(world.run_master_data())
    assert _outcomes(world, ran, entity)[str(entity.key(1))] == ("created", None)
    assert qms_row(world, entity.qms, str(entity.key(1)))[target] == "71"
    # or Minox delivers it
    world.minox.edit({"entity": collection, "add": [make(7), make(8)]})
    names = {"vat": "vat_codes", "payment_term": "payment_terms"}
    master.only(world, *(name for name in (entity.name, names[collection]) if name != "customers"))
    ran = good(world.run_master_data())
    assert _outcomes(world, ran, entity)[str(entity.key(2))] == ("created", None)
    assert qms_row(world, entity.qms, str(entity.key(2)))[target] == qms_row(world, qms_entity, "8")[target]
    assert len([row for row in qms_rows(world, qms_entity) if row["Code"] == "7"]) == 1
    forget(world)
    again = good(world.run_master_data())
    assert again.counts[entity.name] == {"unchanged": 3}
    assert world.qms.requests() == []


def test_what_is_gone_from_minox_stays_in_qms_and_comes_back_as_the_same(world: World, entity: Entity) -> None:
    _give(world, entity, *(entity.record(number) for number in (1, 2, 3)))
    good(world.run_master_data())
    row = qms_row(world, entity.qms, str(entity.key(3)))
    master.take_away(world, entity.minox, entity.key(3))
    forget(world)
    ran = good(world.run_master_data())
    assert ran.counts == {entity.name: {"unchanged": 2}}
    assert world.qms.requests() == []
    assert qms_row(world, entity.qms, str(entity.key(3))) == row
    _give(world, entity, entity.record(3, "Terug"))
    ran = good(world.run_master_data())
    assert ran.counts == {entity.name: {"unchanged": 2, "updated": 1}}
    assert qms_row(world, entity.qms, str(entity.key(3))) == row | {"Name": "Terug"} | (
        {"Description": "Terug"} if entity.qms == "PaymentCondition" else {}
    )


def test_a_column_that_is_missing_everywhere_holds_the_batch(world: World, entity: Entity) -> None:
    _give(world, entity, *(entity.record(number) for number in (1, 2, 3)))
    good(world.run_master_data())
    records = [entity.record(number, "Nieuw") for number in (1, 2, 3)]
    without = [{name: value for name, value in one.items() if name != entity.required} for one in records]
    _replace_all(world, entity, without)
    forget(world)
    ran = world.run_master_data()
    assert not ran.is_good
    assert entity.required in str(ran.tasks[f"{entity.name}.check"])
    assert "required_column" in str(ran.tasks[f"{entity.name}.check"])
    assert ran.counts == {entity.name: {"failed": 3}}
    assert world.qms.requests() == []
    assert world.scalar("SELECT count(*) FROM quarantine") == 0
    conserved(world, ran)
    _replace_all(world, entity, records)
    assert good(world.run_master_data()).counts == {entity.name: {"updated": 3}}


def _replace_all(world: World, entity: Entity, records: list[dict[str, Any]]) -> None:
    data = world.minox.state
    data["tenants"][0]["data"]["1"][entity.minox] = records
    world.minox.control("POST", "reset", data)


def test_a_blank_name_is_rejected_until_it_is_filled(world: World, entity: Entity) -> None:
    record = entity.record(1, " ")
    _give(world, entity, record)
    ran = good(world.run_master_data())
    assert ran.counts == {entity.name: {"rejected": 1}}
    assert world.qms.writes() == []
    master.change(world, entity.minox, entity.key(1), **_names(record, "Gevuld"))
    assert good(world.run_master_data()).counts == {entity.name: {"created": 1}}
    solved = world.rows("SELECT times, solved_at FROM quarantine")
    assert [(row.times, row.solved_at is not None) for row in solved] == [(1, True)]


def test_every_outcome_lost_between_qms_and_the_bookkeeping_makes_one_row(world: World, entity: Entity) -> None:
    _give(world, entity, entity.record(1), entity.record(2))
    world.qms.spoil(method="POST", path=entity.qms, nth=1, action="apply-then-drop")
    world.qms.spoil(method="POST", path=entity.qms, nth=1, action="apply-then-status", status=500)
    ran = good(world.run_master_data())
    assert ran.counts == {entity.name: {"created": 2}}
    assert len(qms_rows(world, entity.qms)) == 2
    for number in (1, 2):
        master.change(world, entity.minox, entity.key(number), **_names(entity.record(number), "Anders"))
    world.qms.spoil(method="PUT", path=entity.qms, nth=1, action="apply-then-drop")
    world.qms.spoil(method="PUT", path=entity.qms, nth=1, action="status", status=500)
    ran = good(world.run_master_data())
    assert ran.counts == {entity.name: {"updated": 2}}
    assert [_name(world, entity, number) for number in (1, 2)] == ["Anders", "Anders"]
    assert len(qms_rows(world, entity.qms)) == 2
    conserved(world, ran)
