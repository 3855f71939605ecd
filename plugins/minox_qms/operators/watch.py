"""Look at every link, and tell people what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class WatchOperator(BaseOperator):
    """Finds silence, runs that were killed and refused connections, and sends what could not be sent before."""

    def execute(self, context: Context) -> dict[str, int]:  # noqa: ARG002 - Airflow's signature
        """Return counts: links, incidents opened, incidents open, messages sent."""
        # Every task reads this file; only this one needs these.
        from include.storage.engine import engine  # noqa: PLC0415
        from include.storage.migrate import migrate  # noqa: PLC0415
        from minox_qms.alerts.watcher import watch  # noqa: PLC0415
        from minox_qms.metrics import note_watch  # noqa: PLC0415

        migrate(engine())
        counts = watch(engine())
        note_watch(counts)
        return counts
