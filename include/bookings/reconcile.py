"""Compare QMS's processed invoices, the ledger and what Minox holds, to the cent.

| finding | what it means |
|---|---|
| `missing` | QMS has it as processed, and neither Minox nor the ledger accounts for it |
| `deleted` | the ledger has it as booked, and Minox does not have its batch any more |
| `edited` | Minox's batch is not the entry that was sent |
| `different` | QMS's total is not the one that is booked |
| `extra` | Minox has it, and QMS has no such processed invoice |

Rejected, refused, excluded, written-off and postponed invoices are accounted for: they stand in the ledger with their
reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.wire.minox import StoredLine

_MONEY = ("in_qms", "in_ledger", "in_minox")


@dataclass(frozen=True, slots=True)
class QmsInvoice:
    """A processed invoice of QMS that is to be accounted for."""

    invoice_header_id: int
    invoice_number: str | None
    minox_number: int | None
    customer: int | None
    in_qms: Decimal | None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What the ledger says of an invoice."""

    invoice_header_id: int
    state: str
    ledger_number: int | None
    ledger_customer: int | None
    in_ledger: Decimal | None


@dataclass(frozen=True, slots=True)
class MinoxItem:
    """A receivable of Minox."""

    minox_number: int
    customer: int
    in_minox: Decimal


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree."""

    kind: str
    invoice_header_id: int | None
    invoice_number: str | None
    customer: int | None
    in_qms: Decimal | None
    in_ledger: Decimal | None
    in_minox: Decimal | None
    message: str


def reconcile(
    invoices: Iterable[QmsInvoice],
    ledger: Iterable[LedgerEntry],
    receivables: Iterable[MinoxItem],
    batches: Mapping[int, str | None],
    *,
    not_due: set[int],
    accounted_for: set[tuple[int, int]],
) -> list[Difference]:
    """Find what does not agree.

    Args:
        invoices: QMS's processed invoices of the period, without those that were written off.
        ledger: The ledger's rows of these invoices, and of all that it has booked in the period.
        receivables: Minox's receivables of the period, and those of the invoices above.
        batches: Per booked InvoiceHeaderId: None when its batch is as it was sent, `deleted`, or how it differs.
        not_due: InvoiceHeaderIds that were processed after the last run: no run has taken them up yet.
        accounted_for: Debtor and number of the ledger's invoices of any period: an entry's date is not its invoice's.

    Returns:
        The differences, by InvoiceHeaderId.
    """
    in_qms = _frame(QmsInvoice, invoices)
    in_ledger = _frame(LedgerEntry, ledger)
    in_minox = _frame(MinoxItem, receivables).drop_duplicates(["customer", "minox_number"], keep="last")
    joined = in_qms.merge(in_ledger, on="invoice_header_id", how="outer", indicator="side")
    for name in ("minox_number", "customer"):
        other = "ledger_number" if name == "minox_number" else "ledger_customer"
        joined[name] = joined[other].where(joined[other].notna(), joined[name])
    joined = joined.merge(in_minox, on=["customer", "minox_number"], how="left")
    found = [_judge(row, batches, not_due) for row in joined.to_dict("records")]
    claimed = accounted_for.union(zip(joined["customer"], joined["minox_number"], strict=True))
    differences = [one for one in found if one is not None]
    differences += _extras(in_qms, in_minox, claimed)
    return sorted(differences, key=lambda one: (one.invoice_header_id is None, one.invoice_header_id or 0))


def entry_differs(sent: list[dict[str, Any]], stored: list[StoredLine]) -> str | None:
    """Say how a stored batch differs from the entry that was sent; None when it does not.

    Account, debit, credit, VAT and cost centre of the lines count, in any order; texts do not.
    """
    before: Counter[Any] = Counter(
        (str(line["account"]), _cents(line["debit"]), _cents(line["credit"]), _cents(line["vat"]), line["cost_center"])
        for line in sent
    )
    after: Counter[Any] = Counter(
        (
            str(line.account.id) if line.account is not None else None,
            _cents(line.debit),
            _cents(line.credit),
            _cents(line.vat.amount if line.vat is not None else None),
            int(line.cost_center.id) if line.cost_center is not None and line.cost_center.id is not None else None,
        )
        for line in stored
    )
    gone, came = before - after, after - before
    if not gone and not came:
        return None
    return f"sent but not there: {_lines(gone)}; there but not sent: {_lines(came)}"


def _frame(kind: type[Any], records: Iterable[Any]) -> pd.DataFrame:
    """One column per field, objects as they are: decimals and None stay what they are."""
    names = list(kind.__dataclass_fields__)
    rows = [[getattr(record, name) for name in names] for record in records]
    return pd.DataFrame(rows, columns=names, dtype=object)


def _judge(row: dict[Any, Any], batches: Mapping[int, str | None], not_due: set[int]) -> Difference | None:
    """Judge one invoice by what the three say of it."""
    number = int(row["invoice_header_id"])
    amounts = {name: None if pd.isna(row[name]) else row[name] for name in _MONEY}
    found: tuple[str, str] | None = None
    if row["side"] == "left_only":
        found = None if number in not_due else ("missing", "No run has taken this invoice up.")
    elif row["state"] == "booked" and row["side"] == "right_only":
        found = "extra", "It is booked, and QMS does not have it as processed any more."
    elif row["state"] == "booked":
        found = _judge_booked(batches.get(number), **amounts)
    elif row["state"] == "already_booked" and row["side"] == "both":
        found = _judge_foreign(amounts["in_qms"], amounts["in_minox"])
    if found is None:
        return None
    shown, customer = row["invoice_number"], row["customer"]
    return Difference(
        found[0],
        number,
        None if pd.isna(shown) else str(shown),
        None if pd.isna(customer) else int(customer),
        **amounts,
        message=found[1],
    )


def _judge_booked(
    batch: str | None, *, in_qms: Decimal | None, in_ledger: Decimal | None, in_minox: Decimal | None
) -> tuple[str, str] | None:
    """Judge an invoice that the ledger has as booked."""
    if batch is not None:
        gone = batch == "deleted"
        return ("deleted", "Its batch is not in Minox any more.") if gone else ("edited", f"Edited in Minox: {batch}.")
    if in_qms != in_ledger:
        return "different", "QMS's total is not the one that is booked."
    if in_minox is not None and in_minox != in_ledger:
        return "different", "Minox's receivable is not the total that is booked."
    return None


def _judge_foreign(in_qms: Decimal | None, in_minox: Decimal | None) -> tuple[str, str] | None:
    """Judge an invoice that was booked by somebody else."""
    if in_minox is None:
        return "missing", "It was booked by somebody else, and is not in Minox any more."
    return None if in_minox == in_qms else ("different", "It was booked by somebody else, with another total.")


def _extras(in_qms: pd.DataFrame, in_minox: pd.DataFrame, claimed: set[Any]) -> list[Difference]:
    """Receivables that no invoice accounts for, with a number within this link's own series."""
    numbers = [int(number) for number in in_qms["minox_number"] if not pd.isna(number)]
    if not numbers:
        return []
    extras = []
    for item in in_minox.to_dict("records"):
        own = min(numbers) <= item["minox_number"] <= max(numbers)
        if own and (item["customer"], item["minox_number"]) not in claimed:
            message = "Minox has a receivable with a number of this series, and QMS has no such invoice."
            extras.append(
                Difference(
                    "extra", None, str(item["minox_number"]), item["customer"], None, None, item["in_minox"], message
                )
            )
    return extras


def _cents(value: Any) -> int:
    """Cents of an amount; nothing is 0."""
    return 0 if value is None else int((Decimal(str(value)) * 100).to_integral_value())


def _lines(lines: Counter[Any]) -> str:
    """Accounts and amounts of lines, for people."""
    shown = [
        f"{account} debit {debit / 100:.2f} credit {credit / 100:.2f} VAT {vat / 100:.2f}"
        for account, debit, credit, vat, _ in lines.elements()
    ]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "") if shown else "nothing"  # noqa: PLR2004
