"""Take the screenshots of the documentation: `python -m tests.browser.screenshots [HOME]`.

Without the home of a demo that is up, one is started and ended again.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from demo.places import PROJECT, Places
from tests.browser.people import DESKTOP, PHONE, browsing
from tests.demo.test_demo import Demo, call

if TYPE_CHECKING:
    from tests.browser.people import Browsing

FOLDER = PROJECT / "docs" / "screenshots"
SMALL = (1100, 760)
SHOTS = {
    "overview": ("", SMALL, "light"),
    "invoices": ("/invoices", SMALL, "light"),
    "invoice": ("/invoices/9010", SMALL, "light"),
    "rejections": ("/rejections", SMALL, "dark"),
    "record": ("/record?entity=customers&key=10022", SMALL, "light"),
    "connections": ("/connections", SMALL, "light"),
    "phone": ("/invoices/9395?lang=nl", PHONE, "dark"),
}
"""Path, size and colours of each, by the name of its file."""


def take(people: Browsing) -> None:
    """Take all screenshots; texts of other languages and times are those of the demo."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (path, size, scheme) in SHOTS.items():
        page = people.log_in("admin", size, "dark" if scheme == "dark" else "light")
        page.goto(people.sync + path)
        page.screenshot(path=FOLDER / f"{name}.png")
        page.context.close()
    page = people.log_in("admin", DESKTOP)
    page.goto(f"{people.places.airflow}/dags/qms_invoices__demo/plugin/minox-qms-dag")
    page.frame_locator("iframe[title=Sync]").get_by_role("heading", level=1).wait_for()
    page.wait_for_timeout(2000)  # Airflow draws its own grid meanwhile
    page.screenshot(path=FOLDER / "in-airflow.png")
    page.context.close()


def main() -> None:
    """Take them of the demo that is named, or of one of its own."""
    if len(sys.argv) > 1:
        with browsing(Places(Path(sys.argv[1])).as_started()) as people:
            take(people)
        return
    home = Path(tempfile.mkdtemp(prefix="minox-qms-screenshots-"))
    try:
        with browsing(Demo.start(home).places) as people:
            take(people)
    finally:
        call("down", "--home", str(home))
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
