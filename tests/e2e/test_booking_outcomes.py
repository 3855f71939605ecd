"""What becomes of invoices: order of verdicts, collisions, what Minox has, preconditions, dry runs."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from include.bookings.entry import Entry
from include.errors import ConfigurationError
from include.storage.actions import exclude_invoice, reoffer_invoices
from include.storage.tables import metadata
from minox_qms.sync import verdicts
from sandbox.data.invoices import Line
from tests.e2e.booking_world import AFTER, LATER, batch_of, invoice, number_of

if TYPE_CHECKING:
    from tests.e2e.booking_world import BookingWorld

CHANGED_AT = "2026-03-02T11:10:00Z"
OUTCOMES = {
    "booked",
    "already_booked",
    "skipped",
    "rejected",
    "refused_by_minox",
    "changed_after_booking",
    "excluded",
    "postponed",
    "failed",
    "in_doubt",
}


def off(one: Any) -> Any:
    """The same invoice, written off completely."""
    return replace(one, lines=[replace(line, state="WrittenOff") for line in one.lines])


# -- the order of verdicts ---------------------------------------------------------------------------------------------


def test_excluded_comes_before_everything_else(world: BookingWorld) -> None:
    one = invoice(1, customer_code=None)
    world.add(one)
    world.run()
    exclude_invoice(world.database, "test", "id:1", person="j.bakker", reason="Dubbel")
    world.change(one, lines=off(one).lines, customer_code="10001", at=CHANGED_AT)
    world.type_in(10001, number_of(1))
    assert world.of(world.run(LATER)) == {"1": "excluded"}


def test_skipped_comes_before_what_minox_has(world: BookingWorld) -> None:
    world.type_in(10001, number_of(1))
    world.add(off(invoice(1)))
    assert world.of(world.run()) == {"1": "skipped"}


def test_already_booked_comes_before_the_checks(world: BookingWorld) -> None:
    for key in (1, 2, 3):
        world.type_in(10001, number_of(key))
    world.add(invoice(1), invoice(2, currency="USD", lines=[]), invoice(3, customer_code=None))
    assert world.of(world.run()) == {
        "1": "already_booked",
        "2": "already_booked",
        "3": "rejected: missing_customer_code",
    }
    assert world.puts() == []
    assert world.states.keys() == {"3"}


def test_an_invoice_that_cannot_be_read_is_already_booked_when_debtor_and_number_can(world: BookingWorld) -> None:
    world.type_in(10001, number_of(1))
    world.add(invoice(1), invoice(2))
    for key in (1, 2):
        edit = {"InvoiceLineId": str(key * 1000 + 1), "Quantity": "veel"}
        world.qms.edit({"entity": "OverviewInvoiceLine", "update": [edit], "log": False})
    assert world.of(world.run()) == {"1": "already_booked", "2": "rejected: wrong_type"}
    assert "Quantity" in world.message(2)


def test_already_booked_stays_so_until_its_number_or_debtor_changes(world: BookingWorld) -> None:
    one = invoice(1)
    world.type_in(10001, number_of(1))
    world.add(one)
    world.run()
    world.minox.forget_requests()
    changed = world.change(one, text="Anders", at=CHANGED_AT)
    assert world.of(world.run(LATER)) == {"1": "already_booked"}
    assert world.minox.requests() == []
    world.change(changed, number="F2026-0077", at="2026-03-02T12:10:00Z")
    assert world.of(world.run(AFTER)) == {"1": "booked"}


def test_already_booked_is_looked_at_again_when_someone_asks_for_it(world: BookingWorld) -> None:
    world.type_in(10001, number_of(1))
    world.add(invoice(1))
    world.run()
    reoffer_invoices(world.database, "test", ["id:1"], person="j.bakker")
    assert world.of(world.run(LATER)) == {"1": "already_booked"}
    world.minox.edit({"entity": "receivable", "delete": [number_of(1)]})
    reoffer_invoices(world.database, "test", ["id:1"], person="j.bakker")
    assert world.of(world.run(AFTER)) == {"1": "booked"}


def test_a_rejected_invoice_that_someone_types_in_by_hand_is_already_booked(world: BookingWorld) -> None:
    world.add(invoice(1, currency="USD"))
    assert world.of(world.run()) == {"1": "rejected: foreign_currency"}
    world.type_in(10001, number_of(1))
    assert world.of(world.run(LATER)) == {"1": "already_booked"}
    assert (world.states["1"]["IsError"], world.states["1"]["Message"]) == (False, "")
    assert world.scalar("SELECT count(*) FROM quarantine WHERE solved_at IS NULL") == 0


def test_all_reasons_are_kept_and_the_first_is_the_reason(world: BookingWorld) -> None:
    line = Line(None, Decimal(100), account=None)
    world.add(invoice(9))
    world.run()
    world.add(
        invoice(1, number="2026-0009", currency="USD", day=dt.date(2030, 1, 1), lines=[line]),
        invoice(2, customer_code="K-1", number="CONCEPT", lines=[]),
        at=CHANGED_AT,
    )
    assert world.of(world.run(LATER)) == {
        "1": "rejected: invoice_number_collision",
        "2": "rejected: missing_customer_code",
    }
    assert [reason["code"] for reason in world.ledger(1).reasons] == [
        "invoice_number_collision",
        "incomplete_line",
        "missing_revenue_account",
        "foreign_currency",
        "fiscal_year_missing",
    ]
    assert [reason["code"] for reason in world.ledger(2).reasons] == [
        "missing_customer_code",
        "invoice_number_not_usable",
        "no_lines",
    ]
    findings = world.scalar("SELECT findings FROM quarantine WHERE source_key = '1'")
    assert [one["reason"] for one in findings] == [reason["code"] for reason in world.ledger(1).reasons]


@pytest.mark.parametrize("price", ["10000000000000000", "-10000000000000000", "1e25"])
def test_a_total_that_no_books_can_hold_rejects_its_invoice_alone(world: BookingWorld, price: str) -> None:
    world.add(invoice(1, lines=[Line(Decimal(1), Decimal(price), vat=Decimal(0))]), invoice(2))
    ran = world.run()
    assert ran.is_good, ran.tasks
    assert world.of(ran) == {"1": "rejected: wrong_type", "2": "booked"}
    assert world.ledger(1).reasons[0]["field"] == "AmountWithoutVat"
    reconciled = world.run_reconciliation(dates=("2026-03-01", "2026-03-31"))
    assert reconciled.is_good, reconciled.tasks


def test_half_a_cent_is_rounded_alike_by_booking_and_reconciliation(world: BookingWorld) -> None:
    world.add(invoice(1, lines=[Line(Decimal(1), Decimal("100.005"), vat=Decimal(0))]))
    world.qms.edit({"entity": "Invoice", "update": [{"InvoiceHeaderId": "1", "AmountWithoutVat": "100.005"}]})
    assert world.of(world.run()) == {"1": "booked"}
    assert world.scalar("SELECT total FROM booking") == Decimal("100.01")
    reconciled = world.run_reconciliation(dates=("2026-03-01", "2026-03-31"))
    assert reconciled.is_good, reconciled.tasks


def test_rejections_do_not_fail_the_run(world: BookingWorld) -> None:
    world.add(invoice(1, currency="USD"), invoice(2))
    ran = world.run()
    assert ran.is_good
    assert ran.counts["invoices"] == {"rejected": 1, "booked": 1}


def test_a_missing_fiscal_year_is_retried_by_itself(world: BookingWorld) -> None:
    world.add(invoice(1, day=dt.date(2027, 1, 5)))
    assert world.of(world.run()) == {"1": "rejected: fiscal_year_missing"}
    years = [{"fiscal_year": 2027, "start_date": "2027-01-01", "end_date": "2027-12-31", "number_of_periods": 12}]
    world.minox.edit({"entity": "administration", "update": [{"id": 1, "fiscal_years": years}]})
    assert world.of(world.run(LATER)) == {"1": "booked"}


@pytest.mark.parametrize("mode", ["ids_as_text", "rfc3339_dates", "full_urls"])
def test_minox_may_write_ids_dates_and_links_in_other_forms(world: BookingWorld, mode: str) -> None:
    world.minox.control("POST", "modes", {mode: True, "page_size": 2})
    try:
        world.change_settings(debtors_ledger_account=1300)
        world.type_in(10001, number_of(3))
        world.add(invoice(1), invoice(2), invoice(3), invoice(4, day=dt.date(2027, 1, 1)))
        assert world.of(world.run()) == {
            "1": "booked",
            "2": "booked",
            "3": "already_booked",
            "4": "rejected: fiscal_year_missing",
        }
    finally:
        world.minox.control("POST", "modes", {mode: False})


def test_without_a_journal_nothing_is_booked(world: BookingWorld) -> None:
    sections = {name: world.settings[name] for name in ("minox", "qms")}
    (world.directory / "test.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    world.add(invoice(1))
    ran = world.run()
    assert "No journal is set" in str(ran.tasks["book"])
    assert "bookings.journal_code" in str(ran.tasks["book"])
    assert world.of(ran) == {"1": "failed: technical"}
    world.change_settings()
    assert world.of(world.run(LATER)) == {"1": "booked"}


# -- collisions --------------------------------------------------------------------------------------------------------


def test_among_open_ones_the_lower_id_keeps_the_number(world: BookingWorld) -> None:
    world.add(invoice(2, number="F-7", invoice_day=dt.date(2026, 1, 1)), invoice(1, number="G7", customer_code="10002"))
    assert world.of(world.run()) == {"1": "booked", "2": "rejected: invoice_number_collision"}
    assert "1 (InvoiceHeaderId)" in world.message(2)


@pytest.mark.parametrize("customer", ["10001", "10002"])
def test_the_booked_one_keeps_its_number(world: BookingWorld, customer: str) -> None:
    world.add(invoice(2))
    world.run()
    world.add(invoice(1, number="2026-0002", customer_code=customer), at=CHANGED_AT)
    assert world.of(world.run(LATER)) == {"1": "rejected: invoice_number_collision"}


@pytest.mark.parametrize("together", [True, False])
def test_the_one_that_is_already_in_minox_keeps_its_number(world: BookingWorld, *, together: bool) -> None:
    world.type_in(10002, number_of(2))
    world.add(invoice(2, customer_code="10002"))
    if not together:
        world.run()
    world.add(invoice(1, number="2026-0002"))
    assert world.of(world.run())["1"] == "rejected: invoice_number_collision"
    assert world.of() == {"1": "rejected: invoice_number_collision", "2": "already_booked"}


def test_each_debtor_whose_receivable_minox_has_is_already_booked(world: BookingWorld) -> None:
    world.add(invoice(1, number="F7"), invoice(2, number="G7", customer_code="10002"), invoice(3, number="H7"))
    for customer in (10001, 10002):
        world.type_in(customer, 7)
    expected = {"1": "already_booked", "2": "already_booked", "3": "rejected: invoice_number_collision"}
    assert world.of(world.run()) == expected
    assert world.of(world.run(None)) == expected
    assert world.puts() == []


def test_a_number_that_is_booked_for_one_debtor_may_be_in_minox_for_another(world: BookingWorld) -> None:
    world.add(invoice(1, number="F7"))
    world.run()
    world.type_in(10002, 7)
    world.add(invoice(2, number="G7", customer_code="10002"), invoice(3, number="H7"), at=CHANGED_AT)
    assert world.of(world.run(LATER)) == {"2": "already_booked", "3": "rejected: invoice_number_collision"}


@pytest.mark.parametrize("customer", ["10001", "10003"])
@pytest.mark.parametrize("sent", [True, False])
def test_an_invoice_whose_debtor_changes_keeps_no_number_that_another_has(
    world: BookingWorld, customer: str, *, sent: bool
) -> None:
    year = ("2026-01-01", "2026-12-31")
    if not sent:
        world.type_in(10001, 7)
    world.add(invoice(1, number="F7"))
    assert world.of(world.run()) == {"1": "booked" if sent else "already_booked"}
    world.type_in(10002, 7)
    second = invoice(2, number="G7", customer_code="10002")
    world.add(second, at=CHANGED_AT)
    assert world.of(world.run(LATER)) == {"2": "already_booked"}
    world.minox.forget_requests()
    world.change(second, customer_code=customer, at=None)
    for _ in range(2):
        assert world.of(world.run(None, dates=year))["2"] == "rejected: invoice_number_collision"
    assert world.puts() == []


def test_one_that_minox_could_not_tell_of_keeps_its_number_from_a_higher_id(world: BookingWorld) -> None:
    world.add(invoice(1, number="F7"), invoice(2, number="G7", customer_code="10002"))
    world.minox.control("POST", "modes", {"page_size": 1})
    for number in range(1, 41):
        world.type_in(10003, 900_000 + number)
    world.minox.spoil(method="GET", path="account/10001/invoice/7$", action="status", status=500, times=None)
    assert world.of(world.run()) == {"1": "failed: technical", "2": "rejected: invoice_number_collision"}
    world.minox.heal()
    assert world.of(world.run(LATER)) == {"1": "booked", "2": "rejected: invoice_number_collision"}


def test_an_open_invoice_keeps_its_number_from_a_range_that_leaves_it_out(world: BookingWorld) -> None:
    world.change_settings(max_run_minutes=0)
    january, march = dt.date(2026, 1, 15), dt.date(2026, 3, 1)
    world.add(invoice(2, number="F7", invoice_day=january))
    assert world.of(world.run()) == {"2": "postponed"}
    world.change_settings()
    world.add(invoice(1, number="G8", invoice_day=march), invoice(3, number="G7", invoice_day=march))
    in_march = ("2026-03-01", "2026-03-31")
    assert world.of(world.run(None, dates=in_march)) == {"1": "booked", "3": "rejected: invoice_number_collision"}
    assert world.of(world.run(LATER))["2"] == "booked"


def test_an_open_invoice_with_a_higher_id_keeps_no_number_from_a_range(world: BookingWorld) -> None:
    world.change_settings(max_run_minutes=0)
    world.add(invoice(3, number="F7", invoice_day=dt.date(2026, 1, 15)))
    assert world.of(world.run()) == {"3": "postponed"}
    world.change_settings()
    world.add(invoice(2, number="G7"))
    assert world.of(world.run(None, dates=("2026-03-01", "2026-03-31"))) == {"2": "booked"}


def test_a_range_goes_by_the_numbers_that_its_invoices_have_now(world: BookingWorld) -> None:
    world.change_settings(max_run_minutes=0)
    first = invoice(1, number="F7")
    world.add(first)
    assert world.of(world.run()) == {"1": "postponed"}
    world.change_settings()
    world.change(first, number="F8", at=None)
    world.add(invoice(2, number="G7"))
    assert world.of(world.run(None)) == {"1": "booked", "2": "booked"}


def test_a_rejected_invoice_of_a_range_gives_its_number_to_nobody_in_it(world: BookingWorld) -> None:
    world.change_settings(max_run_minutes=0)
    world.add(invoice(3, number="F7", invoice_day=dt.date(2026, 1, 15)))
    assert world.of(world.run()) == {"3": "postponed"}
    world.change_settings()
    world.add(invoice(1, number="G7", currency="USD"), invoice(5, number="H7"))
    found = world.of(world.run(None, dates=("2026-03-01", "2026-03-31")))
    assert found["5"] == "rejected: invoice_number_collision"
    assert world.of(world.run(LATER))["3"] == "booked"


def test_a_rejected_invoice_holds_no_number(world: BookingWorld) -> None:
    world.add(invoice(1, number="F7", currency="USD"), invoice(2, number="G7"))
    found = world.of(world.run())
    assert found["2"] == "booked"
    assert found["1"].startswith("rejected")
    assert {reason["code"] for reason in world.ledger(1).reasons} == {"invoice_number_collision", "foreign_currency"}


def test_a_refused_invoice_holds_no_number_in_the_next_run(world: BookingWorld) -> None:
    refused = invoice(1, number="F7", lines=[Line(Decimal(1), Decimal(100), account="4711")])
    world.add(refused, invoice(2, number="G7"))
    assert world.of(world.run()) == {"1": "refused_by_minox", "2": "rejected: invoice_number_collision"}
    assert world.of(world.run(LATER)) == {"1": "refused_by_minox", "2": "booked"}
    world.change(refused, lines=[replace(refused.lines[0], account="8000")], at=None)
    assert world.of(world.run(AFTER)) == {"1": "rejected: invoice_number_collision"}


def test_an_invoice_whose_number_becomes_free_is_booked(world: BookingWorld) -> None:
    world.add(invoice(1, number="F7"), invoice(2, number="G7"))
    world.run()
    world.qms.edit(
        {"entity": "OverviewInvoice", "update": [{"InvoiceHeaderId": "2", "InvoiceNumber": "G8"}], "log": False}
    )
    assert world.of(world.run(LATER)) == {"2": "booked"}


# -- what Minox has already --------------------------------------------------------------------------------------------


def test_what_minox_has_is_not_asked_when_the_setting_is_off(world: BookingWorld) -> None:
    world.change_settings(check_existing=False)
    world.type_in(10001, number_of(1))
    world.add(invoice(1), invoice(2))
    assert world.of(world.run()) == {"1": "refused_by_minox", "2": "booked"}
    assert world.minox.requests("GET", "receivable") == []


@pytest.mark.parametrize("status", ["open", "paid"])
def test_a_paid_receivable_counts_as_an_open_one(world: BookingWorld, status: str) -> None:
    world.type_in(10001, number_of(1))
    if status == "paid":
        world.minox.edit(
            {"entity": "receivable", "update": [{"invoice_number": number_of(1), "paid": 121, "balance": 0}]}
        )
    world.add(invoice(1))
    assert world.of(world.run()) == {"1": "already_booked"}


def test_another_debtors_receivable_with_the_number_says_nothing(world: BookingWorld) -> None:
    world.type_in(10002, number_of(1))
    world.add(invoice(1))
    assert world.of(world.run()) == {"1": "booked"}


def receivable_requests(world: BookingWorld) -> tuple[int, int]:
    """Requests for pages of the list, and for single receivables."""
    paths = [one["path"] for one in world.minox.requests("GET", "receivable")]
    singles = sum("/receivable/account/" in path for path in paths)
    return len(paths) - singles, singles


def test_many_invoices_are_found_in_the_list_and_few_are_looked_up(world: BookingWorld) -> None:
    world.minox.control("POST", "modes", {"page_size": 10})
    for number in range(1, 41):
        world.type_in(10001, 900_000 + number)
    world.type_in(10001, number_of(2))
    world.add(*(invoice(key) for key in range(1, 8)))
    ran = world.run()
    assert world.of(ran)["2"] == "already_booked"
    assert receivable_requests(world) == (5, 0)
    world.minox.forget_requests()
    world.type_in(10001, number_of(9))
    world.add(invoice(8), invoice(9), at=CHANGED_AT)
    assert world.of(world.run(LATER)) == {"8": "booked", "9": "already_booked"}
    assert receivable_requests(world) == (0, 2)


def test_a_long_list_that_is_not_known_yet_is_given_up_for_single_look_ups(world: BookingWorld) -> None:
    world.minox.control("POST", "modes", {"page_size": 2})
    for number in range(1, 41):
        world.type_in(10001, 900_000 + number)
    world.type_in(10001, number_of(1))
    world.add(invoice(1), invoice(2))
    assert world.of(world.run()) == {"1": "already_booked", "2": "booked"}
    assert receivable_requests(world) == (3, 2)


def test_receivables_without_a_number_do_no_harm(world: BookingWorld) -> None:
    world.minox.edit(
        {
            "entity": "receivable",
            "add": [
                {"account": {"id": "10001"}, "invoice_number": None},
                {"account": None, "account_id": None, "invoice_number": 5},
                {"account": {"id": "X1"}, "invoice_number": "oud"},
                {"account": None, "account_id": "10001", "invoice_number": str(number_of(2))},
            ],
        }
    )
    world.add(invoice(1), invoice(2))
    assert world.of(world.run()) == {"1": "booked", "2": "already_booked"}


# -- preconditions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"journal_code": "XXX"}, "journal_code"), ({"debtors_ledger_account": 1400}, "debtors_ledger_account")],
)
def test_a_wrong_setting_fails_the_run_with_its_name_and_posts_nothing(
    world: BookingWorld, settings: dict[str, Any], name: str
) -> None:
    world.change_settings(**settings)
    world.add(invoice(1), invoice(2), invoice(3, currency="USD"))
    ran = world.run()
    assert name in str(ran.tasks["book"])
    assert isinstance(ran.tasks["book"].__cause__, ConfigurationError)  # type: ignore[union-attr]
    assert world.of(ran) == {"1": "failed: technical", "2": "failed: technical", "3": "rejected: foreign_currency"}
    assert world.puts() == []
    assert len(world.minox.requests("GET", "/journal")) == 1
    world.change_settings(debtors_ledger_account=1300)
    assert world.of(world.run(LATER)) == {"1": "booked", "2": "booked", "3": "rejected: foreign_currency"}


def test_nothing_is_asked_of_the_journal_when_nothing_is_to_be_posted(world: BookingWorld) -> None:
    world.change_settings(journal_code="XXX")
    world.add(invoice(1, currency="USD"), off(invoice(2)))
    assert world.run().is_good


def test_a_company_that_qms_does_not_have_is_named(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.qms.edit({"entity": "Company", "delete": ["3"], "log": False})
    ran = world.run()
    assert "qms.company_id" in str(ran.tasks["book"])
    assert world.puts() == []


# -- technical failures ------------------------------------------------------------------------------------------------


def test_what_the_ledger_answers_has_its_outcome_though_minox_is_away(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.run()
    world.add(invoice(2), off(invoice(3)))
    world.minox.spoil(path="/api/1/", action="status", status=403, times=None)
    assert world.of(world.run(None)) == {"1": "booked", "2": "failed: technical", "3": "skipped"}
    world.minox.heal()
    assert world.of(world.run(LATER)) == {"2": "booked"}


@pytest.mark.parametrize("method", ["build_entry", "Entry.body", "is_written_off"])
def test_a_bug_with_one_invoice_fails_the_task_after_everything_else_is_done(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    world.add(invoice(1), invoice(2), invoice(3))
    owner: Any = {"build_entry": verdicts, "is_written_off": verdicts, "Entry.body": Entry}[method]
    name = method.rpartition(".")[2]
    real = getattr(owner, name)

    def broken(subject: Any, *others: Any) -> Any:
        number = subject.invoice_number if isinstance(subject, Entry) else subject.header.InvoiceNumber
        if str(number).endswith("2"):
            raise RuntimeError("a bug")
        return real(subject, *others)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, broken)
        ran = world.run()
    assert isinstance(ran.tasks["book"], RuntimeError)
    assert world.of(ran) == {"1": "booked", "2": "failed: technical", "3": "booked"}
    assert world.of(world.run(LATER)) == {"2": "booked"}


def test_a_held_batch_books_nothing_and_is_read_again_by_the_next_run(world: BookingWorld) -> None:
    world.add(invoice(1), invoice(2))
    rows = world.qms.state["OverviewInvoice"]
    bare = [{name: value for name, value in row.items() if name != "InvoiceNumber"} for row in rows]
    world.qms.edit({"entity": "OverviewInvoice", "replace": bare, "log": False})
    ran = world.run()
    assert "InvoiceNumber" in str(ran.tasks["check"])
    assert world.of(ran) == {"1": "failed: batch_held", "2": "failed: batch_held"}
    assert world.puts() == []
    assert world.scalar("SELECT count(*) FROM daily_sweep") == 0
    world.qms.edit({"entity": "OverviewInvoice", "replace": rows, "log": False})
    assert world.of(world.run(LATER)) == {"1": "booked", "2": "booked"}


def test_a_check_that_breaks_leaves_no_invoice_without_an_outcome_and_none_behind(
    world: BookingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(invoice(1, invoice_day=dt.date(2026, 1, 1)))
    world.run()
    world.add(invoice(2, invoice_day=dt.date(2026, 1, 1)), at=None)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr("minox_qms.sync.checking.check_table", broken)
        ran = world.run(None, dates=("2026-01-01", "2026-01-01"))
    assert not ran.is_good
    assert world.of(ran) == {"1": "booked", "2": "failed: technical"}
    assert world.of(world.run(LATER)) == {"1": "booked", "2": "booked"}  # whether 1 has changed was not looked at
    assert world.of(world.run(AFTER)) == {}
    assert len(world.puts(1)) == 1


def test_a_held_batch_calls_no_booked_invoice_failed(world: BookingWorld) -> None:
    world.add(invoice(1), invoice(2))
    world.run()
    rows = world.qms.state["OverviewInvoice"]
    bare = [{name: value for name, value in row.items() if name != "InvoiceNumber"} for row in rows]
    world.qms.edit({"entity": "OverviewInvoice", "replace": bare, "log": False})
    ran = world.run(None)
    assert ran.tasks["check"] is not None
    assert world.of() == {"1": "booked", "2": "booked"}


def test_a_run_that_is_cleared_and_run_again_adds_up(world: BookingWorld) -> None:
    world.add(invoice(1, currency="USD"), invoice(2))
    first = world.run(run_id="cleared")
    assert world.of(first) == {"1": "rejected: foreign_currency", "2": "booked"}
    world.qms.edit(
        {"entity": "OverviewInvoice", "update": [{"InvoiceHeaderId": "1", "CurrencyCode": "EUR"}], "log": False}
    )
    world.qms.edit({"entity": "OverviewInvoice", "delete": ["2"], "log": False})
    again = world.run(run_id="cleared")
    assert again.is_good, again.tasks
    assert world.of(again) == {"1": "booked"}


def test_the_views_hold_the_outcomes_of_the_specification_only(world: BookingWorld) -> None:
    world.type_in(10001, number_of(4))
    world.add(invoice(1), off(invoice(2)), invoice(3, currency="USD"), invoice(4), invoice(5))
    world.run(dry_run=True)
    world.run()
    found = world.rows("SELECT DISTINCT outcome, direction, link, dag_id FROM sync_outcomes")
    assert {row.outcome for row in found} == {"booked", "skipped", "rejected", "already_booked"} < OUTCOMES
    assert {(row.direction, row.link, row.dag_id) for row in found} == {("qms_to_minox", "test", "qms_invoices__test")}


# -- dry runs ----------------------------------------------------------------------------------------------------------


def counted(world: BookingWorld) -> dict[str, int]:
    """Rows per table, without staging and the bookkeeping of runs, grants and pace."""
    kept = {"sync_run", "sync_run_entity", "run_claim", "check_result", "oauth_grant", "request_pacing"}
    return {
        name: int(world.scalar(f"SELECT count(*) FROM {name}"))  # noqa: S608 - names of our own tables
        for name in metadata.tables
        if not name.startswith("staging_") and name not in kept
    }


def test_a_dry_run_shows_exactly_what_would_be_sent_and_writes_nothing(world: BookingWorld) -> None:
    world.type_in(10001, number_of(4))
    world.add(invoice(1), off(invoice(2)), invoice(3, currency="USD"), invoice(4))
    before = counted(world)
    ran = world.run(dry_run=True)
    assert ran.is_good, ran.tasks
    assert counted(world) == before
    assert world.minox.writes() == world.qms.writes() == []
    assert world.of() == {}
    rows = world.rows("SELECT source_key, outcome, reason, details FROM staging_preview ORDER BY source_key")
    assert [(row.source_key, row.outcome) for row in rows] == [
        ("1", "would_book"),
        ("2", "skipped"),
        ("3", "rejected"),
        ("4", "already_booked"),
    ]
    world.run()
    (put,) = world.puts()
    assert json.loads(rows[0].details["entry"]) == put["body"]


def test_a_dry_run_leaves_a_sending_invoice_alone(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.minox.spoil(method="PUT", path="transaction_line_batch", action="drop", times=None)
    world.minox.spoil(method="GET", path="transaction_line_batch", action="status", status=403, times=None)
    world.run()
    world.minox.heal()
    assert world.ledger(1).state == "sending"
    world.run(LATER, dry_run=True)
    assert world.ledger(1).state == "sending"
    assert world.rows("SELECT source_key, outcome FROM staging_preview") == [("1", "in_doubt")]


# -- requests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 50])
def test_a_new_invoice_costs_one_put_beyond_what_a_run_reads(world: BookingWorld, count: int) -> None:
    world.change_settings(attach_pdf=True)
    world.run()
    world.add(*(invoice(key) for key in range(1, count + 1)))
    for system in (world.minox, world.qms):
        system.forget_requests()
    assert world.run(("2026-03-02T09:30:00Z", "2026-03-02T11:00:00Z")).is_good
    minox = [(one["method"], one["path"].rpartition("/")[2]) for one in world.minox.requests()]
    reads = sorted(name for method, name in minox if method == "GET")
    assert reads == ["administration", "journal", "receivable"]
    assert sum(method == "PUT" for method, _ in minox) == count
    assert sum(name == "blob" for _, name in minox) == count
    assert len(minox) == 3 + 2 * count
    qms = [one["path"].rpartition("/")[2] for one in world.qms.requests("GET")]
    lists = [name for name in qms if name != "Pdf"]
    assert sorted(set(lists)) == [
        "Company",
        "EntityChange",
        "EntityState",
        "Invoice",
        "OverviewInvoice",
        "OverviewInvoiceLine",
    ]
    assert len(lists) <= 6 + count // 25
    assert qms.count("Pdf") == count
    assert len(world.qms.requests("POST", "EntityState")) == count


def test_a_booking_that_is_there_is_the_invoice_s_own(world: BookingWorld) -> None:
    world.add(invoice(1))
    world.run()
    lines = world.batches[batch_of(1)]["lines"]
    assert [(line["account"]["id"], Decimal(str(line["debit"])), Decimal(str(line["credit"]))) for line in lines] == [
        ("10001", Decimal(121), Decimal(0)),
        ("8000", Decimal(0), Decimal(100)),
    ]
    assert world.ledger(1).booked_run == world.scalar("SELECT max(id) FROM sync_run")
