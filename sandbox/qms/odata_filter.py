"""The `$filter` grammar of the contract: a tokenizer, a parser and the tests that it makes."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from sandbox.common.config import Row
from sandbox.qms.values import comparable, moment

if TYPE_CHECKING:
    from sandbox.qms.entities import Entity, Field

Test = Callable[[Row], bool]
_Sort = Literal["number", "datetime", "boolean", "text", "null"]

MAX_DEPTH = 50
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<datetime>datetime'(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?)')
    | (?P<text>'(?:[^']|'')*')
    | (?P<decimal>-?\d+(?:\.\d+)?[Mm])
    | (?P<integer>-?\d+[Ll]?)(?![\w.])
    | (?P<name>[A-Za-z_]\w*)
    | (?P<bracket>[()])
    )""",
    re.VERBOSE,
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_WORDS: dict[str, tuple[_Sort, Any]] = {"true": ("boolean", True), "false": ("boolean", False), "null": ("null", None)}
_SORTS: dict[str, _Sort] = {
    "int64": "number",
    "int32": "number",
    "decimal": "number",
    "datetime": "datetime",
    "boolean": "boolean",
    "text": "text",
}


class ODataSyntaxError(ValueError):
    """A query that is not taken; becomes a 400."""


@dataclass(frozen=True)
class _Operand:
    sort: _Sort
    value: Any = None
    field: Field | None = None

    def read(self, row: Row) -> Any:
        return self.value if self.field is None else comparable(self.field.kind, row.get(self.field.name))


@dataclass(frozen=True)
class _Comparison:
    left: _Operand
    name: str
    right: _Operand

    @property
    def equality(self) -> tuple[Field, Any] | None:
        """The field and the value of `field eq value`; None for any other comparison."""
        if self.name == "eq" and self.left.field is not None and self.right.field is None and self.right.sort != "null":
            return self.left.field, self.right.value
        return None

    def test(self) -> Test:
        compare = _COMPARISONS[self.name]
        left, right = self.left, self.right
        if self.name in {"eq", "ne"}:
            return lambda row: compare(left.read(row), right.read(row))

        def ordered(row: Row) -> bool:
            one, other = left.read(row), right.read(row)
            return one is not None and other is not None and compare(one, other)

        return ordered


def parse_filter(entity: Entity, text: str) -> Test:
    """Make the test that a filter describes.

    Args:
        entity: Whose rows are filtered.
        text: The filter, decoded.

    Returns:
        A function that tells whether a row is in.

    Raises:
        ODataSyntaxError: When it is not in the contract's grammar, or names a field that is not there.
    """
    return _Parser(entity, text).parse()


class _Parser:
    def __init__(self, entity: Entity, text: str) -> None:
        self._entity = entity
        self._tokens = list(_tokens(text))
        self._place = 0
        self._depth = 0

    def parse(self) -> Test:
        test = self._either()
        if self._place < len(self._tokens):
            raise ODataSyntaxError(f"Unexpected {self._tokens[self._place][1]!r} in $filter")
        return test

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._place += 1
        return token

    def _either(self) -> Test:
        terms = [self._both()]
        while self._peek() == ("name", "or"):
            self._place += 1
            terms.append(self._both())
        tests = _merge_equalities(terms)
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _both(self) -> Test | _Comparison:
        terms = [self._term()]
        while self._peek() == ("name", "and"):
            self._place += 1
            terms.append(self._term())
        if len(terms) == 1:
            return terms[0]
        tests = [term.test() if isinstance(term, _Comparison) else term for term in terms]
        return lambda row: all(test(row) for test in tests)

    def _term(self) -> Test | _Comparison:
        if self._peek() != ("bracket", "("):
            return self._comparison()
        self._place += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ODataSyntaxError("Too many parentheses within each other in $filter")
        inside = self._either()
        if self._next() != ("bracket", ")"):
            raise ODataSyntaxError("A parenthesis is not closed in $filter")
        self._depth -= 1
        return inside

    def _comparison(self) -> _Comparison:
        left = self._operand()
        kind, name = self._next()
        if kind != "name" or name not in _COMPARISONS:
            raise ODataSyntaxError(f"A comparison (eq ne gt ge lt le) is expected, not {name!r}")
        right = self._operand()
        sorts = {left.sort, right.sort}
        if "null" not in sorts and len(sorts) > 1:
            raise ODataSyntaxError(f"{left.sort} and {right.sort} cannot be compared")
        if name not in {"eq", "ne"} and sorts & {"boolean", "null"}:
            raise ODataSyntaxError(f"{name} does not take true, false or null")
        return _Comparison(left, name, right)

    def _operand(self) -> _Operand:
        kind, text = self._next()
        if kind == "text":
            return _Operand("text", text[1:-1].replace("''", "'"))
        if kind in {"decimal", "integer"}:
            digits = text.rstrip("MmLl")
            return _Operand("number", Decimal(digits) if kind == "decimal" else int(digits))
        if kind == "datetime":
            return _Operand("datetime", moment(text if text.count(":") > 1 else f"{text}:00"))
        if kind == "name" and text in _WORDS:
            return _Operand(*_WORDS[text])
        if kind == "name" and self._peek() == ("bracket", "("):
            raise ODataSyntaxError(f"The function {text} is not taken in $filter")
        field = self._entity.fields.get(text) if kind == "name" else None
        if field is None:
            raise ODataSyntaxError(f"{self._entity.name} has no field {text!r}")
        return _Operand(_SORTS[field.kind], field=field)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise ODataSyntaxError(f"$filter cannot be read from {text[place:].strip()[:20]!r}")
        kind = "datetime" if match.group("datetime") else str(match.lastgroup)
        found.append((kind, match.group("moment") if kind == "datetime" else match.group(kind)))
        place = match.end()
    return found


def _merge_equalities(terms: list[Test | _Comparison]) -> list[Test]:
    """Turn `a eq 1 or a eq 2 or …` into one look-up in a set; long filters over long lists live on it."""
    wanted: dict[Field, set[Any]] = {}
    tests: list[Test] = []
    for term in terms:
        if not isinstance(term, _Comparison):
            tests.append(term)
        elif (equality := term.equality) is not None:
            wanted.setdefault(equality[0], set()).add(equality[1])
        else:
            tests.append(term.test())
    return [*(_one_of(field, frozenset(values)) for field, values in wanted.items()), *tests]


def _one_of(field: Field, values: frozenset[Any]) -> Test:
    kind, name = field.kind, field.name
    return lambda row: comparable(kind, row.get(name)) in values
