"""Say field by field where the values of a record come from, by the same rows that fill them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from include.mapping.field import AnyRow, Constant
from include.mapping.mapper import fill_row
from include.mapping.path import reader

if TYPE_CHECKING:
    from include.mapping.context import MappingContext
    from include.mapping.mapper import Mapping

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Explained:
    """One field of the target record.

    Attributes:
        target: Field of QMS.
        value: What it gets.
        source_path: Path of the value it comes from; empty for a constant.
        source_value: What stands there, in plain JSON types; None when absent.
        place: Where the path's first name stands in the record of Minox, e.g. `addresses[1]` for `visit`; empty when
            the path is Minox's own.
        rule: The specification's words.
        article: The article's row, `source → target`; None when it has none.
        note: The warning, or the reason why the record is rejected; empty when there is nothing to say.
    """

    target: str
    value: Any
    source_path: str
    source_value: Any
    place: str
    rule: str
    article: str | None
    note: str


def explain(mapping: Mapping[S], record: S, context: MappingContext) -> list[Explained]:
    """Explain a record.

    Args:
        mapping: The entity's declaration.
        record: The record of Minox.
        context: Settings, the keys of records referred to, item groups.

    Returns:
        Every coupled field, in the order of the specification's table.
    """
    view = mapping.view(record)
    return [_explain_row(row, view, context) for row in mapping.rows(context.settings)]


def _explain_row(row: AnyRow, view: Any, context: MappingContext) -> Explained:
    filled = fill_row(row, view, context)
    path = "" if isinstance(row, Constant) else row.source
    notes = [filled.warning] if filled.warning is not None else []
    if filled.rejection is not None:
        notes.append(f"{filled.rejection.reason}: {filled.rejection.message}")
    return Explained(
        target=row.target,
        value=filled.value,
        source_path=path,
        source_value=msgspec.to_builtins(reader(path)(view), builtin_types=()) if path else None,
        place=str(getattr(reader(path.split(".")[0])(view), "path", "")) if path else "",
        rule=row.rule,
        article=row.article,
        note=" ".join(notes),
    )
