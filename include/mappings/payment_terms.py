"""Payment terms (betalingscondities): Minox `payment_term` → QMS `PaymentCondition`."""

from __future__ import annotations

from include.checks.suite import Between, Checks, Filled, Matches
from include.mapping.convert import whole
from include.mapping.field import Field
from include.mapping.mapper import Mapping
from include.wire.minox import PaymentTerm, Text
from include.wire.text import identifier, text


def key(term: PaymentTerm) -> str | None:
    """The payment term's id in its canonical text."""
    return identifier(term.id)


def condition_type(mandate: Text) -> str:
    """Tell how is paid.

    The article: 'Wanneer het mandate gevuld is (maakt niet uit met wat) dan is het type DirectDebit, anders Credit'.
    White space does not fill it.
    """
    return "Credit" if text(mandate) is None else "DirectDebit"


MAPPING = Mapping(
    entity="payment_terms",
    minox="payment_term",
    qms="PaymentCondition",
    title="Payment terms",
    struct=PaymentTerm,
    key=key,
    code_field="Code",
    key_field="PaymentConditionId",
    fields=(
        Field(
            "Code", "id", identifier, "missing_id",
            rule="id, as text", article="PaymentTermResponse.id → PaymentCondition.Code",
        ),
        Field(
            "Name", "description", text, "missing_name",
            rule="description", article="PaymentTermResponse.description → PaymentCondition.Name",
        ),
        Field(
            "Description", "description", text,
            rule="description", article="PaymentTermResponse.description → PaymentCondition.Description",
        ),
        Field(
            "PaymentTerm", "days", whole, "missing_value",
            rule="days", article="PaymentTermResponse.days → PaymentCondition.PaymentTerm",
        ),
        Field(
            "PaymentConditionType", "mandate", condition_type,
            rule="`DirectDebit` when mandate holds anything but white space, else `Credit`",
            article="PaymentTermResponse.mandate → PaymentCondition.PaymentConditionType",
        ),
    ),
)  # fmt: skip

CHECKS = Checks(
    table="payment_terms",
    struct=PaymentTerm,
    records=(
        Filled("missing_id", "id"),
        Matches("wrong_type", "id", "-?[0-9]{1,30}", "The id of the payment term is not a whole number."),
        Filled("missing_name", "description"),
        Filled("missing_value", "days", read=whole),
        Between("negative_days", "days", 0, None, "The number of days is negative.", read=whole),
    ),
    required=("id", "description", "days"),
)
