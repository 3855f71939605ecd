"""Tests that need a program of the machine: left out and told of without it, or refused where all are required."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import NEEDED, REQUIRED

PROJECT = Path(__file__).resolve().parents[1]
PLACES = {"chromium": ("tests/browser", "clicking"), "redis-server": ("tests/deploy", "running")}


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_program_is_said(monkeypatch: pytest.MonkeyPatch, name: str, *, required: bool) -> None:
    variable, meaning, package = NEEDED[name]
    directory, module = PLACES[name]
    monkeypatch.setenv(variable, "/nowhere/program")
    monkeypatch.setenv(REQUIRED, "1" if required else "")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", directory, "tests/wire"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert meaning in said
    assert f"apt-get install {package}" in said
    assert f"test_{module}" not in said
    assert done.returncode == (4 if required else 0), said


def test_ci_installs_and_requires_them() -> None:
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    for name, (_, _, package) in NEEDED.items():
        assert f"command -v {name} >/dev/null || missing+=({package})" in script
    assert f"export {REQUIRED}=1\nexec make test" in script
