"""The nightly clean-up that fails: its people are told once, and told when it is over; no word of rows leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import yaml
from airflow.dag_processing.dagbag import DagBag

from include.alerts.incident import MAINTENANCE
from include.errors import TransientError
from tests.alerts.calls import task_fails
from tests.dags.conftest import DAGS
from tests.settings.support import MINIMAL

if TYPE_CHECKING:
    from tests.alerts.conftest import Office

MAINTAIN = "minox_qms_maintenance"


@pytest.fixture
def dag(office: Office) -> Any:
    office.settle()
    return DagBag(DAGS / f"{MAINTAIN}.py").dags[MAINTAIN]


def fail(dag: Any, error: BaseException) -> None:
    task_fails(dag, "night 1", "maintain", error)


def test_people_are_told_once_and_once_that_it_is_over(office: Office, dag: Any) -> None:
    for number in range(2):  # links of the same people
        content = {**MINIMAL, "alerts": yaml.safe_load((office.links / f"{office.link}.yaml").read_text())["alerts"]}
        (office.links / f"zz{number}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for _ in range(2):
        fail(dag, TransientError("The database could not do it.", detail="no space left"))
    assert office.incidents() == [("", MAINTENANCE, "")]
    assert len(office.mail.subjects) == 1
    assert "no space left" in office.mail.texts()[0]
    gone = dag.get_task("maintain").execute({"params": {"dry_run": False}})
    assert office.incidents() == []
    assert isinstance(gone, dict)
    office.desk.deliver()
    assert len(office.mail.subjects) == 2


def test_what_the_database_quotes_is_not_told(office: Office, dag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise sa.exc.IntegrityError("DELETE", {}, Exception("Jansen, Dorpsstraat 1"))

    monkeypatch.setattr("include.storage.retention.clean", breaks)
    with pytest.raises(TransientError) as raised:
        dag.get_task("maintain").execute({"params": {}})
    fail(dag, raised.value)
    assert office.incidents() == [("", MAINTENANCE, "")]
    assert "Jansen" not in str(raised.value) + office.mail.texts()[0]
