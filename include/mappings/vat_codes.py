"""VAT codes (btw-codes): Minox `vat` → QMS `VatCode`."""

from __future__ import annotations

from include.checks.suite import Between, Checks, Filled, Matches
from include.mapping.convert import number
from include.mapping.field import Field
from include.mapping.mapper import Mapping
from include.wire.minox import Text, Vat
from include.wire.text import identifier, text


def key(vat: Vat) -> str | None:
    """The code's id in its canonical text."""
    return identifier(vat.id)


def reverse_charge(vat_type: Text) -> bool:
    """Tell whether a VAT type is reverse charge (btw verlegd).

    The article: 'Wanneer het type het woord "verlegd" bevat'. Case does not count; no type is no reverse charge, and
    neither is ICP.
    """
    return "verlegd" in (text(vat_type) or "").casefold()


MAPPING = Mapping(
    entity="vat_codes",
    minox="vat",
    qms="VatCode",
    title="VAT codes",
    struct=Vat,
    key=key,
    code_field="Code",
    key_field="VatCodeId",
    fields=(
        Field(
            "Code", "id", identifier, "missing_id",
            rule="id, as text", article="VatResponse.id → VatCode.Code",
        ),
        Field(
            "Name", "description", text, "missing_name",
            rule="description", article="VatResponse.description → VatCode.Name",
        ),
        Field(
            "Percentage", "percentage", number, "missing_value",
            rule="percentage", article="VatResponse.percentage → VatCode.Percentage",
        ),
        Field(
            "ReverseCharge", "type", reverse_charge,
            rule='type contains "verlegd", whatever the case', article="VatResponse.type → VatCode.ReverseCharge",
        ),
    ),
)  # fmt: skip

CHECKS = Checks(
    table="vat_codes",
    struct=Vat,
    records=(
        Filled("missing_id", "id"),
        Matches("wrong_type", "id", "-?[0-9]{1,30}", "The id of the VAT code is not a whole number."),
        Filled("missing_name", "description"),
        Filled("missing_value", "percentage", read=number),
        Between(
            "percentage_out_of_range", "percentage", 0, 100, "The percentage is not between 0 and 100.", read=number
        ),
    ),
    required=("id", "description", "percentage", "type"),
)
