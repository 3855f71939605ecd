"""What QicsMilestones (QMS) says and takes, in its own field names.

The contract is `sandbox/contracts/qms.openapi.yaml`. The structs hold the fields that the connector reads and no
others, so that a fault in a field nobody uses costs no invoice. All are optional and None is absence: whether a field
must be filled is a check (`include/checks`), not a matter of decoding. QMS writes Edm.Int64 and Edm.Decimal as text and
may write them as numbers; both are read, amounts without ever passing through a float.
"""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

Id: TypeAlias = int | str | float | None
Text: TypeAlias = str | int | float | None
Amount: TypeAlias = Decimal | None

FieldKind: TypeAlias = Literal["int64", "int32", "decimal", "bool", "text"]


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """A company of the environment; a link couples one of them."""

    CompanyId: Id = None
    CurrencyCode: Text = None
    InvoiceNumberPrefix: Text = None


class OverviewInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """The head of an invoice, as the article's `overviewInvoice`."""

    InvoiceHeaderId: Id = None
    CompanyId: Id = None
    InvoiceNumber: Text = None
    InvoiceHeaderState: Text = None
    InvoiceDate: Text = None
    WorkInProgressDate: Text = None
    InvoiceCustomerCompanyCustomerCode: Text = None
    InvoiceText: Text = None
    CurrencyCode: Text = None


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """The totals of an invoice, as the article's `invoiceHeaders`; amounts in the invoice's currency."""

    InvoiceHeaderId: Id = None
    CompanyId: Id = None
    VatAmount: Amount = None
    AmountWithoutVat: Amount = None


class OverviewInvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an invoice, with every field of the contract: a description setting may name any of them."""

    InvoiceLineId: Id = None
    InvoiceHeaderId: Id = None
    InvoiceLineState: Text = None
    Origin: Text = None
    Date: Text = None
    ProjectId: Id = None
    ProjectCode: Text = None
    ProjectName: Text = None
    EmployeeId: Id = None
    EmployeeName: Text = None
    ItemId: Id = None
    ItemName: Text = None
    ItemCompanyId: Id = None
    ItemCompanyItemCode: Text = None
    ItemCompanyGLAccountRevenue: Text = None
    Quantity: Amount = None
    Price: Amount = None
    IrregularityAmount: Amount = None
    Description: Text = None
    VatPercentage: Amount = None
    VatCodeId: Id = None
    VatCodeCode: Text = None
    CostCenterCode: Text = None
    SurchargePercentage: Amount = None
    SurchargeItemCompanyGLAccountRevenue: Text = None


class EntityChange(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the change log; it does not tell the company. Date is an instant in UTC."""

    EntityChangeId: Id = None
    Date: Text = None
    EntityId: Id = None
    EntityType: Text = None
    EntityOperation: Text = None
    BusinessOperation: Text = None


KEYS: Mapping[str, str] = MappingProxyType(
    {
        "Company": "CompanyId",
        "VatCode": "VatCodeId",
        "CostCenter": "CostCenterId",
        "PaymentCondition": "PaymentConditionId",
        "ItemCompany": "ItemCompanyId",
        "CustomerCompany": "CustomerCompanyId",
        "OverviewInvoice": "InvoiceHeaderId",
        "Invoice": "InvoiceHeaderId",
        "OverviewInvoiceLine": "InvoiceLineId",
        "EntityChange": "EntityChangeId",
        "EntityState": "EntityStateId",
    }
)
"""Per entity the field that is its key."""


_KINDS: dict[str, dict[str, FieldKind]] = {
    "VatCode": {
        "VatCodeId": "int64",
        "CompanyId": "int64",
        "Code": "text",
        "Name": "text",
        "Percentage": "decimal",
        "ReverseCharge": "bool",
        "IsDefault": "bool",
        "IcpReturn": "text",
    },
    "CostCenter": {
        "CostCenterId": "int64",
        "CompanyId": "int64",
        "Code": "text",
        "Name": "text",
        "Remarks": "text",
    },
    "PaymentCondition": {
        "PaymentConditionId": "int64",
        "CompanyId": "int64",
        "Code": "text",
        "Name": "text",
        "Description": "text",
        "PaymentTerm": "int32",
        "PaymentConditionType": "text",
        "Remarks": "text",
    },
    "ItemCompany": {
        "ItemCompanyId": "int64",
        "CompanyId": "int64",
        "ItemId": "int64",
        "ItemHyperlinkCountsId": "int64",
        "ItemCode": "text",
        "Name": "text",
        "LongDescription": "text",
        "ItemType": "text",
        "ItemGroupId": "int64",
        "IsActive": "bool",
        "AllowPriceModifications": "bool",
        "AllowTimeEntry": "bool",
        "WillBeInvoiced": "bool",
        "GLAccountRevenue": "text",
        "VatCodeId": "int64",
        "SurchargeItemCompanyId": "int64",
        "SurchargePercentage": "decimal",
    },
    "CustomerCompany": {
        "CustomerCompanyId": "int64",
        "CompanyId": "int64",
        "CustomerId": "int64",
        "CustomerCode": "text",
        "Name": "text",
        "CustomerType": "text",
        "IsActive": "bool",
        "Identification": "text",
        "PaymentConditionId": "int64",
        "ContactPersonName": "text",
        "SendInvoiceTo": "text",
        "SendInvoiceRecipientName": "text",
        "SendInvoiceMethod": "text",
        "InvoiceAddressSameAsVisitAddress": "bool",
        "VisitAddressContactPerson": "text",
        "VisitAddressAddress1": "text",
        "VisitAddressAddress2": "text",
        "VisitAddressAddress3": "text",
        "VisitAddressZipCode": "text",
        "VisitAddressCity": "text",
        "VisitAddressCountry": "text",
        "VisitAddressCountryCode": "text",
        "VisitAddressEmailAddress": "text",
        "VisitAddressPhoneNumber": "text",
        "InvoiceAddressContactPerson": "text",
        "InvoiceAddressAddress1": "text",
        "InvoiceAddressAddress2": "text",
        "InvoiceAddressAddress3": "text",
        "InvoiceAddressZipCode": "text",
        "InvoiceAddressCity": "text",
        "InvoiceAddressCountry": "text",
        "InvoiceAddressCountryCode": "text",
        "InvoiceAddressEmailAddress": "text",
        "InvoiceAddressPhoneNumber": "text",
        "CategoryId": "int64",
        "CostCenterId": "int64",
        "VatCodeId": "int64",
        "PriceIndex": "decimal",
        "ManagerEmployeeCompanyId": "int64",
        "InvoiceLayoutId": "int64",
        "VatNumber": "text",
        "Remarks": "text",
    },
    "EntityState": {
        "EntityStateId": "int64",
        "CompanyId": "int64",
        "EntityId": "int64",
        "EntityType": "text",
        "DataSource": "text",
        "DataSourceKey": "text",
        "DataSourceDate": "text",
        "IsError": "bool",
        "Message": "text",
    },
}

FIELD_KINDS: Mapping[str, Mapping[str, FieldKind]] = MappingProxyType(
    {entity: MappingProxyType(kinds) for entity, kinds in _KINDS.items()}
)
"""Per writable entity the kind of each field, in the order of the contract's `...Replace` schema."""

WRITABLE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {entity: tuple(kinds) for entity, kinds in FIELD_KINDS.items()}
)
"""Per writable entity the fields that a PUT may hold; one that is left out there becomes null, false or 0."""
