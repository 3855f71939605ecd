"""No query gets slower because a link has been at work for years: none reads more than a few rows of what grows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from include.settings.load import load_link
from include.storage import history, incidents, invoice_search, outbox, overview, queries, stories, trend, watch
from include.storage.actions import count_refused, reoffer_refused_invoices, reoffer_refused_records
from include.storage.retention import Cleaning, clean
from include.storage.runs import Run
from minox_qms.alerts.watcher import watch as look
from tests.e2e.booking_world import BookingWorld, invoice
from tests.scale.history import DAYS, fill
from tests.scale.plans import GROWING, Read, reads, statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINK = "test"
MOST = 4_000
"""Rows of a growing table that one statement may read. A fortnight of a link's runs is 1,456; two years are 76,000."""

OF_A_FORTNIGHT = 10_000
"""The same for the chart of fourteen days, which reads the entities of all runs in them."""

BOUNDED_OTHERWISE = {"the latest checks": 15_000}
"""The results of the last hundred runs of each direction are kept, and all of them looked at."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory, database: sa.Engine) -> Iterator[BookingWorld]:
    """A world whose link has run for two years, beside younger links."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = BookingWorld(tmp_path_factory.mktemp("world"), database, monkeypatch)
        fill(database, {LINK: DAYS, "young": 60, "younger": 60})
        with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
            # as on any disk without moving parts; else plans of a small database are not those of a large one
            connection.execute(sa.text(f"ALTER DATABASE {database.url.database} SET random_page_cost = 1.1"))
        database.dispose()
        try:
            yield world
        finally:
            world.stop()


def too_much(found: list[Read], most: float = MOST) -> str:
    """Say which statements read more than they may; empty when none does."""
    bad = [one for one in found if one.rows > most]
    return "\n\n".join(f"{one.table}: {one.node} of {one.rows:.0f} rows\n{one.statement}" for one in bad)


def test_the_history_is_long_enough_to_see_it(old: BookingWorld) -> None:
    """A test of plans that finds its tables nearly empty could not fail."""
    small = {"staging_preview", "key_set", "check_result", "reconciliation_finding", "daily_sweep", "binding"}
    for table in GROWING:
        if not table.startswith("staging_") and table not in small:
            assert old.scalar(f"SELECT count(*) FROM {table}") > MOST, table  # noqa: S608 - names of tables
    assert old.scalar("SELECT count(*) FROM sync_run WHERE link = :link", link=LINK) > 75_000


def test_a_run_reads_little_of_what_was(old: BookingWorld) -> None:
    old.add(invoice(1), invoice(2))
    with statements() as sent:
        ran = [old.run_master_data(), old.run_master_data(), old.run_master_data(dry_run=True)]
        ran += [old.run_invoices(), old.run_invoices(interval=("2026-03-02T09:00:00Z", "2026-03-02T11:00:00Z"))]
        ran += [old.run_reconciliation(dates=("2026-03-01", "2026-03-31"))]
    assert [one.dag_id for one in ran if not one.is_good and not one.dag_id.startswith("reconcile")] == []
    assert len(sent) > 100
    assert too_much(reads(old.database, sent)) == ""


def test_the_watcher_reads_little(old: BookingWorld) -> None:
    with statements() as sent:
        look(old.database)
    assert sent
    assert too_much(reads(old.database, sent)) == ""


NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


def _run(connection: sa.Connection) -> queries.RunRow:
    return queries.runs(connection, LINK, "minox_to_qms", limit=1).rows[0]


QUESTIONS: dict[str, Callable[[sa.Connection], object]] = {
    "the last runs": lambda c: queries.runs(c, LINK, "qms_to_minox"),
    "runs long ago": lambda c: queries.runs(c, LINK, "qms_to_minox", after=_mark(c)),
    "a run by its name": lambda c: queries.run_named(c, LINK, "scheduled__900"),
    "a run by its number": lambda c: queries.run_named(c, LINK, "900"),
    "what became of a run": lambda c: overview.entities_of(c, _run(c)),
    "current outcomes": lambda c: queries.current_outcomes(c, LINK, queries.Filter()),
    "current outcomes, rejected": lambda c: queries.current_outcomes(c, LINK, queries.Filter(outcome="rejected")),
    "current outcomes of a run": lambda c: queries.current_outcomes(
        c, LINK, queries.Filter(entity="customers", run=_run(c).id)
    ),
    "current outcome of one": lambda c: queries.current_outcomes(
        c, LINK, queries.Filter(entity="invoices", key="1000005")
    ),
    "past outcomes": lambda c: queries.past_outcomes(c, LINK, queries.Filter()),
    "past outcomes of one": lambda c: queries.past_outcomes(c, LINK, queries.Filter(entity="invoices", key="1")),
    "past outcomes of an entity": lambda c: queries.past_outcomes(c, LINK, queries.Filter(entity="customers")),
    "past outcomes of a run": lambda c: queries.past_outcomes(c, LINK, queries.Filter(run=_run(c).id)),
    "past outcomes since": lambda c: queries.past_outcomes(c, LINK, queries.Filter(since=NOW - DAY)),
    "rejections": lambda c: queries.rejections(c, LINK),
    "solved rejections": lambda c: queries.rejections(c, LINK, solved=True),
    "solved rejections of an entity": lambda c: queries.rejections(c, LINK, solved=True, entity="invoices"),
    "rejection of one": lambda c: queries.rejections(c, LINK, entity="invoices", key="5", solved=True),
    "changes": lambda c: queries.changes(c, LINK),
    "changes of one": lambda c: queries.changes(c, LINK, entity="customers", key="5"),
    "changes since": lambda c: queries.changes(c, LINK, since=NOW - DAY),
    "changes of a run": lambda c: queries.changes(c, LINK, run=_run(c)),
    "the latest checks": lambda c: queries.latest_checks(c, LINK),
    "an invoice's story": lambda c: stories.invoice_story(c, LINK, "H77"),
    "an invoice": lambda c: invoice_search.search_invoices(c, LINK, invoice_search.InvoiceFilter(number="H77")),
    "invoices": lambda c: invoice_search.search_invoices(c, LINK, invoice_search.InvoiceFilter()),
    "a debtor's invoices": lambda c: invoice_search.search_invoices(c, LINK, invoice_search.InvoiceFilter(customer=5)),
    "invoices of a week": lambda c: invoice_search.search_invoices(
        c, LINK, invoice_search.InvoiceFilter(from_date=NOW.date() - 7 * DAY, to_date=NOW.date())
    ),
    "open invoices": lambda c: invoice_search.search_invoices(c, LINK, invoice_search.InvoiceFilter(is_open=True)),
    "excluded invoices": lambda c: invoice_search.search_invoices(
        c, LINK, invoice_search.InvoiceFilter(outcome="excluded")
    ),
    "what was refused": lambda c: count_refused(c, LINK),
    "a staged record": lambda c: stories.latest_staged(c, LINK, "customers", "H5"),
    "open incidents": incidents.open_incidents,
    "the watcher's look": lambda c: watch.see_direction(c, LINK, "qms_to_minox", since=NOW, now=NOW),
}


def _mark(connection: sa.Connection) -> str | None:
    """The mark of a page in the middle of the list."""
    middle = connection.scalar(sa.text("SELECT min(id) + 30000 FROM sync_run WHERE link = :link"), {"link": LINK})
    return queries._page([0, 1], 1, lambda _: [middle]).after


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_reads_little(question: str, old: BookingWorld) -> None:
    with statements() as sent, old.database.connect() as connection:
        QUESTIONS[question](connection)
    assert sent
    assert too_much(reads(old.database, sent), BOUNDED_OTHERWISE.get(question, MOST)) == ""


def test_the_page_of_a_link_reads_little(old: BookingWorld) -> None:
    settings = load_link(old.directory / f"{LINK}.yaml")
    with statements() as sent, old.database.connect() as connection:
        overview.link_status(connection, settings)
        trend.trend(connection, LINK, NOW.date())
    found = reads(old.database, sent)
    assert too_much(found, OF_A_FORTNIGHT) == ""


def test_what_people_do_and_what_is_sent_reads_little(old: BookingWorld) -> None:
    engine = old.database
    with statements() as sent:
        reoffer_refused_invoices(engine, LINK, person="eva")
        reoffer_refused_records(engine, LINK, "customers", person="eva")
        outbox.claim(engine)
        outbox.claim(engine, LINK)
        history.forget_old_changes(engine, Run(1, LINK, "minox_to_qms", "d", "r", dry_run=False, plan={}), 90)
    assert too_much(reads(engine, sent)) == ""


def test_the_clean_up_of_a_good_installation_reads_what_goes(old: BookingWorld) -> None:
    """After the first night it looks for what became old since, not at everything that is kept."""
    clean(Cleaning(old.database), {})
    old.execute("ANALYZE")
    with statements() as sent:
        cleaning = Cleaning(old.database)
        clean(cleaning, {})
    assert sum(cleaning.gone.values()) == 0
    found: list[Any] = [one for one in reads(old.database, sent) if one.table != "key_set"]
    assert too_much(found, 30_000) == ""
