"""A demo that is up, and a browser that has logged in to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.people import Browsing, browsing
from tests.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, Playwright

    from tests.demo.test_demo import Demo

collect_ignore_glob = [] if program("chromium") else ["test_*.py"]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The one driver of this process."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def people(demo: Demo, playwright: Playwright) -> Iterator[Browsing]:
    """Opens browsers for people who log in to the demo."""
    assert demo.code == 0, demo.output
    expect.set_options(timeout=20_000)
    with browsing(demo.places, playwright) as made:
        yield made


@pytest.fixture
def admin(people: Browsing) -> Iterator[Page]:
    """A desktop browser of `admin`; it asks nobody else for anything, and no script of our page fails."""
    page = people.log_in("admin")
    yield page
    page.context.close()
    assert people.foreign == []
    assert people.errors == []
