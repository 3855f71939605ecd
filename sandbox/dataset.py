"""Data sets for the stand-ins: the demo's, an empty one, large ones, and JSON files."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.common.json_text import loads
from sandbox.data import demo_invoices, minox_rows, qms_rows
from sandbox.data.invoices import Invoice, header_row, line_rows, overview_row

if TYPE_CHECKING:
    from sandbox.common.config import Row

_GENERATED = "generated:"
_SIZES = {"customers": 0, "items": 0, "invoices": 0, "lines": 1}
_OTHER_KEY = 9801
_GENERATED_KEY = 100_001
_FIRST_LINE = 70_001


def load(spec: str | Row, seed: int = 1) -> Row:
    """Give a data set.

    Args:
        spec: `demo`, `empty`, `generated:customers=…,items=…,invoices=…,lines=…`, the name of a JSON file, or the data
            set itself.
        seed: Of the made-up data.

    Returns:
        An object with the parts `minox` and `qms`.

    Raises:
        ValueError: When the text is none of these, or the file holds no such object.
        OSError: When the file cannot be read.
    """
    if isinstance(spec, dict):
        return spec
    if spec == "demo":
        return demo(seed)
    if spec == "empty":
        return empty()
    if spec.startswith(_GENERATED):
        return generated(seed=seed, **_sizes(spec.removeprefix(_GENERATED)))
    data: Any = loads(Path(spec).read_bytes())
    if not isinstance(data, dict) or not {"minox", "qms"} & set(data):
        raise ValueError(f"{spec} holds no object with minox and qms")
    return data


def empty() -> Row:
    """Make a data set with the administration, the journals, the ledger accounts and the companies, and nothing else.

    Returns:
        The data set.
    """
    master = minox_rows.master_data()
    bare: Row = {name: rows for name, rows in master.items() if name in {"journal", "ledger_account", "closed_until"}}
    return {"minox": _minox(bare), "qms": {"Company": qms_rows.companies(), "references": qms_rows.references()}}


def demo(seed: int = 1) -> Row:
    """Make the demo's data set.

    Args:
        seed: The same seed gives the same data, to the byte.

    Returns:
        The data set.
    """
    rng = Random(seed)  # noqa: S311 - made-up data, no secret
    master = minox_rows.master_data()
    master["item"] = minox_rows.items(rng, 60)
    minox_rows.special_items(master["item"])
    master["customer"] = minox_rows.customers(rng, 300)
    minox_rows.special_customers(master["customer"])
    people = demo_invoices.debtors(master["customer"])
    ordinary = demo_invoices.ordinary_invoices(rng, people)
    troubled, typed_in = demo_invoices.troubled_invoices(rng, people, ordinary)
    master["receivable"] = [typed_in]
    others = _others_invoices(rng, people)
    own, other = qms_rows.own_rows(master["customer"]), qms_rows.other_rows()
    qms: Row = {name: own[name] + other[name] for name in own}
    return {"minox": _minox(master), "qms": qms | _invoice_tables(rng, [*ordinary, *troubled, *others])}


def generated(customers: int, items: int, invoices: int, lines: int, seed: int = 1) -> Row:
    """Make a data set of any size, in which every invoice can be booked.

    Args:
        customers: The number of Minox customers.
        items: The number of Minox items.
        invoices: The number of processed invoices in QMS.
        lines: The number of lines of each.
        seed: The same seed gives the same data.

    Returns:
        The data set.

    Raises:
        ValueError: When invoices are wanted without customers.
    """
    if invoices and not customers:
        raise ValueError("Invoices need customers")
    rng = Random(seed)  # noqa: S311 - made-up data, no secret
    master = minox_rows.master_data()
    master["item"] = minox_rows.items(rng, items)
    master["customer"] = minox_rows.customers(rng, customers)
    people = [(str(row["id"]), row["addresses"][0]["name"]) for row in master["customer"]]
    made = [_generated_invoice(rng, place, invoices, lines, people) for place in range(invoices)]
    return {"minox": _minox(master), "qms": _invoice_tables(rng, made)}


def _generated_invoice(rng: Random, place: int, count: int, lines: int, people: list[tuple[str, str]]) -> Invoice:
    code, name = people[place % len(people)]
    day = date(2026, 1, 5) + timedelta(days=place * 345 // count)
    return Invoice(
        key=_GENERATED_KEY + place,
        number=f"F2026-{place + 1:06d}",
        day=day,
        customer_code=code,
        customer_name=name,
        lines=[demo_invoices.ordinary_line(rng) for _ in range(lines)],
        invoice_day=day,
        text=f"Werkzaamheden {day:%m-%Y}",
    )


def _others_invoices(rng: Random, people: list[tuple[str, str]]) -> list[Invoice]:
    ordinary = demo_invoices.ordinary_invoices(rng, people)[:12]
    return [
        replace(invoice, key=_OTHER_KEY + place, company=4, credit_of=None) for place, invoice in enumerate(ordinary)
    ]


def _invoice_tables(rng: Random, invoices: list[Invoice]) -> Row:
    return {
        "Company": qms_rows.companies(),
        "OverviewInvoice": [overview_row(invoice) for invoice in invoices],
        "Invoice": [header_row(invoice) for invoice in invoices],
        "OverviewInvoiceLine": line_rows(invoices, _FIRST_LINE),
        "EntityChange": qms_rows.change_log(rng, invoices),
        "EntityState": [],
        "references": qms_rows.references(),
    }


def _minox(data: Row) -> Row:
    tenant = {
        "tenant_id": minox_rows.TENANT_ID,
        "name": "Administratiekantoor De Vries",
        "administrations": [minox_rows.administration()],
        "data": {"1": data},
    }
    return {"tenants": [tenant]}


def _sizes(text: str) -> dict[str, int]:
    sizes = dict(_SIZES)
    for part in text.split(","):
        name, _, number = part.partition("=")
        if name not in sizes or not number.isdecimal():
            raise ValueError(f"{_GENERATED}{text} cannot be read; it has {', '.join(f'{each}=N' for each in sizes)}")
        sizes[name] = int(number)
    return sizes
