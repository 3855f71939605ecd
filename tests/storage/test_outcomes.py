"""Outcomes: none is lost, unchanged ones cost nothing, and the views say the same as the runs did."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.storage.outcomes import Outcome, finish_entity, note_extracted, note_outcomes, outcomes_of, read_at
from include.storage.runs import close_run, count_outcomes
from include.storage.tables import key_set, latest_unchanged, record_current, sync_outcome_set, sync_run_entity
from tests.storage.support import new_link, new_run, now, whole_run

if TYPE_CHECKING:
    import datetime as dt

CURRENT = sa.text(
    "SELECT source_key, outcome, reason, message, run_id, occurred_at FROM sync_current "
    "WHERE link = :link AND entity = :entity"
)
LATEST = sa.text(
    "SELECT DISTINCT ON (o.source_key) o.source_key, o.outcome, o.reason, o.message, o.run_id, o.occurred_at "
    "FROM sync_outcomes o JOIN sync_run r ON r.dag_id = o.dag_id AND r.run_id = o.run_id "
    "WHERE o.link = :link AND o.entity = :entity ORDER BY o.source_key, r.id DESC"
)


def _rows(
    engine: sa.Engine, query: sa.TextClause, link: str, entity: str = "customers"
) -> dict[str, tuple[object, ...]]:
    with engine.connect() as connection:
        return {row[0]: tuple(row[1:5]) for row in connection.execute(query, {"link": link, "entity": entity})}


def _instants(engine: sa.Engine, query: sa.TextClause, link: str) -> dict[str, dt.datetime]:
    with engine.connect() as connection:
        return {row[0]: row[5] for row in connection.execute(query, {"link": link, "entity": "customers"})}


def _count(engine: sa.Engine, table: sa.Table, *which: sa.ColumnElement[bool]) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table).where(*which)) or 0


def test_every_record_ends_in_one_outcome(database: sa.Engine) -> None:
    link = new_link()
    noted = [Outcome("1", "created"), Outcome("2", "rejected", "nameless_debtor", "No name.")]
    run = whole_run(database, link, "customers", ["3", "4", "5"], noted)
    assert count_outcomes(database, run) == {"customers": {"created": 1, "rejected": 1, "unchanged": 3}}
    with database.connect() as connection:
        entity = connection.execute(sa.select(sync_run_entity).where(sync_run_entity.c.run == run.id)).one()
        assert outcomes_of(connection, run, "customers") == {"1": "created", "2": "rejected"}
    assert entity.counts == {"created": 1, "rejected": 1, "unchanged": 3}
    assert (entity.extracted, entity.state, entity.message) == (5, "good", None)
    assert entity.finished_at is not None
    assert _rows(database, CURRENT, link) == _rows(database, LATEST, link)
    assert _rows(database, CURRENT, link)["2"] == ("rejected", "nameless_debtor", "No name.", run.run_id)


def test_an_outcome_that_is_noted_again_counts_once(database: sa.Engine) -> None:
    link = new_link()
    run = new_run(database, link)
    with database.begin() as connection:
        note_extracted(connection, run, "customers", 1, now(database))
        note_outcomes(connection, run, "customers", [Outcome("1", "failed", "technical", "No answer.")])
        note_outcomes(connection, run, "customers", [Outcome("1", "updated")])
        note_outcomes(connection, run, "customers", [])
        finish_entity(connection, run, "customers", (), state="good")
    assert close_run(database, run, good=True) == {"customers": {"updated": 1}}
    assert _rows(database, CURRENT, link) == {"1": ("updated", None, None, run.run_id)}


def test_runs_over_the_same_unchanged_records_share_one_list(database: sa.Engine) -> None:
    link, keys = new_link(), [f"k{number}" for number in range(500)]
    sets = _count(database, key_set)
    whole_run(database, link, "customers", keys)
    rows = _count(database, record_current, record_current.c.link == link)
    later = [whole_run(database, link, "customers", reversed(keys)) for _ in range(3)]
    assert _count(database, key_set) == sets + 1
    assert _count(database, record_current, record_current.c.link == link) == rows == 500
    assert _count(database, sync_outcome_set, sync_outcome_set.c.run.in_([run.id for run in later])) == 3
    assert _count(database, latest_unchanged, latest_unchanged.c.link == link) == 1
    assert {row[3] for row in _rows(database, CURRENT, link).values()} == {later[-1].run_id}


def test_a_record_that_vanishes_keeps_its_last_run_and_comes_back(database: sa.Engine) -> None:
    link = new_link()
    first = whole_run(database, link, "customers", ["1", "2"])
    seen = _instants(database, CURRENT, link)["2"]
    second = whole_run(database, link, "customers", ["1"])
    assert _rows(database, CURRENT, link)["2"] == ("unchanged", None, None, first.run_id)
    assert _instants(database, CURRENT, link)["2"] == seen
    assert _rows(database, CURRENT, link)["1"] == ("unchanged", None, None, second.run_id)
    third = whole_run(database, link, "customers", ["1", "2"])
    assert _rows(database, CURRENT, link)["2"] == ("unchanged", None, None, third.run_id)


def test_a_record_that_changes_is_followed_again_once_it_is_unchanged(database: sa.Engine) -> None:
    link = new_link()
    whole_run(database, link, "customers", ["1", "2"])
    changed = whole_run(database, link, "customers", ["2"], [Outcome("1", "updated", message="A warning.")])
    assert _rows(database, CURRENT, link)["1"] == ("updated", None, "A warning.", changed.run_id)
    last = whole_run(database, link, "customers", ["1", "2"])
    assert _rows(database, CURRENT, link)["1"] == ("unchanged", None, "A warning.", last.run_id)
    assert _rows(database, CURRENT, link)["2"] == ("unchanged", None, None, last.run_id)


def test_a_warning_stays_until_the_record_is_written_again_or_comes_to_another_end(database: sa.Engine) -> None:
    link = new_link()

    def messages(unchanged: str, *noted: Outcome) -> dict[str, object]:
        whole_run(database, link, "items", unchanged, noted)
        return {key: row[2] for key, row in _rows(database, CURRENT, link, "items").items()}

    messages("", *(Outcome(key, "created", message=f"Of {key}.") for key in "abcd"))
    assert messages("abcd") == messages("abcd") == {key: f"Of {key}." for key in "abcd"}
    assert messages("abc") == {key: f"Of {key}." for key in "abcd"}  # d is not in the list
    messages("d", Outcome("a", "updated"), Outcome("b", "rejected", "missing_name", "No name."), Outcome("c", "failed"))
    assert messages("abcd") == {"a": None, "b": None, "c": None, "d": "Of d."}


def test_the_latest_outcomes_are_those_of_the_runs_whatever_happens(database: sa.Engine) -> None:
    rng, link, keys = random.Random(7), new_link(), [str(number) for number in range(12)]  # noqa: S311 - reproducible
    for _ in range(60):
        there = [key for key in keys if rng.random() < 0.8]
        noted = [Outcome(key, rng.choice(["created", "updated", "rejected"])) for key in there if rng.random() < 0.2]
        touched = {one.source_key for one in noted}
        whole_run(database, link, "customers", [key for key in there if key not in touched], noted)
        assert _rows(database, CURRENT, link) == _rows(database, LATEST, link)
    assert _instants(database, CURRENT, link).keys() == _instants(database, LATEST, link).keys()


def test_a_retried_task_does_not_forget_what_it_wrote(database: sa.Engine) -> None:
    link = new_link()
    run = new_run(database, link)
    with database.begin() as connection:
        note_extracted(connection, run, "customers", 2, now(database))
        note_outcomes(connection, run, "customers", [Outcome("1", "created"), Outcome("2", "failed", "technical")])
        finish_entity(connection, run, "customers", (), state="failed", message="No connection.")
    with database.begin() as connection:
        finish_entity(connection, run, "customers", ["1", "2"], state="good")
    assert close_run(database, run, good=True) == {"customers": {"created": 1, "unchanged": 1}}
    assert _rows(database, CURRENT, link) == {
        "1": ("created", None, None, run.run_id),
        "2": ("unchanged", None, None, run.run_id),
    }


def test_links_and_entities_do_not_mix(database: sa.Engine) -> None:
    one, other = new_link(), new_link()
    whole_run(database, one, "customers", ["1"])
    whole_run(database, other, "customers", ["1"], [Outcome("9", "created")])
    whole_run(database, one, "items", ["1", "2"])
    assert set(_rows(database, CURRENT, one)) == {"1"}
    assert set(_rows(database, CURRENT, one, "items")) == {"1", "2"}
    assert set(_rows(database, CURRENT, other)) == {"1", "9"}


def test_when_the_run_began_to_read_is_remembered(database: sa.Engine) -> None:
    run, instant = new_run(database, new_link()), now(database)
    with database.begin() as connection:
        note_extracted(connection, run, "items", 0, instant)
    assert read_at(database, run, "items") == instant
