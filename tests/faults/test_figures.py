"""Figures that are promised: one bad record among a thousand, and failures that concern no record."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from include.settings.load import load_link
from tests.alerts.calls import run_fails, task_fails
from tests.e2e import master
from tests.e2e.booking_world import batch_of, invoice
from tests.faults.catalogue import API
from tests.world import _build

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.halves import ExportHalf, Half, ImportHalf
    from tests.world import Ran

    Wide = Callable[[Half, pytest.MonkeyPatch], None]

THOUSAND = range(1, 1001)
BAD = 500


class TestExport:
    """Figures of invoices."""

    @pytest.fixture
    def half(self, export: ExportHalf) -> ExportHalf:
        return export

    def test_one_bad_invoice_among_a_thousand_keeps_none_of_the_others(self, half: ExportHalf) -> None:
        half.begin()
        half.world.begin_anew(report_to_qms=False)
        half.world.add(*(invoice(key, customer_code=None if key == BAD else "10001") for key in THOUSAND))
        ran = half.run()
        assert ran.is_good, ran.tasks
        assert ran.counts == {"invoices": {"booked": 999, "rejected": 1}}
        assert set(half.world.batches) == {batch_of(key) for key in THOUSAND if key != BAD}

    def test_a_failure_of_everything_blames_no_invoice_and_is_one_incident(
        self, half: ExportHalf, wide: Wide, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        half.learn()
        fails_as_a_whole(half, wide, monkeypatch)


class TestImport:
    """Figures of master data."""

    @pytest.fixture
    def half(self, importing: ImportHalf) -> ImportHalf:
        return importing

    def test_one_bad_debtor_among_a_thousand_keeps_none_of_the_others(self, half: ImportHalf) -> None:
        half.begin()
        master.take_away(half.world, "customer", 10001, 10002, 10003)
        named = (master.customer(20000 + key, " " if key == BAD else f"Klant {key}") for key in THOUSAND)
        master.give(half.world, "customer", *named)
        half.world.configure(master_data={"entities": master.ALL_OFF})
        ran = half.run()
        assert ran.is_good, ran.tasks
        assert ran.counts == {"customers": {"created": 999, "rejected": 1}}
        codes = [row["CustomerCode"] for row in master.qms_rows(half.world, "CustomerCompany")]
        assert sorted(codes) == ["10001", *(str(20000 + key) for key in THOUSAND if key != BAD)]

    def test_a_failure_of_everything_blames_no_debtor_and_is_one_incident(
        self, half: ImportHalf, wide: Wide, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        half.learn()
        fails_as_a_whole(half, wide, monkeypatch)


# -- failures that concern the run -------------------------------------------------------------------------------------


def token_revoked(half: Half, _: pytest.MonkeyPatch) -> None:
    half.world.minox.control("POST", "grants", {"action": "revoke"})


def administration_off(half: Half, _: pytest.MonkeyPatch) -> None:
    half.world.minox.spoil(path=API, action="status", status=404, times=None)


def wrong_base_url(half: Half, monkeypatch: pytest.MonkeyPatch) -> None:
    there = json.loads(os.environ["AIRFLOW_CONN_MINOX_TEST"])
    monkeypatch.setenv("AIRFLOW_CONN_MINOX_TEST", json.dumps(there | {"host": f"{there['host']}/elders"}))


def wrong_tenant(half: Half, _: pytest.MonkeyPatch) -> None:
    half.world.configure(**half.world.settings | {"minox": {"tenant_id": 654321}})


@pytest.fixture(params=[token_revoked, administration_off, wrong_base_url, wrong_tenant])
def wide(request: pytest.FixtureRequest) -> Any:
    """What is wrong with all of Minox."""
    return request.param


def fails_as_a_whole(half: Half, wide: Wide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything fail twice; nothing is blamed, one incident is open, and the run after it makes all right."""
    half.begin()
    settings = half.world.settings
    with monkeypatch.context() as patched:
        wide(half, patched)
        for _ in range(2):
            ran = half.run_again()
            assert not ran.is_good
            _tell(half, ran)
    open_ones = half.world.rows("SELECT kind, times FROM alert_incident WHERE resolved_at IS NULL")
    assert len(open_ones) == 1, open_ones
    blamed = half.world.rows("SELECT source_key FROM quarantine")
    assert {one.source_key for one in blamed} <= {"3"}, "only the invoice that has no debtor is to blame"
    half.world.configure(**settings)
    half.heal()
    assert half.check(half.run()) == []
    assert half.world.scalar("SELECT count(*) FROM alert_incident WHERE resolved_at IS NULL") == 0


def _tell(half: Half, ran: Ran) -> None:
    """Airflow's calls after a run that failed."""
    dag = _build(ran.dag_id.partition("__")[0])(load_link(half.world.directory / "test.yaml"))
    for task_id, error in ran.tasks.items():
        if isinstance(error, BaseException):
            task_fails(dag, ran.run_id, task_id, error)
    run_fails(SimpleNamespace(dags={ran.dag_id: dag}), ran.dag_id, ran.run_id)  # type: ignore[arg-type]
