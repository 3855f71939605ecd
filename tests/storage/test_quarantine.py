"""Quarantine: one open row per record, which leaves by itself and stays as history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.checks.results import Finding
from include.storage.quarantine import Rejected, put_aside, release, release_others
from include.storage.tables import quarantine
from tests.storage.support import new_link, new_run, rejected

if TYPE_CHECKING:
    from include.storage.runs import Run


def _rows(engine: sa.Engine, link: str) -> list[Any]:
    with engine.connect() as connection:
        query = sa.select(quarantine).where(quarantine.c.link == link).order_by(quarantine.c.id)
        return list(connection.execute(query))


def _put(engine: sa.Engine, run: Run, *records: Rejected) -> set[str]:
    with engine.begin() as connection:
        return put_aside(connection, run, "customers", records)


def test_new_ones_are_told_once(database: sa.Engine) -> None:
    link = new_link()
    first, second = new_run(database, link), new_run(database, link)
    assert _put(database, first) == set()
    assert _put(database, first, rejected("1"), rejected("2")) == {"1", "2"}
    assert _put(database, second, rejected("1"), rejected("2"), rejected("3")) == {"3"}
    one = _rows(database, link)[0]
    assert (one.source_key, one.reason, one.times, one.first_run, one.last_run) == (
        "1",
        "nameless_debtor",
        2,
        first.id,
        second.id,
    )
    assert one.findings == [{"reason": "nameless_debtor", "field": "postal.name", "message": "It is blank."}]
    assert one.payload == '{"id": 1}'
    assert one.first_seen < one.last_seen


def test_the_same_run_counts_once(database: sa.Engine) -> None:
    link = new_link()
    run = new_run(database, link)
    _put(database, run, rejected("1"))
    _put(database, run, rejected("1"))
    assert [row.times for row in _rows(database, link)] == [1]


def test_another_reason_is_news(database: sa.Engine) -> None:
    link = new_link()
    run = new_run(database, link)
    _put(database, run, rejected("1"), rejected("2"))
    with database.begin() as connection:
        connection.execute(sa.update(quarantine).where(quarantine.c.link == link).values(alerted=True))
    later = new_run(database, link)
    assert _put(database, later, rejected("1", "wrong_type"), rejected("2")) == {"1"}
    assert [(row.reason, row.alerted) for row in _rows(database, link)] == [
        ("wrong_type", False),
        ("nameless_debtor", True),
    ]


def test_all_findings_are_kept_and_the_first_gives_the_reason(database: sa.Engine) -> None:
    link = new_link()
    findings = (Finding("missing_id", "id", "No id."), Finding("wrong_type", "", "Not readable."))
    _put(database, new_run(database, link), Rejected("#17", findings, None))
    (row,) = _rows(database, link)
    assert (row.reason, row.message, row.payload) == ("missing_id", "id: No id.; Not readable.", None)
    assert [one["reason"] for one in row.findings] == ["missing_id", "wrong_type"]


def test_a_good_record_leaves_and_may_come_back(database: sa.Engine) -> None:
    link = new_link()
    first, second, third = (new_run(database, link) for _ in range(3))
    _put(database, first, rejected("1"), rejected("2"))
    with database.begin() as connection:
        assert release(connection, second, "customers", ["1", "7"]) == ["1"]
        assert release(connection, second, "customers", ["1"]) == []
        assert release(connection, second, "customers", []) == []
        assert release(connection, second, "items", ["2"]) == []
    assert _put(database, third, rejected("1"), rejected("2")) == {"1"}
    rows = [(row.source_key, row.solved_run, row.solved_at is None, row.times) for row in _rows(database, link)]
    assert rows == [("1", second.id, False, 1), ("2", None, True, 2), ("1", None, True, 1)]


def test_what_a_whole_run_did_not_reject_is_solved(database: sa.Engine) -> None:
    link, other = new_link(), new_link()
    first, second, foreign = new_run(database, link), new_run(database, link), new_run(database, other)
    _put(database, first, rejected("1"), rejected("2"), rejected("3"))
    _put(database, foreign, rejected("1"))
    _put(database, second, rejected("1"))
    with database.begin() as connection:
        assert release_others(connection, second, "customers", still_open=["3"]) == ["2"]
    assert [(row.source_key, row.solved_at is None) for row in _rows(database, link)] == [
        ("1", True),
        ("2", False),
        ("3", True),
    ]
    assert [row.solved_at for row in _rows(database, other)] == [None]
