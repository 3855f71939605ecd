from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bookings.golden import FOLDER, cases, golden, produce
from tests.bookings.oracle import expected
from tests.bookings.samples import VARIANTS


def test_there_are_cases_and_each_has_both_files() -> None:
    assert len(cases()) >= 10
    assert {path.name for path in FOLDER.iterdir()} == {
        f"{case}.{side}.json" for case in cases() for side in ("in", "out")
    }


@pytest.mark.parametrize("case", cases())
def test_golden_file(case: str) -> None:
    assert produce(case) == golden(case)


@pytest.mark.parametrize("case", cases())
def test_the_golden_files_themselves_are_what_the_specification_says(case: str) -> None:
    given: dict[str, Any] = json.loads((FOLDER / f"{case}.in.json").read_text(encoding="utf-8"))
    wanted = expected(given, {**VARIANTS[0], **given["settings"]})
    out = json.loads(golden(case), parse_float=str)
    if "reasons" in out:
        assert list(dict.fromkeys(reason["code"] for reason in out["reasons"])) == wanted
    else:
        amounts = [round(float(line.get("debit", line.get("credit"))) * 100) for line in out["body"]]
        assert amounts == [line.cents for line in wanted if not isinstance(line, str)]
