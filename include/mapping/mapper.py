"""The mapping engine: turn a typed record of Minox into the values of its coupled fields in QMS."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from include.mapping.field import AnyRow, Computed, Constant, Field, Reference
from include.mapping.path import reader
from include.mapping.rejection import Rejection, missing
from include.wire.decode import decode_record
from include.wire.text import identifier, plain, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.mapping.context import MappingContext
    from include.settings.link import MasterDataSettings
    from include.wire.qms import FieldKind

S = TypeVar("S")


def _itself(record: Any) -> Any:
    """View of a mapping that reads the record as it is."""
    return record


@dataclass(frozen=True, slots=True)
class Mapping(Generic[S]):
    """The declaration of one entity.

    Attributes:
        entity: Its name in settings, tables and outcomes, e.g. `customers`.
        minox: Minox's collection, e.g. `customer`.
        qms: QMS's entity, e.g. `CustomerCompany`.
        title: Heading of its page.
        struct: Type that a record of Minox is read into.
        key: Canonical id of a record; None when it has none.
        code_field: Field of QMS that holds that id.
        key_field: Field of QMS that is its key there.
        fields: The rows, in the order of the specification's table.
        view: Makes the names that the rows' paths start from; the record itself when left out.
        reads: Further collections of Minox that it needs.
    """

    entity: str
    minox: str
    qms: str
    title: str
    struct: type[S]
    key: Callable[[S], str | None]
    code_field: str
    key_field: str
    fields: tuple[AnyRow, ...]
    view: Callable[[S], Any] = _itself
    reads: tuple[str, ...] = ()

    @property
    def references(self) -> tuple[Reference, ...]:
        """The rows that refer to other entities."""
        return tuple(row for row in self.fields if isinstance(row, Reference))

    def rows(self, settings: MasterDataSettings) -> tuple[AnyRow, ...]:
        """The rows that are in force under these settings."""
        return tuple(row for row in self.fields if row.when is None or row.when(settings))


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a record is in QMS.

    Attributes:
        values: The coupled fields in the order of the mapping: text, bool, int (Edm.Int64 too), Decimal or None.
        warnings: Sentences for the bookkeeper that do not stop the record.
        rejections: Every reason why the record cannot be loaded; empty when it can.
    """

    values: dict[str, Any]
    warnings: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class Filled:
    """What one row gives.

    Attributes:
        value: Value of the target field.
        warning: A sentence for the bookkeeper that does not stop the record.
        rejection: Why the record cannot be loaded.
    """

    value: Any
    warning: str | None = None
    rejection: Rejection | None = None


def map_record(mapping: Mapping[S], record: S, context: MappingContext) -> Mapped:
    """Map one record.

    Args:
        mapping: The entity's declaration.
        record: The record of Minox.
        context: Settings, the keys of records referred to, item groups.

    Returns:
        The values of all coupled fields, and what there is to say about them. A field that could not be filled is None.
    """
    view = mapping.view(record)
    filled = {row.target: fill_row(row, view, context) for row in mapping.rows(context.settings)}
    return Mapped(
        values={target: outcome.value for target, outcome in filled.items()},
        warnings=tuple(outcome.warning for outcome in filled.values() if outcome.warning is not None),
        rejections=tuple(outcome.rejection for outcome in filled.values() if outcome.rejection is not None),
    )


def fill_row(row: AnyRow, view: Any, context: MappingContext) -> Filled:
    """Carry out one row.

    Args:
        row: The row.
        view: The mapping's view of the record.
        context: See `map_record`.

    Returns:
        The value of the row's target, with what there is to say about it.
    """
    match row:
        case Field():
            value = row.convert(reader(row.source)(view))
            if value is None and row.required is not None:
                return Filled(None, rejection=missing(row.required, row.source))
            return Filled(value)
        case Constant():
            return Filled(row.value)
        case Reference():
            value, rejection = _refer(row, view, context)
            return Filled(value, rejection=rejection)
        case Computed():
            noted = row.compute(view, context)
            return Filled(noted.value, warning=noted.warning)


def _refer(row: Reference, view: Any, context: MappingContext) -> tuple[int | None, Rejection | None]:
    """Look a code up; no code is no reference, and one that QMS does not have rejects the record."""
    code = identifier(reader(row.source)(view))
    if code is None:
        return None, None
    key = context.references.get(row.to, {}).get(code)
    if key is None:
        return None, Rejection("unresolved_reference", row.source, f"QMS has no {row.name} {code}.")
    return key, None


def map_raw(mapping: Mapping[Any], raw: bytes, context: MappingContext) -> Mapped:
    """Read a raw record and map it.

    Args:
        mapping: The entity's declaration.
        raw: The record as Minox sent it.
        context: See `map_record`.

    Returns:
        As `map_record`; a record that cannot be read has no values, and a rejection `wrong_type` per fault.
    """
    record, faults = decode_record(raw, mapping.struct)
    if record is None:
        return Mapped({}, (), tuple(Rejection("wrong_type", fault.field, fault.sentence) for fault in faults))
    return map_record(mapping, record, context)


def same_value(kind: FieldKind, wanted: Any, actual: Any) -> bool:
    """Compare a wanted value with what QMS has.

    Args:
        kind: Kind of the field (`include.wire.qms.FIELD_KINDS`).
        wanted: A value of `Mapped.values`.
        actual: The JSON value of QMS, which writes Edm.Int64 and Edm.Decimal as text or as numbers.

    Returns:
        Whether writing would change nothing. "11" is 11 and "21.00" is 21, and a text may come as a number; apart from
        that only the same is the same: null is neither "" nor 0 nor false.
    """
    if wanted is None or actual is None:
        return wanted is None and actual is None
    if isinstance(wanted, bool) != isinstance(actual, bool):
        return False
    try:
        if kind in ("int64", "int32"):
            return whole_number(wanted) == whole_number(actual)
        if kind == "decimal":
            return _exact(wanted) == _exact(actual)
    except (TypeError, ValueError, ArithmeticError):
        return False
    if kind == "text" and isinstance(actual, int | float | Decimal):
        actual = plain(actual)
    return type(wanted) is type(actual) and bool(wanted == actual)


def _exact(value: Any) -> Decimal:
    """Read a number of QMS; a float stands for the decimals that it is written with."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
