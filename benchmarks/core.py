"""The core functions alone, without Airflow, HTTP and database: `python -m benchmarks.core functions|stream N`.

`functions` says how many records a second each takes. `stream` sends customers through decoding, checks, mapping and
hash, one after the other as the tasks do, and says what that takes in time and memory.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import statistics
import sys
import time
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.meter import Meter
from include.bookings.entry import BookingContext, Entry, build_entry
from include.bookings.invoice import SourceInvoice, source_hash
from include.checks.engine import check_records
from include.checks.results import StagedRecord
from include.mapping.context import MappingContext
from include.mapping.mapper import map_record
from include.mappings import CHECKS, MASTER_DATA
from include.settings.link import BookingSettings, MasterDataSettings
from include.storage.bindings import values_hash
from include.wire.decode import decode_record
from include.wire.qms import Company, Invoice, OverviewInvoice, OverviewInvoiceLine
from minox_qms.sync.writes import differing
from sandbox.data import minox_rows
from sandbox.dataset import generated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CUSTOMERS = MASTER_DATA["customers"]
DIFFERENT = 1000
"""So many customers are made up; more are the same ones under other numbers."""

REPEAT = 5
LINES = 10


def main() -> None:
    """Measure, and tell the figures as one line of JSON."""
    what, number = sys.argv[1], int(sys.argv[2])
    importlib.import_module("great_expectations.expectations")  # as in a scheduler: loaded before there is work
    if what == "functions":
        print(json.dumps(functions(number)))
        return
    for _ in check_records(CHECKS["customers"], islice(customers(), 10)):
        pass  # the first time, Great Expectations does more
    with Meter() as meter:
        stream(number)
    meter.tell()


def customers() -> Iterator[StagedRecord]:
    """Make up customers as Minox's list gives them, without end."""
    rows = minox_rows.customers(Random(1), DIFFERENT)  # noqa: S311 - made-up data
    position = 0
    while True:
        for row in rows:
            position += 1
            row["id"] = 10_000 + position
            yield StagedRecord(position, str(row["id"]), msgspec.json.encode(row))


def context() -> MappingContext:
    """What customers refer to."""
    terms = {str(row["id"]): place for place, row in enumerate(minox_rows.master_data()["payment_term"], 1)}
    return MappingContext(MasterDataSettings(), {"payment_terms": terms}, {})


def stream(number: int) -> None:
    """Check so many customers, then map and hash them, holding none for longer than needed."""
    for _ in check_records(CHECKS["customers"], islice(customers(), number)):
        pass
    known = context()
    for staged in islice(customers(), number):
        record, _ = decode_record(staged.raw, CUSTOMERS.struct)
        values_hash(map_record(CUSTOMERS, record, known).values)


def functions(number: int) -> dict[str, float]:
    """Measure each function over so many customers, or a tenth as many invoices.

    Returns:
        Records per second, the median of `REPEAT` times.
    """
    staged = list(islice(customers(), number))
    known = context()
    records = [decode_record(one.raw, CUSTOMERS.struct)[0] for one in staged]
    mapped = [map_record(CUSTOMERS, one, known).values for one in records]
    rows = [msgspec.json.decode(msgspec.json.encode(one)) for one in mapped]
    invoices = _invoices(max(1, number // 10))
    settings = BookingSettings(journal_code="VRK")
    around = BookingContext(Company(CompanyId="3", CurrencyCode="EUR"), "EUR", _YEARS)
    entries = [build_entry(one, settings, around) for one in invoices]
    if not all(isinstance(one, Entry) for one in entries):
        raise SystemExit("An invoice of the benchmark was rejected")
    return {
        "customers: decode": _rate(staged, lambda one: decode_record(one.raw, CUSTOMERS.struct)),
        "customers: check (Great Expectations)": _whole_rate(
            number, lambda: list(check_records(CHECKS["customers"], staged))
        ),
        "customers: map": _rate(records, lambda one: map_record(CUSTOMERS, one, known)),
        "customers: hash": _rate(mapped, values_hash),
        "customers: compare with QMS's row": _rate(
            list(zip(mapped, rows, strict=True)), lambda pair: differing(CUSTOMERS.qms, pair[0], pair[1])
        ),
        f"invoices of {LINES} lines: build the entry": _rate(invoices, lambda one: build_entry(one, settings, around)),
        f"invoices of {LINES} lines: write the entry as JSON": _rate(entries, lambda one: one.body()),
        f"invoices of {LINES} lines: hash the source": _rate(invoices, source_hash),
    }


_YEARS = ((dt.date(2026, 1, 1), dt.date(2026, 12, 31)),)


def _invoices(number: int) -> list[SourceInvoice]:
    """Make up invoices as QMS gives them."""
    data = generated(customers=100, items=10, invoices=number, lines=LINES)["qms"]
    lines: dict[str, list[OverviewInvoiceLine]] = {}
    for row in data["OverviewInvoiceLine"]:
        lines.setdefault(row["InvoiceHeaderId"], []).append(msgspec.convert(row, OverviewInvoiceLine))
    return [
        SourceInvoice(
            msgspec.convert(header, OverviewInvoice),
            msgspec.convert(totals, Invoice),
            tuple(lines[header["InvoiceHeaderId"]]),
        )
        for header, totals in zip(data["OverviewInvoice"], data["Invoice"], strict=True)
    ]


def _rate(records: list[Any], function: Callable[[Any], Any]) -> float:
    def once() -> None:
        for one in records:
            function(one)

    return _whole_rate(len(records), once)


def _whole_rate(number: int, once: Callable[[], Any]) -> float:
    """Records per second: the median of a few times."""
    took = []
    for _ in range(REPEAT):
        begun = time.perf_counter()
        once()
        took.append(time.perf_counter() - begun)
    return number / statistics.median(took)


if __name__ == "__main__":
    main()
