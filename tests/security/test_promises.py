"""`SECURITY.md` promises nothing that is not tested; and the dependencies are what the pins say."""

from __future__ import annotations

import re

import pytest

from include.storage.home import PROJECT_ROOT
from tests.security import audit

TEXT = (PROJECT_ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split("|") for line in TEXT.splitlines() if line.startswith("|") and "`tests/" in line]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip()[:50])
def test_the_tests_of_a_promise_exist(row: list[str]) -> None:
    promise, tests = row
    assert promise.strip().endswith(".")
    names = re.findall(r"`([^`]+)`", tests)
    assert names
    for name in names:
        assert "def test_" in (PROJECT_ROOT / name).read_text(encoding="utf-8"), name


def test_every_security_test_keeps_a_promise() -> None:
    assert len(ROWS) >= 15
    files = {str(path.relative_to(PROJECT_ROOT)) for path in (PROJECT_ROOT / "tests/security").glob("test_*.py")}
    assert files <= set(re.findall(r"`(tests/[^`]+)`", TEXT))


def test_the_commands_that_are_named_exist() -> None:
    targets = re.findall(r"(?m)^([a-z-]+):", (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8"))
    assert {"fuzz", "expiries", "secrets", "audit"} <= set(targets) & set(re.findall(r"`make ([a-z]+)", TEXT))


def test_what_is_installed_is_what_is_pinned() -> None:
    assert len(audit.lines_of("requirements.txt")) > 150
    assert audit.unpinned() == []


def test_the_direct_dependencies_say_a_good_licence() -> None:
    assert len(audit.direct()) > 20
    assert audit.odd_licences() == []
