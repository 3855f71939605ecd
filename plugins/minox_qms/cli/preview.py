"""What a dry run found: what would be written, what would be rejected, totals, and how long it would take."""

from __future__ import annotations

import json as json_
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer

from include.storage.queries import INVOICES
from minox_qms.cli.output import counted, print_json, print_table

if TYPE_CHECKING:
    from include.settings.link import LinkSettings
    from include.storage.previews import Preview

WOULD_BOOK = "would_book"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a dry run of invoices comes to.

    Attributes:
        counts: Number of invoices per outcome.
        per_month: Per month of the document date: number of invoices that would be booked, and their total with VAT.
        per_account: Per ledger account: what would be credited less what would be debited, without VAT.
        vat: VAT of all lines, on the credit side.
        requests: Requests to Minox for it: one entry an invoice, and one PDF where those are attached.
        seconds: What those take at the link's rate.
    """

    counts: dict[str, int]
    per_month: dict[str, tuple[int, Decimal]]
    per_account: dict[str, Decimal]
    vat: Decimal
    requests: int
    seconds: Decimal


def print_preview(previews: list[Preview], link_settings: LinkSettings, json: bool) -> None:
    """Print what a dry run found.

    Args:
        previews: As the storage has them, in order.
        link_settings: The link's settings: rate and PDFs.
        json: For machines.
    """
    invoices = [one for one in previews if one.entity == INVOICES]
    records = [one for one in previews if one.entity != INVOICES]
    summary = summarise(invoices, link_settings)
    if json:
        print_json({"records": [_as_json(one) for one in previews], "invoices": summary if invoices else None})
        return
    if not previews:
        typer.echo("Nothing would be written: there is nothing to do.")
    _print_records(records)
    if invoices:
        _print_invoices(invoices)
        _print_summary(summary)


def summarise(invoices: list[Preview], link_settings: LinkSettings) -> Summary:
    """Add up what a dry run of invoices would book.

    Args:
        invoices: Previews of invoices.
        link_settings: The link's settings.
    """
    months: dict[str, tuple[int, Decimal]] = {}
    accounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    vat = Decimal()
    to_book = [one for one in invoices if one.outcome.outcome == WOULD_BOOK]
    for one in to_book:
        header, *lines = _entry(one)
        month = str(header["document_date"])[:7]
        number, total = months.get(month, (0, Decimal()))
        months[month] = (number + 1, total + _credit(header, "debit", "credit"))
        for line in lines:
            accounts[line["account"]["id"]] += _credit(line, "credit", "debit")
            vat += line["vat"]["amount"] if "credit" in line else -line["vat"]["amount"]
    requests = len(to_book) * (2 if link_settings.bookings.attach_pdf else 1)
    return Summary(
        counts=dict(Counter(one.outcome.outcome for one in invoices)),
        per_month=dict(sorted(months.items())),
        per_account=dict(sorted(accounts.items(), key=lambda item: int(item[0]))),
        vat=vat,
        requests=requests,
        seconds=requests / link_settings.minox.requests_per_second,
    )


def _entry(one: Preview) -> list[dict[str, Any]]:
    """The entry of an invoice that would be booked, amounts exact."""
    lines: list[dict[str, Any]] = json_.loads(one.details["entry"], parse_float=Decimal)
    return lines


def _credit(line: dict[str, Any], side: str, other: str) -> Decimal:
    """Amount of a line on one side; on the other side it counts as negative."""
    amount: Decimal = line[side] if side in line else -line[other]
    return amount


def _as_json(one: Preview) -> dict[str, Any]:
    """One preview for machines; the entry exactly as it would be sent."""
    return {
        "entity": one.entity,
        "source_key": one.outcome.source_key,
        "outcome": one.outcome.outcome,
        "reason": one.outcome.reason,
        "message": one.outcome.message,
        "details": one.details,
    }


def _print_records(records: list[Preview]) -> None:
    """Print what would become of master data: every change field by field, and what would be rejected."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in records:
        counts[one.entity][one.outcome.outcome] += 1
    for entity, by_outcome in counts.items():
        typer.echo(f"{entity}: {counted(by_outcome)}")
    written = [one for one in records if isinstance(one.details, dict) and one.details]
    if written:
        print_table(
            "Would be written to QMS",
            ("entity", "key", "what", "field", "before", "after", "note"),
            (
                (one.entity, one.outcome.source_key, one.outcome.outcome, field, before, after, one.outcome.message)
                for one in written
                for field, (before, after) in one.details.items()
            ),
        )
    _print_others([one for one in records if one.outcome.outcome in {"rejected", "failed"}])


def _print_invoices(invoices: list[Preview]) -> None:
    """Print what would become of each invoice; of one that would be booked the exact JSON."""
    for one in invoices:
        if one.outcome.outcome == WOULD_BOOK:
            details = one.details
            typer.echo(
                f"would book {details.get('invoice_number')} (InvoiceHeaderId {one.outcome.source_key}, "
                f"total {details.get('total')}): {details['entry']}"
            )
    _print_others([one for one in invoices if one.outcome.outcome != WOULD_BOOK])


def _print_others(others: list[Preview]) -> None:
    """Print what would not be written, and why."""
    if others:
        print_table(
            "Would not be written",
            ("entity", "key", "number", "what", "reason", "message"),
            (
                (
                    one.entity,
                    one.outcome.source_key,
                    one.details.get("invoice_number") if isinstance(one.details, dict) else None,
                    one.outcome.outcome,
                    one.outcome.reason,
                    one.outcome.message,
                )
                for one in others
            ),
        )


def _print_summary(summary: Summary) -> None:
    """Print the totals, and how long the real run would take."""
    typer.echo(f"Invoices: {counted(summary.counts)}")
    if not summary.per_month:
        return
    print_table(
        "Would be booked per month",
        ("month", "invoices#", "total with VAT#"),
        ((month, number, f"{total:.2f}") for month, (number, total) in summary.per_month.items()),
    )
    accounts = [(account, f"{amount:.2f}") for account, amount in summary.per_account.items()]
    print_table("Per ledger account", ("account#", "credit#"), [*accounts, ("VAT", f"{summary.vat:.2f}")])
    minutes, seconds = divmod(int(summary.seconds.to_integral_value(rounding="ROUND_CEILING")), 60)
    typer.echo(
        f"The real run sends {summary.requests} requests: about {minutes} min {seconds:02d} s at the link's rate."
    )
