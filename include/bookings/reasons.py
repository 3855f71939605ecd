"""Why an invoice is not posted (specification, section 3, "Checks before posting")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ORDER = (
    "missing_customer_code",
    "invoice_number_not_usable",
    "invoice_number_collision",
    "missing_date",
    "no_lines",
    "incomplete_line",
    "missing_revenue_account",
    "invalid_vat_code",
    "invalid_cost_center",
    "foreign_currency",
    "fiscal_year_missing",
    "unbalanced",
    "missing_totals",
)
"""Codes of reasons; the first that holds is the invoice's reason."""

LIMIT_PER_CODE = 20
"""Findings of one code that are kept with an invoice; a thousand lines without account say no more than twenty."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding.

    Attributes:
        code: One of `ORDER`.
        field: Field of the invoice, or `lines[<InvoiceLineId>].<field>`.
        message: A sentence for the bookkeeper, with what was there.
    """

    code: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """An invoice that cannot be posted as it is.

    Attributes:
        reasons: All reasons that hold, at least one, in the order of `ORDER`.
    """

    reasons: tuple[Reason, ...]

    @property
    def reason(self) -> str:
        """The code that stands for them all: the first."""
        return self.reasons[0].code

    @property
    def message(self) -> str:
        """All findings in one text."""
        return " ".join(reason.message for reason in self.reasons)


def arrange(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Put reasons in the specification's order, at most 20 per code.

    Args:
        reasons: Findings in any order; those of one code keep theirs.

    Returns:
        The findings to keep; where some of a code were left out, the last one kept says how many.
    """
    by_code: dict[str, list[Reason]] = {code: [] for code in ORDER}
    for reason in reasons:
        by_code.setdefault(reason.code, []).append(reason)  # those of the checks of staging come last
    return tuple(reason for found in by_code.values() for reason in _limited(found))


def _limited(found: list[Reason]) -> list[Reason]:
    more = len(found) - LIMIT_PER_CODE
    if more <= 0:
        return found
    last = found[LIMIT_PER_CODE - 1]
    return [
        *found[: LIMIT_PER_CODE - 1],
        Reason(last.code, last.field, f"{last.message} And {more} more of this kind."),
    ]
