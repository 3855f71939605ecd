"""The pages say what the code says: every command, every outcome, every reason."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from include.bookings.reasons import ORDER
from include.mapping.field import Field
from include.mapping.rejection import MISSING
from include.mappings import CHECKS, MASTER_DATA
from include.words import OUTCOMES, REASONS, words_of
from minox_qms.cli.docs import DOCS, cli_page, outcomes_page, write_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SAYS_REASON = {
    "Finding": 0,
    "Rejection": 0,
    "Reason": 0,
    "Filled": 0,
    "Between": 0,
    "Matches": 0,
    "Outcome": 2,
    "Posted": 2,
}
SAYS_OUTCOME = {"Verdict": 1, "Outcome": 1, "Posted": 0, "Written": 0}
NO_OUTCOME = {"to_post"}
ONLY_IN_DRY_RUNS = {"would_book"}
IN_SPECIFICATION = {
    "created", "updated", "unchanged", "rejected", "failed", "booked", "already_booked", "skipped", "refused_by_minox",
    "changed_after_booking", "excluded", "postponed", "in_doubt",
}  # fmt: skip


def _trees() -> Iterator[ast.Module]:
    for folder in ("include", "plugins"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "cli" not in path.parts and "migrations" not in path.parts:
                yield ast.parse(path.read_text(encoding="utf-8"))


def _texts(node: ast.AST) -> set[str]:
    """The codes that an expression can be: a text, either end of a condition, the values of a table."""
    match node:
        case ast.Constant(value=str(text)) if re.fullmatch("[a-z_]+", text):
            return {text}
        case ast.IfExp():
            return _texts(node.body) | _texts(node.orelse)
        case ast.Dict():
            return set().union(*map(_texts, node.values))
        case ast.JoinedStr(values=[ast.Constant(value="refused_by_"), _]):
            return {"refused_by_minox", "refused_by_qms"}
    return set()


def _codes(places: dict[str, int], name: str) -> set[str]:
    """What the code calls an outcome or a reason: in its place of a call, as an argument, a key or a variable."""
    found: set[str] = set()
    for tree in _trees():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=called)) if called in places and len(node.args) > places[called]:
                    found |= _texts(node.args[places[called]])
                case ast.keyword(arg=argument) if argument == name:
                    found |= _texts(node.value)
                case ast.Assign(targets=[ast.Name(id=variable)]) if variable == name:
                    found |= _texts(node.value)
                case ast.Dict():
                    for key, value in zip(node.keys, node.values, strict=True):
                        if isinstance(key, ast.Constant) and key.value == name:
                            found |= _texts(value)
    return found


def test_every_reason_of_the_code_has_words() -> None:
    produced = _codes(SAYS_REASON, "reason")
    assert {"technical", "batch_held", "answer_lost", "refused_by_qms", "wrong_type", "negative_days"} <= produced
    declared = {check.reason for checks in CHECKS.values() for check in checks.records}
    rows = [row for mapping in MASTER_DATA.values() for row in mapping.fields]
    declared |= {row.required for row in rows if isinstance(row, Field) and row.required is not None}
    assert produced | declared | {*ORDER} | {*MISSING} == REASONS.keys()


def test_every_outcome_of_the_code_has_words() -> None:
    produced = _codes(SAYS_OUTCOME, "outcome") - NO_OUTCOME - ONLY_IN_DRY_RUNS
    assert {"created", "booked", "in_doubt", "changed_after_booking"} <= produced
    assert produced <= OUTCOMES.keys()
    assert OUTCOMES.keys() == IN_SPECIFICATION


def test_every_code_is_said_in_both_languages() -> None:
    for code, words in (OUTCOMES | REASONS).items():
        assert words.say("en") != words.say("nl"), code
        assert bool(words.advise("en")) == bool(words.advise("nl")), code
        for sentence in (words.en, words.nl, words.todo_en, words.todo_nl):
            assert sentence == "" or sentence.endswith("."), code
    assert words_of("booked") is OUTCOMES["booked"]
    assert words_of("no_lines") is REASONS["no_lines"]
    assert words_of("of_tomorrow").say("nl") == "of_tomorrow"


@pytest.mark.parametrize(("name", "page"), [("cli.md", cli_page), ("outcomes.md", outcomes_page)])
def test_the_pages_are_written_anew(name: str, page: object, tmp_path: Path) -> None:
    write_pages(tmp_path)
    written = (tmp_path / name).read_text(encoding="utf-8")
    assert callable(page)
    assert written == page()
    assert written == (DOCS / name).read_text(encoding="utf-8"), "run `python -m minox_qms.cli.docs`"


def test_the_page_names_the_columns_of_the_views(database: sa.Engine) -> None:
    firsts = [line.split("|")[1] for line in outcomes_page().splitlines() if line.startswith("| `")]
    named = {name for cell in firsts for name in re.findall("`([a-z_]+)`", cell)}
    for view in ("sync_outcomes", "sync_current"):
        assert {column["name"] for column in sa.inspect(database).get_columns(view)} <= named
    (query,) = re.findall("```sql\n(.*?)```", outcomes_page(), re.DOTALL)
    with database.connect() as connection:
        assert connection.execute(sa.text(query)).all() == []
