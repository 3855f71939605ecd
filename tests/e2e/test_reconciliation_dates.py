"""An entry has another date than its invoice by default: a period of invoice dates gives no false alarm for that."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from tests.e2e.booking_world import invoice, number_of

if TYPE_CHECKING:
    from tests.e2e.booking_world import BookingWorld

MARCH = ("2026-03-01", "2026-03-31")
WITHIN = dt.date(2026, 3, 31)


@pytest.fixture
def world(world: BookingWorld) -> BookingWorld:
    """Two invoices of March are booked, so that the number of a third is within their series."""
    world.add(*(invoice(key, day=WITHIN, invoice_day=WITHIN) for key in (1, 3)))
    return world


def findings(world: BookingWorld) -> list[tuple[str, int | None, str | None]]:
    world.run_reconciliation(dates=MARCH)
    rows = world.rows("SELECT kind, invoice_header_id, invoice_number FROM reconciliation_finding")
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("invoice_day", [dt.date(2026, 2, 28), dt.date(2026, 4, 1)])
def test_an_entry_of_the_period_whose_invoice_has_a_date_outside_it(world: BookingWorld, invoice_day: dt.date) -> None:
    world.add(invoice(2, day=WITHIN, invoice_day=invoice_day))
    assert world.run().counts["invoices"] == {"booked": 3}
    assert findings(world) == []


def test_an_invoice_that_got_a_date_outside_the_period_after_it_was_booked(world: BookingWorld) -> None:
    undated = invoice(2, day=WITHIN, invoice_day=None)
    world.add(undated)
    assert world.run().counts["invoices"] == {"booked": 3}
    world.change(undated, at=None, invoice_day=dt.date(2026, 4, 1))
    assert findings(world) == []


def test_a_booked_invoice_that_is_processed_no_more_is_still_extra(world: BookingWorld) -> None:
    one = invoice(2, day=WITHIN, invoice_day=None)
    world.add(one)
    world.run()
    world.change(one, at=None, invoice_day=dt.date(2026, 4, 1), state="Proposal")
    assert findings(world) == [("extra", 2, None)]


def test_what_somebody_typed_in_is_still_extra(world: BookingWorld) -> None:
    world.run()
    world.type_in(10002, number_of(2))
    assert findings(world) == [("extra", None, str(number_of(2)))]
