"""The quarters of the schedule, with a start that may be later than the end of the quarter."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.timetables.interval import CronDataIntervalTimetable

if TYPE_CHECKING:
    from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
    from pendulum import DateTime
    from pendulum.tz.timezone import FixedTimezone, Timezone


class StaggeredTimetable(CronDataIntervalTimetable):
    """A cron schedule with the data intervals of `CronDataIntervalTimetable`, whose runs start some minutes later.

    The intervals are the parent's own, to the second: every instant belongs to exactly one of them, with any offset
    (spec, section 1). Only the moment from which a run may start (`run_after`) moves.

    Args:
        cron: Five fields.
        timezone: Name of the zone that they are read in, or the zone.
        offset_minutes: Minutes between the end of an interval and the start of its run: less than an interval is long.
    """

    def __init__(self, cron: str, timezone: str | Timezone | FixedTimezone, *, offset_minutes: int) -> None:
        super().__init__(cron, timezone)
        self._offset_minutes = offset_minutes
        self.description = f"{self.description}, started {offset_minutes} minutes later"

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> StaggeredTimetable:
        """Make the timetable that was stored."""
        return cls(data["expression"], data["timezone"], offset_minutes=data["offset_minutes"])

    def serialize(self) -> dict[str, Any]:
        """Say in plain values what `deserialize` needs."""
        return {**super().serialize(), "offset_minutes": self._offset_minutes}

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Give the next run its parent's interval, and its own start."""
        info = super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )
        return None if info is None else info._replace(run_after=info.run_after + self._offset)

    def _skip_to_latest(self, earliest: DateTime | None) -> DateTime:
        """Begin of the latest interval whose run may have started: without the offset, a busy scheduler would skip one.

        The parent asks for the latest interval that has ended. Its predecessor's run would then be skipped as missed
        although its turn was only just now, `offset_minutes` after its end.
        """
        latest = self._get_prev(self._align_to_prev(pendulum.now("UTC") - self._offset))
        return latest if earliest is None else max(latest, self._align_to_next(earliest))

    @property
    def _offset(self) -> dt.timedelta:
        return dt.timedelta(minutes=self._offset_minutes)
