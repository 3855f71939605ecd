from __future__ import annotations

import json

import msgspec
import pytest

from include.mapping.context import MappingContext
from include.mapping.explain import Explained, explain
from include.mapping.mapper import Mapping, map_record
from include.mappings import MASTER_DATA
from include.wire.decode import decode_record
from include.wire.minox import Address, Blocked, Customer, EmailAddress, Item, Reference
from tests.mappings.golden import cases

CONTEXT = MappingContext(references={"payment_terms": {"30": 31}})
POSTAL = Address(address_type="postal", name=" Jansen ", streetname_and_number="Postbus 12")
STREET = Address(
    address_type="street",
    streetname_and_number="Domplein 4",
    email_addresses=(EmailAddress(email_address=""), EmailAddress(email_address="balie@x.example")),
)


def explained(customer: Customer) -> dict[str, Explained]:
    return {field.target: field for field in explain(MASTER_DATA["customers"], customer, CONTEXT)}


def test_a_field_with_its_source_and_rule() -> None:
    fields = explained(Customer(id=1001, addresses=(STREET, POSTAL), payment_term=Reference(id="30")))
    assert fields["Name"] == Explained(
        target="Name",
        value="Jansen",
        source_path="postal.name",
        source_value=" Jansen ",
        place="addresses[1]",
        rule="postal.name",
        article="PostalAddress.name → Customer.Name",
        note="",
    )
    visit = fields["VisitAddressEmailAddress"]
    assert (visit.value, visit.source_path, visit.place) == ("balie@x.example", "visit.first_email", "addresses[0]")
    term = fields["PaymentConditionId"]
    assert (term.value, term.source_path, term.source_value, term.place) == (31, "payment_term.id", "30", "")


def test_notes_say_what_is_wrong() -> None:
    fields = explained(Customer(id=1001, payment_term=Reference(id=99), blocked=Blocked(active=True)))
    assert fields["PaymentConditionId"].note == "unresolved_reference: QMS has no payment condition 99."
    assert fields["Name"].note.startswith("nameless_debtor: ")
    assert fields["IsActive"].source_value == {"active": True}
    items = {field.target: field for field in explain(MASTER_DATA["items"], Item(id="A"), CONTEXT)}
    assert items["GLAccountRevenue"].note == "The item has no item group, so it has no revenue account."
    assert (items["AllowTimeEntry"].source_path, items["AllowTimeEntry"].source_value) == ("", None)


@pytest.mark.parametrize("mapping", MASTER_DATA.values(), ids=MASTER_DATA)
def test_what_is_explained_is_what_is_mapped(mapping: Mapping[object]) -> None:
    for case in cases(mapping.entity):
        record, faults = decode_record(case.raw, mapping.struct)  # type: ignore[type-var]
        assert faults == ()
        fields = explain(mapping, record, case.context)
        assert {field.target: field.value for field in fields} == map_record(mapping, record, case.context).values
        assert json.loads(msgspec.json.encode(fields))
