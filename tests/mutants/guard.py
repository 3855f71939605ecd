"""What a guard is, and a copy of the project in which one can be taken away."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600
"""How long the tests of one guard may take; one that hangs without its guard has not failed as it should."""

WRONG_REASONS = ("ImportError", "ModuleNotFoundError", "NameError", "SyntaxError", "IndentationError")


@dataclass(frozen=True, slots=True)
class Guard:
    """A piece of code that keeps something from going wrong.

    Attributes:
        name: What it is, in a few words.
        file: Where it is, from the root of the project.
        code: The fragment that is replaced; it occurs once in the file.
        without: What stands there when the guard is gone.
        why: What goes wrong then.
        tests: Test functions (`tests/x/test_y.py::test_z`); at least one must fail without the guard.
    """

    name: str
    file: str
    code: str
    without: str
    why: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the tests made of a guard's absence.

    Attributes:
        missed_by: The first test that failed; None when the guard is not missed as it should be.
        problem: Why not; empty when it is.
        seconds: How long its tests ran.
    """

    missed_by: str | None
    problem: str = ""
    seconds: float = 0.0


class Copy:
    """A copy of the tracked files, whose tests run the copy's own code.

    Args:
        directory: Where; it is made, and must not be there yet.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in listed.decode().split("\0"):
            source, target = ROOT / name, directory / name
            if name and source.is_file():  # a tracked file may just have been deleted
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        # Tests that start Airflow set PYTHONPATH anew, to `config`: its processes must find the copy as well.
        (directory / "config" / "sitecustomize.py").write_text(
            f"import sys\n\nsys.path[:0] = {self._path!r}\n", encoding="utf-8"
        )
        self._insist_on_own_code()

    @property
    def _path(self) -> list[str]:
        """Where the copy's packages are."""
        return [str(self.directory), str(self.directory / "plugins")]

    def without(self, guard: Guard) -> Seen:
        """Take a guard away, run its tests until one fails, and put it back."""
        file = self.directory / guard.file
        whole = file.read_text(encoding="utf-8")
        if whole.count(guard.code) != 1:
            return Seen(None, f"the fragment occurs {whole.count(guard.code)} times in {guard.file}")
        file.write_text(whole.replace(guard.code, guard.without), encoding="utf-8")
        begun = time.monotonic()
        try:
            seen = self._judge(self.run(guard.tests, "-x"))
            return replace(seen, seconds=time.monotonic() - begun)
        except subprocess.TimeoutExpired:
            return Seen(None, f"the tests did not end within {SECONDS} seconds")
        finally:
            file.write_text(whole, encoding="utf-8")

    def run(self, tests: tuple[str, ...], *options: str, seconds: int = SECONDS) -> subprocess.CompletedProcess[str]:
        """Run tests of the copy."""
        command = [sys.executable, "-B", "-m", "pytest", "-q", "--tb=line", "-rfE", "-p", "no:cacheprovider", "-p"]
        return self._call([*command, "no:xdist", *options, *tests], seconds)

    def _judge(self, done: subprocess.CompletedProcess[str]) -> Seen:
        """Tell a test that failed from one that could not run."""
        failed = re.search(r"^FAILED (\S+?)(?:\[.*?\])?(?: - (.*))?$", done.stdout, re.MULTILINE)
        if done.returncode == 0:
            return Seen(None, "no test misses it")
        if done.returncode != 1 or failed is None:
            last = done.stdout.strip().splitlines()[-1:] or done.stderr.strip().splitlines()[-1:]
            return Seen(None, f"the tests could not run: {' '.join(last)}")
        if (failed[2] or "").startswith(WRONG_REASONS):
            return Seen(None, f"the tests failed for another reason: {failed[2]}")
        return Seen(failed[1])

    def _insist_on_own_code(self) -> None:
        """Make sure that it is not the project itself that is imported.

        Raises:
            RuntimeError: A package is found elsewhere.
        """
        found = self._call(
            [sys.executable, "-B", "-c", "import include, minox_qms, sandbox as s; print(include, minox_qms, s)"], 60
        )
        if found.stdout.count(str(self.directory)) != 3:
            raise RuntimeError(f"The copy's tests would not run the copy's code: {found.stdout or found.stderr}")

    def _call(self, command: list[str], seconds: int) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "MINOX_QMS_"))}
        environment = {**kept, "PYTHONPATH": os.pathsep.join(self._path)}
        environment.pop("AIRFLOW_HOME", None)  # the tests make one of their own
        return subprocess.run(
            command,
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
