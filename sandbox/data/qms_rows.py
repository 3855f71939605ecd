"""QMS's side of the made-up data: companies, what QMS has already, and the change log."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from sandbox.common.config import Row
    from sandbox.data.invoices import Invoice

COMPANY = 3
_USERS = ("m.visser", "f.elamrani", "s.deboer")
_FIRST_CHANGE = 500001


def companies() -> list[Row]:
    """Make the environment's two companies: the link's, and someone else's.

    Returns:
        Rows of Company.
    """
    common = {"CurrencyId": "1", "CurrencyCode": "EUR", "InvoiceNumberPrefix": "F", "VatAmountSumMode": "PerTotal"}
    return [
        {"CompanyId": "3", "Code": "01", "Name": "Van Dijk Consultancy B.V."}
        | common
        | {"InvoiceNumberLength": 8, "InvoiceNumberCounter": "20260399"},
        {"CompanyId": "4", "Code": "02", "Name": "Van Dijk Vastgoed B.V."}
        | common
        | {"InvoiceNumberLength": 8, "InvoiceNumberCounter": "20260012"},
    ]


def references() -> Row:
    """List the ids of what the contract does not offer but rows refer to.

    Returns:
        Ids by field.
    """
    return {
        "CategoryId": ["1", "2"],
        "InvoiceLayoutId": ["1", "2"],
        "ManagerEmployeeCompanyId": ["7", "8"],
        "ItemGroupId": ["1", "2"],
    }


def own_rows(customers: list[Row]) -> Row:
    """Make what company 3 has before the first run.

    Args:
        customers: Minox's customers; the 18th (nameless), 22nd and 23rd are in QMS already.

    Returns:
        Rows by entity.
    """
    nameless, changed, equal = customers[17], customers[21], customers[22]
    return {
        "VatCode": [
            {
                "VatCodeId": "11",
                "CompanyId": "3",
                "Code": "1",
                "Name": "Hoog tarief",
                "Percentage": "21.00",
                "ReverseCharge": False,
                "IsDefault": True,
                "IcpReturn": None,
            }
        ],
        "CostCenter": [
            {"CostCenterId": "21", "CompanyId": "3", "Code": "110", "Name": "Advies", "Remarks": "Budget bij Sanne"}
        ],
        "PaymentCondition": [
            {
                "PaymentConditionId": "31",
                "CompanyId": "3",
                "Code": "30",
                "Name": "30 dagen netto",
                "Description": "30 dagen netto",
                "PaymentTerm": 30,
                "PaymentConditionType": "Credit",
                "Remarks": None,
            }
        ],
        "ItemCompany": [
            _item("41", "3", "ADV-SR", "Adviesuren oud tarief")
            | {"LongDescription": "Inclusief voorbereiding", "ItemGroupId": "2", "AllowPriceModifications": True}
        ],
        "CustomerCompany": [
            _customer("51", "3", str(nameless["id"]), "Nog zonder naam in Minox"),
            _customer("52", "3", str(changed["id"]), "Oude naam van de klant")
            | {
                "CategoryId": "2",
                "PriceIndex": "1.05",
                "ManagerEmployeeCompanyId": "7",
                "InvoiceLayoutId": "1",
                "Remarks": "Belt liever dan mailt",
                "VisitAddressAddress2": "Ingang achterzijde",
                "SendInvoiceMethod": "Email",
            },
            _customer("53", "3", str(equal["id"]), "") | _as_minox_has_it(equal),
        ],
    }


def _as_minox_has_it(customer: Row) -> Row:
    address = customer["addresses"][0]
    contact, country = address["contact_name"], address["country_code"]
    email, phone = address["email_addresses"][0]["email_address"], address["phone_numbers"][0]["phone_number"]
    both = {
        "ContactPerson": contact,
        "Address1": address["streetname_and_number"],
        "CountryCode": country,
        "Country": country,
        "EmailAddress": email,
        "ZipCode": address["postal_code"],
        "PhoneNumber": phone,
    }
    prefixed = {f"{kind}Address{name}": value for kind in ("Visit", "Invoice") for name, value in both.items()}
    return prefixed | {
        "Name": address["name"],
        "Identification": customer["chamber_of_commerce"],
        "PaymentConditionId": None,
        "ContactPersonName": contact,
        "SendInvoiceTo": email,
        "SendInvoiceRecipientName": contact,
        "InvoiceAddressSameAsVisitAddress": False,
    }


def other_rows() -> Row:
    """Make what company 4 has: the same codes as company 3, with names of its own.

    Returns:
        Rows by entity.
    """
    return {
        "VatCode": [
            {
                "VatCodeId": str(111 + place),
                "CompanyId": "4",
                "Code": code,
                "Name": f"Vastgoed {code}",
                "Percentage": percentage,
                "ReverseCharge": False,
                "IsDefault": place == 0,
                "IcpReturn": None,
            }
            for place, (code, percentage) in enumerate((("1", "21.00"), ("2", "9.00"), ("5", "0.00")))
        ],
        "CostCenter": [
            {"CostCenterId": str(121 + place), "CompanyId": "4", "Code": code, "Name": f"Pand {code}", "Remarks": None}
            for place, code in enumerate(("110", "120"))
        ],
        "PaymentCondition": [
            {
                "PaymentConditionId": str(131 + place),
                "CompanyId": "4",
                "Code": code,
                "Name": f"Huur {code}",
                "Description": None,
                "PaymentTerm": int(code),
                "PaymentConditionType": "DirectDebit",
                "Remarks": None,
            }
            for place, code in enumerate(("30", "14"))
        ],
        "ItemCompany": [_item("141", "4", "ADV-SR", "Huuradvies"), _item("142", "4", "0042", "Servicekosten")],
        "CustomerCompany": [
            _customer(str(151 + place), "4", code, f"Huurder {code}")
            for place, code in enumerate(("10001", "10022", "10023", "10031"))
        ],
    }


def _item(key: str, company: str, code: str, name: str) -> Row:
    return {
        "ItemCompanyId": key,
        "CompanyId": company,
        "ItemId": str(int(key) - 1),
        "ItemHyperlinkCountsId": key,
        "ItemCode": code,
        "Name": name,
        "LongDescription": None,
        "ItemType": "Hours",
        "ItemGroupId": None,
        "IsActive": True,
        "AllowPriceModifications": False,
        "AllowTimeEntry": True,
        "WillBeInvoiced": True,
        "GLAccountRevenue": "8000",
        "VatCodeId": None,
        "SurchargeItemCompanyId": None,
        "SurchargePercentage": None,
    }


def _customer(key: str, company: str, code: str, name: str) -> Row:
    parts = ("ContactPerson", "Address1", "Address2", "Address3", "ZipCode", "City", "Country", "CountryCode")
    address = {
        f"{kind}Address{part}": None
        for kind in ("Visit", "Invoice")
        for part in (*parts, "EmailAddress", "PhoneNumber")
    }
    return {
        "CustomerCompanyId": key,
        "CompanyId": company,
        "CustomerId": str(int(key) - 1),
        "CustomerCode": code,
        "Name": name,
        "CustomerType": "Customer",
        "IsActive": True,
        "Identification": None,
        "PaymentConditionId": None,
        "ContactPersonName": None,
        "SendInvoiceTo": None,
        "SendInvoiceRecipientName": None,
        "SendInvoiceMethod": None,
        "InvoiceAddressSameAsVisitAddress": None,
        **address,
        "CategoryId": None,
        "CostCenterId": None,
        "VatCodeId": None,
        "PriceIndex": "1.00",
        "ManagerEmployeeCompanyId": None,
        "InvoiceLayoutId": None,
        "VatNumber": None,
        "Remarks": None,
    }


def change_log(rng: Random, invoices: Iterable[Invoice]) -> list[Row]:
    """Make the change log: an entry when each invoice was processed, the day after its date, and other changes.

    Args:
        rng: The source of chance.
        invoices: The invoices of every company.

    Returns:
        Rows of EntityChange, oldest first.
    """
    found: list[tuple[str, Row]] = []
    for invoice in invoices:
        day = invoice.day or invoice.invoice_day
        if day is None:
            continue
        found.append(_change(rng, day, invoice.key, "InvoiceHeader", "Insert", None))
        if invoice.state != "Proposal":
            found.append(_change(rng, day, invoice.key, "InvoiceHeader", "Update", "Approve"))
        if invoice.state in {"Processed", "Sent"}:
            found.append(_change(rng, day + timedelta(days=1), invoice.key, "InvoiceHeader", "Update", "Process"))
    for place in range(60):
        day = date(2026, 1, 5) + timedelta(days=place * 5)
        found.append(_change(rng, day, rng.choice((51, 52, 53, 151)), "CustomerCompany", "Update", None))
    found.sort(key=lambda pair: pair[0])
    return [{"EntityChangeId": str(_FIRST_CHANGE + place)} | row for place, (_, row) in enumerate(found)]


def _change(rng: Random, day: date, key: int, kind: str, operation: str, business: str | None) -> tuple[str, Row]:
    # Approved before noon and processed the day after: one invoice's entries stay in order.
    clock = f"{rng.randint(5, 20):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"
    fraction = rng.choice((".123", ".9", "", f".{rng.randint(0, 999):03d}"))
    moment = f"{day.isoformat()}T{clock}{fraction}Z"
    return moment.rstrip("Z"), {
        "Date": moment,
        "EntityId": str(key),
        "EntityType": kind,
        "EntityOperation": operation,
        "BusinessOperation": business,
        "AdditionalDescription": None,
        "UserName": rng.choice(_USERS),
    }
