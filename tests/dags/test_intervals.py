"""The data intervals of the schedule: every instant belongs to exactly one, when the clock changes too."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DataInterval, TimeRestriction

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

HERE = ZoneInfo("Europe/Amsterdam")
QUARTER = dt.timedelta(minutes=15)
DAY = dt.timedelta(days=1)
DAGS = ["minox_master_data__north", "qms_invoices__north"]
CHANGES = [
    (dt.date(2026, 3, 29), dt.timedelta(hours=10, minutes=15), dt.timedelta(hours=5)),
    (dt.date(2026, 10, 25), dt.timedelta(hours=12, minutes=15), dt.timedelta(hours=6)),
]
"""The days on which the clock changes, the night before them, and 07:00 of them in UTC."""


class Run(NamedTuple):
    """A run as the scheduler reckons it."""

    start: dt.datetime
    end: dt.datetime
    after: dt.datetime


def runs_around(bag: DagBag, dag_id: str, day: dt.date) -> list[Run]:
    """The runs of the day, of three days before and of three after it."""
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[dag_id])).timetable
    end = pendulum.instance(dt.datetime.combine(day - 4 * DAY, dt.time(19, 45), HERE)).in_timezone("UTC")
    interval = DataInterval(end.subtract(minutes=15), end)
    found: list[Run] = []
    for _ in range(8 * 52):
        info = timetable.next_dagrun_info(
            last_automated_data_interval=interval, restriction=TimeRestriction(None, None, catchup=True)
        )
        assert info is not None
        assert info.data_interval is not None
        if info.run_after.astimezone(HERE).date() > day + 3 * DAY:
            return found
        interval = info.data_interval
        found.append(Run(interval.start, interval.end, info.run_after))
    pytest.fail("there are more runs than quarters")


@pytest.mark.parametrize(("day", "night", "seven"), CHANGES)
@pytest.mark.parametrize("dag_id", DAGS)
def test_every_instant_is_in_one_interval(
    day: dt.date, night: dt.timedelta, seven: dt.timedelta, dag_id: str, bag: DagBag
) -> None:
    runs = runs_around(bag, dag_id, day)
    assert len(runs) == 7 * 52
    assert all(run.start < run.end == run.after for run in runs)
    for before, after in itertools.pairwise(runs):
        assert before.end == after.start


@pytest.mark.parametrize(("day", "night", "seven"), CHANGES)
@pytest.mark.parametrize("dag_id", DAGS)
def test_the_first_run_of_the_day_covers_the_night(
    day: dt.date, night: dt.timedelta, seven: dt.timedelta, dag_id: str, bag: DagBag
) -> None:
    first, *others = [run for run in runs_around(bag, dag_id, day) if run.after.astimezone(HERE).date() == day]
    assert first.after == dt.datetime.combine(day, dt.time(), dt.UTC) + seven
    assert first.after.astimezone(HERE).time() == dt.time(7)
    assert first.start.astimezone(HERE).time() == dt.time(19, 45)
    assert first.end - first.start == night
    assert [run.end - run.start for run in others] == [QUARTER] * 51
    assert others[-1].after.astimezone(HERE).time() == dt.time(19, 45)


@pytest.mark.parametrize(("day", "night", "seven"), CHANGES)
def test_runs_stand_on_the_quarters_of_the_day_here(
    day: dt.date, night: dt.timedelta, seven: dt.timedelta, bag: DagBag
) -> None:
    quarters = {dt.time(hour, minute) for hour in range(7, 20) for minute in (0, 15, 30, 45)}
    assert {run.after.astimezone(HERE).time() for run in runs_around(bag, DAGS[0], day)} == quarters
