from __future__ import annotations

import json

import pytest

from include.mappings import MASTER_DATA
from tests.mappings.golden import REWRITE, ROOT, Case, cases

ALL = [case for entity in MASTER_DATA for case in cases(entity)]


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.entity}/{case.name}")
def test_golden(case: Case) -> None:
    outcome = case.outcome()
    if REWRITE:
        case.expected.write_text(json.dumps(outcome, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    assert outcome == json.loads(case.expected.read_text(encoding="utf-8"))


def test_every_file_belongs_to_a_case() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/*.json")}
    expected = {f"{case.entity}/{case.name}.{end}.json" for case in ALL for end in ("in", "out")}
    assert files == expected
    assert {case.entity for case in ALL} == set(MASTER_DATA)
