"""What goes where: one module per entity, which read from top to bottom is the specification's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.errors import ConfigurationError
from include.mappings import cost_centers, customers, invoices, items, payment_terms, vat_codes

if TYPE_CHECKING:
    from include.checks.suite import Checks
    from include.mapping.mapper import Mapping

MASTER_DATA: dict[str, Mapping[Any]] = {
    module.MAPPING.entity: module.MAPPING for module in (vat_codes, payment_terms, cost_centers, items, customers)
}
"""The mappings by entity, in the order in which they are run."""

CHECKS: dict[str, Checks] = {
    checks.table: checks
    for checks in (
        vat_codes.CHECKS,
        payment_terms.CHECKS,
        cost_centers.CHECKS,
        items.GROUP_CHECKS,
        items.CHECKS,
        customers.CHECKS,
        invoices.INVOICE_CHECKS,
        invoices.TOTAL_CHECKS,
        invoices.LINE_CHECKS,
        invoices.CHANGE_CHECKS,
    )
}
"""The checks by staging table."""


def find(name: str) -> Mapping[Any]:
    """Find a mapping by the entity's name, or by what Minox or QMS calls it.

    Args:
        name: E.g. `customers`, `customer` or `CustomerCompany`; case does not count.

    Raises:
        ConfigurationError: There is none; the known names are listed.
    """
    wanted = name.casefold()
    for mapping in MASTER_DATA.values():
        if wanted in (mapping.entity, mapping.minox, mapping.qms.casefold()):
            return mapping
    known = ", ".join(f"{mapping.entity} ({mapping.minox}, {mapping.qms})" for mapping in MASTER_DATA.values())
    raise ConfigurationError(f"There is no entity {name!r}; known: {known}.")
