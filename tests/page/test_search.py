"""Among a hundred thousand invoices: every way of searching goes by an index, page after page."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from include.bookings.plan import LOCAL
from include.storage import tables
from include.storage.differences import differences
from include.storage.invoice_search import InvoiceFilter, invoice_numbers, search_invoices
from include.storage.outcomes import Outcome
from include.storage.queries import run_named
from include.storage.trend import Day, trend
from minox_qms.page.charts import HEIGHT, bars
from minox_qms.page.rendering import duration, money, pretty, shown
from minox_qms.page.texts import DUTCH, NAMES, translator
from tests.storage.support import new_invoice, new_link, now, whole_run

LINK = "many"
NUMBER = 100_000
MANY = """
INSERT INTO booking (link, invoice_header_id, batch_id, state, outcome, invoice_number, minox_number, customer,
                     invoice_date, total, read_at)
SELECT :link, n, gen_random_uuid(), CASE WHEN n % 1000 = 0 THEN 'rejected' ELSE 'booked' END,
       CASE WHEN n % 1000 = 0 THEN 'rejected' ELSE 'booked' END, 'F' || lpad(n::text, 7, '0'), n, 10000 + n % 3000,
       date '2020-01-01' + n / 50, n / 100.0, now()
FROM generate_series(1, :number) AS n
"""


@pytest.fixture(scope="module")
def many(database: sa.Engine) -> sa.Engine:
    with database.begin() as connection:
        connection.execute(sa.text(MANY), {"link": LINK, "number": NUMBER})
        for number, values in ((50_000, {"state": "excluded"}), (60_000, {"state": "open", "reoffer": True})):
            which = (tables.booking.c.link == LINK, tables.booking.c.invoice_header_id == number)
            connection.execute(sa.update(tables.booking).where(*which).values(values))
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE booking"))
    return database


SEARCHES: list[tuple[dict[str, Any], int]] = [
    ({}, 100_000),
    ({"number": "F0012345"}, 12_345),
    ({"number": "F00123"}, 12_399),
    ({"number": "777"}, 777),
    ({"customer": 10_500}, 99_500),
    ({"number": "f0012345"}, 12_345),
    ({"outcome": "rejected"}, 100_000),
    ({"outcome": "excluded"}, 50_000),
    ({"outcome": "reoffer"}, 60_000),
    ({"is_open": True}, 100_000),
    ({"from_date": dt.date(2021, 1, 1), "to_date": dt.date(2021, 1, 2)}, 18_399),
    ({"amount_from": Decimal("500.00"), "amount_to": Decimal("500.10")}, 50_010),
    ({"customer": 10_000, "outcome": "rejected"}, 99_000),
]


@pytest.mark.parametrize(("asked", "first"), SEARCHES)
def test_every_search_goes_by_an_index(many: sa.Engine, asked: dict[str, Any], first: int) -> None:
    seen: list[str] = []

    def explain(connection: Any, _: Any, statement: str, parameters: Any, *__: Any) -> None:
        if statement.startswith("SELECT booking"):
            cursor = connection.connection.cursor()
            cursor.execute("EXPLAIN (FORMAT JSON) " + statement, parameters)
            seen.append(json.dumps(cursor.fetchone()[0]))

    with many.connect() as connection:
        page = search_invoices(connection, LINK, InvoiceFilter(**asked))
        assert page.rows[0].invoice_header_id == first
        sa.event.listen(connection, "before_cursor_execute", explain)
        search_invoices(connection, LINK, InvoiceFilter(**asked), after=first)
    assert "Seq Scan" not in seen[0]
    assert "Index" in seen[0]


def test_pages_follow_each_other_without_gaps(many: sa.Engine) -> None:
    with many.connect() as connection:
        found: list[int] = []
        after: int | None = None
        while True:
            page = search_invoices(connection, LINK, InvoiceFilter(outcome="rejected"), limit=30, after=after)
            found += [one.invoice_header_id for one in page.rows]
            if page.after is None:
                break
            after = int(page.after)
    assert found == [number for number in range(100_000, 0, -1000) if number not in {50_000, 60_000}]


def test_signs_of_a_pattern_are_signs(database: sa.Engine) -> None:
    link = new_link()
    for number, name in ((1, "A%1"), (2, "AB1"), (3, "A_1"), (4, None)):
        new_invoice(database, link, number, invoice_number=name)
    with database.connect() as connection:

        def found(name: str) -> list[int]:
            rows = search_invoices(connection, link, InvoiceFilter(number=name)).rows
            return [row.invoice_header_id for row in rows]

        assert found("A%") == [1]
        assert found("A_") == [3]
        assert found("9" * 30) == []
        keys = ["1", "4", "5", "#17", "x", "9" * 40]
        assert invoice_numbers(connection, link, keys) == {"1": "A%1", "4": "id 4"}


def test_the_trend_counts_writes_and_the_worst_run(database: sa.Engine) -> None:
    link = new_link()
    whole_run(database, link, "customers", ["1", "2"], [Outcome("3", "created"), Outcome("4", "rejected")])
    rejected = [Outcome(key, "rejected") for key in "456"]
    whole_run(database, link, "customers", ["1"], [Outcome("3", "updated"), *rejected])
    old = whole_run(database, link, "items", [], [Outcome("9", "created")])
    with database.begin() as connection:
        days_ago = now(database) - dt.timedelta(days=20)
        connection.execute(sa.update(tables.sync_run).where(tables.sync_run.c.id == old.id).values(started_at=days_ago))
        found = trend(connection, link, today := now(database).astimezone(dt.UTC).date())
        local = trend(connection, link, today + dt.timedelta(days=1), days=3)
    assert list(found) == ["customers"]
    days = {day.date: (day.written, day.problems) for day in local["customers"]}
    assert max(days.values()) == (2, 3)
    assert sum(written for written, _ in days.values()) == 2
    assert len(found["customers"]) == 14


def test_an_invoice_counts_on_the_day_that_it_was_booked(database: sa.Engine) -> None:
    link = new_link()
    for _ in range(2):
        whole_run(database, link, "invoices", noted=[Outcome("1", "booked")], direction="qms_to_minox")
    evening = dt.datetime.combine(dt.datetime.now(LOCAL).date(), dt.time(), LOCAL) - dt.timedelta(minutes=30)
    for number, booked_at in ((1, evening), (2, evening), (3, evening - dt.timedelta(days=30)), (4, None)):
        new_invoice(database, link, number, state="booked", minox_number=number, booked_at=booked_at)
    with database.connect() as connection:
        days = trend(connection, link, evening.date() + dt.timedelta(days=1))["invoices"]
    assert [day.written for day in days] == [0] * 12 + [2, 0]


def test_a_chart_shows_the_smallest_number() -> None:
    date = dt.date(2026, 3, 1)
    chart = bars([Day(date), Day(date, 1000, 1), Day(date, 500)])
    assert [bar.written_height for bar in chart.bars] == [0, HEIGHT, HEIGHT / 2]
    assert [bar.problems_height for bar in chart.bars] == [0, 2, 0]
    assert bars([Day(date)]).bars[0].written_height == 0


def test_differences_come_in_pages(database: sa.Engine) -> None:
    link = new_link()
    run = whole_run(database, link, "invoices", direction="reconcile")
    with database.begin() as connection:
        row = {"run": run.id, "link": link, "kind": "missing", "message": "m"}
        connection.execute(sa.insert(tables.reconciliation_finding), [row] * 5)
        known = run_named(connection, link, str(run.id))
        first = differences(connection, known, limit=3)
        rest = differences(connection, known, limit=3, after=int(first.after or 0))
    assert (len(first.rows), len(rest.rows), rest.after) == (3, 2, None)


def test_values_are_written_for_people() -> None:
    assert money(Decimal("-1234567.5")) == "-1\u202f234\u202f567.50"
    assert money("21.004") == "21.00"
    assert (money(None), money("x")) == ("", "x")
    assert shown("a\x1b[2Jb") == "a\ufffd[2Jb"
    assert (shown(None), shown([]), shown(False), shown(0), shown("")) == ("\u2013", "\u2013", "no", "0", "")
    assert '"a": 1.10' in pretty('{"a":1.10}')
    assert (pretty("{"), pretty(None)) == ("{", "")
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert duration(start, start + dt.timedelta(seconds=190)) == "3 min 10 s"
    assert (duration(start, start), duration(start, None)) == ("0 s", "…")
    assert (translator("en")("booked"), translator("nl")("booked")) == ("booked", "geboekt")
    assert translator("nl")("of tomorrow") == "of tomorrow"
    assert all(english and dutch for english, dutch in NAMES.values())
    assert not NAMES.keys() & DUTCH.keys()
