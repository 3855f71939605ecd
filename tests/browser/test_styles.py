"""What the style sheet does to a list, on a phone and on a desktop, without a demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import minox_qms.page
from tests.browser.people import DESKTOP, PHONE
from tests.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Playwright

pytestmark = pytest.mark.browser

STYLES = Path(minox_qms.page.__file__).parent / "static" / "sync.css"
COLUMNS = 16
LIST = f"""
<main><div class="scroll card"><table class="stack">
<thead><tr>{"<th>Reden</th>" * COLUMNS}</tr></thead>
<tbody><tr><th scope="row" class="whole"><a href="#">F2026-0001</a></th>
<td class="whole">2026-03-01</td><td><time>2026-03-01 10:00</time></td>
<td data-label="Zou schrijven"><details open><summary>1 121.00</summary><div class="scroll"><table class="inner">
<tbody><tr>{"<td>1 121.00</td>" * 12}</tr></tbody></table></div></details></td>
{"<td>Debiteurennummer ontbreekt, en de regels wijken meer dan een afronding af van de totalen.</td>" * (COLUMNS - 4)}
</tr></tbody></table></div></main>
"""


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    started = playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
    yield started
    started.close()


def _list(browser: Browser, size: tuple[int, int]) -> Page:
    """A list of many columns in a window of this size."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.set_content(LIST)
    page.add_style_tag(path=STYLES)
    return page


def test_on_a_phone_the_heads_of_columns_cover_nothing(browser: Browser) -> None:
    page = _list(browser, PHONE)
    page.locator("tbody a").click(timeout=2000)  # what lies over it would take the click
    seen = "document.querySelector('thead').contains(document.elementFromPoint(x, y))"
    step = range(2, PHONE[0], 20)
    assert not [(x, y) for x in step for y in step if page.evaluate(f"([x, y]) => {seen}", [x, y])]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.close()


def test_on_a_phone_a_table_within_a_list_stays_one(browser: Browser) -> None:
    page = _list(browser, PHONE)
    tops = {cell.bounding_box()["y"] for cell in page.locator("table.inner td").all()}  # type: ignore[index]
    assert len(tops) == 1
    assert page.evaluate("document.querySelector('table.stack').offsetWidth") < PHONE[0]
    page.close()


def test_on_a_desktop_numbers_and_dates_stay_whole(browser: Browser) -> None:
    page = _list(browser, DESKTOP)
    for element in page.locator("tbody th a, tbody .whole, tbody time").all():
        lines = element.evaluate(
            "node => { const range = document.createRange(); range.selectNodeContents(node);"
            " return new Set([...range.getClientRects()].map(one => Math.round(one.top))).size }"
        )
        assert lines == 1, element.inner_text()
    page.close()
