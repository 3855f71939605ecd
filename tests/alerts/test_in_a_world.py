"""Alerts of whole runs over the stand-ins: what the DAGs' own tasks lead to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.execution_time.context import OutletEventAccessors

from include.settings.load import load_link
from include.storage.runs import find_run
from minox_qms.assets import asset_of, outlet_of
from minox_qms.operators.link import LinkOperator
from tests.alerts.calls import run_fails, task_fails
from tests.alerts.conftest import ADDRESSES
from tests.e2e import master
from tests.world import World, _build, a_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from tests.alerts.receivers import MailServer
    from tests.world import Ran


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, database: sa.Engine) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch, a_world(tmp_path_factory.mktemp("links"), database, patch) as made:
        yield made


@pytest.fixture
def world(shared: World, receivers: None, monkeypatch: pytest.MonkeyPatch) -> World:
    master.quicken(monkeypatch)
    master.cleared(shared)
    shared.configure(alerts={"email": ADDRESSES}, master_data={"entities": master.ALL_OFF})
    return shared


def call_back(world: World, ran: Ran) -> None:
    """Airflow's calls after a run that failed."""
    dag = _build(ran.dag_id.partition("__")[0])(load_link(world.directory / "test.yaml"))
    for task_id, error in ran.tasks.items():
        if isinstance(error, BaseException):
            task_fails(dag, ran.run_id, task_id, error)
    run_fails(SimpleNamespace(dags={ran.dag_id: dag}), ran.dag_id, ran.run_id)  # type: ignore[arg-type]


def test_a_rejected_debtor_from_its_digest_to_its_return(world: World, mail: MailServer) -> None:
    master.give(world, "customer", master.customer(1), master.customer(2, name=" "))
    master.good(world.run_master_data())
    master.good(world.run_master_data())
    assert mail.subjects == ["[minox-qms] test: 1 afgekeurd / rejected"]
    assert "- customers 2: nameless_debtor" in mail.texts()[0]
    master.change(world, "customer", 2, addresses=master.customer(2)["addresses"])
    master.good(world.run_master_data())
    master.good(world.run_master_data())
    assert mail.subjects[1:] == ["[minox-qms] test: 1 opgelost / solved"]


def test_a_held_batch_names_the_expectation_and_its_end_is_told(world: World, mail: MailServer) -> None:
    nameless = (master.customer(number, name=" " if number <= 6 else "Naam") for number in range(1, 21))
    master.give(world, "customer", *nameless)
    for _ in range(2):
        call_back(world, world.run_master_data())
    assert mail.subjects == ["[minox-qms] test: lijst tegengehouden / list held back"]
    assert "max_rejected_share" in mail.texts()[0]
    assert "customers.check" in mail.texts()[0]
    for number in range(1, 7):
        master.change(world, "customer", number, addresses=master.customer(number)["addresses"])
    master.good(world.run_master_data())
    assert mail.subjects[1:] == ["[minox-qms] test: hersteld / recovered"]


def test_minox_that_is_down_is_one_alert_until_it_is_up(world: World, mail: MailServer) -> None:
    master.give(world, "customer", master.customer(1))
    world.minox.spoil(method="GET", path="customer", times=None, action="status", status=503)
    for _ in range(2):
        call_back(world, world.run_master_data())
    assert mail.subjects == ["[minox-qms] test: run mislukt / run failed"]
    assert "customers.stage" in mail.texts()[0]
    world.minox.heal()
    master.good(world.run_master_data())
    assert mail.subjects[1:] == ["[minox-qms] test: hersteld / recovered"]


def test_a_withdrawn_consent_asks_to_connect_again_once(world: World, mail: MailServer) -> None:
    master.give(world, "customer", master.customer(1))
    master.good(world.run_master_data())
    world.minox.control("POST", "grants", {"action": "revoke"})
    for _ in range(2):
        call_back(world, world.run_master_data())
    assert mail.subjects == ["[minox-qms] test: opnieuw verbinden / connect again"]
    assert "connect again on the Sync page" in mail.texts()[0]
    assert "connection minox_test" in mail.texts()[0]
    assert world.rows("SELECT direction, kind, subject FROM alert_incident") == [("", "grant", "minox_test")]
    world.minox.control("POST", "grants", {"action": "reset"})
    world.execute("DELETE FROM oauth_grant WHERE conn_id = 'minox_test'")
    master.good(world.run_master_data())
    assert mail.subjects[1:] == ["[minox-qms] test: hersteld / recovered"]


def test_a_dry_run_and_a_run_that_changes_nothing_tell_no_asset(world: World) -> None:
    def run(*, dry_run: bool = False) -> list[Any]:
        accessors = OutletEventAccessors()
        original: Any = LinkOperator.execute

        def execute(self: Any, context: Any) -> Any:
            return original(self, {**context, "outlet_events": accessors})

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LinkOperator, "execute", execute)
            master.good(world.run_master_data(dry_run=dry_run))
        alias = outlet_of("test", "customers")
        return [(one.dest_asset_key.uri, one.extra) for one in accessors[alias].asset_alias_events]

    master.give(world, "customer", master.customer(1))
    assert run(dry_run=True) == []
    assert run() == [(asset_of("test", "customers").uri, {"created": 1})]
    assert run() == []
    master.change(world, "customer", 1, chamber_of_commerce="30999999")
    assert run() == [("minox-qms://test/customers", {"updated": 1})]


def test_a_dry_run_writes_no_dataset(world: World) -> None:
    flows: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        original = LinkOperator._work_for

        def keep(self: Any, *arguments: Any) -> Any:
            result = original(self, *arguments)
            flows[self.task_id] = self.get_openlineage_facets_on_complete(None)
            return result

        patch.setattr(LinkOperator, "_work_for", keep)
        master.give(world, "customer", master.customer(1))
        ran = master.good(world.run_master_data(dry_run=True))
    assert find_run(world.database, ran.dag_id, ran.run_id).dry_run
    assert [one.name for one in flows["customers.stage"].inputs] == ["123456/1/customer"]
    assert flows["customers.load"].outputs == []
    assert flows["open_run"].inputs == []
