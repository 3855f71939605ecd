"""The database answers, but refuses: deadlocks, serialisation failures, a full disk, too many connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from include.errors import TransientError
from include.storage.engine import _engine_of_process
from tests.database_faults.after import (
    begin_invoices,
    begin_master_data,
    first_run,
    invoices_are_right,
    master_data_is_right,
    unclear,
)
from tests.database_faults.faults import DEADLOCK, DISK_FULL, SERIALIZATION, full_disk

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.database_faults.faults import Faults
    from tests.e2e.booking_world import BookingWorld
    from tests.world import Ran

WAYS = [
    pytest.param(lambda world: begin_invoices(world, at_once=4), first_run, invoices_are_right, id="invoices"),
    pytest.param(begin_master_data, lambda world: world.run_master_data(), master_data_is_right, id="master_data"),
]
TABLES = {
    "invoices": {"booking", "booking_attempt", "sync_outcome", "record_current", "quarantine", "entity_report"},
    "master_data": {"binding", "field_change", "sync_outcome", "record_current", "quarantine", "entity_report"},
}


@pytest.mark.parametrize(("begin", "run", "is_right"), WAYS)
def test_a_deadlock_at_any_table_costs_nothing(
    booking_world: BookingWorld,
    faults: Faults,
    request: pytest.FixtureRequest,
    begin: Callable[[BookingWorld], None],
    run: Callable[[BookingWorld], Ran],
    is_right: Callable[[BookingWorld], None],
) -> None:
    begin(booking_world)
    faults.statements.clear()
    run(booking_world)
    kinds: dict[str, list[str]] = {}
    for kind in faults.statements:
        verb, _, table = kind.partition(" ")
        if verb in {"INSERT", "UPDATE", "DELETE"}:
            kinds.setdefault(table, []).append(kind)
    is_right(booking_world)
    assert TABLES[request.node.callspec.id] <= set(kinds)
    problems = []
    for place, kind in enumerate(statements[-1] for statements in kinds.values()):
        begin(booking_world)
        faults.struck = False
        faults.refuse_statement(kind, (DEADLOCK, SERIALIZATION)[place % 2])
        ran = run(booking_world)
        faults.disarm()
        problems += [f"{kind}: {one}" for one in unclear(ran)]
        if not faults.struck:
            problems.append(f"{kind}: did not come")
        try:
            is_right(booking_world)
        except AssertionError as error:
            problems.append(f"{kind}: {error}\n{ran.tasks}")
    assert problems == [], "\n\n".join(problems)


@pytest.mark.parametrize(
    ("last_statement", "state"),
    [
        ("INSERT INTO booking (link,", DISK_FULL),  # what is taken up, and the intent before the first byte
        ("INSERT INTO booking_attempt (link,", DISK_FULL),
        ("UPDATE booking_attempt SET answer", DISK_FULL),
        ("INSERT INTO record_current (link,", DISK_FULL),
        ("UPDATE oauth_grant SET", DISK_FULL),
        ("INSERT INTO booking (link,", SERIALIZATION),
        ("INSERT INTO record_current (link,", SERIALIZATION),
        ("DELETE FROM run_claim WHERE", SERIALIZATION),
    ],
)
def test_a_commit_that_the_server_refuses_costs_nothing(
    booking_world: BookingWorld, faults: Faults, last_statement: str, state: str
) -> None:
    begin_invoices(booking_world)
    first_run(booking_world)
    numbers = [number for number, one in enumerate(faults.commits) if one.startswith(last_statement)]
    assert numbers
    for number in numbers:
        begin_invoices(booking_world)
        faults.commits.clear()
        faults.struck = False
        faults.refuse_commit(number, state)
        ran = first_run(booking_world)
        faults.disarm()
        assert faults.struck
        assert unclear(ran) == []
        invoices_are_right(booking_world)


@pytest.mark.parametrize("table", ["staging_entity_changes", "staging_invoices", "staging_invoice_lines"])
def test_a_disk_that_is_full_half_way_leaves_nothing_half_staged(booking_world: BookingWorld, table: str) -> None:
    begin_invoices(booking_world)
    with full_disk(booking_world.database, table, position=2):
        ran = first_run(booking_world)
    error = ran.tasks["stage"]
    assert isinstance(error, TransientError)
    assert error.system == "database"
    assert "DiskFull" in error.detail
    assert unclear(ran) == []
    assert (ran.tasks["check"], ran.tasks["book"]) == ("upstream_failed", "upstream_failed")
    assert booking_world.scalar(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 - a name of this file
    assert booking_world.batches == {}
    invoices_are_right(booking_world)


def test_a_disk_that_is_full_half_way_leaves_no_master_data_half_staged(booking_world: BookingWorld) -> None:
    begin_master_data(booking_world)
    with full_disk(booking_world.database, "staging_customers", position=2):
        ran = booking_world.run_master_data()
    error = ran.tasks["customers.stage"]
    assert isinstance(error, TransientError)
    assert "DiskFull" in error.detail
    assert unclear(ran) == []
    assert ran.tasks["customers.load"] == "upstream_failed"
    assert ran.counts["items"] == {"created": 1}
    assert booking_world.scalar("SELECT count(*) FROM staging_customers") == 0
    master_data_is_right(booking_world)


@pytest.mark.parametrize(("begin", "run", "is_right"), WAYS)
def test_too_few_connections_cost_nothing(
    booking_world: BookingWorld,
    begin: Callable[[BookingWorld], None],
    run: Callable[[BookingWorld], Ran],
    is_right: Callable[[BookingWorld], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin(booking_world)
    plain = booking_world.database.url
    role = f"frugal_{plain.database}"
    booking_world.execute(f'CREATE ROLE "{role}" LOGIN')
    booking_world.execute(f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{role}"')
    booking_world.execute(f'GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO "{role}"')
    as_role = plain.set(username=role).render_as_string(hide_password=False)
    failed = []
    try:
        for limit in range(6):
            begin(booking_world)
            booking_world.execute(f'ALTER ROLE "{role}" CONNECTION LIMIT {limit}')
            with monkeypatch.context() as patch:
                patch.setenv("MINOX_QMS_DATABASE_URL", as_role)
                _engine_of_process.cache_clear()
                ran = run(booking_world)
                _dispose()
            assert unclear(ran) == []
            failed.append(not ran.is_good)
            is_right(booking_world)
    finally:
        _dispose()
        booking_world.execute(f'DROP OWNED BY "{role}"')
        booking_world.execute(f'DROP ROLE "{role}"')
    assert failed[:2] == [True, True]  # one is not enough: who works holds the direction on a connection of its own
    assert failed[-1] is False


def _dispose() -> None:
    """Close the connections of this process's engine, so that the next one is made anew."""
    from include.storage.engine import engine  # noqa: PLC0415 - named like the fixture's

    engine().dispose()
    _engine_of_process.cache_clear()


def test_the_error_names_the_database_and_no_row(booking_world: BookingWorld, faults: Faults) -> None:
    begin_invoices(booking_world)
    faults.refuse_statement("INSERT booking", DEADLOCK)
    ran = first_run(booking_world)
    error = ran.tasks["stage"]
    faults.disarm()
    assert str(error) == (
        "database: The connector's database could not do what was asked; the next try goes on. "
        "(DeadlockDetected: deadlock detected)"
    )
    assert f"invoices: {error}" in str(ran.tasks["close_run"])
    assert error.__cause__ is None  # type: ignore[union-attr]  # an error, as was just seen
    assert sa.exc.SQLAlchemyError not in type(error).__mro__


def test_a_database_that_fails_while_an_invoice_is_examined_is_no_bug_of_it(
    booking_world: BookingWorld, faults: Faults
) -> None:
    begin_invoices(booking_world)
    faults.refuse_statement("UPDATE request_pacing", DEADLOCK)
    ran = first_run(booking_world)
    faults.disarm()
    assert getattr(ran.tasks["book"], "system", None) == "database"
    assert {(outcome, message) for outcome, _, message in booking_world.outcomes(ran).values()} == {
        ("failed", "The connector's database could not do what was asked; the next try goes on.")
    }
    invoices_are_right(booking_world)


def test_a_rejected_debtor_is_told_of_though_the_run_that_rejected_it_could_not_note_it(
    booking_world: BookingWorld, faults: Faults
) -> None:
    begin_master_data(booking_world)
    faults.refuse_statement("INSERT entity_report", DEADLOCK)
    ran = booking_world.run_master_data()
    faults.disarm()
    assert faults.struck
    assert unclear(ran) == []
    assert booking_world.qms.state["EntityState"] == []
    master_data_is_right(booking_world)
