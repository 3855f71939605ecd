"""The DAGs that the two files make of the links."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

from include.storage.retention import SECONDS
from tests.dags.conftest import DAGS

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

GOOD = ("north", "south")
BROKEN = ("odd", "torn")
TAGS = {"minox_master_data": "master-data", "qms_invoices": "invoices", "reconcile": "reconciliation"}
PREFIXES = tuple(TAGS)
WATCHER = "minox_qms_watch"
CLEANER = "minox_qms_maintenance"
GOOD_IDS = [f"{prefix}__{link}" for prefix in PREFIXES for link in GOOD]
BROKEN_IDS = [f"{prefix}__{link}" for prefix in PREFIXES for link in BROKEN]


@pytest.fixture(params=GOOD_IDS)
def dag(request: pytest.FixtureRequest, bag: DagBag) -> Any:
    """Each DAG of a good link in turn."""
    return bag.dags[request.param]


def test_every_link_has_its_dags_and_no_file_fails(bag: DagBag) -> None:
    assert sorted(path.stem for path in DAGS.glob("*.py")) == sorted([*PREFIXES, WATCHER, CLEANER])
    assert bag.import_errors == {}
    assert set(bag.dags) == {*GOOD_IDS, *BROKEN_IDS, WATCHER, CLEANER}


def test_tags_say_what_and_which_link(dag: DAG) -> None:
    prefix, link = dag.dag_id.split("__")
    assert dag.tags == {"minox-qms", TAGS[prefix], link}


def test_every_dag_has_one_line_on_what_it_does(bag: DagBag) -> None:
    for dag_id, dag in bag.dags.items():
        assert dag.description is not None, dag_id
        assert "\n" not in dag.description
        assert (dag_id.split("__")[1] if "__" in dag_id else "All links") in dag.description


def test_every_field_of_the_form_says_what_it_is_for(dag: DAG) -> None:
    for name in dag.params:
        field = dag.params.get_param(name)
        assert field.schema["title"], name
        assert field.description, name


@pytest.mark.parametrize("dag_id", [*GOOD_IDS, CLEANER])
def test_a_parameter_that_it_does_not_have_is_refused_before_anything_is_done(dag_id: str, bag: DagBag) -> None:
    dag = bag.dags[dag_id]
    [first] = [task for task in dag.tasks if not task.upstream_list]
    context: Any = {"run_id": "r", "params": {}, "dag_run": SimpleNamespace(conf={"dryrun": True})}
    with pytest.raises(AirflowFailException, match=r"no parameter 'dryrun'; known: .*(dry_run|from_date)"):
        first.execute(context)  # type: ignore[union-attr]


def test_the_page_says_what_to_do_when_it_is_red(dag: DAG) -> None:
    assert dag.doc_md is not None
    link = dag.dag_id.split("__")[1]
    assert "**When it is red**" in dag.doc_md
    assert link in dag.doc_md
    assert "{" not in dag.doc_md


@pytest.mark.parametrize("dag_id", [dag_id for dag_id in GOOD_IDS if not dag_id.startswith("reconcile")])
def test_the_page_names_the_books_and_every_task_that_can_be_red(dag_id: str, bag: DagBag) -> None:
    page = bag.dags[dag_id].doc_md
    assert page is not None
    assert "123456/1" in page
    table = page.split("**When it is red**")[1]
    for task in bag.dags[dag_id].tasks:
        name = task.task_id.split(".")[-1]
        assert f"`{name}`" in table or f"`….{name}`" in table, f"nothing is said of a red {task.task_id}"


def test_the_page_of_the_reconciliation_offers_nothing_that_is_refused(bag: DagBag) -> None:
    page = bag.dags["reconcile__north"].doc_md
    assert page is not None
    assert "re-offer" not in page  # a booked entry is never sent again
    assert "type it in by hand in Minox" in page


def test_every_task_has_an_owner_retries_and_a_limit(dag: DAG) -> None:
    assert len(dag.tasks) >= 2
    for task in dag.tasks:
        assert task.owner == "minox-qms"
        assert task.retries == 2
        assert task.retry_exponential_backoff
        assert task.retry_delay == dt.timedelta(seconds=30)
        assert task.execution_timeout is not None
        assert task.execution_timeout <= dt.timedelta(minutes=30)


def test_one_run_at_a_time_and_no_catching_up_unasked(dag: DAG) -> None:
    assert dag.max_active_runs == 1
    assert not dag.catchup
    assert set(dag.params.dump().values()) <= {None, False}


def test_failures_are_told(dag: DAG) -> None:
    assert dag.has_on_failure_callback
    assert all(task.has_on_failure_callback for task in dag.tasks)


def test_one_dag_watches_all_links_by_itself(bag: DagBag) -> None:
    dag = bag.dags[WATCHER]
    assert dag.is_paused_upon_creation is False
    assert dag.max_active_runs == 1
    assert not dag.catchup
    [task] = dag.tasks
    assert task.owner == "minox-qms"
    assert task.execution_timeout is not None
    assert task.execution_timeout < dt.timedelta(minutes=5)
    assert dag.doc_md is not None
    assert f"`{task.task_id}`" in dag.doc_md.split("**When it is red**")[1]


def test_one_dag_cleans_up_at_night(bag: DagBag) -> None:
    dag = bag.dags[CLEANER]
    assert dag.is_paused_upon_creation is False
    assert dag.max_active_runs == 1
    assert not dag.catchup
    assert set(dag.params) == {"dry_run"}
    [task] = dag.tasks
    assert task.owner == "minox-qms"
    assert task.execution_timeout is not None
    assert task.execution_timeout > dt.timedelta(seconds=SECONDS)
    assert dag.has_on_failure_callback
    assert task.has_on_failure_callback
    assert dag.doc_md is not None
    assert f"`{task.task_id}`" in dag.doc_md.split("**When it is red**")[1]
    core: Any = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    night = core.next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(pendulum.datetime(2026, 7, 1), None, catchup=True),
    )
    assert night.run_after == pendulum.datetime(2026, 7, 1, 1, 15)  # 03:15 here: outside of the window


def test_what_may_be_asked_of_a_run(bag: DagBag) -> None:
    assert set(bag.dags["minox_master_data__north"].params) == {"dry_run"}
    assert set(bag.dags["reconcile__north"].params) == {"from_date", "to_date"}
    invoices = bag.dags["qms_invoices__north"].params
    assert set(invoices) == {"dry_run", "from_date", "to_date", "interval_start", "interval_end"}


def test_items_wait_for_vat_codes_and_customers_for_payment_terms(bag: DagBag) -> None:
    dag = bag.dags["minox_master_data__north"]
    assert dag.get_task("items.stage").upstream_task_ids == {"vat_codes.load"}
    assert dag.get_task("customers.stage").upstream_task_ids == {"payment_terms.load"}
    for free in ("vat_codes", "cost_centers", "payment_terms"):
        assert dag.get_task(f"{free}.stage").upstream_task_ids == {"open_run"}


def test_an_entity_that_is_off_has_no_tasks(bag: DagBag) -> None:
    dag = bag.dags["minox_master_data__south"]
    groups = {task.task_id.split(".")[0] for task in dag.tasks if "." in task.task_id}
    assert groups == {"cost_centers", "items", "customers"}
    assert dag.get_task("items.stage").upstream_task_ids == {"open_run"}
    assert dag.get_task("customers.stage").upstream_task_ids == {"open_run"}


def test_one_task_begins_and_one_ends(dag: DAG) -> None:
    assert {task.task_id for task in dag.tasks if not task.upstream_list} == {"open_run"}
    assert len([task for task in dag.tasks if not task.downstream_list]) == 1


@pytest.mark.parametrize("dag_id", [dag_id for dag_id in GOOD_IDS if not dag_id.startswith("reconcile")])
def test_the_run_is_closed_whatever_happens(dag_id: str, bag: DagBag) -> None:
    last = bag.dags[dag_id].get_task("close_run")
    assert last.trigger_rule == "all_done"
    assert last.downstream_list == []


def test_airflow_can_store_it(dag: DAG) -> None:
    stored = DagSerialization.to_dict(dag)
    DagSerialization.validate_schema(stored)
    again = DagSerialization.from_dict(stored)
    assert {task.task_id for task in again.tasks} == {task.task_id for task in dag.tasks}


@pytest.mark.parametrize(
    ("dag_id", "said"), list(zip(BROKEN_IDS, ["bookings.line", "torn.yaml"] * len(PREFIXES), strict=True))
)
def test_a_broken_link_has_a_dag_that_says_what_is_wrong(dag_id: str, said: str, bag: DagBag) -> None:
    dag = bag.dags[dag_id]
    assert dag.doc_md is not None
    assert said in dag.doc_md
    assert dag.tags == {"minox-qms", "broken-link", dag_id.split("__")[1]}
    assert [task.task_id for task in dag.tasks] == ["refuse"]
    assert dag.get_task("refuse").retries == 0
    with pytest.raises(AirflowFailException, match=said):
        dag.get_task("refuse").execute({})  # type: ignore[union-attr]
