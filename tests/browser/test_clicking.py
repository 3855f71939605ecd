"""What people do, click by click: a run over dates, a backfill, a rejection solved, an invoice's story, Connect."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.people import PHONE

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page

    from tests.browser.people import Browsing

pytestmark = pytest.mark.browser

DAG = "qms_invoices__demo"
LONG = 240_000
PAGES = (
    "", "/invoices", "/invoices/9010", "/invoices/9395", "/rejections", "/records", "/changes", "/runs", "/runs/2",
    "/checks", "/reconciliation", "/settings", "/connections", "/record?entity=customers&key=10022",
)  # fmt: skip


def _frame(page: Page) -> FrameLocator:
    """The Sync page as Airflow shows it."""
    return page.frame_locator("iframe[title=Sync]")


def _trigger(page: Page, people: Browsing) -> None:
    page.goto(f"{people.places.airflow}/dags/{DAG}")
    page.get_by_role("button", name="Trigger").first.click()


def _newest_run(page: Page, people: Browsing) -> str:
    page.goto(f"{people.sync}/runs?direction=qms_to_minox")
    return page.locator("tbody tr").first.inner_text()


def _wait_for_new_run(page: Page, people: Browsing, before: str, times: int = 1) -> None:
    """Wait on the page of runs until there are new runs, and the newest is good."""
    number = int(before.split(maxsplit=1)[0])
    row = page.locator("tbody tr").first
    for _ in range(LONG // 2000):
        page.goto(f"{people.sync}/runs?direction=qms_to_minox")
        text = row.inner_text().split()
        if int(text[0]) >= number + times and "good" in text:
            return
        page.wait_for_timeout(2000)
    raise AssertionError(row.inner_text())


def test_the_page_is_in_the_navigation(admin: Page, people: Browsing) -> None:
    admin.get_by_role("link", name="Sync").click()
    frame = _frame(admin)
    expect(frame.get_by_role("heading", name="Links")).to_be_visible()
    frame.get_by_role("link", name="demo").first.click()
    expect(frame.get_by_role("heading", name="demo", exact=True)).to_be_visible()
    expect(frame.locator("figure.chart svg")).to_have_count(6)
    frame.get_by_role("link", name="Airflow's run").first.click()  # out of the frame
    admin.wait_for_url(re.compile(r"/dags/minox_master_data__demo/runs/"))
    admin.goto(f"{people.places.airflow}/dags/{DAG}")
    admin.get_by_role("link", name="Sync").last.click()  # the DAG's own tab
    expect(_frame(admin).get_by_role("heading", name="demo", exact=True)).to_be_visible()


def test_a_run_over_a_range_of_dates(admin: Page, people: Browsing) -> None:
    before = _newest_run(admin, people)
    _trigger(admin, people)
    admin.fill("input[name=element_from_date]", "2026-01-01")
    admin.fill("input[name=element_to_date]", "2026-02-28")
    admin.locator("[data-testid=trigger-dag-submit]").click()
    _wait_for_new_run(admin, people, before)
    admin.locator("tbody tr a").first.click()
    expect(admin.locator("main")).to_contain_text("2026-01-01")
    expect(admin.locator("main")).to_contain_text("2026-02-28")
    admin.get_by_role("link", name="Airflow's run").click()
    admin.wait_for_url(re.compile(rf"/dags/{DAG}/runs/"))
    admin.get_by_role("link", name="Sync").last.click()  # the run's own tab leads back
    expect(_frame(admin).get_by_role("heading", name=re.compile(r"^Run \d+"))).to_be_visible()


def test_a_backfill(admin: Page, people: Browsing) -> None:
    before = _newest_run(admin, people)
    _trigger(admin, people)
    admin.locator('label[for$=":radio:input:backfill"]').click()
    day = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=2)
    for time in ("09:00", "09:15"):
        admin.locator("[aria-modal=true]").get_by_text("Select date and time").first.click()
        admin.locator("[data-state=open] input[placeholder='YYYY/MM/DD']").fill(f"{day:%Y/%m/%d}")
        admin.locator("[data-state=open] input[placeholder='HH:mm']").fill(time)
        admin.keyboard.press("Enter")
        admin.keyboard.press("Escape")
    admin.get_by_role("button", name="Run Backfill").click()
    _wait_for_new_run(admin, people, before, times=2)
    expect(admin.locator("tbody tr").nth(1)).to_contain_text("good")


def test_a_rejection_is_offered_again_and_solved(admin: Page, people: Browsing) -> None:
    admin.goto(f"{people.sync}/rejections?entity=invoices&reason=refused_by_minox")
    card = admin.locator("article", has_text="Rekening 8999 bestaat niet")
    expect(card).to_contain_text("Minox refused the entry")
    account = {"id": 8999, "description": "Nieuwe rekening", "type": "profit_loss", "blocked": False}
    added = requests.post(
        f"{people.places.minox}/_sandbox/rows", json={"entity": "ledger_account", "add": [account]}, timeout=10
    )
    added.raise_for_status()
    card.get_by_label("Why").fill("account 8999 is there now")
    card.get_by_role("button", name="Offer again").click()
    admin.wait_for_url(re.compile(r"/invoices/9398\?done=reoffer"))
    expect(admin.get_by_role("status")).to_contain_text("The next run takes it up.")
    expect(admin.locator("main")).to_contain_text("account 8999 is there now")
    before = _newest_run(admin, people)
    _trigger(admin, people)
    admin.locator("[data-testid=trigger-dag-submit]").click()
    _wait_for_new_run(admin, people, before)
    admin.goto(f"{people.sync}/invoices/9398")
    expect(admin.get_by_role("heading", level=1)).to_contain_text("booked")
    admin.goto(f"{people.sync}/rejections?entity=invoices&solved=true")
    expect(admin.locator("article", has_text="Rekening 8999 bestaat niet")).to_contain_text("solved")


def test_an_invoice_is_found_and_tells_its_story(admin: Page, people: Browsing) -> None:
    admin.goto(people.sync)
    admin.get_by_role("link", name="Invoices", exact=True).first.click()
    admin.get_by_label("Number (or its beginning)").fill("F2026-0010")
    admin.get_by_role("button", name="Search").click()
    admin.get_by_role("link", name="F2026-0010", exact=True).click()
    main = admin.locator("main")
    totals = main.locator("tfoot td").all_inner_texts()
    assert totals[0] == totals[1] != ""
    for text in ("In QMS", "In Minox", "Entry as sent last", "Rounding", "entry sent", "Geboekt in Minox"):
        expect(main).to_contain_text(text)
    admin.get_by_role("link", name="Nederlands").click()
    expect(admin.get_by_role("heading", level=1)).to_contain_text("geboekt")
    admin.get_by_role("link", name="log van de taak").first.click()
    admin.wait_for_url(re.compile(rf"/dags/{DAG}/runs/.*/tasks/book"))


@pytest.mark.parametrize("system", ["Minox", "QMS"])
def test_connect(admin: Page, people: Browsing, system: str) -> None:
    admin.get_by_role("link", name="Sync").click()
    frame = _frame(admin)
    frame.get_by_role("link", name="demo").first.click()
    frame.get_by_role("link", name="Connections").first.click()
    frame.get_by_role("link", name=f"Connect {system}").click()
    admin.wait_for_url(f"{people.sync}/connections")
    admin.get_by_role("button", name=f"Connect {system}").click()
    admin.get_by_role("button", name="Toestaan").click()  # the other system's own page
    expect(admin.get_by_role("status")).to_contain_text(f"{system} is connected.")
    assert admin.url == f"{people.sync}/connections?connected={system.lower()}"
    expect(admin.locator("section", has_text=f"{system} good")).to_contain_text("Last connected by")


def test_a_viewer_may_look_and_not_touch(people: Browsing) -> None:
    page = people.log_in("eva")
    for path in PAGES:
        page.goto(people.sync + path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator("form[method=post]")).to_have_count(0)
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone(people: Browsing, scheme: str) -> None:
    page = people.log_in("admin", PHONE, "dark" if scheme == "dark" else "light")
    grounds = set()
    for path in PAGES:
        page.goto(people.sync + path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], path
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == {"rgb(17, 21, 28)" if scheme == "dark" else "rgb(246, 247, 249)"}
    page.evaluate("localStorage.setItem('theme', 'light')")  # as Airflow's own switch does
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 249)"
    page.context.close()
    assert people.errors == []


def test_the_page_is_used_by_keyboard(admin: Page, people: Browsing) -> None:
    admin.goto(f"{people.sync}/invoices")
    admin.keyboard.press("Tab")
    expect(admin.get_by_role("link", name="Skip to the content")).to_be_focused()
    admin.keyboard.press("Enter")
    admin.keyboard.press("Tab")
    expect(admin.get_by_label("Number (or its beginning)")).to_be_focused()
    admin.keyboard.type("F2026-0012")
    admin.keyboard.press("Enter")
    expect(admin.locator("tbody tr")).to_have_count(1)
    for element in admin.locator("a:visible, button:visible, input:visible, select:visible").all():
        assert element.evaluate("node => node.tabIndex") == 0
