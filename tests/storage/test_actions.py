"""What people do: offered again, excluded, taken back; with name and reason, or not at all."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from include.errors import ConfigurationError
from include.storage import ledger
from include.storage.actions import (
    count_refused,
    exclude_invoice,
    include_invoice,
    reoffer_invoices,
    reoffer_records,
    reoffer_refused_invoices,
    reoffer_refused_records,
)
from include.storage.bindings import bind, bindings_of, refuse
from include.storage.news import take_rejected, take_solved
from include.storage.outcomes import Outcome
from include.storage.previews import note_preview
from include.storage.quarantine import put_aside
from include.storage.tables import booking, person_action, quarantine
from tests.storage.support import LONG_AGO, new_invoice, new_link, new_run, rejected, state_of


def batch(invoice_header_id: int) -> uuid.UUID:
    return uuid.UUID(int=invoice_header_id)


def _people(engine: sa.Engine, link: str) -> list[tuple[Any, ...]]:
    columns = ("action", "entity", "source_key", "person", "reason")
    with engine.connect() as connection:
        query = sa.select(*(person_action.c[name] for name in columns)).where(person_action.c.link == link)
        return [tuple(row) for row in connection.execute(query.order_by(person_action.c.id))]


def _reoffered(engine: sa.Engine, link: str, keys: list[str]) -> list[str]:
    with engine.connect() as connection:
        return [key for key, one in bindings_of(connection, link, "customers", keys).items() if one.reoffer]


@pytest.fixture
def link(database: sa.Engine) -> str:
    """A link with a customer that QMS has, two that it refused, and one that was rejected before."""
    name = new_link()
    run = new_run(database, name)
    with database.begin() as connection:
        bind(connection, name, "customers", "1001", qms_id=1, values={"Name": "A"}, read_at=LONG_AGO)
        for key in ("1002", "1003"):
            refuse(connection, name, "customers", key, values={"Name": "B"}, message="No.", read_at=LONG_AGO)
        put_aside(connection, run, "customers", [rejected("1004")])
    return name


def test_records_are_offered_again(database: sa.Engine, link: str) -> None:
    done = reoffer_records(database, link, "customers", ["1001", "1002", "1001"], person="anna", reason="Mended.")
    assert [(one.source_key, one.name) for one in done] == [("1001", "1001"), ("1002", "1002")]
    assert sorted(_reoffered(database, link, ["1001", "1002", "1003"])) == ["1001", "1002"]
    assert _people(database, link) == [
        ("reoffer", "customers", "1001", "anna", "Mended."),
        ("reoffer", "customers", "1002", "anna", "Mended."),
    ]


def test_all_that_qms_refused_is_offered_again(database: sa.Engine, link: str) -> None:
    done = reoffer_refused_records(database, link, "customers", person="anna")
    assert [one.source_key for one in done] == ["1002", "1003"]
    assert sorted(_reoffered(database, link, ["1001", "1002", "1003"])) == ["1002", "1003"]
    assert reoffer_refused_records(database, link, "items", person="anna") == []
    new_invoice(database, link, 1, state="refused")
    with database.connect() as connection:
        assert count_refused(connection, link) == {"customers": 2, "invoices": 1}
        assert count_refused(connection, new_link()) == {}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("1020", "no customers '1020'; near it: 100"),
        ("xyz", r"no customers 'xyz'\.$"),
        ("1004", "1004 was rejected as nameless_debtor before it was offered"),
    ],
)
def test_one_unknown_record_and_nothing_is_done(database: sa.Engine, link: str, key: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        reoffer_records(database, link, "customers", ["1001", key], person="anna")
    assert _reoffered(database, link, ["1001"]) == []
    assert _people(database, link) == []


@pytest.mark.parametrize("state", ["open", "rejected", "refused"])
def test_open_invoices_keep_their_state_when_they_are_offered_again(database: sa.Engine, state: str) -> None:
    link = new_link()
    new_invoice(database, link, 1, state=state, outcome="rejected", message="Why.")
    (done,) = reoffer_invoices(database, link, ["F2026-0001"], person="anna")
    assert (done.entity, done.source_key, done.name) == ("invoices", "1", "F2026-0001")
    row = state_of(database, link, 1)
    assert (row.state, row.reoffer, row.message) == (state, True, "Why.")
    assert _people(database, link) == [("reoffer", "invoices", "1", "anna", None)]


@pytest.mark.parametrize("state", ["already_booked", "skipped"])
def test_settled_invoices_become_open_and_let_go_of_their_number(database: sa.Engine, state: str) -> None:
    link = new_link()
    new_invoice(database, link, 1, state=state, outcome=state, minox_number=12)
    reoffer_invoices(database, link, ["1"], person="anna", reason="It was somebody else's.")
    row = state_of(database, link, 1)
    assert (row.state, row.reoffer, row.outcome, row.minox_number) == ("open", True, "postponed", 12)
    with database.connect() as connection:
        assert ledger.open_ids(connection, link) == [1]
        assert ledger.number_holders(connection, link, [12]) == {}


@pytest.mark.parametrize(
    ("state", "said"),
    [("booked", "never sent again"), ("sending", "is being sent"), ("excluded", "excluded by bert")],
)
def test_what_is_settled_for_good_is_not_offered_again(database: sa.Engine, state: str, said: str) -> None:
    link = new_link()
    new_invoice(database, link, 1)
    new_invoice(database, link, 2, state=state, outcome=state, excluded_by="bert", excluded_reason="Why.")
    with pytest.raises(ConfigurationError, match=said):
        reoffer_invoices(database, link, ["id:1", "id:2"], person="anna")
    assert not state_of(database, link, 1).reoffer
    assert _people(database, link) == []


def test_all_that_minox_refused_is_offered_again(database: sa.Engine) -> None:
    link = new_link()
    for number, state in enumerate(("refused", "rejected", "refused", "booked"), 1):
        new_invoice(database, link, number, state=state, minox_number=number)
    done = reoffer_refused_invoices(database, link, person="anna", reason="Mended.")
    assert [one.source_key for one in done] == ["1", "3"]
    with database.connect() as connection:
        query = sa.select(booking.c.invoice_header_id).where(booking.c.link == link, booking.c.reoffer)
        assert sorted(connection.scalars(query)) == [1, 3]
    assert reoffer_refused_invoices(database, new_link(), person="anna") == []


@pytest.mark.parametrize("state", ["open", "rejected", "refused", "skipped", "already_booked"])
def test_an_invoice_is_excluded_and_taken_back(database: sa.Engine, state: str) -> None:
    link = new_link()
    new_invoice(database, link, 1, state=state, outcome=state)
    run = new_run(database, link, "qms_to_minox")
    with database.begin() as connection:
        put_aside(connection, run, "invoices", [rejected("1", "no_lines"), rejected("2", "no_lines")])
    exclude_invoice(database, link, "F2026-0001", person="anna", reason=" Booked by hand. ")
    row = state_of(database, link, 1)
    assert (row.state, row.excluded_by, row.excluded_reason) == ("excluded", "anna", "Booked by hand.")
    with database.connect() as connection:
        assert ledger.open_ids(connection, link) == [1]  # once more, for its outcome
        still = sa.select(quarantine.c.source_key).where(quarantine.c.link == link, quarantine.c.solved_at.is_(None))
        assert list(connection.scalars(still)) == ["2"]
    with pytest.raises(ConfigurationError, match=r"excluded already, by anna \(Booked by hand\.\)"):
        exclude_invoice(database, link, "1", person="bert", reason="Me too.")
    include_invoice(database, link, "1", person="bert", reason="It was not.")
    row = state_of(database, link, 1)
    assert (row.state, row.reoffer, row.excluded_by, row.excluded_reason) == ("open", True, None, None)
    assert _people(database, link) == [
        ("exclude", "invoices", "1", "anna", "Booked by hand."),
        ("include", "invoices", "1", "bert", "It was not."),
    ]


@pytest.mark.parametrize("told", [True, False])
def test_an_exclusion_is_no_return_to_good(database: sa.Engine, told: bool) -> None:
    link = new_link()
    new_invoice(database, link, 1, state="rejected", outcome="rejected")
    run = new_run(database, link, "qms_to_minox")
    with database.begin() as connection:
        put_aside(connection, run, "invoices", [rejected("1", "no_lines")])
        if told:
            assert len(take_rejected(connection, link, "qms_to_minox")) == 1
    exclude_invoice(database, link, "1", person="anna", reason="Booked by hand.")
    with database.begin() as connection:
        assert take_rejected(connection, link, "qms_to_minox") == take_solved(connection, link, "qms_to_minox") == []


def test_an_invoice_that_no_run_has_met_is_excluded_beforehand(database: sa.Engine) -> None:
    link = new_link()
    with pytest.raises(ConfigurationError, match="has no invoice"):
        exclude_invoice(database, link, "id:7", person="anna", reason="Why.")
    with pytest.raises(ConfigurationError, match="has no invoice"):
        exclude_invoice(database, link, "7", person="anna", reason="Why.", batch_of=batch)
    exclude_invoice(database, link, "id:7", person="anna", reason="Why.", batch_of=batch)
    row = state_of(database, link, 7)
    assert (row.state, row.outcome, row.batch_id) == ("excluded", "excluded", batch(7))
    with database.connect() as connection:
        assert ledger.open_ids(connection, link) == []
    include_invoice(database, link, "id:7", person="bert", reason="After all.")
    assert state_of(database, link, 7).state == "open"
    for name in ("id:0", f"id:{2**63}", "id:x", "minox:7", "number:7"):
        with pytest.raises(ConfigurationError, match="has no invoice"):
            exclude_invoice(database, link, name, person="anna", reason="Why.", batch_of=batch)


@pytest.mark.parametrize("name", ["F2026-0008", "8", "number:F2026-0008"])
def test_an_invoice_that_a_dry_run_saw_is_excluded_by_its_number(database: sa.Engine, name: str) -> None:
    link, other = new_link(), new_link()
    for one, key in ((link, "8"), (other, "9"), (link, "#1")):
        run = new_run(database, one, "qms_to_minox")
        with database.begin() as connection:
            details = {"invoice_number": "F2026-0008"}
            note_preview(connection, run, "invoices", Outcome(key, "would_book"), position=1, details=details)
    assert exclude_invoice(database, link, name, person="anna", reason="Why.", batch_of=batch).name == "F2026-0008"
    assert state_of(database, link, 8).state == "excluded"


def test_of_several_that_dry_runs_saw_none_is_excluded_by_chance(database: sa.Engine) -> None:
    link = new_link()
    run = new_run(database, link, "qms_to_minox")
    with database.begin() as connection:
        for key, number in (("8", "F9"), ("1234", "8"), ("11", "F10"), ("12", "F10")):
            details = {"invoice_number": number}
            note_preview(connection, run, "invoices", Outcome(key, "would_book"), position=1, details=details)
    for name, said in (("8", r"id:8 \(F9\), id:1234 \(8\)"), ("F10", r"id:11 \(F10\), id:12 \(F10\)")):
        with pytest.raises(ConfigurationError, match=f"say which: {said}"):
            exclude_invoice(database, link, name, person="anna", reason="Why.", batch_of=batch)
    assert exclude_invoice(database, link, "id:8", person="anna", reason="Why.", batch_of=batch).source_key == "8"
    with pytest.raises(ConfigurationError, match="has no invoice"):
        exclude_invoice(database, link, f"id:{'0' * 19}1{'2' * 20}", person="anna", reason="Why.", batch_of=batch)


@pytest.mark.parametrize(("state", "said"), [("booked", "is booked in Minox"), ("sending", "is being sent")])
def test_what_minox_has_or_may_have_is_not_excluded(database: sa.Engine, state: str, said: str) -> None:
    link = new_link()
    new_invoice(database, link, 1, state=state, outcome=state, minox_number=1)
    with pytest.raises(ConfigurationError, match=f"{said}.*cannot be excluded"):
        exclude_invoice(database, link, "1", person="anna", reason="Why.")
    assert state_of(database, link, 1).state == state
    assert _people(database, link) == []


def test_a_reason_is_wanted_and_only_an_excluded_invoice_is_taken_back(database: sa.Engine) -> None:
    link = new_link()
    new_invoice(database, link, 1)
    with pytest.raises(ConfigurationError, match="Say why the invoice is not"):
        exclude_invoice(database, link, "1", person="anna", reason="  ")
    with pytest.raises(ConfigurationError, match="Say why the invoice is to be"):
        include_invoice(database, link, "1", person="anna", reason="")
    with pytest.raises(ConfigurationError, match="is not excluded: its state is open"):
        include_invoice(database, link, "1", person="anna", reason="Why.")
    with pytest.raises(ConfigurationError, match="has no invoice"):
        exclude_invoice(database, link, "2", person="anna", reason="Why.")
    assert _people(database, link) == []
