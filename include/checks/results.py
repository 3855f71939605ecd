"""What the checks find: of one record, of a batch, and per expectation. All of it is plain data that can be stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class StagedRecord:
    """A record as it was staged.

    Attributes:
        position: Its place in the list, counted from 1.
        key: Its key, or its place (`#17`) when it has none.
        raw: The JSON as it came.
    """

    position: int
    key: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason to quarantine a record.

    Attributes:
        reason: The reason's code, e.g. `percentage_out_of_range`.
        field: Path of the field; empty when it is the record as a whole.
        message: One sentence for the bookkeeper, without the value.
    """

    reason: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """How one expectation of Great Expectations came out.

    Attributes:
        expectation: Great Expectations' name of its type.
        column: The column that it is about.
        level: Whether it is about single records or about the batch.
        success: Whether everything was as expected.
        unexpected: Number of records (of the batch: of rows, so 0 or 1) that were not.
        observed: What was seen: counts, and for the batch the number that was compared.
        expected: The bounds or the pattern.
        name: What the connector calls it: the reason of a record's finding, the rule of a batch.
    """

    expectation: str
    column: str
    level: Literal["record", "batch"]
    success: bool
    unexpected: int
    observed: dict[str, Any]
    expected: dict[str, Any]
    name: str


@dataclass(frozen=True, slots=True)
class CheckedChunk:
    """What the record checks found in one chunk of a batch.

    Attributes:
        records: Number of records in the chunk.
        findings: Per position of a bad record all its findings; a position that is not there is a good record.
        present: Per field that the contract requires: in how many records it is there, null or not.
        results: Per expectation how it came out.
    """

    records: int
    findings: dict[int, tuple[Finding, ...]]
    present: dict[str, int]
    results: tuple[ExpectationResult, ...]


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What the batch rules need to know of a batch; grows chunk by chunk.

    Attributes:
        table: The staging table.
        previous: Number of records of the last good run; None: there was none.
        records: Number of records.
        rejected: Number of records with a finding.
        present: Per field that the contract requires: in how many records it is there.
        results: Per expectation on records how it came out over all chunks.
    """

    table: str
    previous: int | None = None
    records: int = 0
    rejected: int = 0
    present: Mapping[str, int] = field(default_factory=dict)
    results: tuple[ExpectationResult, ...] = ()

    def plus(self, chunk: CheckedChunk) -> BatchSummary:
        """Add a chunk.

        Args:
            chunk: The next chunk of the same batch.

        Returns:
            A new summary.
        """
        counted = {name: self.present.get(name, 0) + count for name, count in chunk.present.items()}
        results = map(_merged, self.results, chunk.results) if self.results else chunk.results
        return replace(
            self,
            records=self.records + chunk.records,
            rejected=self.rejected + len(chunk.findings),
            present=counted,
            results=tuple(results),
        )


def _merged(left: ExpectationResult, right: ExpectationResult) -> ExpectationResult:
    """Put the results of one expectation on two chunks together; what was observed are counts."""
    return replace(
        left,
        success=left.success and right.success,
        unexpected=left.unexpected + right.unexpected,
        observed={name: count + right.observed[name] for name, count in left.observed.items()},
    )


@dataclass(frozen=True, slots=True)
class BatchFinding:
    """One reason to hold a whole entity back.

    Attributes:
        expectation: The rule: `required_column`, `max_rejected_share` or `min_share_of_previous`.
        column: The missing column; empty for the other rules.
        message: One sentence for the bookkeeper.
        observed: The numbers behind it.
    """

    expectation: str
    column: str
    message: str
    observed: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CheckedBatch:
    """What the batch rules found.

    Attributes:
        findings: Reasons to hold the entity back; empty: it goes on.
        results: Per expectation on the batch how it came out.
    """

    findings: tuple[BatchFinding, ...]
    results: tuple[ExpectationResult, ...]
