"""What Minox says, in its own field names (the contract: `sandbox/contracts/minox.openapi.yaml`).

The structs hold the fields that the connector reads and no others, so that a fault in a field nobody uses costs no
record. All are optional and None is absence: whether a field must be filled is a check (`include/checks`), not a matter
of decoding. Texts and ids come as they were written; `include.wire.text` gives their canonical form.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TypeAlias

import msgspec

from include.wire.text import text

Id: TypeAlias = int | str | float | None
Text: TypeAlias = str | int | float | None
Amount: TypeAlias = Decimal | None


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Another record, by its id."""

    id: Id = None


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """How customers say that they are blocked; a plain boolean is read in its place."""

    active: bool | None = None


class Vat(msgspec.Struct, frozen=True, kw_only=True):
    """A VAT code; the percentage is on the scale 0-100."""

    id: Id = None
    description: Text = None
    percentage: Amount = None
    type: Text = None


class CostCenter(msgspec.Struct, frozen=True, kw_only=True):
    """A cost centre (kostenplaats)."""

    id: Id = None
    description: Text = None


class PaymentTerm(msgspec.Struct, frozen=True, kw_only=True):
    """A payment term (betalingsconditie)."""

    id: Id = None
    description: Text = None
    days: int | None = None
    mandate: Text = None


class LedgerAccounts(msgspec.Struct, frozen=True, kw_only=True):
    """The revenue account of an item group that the article names."""

    sales_revenue_nl: Reference | None = None


class ItemGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group of items, with its ledger accounts."""

    id: Id = None
    ledger_accounts: LedgerAccounts | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An item (artikel). Its id is text, of which leading zeros count."""

    id: Text = None
    description: Text = None
    item_group: Reference | None = None
    item_group_id: Id = None
    vat: Reference | None = None
    unit_packaging: Text = None
    blocked: Blocked | bool | None = None


class EmailAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An e-mail address of an address."""

    email_address: Text = None


class PhoneNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A phone number of an address."""

    phone_number: Text = None


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """An address of a customer; the type is `postal` or `street`, compared without case."""

    address_type: Text = None
    name: Text = None
    contact_name: Text = None
    streetname_and_number: Text = None
    postal_code: Text = None
    city: Text = None
    country_code: Text = None
    phone_numbers: tuple[PhoneNumber, ...] | None = None
    email_addresses: tuple[EmailAddress, ...] | None = None


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer (debiteur)."""

    id: Id = None
    addresses: tuple[Address, ...] | None = None
    payment_term: Reference | None = None
    blocked: Blocked | bool | None = None
    chamber_of_commerce: Text = None


class Currency(msgspec.Struct, frozen=True, kw_only=True):
    """A currency, by its ISO 4217 code."""

    id: Text = None


class FiscalYear(msgspec.Struct, frozen=True, kw_only=True):
    """A fiscal year; both dates belong to it."""

    start_date: Text = None
    end_date: Text = None


class Administration(msgspec.Struct, frozen=True, kw_only=True):
    """An administration of a tenant."""

    id: Id = None
    name: Text = None
    currency: Currency | None = None
    fiscal_years: tuple[FiscalYear, ...] | None = None


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """A journal (dagboek) and its collective account."""

    id: Text = None
    ledger_account_id: Id = None


class Receivable(msgspec.Struct, frozen=True, kw_only=True):
    """An open or paid item of a debtor, whose number stands in `account_id` or in `account.id`."""

    account_id: Id = None
    account: Reference | None = None
    invoice_number: Id = None
    invoice_date: Text = None
    total: Amount = None
    document_id: Text = None

    @property
    def debtor(self) -> Id:
        """The debtor's number as it came."""
        return self.account_id if self.account is None or self.account.id is None else self.account.id


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What Minox says about a request, or about a line that it took."""

    message_type: Text = None
    message: Text = None


class LineVat(msgspec.Struct, frozen=True, kw_only=True):
    """The VAT of an entry line."""

    amount: Amount = None


class StoredLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an entry as Minox keeps it."""

    batch_id: Text = None
    account: Reference | None = None
    debit: Amount = None
    credit: Amount = None
    vat: LineVat | None = None
    cost_center: Reference | None = None
    document_id: Text = None
    messages: tuple[Message, ...] | None = None


def day(value: Text) -> dt.date | None:
    """Read a date of Minox: `YYYY-MM-DD`, or RFC 3339, of which the date part counts (the contract).

    Args:
        value: The date as it came.

    Returns:
        The date; None when it is blank.

    Raises:
        ValueError: There is a value and it is no date.
    """
    written = text(value)
    return None if written is None else dt.date.fromisoformat(written.split("T")[0])


def fiscal_years(administration: Administration) -> tuple[tuple[dt.date, dt.date], ...]:
    """Give the first and the last day of each fiscal year of an administration, in order.

    Raises:
        ValueError: A fiscal year lacks a date, or it is no date.
    """
    years = []
    for year in administration.fiscal_years or ():
        start, end = day(year.start_date), day(year.end_date)
        if start is None or end is None:
            raise ValueError("a fiscal year of the administration lacks its start_date or end_date")
        years.append((start, end))
    return tuple(sorted(years))
