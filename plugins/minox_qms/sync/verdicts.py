"""What is to be done with each invoice of a run, before anything is sent (spec, section 3).

The order of the questions is the specification's: excluded, written off, what the ledger says of a booked one; then, as
soon as debtor and number are usable, whether Minox has it already; then the checks. An invoice that was written off
after it was booked has changed after booking: its entry is still in the books.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from include.bookings.codes import account_number
from include.bookings.dates import comparison_date, document_date
from include.bookings.entry import BookingContext, build_entry
from include.bookings.invoice import fingerprint, is_same
from include.bookings.number import invoice_number
from include.bookings.reading import LARGEST_TOTAL, total_of
from include.bookings.reasons import Reason, Rejected, arrange
from include.bookings.skipped import is_written_off
from include.errors import ConfigurationError, ContractViolationError
from include.storage.ledger import Holder
from include.wire.decode import decode_record
from include.wire.minox import fiscal_years
from include.wire.qms import Company
from include.wire.text import identifier, text

if TYPE_CHECKING:
    from include.bookings.entry import Entry
    from include.bookings.invoice import SourceInvoice
    from include.settings.link import LinkSettings
    from include.storage.ledger import LedgerRow
    from minox_qms.hooks.minox import MinoxHook
    from minox_qms.hooks.qms import QmsHook
    from minox_qms.sync.invoices import StagedInvoice

TO_POST = "to_post"
OPEN = (TO_POST, "failed", "postponed")
COLLISION = "invoice_number_collision"
HELD = {"booked": "booked", "already_booked": "already_booked", "sending": "in_doubt"}


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
        is_stale: The ledger knows a later copy: only the outcome is noted.
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
    is_stale: bool = False

    @property
    def invoice_header_id(self) -> int | None:
        """InvoiceHeaderId; None for a record without."""
        return None if self.key.startswith("#") else int(self.key)

    @property
    def source_hash(self) -> str | None:
        """Fingerprint of the invoice."""
        value = self.facts.get("source_hash")
        return value if isinstance(value, str) else None

    def rejected(self, reason: Reason) -> Verdict:
        """The same invoice, with one more reason against it."""
        return replace(self, outcome="rejected", reasons=arrange((*self.reasons, reason)))


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
            ContractViolationError: The administration's fiscal years cannot be read.
        """
        administration = self.minox.administration()
        try:
            years = fiscal_years(administration)
        except ValueError as error:
            raise ContractViolationError(
                "The fiscal years of the administration cannot be read.",
                detail=str(error),
                system="minox",
                entity="administration",
                key=str(self.link.minox.administration_id),
            ) from error
        currency = administration.currency
        return BookingContext(self.company, text(currency.id) if currency else None, years)

    @functools.cached_property
    def company(self) -> Company:
        """The link's company in QMS, read once."""
        wanted = self.link.qms.company_id
        found = [decode_record(raw, Company)[0] for page in self.qms.pages("Company") for raw in page]
        for company in found:
            if company is not None and identifier(company.CompanyId) == str(wanted):
                return company
        raise ConfigurationError(
            f"QMS has no company {wanted} (setting qms.company_id).", system="qms", entity="Company", key=str(wanted)
        )

    def entry(self, source: SourceInvoice) -> Entry | Rejected:
        """Build the entry of an invoice."""
        return build_entry(source, self.link.bookings, self.context)

    def settled(self, invoice: StagedInvoice) -> Verdict | None:
        """Ask what the ledger and the invoice itself answer; nothing of Minox is needed for it.

        Returns:
            The verdict; None when the invoice has to be checked.
        """
        known = self._known(invoice)
        if known is not None and known.state == "excluded":
            message = f"Excluded by {known.excluded_by}: {known.excluded_reason}"
            return Verdict(invoice.key, "excluded", message=message, ledger=known, is_news=False)
        if known is not None and known.read_at > self.read_at:
            outcome = HELD.get(known.state, known.outcome)
            return Verdict(invoice.key, outcome, message=known.message or "", ledger=known, is_stale=True)
        if known is not None and known.state in {"booked", "sending"}:
            return self._held(invoice, known)
        if invoice.source is None or not is_written_off(invoice.source, self.link.bookings):
            return None
        message = "Written off completely: there is nothing to book."
        return Verdict(invoice.key, "skipped", message=message, facts=self._facts(invoice.source), ledger=known)

    def checked(self, invoice: StagedInvoice) -> Verdict:
        """Run the checks before posting, and the rules for what Minox had or refused before."""
        known = self._known(invoice)
        number, customer = self._place(invoice)
        facts = {} if invoice.source is None else self._facts(invoice.source)
        is_news = known is None or not facts or known.source_hash != facts["source_hash"]
        facts |= {"minox_number": number, "customer": customer}
        verdict = Verdict(
            invoice.key, TO_POST, number=number, customer=customer, facts=facts, ledger=known, is_news=is_news
        )
        if known is not None and known.state == "already_booked" and not known.reoffer:
            place = (known.minox_number, known.customer)
            if number is not None and customer is not None and place == (number, customer):
                return replace(verdict, outcome="already_booked", message=known.message or "")
        if invoice.source is None:
            reasons = tuple(Reason(one.reason, one.field, f"{one.field}: {one.message}") for one in invoice.findings)
            return replace(verdict, outcome="rejected", reasons=reasons)
        entry = self.entry(invoice.source)
        if isinstance(entry, Rejected):
            return replace(verdict, outcome="rejected", reasons=entry.reasons)
        if known is not None and known.state == "refused" and not self._is_due(known, entry):
            return replace(verdict, outcome="refused_by_minox", message=known.message or "")
        if known is not None and known.staged_at > self.read_at:
            message = "A later run has read the invoice anew; this copy of it is not booked."
            return replace(verdict, outcome="postponed", message=message)
        return verdict

    def _known(self, invoice: StagedInvoice) -> LedgerRow | None:
        number = invoice.invoice_header_id
        return None if number is None else self.ledger.get(number)

    def _held(self, invoice: StagedInvoice, known: LedgerRow) -> Verdict:
        """An invoice that Minox has, or may have: it is never sent again."""
        if known.state == "sending":
            return Verdict(invoice.key, "in_doubt", message=known.message or "", ledger=known, is_news=False)
        source = invoice.source
        if source is None:
            return Verdict(invoice.key, "booked", ledger=known, is_news=False)
        facts = self._facts(source)
        if known.booked_source_hash is None or is_same(source, known.booked_source_hash):
            return Verdict(invoice.key, "booked", facts=facts, ledger=known, is_news=False)
        if is_same(source, known.changed_source_hash):
            message = "Booked; it was changed in QMS since."
            return Verdict(invoice.key, "booked", message=message, ledger=known, is_news=False)
        message = "Changed in QMS after it was booked; the booking is left as it is, and a person decides."
        if is_written_off(source, self.link.bookings):
            message = "Written off in QMS after it was booked; the booking is left as it is, and a person decides."
        return Verdict(invoice.key, "changed_after_booking", message=message, facts=facts, ledger=known)

    def _place(self, invoice: StagedInvoice) -> tuple[int | None, int | None]:
        """Minox's invoice number and the debtor, each when usable; those of an unreadable invoice may be, too."""
        if invoice.header is None:
            return None, None
        rule = self.link.bookings.invoice_number
        prefix = self.company.InvoiceNumberPrefix if rule == "strip_prefix" else None
        number = invoice_number(invoice.header.InvoiceNumber, rule, prefix)
        return number, account_number(invoice.header.InvoiceCustomerCompanyCustomerCode)

    def _is_due(self, known: LedgerRow, entry: Entry) -> bool:
        """Whether a refused entry is offered again: it differs, was asked for, or enough time has passed."""
        patience = dt.timedelta(minutes=float(self.link.bookings.retry_refused_after))
        late = known.refused_at is None or self.now >= known.refused_at + patience
        return known.reoffer or late or known.refused_entry_hash != entry.content_hash

    def _facts(self, source: SourceInvoice) -> dict[str, object]:
        """Columns of the ledger that say what the invoice is."""
        settings = self.link.bookings
        described = () if settings.lines == "single" else settings.grouped_description
        total = total_of(source)
        return {
            "source_hash": fingerprint(
                source, excluded_line_states=settings.excluded_line_states, description_fields=described
            ),
            "invoice_number": text(source.header.InvoiceNumber),
            "invoice_date": comparison_date(source.header),
            "document_date": document_date(source.header, settings.document_date),
            "total": None if total is None or abs(total) >= LARGEST_TOTAL else total,
        }


def collide(verdicts: list[Verdict], holders: dict[int, list[Holder]]) -> list[Verdict]:
    """Let only one invoice have each number (spec, "Invoice number").

    The one that holds it in the ledger, or that Minox has, keeps it; among open ones that nothing else speaks against,
    the lower InvoiceHeaderId. Rejected and refused invoices hold no number. Minox itself may have one number for
    several debtors: each of those is `already_booked`.

    Args:
        verdicts: All verdicts of the run.
        holders: The invoices that have a number in the ledger.
    """
    verdicts = _booked_once(verdicts)
    places = {number: list(held) for number, held in holders.items()}
    for outcomes in (("booked",), ("already_booked",), OPEN):
        group = [one for one in verdicts if one.outcome in outcomes]
        for one in sorted(group, key=lambda verdict: verdict.invoice_header_id or 0):
            if one.number is None or one.invoice_header_id is None:
                continue
            held = places.setdefault(one.number, [])
            if not held or (one.outcome not in OPEN and is_free(one, held)):
                held.append(Holder(one.invoice_header_id, one.customer))
    return [_collided(one, places) for one in verdicts]


def _booked_once(verdicts: list[Verdict]) -> list[Verdict]:
    """Where Minox has the batches of several invoices under one number, take only the lowest InvoiceHeaderId as booked.

    No run sends two under one number; it can happen when the ledger was lost in between, or the setting changed.
    """
    first: dict[int, int] = {}
    for one in sorted(verdicts, key=lambda verdict: verdict.invoice_header_id or 0):
        if one.outcome == "booked" and one.number is not None and one.invoice_header_id is not None:
            first.setdefault(one.number, one.invoice_header_id)
    return [
        replace(one, outcome="already_booked")
        if one.outcome == "booked" and one.number in first and first[one.number] != one.invoice_header_id
        else one
        for one in verdicts
    ]


def is_free(one: Verdict, held: list[Holder]) -> bool:
    """Tell whether no other invoice of the same debtor has an invoice's number.

    A receivable of that debtor and number would be the other invoice's.
    """
    return all(each.invoice_header_id == one.invoice_header_id or each.customer != one.customer for each in held)


def _collided(one: Verdict, places: dict[int, list[Holder]]) -> Verdict:
    """Add the collision to an invoice whose number another one has."""
    if one.number is None or one.outcome not in {TO_POST, "rejected", "already_booked"}:
        return one
    held = places.get(one.number, [])
    others = [each for each in held if each.invoice_header_id != one.invoice_header_id]
    is_own = len(others) < len(held)
    if not others or (one.outcome == "already_booked" and (is_own or is_free(one, held))):
        return one
    message = f"Invoice {others[0].invoice_header_id} (InvoiceHeaderId) has the number {one.number} already."
    return one.rejected(Reason(COLLISION, "InvoiceNumber", message))
