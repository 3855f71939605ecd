"""Why a record is not loaded: a reason from the specification, the field, and a sentence for the bookkeeper."""

from __future__ import annotations

from dataclasses import dataclass

MISSING = {
    "missing_id": "The record has no id.",
    "missing_name": "The name is blank, and QMS requires one.",
    "nameless_debtor": "The debtor has no name in its postal address, so it is not imported.",
    "missing_value": "The field has no value, and QMS requires one.",
}
"""Per reason that says "there is nothing": its sentence."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One reason to reject a record.

    Attributes:
        reason: The reason's code, e.g. `nameless_debtor`.
        field: Path of the field in the source record.
        message: One sentence for the bookkeeper; it may hold keys, no other data of the record.
    """

    reason: str
    field: str
    message: str


def missing(reason: str, field: str) -> Rejection:
    """Reject a record for a value that is not there.

    Args:
        reason: One of the reasons of `MISSING`.
        field: Path of the field in the source record.
    """
    return Rejection(reason, field, MISSING[reason])
