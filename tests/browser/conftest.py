"""A demo that is up, and a browser that has logged in to it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.people import Browsing, browsing
from tests.demo.test_demo import Demo, call
from tests.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, Playwright

collect_ignore_glob = [] if program("chromium") else ["test_*.py"]


@pytest.fixture(scope="session")
def demo_up() -> Iterator[Demo]:
    """Both directions over the sandbox in a real Airflow, done and up."""
    home = Path(tempfile.mkdtemp(prefix="minox-qms-browser-"))
    try:
        demo = Demo.start(home)
        assert demo.code == 0, demo.output
        yield demo
    finally:
        call("down", "--home", str(home))
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The one driver of this process."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def people(demo_up: Demo, playwright: Playwright) -> Iterator[Browsing]:
    """Opens browsers for people who log in to the demo."""
    expect.set_options(timeout=20_000)
    with browsing(demo_up.places, playwright) as made:
        yield made


@pytest.fixture
def admin(people: Browsing) -> Iterator[Page]:
    """A desktop browser of `admin`; it asks nobody else for anything, and no script of our page fails."""
    page = people.log_in("admin")
    yield page
    page.context.close()
    assert people.foreign == []
    assert people.errors == []
