"""The descriptions of an entry's lines (specification, section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.wire.text import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from include.wire.qms import OverviewInvoiceLine, Text

LIMIT = 255
"""Characters (Unicode code points) of a description; the article's "max 255"."""


def describe(value: Text) -> str | None:
    """Trim a text at both ends and cut it to its first 255 characters; white space alone is no description."""
    written = text(value)
    return None if written is None else written[:LIMIT]


def describe_group(lines: Sequence[OverviewInvoiceLine], fields: Iterable[str]) -> str | None:
    """Describe lines that became one.

    "Per field the distinct non-blank values of the group in line order, joined with ', '; the fields joined with ' - ';
    first 255 characters." A field without a value leaves no trace.

    Args:
        lines: The lines of the group, in line order.
        fields: Names of fields of the line: the setting `grouped_description` or `surcharge_description`.

    Returns:
        The description; None when there is nothing to say.
    """
    per_field = (", ".join(_distinct(getattr(line, field) for line in lines)) for field in fields)
    return describe(" - ".join(values for values in per_field if values))


def _distinct(values: Iterable[Text]) -> list[str]:
    """The trimmed, non-blank values, each once, in the order in which they come."""
    read = (text(value) for value in values)
    return list(dict.fromkeys(value for value in read if value is not None))
