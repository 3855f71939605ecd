"""From an invoice of QMS to a balanced sales entry of Minox (specification, section 3, "The entry")."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - part of the public types
import functools
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from include.bookings.checks import (
    check_balance,
    check_currency,
    check_fiscal_year,
    check_head,
    check_lines,
    check_totals,
)
from include.bookings.reading import Head, Line, Part, Totals, read_head, read_lines
from include.bookings.reasons import Rejected, arrange
from include.bookings.rounding import Balance, Cent, compare
from include.errors import InvariantError
from include.mappings import sales_entry
from include.money import count_cents, from_cents

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from include.bookings.invoice import SourceInvoice
    from include.settings.link import BookingSettings
    from include.wire.qms import Company

_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class BookingContext:
    """What an entry depends on besides the invoice and the settings.

    Attributes:
        company: The link's company in QMS: its currency and the prefix of its invoice numbers.
        administration_currency: Currency of the Minox administration; None or blank counts as EUR.
        fiscal_years: First and last day of each fiscal year (boekjaar), both included.
    """

    company: Company
    administration_currency: str | None
    fiscal_years: tuple[tuple[dt.date, dt.date], ...]


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One line of the entry; amounts in the administration's currency, to the cent.

    Attributes:
        account: Debtor or ledger account.
        debit: Amount on the debit side; None on a credit line.
        credit: Amount on the credit side, without VAT; None on a debit line.
        vat_amount: VAT, on the side of the line.
        vat_code: VAT code, when it is sent.
        description: At most 255 characters, or None.
        cost_center: Cost centre (kostenplaats), or None.
    """

    account: int
    debit: Decimal | None
    credit: Decimal | None
    vat_amount: Decimal
    vat_code: int | None
    description: str | None
    cost_center: int | None


@dataclass(frozen=True)
class Entry:
    """The sales entry of one invoice: balanced, and ready to be sent.

    Attributes:
        lines: The header line (the debtor) and the lines behind it.
        journal: Journal code.
        document_date: The date of the entry.
        invoice_number: Minox's invoice number.
        customer: Minox's number of the debtor.
        rounding: The cents that rounding put on lines; empty when lines and totals agree.
        net: QMS's total without VAT.
        vat: QMS's total of VAT.
        total: Both together; the amount of the header line, negative for a credit note.
    """

    lines: tuple[EntryLine, ...]
    journal: str
    document_date: dt.date
    invoice_number: int
    customer: int
    rounding: tuple[Cent, ...]
    net: Decimal
    vat: Decimal
    total: Decimal

    def body(self) -> bytes:
        """Write the body of the PUT (the contract's BatchRequest): the same entry gives the same bytes.

        Amounts have exactly two decimals in the JSON text; fields without a value are left out.
        """
        return _ENCODER.encode([self._line(line) for line in self.lines])

    @functools.cached_property
    def content_hash(self) -> str:
        """SHA-256 of the body, in hexadecimal: two entries differ for Minox when these differ."""
        return hashlib.sha256(self.body()).hexdigest()

    def _line(self, line: EntryLine) -> dict[str, Any]:
        written: dict[str, Any] = {
            "account": {"id": str(line.account)},
            "journal": {"id": self.journal},
            "document_date": self.document_date,
            "invoice_number": self.invoice_number,
        }
        if line.debit is not None:
            written["debit"] = line.debit
        if line.credit is not None:
            written["credit"] = line.credit
        vat = {} if line.vat_code is None else {"id": line.vat_code}
        written["vat"] = {**vat, "amount": line.vat_amount}
        if line.description is not None:
            written["description"] = line.description
        if line.cost_center is not None:
            written["cost_center"] = {"id": line.cost_center}
        return written


def build_entry(invoice: SourceInvoice, settings: BookingSettings, context: BookingContext) -> Entry | Rejected:
    """Build the sales entry of an invoice, or say why there is none.

    Collisions of invoice numbers and invoices that Minox has already are the ledger's business, not looked at here.

    Args:
        invoice: The invoice as QMS gave it.
        settings: The link's settings for bookings.
        context: The company and the administration.

    Returns:
        The balanced entry, or all reasons against it.

    Raises:
        InvariantError: The entry does not balance: a bug of this module, never the invoice's fault.
    """
    head = read_head(invoice, settings, context.company)
    lines = read_lines(invoice, settings)
    reasons = [
        *check_head(head),
        *check_lines(lines, settings),
        *check_currency(head, context.company, context.administration_currency),
        *check_fiscal_year(head, context.fiscal_years),
        *check_totals(invoice),
    ]
    complete = lines and not any(line.missing for line in lines)
    if complete and head.totals is not None:
        drafts = draft_lines(head, lines)
        balance = _compare(head.totals, drafts)
        reasons.extend(check_balance(balance))
        if not reasons:
            return _finish(head, head.totals, [draft for draft, _ in drafts], balance)
    return Rejected(arrange(reasons))


def draft_lines(head: Head, lines: tuple[Line, ...]) -> list[tuple[dict[str, Any], bool]]:
    """Compute the lines behind the header, before rounding.

    Returns:
        Per line its fields by path, and whether its VatPercentage is other than 0.
    """
    if head.settings.lines == "single":
        table, parts = sales_entry.SINGLE, [Part(head, (line,)) for line in lines]
    else:
        table, parts = sales_entry.GROUPED, _grouped(head, lines, _revenue_key)
    with_surcharge = [line for line in lines if line.surcharge_percentage != 0]
    surcharges = _grouped(head, with_surcharge, _surcharge_key)
    work = [(table, part) for part in parts] + [(sales_entry.SURCHARGE, part) for part in surcharges]
    return [(table.draft(part), part.first.vat_percentage != 0) for table, part in work]


def _revenue_key(line: Line) -> Hashable:
    """Lines share a group that share account, VatPercentage, and cost centre and VAT code where those are sent."""
    return (line.account, line.vat_percentage, line.cost_center, line.vat_code)


def _surcharge_key(line: Line) -> Hashable:
    """Surcharges have no cost centre."""
    return (line.surcharge_account, line.vat_percentage, line.vat_code)


def _grouped(head: Head, lines: Iterable[Line], key: Callable[[Line], Hashable]) -> list[Part]:
    """Put lines with the same key together; groups stand in the order of their first line."""
    groups: dict[Hashable, list[Line]] = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return [Part(head, tuple(group)) for group in groups.values()]


def _compare(totals: Totals, drafts: list[tuple[dict[str, Any], bool]]) -> Balance:
    return compare(
        count_cents(totals.net),
        count_cents(totals.vat),
        [count_cents(draft["credit"]) for draft, _ in drafts],
        [count_cents(draft["vat.amount"]) for draft, _ in drafts],
        [taxed for _, taxed in drafts],
    )


def _finish(head: Head, totals: Totals, drafts: list[dict[str, Any]], balance: Balance) -> Entry:
    """Put the cents of rounding on their lines, each line on its side, and see that it all balances."""
    header = sales_entry.HEADER.draft(head)
    lines, rounding = [_on_side(header, "debit", head.settings)], []
    for index, draft in enumerate(drafts):
        net_cent = _sign(balance.net_difference) if index in (balance.net_lines or ()) else 0
        vat_cent = _sign(balance.vat_difference) if index in (balance.vat_lines or ()) else 0
        adjusted = draft | {
            "credit": from_cents(count_cents(draft["credit"]) + net_cent),
            "vat.amount": from_cents(count_cents(draft["vat.amount"]) + vat_cent),
        }
        line = _on_side(adjusted, "credit", head.settings)
        turn = 1 if line.debit is None else -1
        side = "credit" if line.debit is None else "debit"
        rounding += [Cent(index + 1, side, turn * net_cent)] if net_cent else []
        rounding += [Cent(index + 1, "vat.amount", turn * vat_cent)] if vat_cent else []
        lines.append(line)
    entry = Entry(
        lines=tuple(lines),
        journal=header["journal.id"],
        document_date=header["document_date"],
        invoice_number=header["invoice_number"],
        customer=header["account.id"],
        rounding=tuple(rounding),
        net=totals.net,
        vat=totals.vat,
        total=totals.total,
    )
    _insist_on_balance(entry)
    return entry


def _on_side(draft: dict[str, Any], side: str, settings: BookingSettings) -> EntryLine:
    """Make a line of its fields; with `opposite_side`, a negative one goes to the other side as a positive one.

    What decides is the amount, and the VAT where the amount is zero. Should rounding have left VAT of the other
    sign on a line, it keeps that sign: the balance comes first.
    """
    amount, vat = draft[side], draft["vat.amount"]
    if settings.negative_amounts == "opposite_side" and (amount or vat) < 0:
        side = "debit" if side == "credit" else "credit"
        amount, vat = from_cents(-count_cents(amount)), from_cents(-count_cents(vat))
    return EntryLine(
        account=draft["account.id"],
        debit=amount if side == "debit" else None,
        credit=amount if side == "credit" else None,
        vat_amount=vat,
        vat_code=draft.get("vat.id"),
        description=draft["description"],
        cost_center=draft.get("cost_center.id"),
    )


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _insist_on_balance(entry: Entry) -> None:
    """Fail when debit and credit differ, a line's VAT counting on the side of its line."""
    difference = 0
    for line in entry.lines:
        amount = line.debit if line.credit is None else line.credit
        both = count_cents(amount or Decimal(0)) + count_cents(line.vat_amount)
        difference += both if line.credit is None else -both
    if difference:
        raise InvariantError(
            f"The entry of invoice {entry.invoice_number} is {from_cents(difference)} out of balance.",
            system="minox",
            entity="transaction_line_batch",
            key=str(entry.invoice_number),
        )
