"""Staging: as received, each key once, and nothing half-read."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from include.storage.staging import KEEP_RUNS, mark_rejected, read_by_key, read_places, read_staged, stage, staged_keys
from include.storage.tables import STAGING, sync_run
from tests.storage.support import new_link, new_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.storage.runs import Run


def _key(raw: bytes) -> str | None:
    key = json.loads(raw).get("id")
    return None if key is None else str(key)


def _parent(raw: bytes) -> str | None:
    return str(json.loads(raw)["of"])


def _raw(engine: sa.Engine, run: Run, *, with_rejected: bool = True, chunk: int = 2) -> list[tuple[int, str, bytes]]:
    chunks = list(read_staged(engine, run, "customers", with_rejected=with_rejected, chunk=chunk))
    assert all(len(part) <= chunk for part in chunks)
    return [(record.position, record.key, record.raw) for part in chunks for record in part]


def test_records_land_as_received(database: sa.Engine) -> None:
    run = new_run(database, new_link())
    pages = [[b'{"id": 1,  "name": "caf\\u00e9 \xf0\x9f\xa6\x89"}', b'{"id":"2"}'], [], [b'{"name": null, "n": 1.10}']]
    assert stage(database, run, "customers", pages, _key) == 3
    assert _raw(database, run) == [(1, "1", pages[0][0]), (2, "2", pages[0][1]), (3, "#3", pages[2][0])]
    assert staged_keys(database, run, "customers") == ["1", "2", "#3"]


def test_a_key_that_comes_twice_counts_once_the_later_copy(database: sa.Engine) -> None:
    run = new_run(database, new_link())
    pages = [[b'{"id":1,"v":1}', b'{"id":2}', b'{"id":1,"v":2}'], [b"{}", b"{}", b'{"id":1,"v":3}']]
    assert stage(database, run, "customers", pages, _key) == 4
    assert [(place, key) for place, key, _ in _raw(database, run)] == [(2, "2"), (4, "#4"), (5, "#5"), (6, "1")]


def test_postgresql_knows_how_much_was_staged(database: sa.Engine) -> None:
    table = STAGING["cost_centers"].name
    with database.begin() as connection:
        connection.execute(sa.text(f"TRUNCATE {table}"))
        connection.execute(sa.text(f"ANALYZE {table}"))
    pages = [[b'{"id":%d}' % number for number in range(5000)]]
    assert stage(database, new_run(database, new_link()), "cost_centers", pages, _key) == 5000
    with database.connect() as connection:
        known = connection.scalar(sa.text("SELECT reltuples FROM pg_class WHERE relname = :name"), {"name": table})
    assert known == 5000


def test_nothing_half_read_stays(database: sa.Engine) -> None:
    run = new_run(database, new_link())

    def breaks(number: int) -> Iterator[list[bytes]]:
        yield [b'{"id":1}', b'{"id":2}']
        if number:
            raise RuntimeError("the third page did not come")

    with pytest.raises(RuntimeError):
        stage(database, run, "customers", breaks(1), _key)
    assert _raw(database, run) == []
    stage(database, run, "customers", breaks(0), _key)
    with pytest.raises(RuntimeError):
        stage(database, run, "customers", breaks(1), _key)
    assert staged_keys(database, run, "customers") == ["1", "2"]  # as the try before left it


def test_a_task_that_is_run_again_stages_anew(database: sa.Engine) -> None:
    run = new_run(database, new_link())
    stage(database, run, "customers", [[b'{"id":1}', b'{"id":2}']], _key)
    assert stage(database, run, "customers", [[b'{"id":3}']], _key) == 1
    assert staged_keys(database, run, "customers") == ["3"]


def test_only_the_last_runs_of_a_link_keep_their_rows(database: sa.Engine) -> None:
    link, other = new_link(), new_link()
    foreign = new_run(database, other)
    stage(database, foreign, "customers", [[b'{"id":1}']], _key)
    made = [new_run(database, link) for _ in range(KEEP_RUNS + 2)]
    for run in made:
        stage(database, run, "customers", [[b'{"id":1}']], _key)
        with database.begin() as connection:
            connection.execute(
                sa.update(sync_run).where(sync_run.c.id == run.id).values(finished_at=sync_run.c.started_at)
            )
    kept = [bool(staged_keys(database, run, "customers")) for run in made]
    assert kept == [False, False, *[True] * KEEP_RUNS]
    assert staged_keys(database, foreign, "customers") == ["1"]


def test_a_run_that_did_not_end_keeps_its_rows_for_a_day(database: sa.Engine) -> None:
    link = new_link()
    made = [new_run(database, link) for _ in range(KEEP_RUNS + 2)]
    begun = sync_run.c.started_at - dt.timedelta(hours=25)
    with database.begin() as connection:
        aged = [run.id for run in made[:KEEP_RUNS]]
        connection.execute(sa.update(sync_run).where(sync_run.c.id.in_(aged)).values(started_at=begun))
    for run in made:
        stage(database, run, "customers", [[b'{"id":1}']], _key)
    kept = [bool(staged_keys(database, run, "customers")) for run in made]
    assert kept == [False, *[True] * (KEEP_RUNS + 1)]


def test_rejected_records_are_left_out_until_they_are_judged_anew(database: sa.Engine) -> None:
    run = new_run(database, new_link())
    stage(database, run, "customers", [[b'{"id":1}', b'{"id":2}', b'{"id":3}']], _key)
    with database.begin() as connection:
        mark_rejected(connection, run, "customers", [1, 3])
    assert [key for _, key, _ in _raw(database, run, with_rejected=False)] == ["2"]
    assert len(_raw(database, run)) == 3
    with database.begin() as connection:
        mark_rejected(connection, run, "customers", [2])
    assert [key for _, key, _ in _raw(database, run, with_rejected=False)] == ["1", "3"]
    with database.begin() as connection:
        mark_rejected(connection, run, "customers", [])
    assert len(_raw(database, run, with_rejected=False)) == 3


def test_records_are_found_by_key_and_by_what_they_belong_to(database: sa.Engine) -> None:
    run = new_run(database, new_link(), "qms_to_minox")
    lines = [[b'{"id":11,"of":1}', b'{"id":21,"of":2}', b'{"id":12,"of":1}']]
    stage(database, run, "invoice_lines", lines, _key, _parent)
    found = [
        (asked, record.key) for asked, record in read_by_key(database, run, "invoice_lines", ["1", "9"], by_parent=True)
    ]
    assert found == [("1", "11"), ("1", "12")]
    assert [(asked, record.position) for asked, record in read_by_key(database, run, "invoice_lines", ["21"])] == [
        ("21", 2)
    ]
    assert list(read_by_key(database, run, "invoice_lines", [])) == []


def test_records_are_found_by_their_place(database: sa.Engine) -> None:
    run = new_run(database, new_link())
    stage(database, run, "customers", [[b'{"id":1}', b'{"id":2}', b"{}"]], _key)
    with database.begin() as connection:
        mark_rejected(connection, run, "customers", [3])
    found = read_places(database, run, "customers", [3, 1, 9])
    assert [(one.position, one.key) for one in found] == [(1, "1"), (3, "#3")]
    assert read_places(database, run, "customers", []) == []


def test_content_and_parent_are_kept_for_comparison(database: sa.Engine) -> None:
    first, second = (new_run(database, new_link()) for _ in range(2))
    for run, name in ((first, b"x"), (second, b"y")):
        stage(database, run, "customers", [[b'{"id":1}', b'{"id":2,"n":"' + name + b'"}']], _key)
    table = STAGING["customers"]
    with database.connect() as connection:
        rows = connection.execute(
            sa.select(table.c.key, table.c.content_hash, table.c.parent)
            .where(table.c.run.in_([first.id, second.id]))
            .order_by(table.c.key, table.c.run)
        ).all()
    hashes = [row.content_hash for row in rows]
    assert hashes[0] == hashes[1]
    assert hashes[2] != hashes[3]
    assert {row.parent for row in rows} == {None}
