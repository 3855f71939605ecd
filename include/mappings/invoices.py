"""Checks of what is staged from QMS for the bookings: only that the records are what the contract says.

Whether an invoice can be booked is decided where its entry is built; nothing here judges what is in it.
"""

from __future__ import annotations

from include.bookings.dates import readable_date
from include.checks.suite import Checks, Filled, Matches
from include.mapping.convert import number
from include.wire.qms import EntityChange, Invoice, OverviewInvoice, OverviewInvoiceLine

INVOICE_CHECKS = Checks(
    table="invoices",
    struct=OverviewInvoice,
    records=(
        Filled("missing_id", "InvoiceHeaderId"),
        Filled("missing_value", "CompanyId"),
        Filled("missing_value", "InvoiceHeaderState"),
        Matches("wrong_type", "InvoiceDate", r"[^?]+", "Expected a date.", read=readable_date),
        Matches("wrong_type", "WorkInProgressDate", r"[^?]+", "Expected a date.", read=readable_date),
    ),
    required=(
        "InvoiceHeaderId",
        "CompanyId",
        "InvoiceNumber",
        "InvoiceHeaderState",
        "InvoiceDate",
        "WorkInProgressDate",
        "InvoiceCustomerCompanyCustomerCode",
    ),
    sizes=False,
)

TOTAL_CHECKS = Checks(
    table="invoice_totals",
    struct=Invoice,
    records=(
        Filled("missing_id", "InvoiceHeaderId"),
        Filled("missing_value", "CompanyId"),
        Filled("missing_value", "VatAmount", read=number),
        Filled("missing_value", "AmountWithoutVat", read=number),
    ),
    required=("InvoiceHeaderId", "CompanyId", "VatAmount", "AmountWithoutVat"),
    sizes=False,
)

LINE_CHECKS = Checks(
    table="invoice_lines",
    struct=OverviewInvoiceLine,
    records=(
        Filled("missing_id", "InvoiceLineId"),
        Filled("missing_value", "InvoiceHeaderId"),
        Filled("missing_value", "InvoiceLineState"),
    ),
    required=("InvoiceLineId", "InvoiceHeaderId", "InvoiceLineState", "Quantity", "Price", "VatPercentage"),
    sizes=False,
)

CHANGE_CHECKS = Checks(
    table="entity_changes",
    struct=EntityChange,
    records=(
        Filled("missing_id", "EntityChangeId"),
        Filled("missing_value", "Date"),
        Filled("missing_value", "EntityId"),
        Filled("missing_value", "EntityType"),
        Filled("missing_value", "EntityOperation"),
    ),
    required=("EntityChangeId", "Date", "EntityId", "EntityType", "EntityOperation"),
    sizes=False,
)
