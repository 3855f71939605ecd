"""One alert per incident, whoever meets it: a task, the run, both at once, a dead process, again and again."""

from __future__ import annotations

import datetime as dt
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException

from include.alerts.incident import FAILED, Trouble
from include.errors import BatchHeldError, ConfigurationError, GrantRefusedError, TransientError
from include.settings.load import find_link
from include.storage.outcomes import finish_entity, note_extracted
from include.storage.runs import Run, close_run, note_failure, open_run
from minox_qms.alerts.callbacks import link_of
from minox_qms.alerts.closing import after_run
from minox_qms.operators.close_run import RunNotGoodError
from minox_qms.operators.reconcile import DifferencesFoundError
from tests.alerts.calls import run_fails, task_fails
from tests.dags.conftest import DAGS
from tests.storage.support import new_invoice, now

if TYPE_CHECKING:
    from tests.alerts.conftest import Office

GONE = TransientError("Minox cannot be reached.", detail="503 to the end", system="minox")


class Airflow:
    """The DAGs of the office's link, and their runs."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.bag = DagBag(DAGS)
        self._runs = 0

    def dag(self, prefix: str = "minox_master_data") -> Any:
        return self.bag.dags[f"{prefix}__{self.office.link}"]

    def begin(self, prefix: str = "minox_master_data", *, dry_run: bool = False, **plan: str) -> Run:
        self._runs += 1
        dag_id = f"{prefix}__{self.office.link}"
        direction, link = link_of(dag_id)
        return open_run(
            self.office.database, link=link, direction=direction, dag_id=dag_id, run_id=f"run {self._runs}", plan=plan,
            dry_run=dry_run,
        )  # fmt: skip

    def task(self, run: Run, task_id: str, error: BaseException | None, **params: Any) -> None:
        """A task fails: what the operator notes, and then Airflow's call."""
        if error is not None:
            note_failure(self.office.database, run, task_id, str(error.__cause__ or error))
        task_fails(self.bag.dags[run.dag_id], run.run_id, task_id, error, **params)

    def end(self, run: Run, *, good: bool = False) -> None:
        """The closing task, and Airflow's calls after it."""
        close_run(self.office.database, run, good=good, message=None if good else "customers: it failed")
        if good:
            return
        self.task(run, "close_run", RunNotGoodError("Not everything came to a good end"))
        run_fails(self.bag, run.dag_id, run.run_id)


@pytest.fixture
def airflow(office: Office) -> Airflow:
    return Airflow(office)


def fatal(error: BaseException) -> AirflowFailException:
    """As an error that is not retried comes out of an operator."""
    wrapped = AirflowFailException(str(error))
    wrapped.__cause__ = error
    return wrapped


def hold(office: Office, run: Run) -> None:
    with office.database.begin() as connection:
        note_extracted(connection, run, "customers", 0, now(office.database))
        finish_entity(connection, run, "customers", (), state="held", message="Nothing of customers was loaded.")


def test_every_dag_calls_back_and_knows_its_direction(airflow: Airflow) -> None:
    ours = [dag for dag in airflow.bag.dags.values() if "__" in dag.dag_id]
    assert len(ours) == 3
    for dag in ours:
        assert dag.on_failure_callback
        assert dag.has_on_failure_callback
        for task in dag.tasks:
            assert task.on_failure_callback
            assert link_of(dag.dag_id) == (getattr(task, "direction", None), airflow.office.link)


def test_a_task_its_run_and_the_next_runs_make_one_alert_and_a_good_run_ends_it(airflow: Airflow) -> None:
    office = airflow.office
    for _ in range(3):
        run = airflow.begin()
        airflow.task(run, "customers.stage", GONE)
        airflow.end(run)
    assert office.mail.subjects == [f"[minox-qms] {office.link}: run mislukt / run failed"]
    text = office.mail.texts()[0]
    assert "Minox cannot be reached." in text
    assert "503 to the end" in text
    assert "customers.stage" in text
    assert f"https://airflow.kantoor.example/dags/minox_master_data__{office.link}/runs/run%201/tasks/" in text
    assert office.rows("SELECT times FROM alert_incident WHERE link = :link")[0][0] == 3

    run = airflow.begin()
    airflow.end(run, good=True)
    settings = _settings(office)
    after_run(office.database, settings, run, good=True)
    after_run(office.database, settings, run, good=True)
    assert office.mail.subjects[1:] == [f"[minox-qms] {office.link}: hersteld / recovered"]
    assert office.incidents() == []

    run = airflow.begin()
    airflow.task(run, "customers.stage", GONE)
    assert len(office.mail.mails) == 3


def test_a_killed_task_calls_nobody_and_the_run_does(airflow: Airflow) -> None:
    run = airflow.begin()
    run_fails(airflow.bag, run.dag_id, run.run_id)
    assert len(airflow.office.mail.mails) == 1
    assert "was killed, or died" in airflow.office.mail.texts()[0]
    airflow.task(run, "close_run", None)  # the scheduler's own call for a task that it found dead
    assert len(airflow.office.mail.mails) == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_held_batch_is_one_alert_in_whatever_order_the_calls_come(airflow: Airflow, order: tuple[int, ...]) -> None:
    office, run = airflow.office, airflow.begin()
    error = fatal(BatchHeldError("Nothing of customers was loaded.", detail="failed expectation: max_rejected_share"))
    hold(office, run)
    note_failure(office.database, run, "customers.check", str(error.__cause__))
    calls = (
        lambda: airflow.task(run, "customers.check", error),
        lambda: airflow.task(run, "close_run", RunNotGoodError("sum")),
        lambda: run_fails(airflow.bag, run.dag_id, run.run_id),
    )
    for place in order:
        calls[place]()
    assert office.mail.subjects == [f"[minox-qms] {office.link}: lijst tegengehouden / list held back"]
    assert "Nothing of customers was loaded." in office.mail.texts()[0]
    if order[0] == 0:
        assert "max_rejected_share" in office.mail.texts()[0]


def test_a_refused_grant_is_one_alert_for_both_directions(airflow: Airflow) -> None:
    office = airflow.office
    office.execute("DELETE FROM oauth_grant")
    office.execute(
        "INSERT INTO oauth_grant (conn_id, state, message) VALUES ('minox_test', 'refused', 'Minox: invalid_grant')"
    )
    error = fatal(GrantRefusedError("Minox has withdrawn our access: connect again.", system="minox"))
    for prefix, task_id in (("minox_master_data", "customers.stage"), ("qms_invoices", "book")):
        run = airflow.begin(prefix)
        airflow.task(run, task_id, error)
        airflow.end(run)
    assert office.mail.subjects == [f"[minox-qms] {office.link}: opnieuw verbinden / connect again"]
    assert office.incidents() == [("", "grant", "minox_test")]
    after_run(office.database, _settings(office), airflow.begin(), good=True)
    assert office.incidents() == [("", "grant", "minox_test")]  # some other connection worked
    office.execute("UPDATE oauth_grant SET state = 'good'")
    after_run(office.database, _settings(office), airflow.begin(), good=True)
    assert office.incidents() == []
    assert office.mail.subjects[1:] == [f"[minox-qms] {office.link}: hersteld / recovered"]


def test_directions_are_told_of_apart(airflow: Airflow) -> None:
    airflow.task(airflow.begin(), "customers.stage", GONE)
    airflow.task(airflow.begin("qms_invoices"), "stage", GONE)
    run = airflow.begin("reconcile")
    airflow.task(run, "reconcile", DifferencesFoundError("3 invoices do not agree."))
    run_fails(airflow.bag, run.dag_id, run.run_id)
    assert airflow.office.incidents() == [
        ("minox_to_qms", "failed", ""),
        ("qms_to_minox", "failed", ""),
        ("reconcile", "differences", ""),
    ]
    assert len(airflow.office.mail.mails) == 3
    assert "3 invoices do not agree." in airflow.office.mail.texts()[2]


def compare(airflow: Airflow, first: str, last: str, *found: int | None) -> None:
    """A reconciliation of these dates that finds these invoices; None: a receivable that no invoice accounts for."""
    office, run = airflow.office, airflow.begin("reconcile", from_date=first, to_date=last)
    rows = [{"run": run.id, "link": run.link, "kind": "deleted", "message": "Gone.", "number": one} for one in found]
    for row in rows:
        office.execute(
            "INSERT INTO reconciliation_finding (run, link, kind, invoice_header_id, message) "
            "VALUES (:run, :link, :kind, :number, :message)",
            **row,
        )
    close_run(office.database, run, good=not found)
    after_run(office.database, _settings(office), run, good=not found)
    if found:
        airflow.task(run, "reconcile", fatal(DifferencesFoundError(f"{len(found)} invoices do not agree.")))


def test_differences_are_over_when_a_run_has_looked_at_them_again(airflow: Airflow) -> None:
    office = airflow.office
    new_invoice(office.database, office.link, 1, invoice_date=dt.date(2026, 1, 15))
    compare(airflow, "2026-01-01", "2026-01-31", 1)
    (text,) = office.mail.texts()
    assert f"minox-qms reconcile --link {office.link} --from 2026-01-01 --to 2026-01-31" in text
    assert "pagina van de DAG in Airflow" in text
    for first, last in (("2026-02-01", "2026-03-07"), ("2026-01-16", "2026-02-19")):
        compare(airflow, first, last)
        assert office.incidents() == [("reconcile", "differences", "")]
    compare(airflow, "2026-01-15", "2026-02-18")
    assert office.incidents() == []
    assert office.mail.subjects[1:] == [f"[minox-qms] {office.link}: hersteld / recovered"]


@pytest.mark.parametrize("number", [None, 1, 2])
def test_differences_of_unknown_dates_are_over_when_the_whole_range_is_looked_at(
    airflow: Airflow, number: int | None
) -> None:
    office = airflow.office
    new_invoice(office.database, office.link, 2, invoice_date=dt.date(2025, 12, 31))  # another date in QMS since
    compare(airflow, "2026-01-01", "2026-01-31", number)
    for first, last in (("2026-01-02", "2026-02-28"), ("2025-12-01", "2026-01-30")):
        compare(airflow, first, last)
        assert office.incidents() == [("reconcile", "differences", "")]
    compare(airflow, "2026-01-01", "2026-01-31")
    assert office.incidents() == []


def test_differences_of_other_dates_are_news_though_older_ones_stay_open(airflow: Airflow) -> None:
    office = airflow.office
    for number, day in ((1, 15), (2, 16), (3, 31)):
        new_invoice(office.database, office.link, number, invoice_date=dt.date(2026, 1, day))
    compare(airflow, "2026-01-01", "2026-01-31", 1, 2)
    compare(airflow, "2026-01-16", "2026-02-20", 2, 3)  # one of them is known
    assert len(office.mail.mails) == 1
    compare(airflow, "2026-01-17", "2026-02-21", 3)
    assert len(office.mail.mails) == 1
    compare(airflow, "2026-02-01", "2026-03-07")
    compare(airflow, "2026-02-02", "2026-03-08", 4)
    compare(airflow, "2026-02-03", "2026-03-09", 4)
    assert office.mail.subjects == [f"[minox-qms] {office.link}: verschillen / differences"] * 2
    assert office.incidents() == [("reconcile", "differences", "")]


def test_a_failed_reconciliation_is_over_though_differences_are_not(airflow: Airflow) -> None:
    compare(airflow, "2026-01-01", "2026-01-31", 1)
    airflow.task(airflow.begin("reconcile"), "reconcile", GONE)
    compare(airflow, "2026-02-01", "2026-02-28")
    assert airflow.office.incidents() == [("reconcile", "differences", "")]


def test_a_setting_that_is_wrong_is_one_alert_that_says_who_has_to_act(airflow: Airflow) -> None:
    office, run = airflow.office, airflow.begin("qms_invoices")
    airflow.task(run, "book", fatal(ConfigurationError("Minox has no journal VRK.", system="minox")))
    airflow.end(run)
    assert office.incidents() == [("qms_to_minox", "setup", "")]
    (text,) = office.mail.texts()
    assert "Minox has no journal VRK." in text
    assert "Herstel wat de melding noemt" in text
    run = airflow.begin("qms_invoices")
    after_run(office.database, _settings(office), run, good=True)
    assert office.incidents() == []


def test_airflow_s_word_on_a_run_may_come_when_the_next_one_has_met_the_same(airflow: Airflow) -> None:
    error = fatal(ConfigurationError("Minox has no journal VRK.", system="minox"))
    first = airflow.begin("qms_invoices")
    airflow.task(first, "book", error)
    close_run(airflow.office.database, first, good=False, message="invoices: Minox has no journal VRK.")
    airflow.task(airflow.begin("qms_invoices"), "book", error)
    run_fails(airflow.bag, first.dag_id, first.run_id)
    assert airflow.office.incidents() == [("qms_to_minox", "setup", "")]
    assert len(airflow.office.mail.mails) == 1


def test_a_run_that_dies_after_a_setting_was_wrong_is_told_of(airflow: Airflow) -> None:
    airflow.task(airflow.begin("qms_invoices"), "book", fatal(ConfigurationError("Minox has no journal VRK.")))
    killed = airflow.begin("qms_invoices")
    run_fails(airflow.bag, killed.dag_id, killed.run_id)
    assert [kind for _, kind, _ in airflow.office.incidents()] == ["setup", "failed"]


def test_a_run_that_was_asked_wrongly_is_one_alert_and_no_setting(airflow: Airflow) -> None:
    dag = airflow.dag("qms_invoices")
    asked = {"from_date": "2026-03-01"}
    dag_run = SimpleNamespace(conf=asked, run_after=None, run_type="manual")
    context: Any = {"run_id": "typed in", "params": asked, "dag_run": dag_run}
    for task_id in ("open_run", "attach_pdfs", "close_run"):
        with pytest.raises(AirflowFailException) as raised:
            dag.get_task(task_id).execute(context)
        task_fails(dag, "typed in", task_id, raised.value)
    run_fails(airflow.bag, dag.dag_id, "typed in")
    assert airflow.office.incidents() == [("qms_to_minox", "failed", "")]
    (text,) = airflow.office.mail.texts()
    assert "A range of invoice dates needs both from_date and to_date." in text


def test_a_dry_run_alerts_nobody(airflow: Airflow) -> None:
    run = airflow.begin(dry_run=True)
    airflow.task(run, "customers.stage", GONE, dry_run=True)
    run_fails(airflow.bag, run.dag_id, run.run_id)
    after_run(airflow.office.database, _settings(airflow.office), run, good=True)
    assert airflow.office.incidents() == []
    assert airflow.office.mail.mails == []


def test_a_link_whose_file_is_not_valid_is_told_of_once(airflow: Airflow) -> None:
    office = airflow.office
    office.write("minox: {}\nodd: 1\nalerts: {email: boekhouder@kantoor.example}\n")
    bag = DagBag(DAGS)
    for prefix in ("minox_master_data", "qms_invoices"):
        dag_id = f"{prefix}__{office.link}"
        task_fails(bag.dags[dag_id], "r", "refuse", AirflowFailException("not valid"))
        run_fails(bag, dag_id, "r")
    assert office.mail.subjects == [f"[minox-qms] {office.link}: instellingen kloppen niet / settings not valid"]
    assert "odd: unknown key" in office.mail.texts()[0]


def test_of_many_that_meet_it_at_once_one_tells(airflow: Airflow) -> None:
    office, starts, opened = airflow.office, threading.Barrier(8), []

    def meet() -> None:
        starts.wait(timeout=30)
        opened.append(office.desk.report("minox_to_qms", [Trouble(FAILED, "Minox is weg.")]))
        office.desk.deliver()

    threads = [threading.Thread(target=meet) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(len(one) for one in opened) == [0] * 7 + [1]
    assert len(office.mail.mails) == 1


def test_a_link_without_routes_keeps_the_incident_and_says_that_nobody_is_told(
    airflow: Airflow, caplog: pytest.LogCaptureFixture
) -> None:
    airflow.office.settle(email=False)
    airflow.task(airflow.begin(), "customers.stage", GONE)
    assert airflow.office.incidents() == [("minox_to_qms", "failed", "")]
    assert "nobody is told" in caplog.text


def test_a_sender_that_fails_breaks_no_run(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    office, run = airflow.office, airflow.begin()
    airflow.task(run, "customers.stage", GONE)

    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("minox_qms.alerts.desk.deliver", bug)
    after_run(office.database, _settings(office), run, good=True)
    assert office.incidents() == []


def test_without_the_database_people_are_told_directly_once_an_hour(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = airflow.begin()
    url = airflow.office.database.url.set(query={"host": "/nonexistent"})
    dead = sa.create_engine(url)
    monkeypatch.setattr("include.storage.engine.engine", lambda: dead)
    for _ in range(3):
        task_fails(airflow.dag(), run.run_id, "customers.stage", GONE)
        run_fails(airflow.bag, run.dag_id, run.run_id)
    assert len(airflow.office.mail.mails) == 1
    assert "database cannot be reached" in airflow.office.mail.texts()[0]
    assert "/nonexistent" not in caplog.text


def _settings(office: Office) -> Any:
    return find_link(office.link)
