"""The list of guards is true: every fragment is there once, every named test exists; some are taken away for real."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.guard import ROOT, Copy, Guard
from tests.mutants.guards import GUARDS

SPECIFIED = ("lock", "intent", "hash", "balance", "conservation", "loop limit", "state of OAuth", "auth on the page")
CHEAP = ("a page that comes twice", "plain http to another machine", "the limit of rounding")


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_is_where_the_list_says(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.code) == 1
    assert guard.code != guard.without


def test_every_named_test_exists() -> None:
    missing = []
    for file, name in {tuple(test.split("::")) for guard in GUARDS for test in guard.tests}:
        functions = {
            one.name
            for one in ast.parse((ROOT / file).read_text(encoding="utf-8")).body
            if isinstance(one, ast.FunctionDef)
        }
        if name not in functions or not name.startswith("test_"):
            missing.append(f"{file}::{name}")
    assert missing == []


def test_names_are_unique_and_there_are_many() -> None:
    names = [guard.name for guard in GUARDS]
    assert len(set(names)) == len(names) >= 40


@pytest.mark.parametrize("what", SPECIFIED)
def test_what_must_be_guarded_is_there_by_name(what: str) -> None:
    assert [guard for guard in GUARDS if guard.name.startswith(f"{what}: ")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("mutants") / "copy")


@pytest.mark.parametrize("name", CHEAP)
def test_a_cheap_guard_is_missed(copy: Copy, name: str) -> None:
    (guard,) = (one for one in GUARDS if one.name == name)
    seen = copy.without(guard)
    assert (seen.missed_by, seen.problem) == (guard.tests[0], "")
