"""Run the checks of a staging table with Great Expectations.

A frame never holds whole records: per chunk it has one column per checked field, taken from the decoded record by the
declaration's path, and one with the number of decoding faults. Great Expectations answers with the rows that were not
as expected, and those become findings of their records. The batch rules are evaluated on a frame of one row.

Importing Great Expectations takes seconds, so that happens inside the functions that need it.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from include.checks.results import (
    BatchFinding,
    BatchSummary,
    CheckedBatch,
    CheckedChunk,
    ExpectationResult,
    Finding,
    StagedRecord,
)
from include.checks.suite import Between, Checks, Filled, Matches, RecordCheck
from include.errors import InvariantError
from include.wire.decode import Fault, decode_readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd
    from great_expectations.core.batch_definition import BatchDefinition

    from include.settings.link import CheckSettings

CHUNK = 20_000
MIN_RECORDS_FOR_SHARE = 20
MIN_RECORDS_FOR_COLUMNS = 2

FAULTS = "faults"
"""Column with the number of decoding faults of a record."""

_COUNTS = ("element_count", "missing_count")
_TOP_LEVEL = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class _Rule:
    """One expectation in the making.

    Attributes:
        kind: Class of Great Expectations.
        column: Column of the frame.
        expected: Arguments of the class beside the column.
        name: See `ExpectationResult.name`.
    """

    kind: str
    column: str
    expected: dict[str, Any]
    name: str


def check_records(checks: Checks, records: Iterable[StagedRecord], chunk: int = CHUNK) -> Iterator[CheckedChunk]:
    """Check staged records, a chunk at a time, so that memory does not grow with the batch.

    Args:
        checks: The declaration of the staging table.
        records: The records in order; read once, lazily.
        chunk: Number of records that are held at once.

    Yields:
        The findings of each chunk, in order; nothing for an empty batch.

    Raises:
        InvariantError: Great Expectations could not evaluate an expectation: a fault in the declaration.
    """
    rules = [_Rule("ExpectColumnValuesToBeBetween", FAULTS, {"min_value": 0, "max_value": 0}, "wrong_type")]
    rules += [_record_rule(check) for check in checks.records]
    validator = _Validator(checks.table, rules)
    remaining = iter(records)
    while part := list(islice(remaining, chunk)):
        yield _check_chunk(checks, validator, part)


def check_batch(checks: Checks, summary: BatchSummary, settings: CheckSettings) -> CheckedBatch:
    """Check a batch as a whole (specification, section 5).

    Args:
        checks: The declaration of the staging table.
        summary: What `check_records` found, put together.
        settings: The link's limits.

    Returns:
        The reasons to hold the entity back, and how each expectation came out.

    Raises:
        InvariantError: Great Expectations could not evaluate an expectation.
    """
    values: dict[str, float] = {}
    rules: list[_Rule] = []

    def expect(name: str, column: str, value: float, expected: dict[str, Any]) -> None:
        values[column] = value
        rules.append(_Rule("ExpectColumnValuesToBeBetween", column, expected, name))

    if summary.records >= MIN_RECORDS_FOR_COLUMNS:
        for name in checks.required:
            expect("required_column", f"records with {name}", summary.present[name], {"min_value": 1})
    if checks.sizes and summary.records >= MIN_RECORDS_FOR_SHARE:
        share = float(settings.max_rejected_share)
        expect("max_rejected_share", "rejected share", summary.rejected / summary.records, {"max_value": share})
    if checks.sizes and summary.previous:
        share = float(settings.min_share_of_previous)
        expect("min_share_of_previous", "share of previous", summary.records / summary.previous, {"min_value": share})
    if not rules:
        return CheckedBatch((), ())
    outcomes = _Validator(checks.table, rules).run({column: [value] for column, value in values.items()})
    results = tuple(_result(rule, "batch", rows, {"value": values[rule.column]}) for rule, rows, _ in outcomes)
    findings = tuple(_batch_finding(summary, result, settings) for result in results if not result.success)
    return CheckedBatch(findings, results)


def _check_chunk(checks: Checks, validator: _Validator, part: list[StagedRecord]) -> CheckedChunk:
    columns = checks.columns()
    frame: dict[str, list[Any]] = {FAULTS: [], **{name: [] for name in columns}}
    faults: list[tuple[Fault, ...]] = []
    present: Counter[str] = Counter()
    for staged in part:
        record, found = decode_readable(staged.raw, checks.struct)
        view = None if record is None else checks.view(record)
        for name, read in columns.items():
            frame[name].append(None if view is None else read(view))
        frame[FAULTS].append(len(found))
        faults.append(found)
        present.update(_top_level(staged.raw).keys())
    outcomes = validator.run(frame)
    findings: dict[int, list[Finding]] = {}
    for check, (_, rows, _) in zip((None, *checks.records), outcomes, strict=True):
        for row in rows:
            findings.setdefault(part[row].position, []).extend(_findings(check, faults[row]))
    return CheckedChunk(
        records=len(part),
        findings={position: tuple(found) for position, found in sorted(findings.items()) if found},
        present={name: present[name] for name in checks.required},
        results=tuple(_result(rule, "record", rows, counts) for rule, rows, counts in outcomes),
    )


def _top_level(raw: bytes) -> dict[str, msgspec.Raw]:
    """Read which fields a record has; one that cannot be read has none."""
    try:
        return _TOP_LEVEL.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def _findings(check: RecordCheck | None, faults: tuple[Fault, ...]) -> list[Finding]:
    """Say what a row that was not as expected means for its record; `None` stands for the decoding itself."""
    if check is None:
        return [Finding("wrong_type", fault.field, fault.sentence) for fault in faults]
    blurred = check.blurred_by or (check.field,)
    if any(_covers(fault.field, path) for fault in faults for path in blurred):
        return []
    return [Finding(check.reason, check.field, check.message)]


def _covers(fault: str, path: str) -> bool:
    """Tell whether a fault leaves the value at a path unknown: it is there, or in something that holds it."""
    place = "".join(piece.partition("]")[2] if "]" in piece else piece for piece in fault.split("["))
    return not place or place == path or path.startswith(f"{place}.")


def _record_rule(check: RecordCheck) -> _Rule:
    match check:
        case Filled():
            return _Rule("ExpectColumnValuesToNotBeNull", check.field, {}, check.reason)
        case Between():
            bounds = {"min_value": check.low, "max_value": check.high}
            return _Rule("ExpectColumnValuesToBeBetween", check.field, bounds, check.reason)
        case Matches():
            pattern = {"regex": f"^(?:{check.pattern})$"}
            return _Rule("ExpectColumnValuesToMatchRegex", check.field, pattern, check.reason)


class _Validator:
    """A suite of Great Expectations, ready to be run on any number of frames.

    Args:
        name: Name of the suite.
        rules: What is expected.
    """

    def __init__(self, name: str, rules: list[_Rule]) -> None:
        self._frames = _frames()
        import great_expectations as gx  # noqa: PLC0415 - see above

        self._rules = rules
        self._suite = gx.ExpectationSuite(name=name)
        for place, rule in enumerate(rules):
            kind = getattr(gx.expectations, rule.kind)
            self._suite.add_expectation(kind(column=rule.column, meta={"place": place}, **rule.expected))

    def run(self, columns: dict[str, list[Any]]) -> list[tuple[_Rule, list[int], dict[str, int]]]:
        """Evaluate every rule on a frame.

        Args:
            columns: The frame's columns; values keep their Python types.

        Returns:
            Per rule, in the order given: the rows that are not as expected, and how many values were seen and missing.

        Raises:
            InvariantError: An expectation could not be evaluated.
        """
        batch = self._frames.get_batch({"dataframe": _frame(columns)})
        validated = batch.validate(
            self._suite, result_format={"result_format": "COMPLETE", "exclude_unexpected_values": True}
        )
        outcomes: dict[int, tuple[_Rule, list[int], dict[str, int]]] = {}
        for result in validated.results:
            answer: Any = result.to_json_dict()
            place = answer["expectation_config"]["meta"]["place"]
            rows = answer["result"].get("unexpected_index_list")
            if rows is None or answer["success"] == bool(rows):
                raise InvariantError(
                    f"The check {self._rules[place].name} could not be evaluated.",
                    detail=f"{self._rules[place].kind}: {answer['exception_info']}",
                    entity=self._suite.name,
                    field=self._rules[place].column,
                )
            counts = {name: int(answer["result"][name]) for name in _COUNTS if name in answer["result"]}
            outcomes[place] = (self._rules[place], rows, counts)
        return [outcomes[place] for place in range(len(self._rules))]


@functools.cache
def _frames() -> BatchDefinition[Any]:
    """Where Great Expectations takes its frames from; made once in a process, since that takes as long as a check."""
    # At INFO Great Expectations tells of every function that it does not register; that begins with the import.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations as gx  # noqa: PLC0415 - takes seconds: only those who check pay them
    from great_expectations.data_context.types import base  # noqa: PLC0415 - as above

    base.logger.setLevel(logging.WARNING)  # it sets its own, and tells of a directory that it makes and takes away
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = base.ProgressBarsConfig(globally=False, metric_calculations=False)
    return (
        context.data_sources.add_pandas("staging")
        .add_dataframe_asset("frame")
        .add_batch_definition_whole_dataframe("chunk")
    )


def _frame(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """Make a frame whose columns hold Python objects as they are; None stays None."""
    import pandas as pd  # noqa: PLC0415 - comes with Great Expectations, and costs as those who need it

    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})


def _result(rule: _Rule, level: Any, rows: list[int], observed: dict[str, Any]) -> ExpectationResult:
    return ExpectationResult(
        expectation=rule.kind,
        column=rule.column,
        level=level,
        success=not rows,
        unexpected=len(rows),
        observed=observed,
        expected=rule.expected,
        name=rule.name,
    )


def _batch_finding(summary: BatchSummary, result: ExpectationResult, settings: CheckSettings) -> BatchFinding:
    """Say why a batch is held back, with the numbers behind it."""
    records = summary.records
    if result.name == "required_column":
        column = result.column.removeprefix("records with ")
        message = f"None of the {records} records of {summary.table} has the field {column}, which must be there."
        return BatchFinding(result.name, column, message, {"records": records, "with_field": 0})
    if result.name == "max_rejected_share":
        message = (
            f"{summary.rejected} of the {records} records of {summary.table} are bad, more than "
            f"{settings.max_rejected_share:.0%} (setting max_rejected_share)."
        )
        return BatchFinding(result.name, "", message, {"records": records, "rejected": summary.rejected})
    message = (
        f"There are {records} records of {summary.table}, fewer than {settings.min_share_of_previous:.0%} of the "
        f"{summary.previous} of the last good run (setting min_share_of_previous)."
    )
    return BatchFinding(result.name, "", message, {"records": records, "previous": summary.previous})
