"""Links that start some minutes later: what a run covers does not change by it, only when it starts."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import airflow.settings
import pendulum
import pytest
import time_machine
import yaml
from airflow import plugins_manager
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DataInterval, TimeRestriction
from pydantic import ValidationError

from include.settings.link import LinkSettings
from minox_qms.wiring import timetable
from tests.dags.conftest import DAGS, PROJECT
from tests.settings.support import MINIMAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.timetables.base import Timetable
    from pendulum import DateTime

HERE = ZoneInfo("Europe/Amsterdam")
OFFSETS = {"at_once": 0, "later": 7, "last": 14}
CLOCK_CHANGES = (dt.date(2026, 3, 28), dt.date(2026, 10, 24))
"""The days before the nights in which the clock changes."""

PREFIXES = ("minox_master_data", "qms_invoices", "reconcile")
CATCHING_UP = TimeRestriction(None, None, catchup=True)
NOT_CATCHING_UP = TimeRestriction(pendulum.datetime(2026, 1, 1), None, catchup=False)


@pytest.fixture(scope="module")
def _plugin() -> Iterator[None]:
    """Airflow with our folder of plugins, as in a deployment: it reads no timetable that a plugin does not name."""
    found = (plugins_manager._get_plugins, plugins_manager.get_timetables_plugins)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(airflow.settings, "PLUGINS_FOLDER", str(PROJECT / "plugins"))
        for one in found:
            one.cache_clear()
        yield
    for one in found:
        one.cache_clear()


@pytest.fixture(scope="module")
def schedules(_plugin: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Timetable]:
    """The timetable of every DAG as the scheduler gets it: stored and read again."""
    directory = tmp_path_factory.mktemp("staggered")
    for name, minutes in OFFSETS.items():
        content = {**MINIMAL, "schedule": {"offset_minutes": minutes}}
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINOX_QMS_LINKS_DIR", str(directory))
        bag = DagBag(DAGS)
    assert bag.import_errors == {}
    return {name: DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable for name, dag in bag.dags.items()}


def runs_of(schedule: Timetable, after: dt.datetime, number: int) -> list[tuple[DataInterval, DateTime]]:
    """Intervals and starts of so many runs after the one whose interval ended then."""
    end = pendulum.instance(after).in_timezone("UTC")
    interval = DataInterval(end.subtract(minutes=15), end)
    found = []
    for _ in range(number):
        info = schedule.next_dagrun_info(last_automated_data_interval=interval, restriction=CATCHING_UP)
        assert info is not None
        assert info.data_interval is not None
        interval = info.data_interval
        found.append((interval, info.run_after))
    return found


def test_the_intervals_of_a_year_are_the_same_with_and_without(schedules: dict[str, Any]) -> None:
    """The evening, the night and the morning of every day; all quarters of the days on which the clock changes."""
    plain, late = schedules["qms_invoices__at_once"], schedules["qms_invoices__last"]
    nights = []
    for day in range(365):
        date = dt.date(2026, 1, 1) + dt.timedelta(days=day)
        number = 54 if date in CLOCK_CHANGES else 3
        evening = dt.datetime.combine(date, dt.time(19, 30), HERE)
        without, delayed = runs_of(plain, evening, number), runs_of(late, evening, number)
        assert [interval for interval, _ in delayed] == [interval for interval, _ in without]
        assert all(before.end == after.start for (before, _), (after, _) in itertools.pairwise(delayed))
        assert {(start - interval.end).total_seconds() for interval, start in without} == {0}
        assert {(start - interval.end).total_seconds() for interval, start in delayed} == {14 * 60}
        nights.append((without[1][0].end - without[1][0].start).total_seconds() / 3600)
    assert Counter(nights) == {11.25: 363, 10.25: 1, 12.25: 1}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_dag_of_the_link_starts_later(prefix: str, schedules: dict[str, Any]) -> None:
    end = pendulum.datetime(2026, 11, 2, 8)
    interval = DataInterval(end.subtract(minutes=15), end)
    starts = {
        name: schedules[f"{prefix}__{name}"].next_dagrun_info(
            last_automated_data_interval=interval, restriction=CATCHING_UP
        )
        for name in OFFSETS
    }
    for name, minutes in OFFSETS.items():
        assert starts[name].run_after == starts["at_once"].run_after + dt.timedelta(minutes=minutes)
        assert starts[name].data_interval == starts["at_once"].data_interval


@pytest.mark.parametrize("offset", [7, 14])
@pytest.mark.parametrize("late", [0, 1, 600, 14 * 60 + 59])
def test_a_scheduler_that_is_late_skips_no_interval(offset: int, late: int) -> None:
    """Up to the start of the next run, the run whose turn it is stays that of its own interval."""
    schedule: Any = timetable(offset)
    end = pendulum.datetime(2026, 11, 2, 8)
    with time_machine.travel(end.add(minutes=offset, seconds=late), tick=False):
        info = schedule.next_dagrun_info(
            last_automated_data_interval=DataInterval(end.subtract(minutes=30), end.subtract(minutes=15)),
            restriction=NOT_CATCHING_UP,
        )
    assert info.data_interval == DataInterval(end.subtract(minutes=15), end)
    assert info.run_after == end.add(minutes=offset)


@pytest.mark.parametrize("offset", [0, 7, 14])
def test_what_was_missed_for_longer_is_skipped_as_ever(offset: int) -> None:
    schedule: Any = timetable(offset)
    core: Any = coerce_to_core_timetable(schedule)
    end = pendulum.datetime(2026, 11, 2, 8)
    with time_machine.travel(end.add(minutes=offset, hours=3), tick=False):
        info = core.next_dagrun_info(
            last_automated_data_interval=DataInterval(end.subtract(minutes=15), end), restriction=NOT_CATCHING_UP
        )
        first = core.next_dagrun_info(last_automated_data_interval=None, restriction=NOT_CATCHING_UP)
    assert info.data_interval == first.data_interval
    assert info.data_interval == DataInterval(end.add(hours=2, minutes=45), end.add(hours=3))


def test_the_interface_shows_the_cron_expression_and_the_minutes() -> None:
    schedule: Any = timetable(7)
    assert schedule.summary == "*/15 7-19 * * *"
    assert schedule.description.endswith("started 7 minutes later")


def test_the_default_is_airflows_own_timetable() -> None:
    assert type(timetable()).__module__.startswith("airflow.")


def start_minute(name: str, value: Any = "auto") -> int:
    """Minute that a link of that name starts at."""
    return LinkSettings.model_validate({**MINIMAL, "name": name, "schedule": {"offset_minutes": value}}).start_minute


@pytest.mark.parametrize("pattern", ["link-{}", "administration_{:05}", "{}"])
def test_two_hundred_links_spread_evenly_over_the_minutes(pattern: str) -> None:
    minutes = Counter(start_minute(pattern.format(number)) for number in range(200))
    assert set(minutes) == set(range(15))
    assert max(minutes.values()) <= 2 * 200 / 15


def test_a_links_minute_is_its_own_for_ever() -> None:
    assert [start_minute(name) for name in ("demo", "noord", "zuid")] == [11, 0, 8]
    assert start_minute("noord", 3) == 3
    assert LinkSettings.model_validate({**MINIMAL, "name": "noord"}).start_minute == 0


@pytest.mark.parametrize("value", [-1, 15, "often", 1.5])
def test_a_minute_outside_of_the_quarter_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        start_minute("noord", value)
