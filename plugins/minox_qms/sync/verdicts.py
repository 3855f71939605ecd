"""What is to be done with each invoice of a run, before anything is sent (spec, section 3).

The order of the questions is the specification's: excluded, written off, what the ledger says of a booked one; then, as
soon as debtor and number are usable, whether Minox has it already; then the checks.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from include.bookings.batch_id import batch_id
from include.bookings.codes import account_number
from include.bookings.dates import comparison_date, document_date, local_date
from include.bookings.entry import BookingContext, build_entry
from include.bookings.invoice import source_hash
from include.bookings.number import invoice_number
from include.bookings.reasons import Reason, Rejected, arrange
from include.bookings.skipped import is_written_off
from include.checks.results import Finding
from include.errors import ConfigurationError
from include.wire.decode import decode_record
from include.wire.qms import Company
from include.wire.text import identifier, text
from minox_qms.hooks import odata
from minox_qms.sync.invoices import StagedInvoice, read_invoices

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator
    from decimal import Decimal

    import sqlalchemy as sa

    from include.bookings.entry import Entry
    from include.bookings.invoice import SourceInvoice
    from include.settings.link import LinkSettings
    from include.storage.ledger import LedgerRow
    from include.storage.runs import Run
    from minox_qms.hooks.minox import MinoxHook
    from minox_qms.hooks.qms import QmsHook

TO_POST = "to_post"
COLLISION = "invoice_number_collision"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with one invoice.

    Attributes:
        key: Key of the staged record.
        outcome: `to_post`, or the outcome that it has already.
        reasons: Everything that speaks against posting it.
        message: Sentence for the bookkeeper; that of the reasons when empty.
        number: Minox's invoice number, when usable.
        customer: Debtor, when usable.
        facts: Columns of the ledger that say what the invoice is.
        ledger: What the ledger says of it; None when it does not know it.
        is_news: The ledger does not know it, or knows another copy of it.
    """

    key: str
    outcome: str
    reasons: tuple[Reason, ...] = ()
    message: str = ""
    number: int | None = None
    customer: int | None = None
    facts: dict[str, object] = field(default_factory=dict)
    ledger: LedgerRow | None = None
    is_news: bool = True

    @property
    def invoice_header_id(self) -> int | None:
        """InvoiceHeaderId; None for a record without."""
        return None if self.key.startswith("#") else int(self.key)

    @property
    def source_hash(self) -> str | None:
        """Fingerprint of the invoice."""
        value = self.facts.get("source_hash")
        return value if isinstance(value, str) else None

    @property
    def is_settled(self) -> bool:
        """Whether nothing that Minox or other invoices hold can change it."""
        return self.outcome not in {TO_POST, "rejected"}

    def rejected(self, reason: Reason) -> Verdict:
        """The same invoice, with one more reason against it."""
        return replace(self, outcome="rejected", reasons=arrange((*self.reasons, reason)))


def batch_of(link: LinkSettings, invoice_header_id: int) -> uuid.UUID:
    """Id of the batch of an invoice of a link: the same for ever."""
    return batch_id(link.minox.tenant_id, link.minox.administration_id, link.qms.company_id, invoice_header_id)


class Examiner:
    """Examines staged invoices one by one; what needs the others, or Minox's receivables, comes after.

    Args:
        link: The link's settings.
        minox: Hook of the administration.
        qms: Hook of the company.
        ledger: What the ledger says, by InvoiceHeaderId.
        read_at: When the run began to read QMS.
        now: The database's time.
    """

    def __init__(
        self,
        link: LinkSettings,
        minox: MinoxHook,
        qms: QmsHook,
        ledger: dict[int, LedgerRow],
        *,
        read_at: dt.datetime,
        now: dt.datetime,
    ) -> None:
        self.link = link
        self.minox = minox
        self.qms = qms
        self.ledger = ledger
        self.read_at = read_at
        self.now = now

    @functools.cached_property
    def context(self) -> BookingContext:
        """Company and administration, read once, when the first invoice needs them.

        Raises:
            ConfigurationError: QMS has no such company.
            AccessError: Minox shows no such administration.
        """
        wanted = self.link.qms.company_id
        pages = self.qms.pages("Company", filter=f"CompanyId eq {odata.literal(wanted)}")
        companies = [decode_record(raw, Company)[0] for page in pages for raw in page]
        own = [one for one in companies if one is not None and identifier(one.CompanyId) == str(wanted)]
        if not own:
            raise ConfigurationError(
                f"QMS has no company {wanted} (setting qms.company_id).", system="qms", entity="Company"
            )
        administration = self.minox.administration()
        years = [(local_date(year.start_date), local_date(year.end_date)) for year in administration.fiscal_years or ()]
        return BookingContext(
            company=own[0],
            administration_currency=text(administration.currency.id) if administration.currency else None,
            fiscal_years=tuple((first, last) for first, last in years if first is not None and last is not None),
        )

    def examine(self, engine: sa.Engine, run: Run, keys: list[str]) -> Iterator[tuple[StagedInvoice, Verdict]]:
        """Examine staged invoices, in the order of the keys."""
        for invoice in read_invoices(engine, run, keys):
            yield invoice, self.verdict(invoice)

    def entry(self, source: SourceInvoice) -> Entry | Rejected:
        """Build the entry of an invoice."""
        return build_entry(source, self.link.bookings, self.context)

    def verdict(self, invoice: StagedInvoice) -> Verdict:  # noqa: PLR0911 - one question, one answer
        """Ask the questions that one invoice answers."""
        number = invoice.invoice_header_id
        known = None if number is None else self.ledger.get(number)
        if known is not None and known.state == "excluded":
            message = f"Excluded by {known.excluded_by}: {known.excluded_reason}"
            return Verdict(invoice.key, "excluded", message=message, ledger=known, is_news=False)
        if known is not None and known.read_at > self.read_at:
            return Verdict(invoice.key, known.outcome, message=known.message or "", ledger=known, is_news=False)
        if invoice.source is None:
            return self._unreadable(invoice, known)
        facts = self._facts(invoice.source)
        is_news = known is None or known.source_hash != facts["source_hash"]
        if known is not None and known.state in {"booked", "sending"}:
            return self._held(invoice.key, known, facts)
        if is_written_off(invoice.source, self.link.bookings):
            message = "Written off completely: there is nothing to book."
            return Verdict(invoice.key, "skipped", message=message, facts=facts, ledger=known, is_news=is_news)
        if known is not None and known.state == "already_booked" and not known.reoffer:
            return Verdict(
                invoice.key, "already_booked", message=known.message or "", facts=facts, ledger=known, is_news=False
            )
        return self._checked(invoice, facts, known, is_news=is_news)

    def _held(self, key: str, known: LedgerRow, facts: dict[str, object]) -> Verdict:
        """An invoice that Minox has, or may have: it is never sent again."""
        if known.state == "sending":
            return Verdict(key, "in_doubt", message=known.message or "", facts=facts, ledger=known, is_news=False)
        told = (known.booked_source_hash, known.changed_source_hash)
        if facts["source_hash"] in told:
            message = (
                "Booked; it was changed in QMS since." if known.changed_source_hash == facts["source_hash"] else ""
            )
            return Verdict(key, "booked", message=message, facts=facts, ledger=known, is_news=False)
        message = "Changed in QMS after it was booked; the booking is left as it is, and a person decides."
        return Verdict(key, "changed_after_booking", message=message, facts=facts, ledger=known)

    def _unreadable(self, invoice: StagedInvoice, known: LedgerRow | None) -> Verdict:
        """An invoice with values of the wrong type: nothing can be said of it but that."""
        if known is not None and known.state in {"booked", "already_booked", "sending"}:
            return Verdict(invoice.key, known.outcome, message=known.message or "", ledger=known, is_news=False)
        reasons = tuple(Reason(one.reason, one.field, f"{one.field}: {one.message}") for one in invoice.findings)
        return Verdict(invoice.key, "rejected", reasons, ledger=known)

    def _checked(
        self, invoice: StagedInvoice, facts: dict[str, object], known: LedgerRow | None, *, is_news: bool
    ) -> Verdict:
        """Run the checks before posting, and the rule for what Minox refused before."""
        assert invoice.source is not None  # noqa: S101 - told apart by the caller
        header = invoice.source.header
        rule, prefix = self.link.bookings.invoice_number, self.context.company.InvoiceNumberPrefix
        number = invoice_number(header.InvoiceNumber, rule, prefix)
        customer = account_number(header.InvoiceCustomerCompanyCustomerCode)
        facts |= {"minox_number": number, "customer": customer}
        entry = self.entry(invoice.source)
        same = {"number": number, "customer": customer, "facts": facts, "ledger": known, "is_news": is_news}
        if isinstance(entry, Rejected):
            return Verdict(invoice.key, "rejected", entry.reasons, **same)  # type: ignore[arg-type]
        if known is not None and known.state == "refused" and not self._is_due(known, entry):
            message = known.message or ""
            return Verdict(invoice.key, "refused_by_minox", message=message, **same)  # type: ignore[arg-type]
        return Verdict(invoice.key, TO_POST, **same)  # type: ignore[arg-type]

    def _is_due(self, known: LedgerRow, entry: Entry) -> bool:
        """Whether a refused entry is offered again: it differs, was asked for, or enough time has passed."""
        patience = dt.timedelta(minutes=float(self.link.bookings.retry_refused_after))
        late = known.refused_at is None or self.now >= known.refused_at + patience
        return known.reoffer or late or known.refused_entry_hash != entry.content_hash

    def _facts(self, source: SourceInvoice) -> dict[str, object]:
        """Columns of the ledger that say what the invoice is."""
        settings = self.link.bookings
        described = () if settings.lines == "single" else settings.grouped_description
        total: Decimal | None = None
        if source.totals is not None and source.totals.VatAmount is not None:
            total = source.totals.VatAmount + (source.totals.AmountWithoutVat or 0)
        return {
            "source_hash": source_hash(
                source,
                excluded_line_states=settings.excluded_line_states,
                description_fields=described,
            ),
            "invoice_number": text(source.header.InvoiceNumber),
            "invoice_date": comparison_date(source.header),
            "document_date": document_date(source.header, settings.document_date),
            "total": total,
        }


def findings_of(verdict: Verdict) -> tuple[Finding, ...]:
    """The reasons of a verdict, for the quarantine."""
    return tuple(Finding(reason.code, reason.field, reason.message) for reason in verdict.reasons)


def collide(verdicts: list[Verdict], holders: dict[int, int]) -> list[Verdict]:
    """Let only one invoice have each number (spec, "Invoice number").

    The one that holds it in the ledger keeps it; among open ones that nothing else speaks against, the lower
    InvoiceHeaderId. Rejected and refused invoices hold no number.

    Args:
        verdicts: All verdicts of the run.
        holders: InvoiceHeaderId of the invoice that holds a number in the ledger.
    """
    winners = dict(holders)
    in_minox = [one for one in verdicts if one.outcome == "already_booked"]
    open_ones = [one for one in verdicts if one.outcome == TO_POST]
    for group in (in_minox, open_ones):
        for one in sorted(group, key=lambda verdict: verdict.invoice_header_id or 0):
            if one.number is not None and one.invoice_header_id is not None:
                winners.setdefault(one.number, one.invoice_header_id)
    return [_collided(one, winners) for one in verdicts]


def _collided(one: Verdict, winners: dict[int, int]) -> Verdict:
    """Add the collision to an invoice whose number another one has."""
    if one.number is None or (one.is_settled and one.outcome != "already_booked"):
        return one
    winner = winners.get(one.number)
    if winner is None or winner == one.invoice_header_id or any(reason.code == COLLISION for reason in one.reasons):
        return one
    message = f"Invoice {winner} (InvoiceHeaderId) has the number {one.number} already."
    return one.rejected(Reason(COLLISION, "InvoiceNumber", message))
