"""Cost centres (kostenplaatsen): Minox `cost_center` → QMS `CostCenter`."""

from __future__ import annotations

from include.checks.suite import Checks, Filled, Matches
from include.mapping.field import Field
from include.mapping.mapper import Mapping
from include.wire.minox import CostCenter
from include.wire.text import identifier, text


def key(cost_center: CostCenter) -> str | None:
    """The cost centre's id in its canonical text."""
    return identifier(cost_center.id)


MAPPING = Mapping(
    entity="cost_centers",
    minox="cost_center",
    qms="CostCenter",
    title="Cost centres",
    struct=CostCenter,
    key=key,
    code_field="Code",
    key_field="CostCenterId",
    fields=(
        Field(
            "Code", "id", identifier, "missing_id",
            rule="id, as text", article="CostCenterResponse.id → CostCenter.Code",
        ),
        Field(
            "Name", "description", text, "missing_name",
            rule="description", article="CostCenterResponse.decription → CostCenter.Name",
        ),
    ),
)  # fmt: skip

CHECKS = Checks(
    table="cost_centers",
    struct=CostCenter,
    records=(
        Filled("missing_id", "id"),
        Matches("wrong_type", "id", "-?[0-9]{1,30}", "The id of the cost centre is not a whole number."),
        Filled("missing_name", "description"),
    ),
    required=("id", "description"),
)
