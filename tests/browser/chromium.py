"""The Chromium that the tests in a browser use: the one of the machine; none is downloaded."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

REQUIRED = "MINOX_QMS_REQUIRE_BROWSER"
HINT = (
    "There is no Chromium, so the tests in a browser did not run. On Debian: apt-get install chromium; elsewhere, name "
    "one in the variable CHROMIUM."
)


def chromium() -> str | None:
    """Path of the browser: `CHROMIUM`, else Debian's `chromium`; None when there is none."""
    return shutil.which(os.environ.get("CHROMIUM") or "chromium")


def pytest_configure() -> None:
    """End at once where the tests in a browser are required and cannot run."""
    if chromium() is None and os.environ.get(REQUIRED):
        raise pytest.UsageError(HINT)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say at the end that there was no browser."""
    if chromium() is None:
        terminalreporter.write_line(HINT, yellow=True)
