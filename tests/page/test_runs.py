"""Runs on the page: what they were to do, did, and took; and dry runs, which did nothing."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from include.storage.outcomes import Outcome, finish_entity, note_extracted, note_outcomes
from include.storage.previews import note_previews
from include.storage.queries import previews
from include.storage.runs import Run, close_run, open_run
from include.storage.tables import sync_run
from minox_qms.page.rendering import planned
from tests.page.records import EVIL, LINK, put_invoice

if TYPE_CHECKING:
    from tests.page.conftest import Site, Visitor

ENTRY = (
    '[{"account":{"id":"10001"},"debit":1121.00,"vat":{"amount":0.00},"description":"Factuur F2026-9301"},'
    '{"account":{"id":"8000"},"credit":926.45,"vat":{"amount":194.55},"cost_center":{"id":"7"}}]'
)


def _run(site: Site, direction: str, *, dry_run: bool = False) -> Run:
    return open_run(
        site.database, link=LINK, direction=direction, dag_id=f"{direction}__{LINK}", run_id=f"manual__{uuid.uuid4()}",
        plan={"start": "2026-07-01T08:00:00+00:00", "end": "2026-07-01T08:15:00+00:00", "from_date": "2026-01-01"},
        dry_run=dry_run,
    )  # fmt: skip


def _dry_run(site: Site, entity: str, found: list[tuple[Outcome, Any]]) -> Run:
    """A dry run that has finished."""
    run = _run(site, "qms_to_minox" if entity == "invoices" else "minox_to_qms", dry_run=True)
    with site.database.begin() as connection:
        note_extracted(connection, run, entity, len(found), dt.datetime.now(dt.UTC))
        rows = [(place, outcome, details) for place, (outcome, details) in enumerate(found)]
        note_previews(connection, run, entity, rows)
    close_run(site.database, run, good=True)
    return run


def test_a_run_says_what_it_was_to_do_and_what_it_took(site: Site, admin: Visitor) -> None:
    put_invoice(site.database, 9302, "booked", "booked", invoice_number="F2026-9302")
    run = _run(site, "qms_to_minox")
    with site.database.begin() as connection:
        note_extracted(connection, run, "invoices", 1, dt.datetime.now(dt.UTC))
        note_outcomes(connection, run, "invoices", [Outcome("9302", "booked")])
        finish_entity(connection, run, "invoices", [], state="good")
    close_run(site.database, run, good=True)
    took = {name: {"requests": {f"GET {name}": 1}, "waited_seconds": 2.385} for name in ("minox", "qms")}
    with site.database.begin() as connection:
        figures = {"book": {"seconds": 1, **took}}
        connection.execute(sa.update(sync_run).where(sync_run.c.id == run.id).values(figures=figures))
    text = admin.page(f"/links/{LINK}/runs/{run.id}?lang=nl")
    assert "2.385 s</span><br>QMS: 1" in text
    plan = re.findall(r"<dt>([^<]*)</dt><dd>(2026-[^<]*)</dd>", text)
    assert plan == [
        ("Tijdvak vanaf", "2026-07-01 10:00"), ("Tijdvak tot", "2026-07-01 10:15"),
        ("Factuurdatum vanaf", "2026-01-01"),
    ]  # fmt: skip
    assert f'<a href="/minox-qms/links/{LINK}/invoices/9302">F2026-9302</a>' in text
    for key in ("F2026-9302", "f2026-9302", "9302"):
        text = admin.page(f"/links/{LINK}/records?key={key}")
        assert re.findall(r'/invoices/(\d+)">([^<]*)</a></th>', text) == [("9302", "F2026-9302")], key


def test_a_dry_run_says_what_a_run_would_do(site: Site, admin: Visitor) -> None:
    put_invoice(site.database, 9303, "rejected", "rejected", invoice_number="F2026-9303")
    invoices = _dry_run(
        site,
        "invoices",
        [
            (Outcome("9301", "would_book"), {"invoice_number": "F2026-9301", "total": "1121.00", "entry": ENTRY}),
            (Outcome("9303", "rejected", "unbalanced", EVIL), {"invoice_number": "F2026-9303"}),
        ],
    )
    text = admin.page(f"/links/{LINK}/runs/{invoices.id}")
    assert "A dry run: nothing was written." in text
    assert ("being handled" in text, "looked at" in text) == (False, True)
    assert "<b>1</b> would be booked" in text
    assert re.search(r'<th scope="row" class="whole">F2026-9301</th>', text)  # no page knows it yet
    assert "/invoices/9303" in text
    for said in ("Factuur F2026-9301", "194.55", "cost centre 7", "1\u202f121.00"):
        assert said in text
    only = admin.page(f"/links/{LINK}/runs/{invoices.id}?outcome=rejected")
    assert ("F2026-9303" in only, "F2026-9301" in only) == (True, False)
    changes = {"Name": ["Oud", EVIL]}
    found = [(Outcome("1", "updated"), changes), (Outcome("2", "unchanged"), None)]
    text = admin.page(f"/links/{LINK}/runs/{_dry_run(site, 'customers', found).id}")
    for said in ("<b>1</b> updated", "<b>1</b> unchanged", "Changes: 1", '<td class="before">Oud</td>'):
        assert said in text
    assert "<script>alert" not in text


@pytest.mark.parametrize(("good", "shown"), [(True, "looked at"), (False, "not finished")])
def test_what_has_finished_is_not_being_handled(site: Site, admin: Visitor, good: bool, shown: str) -> None:
    run = _run(site, "qms_to_minox", dry_run=True)
    with site.database.begin() as connection:
        note_extracted(connection, run, "invoices", 0, dt.datetime.now(dt.UTC))
    assert "being handled" in admin.page(f"/links/{LINK}/runs/{run.id}")
    close_run(site.database, run, good=good)
    text = admin.page(f"/links/{LINK}/runs/{run.id}")
    assert ("being handled" in text, shown in text) == (False, True)
    assert "There are none, or newer dry runs took their place." in text


def test_what_a_dry_run_found_comes_in_pages(site: Site) -> None:
    run = _dry_run(site, "items", [(Outcome(f"A{number}", "created"), {}) for number in range(5)])
    with site.database.connect() as connection:
        first = previews(connection, run.id, limit=3)
        rest = previews(connection, run.id, limit=3, after=first.after)
        assert previews(connection, run.id, outcome="rejected").rows == ()
    assert [row.source_key for row in (*first.rows, *rest.rows)] == [f"A{number}" for number in range(5)]
    assert rest.after is None


def test_plans_are_written_for_people() -> None:
    assert planned("2026-01-01T08:00:00+00:00") == "2026-01-01 09:00"
    missed = [["2026-01-01T08:00:00+00:00", "2026-01-01T08:15:00+00:00"]]
    assert planned(missed) == "2026-01-01 09:00 \u2013 2026-01-01 09:15"
    assert (planned("2026-01-01"), planned([3, 4]), planned(EVIL)) == ("2026-01-01", "3; 4", EVIL)
