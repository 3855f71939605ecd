"""The rows that a mapping is made of, one per field of the target record.

A mapping module lists them in the order of the specification's table; nothing else decides what a field gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.mapping.context import MappingContext
    from include.settings.link import MasterDataSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every row says beside its value.

    Attributes:
        rule: The specification's words for the value.
        article: The row of the owner's article that this one carries out, as `source → target`; None when the article
            has none.
        when: Tells from the settings whether the row is in force; None: always.
    """

    rule: str
    article: str | None = None
    when: Callable[[MasterDataSettings], bool] | None = None


@dataclass(frozen=True, slots=True)
class Field(Row):
    """A field that one value of the source gives.

    Attributes:
        target: Field of the QMS record.
        source: Path of the value in the Minox record, or in the view of it that the mapping declares.
        convert: Pure function from the source value (None when absent) to the target value.
        required: Reason of the rejection when the target value is None; None: the target may be empty.
    """

    target: str
    source: str
    convert: Callable[[Any], Any]
    required: str | None = None


@dataclass(frozen=True, slots=True)
class Constant(Row):
    """A field that is the same for every record.

    Attributes:
        target: Field of the QMS record.
        value: Its value.
    """

    target: str
    value: Any


@dataclass(frozen=True, slots=True)
class Reference(Row):
    """A field that holds the QMS key of another record, found by its code.

    Attributes:
        target: Field of the QMS record.
        source: Path of the code in the Minox record.
        to: Entity that is referred to, e.g. `vat_codes`.
        name: What that is called in a message, e.g. `VAT code`.
    """

    target: str
    source: str
    to: str
    name: str


@dataclass(frozen=True, slots=True)
class Noted:
    """A computed value, with what there is to say about it.

    Attributes:
        value: The target value.
        warning: A sentence for the bookkeeper, kept with the record; None: nothing to say.
    """

    value: Any
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Computed(Row):
    """A field that takes more than one value: the settings, or another record.

    Attributes:
        target: Field of the QMS record.
        source: Path of the value it starts from.
        compute: Pure function from the record (or its view) and the context to the value.
    """

    target: str
    source: str
    compute: Callable[[Any, MappingContext], Noted]


AnyRow: TypeAlias = Field | Constant | Reference | Computed
