from __future__ import annotations

import pytest

from tests.sandbox.support import Sandbox


@pytest.fixture
def minox() -> Sandbox:
    return Sandbox("minox")


@pytest.fixture
def qms() -> Sandbox:
    return Sandbox("qms")
