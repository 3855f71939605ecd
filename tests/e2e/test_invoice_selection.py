"""Which invoices a run takes (spec, section 3), through the real tasks and both stand-ins."""

from __future__ import annotations

import datetime as dt
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from include.errors import ConfigurationError
from tests.e2e.booking_world import AFTER, LATER, MORNING, PROCESSED, batch_of, invoice, number_of

if TYPE_CHECKING:
    from tests.e2e.booking_world import BookingWorld

NOON = "2026-03-02T12:00:00Z"


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def swept(world: BookingWorld, *local_dates: str) -> None:
    """Say that these days' first runs have been: a run goes by the change log alone."""
    for date in local_dates:
        world.execute("INSERT INTO daily_sweep (link, local_date) VALUES ('test', CAST(:day AS date))", day=date)


# -- the change log ----------------------------------------------------------------------------------------------------


def test_every_instant_belongs_to_one_half_open_interval(world: BookingWorld) -> None:
    swept(world, "2026-03-02")
    instants = {
        1: "2026-03-02T10:59:59.999Z",
        2: "2026-03-02T11:00:00Z",
        3: "2026-03-02T11:00:00.001Z",
        4: "2026-03-02T11:59:59.9999999Z",
        5: "2026-03-02T12:00:00.000Z",
        6: "2026-03-02T12:00:00.500Z",
    }
    for key, at in instants.items():
        world.add(invoice(key), at=at)
    taken = [set(world.of(world.run(interval))) for interval in (MORNING, LATER, AFTER)]
    assert taken == [{"1"}, {"2", "3", "4"}, {"5", "6"}]


@pytest.mark.parametrize(
    ("run_type", "taken"), [("scheduled", {"2", "3"}), ("backfill", {"3"})], ids=["scheduled", "backfill"]
)
def test_a_scheduled_run_begins_where_the_runs_before_it_ended(
    world: BookingWorld, run_type: str, taken: set[str]
) -> None:
    swept(world, "2026-03-02")
    world.add(invoice(1), at="2026-03-02T10:00:00Z")
    assert set(world.of(world.run_by_airflow(MORNING))) == {"1"}
    world.add(invoice(2), at="2026-03-02T11:30:00Z")  # the run of this hour never was
    world.add(invoice(3), at="2026-03-02T12:00:00Z")
    assert set(world.of(world.run_by_airflow(AFTER, run_type))) == taken


def test_ends_of_an_interval_may_have_fractions_of_seconds(world: BookingWorld) -> None:
    swept(world, "2026-03-02")
    world.add(invoice(1), at="2026-03-02T10:00:00.250Z")
    world.add(invoice(2), at="2026-03-02T10:00:00.750Z")
    middle = "2026-03-02T10:00:00.500Z"
    world.add(invoice(3), at=middle)
    first = world.run(("2026-03-02T09:00:00Z", middle))
    second = world.run((middle, "2026-03-02T11:00:00Z"))
    assert (set(world.of(first)), set(world.of(second))) == ({"1"}, {"2", "3"})


def test_an_interval_is_of_instants_not_of_local_times(world: BookingWorld) -> None:
    swept(world, "2026-03-02")
    world.add(invoice(1), at="2026-03-02T10:30:00Z")
    ran = world.run(("2026-03-02T11:15:00+01:00", "2026-03-02T11:45:00+01:00"))
    assert set(world.of(ran)) == {"1"}


def test_only_processed_invoice_headers_of_the_change_log_count(world: BookingWorld) -> None:
    swept(world, "2026-03-02")
    for key in (1, 2, 3):
        world.add(invoice(key), at=None)
    world.log(1, operation="Approve")
    world.log(2, kind="InvoiceLine")
    world.log(3, kind="CustomerCompany")
    assert world.of(world.run()) == {}
    assert world.batches == {}


def test_an_invoice_that_was_processed_twice_counts_once(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.log(1, at="2026-03-02T10:30:00Z")
    ran = world.run()
    assert ran.counts["invoices"] == {"booked": 1}
    assert len(world.puts()) == 1


def test_invoices_of_other_companies_are_never_taken(world: BookingWorld) -> None:
    world.add(invoice(1, company=4), invoice(2))
    by_log = world.run()
    by_range = world.run(None)
    assert set(world.of(by_log)) == set(world.of(by_range)) == {"2"}
    assert world.booked == {number_of(2)}


def test_another_companys_invoice_is_not_taken_though_qms_sends_it(world: BookingWorld) -> None:
    world.add(invoice(1))
    other = {"find": r'"CompanyId":\s*"3"', "replace": '"CompanyId":"4"'}
    world.qms.spoil(method="GET", path="OverviewInvoice", action="apply-then-replace", times=None, **other)
    assert world.of(world.run()) == {}
    assert world.of(world.run(None)) == {}
    world.qms.heal()
    assert world.of(world.run(None)) == {"1": "booked"}


def test_only_the_states_of_the_setting_are_booked(world: BookingWorld) -> None:
    states = ("Processed", "Sent", "Open", "Approved")
    world.add(*(invoice(key, state=state) for key, state in enumerate(states, 1)))
    assert set(world.of(world.run())) == {"1", "2"}
    assert set(world.of(world.run(None))) == {"1", "2"}
    world.change_settings(invoice_states=["Approved"])
    assert set(world.of(world.run(LATER))) == set()
    assert world.of(world.run(None)) == {"4": "booked"}


def test_sent_is_no_change_of_a_booked_invoice(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.run()
    world.qms.edit({"process": 1, "state": "Sent", "date": "2026-03-02T11:10:00Z"})
    assert world.of(world.run(LATER)) == {"1": "booked"}
    assert len(world.puts()) == 1


def test_many_pages_of_changes_and_lines_are_read_to_the_end(world: BookingWorld) -> None:
    world.qms.control("POST", "modes", {"page_size": 2})
    world.add(*(invoice(key) for key in range(1, 8)))
    assert world.run().counts["invoices"] == {"booked": 7}


# -- carried on --------------------------------------------------------------------------------------------------------


def test_what_is_still_open_is_taken_up_by_every_later_run(world: BookingWorld) -> None:
    wrong = invoice(1, customer_code=None)
    world.add(wrong, invoice(2))
    assert world.of(world.run()) == {"1": "rejected: missing_customer_code", "2": "booked"}
    assert set(world.of(world.run(LATER))) == {"1"}
    world.change(wrong, at=None, customer_code="10002")
    assert world.of(world.run(AFTER)) == {"1": "booked"}
    assert set(world.of(world.run(("2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z")))) == set()


def test_the_interval_of_a_run_that_failed_is_made_up_for(world: BookingWorld) -> None:
    world.add(invoice(1))
    swept(world, "2026-03-02")
    world.qms.spoil(method="GET", path="EntityChange", action="status", status=403, times=1)
    failed = world.run()
    assert not failed.is_good
    assert failed.counts == {}
    ran = world.run(LATER)
    assert world.of(ran) == {"1": "booked"}
    assert world.of(world.run(AFTER)) == {}


def test_an_interval_is_made_up_for_once_and_nothing_between_is_read(world: BookingWorld) -> None:
    swept(world, "2026-01-05", "2026-03-02")
    world.qms.spoil(method="GET", path="EntityChange", action="status", status=403, times=1)
    world.run(("2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z"))
    world.add(invoice(1), at="2026-01-05T09:30:00Z")
    world.add(invoice(2), at="2026-02-01T09:30:00Z")
    assert set(world.of(world.run())) == {"1"}
    world.qms.forget_requests()
    world.run(LATER)
    assert len(world.qms.requests("GET", "EntityChange")) == 1


def test_a_run_that_dies_while_making_up_loses_neither_interval(world: BookingWorld) -> None:
    swept(world, "2026-03-02")
    world.add(invoice(1))
    world.add(invoice(2), at="2026-03-02T11:30:00Z")
    world.qms.spoil(method="GET", path="EntityChange", action="status", status=403, times=2)
    world.run()
    world.run(LATER)
    assert set(world.of(world.run(AFTER))) == {"1", "2"}


def test_a_run_that_was_killed_before_it_booked_is_made_up_for(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept(world, "2026-03-02")
    world.add(invoice(1))

    def die(_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("minox_qms.sync.booking_run.BookingRun.book", die)
        with pytest.raises(SystemExit):
            world.run()
    world.execute("UPDATE run_claim SET seen_at = seen_at - interval '1 minute'")
    assert world.of(world.run(LATER)) == {"1": "booked"}


def test_a_range_that_was_killed_goes_on_with_the_next_run(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept(world, "2026-03-02")
    world.add(*(invoice(key, day=day("2025-08-01"), invoice_day=day("2025-08-01")) for key in (1, 2, 3)), at=None)

    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("minox_qms.sync.booking_run.BookingRun._post", die)
        with pytest.raises(SystemExit):
            world.run(None, dates=("2025-08-01", "2025-08-31"))
    world.execute("UPDATE run_claim SET seen_at = seen_at - interval '1 minute'")
    assert world.run().counts["invoices"] == {"booked": 3}


# -- a range of dates --------------------------------------------------------------------------------------------------


def test_a_range_takes_invoice_dates_inclusive_whatever_the_change_log_says(world: BookingWorld) -> None:
    dates = ("2026-01-31", "2026-02-01", "2026-02-15", "2026-02-28", "2026-03-01")
    world.add(*(invoice(key, invoice_day=day(date)) for key, date in enumerate(dates, 1)), at=None)
    ran = world.run(None, dates=("2026-02-01", "2026-02-28"))
    assert set(world.of(ran)) == {"2", "3", "4"}
    assert world.qms.requests("GET", "EntityChange") == []


def test_a_day_ends_at_midnight(world: BookingWorld) -> None:
    world.add(invoice(1), invoice(2), at=None)
    for key, moment in ((1, "2026-02-28T23:59:59"), (2, "2026-03-01T00:00:00")):
        world.qms.edit(
            {
                "entity": "OverviewInvoice",
                "update": [{"InvoiceHeaderId": str(key), "InvoiceDate": moment}],
                "log": False,
            }
        )
    assert set(world.of(world.run(None, dates=("2026-02-28", "2026-02-28")))) == {"1"}


def test_an_empty_invoice_date_is_replaced_by_the_work_in_progress_date(world: BookingWorld) -> None:
    world.add(
        invoice(1, invoice_day=None, day=day("2026-02-10")),
        invoice(2, invoice_day=None, day=day("2026-03-10")),
        invoice(3, invoice_day=day("2026-03-10"), day=day("2026-02-10")),
        invoice(4, invoice_day=day("2026-02-10"), day=day("2026-03-10")),
        at=None,
    )
    assert set(world.of(world.run(None, dates=("2026-02-01", "2026-02-28")))) == {"1", "4"}


def test_one_run_serves_a_whole_year(world: BookingWorld) -> None:
    dates = [dt.date(2026, month, 1) for month in range(1, 13)]
    world.add(*(invoice(key, day=date, invoice_day=date) for key, date in enumerate(dates, 1)), at=None)
    assert world.run(None, dates=("2026-01-01", "2026-12-31")).counts["invoices"] == {"booked": 12}


@pytest.mark.parametrize(
    ("dates", "interval", "words"),
    [
        (("2026-02-02", "2026-02-01"), None, "wrong way round"),
        (("2026-02-01", None), None, "both from_date and to_date"),
        ((None, "2026-02-01"), None, "both from_date and to_date"),
        (("2026-02-30", "2026-03-01"), None, "not a date"),
        (None, ("2026-03-02T11:00:00Z", "2026-03-02T10:00:00Z"), "wrong way round"),
        (None, ("2026-03-02T10:00:00", "2026-03-02T11:00:00"), "time zone"),
        (None, ("2026-03-02T10:00:00Z", None), "both interval_start and interval_end"),
        (None, ("gisteren", "2026-03-02T10:00:00Z"), "not an instant"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_before_anything_is_read(
    world: BookingWorld, dates: tuple[str, str] | None, interval: tuple[str, str] | None, words: str
) -> None:
    world.add(invoice(1))
    ran = world.run_invoices(dates=dates, interval=interval)
    assert words in str(ran.tasks["open_run"])
    assert isinstance(ran.tasks["open_run"].__cause__, ConfigurationError)  # type: ignore[union-attr]
    assert world.qms.requests() == world.minox.requests() == []


def test_the_log_says_which_invoices_a_run_takes_and_how_many_it_posts(
    world: BookingWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.add(invoice(1), invoice(2))
    world.run_invoices(dates=("2026-03-01", "2026-03-31"))
    world.run_invoices(interval=("2026-03-02T10:00:00Z", "2026-03-02T11:15:00Z"))
    said = [one.getMessage() for one in caplog.records]
    assert "Taking the invoices with an invoice date of 2026-03-01 to 2026-03-31" in said
    interval = "2026-03-02 11:00:00 to 2026-03-02 12:15:00 (Europe/Amsterdam)"
    assert f"Taking the invoices processed in {interval}, and those that are open" in said
    assert "2 invoices are staged" in said
    assert "Of 2 invoices 2 are to be posted" in said


# -- the sweep ---------------------------------------------------------------------------------------------------------


def test_the_first_run_of_a_day_takes_what_the_change_log_missed(world: BookingWorld) -> None:
    world.add(invoice(1), at=None)
    assert world.of(world.run()) == {"1": "booked"}
    world.add(invoice(2), at=None)
    assert world.of(world.run(LATER)) == {}
    assert world.of(world.run(("2026-03-02T23:00:00Z", "2026-03-03T06:00:00Z"))) == {"2": "booked"}


@pytest.mark.parametrize(("setting", "first"), [({}, "2026-01-26"), ({"sweep_days": 0}, "2026-03-02")])
def test_the_sweep_goes_back_so_many_days_from_the_runs_local_date(
    world: BookingWorld, setting: dict[str, int], first: str
) -> None:
    world.change_settings(**setting)
    within, before = day(first), day(first) - dt.timedelta(days=1)
    world.add(invoice(1, invoice_day=within), invoice(2, invoice_day=before), at=None)
    world.add(invoice(3, invoice_day=None, day=within), invoice(4, invoice_day=None, day=before), at=None)
    assert set(world.of(world.run())) == {"1", "3"}


def test_the_local_date_of_a_run_is_that_of_the_end_of_its_interval_in_amsterdam(world: BookingWorld) -> None:
    world.change_settings(sweep_days=0)
    world.add(invoice(1, invoice_day=day("2026-03-03")), invoice(2, invoice_day=day("2026-03-02")), at=None)
    assert set(world.of(world.run(("2026-03-02T22:45:00Z", "2026-03-02T23:15:00Z")))) == {"1"}
    assert world.scalar("SELECT local_date FROM daily_sweep") == day("2026-03-03")


def test_a_backfilled_day_is_swept_by_its_own_date(world: BookingWorld) -> None:
    world.run()
    world.add(invoice(1, invoice_day=day("2025-07-01")), invoice(2, invoice_day=day("2025-06-01")), at=None)
    assert set(world.of(world.run(("2025-07-10T06:00:00Z", "2025-07-10T07:00:00Z")))) == {"1"}


def test_the_sweep_leaves_alone_what_the_ledger_is_done_with(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.run()
    assert world.of(world.run(("2026-03-03T06:00:00Z", "2026-03-03T07:00:00Z"))) == {}


def test_a_sweep_that_failed_is_done_by_the_next_run(world: BookingWorld) -> None:
    world.add(invoice(1), at=None)
    world.qms.spoil(method="GET", path="OverviewInvoiceLine", action="status", status=403, times=1)
    assert not world.run().is_good
    assert world.scalar("SELECT count(*) FROM daily_sweep") == 0
    assert world.of(world.run(LATER)) == {"1": "booked"}
    assert world.scalar("SELECT count(*) FROM daily_sweep") == 1


def test_a_sweep_is_done_when_every_invoice_has_an_outcome_even_if_some_failed(world: BookingWorld) -> None:
    world.add(invoice(1), at=None)
    world.minox.spoil(method="GET", path="/journal", action="status", status=403, times=1)
    ran = world.run()
    assert world.of(ran) == {"1": "failed: technical"}
    assert world.scalar("SELECT count(*) FROM daily_sweep") == 1
    assert world.of(world.run(LATER)) == {"1": "booked"}


def test_neither_a_range_nor_a_dry_run_counts_as_the_first_of_the_day(world: BookingWorld) -> None:
    world.run(None)
    world.run(dry_run=True)
    assert world.scalar("SELECT count(*) FROM daily_sweep") == 0


# -- start_date --------------------------------------------------------------------------------------------------------


def test_nothing_before_the_start_date_is_booked_in_any_mode(world: BookingWorld) -> None:
    world.change_settings(start_date="2026-03-01")
    early, late = day("2026-02-28"), day("2026-03-01")
    world.add(invoice(1, invoice_day=early), invoice(2, invoice_day=late))
    world.add(invoice(3, invoice_day=None, day=early), invoice(4, invoice_day=None, day=late))
    world.add(invoice(5, invoice_day=late, day=early), at=None)
    assert set(world.of(world.run())) == {"2", "4", "5"}
    assert set(world.of(world.run(None, dates=("2026-02-01", "2026-03-31")))) == {"2", "4", "5"}


def test_an_open_invoice_is_not_carried_over_a_start_date_that_is_set_later(world: BookingWorld) -> None:
    wrong = invoice(1, customer_code=None)
    world.add(wrong)
    world.run()
    world.change_settings(start_date="2026-03-02")
    world.change(wrong, customer_code="10001", at="2026-03-02T11:10:00Z")
    assert world.of(world.run(LATER)) == {}
    assert world.batches == {}


# -- without a usable date, and with odd records -----------------------------------------------------------------------


def test_an_invoice_without_any_date_is_rejected_not_passed_over(world: BookingWorld) -> None:
    world.change_settings(start_date="2026-01-01")
    world.add(invoice(1, day=None, invoice_day=None))
    assert world.of(world.run()) == {"1": "rejected: missing_date"}


@pytest.mark.parametrize("field", ["InvoiceDate", "WorkInProgressDate"])
def test_an_invoice_whose_date_cannot_be_read_is_rejected_not_passed_over(world: BookingWorld, field: str) -> None:
    world.change_settings(start_date="2026-01-01")
    world.add(invoice(1))
    edit = {"InvoiceHeaderId": "1", field: "1 maart"}
    world.qms.edit({"entity": "OverviewInvoice", "update": [edit], "log": False})
    assert world.of(world.run()) == {"1": "rejected: wrong_type"}
    assert world.message(1) == f"{field}: expected a date"
    assert world.puts() == []


def test_a_date_with_a_zone_counts_where_the_books_are(world: BookingWorld) -> None:
    world.change_settings(start_date="2026-01-01", document_date="invoice_date")
    world.add(invoice(1), invoice(2))
    dates = {"1": "2025-12-31T22:59:59Z", "2": "2025-12-31T23:00:00Z"}
    edits = [{"InvoiceHeaderId": key, "InvoiceDate": date} for key, date in dates.items()]
    world.qms.edit({"entity": "OverviewInvoice", "update": edits, "log": False})
    assert world.of(world.run()) == {"2": "booked"}
    assert {line["document_date"] for line in world.batches[batch_of(2)]["lines"]} == {"2026-01-01"}


def test_a_range_may_end_on_the_last_day_there_is(world: BookingWorld) -> None:
    world.add(invoice(1))
    assert world.of(world.run(None, dates=("2026-01-01", "9999-12-31"))) == {"1": "booked"}


def test_half_an_emoji_costs_an_invoice_nothing(world: BookingWorld) -> None:
    world.add(invoice(1))
    for entity, key, field in (
        ("OverviewInvoice", "InvoiceHeaderId", "InvoiceText"),
        ("OverviewInvoiceLine", "InvoiceHeaderId", "Description"),
    ):
        rows = [{**row, field: "x\ud83d"} for row in world.qms.state[entity] if str(row[key]) == "1"]
        pages = {"value": rows}
        world.qms.spoil(method="GET", path=rf"/{entity}\?", action="body", body=json.dumps(pages), times=None)
    assert world.of(world.run()) == {"1": "booked"}
    assert [line["description"] for line in world.batches[batch_of(1)]["lines"]] == ["x\ufffd", "x\ufffd"]


def test_the_same_invoice_on_two_pages_counts_once_the_later_copy(world: BookingWorld) -> None:
    world.qms.control("POST", "modes", {"page_size": 1})
    first = invoice(1, text="Eerste")
    world.add(first)
    world.add(replace(first, text="Tweede"), at=None)
    lines = [row for row in world.qms.state["OverviewInvoiceLine"] if row["InvoiceHeaderId"] == "1"]
    assert len(lines) == 2
    ran = world.run()
    assert ran.counts["invoices"] == {"booked": 1}
    (put,) = world.puts()
    assert put["body"][0]["description"] == "Tweede"
    assert len(put["body"]) == 2


# -- written off -------------------------------------------------------------------------------------------------------


def test_an_invoice_that_was_written_off_completely_is_skipped(world: BookingWorld) -> None:
    off = invoice(1)
    off = replace(off, lines=[replace(line, state="WrittenOff") for line in off.lines])
    renamed = replace(invoice(2), number="Afgeboekte factuur: 1234", lines=[])
    world.add(off, renamed)
    assert world.of(world.run()) == {"1": "skipped", "2": "skipped"}
    assert world.puts() == []
    assert world.states == {}
    assert world.of(world.run(LATER)) == {}


def test_an_invoice_that_is_written_off_after_it_was_rejected_is_skipped_and_leaves_quarantine(
    world: BookingWorld,
) -> None:
    wrong = invoice(1, customer_code=None)
    world.add(wrong)
    world.run()
    assert world.states["1"]["IsError"] is True
    world.change(wrong, lines=[replace(line, state="WrittenOff") for line in wrong.lines], at="2026-03-02T11:10:00Z")
    assert world.of(world.run(LATER)) == {"1": "skipped"}
    assert world.scalar("SELECT count(*) FROM quarantine WHERE solved_at IS NULL") == 0
    assert (world.states["1"]["IsError"], world.states["1"]["Message"]) == (False, "")


def test_an_idle_run_reads_the_change_log_and_nothing_else(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.run()
    for system in (world.minox, world.qms):
        system.forget_requests()
    assert world.run(LATER).is_good
    assert world.minox.requests() == []
    assert [one["path"].rpartition("/")[2] for one in world.qms.requests()] == ["EntityChange"]


def test_the_interval_of_a_run_by_hand_begins_where_the_last_run_ended(world: BookingWorld) -> None:
    world.run((PROCESSED, NOON))
    ran = world.run_invoices(dates=(None, None))  # type: ignore[arg-type]  # left empty on the form
    assert ran.is_good
    assert dt.datetime.fromisoformat(world.plan(ran)["start"]) == dt.datetime.fromisoformat(NOON)
