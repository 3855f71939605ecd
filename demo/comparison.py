"""Both sides compared, as the sandbox itself tells: what arrived, what did not and why, and whether it adds up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from demo.places import COMPANY, LINK
from include.bookings.batch_id import batch_id
from include.mapping.context import MappingContext
from include.mapping.mapper import map_record, same_value
from include.mappings import MASTER_DATA
from include.wire.decode import decode_record
from include.wire.minox import ItemGroup
from include.wire.qms import FIELD_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.mapping.mapper import Mapping as EntityMapping
    from include.settings.link import LinkSettings

Row = dict[str, Any]

_EXACT = msgspec.json.Encoder(decimal_format="number")

ARRIVED = ("created", "updated", "unchanged")

EXPECTED_MASTER_DATA = {
    "items": {"missing_name": 1, "unresolved_reference": 1},
    "customers": {"nameless_debtor": 5, "unresolved_reference": 1},
}
"""Rejections of the demo's data set, per entity and reason."""

EXPECTED_INVOICES = {
    9388: ("rejected", "missing_customer_code"),
    9389: ("rejected", "missing_customer_code"),
    9390: ("rejected", "missing_revenue_account"),
    9391: ("rejected", "invoice_number_not_usable"),
    9392: ("rejected", "invoice_number_collision"),
    9393: ("rejected", "foreign_currency"),
    9394: ("rejected", "fiscal_year_missing"),
    9395: ("rejected", "unbalanced"),
    9396: ("rejected", "incomplete_line"),
    9397: ("refused_by_minox", "refused_by_minox"),
    9398: ("refused_by_minox", "refused_by_minox"),
    9399: ("already_booked", None),
}
"""Outcome and reason of the invoices of the demo's data set that go wrong on purpose, by InvoiceHeaderId."""


@dataclass
class EntityResult:
    """One entity of the master data.

    Attributes:
        entity: Its name.
        minox: Records in Minox.
        arrived: Of these, in QMS exactly once with every coupled field as it should be.
        reasons: Rejected ones per reason.
        faults: What is not as it should be.
    """

    entity: str
    minox: int
    arrived: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@dataclass
class InvoiceResult:
    """The bookings.

    Attributes:
        qms: Processed invoices of the link's company in QMS.
        booked: Of these, in Minox exactly once, in balance, with QMS's totals.
        total: Sum of the booked invoices' debits.
        outcomes: The others per outcome and reason.
        faults: What is not as it should be.
    """

    qms: int
    booked: int = 0
    total: Decimal = Decimal(0)
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def current(engine: sa.Engine) -> dict[str, dict[str, tuple[str, str | None]]]:
    """Read the public view `sync_current`: outcome and reason per entity and key.

    Args:
        engine: Engine of the connector's database.
    """
    query = sa.text("SELECT entity, source_key, outcome, reason FROM sync_current WHERE link = :link")
    found: dict[str, dict[str, tuple[str, str | None]]] = {}
    with engine.connect() as connection:
        for entity, key, outcome, reason in connection.execute(query, {"link": LINK}):
            found.setdefault(entity, {})[key] = (outcome, reason)
    return found


def compare_master_data(
    minox: Row, qms: Row, link: LinkSettings, outcomes: Mapping[str, Mapping[str, tuple[str, str | None]]]
) -> list[EntityResult]:
    """Compare the master data of both sides, record by record and field by field.

    Args:
        minox: Everything in Minox's administration.
        qms: Everything in QMS.
        link: The link's settings.
        outcomes: See `current`.

    Returns:
        One result per entity, in the order of a run.
    """
    own = {name: [row for row in rows if _is_own(row)] for name, rows in qms.items() if isinstance(rows, list)}
    groups = [_typed(row, ItemGroup) for row in minox["item_group"]]
    context = MappingContext(
        link.master_data,
        {
            entity: {str(row[one.code_field]): int(row[one.key_field]) for row in own[one.qms]}
            for entity, one in MASTER_DATA.items()
        },
        {str(group.id): group for group in groups},
    )
    return [
        _compare_entity(mapping, minox[mapping.minox], own[mapping.qms], context, outcomes.get(entity, {}))
        for entity, mapping in MASTER_DATA.items()
    ]


def _compare_entity(
    mapping: EntityMapping[Any],
    records: list[Row],
    rows: list[Row],
    context: MappingContext,
    outcomes: Mapping[str, tuple[str, str | None]],
) -> EntityResult:
    result = EntityResult(mapping.entity, len(records))
    by_code: dict[str, list[Row]] = {}
    for row in rows:
        by_code.setdefault(str(row[mapping.code_field]), []).append(row)
    for raw in records:
        record = _typed(raw, mapping.struct)
        key = mapping.key(record) or "?"
        outcome, reason = outcomes.get(key, ("no outcome", None))
        if outcome not in ARRIVED:
            result.reasons[reason or outcome] += 1
            continue
        found = by_code.get(key, [])
        different = _different(mapping, map_record(mapping, record, context).values, found[0]) if found else []
        if len(found) != 1:
            result.faults.append(f"{mapping.entity} {key} is in QMS {len(found)} times")
        elif different:
            result.faults.append(f"{mapping.entity} {key}: QMS has another {', '.join(different)}")
        else:
            result.arrived += 1
    expected = EXPECTED_MASTER_DATA.get(mapping.entity, {})
    if dict(result.reasons) != expected:
        result.faults.append(f"{mapping.entity}: rejected are {dict(result.reasons)}, and should be {expected}")
    return result


def _different(mapping: EntityMapping[Any], values: Row, row: Row) -> list[str]:
    kinds = FIELD_KINDS[mapping.qms]
    return [name for name, value in values.items() if not same_value(kinds[name], value, row.get(name))]


def compare_invoices(
    minox: Row, qms: Row, link: LinkSettings, outcomes: Mapping[str, tuple[str, str | None]]
) -> InvoiceResult:
    """Compare QMS's invoices with Minox's batches.

    Args:
        minox: Everything in Minox's administration.
        qms: Everything in QMS.
        link: The link's settings.
        outcomes: Of the invoices, see `current`.

    Returns:
        The result.
    """
    states = link.bookings.invoice_states
    wanted = [row for row in qms["OverviewInvoice"] if _is_own(row) and row["InvoiceHeaderState"] in states]
    totals = {int(row["InvoiceHeaderId"]): row for row in qms["Invoice"]}
    batches = dict(minox["batches"])
    result = InvoiceResult(len(wanted))
    for row in wanted:
        key = int(row["InvoiceHeaderId"])
        outcome, reason = outcomes.get(str(key), ("no outcome", None))
        own_id = batch_id(link.minox.tenant_id, link.minox.administration_id, link.qms.company_id, key)
        batch = batches.pop(str(own_id), None)
        if (batch is not None) is not (outcome == "booked"):
            result.faults.append(f"invoice {key} is {outcome}, and {'is' if batch else 'is not'} in Minox")
        if batch is None:
            result.outcomes[f"{outcome}: {reason}" if reason not in {None, outcome} else outcome] += 1
        else:
            _compare_entry(key, batch["lines"], totals[key], result)
        expected = EXPECTED_INVOICES.get(key)
        if expected is not None and (outcome, reason) != expected:
            result.faults.append(f"invoice {key} is {outcome} ({reason}), and should be {expected[0]} ({expected[1]})")
        if expected is None and outcome not in {"booked", "skipped"}:
            result.faults.append(f"invoice {key} is {outcome} ({reason}), and should be booked")
    result.faults += [f"Minox has a batch {one} that no invoice of QMS belongs to" for one in batches]
    return result


def _compare_entry(key: int, lines: list[Row], totals: Row, result: InvoiceResult) -> None:
    """Check one entry: in balance to the cent, and QMS's own total as its debit."""
    header, *others = lines
    debit = Decimal(header["debit"]) - Decimal(header["credit"])
    credit = sum(
        Decimal(one["credit"]) - Decimal(one["debit"]) + _vat(one) * (-1 if Decimal(one["debit"]) else 1)
        for one in others
    )
    total = Decimal(totals["VatAmount"]) + Decimal(totals["AmountWithoutVat"])
    if debit != credit:
        result.faults.append(f"invoice {key}: debit {debit}, credit {credit}")
    elif debit != total:
        result.faults.append(f"invoice {key}: {debit} in Minox, {total} in QMS")
    else:
        result.booked += 1
        result.total += debit


def _vat(line: Row) -> Decimal:
    return Decimal((line.get("vat") or {}).get("amount") or 0)


def _is_own(row: Row) -> bool:
    return str(row.get("CompanyId")) == COMPANY


def _typed(row: Row, struct: type[Any]) -> Any:
    """Read a record as the connector does."""
    record, faults = decode_record(_EXACT.encode(row), struct)
    if record is None:
        raise ValueError(f"{row.get('id')}: {faults}")
    return record
