"""What is forgotten and what never is; every table has its bound or its reason."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from include.alerts.incident import FAILED, Trouble
from include.settings.link import LinkSettings
from include.storage import retention
from include.storage.bindings import Change, note_changes
from include.storage.incidents import meet, resolve
from include.storage.ledger import begin_attempt, note_person
from include.storage.outcomes import Outcome
from include.storage.previews import note_preview
from include.storage.quarantine import put_aside, release
from include.storage.retention import BOUNDED, KEPT, Cleaning, clean
from include.storage.runs import covered_until
from include.storage.tables import key_set, metadata
from tests.database import empty_tables
from tests.settings.support import MINIMAL
from tests.storage.support import new_invoice, new_link, new_run, rejected, stage_records, whole_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.storage.runs import Run

YEARS = 800
AGED = {
    "sync_run": ("started_at", "finished_at"),
    "sync_outcome": ("occurred_at",),
    "sync_outcome_set": ("occurred_at",),
    "record_current": ("occurred_at",),
    "latest_unchanged": ("occurred_at",),
    "booking_attempt": ("started_at",),
    "quarantine": ("first_seen", "last_seen", "solved_at"),
    "field_change": ("changed_at",),
    "alert_incident": ("opened_at", "last_seen", "resolved_at"),
}
VIEW = sa.text("SELECT * FROM sync_current WHERE link = :link ORDER BY entity, source_key")


@pytest.fixture(autouse=True)
def _fresh(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "NEWEST_RUNS", 3)
    empty_tables(database)


def settings(link: str, **keep: int) -> dict[str, LinkSettings]:
    """The links of an installation: one, that keeps things for so long."""
    return {link: LinkSettings.model_validate({**MINIMAL, "name": link, "retention": keep})}


def age(engine: sa.Engine, days: int = YEARS) -> None:
    """Let everything in the database be that much older."""
    with engine.begin() as connection:
        for table, columns in AGED.items():
            new = ", ".join(f"{column} = {column} - make_interval(days => {days})" for column in columns)
            connection.execute(sa.text(f"UPDATE {table} SET {new}"))  # noqa: S608 - names of this file
        connection.execute(sa.text(f"UPDATE daily_sweep SET local_date = local_date - {days}"))  # noqa: S608


def cleaned(engine: sa.Engine, links: dict[str, LinkSettings], **how: Any) -> dict[str, int]:
    """Clean up; returns the rows that went, of the tables of which any did."""
    cleaning = Cleaning(engine, **how)
    clean(cleaning, links)
    return {table: rows for table, rows in cleaning.gone.items() if rows}


def rows(engine: sa.Engine) -> dict[str, int]:
    """Number of rows of every table."""
    with engine.connect() as connection:
        return {
            name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for name, table in metadata.tables.items()
        }


def current(engine: sa.Engine, link: str) -> list[tuple[Any, ...]]:
    """The public view of the latest outcomes."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(VIEW, {"link": link})]


def runs(engine: sa.Engine, link: str) -> list[int]:
    """Numbers of the link's runs."""
    with engine.connect() as connection:
        return list(
            connection.scalars(sa.text("SELECT id FROM sync_run WHERE link = :link ORDER BY id"), {"link": link})
        )


def busy(engine: sa.Engine, link: str) -> list[Run]:
    """Runs of a link that leave something in every table that grows."""
    made = [whole_run(engine, link, "customers", ["1", "2"], [Outcome("3", "created"), Outcome("6", "created")])]
    for number in range(6):
        unchanged = ["1", "2"] if number < 3 else ["1", "2", "3"]
        made.append(whole_run(engine, link, "customers", unchanged, [Outcome("4", "rejected", "x")]))
    first = made[0]
    with engine.begin() as connection:
        note_changes(connection, first, "customers", [Change("3", 7, "created", {"Name": [None, "A"]})])
        put_aside(connection, first, "customers", [rejected("4"), rejected("5")])
        release(connection, first, "customers", ["5"])
        meet(connection, link, "minox_to_qms", Trouble(FAILED, "It failed."))
        resolve(connection, link, "minox_to_qms", [FAILED])
        meet(connection, link, "qms_to_minox", Trouble(FAILED, "It failed as well."))
        note_person(connection, link, "exclude", "invoices", "12", "eva", "by hand")
        for table, values in (
            (
                'check_result (run, entity, level, expectation, "column", success, details)',
                "'c', 'batch', 'e', 'x', true, '{}'",
            ),
            ("reconciliation_finding (run, link, kind, message)", f"'{link}', 'extra', 'm'"),
        ):
            connection.execute(sa.text(f"INSERT INTO {table} SELECT {made[2].id}, {values}"))
        connection.execute(
            sa.text("INSERT INTO daily_sweep (link, local_date, run) VALUES (:link, current_date, :run)"),
            {"link": link, "run": made[2].id},
        )
    stage_records(engine, made[2], "customers", {"1": "{}"})
    dry = new_run(engine, link, dry_run=True)
    with engine.begin() as connection:
        note_preview(connection, dry, "customers", Outcome("1", "updated"), position=1, details={})
    for number, state in ((12, "booked"), (13, "sending")):
        new_invoice(engine, link, number, state=state, minox_number=number)
        with engine.begin() as connection:
            begin_attempt(connection, first, number, "put")
    return made


def test_every_table_is_bounded_or_kept_with_a_reason() -> None:
    assert {*BOUNDED, *KEPT} == set(metadata.tables), "say in include/storage/retention.py what becomes of the table"
    assert not set(BOUNDED) & set(KEPT)
    assert all(len(why) > 10 for why in (*BOUNDED.values(), *KEPT.values()))


def test_what_is_old_goes_and_what_is_needed_stays(database: sa.Engine) -> None:
    link = new_link()
    made = busy(database, link)
    age(database)
    before, view = rows(database), current(database, link)
    gone = cleaned(database, settings(link))
    after = rows(database)
    assert current(database, link) == view
    assert view
    assert {table: before[table] - after[table] for table in before if before[table] != after[table]} == gone
    assert set(gone) == set(BOUNDED) - {"alert_message"} - {
        one for one in BOUNDED if one.startswith("staging_") and one not in {"staging_customers", "staging_preview"}
    }
    for table in ("booking", "binding", "record_current", "latest_unchanged", "person_action"):
        assert before[table] == after[table]
    assert gone["quarantine"] == 1  # the solved one
    assert gone["alert_incident"] == 1  # the one that is over
    assert gone["booking_attempt"] == 1  # not that of the invoice whose answer is awaited
    # the first gave customer 6 its outcome, others the latest of theirs
    assert made[0].id in runs(database, link)
    assert made[2].id not in runs(database, link)
    assert cleaned(database, settings(link)) == {}


def test_nothing_young_goes(database: sa.Engine) -> None:
    link = new_link()
    busy(database, link)
    age(database, 390)
    gone = cleaned(database, settings(link))
    assert set(gone) <= {"field_change", "staging_preview", "key_set"}  # 90 and 30 days; lists that were never used
    assert cleaned(database, settings(link, outcome_days=380, attempt_days=380)).keys() == {
        "sync_outcome", "sync_outcome_set", "key_set", "booking_attempt",
    }  # fmt: skip


def test_a_dry_run_says_what_would_go_and_leaves_it(database: sa.Engine) -> None:
    link = new_link()
    busy(database, link)
    age(database)
    before = rows(database)
    told = cleaned(database, settings(link), dry_run=True)
    assert rows(database) == before
    gone = cleaned(database, settings(link))
    # staged records and lists become free by what goes before them
    assert {one: told.get(one, 0) for one in gone if one not in {"staging_customers", "key_set"}} == {
        one: gone[one] for one in gone if one not in {"staging_customers", "key_set"}
    }


def test_a_link_without_a_file_has_the_defaults(database: sa.Engine) -> None:
    link = new_link()
    busy(database, link)
    age(database)
    assert cleaned(database, {})["sync_outcome"] > 0


def test_the_interval_covered_last_is_remembered(database: sa.Engine) -> None:
    """Also when it is older than what is kept, and worse runs came after it."""
    link = new_link()
    covering = whole_run(database, link, "invoices", direction="qms_to_minox")
    with database.begin() as connection:
        plan = {"start": "2026-01-01T06:00:00+00:00", "end": "2026-01-01T07:00:00+00:00"}
        connection.execute(
            sa.text("UPDATE sync_run SET plan = CAST(:plan AS jsonb) WHERE id = :run"),
            {"plan": str(plan).replace("'", '"'), "run": covering.id},
        )
    later = [new_run(database, link, "qms_to_minox") for _ in range(6)]
    age(database)
    cleaned(database, settings(link))
    assert covered_until(database, link, "qms_to_minox", "invoices") == "2026-01-01T07:00:00+00:00"
    assert runs(database, link) == [covering.id, *(run.id for run in later[-3:])]


@pytest.mark.parametrize("chunk", [1, 7, 2000])
def test_the_latest_outcomes_are_the_same_whatever_is_forgotten(database: sa.Engine, chunk: int) -> None:
    link, choose = new_link(), random.Random(chunk)  # noqa: S311 - no secret
    for _ in range(25):
        keys = [str(number) for number in range(8)]
        choose.shuffle(keys)
        noted = [Outcome(key, choose.choice(["created", "rejected", "failed"])) for key in keys[:2]]
        whole_run(database, link, choose.choice(["customers", "items"]), keys[choose.randrange(2, 6) :], noted)
    age(database)
    view = current(database, link)
    cleaned(database, settings(link), chunk=chunk)
    assert current(database, link) == view
    assert len(runs(database, link)) < 25
    whole_run(database, link, "customers", ["1"])
    assert len(current(database, link)) == len(view)


def test_it_stops_in_time_and_goes_on_the_next_night(database: sa.Engine) -> None:
    link = new_link()
    busy(database, link)
    age(database)
    before = rows(database)
    cleaning = Cleaning(database, seconds=0)
    clean(cleaning, settings(link))
    assert not cleaning.is_complete
    assert rows(database) == before
    assert cleaned(database, settings(link))


def test_killed_between_two_transactions_it_goes_on(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    link = new_link()
    busy(database, link)
    age(database)
    view, whole = current(database, link), cleaned(database, settings(link), dry_run=True)
    steps = 0
    for stop_after in range(1, 8):
        calls = iter(range(stop_after))

        def killed(_: Cleaning, calls: Iterator[int] = calls) -> bool:
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return True

        with monkeypatch.context() as patch:
            patch.setattr(Cleaning, "may_go_on", killed)
            try:
                clean(Cleaning(database, chunk=1), settings(link))
            except KeyboardInterrupt:
                steps += 1
        assert current(database, link) == view
    assert steps == 7
    cleaned(database, settings(link))
    assert current(database, link) == view
    assert whole
    assert cleaned(database, settings(link), dry_run=True) == {}


def test_a_run_that_uses_a_list_again_keeps_it(database: sa.Engine) -> None:
    """The clean-up and a run meet on a list that nothing refers to: the run gets it, or makes it anew."""
    link = new_link()
    whole_run(database, link, "customers", ["a", "b"])
    for _ in range(12):
        with database.begin() as connection:
            connection.execute(sa.text("DELETE FROM latest_unchanged WHERE link = :link"), {"link": link})
            connection.execute(sa.text("DELETE FROM sync_outcome_set"))
        errors: list[BaseException] = []

        def note(errors: list[BaseException] = errors) -> None:
            try:
                whole_run(database, link, "customers", ["a", "b"])
            except BaseException as error:  # noqa: BLE001 - collected and asserted
                errors.append(error)

        threads = [threading.Thread(target=note) for _ in range(2)]
        for thread in threads:
            thread.start()
        clean(Cleaning(database), settings(link))
        for thread in threads:
            thread.join()
        assert errors == []
        with database.connect() as connection:
            missing = connection.scalar(
                sa.text("SELECT count(*) FROM latest_unchanged WHERE key_set NOT IN (SELECT id FROM key_set)")
            )
            assert missing == 0


def test_a_list_that_is_used_stays_and_one_that_is_not_goes(database: sa.Engine) -> None:
    link = new_link()
    whole_run(database, link, "customers", ["used"])
    with database.begin() as connection:
        connection.execute(sa.insert(key_set).values(digest=b"nobody's", keys=["x"]))
    cleaned(database, settings(link))
    with database.connect() as connection:
        kept = list(connection.scalars(sa.select(key_set.c["keys"])))
    assert ["used"] in kept
    assert ["x"] not in kept


@pytest.mark.parametrize("keep", [{"outcome_days": 500}, {"run_days": 100}, {"run_days": 35, "outcome_days": 35}])
def test_runs_outlive_their_outcomes_and_what_they_make_up_for(keep: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        settings("any", **keep)
