"""What a run of bookings was asked to take: the invoices of a data interval, or of a range of dates."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from include.errors import AskedWronglyError

LOCAL = ZoneInfo("Europe/Amsterdam")


@dataclass(frozen=True, slots=True)
class Plan:
    """Either an interval of the change log (half-open, UTC), or a range of invoice dates (both inclusive).

    Attributes:
        start: First instant of the interval.
        end: First instant after the interval.
        from_date: First invoice date of the range; None for an interval.
        to_date: Last invoice date of the range; None for an interval.
        missed: Intervals of earlier runs that came to nothing, which this run makes up for.
        missed_runs: Numbers of those runs.
    """

    start: dt.datetime
    end: dt.datetime
    from_date: dt.date | None = None
    to_date: dt.date | None = None
    missed: tuple[tuple[dt.datetime, dt.datetime], ...] = ()
    missed_runs: tuple[int, ...] = ()

    @property
    def local_date(self) -> dt.date:
        """The run's local date (Europe/Amsterdam): that of the end of its interval."""
        return self.end.astimezone(LOCAL).date()

    @property
    def intervals(self) -> list[tuple[dt.datetime, dt.datetime]]:
        """The run's own interval and those that it makes up for, in order; those that touch are one."""
        joined: list[tuple[dt.datetime, dt.datetime]] = []
        for start, end in sorted({(self.start, self.end), *self.missed}):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((start, end))
        return joined

    @property
    def in_words(self) -> str:
        """Which invoices it takes, for the log."""
        if self.from_date is not None:
            return f"with an invoice date of {self.from_date} to {self.to_date}"
        periods = ((start.astimezone(LOCAL), end.astimezone(LOCAL)) for start, end in self.intervals)
        said = ", ".join(f"{start:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S}" for start, end in periods)
        return f"processed in {said} (Europe/Amsterdam), and those that are open"

    def as_json(self) -> dict[str, Any]:
        """Write the plan for the runs table."""
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "from_date": None if self.from_date is None else self.from_date.isoformat(),
            "to_date": None if self.to_date is None else self.to_date.isoformat(),
            "missed": [[start.isoformat(), end.isoformat()] for start, end in self.missed],
            "missed_runs": list(self.missed_runs),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Plan:
        """Read a plan from the runs table."""
        dates = {
            name: None if content.get(name) is None else dt.date.fromisoformat(content[name])
            for name in ("from_date", "to_date")
        }
        start, end = _interval(content["start"], content["end"])
        missed = tuple(_interval(*each) for each in content.get("missed", ()))
        return cls(start, end, **dates, missed=missed, missed_runs=tuple(content.get("missed_runs", ())))


def make_plan(
    *,
    start: dt.datetime,
    end: dt.datetime,
    from_date: str | dt.date | None = None,
    to_date: str | dt.date | None = None,
) -> Plan:
    """Make a plan, refusing what makes no sense before anything is read.

    Args:
        start: First instant of the data interval, with a time zone.
        end: First instant after it.
        from_date: First invoice date of a range.
        to_date: Last invoice date of a range.

    Raises:
        AskedWronglyError: Only one end of the range is given, a date is no date, or an end lies before its start.
    """
    first, last = (_date(name, value) for name, value in (("from_date", from_date), ("to_date", to_date)))
    if (first is None) != (last is None):
        raise AskedWronglyError("A range of invoice dates needs both from_date and to_date.")
    if first is not None and last is not None and first > last:
        raise AskedWronglyError(f"The range is the wrong way round: from_date {first} lies after to_date {last}.")
    if start.tzinfo is None or end.tzinfo is None:
        raise AskedWronglyError("The interval needs a time zone, e.g. 2026-01-31T07:00:00+01:00.")
    if start > end:
        raise AskedWronglyError(f"The interval is the wrong way round: {start} lies after {end}.")
    return Plan(start.astimezone(dt.UTC), end.astimezone(dt.UTC), first, last)


def _interval(start: str, end: str) -> tuple[dt.datetime, dt.datetime]:
    return dt.datetime.fromisoformat(start), dt.datetime.fromisoformat(end)


def _date(name: str, value: str | dt.date | None) -> dt.date | None:
    """Read a date of the run's form; blank is none."""
    if value is None or isinstance(value, dt.date):
        return value
    if not value.strip():
        return None
    try:
        return dt.date.fromisoformat(value.strip()[:10])
    except ValueError as error:
        raise AskedWronglyError(f"{name} {value!r} is not a date: write it as 2026-01-31.") from error
