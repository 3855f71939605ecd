"""A request is a scarce thing (spec, section 4): how many each kind of run takes, of either system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from include.mappings import MASTER_DATA
from tests.e2e import master
from tests.e2e.booking_world import AFTER, LATER, MORNING, invoice

if TYPE_CHECKING:
    from tests.e2e.booking_world import BookingWorld
    from tests.world import System

LISTS = {"vat_codes": "vat", "payment_terms": "payment_term", "cost_centers": "cost_center", "items": "item"}
MANY = 60
MAX_QUERY = 2048
"""Characters of a query string that QMS takes, with its question mark."""


def calls(system: System) -> list[tuple[str, str]]:
    """Method and last part of the path of every request, in order."""
    return [(one["method"], one["path"].rpartition("/")[2].partition("(")[0]) for one in system.requests()]


def read(system: System) -> list[str]:
    return [name for method, name in calls(system) if method == "GET"]


def tokens(system: System) -> int:
    return sum("token" in one["path"] for one in system.control("GET", "requests")["requests"])


@pytest.fixture
def filled(world: BookingWorld) -> BookingWorld:
    """All entities are on, have records on both sides, and a run has brought them over."""
    master.only(world, *LISTS)
    master.take_away(world, "customer", *(row["id"] for row in world.books["customer"]))
    master.give(world, "vat", master.vat(1))
    master.give(world, "payment_term", master.payment_term(30))
    master.give(world, "cost_center", master.cost_center(110))
    master.give(world, "item_group", master.item_group(10))
    master.give(world, "item", *(master.item(f"A{number:03d}", vat_code=1, group=10) for number in range(MANY)))
    master.give(world, "customer", *(master.customer(20_000 + number, term=30) for number in range(MANY)))
    master.good(world.run_master_data())
    master.forget(world)
    return world


# -- idle runs ---------------------------------------------------------------------------------------------------------


def test_an_idle_run_lists_every_entity_once_and_asks_nothing_else(filled: BookingWorld) -> None:
    for _ in range(2):
        master.good(filled.run_master_data())
        wanted = [("GET", name) for name in (*LISTS.values(), "item_group", "customer")]
        assert sorted(calls(filled.minox)) == sorted(wanted)
        assert calls(filled.qms) == []
        assert tokens(filled.minox) == tokens(filled.qms) == 0
        master.forget(filled)


def test_what_is_switched_off_is_not_listed(world: BookingWorld) -> None:
    for off, name_in_minox in LISTS.items():
        master.only(world, *(name for name in LISTS if name != off))
        master.forget(world)
        world.run_master_data()
        unread = {name_in_minox, *(["item_group"] if off == "items" else [])}
        assert sorted(read(world.minox)) == sorted({*LISTS.values(), "item_group", "customer"} - unread)


def test_a_list_of_many_pages_is_read_page_by_page_and_once(filled: BookingWorld) -> None:
    filled.minox.control("POST", "modes", {"page_size": 25})
    master.good(filled.run_master_data())
    asked = read(filled.minox)
    assert (asked.count("item"), asked.count("customer")) == (3, 3)
    assert len(asked) == 3 + 3 + 4


def test_idle_runs_of_invoices_read_the_change_log_and_nothing_else(world: BookingWorld) -> None:
    world.add(*(invoice(key) for key in range(1, 4)))
    assert world.run(MORNING).is_good
    master.forget(world)
    for interval in (LATER, AFTER):
        assert world.run(interval).is_good
        assert calls(world.qms) == [("GET", "EntityChange")]
        assert calls(world.minox) == []
        master.forget(world)


# -- changes -----------------------------------------------------------------------------------------------------------


def test_a_new_record_costs_one_look_by_its_code_and_one_post(filled: BookingWorld) -> None:
    master.give(filled, "customer", master.customer(30_001, term=30))
    master.good(filled.run_master_data())
    assert calls(filled.qms) == [("GET", "CustomerCompany"), ("POST", "CustomerCompany")]


def test_changed_records_cost_one_put_each_and_are_read_many_at_a_time(filled: BookingWorld) -> None:
    for number in range(0, MANY, 2):  # every other one, so that their keys are no range
        master.change(filled, "customer", 20_000 + number, chamber_of_commerce=f"9{number:07d}")
    master.good(filled.run_master_data())
    changed = MANY // 2
    asked = calls(filled.qms)
    assert asked.count(("PUT", "CustomerCompany")) == changed
    assert len(asked) - changed <= 1 + changed // 20
    assert_short_queries(filled.qms)


def test_a_first_run_against_a_filled_qms_reads_each_of_its_lists_by_code_or_whole(filled: BookingWorld) -> None:
    filled.execute("TRUNCATE sync_run, binding, reference, record_current, latest_unchanged, key_set CASCADE")
    master.good(filled.run_master_data())
    assert filled.qms.writes() == []
    asked = read(filled.qms)
    for entity in ("vat_codes", "payment_terms", "cost_centers"):
        assert asked.count(MASTER_DATA[entity].qms) <= 2, asked
    for entity in ("items", "customers"):
        assert asked.count(MASTER_DATA[entity].qms) <= 1 + MANY // 20, asked
    assert_short_queries(filled.qms)


# -- invoices ----------------------------------------------------------------------------------------------------------


def test_a_new_invoice_costs_one_put_and_nothing_for_a_pdf_that_is_not_wanted(world: BookingWorld) -> None:
    world.run(MORNING)
    world.add(*(invoice(key) for key in range(1, 6)), at="2026-03-02T11:30:00Z")
    master.forget(world)
    assert world.run(LATER).is_good
    minox = calls(world.minox)
    assert sorted(name for method, name in minox if method == "GET") == ["administration", "journal", "receivable"]
    assert [method for method, _ in minox].count("PUT") == 5
    assert len(minox) == 3 + 5
    assert [name for method, name in calls(world.qms) if method != "GET"] == ["EntityState"] * 5
    assert "Pdf" not in read(world.qms)


def test_invoices_and_what_belongs_to_them_are_read_many_at_a_time(world: BookingWorld) -> None:
    keys = range(1, 2 * MANY, 2)  # every other one, so that their keys are no range
    world.add(*(invoice(key) for key in keys))
    world.run(MORNING)
    asked = read(world.qms)
    for name in ("OverviewInvoice", "Invoice", "OverviewInvoiceLine"):
        assert 1 <= asked.count(name) <= 1 + MANY // 20, asked
    assert len(world.puts()) == MANY
    assert len(asked) <= 8 + 4 * (MANY // 20)
    assert_short_queries(world.qms)


def test_many_new_invoices_are_compared_with_one_list_of_receivables(world: BookingWorld) -> None:
    world.add(*(invoice(key) for key in range(1, MANY + 1)))
    world.run(MORNING)
    asked: list[dict[str, Any]] = world.minox.requests("GET", "receivable")
    assert [one["path"].rpartition("/")[2] for one in asked] == ["receivable"]


def assert_short_queries(system: System) -> None:
    queries = [one["query"] for one in system.requests("GET")]
    assert any("$filter" in unquote(query) for query in queries)
    assert max(len(query) + 1 for query in queries) <= MAX_QUERY
