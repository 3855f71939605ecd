"""Let each task of a run be a process of its own, as in Airflow, that writes down what memory it took."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import DownstreamTasksSkipped

from benchmarks.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIGURES = "memory.jsonl"
BY_TASK = "BENCH_MEMORY"
"""Environment: each task is to be a process of its own, and to say what it took."""


def forked(execute: Callable[[Any, Any], Any], directory: Path) -> Callable[[Any, Any], Any]:
    """Let a task work in a process of its own, which writes down what memory it took.

    Args:
        execute: The operators' own method.
        directory: Where that is written down.
    """

    def in_a_process(task: Any, context: Any) -> None:
        reading, writing = os.pipe()
        if (pid := os.fork()) == 0:
            _work(lambda: execute(task, context), task.task_id, directory, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            content = answer.read()
        os.waitpid(pid, 0)
        result = json.loads(content or b'{"failed": "the process died"}')
        if "failed" in result:
            raise RuntimeError(f"{task.task_id}: {result['failed']}")
        if result["skipped"]:
            raise DownstreamTasksSkipped(tasks=result["skipped"])  # type: ignore[no-untyped-call]  # Airflow's

    return in_a_process


def _work(execute: Callable[[], Any], task_id: str, directory: Path, writing: int) -> None:
    """Work, in the child; it ends here."""
    result: dict[str, Any] = {"skipped": []}
    try:
        with Meter() as meter:
            try:
                execute()
            except DownstreamTasksSkipped as more:
                result["skipped"] = list(more.tasks)
        row = {"task": task_id, "working_bytes": max(0, meter.peak_bytes - meter.idle_bytes), "seconds": meter.seconds}
        with (directory / FIGURES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent is told
        result = {"failed": repr(error)}
    finally:
        os.write(writing, json.dumps(result).encode())
        os._exit(0)
