"""Customers (debiteuren): Minox `customer` → QMS `CustomerCompany`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.checks.suite import Checks, Filled, Matches
from include.mapping.convert import not_blocked
from include.mapping.field import Computed, Field, Noted, Reference
from include.mapping.mapper import Mapping
from include.wire.minox import Address, Blocked, Customer, Text
from include.wire.text import identifier, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.mapping.context import MappingContext
    from include.settings.link import MasterDataSettings
    from include.wire import minox


@dataclass(frozen=True, slots=True)
class Place:
    """One address of a customer, with its first e-mail and phone.

    Attributes:
        path: Where it stands in the record, e.g. `addresses[1]`.
        filled: Whether its streetname_and_number holds more than white space.
        first_email: The first e-mail address that is not blank.
        first_phone: The first phone number that is not blank.
    """

    path: str
    name: Text
    contact_name: Text
    streetname_and_number: Text
    postal_code: Text
    city: Text
    country_code: Text
    filled: bool
    first_email: str | None
    first_phone: str | None


@dataclass(frozen=True, slots=True)
class CustomerView:
    """A customer as the rows below read it, with its addresses under the specification's names.

    Attributes:
        id: As in Minox.
        blocked: As in Minox.
        chamber_of_commerce: As in Minox.
        payment_term: As in Minox.
        postal: The first address of type `postal`.
        street: The first address of type `street`.
        visit: `street` when postal and street are both filled, else `postal`.
    """

    id: minox.Id
    blocked: Blocked | bool | None
    chamber_of_commerce: Text
    payment_term: minox.Reference | None
    postal: Place | None
    street: Place | None
    visit: Place | None


def key(customer: Customer) -> str | None:
    """The customer's number in its canonical text."""
    return identifier(customer.id)


def first_filled(values: Iterable[Text]) -> str | None:
    """Take the first value of a list that is not blank.

    The article's `.First()`; the specification: '"First e-mail" and "first phone" are the first non-blank of the list.'
    """
    return next((read for value in values if (read := text(value)) is not None), None)


def place(address: Address, index: int) -> Place:
    """Read one address.

    Args:
        address: The address.
        index: Its place in the list, from 0.
    """
    return Place(
        path=f"addresses[{index}]",
        name=address.name,
        contact_name=address.contact_name,
        streetname_and_number=address.streetname_and_number,
        postal_code=address.postal_code,
        city=address.city,
        country_code=address.country_code,
        filled=text(address.streetname_and_number) is not None,
        first_email=first_filled(email.email_address for email in address.email_addresses or ()),
        first_phone=first_filled(phone.phone_number for phone in address.phone_numbers or ()),
    )


def first_of_type(customer: Customer, address_type: str) -> Place | None:
    """Find the first address of a type.

    The article: 'PostalAddress is Customer.address waar address_type is "postal"'. Types compare without case.
    """
    for index, address in enumerate(customer.addresses or ()):
        if (text(address.address_type) or "").casefold() == address_type:
            return place(address, index)
    return None


def view(customer: Customer) -> CustomerView:
    """Find the addresses that the paths start from.

    `postal` is the first address of type `postal`, `street` the first of type `street`; types compare without case. The
    article: 'addressToUseForBezoek wordt bepaald door te kijken of er zowel een postal als een street adres is ingevuld
    in Minox': `visit` is `street` when both are filled (a streetname_and_number of more than white space), else
    `postal`. `first_email` and `first_phone` are the first of the address that are not blank.
    """
    postal, street = first_of_type(customer, "postal"), first_of_type(customer, "street")
    both = postal is not None and postal.filled and street is not None and street.filled
    return CustomerView(
        id=customer.id,
        blocked=customer.blocked,
        chamber_of_commerce=customer.chamber_of_commerce,
        payment_term=customer.payment_term,
        postal=postal,
        street=street,
        visit=street if both else postal,
    )


def same_as_visit(customer: CustomerView, context: MappingContext) -> Noted:
    """Tell whether QMS shows the visiting address as the invoice address.

    The article: 'foundStreetAddress.streetname_and_number != null'. It reads inverted, so the setting
    `invoice_address_same_as_visit` may turn it round.
    """
    filled = customer.street is not None and customer.street.filled
    return Noted(filled if context.settings.invoice_address_same_as_visit == "article" else not filled)


def with_city(settings: MasterDataSettings) -> bool:
    """Tell whether the setting `customer_extra_fields` adds the city."""
    return "city" in settings.customer_extra_fields


MAPPING = Mapping(
    entity="customers",
    minox="customer",
    qms="CustomerCompany",
    title="Customers",
    struct=Customer,
    key=key,
    code_field="CustomerCode",
    key_field="CustomerCompanyId",
    view=view,
    fields=(
        Field(
            "IsActive", "blocked", not_blocked,
            rule="not blocked.active (`blocked` may be null, an object, or a plain boolean)",
            article="Customer.blocked → Customer.IsActive",
        ),
        Field(
            "CustomerCode", "id", identifier, "missing_id",
            rule="id, as text", article="Customer.id → Customer.CustomerCode",
        ),
        Field(
            "Identification", "chamber_of_commerce", text,
            rule="chamber_of_commerce", article="Customer.chamber_of_commerce → Customer.Identification",
        ),
        Reference(
            "PaymentConditionId", "payment_term.id", to="payment_terms", name="payment condition",
            rule="the QMS id of the payment condition whose Code is payment_term.id; no term: null",
            article="Customer.payment_term.id → Customer.PaymentConditionId",
        ),
        Field(
            "Name", "postal.name", text, "nameless_debtor",
            rule="postal.name", article="PostalAddress.name → Customer.Name",
        ),
        Field(
            "ContactPersonName", "postal.contact_name", text,
            rule="postal.contact_name", article="PostalAddress.contact_name → Customer.ContactPersonName",
        ),
        Field(
            "SendInvoiceTo", "postal.first_email", text,
            rule="postal, first e-mail",
            article="PostalAddress.email_addresses.First().email_address → Customer.SendInvoiceTo",
        ),
        Field(
            "SendInvoiceRecipientName", "postal.contact_name", text,
            rule="postal.contact_name", article="PostalAddress.contact_name → Customer.SendInvoiceRecipientName",
        ),
        Field(
            "VisitAddressContactPerson", "visit.contact_name", text,
            rule="visit.contact_name",
            article="addressToUseForBezoek.contact_name → Customer.VisitAddressContactPerson",
        ),
        Field(
            "VisitAddressAddress1", "visit.streetname_and_number", text,
            rule="visit.streetname_and_number",
            article="addressToUseForBezoek.streetname_and_number → Customer.VisitAddressAddress1",
        ),
        Field(
            "VisitAddressCountryCode", "visit.country_code", text,
            rule="visit.country_code",
            article="addressToUseForBezoek.country_code → Customer.VisitAddressCountryCode",
        ),
        Field(
            "VisitAddressCountry", "visit.country_code", text,
            rule="visit.country_code", article="addressToUseForBezoek.country_code → Customer.VisitAddressCountry",
        ),
        Field(
            "VisitAddressEmailAddress", "visit.first_email", text,
            rule="visit, first e-mail",
            article="addressToUseForBezoek.email_addresses.First().email_address → Customer.VisitAddressEmailAddress",
        ),
        Field(
            "VisitAddressZipCode", "visit.postal_code", text,
            rule="visit.postal_code", article="addressToUseForBezoek.postal_code → Customer.VisitAddressZipCode",
        ),
        Field(
            "VisitAddressPhoneNumber", "visit.first_phone", text,
            rule="visit, first phone",
            article="addressToUseForBezoek.phone_number.First().phone_number → Customer.VisitAddressPhoneNumber",
        ),
        Computed(
            "InvoiceAddressSameAsVisitAddress", "street.filled", same_as_visit,
            rule="true when street is filled (the article's rule). It reads inverted, so the setting "
            "`invoice_address_same_as_visit` (`article`) may be `inverted`",
            article="foundStreetAddress.streetname_and_number != null → Customer.InvoiceAddressSameAsVisitAddress",
        ),
        Field(
            "InvoiceAddressContactPerson", "postal.contact_name", text,
            rule="postal.contact_name",
            article="foundPostalAddress.contact_name → Customer.InvoiceAddressContactPerson",
        ),
        Field(
            "InvoiceAddressAddress1", "postal.streetname_and_number", text,
            rule="postal.streetname_and_number",
            article="foundPostalAddress.streetname_and_number → Customer.InvoiceAddressAddress1",
        ),
        Field(
            "InvoiceAddressCountryCode", "postal.country_code", text,
            rule="postal.country_code",
            article="foundPostalAddress.country_code → Customer.InvoiceAddressCountryCode",
        ),
        Field(
            "InvoiceAddressCountry", "postal.country_code", text,
            rule="postal.country_code", article="foundPostalAddress.country_code → Customer.InvoiceAddressCountry",
        ),
        Field(
            "InvoiceAddressEmailAddress", "postal.first_email", text,
            rule="postal, first e-mail",
            article="foundPostalAddress.email_addresses.First().email_address → Customer.InvoiceAddressEmailAddress",
        ),
        Field(
            "InvoiceAddressZipCode", "postal.postal_code", text,
            rule="postal.postal_code", article="foundPostalAddress.postal_code → Customer.InvoiceAddressZipCode",
        ),
        Field(
            "InvoiceAddressPhoneNumber", "postal.first_phone", text,
            rule="postal, first phone",
            article="foundPostalAddress.phone_number.First().phone_number → Customer.InvoiceAddressPhoneNumber",
        ),
        Field(
            "VisitAddressCity", "visit.city", text,
            rule="visit.city, only with the setting `customer_extra_fields` `city`", when=with_city,
        ),
        Field(
            "InvoiceAddressCity", "postal.city", text,
            rule="postal.city, only with the setting `customer_extra_fields` `city`", when=with_city,
        ),
    ),
)  # fmt: skip

CHECKS = Checks(
    table="customers",
    struct=Customer,
    view=view,
    records=(
        Filled("missing_id", "id"),
        Matches("wrong_type", "id", "-?[0-9]{1,30}", "The customer number is not a whole number."),
        Filled("nameless_debtor", "postal.name", blurred_by=("addresses.name", "addresses.address_type")),
    ),
    required=("id",),
)
