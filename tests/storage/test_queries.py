"""Questions: filtered, paged without gaps, and found by index among a hundred thousand invoices."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from include.errors import ConfigurationError
from include.settings.link import LinkSettings
from include.storage.bindings import Change, note_changes
from include.storage.checks import note_results
from include.storage.invoice_names import find_invoice
from include.storage.outcomes import Outcome, finish_entity, note_extracted, note_outcomes
from include.storage.overview import link_status, quiet_minutes
from include.storage.quarantine import put_aside, release
from include.storage.queries import (
    Filter,
    changes,
    current_outcomes,
    latest_checks,
    past_outcomes,
    payload_of,
    rejections,
    run_named,
    runs,
)
from include.storage.reports import report
from include.storage.runs import close_run
from include.storage.stories import binding_of, invoice_story, latest_staged
from include.storage.tables import oauth_grant
from tests.storage.support import new_invoice, new_link, new_run, now, rejected, stage_records, whole_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.storage.queries import Page


def _all(page: Callable[[str | None], Page[Any]]) -> list[Any]:
    """Read every page of a list."""
    rows: list[Any] = []
    after: str | None = None
    while True:
        found = page(after)
        rows += found.rows
        if found.after is None:
            return rows
        after = found.after


def _settings(link: str, **alerts: Any) -> LinkSettings:
    return LinkSettings.model_validate(
        {
            "name": link,
            "minox": {"conn_id": f"minox_{link}", "tenant_id": 1, "administration_id": 1},
            "qms": {"conn_id": f"qms_{link}", "company_id": 3},
            "bookings": {"journal_code": "VRK"},
            "alerts": alerts,
        }
    )


def test_current_outcomes_are_paged_and_filtered(database: sa.Engine) -> None:
    link = new_link()
    whole_run(database, link, "customers", map(str, range(100, 120)), [Outcome("1", "rejected", "nameless_debtor")])
    run = whole_run(database, link, "invoices", [], [Outcome("7", "booked"), Outcome("8", "postponed")], "qms_to_minox")
    with database.connect() as connection:
        everything = _all(lambda after: current_outcomes(connection, link, Filter(), limit=3, after=after))
        assert [(one.entity, one.source_key) for one in everything] == sorted(
            [("customers", str(key)) for key in (1, *range(100, 120))] + [("invoices", "7"), ("invoices", "8")]
        )

        def keys(**which: Any) -> list[str]:
            return [one.source_key for one in current_outcomes(connection, link, Filter(**which)).rows]

        assert keys(direction="qms_to_minox") == ["7", "8"]
        assert len(keys(direction="minox_to_qms")) == 21
        assert keys(entity="customers", outcome="rejected") == ["1"]
        assert keys(reason="nameless_debtor") == ["1"]
        assert keys(key="8") == ["8"]
        assert keys(run=run.id) == ["7", "8"]
        assert keys(since=now(database)) == []
        assert len(keys(since=now(database) - dt.timedelta(minutes=5))) == 23


def test_past_outcomes_are_those_of_all_runs_newest_first(database: sa.Engine) -> None:
    link = new_link()
    made = [
        whole_run(database, link, "customers", ["5", "6"], [Outcome(str(key), "updated") for key in (1, 2, 3)])
        for _ in range(4)
    ]
    whole_run(database, new_link(), "customers", [], [Outcome("1", "created")])
    with database.connect() as connection:
        everything = _all(lambda after: past_outcomes(connection, link, Filter(), limit=2, after=after))
        assert [(one.run_id, one.source_key) for one in everything] == [
            (run.run_id, key) for run in reversed(made) for key in ("3", "2", "1")
        ]
        of_run = _all(lambda after: past_outcomes(connection, link, Filter(run=made[1].id), limit=2, after=after))
        assert [(one.source_key, one.outcome) for one in of_run] == [
            ("6", "unchanged"),
            ("5", "unchanged"),
            ("3", "updated"),
            ("2", "updated"),
            ("1", "updated"),
        ]
        unchanged = past_outcomes(connection, link, Filter(run=made[1].id, outcome="unchanged", key="6"))
        assert [one.source_key for one in unchanged.rows] == ["6"]
        one_record = past_outcomes(connection, link, Filter(key="2", entity="customers", direction="minox_to_qms"))
        assert [one.run_id for one in one_record.rows] == [run.run_id for run in reversed(made)]
        assert past_outcomes(connection, link, Filter(since=now(database))).rows == ()
        with pytest.raises(ConfigurationError, match="name one"):
            past_outcomes(connection, link, Filter(outcome="unchanged"))


@pytest.mark.parametrize("mark", ["", "x", "bm90IGpzb24", "WzFd", "WyJhIiwiYiIsImMiXQ", "é", "e30"])
def test_a_mark_of_another_list_is_refused(database: sa.Engine, mark: str) -> None:
    with database.connect() as connection, pytest.raises(ConfigurationError, match="not a mark"):
        current_outcomes(connection, "any", Filter(), after=mark)


def test_runs_are_listed_and_found_by_either_name(database: sa.Engine) -> None:
    link = new_link()
    made = [new_run(database, link) for _ in range(3)]
    dry = new_run(database, link, dry_run=True)
    with database.connect() as connection:
        listed = _all(lambda after: runs(connection, link, "minox_to_qms", limit=1, after=after))
        assert [one.id for one in listed] == [run.id for run in reversed(made)]
        assert runs(connection, link, "minox_to_qms", dry=True).rows[0].id == dry.id
        assert run_named(connection, link, str(made[0].id)) == run_named(connection, link, made[0].run_id)
        for name in ("nothing", str(2**63 - 1), "9" * 40, str(made[0].id) + "0000000"):
            with pytest.raises(ConfigurationError, match="has no run"):
                run_named(connection, link, name)
        with pytest.raises(ConfigurationError, match="has no run"):
            run_named(connection, new_link(), str(made[0].id))


def test_rejections_are_paged_with_all_their_findings(database: sa.Engine) -> None:
    link = new_link()
    run = new_run(database, link)
    new_invoice(database, link, 8)
    with database.begin() as connection:
        put_aside(connection, run, "customers", [rejected(str(key)) for key in range(1, 8)])
        put_aside(connection, run, "items", [rejected("1", "missing_name", "description")])
        put_aside(connection, run, "invoices", [rejected("8"), rejected("#9")])
        release(connection, run, "customers", ["7"])
    with database.connect() as connection:
        listed = _all(lambda after: rejections(connection, link, limit=2, after=after))
        assert [one.source_key for one in listed] == ["#9", "8", "1", "6", "5", "4", "3", "2", "1"]
        assert [one.name for one in listed[:3]] == ["#9", "F2026-0008", "1"]
        assert listed[2].findings == [{"reason": "missing_name", "field": "description", "message": "It is blank."}]
        assert [one.entity for one in rejections(connection, link, reason="missing_name").rows] == ["items"]
        assert len(rejections(connection, link, entity="customers", key="3").rows) == 1
        (solved,) = rejections(connection, link, solved=True).rows
        assert (solved.source_key, solved.times, solved.solved_at is not None) == ("7", 1, True)
        assert payload_of(connection, link, "7") == '{"id": 7}'
        assert payload_of(connection, link, "1", entity="items") == '{"id": 1}'
        with pytest.raises(ConfigurationError, match="customers, items"):
            payload_of(connection, link, "1")
        with pytest.raises(ConfigurationError, match="ever rejected"):
            payload_of(connection, link, "77")


def test_changes_are_paged_newest_first(database: sa.Engine) -> None:
    link = new_link()
    first, second = new_run(database, link), new_run(database, link)
    for run in (first, second):
        made = [Change(str(key), key, "updated", {"Name": ["A", "B"]}) for key in range(1, 4)]
        with database.begin() as connection:
            note_changes(connection, run, "customers", made)
    with database.connect() as connection:
        listed = _all(lambda after: changes(connection, link, limit=2, after=after))
        assert [(one.run, one.source_key) for one in listed] == [
            (run.id, key) for run in (second, first) for key in ("3", "2", "1")
        ]
        named = run_named(connection, link, first.run_id)
        assert {one.run for one in changes(connection, link, run=named).rows} == {first.id}
        assert len(changes(connection, link, entity="customers", key="2").rows) == 2
        assert changes(connection, link, entity="items").rows == ()
        assert changes(connection, link, since=now(database)).rows == ()


def test_the_latest_checks_are_those_of_the_last_run_of_each_table(database: sa.Engine) -> None:
    link = new_link()
    first, second = new_run(database, link), new_run(database, link)
    result = {"name": "missing_id", "level": "record", "column": "id", "success": True}
    note_results(database, first, "items", [result, {**result, "level": "batch", "name": "required_column"}])
    note_results(database, first, "customers", [result])
    note_results(database, second, "items", [{**result, "success": False}])
    with database.connect() as connection:
        found = latest_checks(connection, link)
        assert [(one.entity, one.run, one.success) for one in found] == [
            ("customers", first.id, True),
            ("items", second.id, False),
        ]
        assert [one.entity for one in latest_checks(connection, link, table="items")] == ["items"]
        assert latest_checks(connection, new_link()) == []


def test_the_night_is_no_silence() -> None:
    def local(text: str) -> dt.datetime:
        return dt.datetime.fromisoformat(text)

    assert quiet_minutes(local("2026-01-30T19:50:00+01:00"), local("2026-01-31T07:10:00+01:00")) == 20
    assert quiet_minutes(local("2026-01-31T12:00:00+01:00"), local("2026-01-31T12:44:59+01:00")) == 44
    assert quiet_minutes(local("2026-01-31T21:00:00+01:00"), local("2026-02-01T06:00:00+01:00")) == 0
    assert quiet_minutes(local("2026-03-28T20:00:00+01:00"), local("2026-03-30T07:00:00+02:00")) == 13 * 60  # a Sunday
    assert quiet_minutes(local("2026-01-31T12:00:00+01:00"), local("2026-01-31T11:00:00+01:00")) == 0


def test_a_link_says_how_it_is_doing(database: sa.Engine) -> None:
    link = new_link()
    whole_run(database, link, "customers", ["1", "2"], [Outcome("3", "created")])
    going = new_run(database, link, "qms_to_minox")
    with database.begin() as connection:
        note_extracted(connection, going, "invoices", 5, now(database))
        note_outcomes(connection, going, "invoices", [Outcome("1", "booked"), Outcome("2", "rejected", "no_lines")])
        put_aside(connection, going, "invoices", [rejected("2", "no_lines", "lines")])
        report(connection, link, "InvoiceHeader", 2, key="x", is_error=True, message="no_lines")
        connection.execute(
            sa.insert(oauth_grant).values(conn_id=f"qms_{link}", state="refused", message="It was revoked.")
        )
    new_run(database, link, "qms_to_minox", dry_run=True)
    for number, state in enumerate(("open", "rejected", "rejected", "booked"), 1):
        new_invoice(database, link, number, state=state, minox_number=number, pdf_state="pending")
    with database.connect() as connection:
        status = link_status(connection, _settings(link))
    master_data, invoices = status.directions
    assert master_data.last is not None
    assert master_data.last.state == "good"
    assert [(one.entity, one.state, one.extracted, one.counts) for one in master_data.entities] == [
        ("customers", "good", 3, {"created": 1, "unchanged": 2})
    ]
    assert (master_data.quiet_minutes, master_data.is_silent, master_data.rejections) == (0, False, {})
    assert invoices.last is not None
    assert (invoices.last.id, invoices.last.state) == (going.id, "running")
    assert invoices.entities[0].counts == {"booked": 1, "rejected": 1}
    assert (invoices.last_good_at, invoices.quiet_minutes, invoices.is_silent) == (None, None, False)
    assert invoices.rejections == {"invoices": 1}
    assert status.open_invoices == {"open": 1, "rejected": 2}
    assert (status.open_pdfs, status.open_reports) == (4, 1)
    assert [(one.system, one.state, one.message) for one in status.grants] == [
        ("minox", "absent", None),
        ("qms", "refused", "It was revoked."),
    ]


def test_silence_is_told(database: sa.Engine) -> None:
    link = new_link()
    run = whole_run(database, link, "customers")
    with database.begin() as connection:
        connection.execute(
            sa.text("UPDATE sync_run SET finished_at = now() - interval '3 days' WHERE id = :id"), {"id": run.id}
        )
    with database.connect() as connection:
        (direction, _) = link_status(connection, _settings(link, silence_minutes=1440)).directions
    assert direction.quiet_minutes is not None
    assert direction.quiet_minutes > 24 * 60
    assert direction.is_silent


def test_an_invoice_is_found_by_any_name(database: sa.Engine) -> None:
    link = new_link()
    new_invoice(database, link, 9001, invoice_number="F2026-0012", minox_number=20260012)
    new_invoice(database, link, 9002, invoice_number="9001")
    new_invoice(database, link, 9003, invoice_number="F2026-0013")
    new_invoice(database, link, 9004, invoice_number="F2026-0013")
    with database.connect() as connection:
        for name in ("F2026-0012", "20260012", "id:9001", "minox: 20260012", " number:F2026-0012 "):
            assert find_invoice(connection, link, name) == 9001
        assert find_invoice(connection, link, "9002") == find_invoice(connection, link, "number:9001") == 9002
        with pytest.raises(ConfigurationError, match=r"id:9001 \(F2026-0012\), id:9002 \(9001\)"):
            find_invoice(connection, link, "9001")
        with pytest.raises(ConfigurationError, match=r"id:9003.*id:9004"):
            find_invoice(connection, link, "F2026-0013")
        with pytest.raises(ConfigurationError, match="near it: F2026-0013, F2026-0012"):
            find_invoice(connection, link, "F2026-0021")
        with pytest.raises(ConfigurationError, match=r"no invoice '9{30}'\."):
            find_invoice(connection, link, "9" * 30)
        with pytest.raises(ConfigurationError, match="Say which"):
            find_invoice(connection, link, "  ")
        with pytest.raises(ConfigurationError, match="no invoice"):
            find_invoice(connection, new_link(), "id:9001")


def test_the_latest_staged_copy_says_whether_it_is_still_there(database: sa.Engine) -> None:
    link = new_link()
    first = new_run(database, link)
    stage_records(database, first, "customers", {"1": '{"id": 1}', "2": '{"id": 2}'})
    second = whole_run(database, link, "customers", ["1"])
    stage_records(database, second, "customers", {"1": '{"id": 1, "v": 2}'})
    with database.connect() as connection:
        one, two = (latest_staged(connection, link, "customers", key) for key in ("1", "2"))
        assert latest_staged(connection, link, "customers", "3") is None
        assert binding_of(connection, link, "customers", "1") is None
    assert one is not None
    assert (one.run, one.raw, one.is_latest) == (second.id, '{"id": 1, "v": 2}', True)
    assert two is not None
    assert (two.run, two.is_latest) == (first.id, False)


MANY = 100_000
FILL = (
    """INSERT INTO booking (link, invoice_header_id, batch_id, state, outcome, invoice_number, minox_number, read_at)
       SELECT :link, n, gen_random_uuid(), CASE WHEN n % 200 = 0 THEN 'rejected' ELSE 'booked' END, 'booked',
              'F2026-' || n, n, now() FROM generate_series(1, :many) n""",
    """INSERT INTO sync_outcome (run, entity, source_key, outcome, reason)
       SELECT :run, 'invoices', n::text, CASE WHEN n % 200 = 0 THEN 'rejected' ELSE 'booked' END, NULL
       FROM generate_series(1, :many) n""",
    """INSERT INTO record_current (link, entity, source_key, outcome, run, occurred_at)
       SELECT :link, 'invoices', n::text, CASE WHEN n % 200 = 0 THEN 'rejected' ELSE 'booked' END, :run, now()
       FROM generate_series(1, :many) n""",
    """INSERT INTO quarantine (link, direction, entity, source_key, reason, message, findings, first_run, last_run)
       SELECT :link, 'qms_to_minox', 'invoices', n::text, 'no_lines', 'No lines.', '[]', :run, :run
       FROM generate_series(200, :many, 200) n""",
    """INSERT INTO field_change (run, link, entity, source_key, operation, changes)
       SELECT :run, :link, 'customers', n::text, 'updated', '{}' FROM generate_series(1, :many) n""",
    """INSERT INTO booking_attempt (link, invoice_header_id, run, what)
       SELECT :link, n, :run, 'put' FROM generate_series(1, :many) n""",
    "ANALYZE booking, sync_outcome, record_current, quarantine, field_change, booking_attempt, sync_run",
)
LARGE = {"booking", "sync_outcome", "record_current", "field_change", "booking_attempt"}


def _plans(engine: sa.Engine, ask: Callable[[sa.Connection], object]) -> list[dict[str, Any]]:
    """Plans of all queries that a question sends."""
    sent: list[tuple[str, Any]] = []

    def keep(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", keep)
    try:
        with engine.connect() as connection:
            ask(connection)
    finally:
        sa.event.remove(engine, "before_cursor_execute", keep)
    plans = []
    with engine.connect() as connection:
        for statement, parameters in sent:
            (row,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            plans.append((row[0] if isinstance(row[0], list) else json.loads(row[0]))[0]["Plan"])
    return plans


def _scanned(plan: dict[str, Any]) -> set[str]:
    """Tables that a plan reads from end to end."""
    own = {plan["Relation Name"]} if plan["Node Type"].endswith("Seq Scan") else set()
    return own.union(*(_scanned(part) for part in plan.get("Plans", ())))


@pytest.fixture(scope="module")
def many(database: sa.Engine) -> str:
    """A link with a hundred thousand invoices."""
    link = new_link()
    run = new_run(database, link, "qms_to_minox")
    with database.begin() as connection:
        for statement in FILL:
            connection.execute(
                sa.text(statement), {"link": link, "run": run.id, "many": MANY} if ":" in statement else {}
            )
        note_extracted(connection, run, "invoices", MANY, dt.datetime.now(dt.UTC))
        finish_entity(connection, run, "invoices", (), state="good")
    close_run(database, run, good=True)
    return link


QUESTIONS: dict[str, Callable[[sa.Connection, str], object]] = {
    "current": lambda connection, link: current_outcomes(connection, link, Filter()),
    "current, next page": lambda connection, link: current_outcomes(
        connection, link, Filter(), after=current_outcomes(connection, link, Filter()).after
    ),
    "current, rejected": lambda connection, link: current_outcomes(
        connection, link, Filter(entity="invoices", outcome="rejected")
    ),
    "current, one": lambda connection, link: current_outcomes(connection, link, Filter(entity="invoices", key="5")),
    "past": lambda connection, link: past_outcomes(connection, link, Filter()),
    "past, next page": lambda connection, link: past_outcomes(
        connection, link, Filter(), after=past_outcomes(connection, link, Filter()).after
    ),
    "past, one": lambda connection, link: past_outcomes(connection, link, Filter(entity="invoices", key="5")),
    "rejections": lambda connection, link: rejections(connection, link, entity="invoices"),
    "changes": changes,
    "changes, one": lambda connection, link: changes(connection, link, entity="customers", key="5"),
    "invoice": lambda connection, link: invoice_story(connection, link, "F2026-99999"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_large_tables_are_read_by_index(database: sa.Engine, many: str, question: str) -> None:
    plans = _plans(database, lambda connection: QUESTIONS[question](connection, many))
    assert plans
    assert set().union(*map(_scanned, plans)) & LARGE == set()
