"""Whole runs over hostile answers: every task has its defined end, and nothing half-read is used."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.errors import ConnectorError
from tests.e2e import master
from tests.e2e.booking_world import BookingWorld, invoice
from tests.security.hostile import Described, instance, schema_of, spoil, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from tests.world import Ran, System

MINOX = "/api/1/tenant/{tenant_id}/administration"
ADMINISTRATION = f"{MINOX}/{{administration_id}}"
QMS = "/api/V3/odata"
PLACES = [
    ("minox", f"{ADMINISTRATION}/customer"), ("qms", f"{QMS}/CustomerCompany"),
    ("qms", f"{QMS}/EntityChange"), ("qms", f"{QMS}/OverviewInvoice"), ("qms", f"{QMS}/Invoice"),
    ("qms", f"{QMS}/OverviewInvoiceLine"), ("minox", f"{ADMINISTRATION}/journal"), ("minox", MINOX),
    ("minox", f"{ADMINISTRATION}/receivable"),
]  # fmt: skip
EXAMPLES = 2
BROKEN = [
    "<html>", '{"links": {}, "collection": [{"id": 1}', '{"links": {}, "collection": [{"id": 1}, 5]}',
    '{"links": {"next": "http://127.0.0.1:9/x"}, "collection": [{"id": 7}]}',
]  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, database: sa.Engine) -> Iterator[BookingWorld]:
    with pytest.MonkeyPatch.context() as patch:
        made = BookingWorld(tmp_path_factory.mktemp("hostile"), database, patch)
        yield made
        made.stop()


@pytest.fixture
def world(shared: BookingWorld, monkeypatch: pytest.MonkeyPatch) -> BookingWorld:
    master.quicken(monkeypatch)
    shared.begin_anew()
    shared.configure(master_data={"entities": master.ALL_OFF})
    return shared


def system_of(world: BookingWorld, name: str) -> System:
    return world.minox if name == "minox" else world.qms


def check(ran: Ran) -> None:
    """Every task that failed says why, in one of our errors."""
    for task, error in ran.tasks.items():
        if error is not None and error != "upstream_failed":
            assert isinstance(error, ConnectorError | AirflowFailException), (task, error)


@pytest.mark.parametrize(("system", "path"), PLACES, ids=[f"{system}-{path}" for system, path in PLACES])
def test_a_hostile_list_has_its_defined_end(world: BookingWorld, system: str, path: str) -> None:
    answer = Described(system, "get", path, "200")
    name = path.rpartition("/")[2]
    for number in range(EXAMPLES):
        random = Random(f"run {path} {number}")  # noqa: S311 - no secret
        body = spoil(spoil(instance(schema_of(answer), random), random), random)
        text = written(body).encode(errors="ignore").decode()
        world.begin_anew()
        world.configure(master_data={"entities": master.ALL_OFF})
        world.add(invoice(1), invoice(2))
        system_of(world, system).spoil(method="GET", path=rf"/{name}(\?|$)", action="body", body=text, times=1)
        for ran in runs_that_read(world, name):
            check(ran)
        assert len(world.batches) <= 2
        if name not in {"customer", "CustomerCompany"}:
            world.minox.heal()
            world.qms.heal()
            world.run(interval=None)
            assert len(world.batches) in {0, 2}, text[:300]


def runs_that_read(world: BookingWorld, name: str) -> Iterator[Ran]:
    """The runs that read a list."""
    if name in {"customer", "CustomerCompany"}:
        yield world.run_master_data()
        return
    yield world.run()
    if name in {"receivable", "Invoice"}:
        yield world.run_reconciliation()


@pytest.mark.parametrize("body", BROKEN)
def test_nothing_of_a_list_that_breaks_off_is_used(world: BookingWorld, body: str) -> None:
    world.minox.control("POST", "modes", {"page_size": 4})
    world.qms.forget_requests()
    world.minox.spoil(method="GET", path=r"/customer\?", action="body", body=body, nth=2)
    ran = world.run_master_data()
    check(ran)
    assert ran.tasks["customers.stage"] is not None
    assert world.scalar("SELECT count(*) FROM staging_customers") == 0
    assert world.qms.writes() == []


def test_a_refresh_whose_answer_is_lost_asks_to_connect_again_and_never_loops(world: BookingWorld) -> None:
    def asked() -> int:
        counts = world.minox.control("GET", "requests")["counts"]
        return int(sum(count for name, count in counts.items() if "token" in name))

    assert world.run_master_data().is_good
    world.minox.control("POST", "grants", {"action": "expire"})
    world.minox.forget_requests()
    world.minox.spoil(method="POST", path="oauth/token", action="apply-then-drop")
    for _ in range(5):
        ran = world.run_master_data()
        check(ran)
        (error,) = [one for one in ran.tasks.values() if isinstance(one, BaseException)][:1]
        assert "connect again on the Sync page" in str(error)
    assert asked() == 2  # the one whose answer was lost, and the one that learned that its token is spent
    (grant,) = world.rows("SELECT state, message FROM oauth_grant WHERE conn_id = 'minox_test'")
    assert tuple(grant) == ("refused", "Minox: invalid_grant")
    world.minox.heal()
    world.minox.control("POST", "grants", {"action": "reset"})
    world.execute("DELETE FROM oauth_grant WHERE conn_id = 'minox_test'")
