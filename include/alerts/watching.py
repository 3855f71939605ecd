"""What the watcher makes of what it sees: silence, runs that stopped without a word, connections that lie idle.

A task that is killed calls nobody and a scheduler that stands still starts nothing, so these are found by looking, from
outside of the runs (spec, section 6).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from include.alerts.incident import GRANT, GRANT_IDLE, KILLED, SILENCE, Trouble

KILLED_AFTER = dt.timedelta(minutes=15)
"""A run is given up when no task of it has worked for so long: more than the waits between its tasks and tries."""

GRANT_IDLE_AFTER = dt.timedelta(days=7)
"""The systems do not say how long an unused refresh token lives; a week without a renewal is not normal use."""


@dataclass(frozen=True, slots=True)
class RunSeen:
    """The last run of a direction.

    Attributes:
        dag_id: Of the DAG.
        run_id: Of the DAG run.
        state: `running`, `good`, `failed` or `abandoned`.
        idle: Since when none of its tasks works; zero while one does.
    """

    dag_id: str
    run_id: str
    state: str
    idle: dt.timedelta


@dataclass(frozen=True, slots=True)
class DirectionSeen:
    """One direction of a link, as the watcher finds it.

    Attributes:
        quiet_minutes: Minutes within the schedule's window since the last good run, or since the watcher first saw the
            link when there never was one.
        in_window: It is between 07:00 and 20:00 (Europe/Amsterdam).
        last_good_at: When the last good run ended.
        last: The last run; None: there never was one.
    """

    quiet_minutes: int
    in_window: bool
    last_good_at: dt.datetime | None
    last: RunSeen | None


@dataclass(frozen=True, slots=True)
class GrantSeen:
    """The grant of one of the link's connections.

    Attributes:
        system: Name of the system, e.g. `Minox`.
        conn_id: Airflow connection.
        state: `absent`, `good` or `refused`.
        message: Why it was refused.
        unrenewed: Since when its access token has run out without anyone asking for a new one.
    """

    system: str
    conn_id: str
    state: str
    message: str | None
    unrenewed: dt.timedelta


def trouble_of_direction(seen: DirectionSeen, silence_minutes: int) -> Trouble | None:
    """Say what is wrong with a direction, if anything.

    Args:
        seen: What the watcher found.
        silence_minutes: The link's setting.
    """
    last = seen.last
    if last is not None and last.state == "running" and last.idle >= KILLED_AFTER:
        minutes = int(last.idle / dt.timedelta(minutes=1))
        return Trouble(
            KILLED,
            f"The run has stood still for {minutes} minutes: its process was killed, or its machine went down.",
            f"run {last.run_id} is noted as running, and no task of it holds its lock",
        )
    if seen.in_window and seen.quiet_minutes > silence_minutes:
        ever = "There never was a good run" if seen.last_good_at is None else "No good run"
        state = "none yet" if last is None else f"{last.run_id} ({last.state})"
        return Trouble(
            SILENCE,
            f"{ever} for {seen.quiet_minutes} minutes between 07:00 and 20:00; {silence_minutes} are allowed.",
            f"last run: {state}",
        )
    return None


def trouble_of_grant(seen: GrantSeen) -> Trouble | None:
    """Say what is wrong with a grant, if anything."""
    if seen.state == "refused":
        return Trouble(GRANT, f"{seen.system} has withdrawn our access.", seen.message or "", seen.conn_id)
    if seen.state == "good" and seen.unrenewed >= GRANT_IDLE_AFTER:
        days = seen.unrenewed.days
        return Trouble(
            GRANT_IDLE,
            f"Nothing has been asked of {seen.system} for {days} days; an unused connection may lapse.",
            f"connection {seen.conn_id}: its access token ran out {days} days ago and was not renewed",
            seen.conn_id,
        )
    return None
