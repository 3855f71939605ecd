"""What a batch of staged records must be: the declaration, one `Checks` per staging table.

A check of one record quarantines that record; the batch rules hold the whole entity back (specification, section 5).
`include/checks/engine.py` turns a declaration into Great Expectations' terms and runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from include.mapping.path import reader
from include.mapping.rejection import MISSING
from include.wire.text import text

if TYPE_CHECKING:
    from collections.abc import Callable


def _itself(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Filled:
    """The field holds a value: a text of more than white space, or a number (0 is one).

    Attributes:
        reason: Reason of the finding, one of `include.mapping.rejection.MISSING`.
        field: Path of the field, as the finding names it.
        read: Makes the checked value of what stands at the path.
        blurred_by: Paths in Minox's own names whose faults leave this field unknown; the field itself when left out.
    """

    reason: str
    field: str
    read: Callable[[Any], Any] = text
    blurred_by: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The sentence of the finding."""
        return MISSING[self.reason]


@dataclass(frozen=True, slots=True)
class Between:
    """The number, where there is one, lies within bounds, both inclusive.

    Attributes:
        reason: Reason of the finding.
        field: Path of the field.
        low: Lowest good value; None: no bound.
        high: Highest good value; None: no bound.
        message: The sentence of the finding.
    """

    reason: str
    field: str
    low: int | None
    high: int | None
    message: str
    read: Callable[[Any], Any] = _itself
    blurred_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matches:
    """The text of the field, where there is one, has a form.

    Attributes:
        reason: Reason of the finding.
        field: Path of the field.
        pattern: Regular expression for the whole text.
        message: The sentence of the finding.
    """

    reason: str
    field: str
    pattern: str
    message: str
    read: Callable[[Any], Any] = text
    blurred_by: tuple[str, ...] = ()


RecordCheck: TypeAlias = Filled | Between | Matches


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of one staging table.

    Attributes:
        table: Name of the staging table, e.g. `customers`.
        struct: Type that a staged record is read into; every fault of reading is a finding `wrong_type`.
        records: Checks of one record.
        required: Fields that the contract requires; one that no record has (absent, not null) holds the batch back.
        view: Makes the names that the checks' paths start from; the record itself when left out.
        sizes: Whether the batch is held back for its share of bad records, and for its size next to the last good run.
    """

    table: str
    struct: type[Any]
    records: tuple[RecordCheck, ...]
    required: tuple[str, ...]
    view: Callable[[Any], Any] = _itself
    sizes: bool = True

    def columns(self) -> dict[str, Callable[[Any], Any]]:
        """The checked columns: per path the function from a record's view to the checked value."""
        return {check.field: _column(check) for check in self.records}


def _column(check: RecordCheck) -> Callable[[Any], Any]:
    at_path, read = reader(check.field), check.read
    return lambda view: read(at_path(view))
