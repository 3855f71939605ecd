"""Bindings: which QMS record a record is, what was written to it, what QMS refused."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.storage.bindings import (
    Change,
    bind,
    bindings_of,
    forget_qms_ids,
    known_references,
    note_changes,
    note_references,
    plain,
    refuse,
    values_hash,
)
from include.storage.tables import binding, field_change
from tests.storage.support import LONG_AGO, new_link, new_run, now

if TYPE_CHECKING:
    from include.storage.bindings import Binding

VALUES: dict[str, Any] = {"Code": "1", "Percentage": Decimal("21.00"), "ReverseCharge": False, "Name": None}


def _one(engine: sa.Engine, link: str, key: str = "1") -> Binding:
    with engine.connect() as connection:
        return bindings_of(connection, link, "vat_codes", [key])[key]


def test_equal_values_hash_the_same_in_any_order() -> None:
    assert values_hash(VALUES) == values_hash(dict(reversed(VALUES.items())))
    assert values_hash(VALUES) != values_hash({**VALUES, "Name": ""})
    assert values_hash(VALUES) != values_hash({**VALUES, "Percentage": Decimal(9)})
    assert plain(VALUES) == {"Code": "1", "Percentage": "21.00", "ReverseCharge": False, "Name": None}


def test_what_was_written_is_remembered(database: sa.Engine) -> None:
    link, read_at = new_link(), now(database)
    with database.begin() as connection:
        bind(connection, link, "vat_codes", "1", qms_id=2**40, values=VALUES, read_at=read_at)
        assert bindings_of(connection, link, "vat_codes", ["2"]) == {}
        assert bindings_of(connection, link, "vat_codes", []) == {}
    known = _one(database, link)
    assert (known.qms_id, known.written_hash, known.read_at) == (2**40, values_hash(VALUES), read_at)
    assert (known.refused_hash, known.refused_at, known.refused_message, known.reoffer) == (None, None, None, False)
    with database.connect() as connection:
        assert connection.scalar(sa.select(binding.c.written).where(binding.c.link == link)) == plain(VALUES)


def test_a_refusal_keeps_what_was_written_before_and_a_write_ends_it(database: sa.Engine) -> None:
    link, other = new_link(), {**VALUES, "Name": "Hoog"}
    with database.begin() as connection:
        bind(connection, link, "vat_codes", "1", qms_id=5, values=VALUES, read_at=LONG_AGO)
        connection.execute(sa.update(binding).where(binding.c.link == link).values(reoffer=True))
        refuse(connection, link, "vat_codes", "1", values=other, message="Name is taken.", read_at=now(database))
    known = _one(database, link)
    assert (known.qms_id, known.written_hash) == (5, values_hash(VALUES))
    assert (known.refused_hash, known.refused_message, known.reoffer) == (values_hash(other), "Name is taken.", False)
    with database.begin() as connection:
        bind(connection, link, "vat_codes", "1", qms_id=5, values=other, read_at=now(database))
    known = _one(database, link)
    assert (known.written_hash, known.refused_hash, known.refused_at) == (values_hash(other), None, None)


def test_references_are_those_of_bindings_and_of_what_was_looked_up(database: sa.Engine) -> None:
    link = new_link()
    with database.begin() as connection:
        bind(connection, link, "vat_codes", "1", qms_id=11, values=VALUES, read_at=LONG_AGO)
        refuse(connection, link, "vat_codes", "2", values=VALUES, message="No.", read_at=LONG_AGO)
        note_references(connection, link, "vat_codes", {"1": 99, "2": 12, "3": 13})
        note_references(connection, link, "vat_codes", {"3": 14})
        note_references(connection, link, "vat_codes", {})
        note_references(connection, new_link(), "vat_codes", {"4": 15})
        assert known_references(connection, link, "vat_codes") == {"1": 11, "2": 12, "3": 14}
        assert known_references(connection, link, "payment_terms") == {}


def test_records_that_qms_lost_are_referred_to_no_more(database: sa.Engine) -> None:
    link = new_link()
    with database.begin() as connection:
        for number in (1, 2):
            bind(connection, link, "vat_codes", str(number), qms_id=number, values=VALUES, read_at=LONG_AGO)
        note_references(connection, link, "vat_codes", {"8": 8, "9": 9})
        forget_qms_ids(connection, link, "vat_codes", [1, 9, 77])
        forget_qms_ids(connection, link, "payment_terms", [2, 8])
        assert known_references(connection, link, "vat_codes") == {"2": 2, "8": 8}
    known = _one(database, link)
    assert (known.qms_id, known.written_hash) == (None, values_hash(VALUES))


def test_changes_are_kept_field_by_field(database: sa.Engine) -> None:
    link = new_link()
    run = new_run(database, link)
    changes: dict[str, list[Any]] = {"Name": ["Hoog", "Hoog tarief"], "Percentage": [None, "21"]}
    with database.begin() as connection:
        note_changes(connection, run, "vat_codes", [Change("1", 5, "updated", changes)])
        note_changes(connection, run, "vat_codes", [])
    with database.connect() as connection:
        (row,) = connection.execute(sa.select(field_change).where(field_change.c.link == link))
    assert (row.run, row.source_key, row.qms_id, row.operation, row.changes) == (run.id, "1", 5, "updated", changes)
