"""What each task of a run took, kept with the run (`sync_run.figures`) so that it can be asked long after the task."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minox_qms.hooks.base import SystemHook

KILOBYTES = 1024


def figures_of(hooks: Sequence[SystemHook], seconds: float) -> dict[str, Any]:
    """Put together what a task took.

    Args:
        hooks: Those that it used.
        seconds: That it worked.

    Returns:
        JSON-ready: `seconds`, `peak_megabytes` (of its process, since that began), and per system that it asked
        `requests` by method and path template, `bytes_received`, `retries`, `waits` and `waited_seconds`.
    """
    figures: dict[str, Any] = {
        "seconds": round(seconds, 3),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KILOBYTES,
    }
    for hook in hooks:
        if "client" in vars(hook):  # looking would make one
            figures[hook.system] = hook.stats.as_dict()
    return figures
