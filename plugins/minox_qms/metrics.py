"""Figures for Airflow's metrics (OpenTelemetry or StatsD, as Airflow is configured).

| metric | kind | tags |
|---|---|---|
| `minox_qms.outcomes` | counter | link, direction, entity, outcome |
| `minox_qms.task` | timing | link, direction, task, entity, state |
| `minox_qms.requests`, `.retries`, `.waits`, `.bytes` | counter | link, system |
| `minox_qms.waited` | timing | link, system |
| `minox_qms.watch.links`, `.open`, `.opened`, `.sent` | gauge | |

Plain StatsD knows no tags: there the values of the tags stand behind the name, in this order, with dots between them.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from typing import TYPE_CHECKING

from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from minox_qms.hooks.base import SystemHook

PREFIX = "minox_qms"


@contextlib.contextmanager
def timed_task(link: str, direction: str, task_id: str) -> Iterator[None]:
    """Note how long a task worked, and whether it ended well.

    Args:
        link: Name of the link.
        direction: Its direction.
        task_id: E.g. `customers.load`: entity and kind of the task.
    """
    entity, _, task = task_id.rpartition(".")
    tags = {"link": link, "direction": direction, "task": task, "entity": entity or "all"}
    begin, state = time.monotonic(), "failed"
    try:
        yield
        state = "good"
    finally:
        _timing("task", time.monotonic() - begin, {**tags, "state": state})


def note_outcomes(link: str, direction: str, counts: Mapping[str, Mapping[str, int]]) -> None:
    """Count what became of the records of a run.

    Args:
        link: Name of the link.
        direction: Its direction.
        counts: Number of records per outcome, by entity.
    """
    for entity, by_outcome in sorted(counts.items()):
        for outcome, count in sorted(by_outcome.items()):
            _count("outcomes", count, {"link": link, "direction": direction, "entity": entity, "outcome": outcome})


def note_requests(link: str, hooks: Sequence[SystemHook]) -> None:
    """Count what a task asked of both systems.

    Args:
        link: Name of the link.
        hooks: Those that the task used.
    """
    for hook in hooks:
        if "client" not in vars(hook):  # asked nothing; looking would make one
            continue
        tags, done = {"link": link, "system": hook.system}, hook.stats
        _count("requests", done.requests.total(), tags)
        _count("retries", done.retries, tags)
        _count("waits", done.waits, tags)
        _count("bytes", done.bytes_received, tags)
        _timing("waited", done.waited, tags)


def note_watch(counts: Mapping[str, int]) -> None:
    """Note what the watcher saw; when these stand still, the watcher does.

    Args:
        counts: By name.
    """
    for name, count in counts.items():
        stats.gauge(f"{PREFIX}.watch.{name}", count)


def _count(name: str, count: int, tags: dict[str, str]) -> None:
    """Add to a counter."""
    if _has_tags():
        stats.incr(f"{PREFIX}.{name}", count, tags=tags)
    else:
        stats.incr(_flat(name, tags), count)


def _timing(name: str, seconds: float, tags: dict[str, str]) -> None:
    """Note a duration."""
    duration = dt.timedelta(seconds=seconds)
    if _has_tags():
        stats.timing(f"{PREFIX}.{name}", duration, tags=tags)
    else:
        stats.timing(_flat(name, tags), duration)


def _flat(name: str, tags: Mapping[str, str]) -> str:
    """Put the values of the tags behind the name."""
    return ".".join([PREFIX, name, *(stats.normalize_name_for_stats(value, False) for value in tags.values())])  # noqa: FBT003


def _has_tags() -> bool:
    """Tell whether Airflow's metrics, as configured, carry tags."""
    return any(
        conf.getboolean("metrics", option, fallback=False)
        for option in ("otel_on", "statsd_datadog_enabled", "statsd_influxdb_enabled")
    )
