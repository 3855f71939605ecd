"""People at a browser: logged in to Airflow, on a desktop or a phone, in light or dark."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from tests.programs import missing, program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Playwright, Request

    from demo.places import Places

DESKTOP, PHONE = (1280, 860), (390, 844)


@dataclass
class Browsing:
    """A browser at the demo.

    Attributes:
        places: Addresses of the demo.
        browser: Headless Chromium.
        foreign: Addresses of other machines that were asked for something.
        errors: What went wrong in scripts, and requests of our page that the server could not answer.
    """

    places: Places
    browser: Browser
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def sync(self) -> str:
        """Address of the Sync page of the demo's link."""
        return f"{self.places.airflow}/minox-qms/links/demo"

    def log_in(self, name: str, size: tuple[int, int] = DESKTOP, scheme: Literal["light", "dark"] = "light") -> Page:
        """Open a window of its own, and log in by Airflow's own form.

        Args:
            name: User, and password.
            size: Of the window, in pixels.
            scheme: What the system prefers.

        Returns:
            The window, at Airflow's first page.
        """
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale="en-GB"
        )
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("request", self._seen)
        page.on("pageerror", lambda error: self.errors.append(f"{page.url}: {error}"))
        page.goto(self.places.airflow)
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", name)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "login" not in url)
        return page

    def _seen(self, request: Request) -> None:
        """Keep what was asked of other machines."""
        if urlsplit(request.url).hostname not in {"127.0.0.1", None}:
            self.foreign.append(request.url)


@contextmanager
def browsing(places: Places, playwright: Playwright | None = None) -> Iterator[Browsing]:
    """Start the browser.

    Args:
        places: Addresses of the demo.
        playwright: The driver; one is started when left out, of which a process has no more than one.

    Raises:
        FileNotFoundError: There is no Chromium.
    """
    path = program("chromium")
    if path is None:
        raise FileNotFoundError("\n".join(missing()))
    with sync_playwright() if playwright is None else nullcontext(playwright) as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield Browsing(places, browser)
        finally:
            browser.close()
