"""Programs of the machine that some tests need: Chromium, and a Redis server. None is downloaded.

`make test` runs those tests with what it finds, and says at its end what was missing; CI requires them all.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

REQUIRED = "MINOX_QMS_REQUIRE_PROGRAMS"
NEEDED = {
    "chromium": ("CHROMIUM", "There is no Chromium, so the tests in a browser did not run.", "chromium"),
    "redis-server": ("REDIS_SERVER", "There is no Redis, so the deployment was not started.", "redis-server"),
}
"""Variable that names another one, what its absence means, and Debian's package; by program."""


def program(name: str) -> str | None:
    """Path of a program: the one that its variable names, else Debian's.

    Args:
        name: As in `NEEDED`.

    Returns:
        The path; None when there is none.
    """
    return shutil.which(os.environ.get(NEEDED[name][0]) or name)


def missing() -> list[str]:
    """What is to be said about each program that is not there."""
    return [
        f"{meaning} On Debian: apt-get install {package}; elsewhere, name one in the variable {variable}."
        for name, (variable, meaning, package) in NEEDED.items()
        if program(name) is None
    ]


def pytest_configure() -> None:
    """End at once where the programs are required and one is missing."""
    if os.environ.get(REQUIRED) and missing():
        raise pytest.UsageError("\n".join(missing()))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say at the end which program was missing."""
    for line in missing():
        terminalreporter.write_line(line, yellow=True)
