"""A task that may find that the tasks behind it have nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.skipmixin import SkipMixin

from include.storage.runs import find_run, forget_failures
from minox_qms.operators.link import LinkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class SkippingOperator(LinkOperator, SkipMixin):
    """Base of the tasks that stage: they skip tasks of their own group, which then take no process.

    What `work` names with `skip_later` is skipped, whatever its trigger rule; all other tasks go by theirs.

    Args:
        **kwargs: See `LinkOperator`.
    """

    inherits_from_skipmixin = True  # the scheduler skips them again when they are cleared by themselves

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._idle: list[str] = []

    def skip_later(self, *names: str) -> None:
        """Have these tasks skipped once this one has come to a good end; names as in `check`, without the group's."""
        group = self.task_id.rpartition(".")[0]
        self._idle = [f"{group}.{name}" if group else name for name in names]

    def execute(self, context: Context) -> Any:
        """Work, and skip what has nothing to do."""
        self._idle = []
        result = super().execute(context)
        if self._idle:
            run = find_run(self.engine, self.dag_id, str(context["run_id"]))
            forget_failures(self.engine, run, self._idle)
            self.skip(context["ti"], [self.dag.get_task(task_id) for task_id in self._idle])
        return result
