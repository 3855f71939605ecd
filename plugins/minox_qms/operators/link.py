"""What all operators of a link share."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from include.errors import ConfigurationError, ConnectorError, InvariantError, KnownEndError
from include.settings.load import find_link
from include.storage.engine import database_error, engine
from include.storage.runs import find_run, note_failure, note_success, working
from minox_qms.figures import figures_of
from minox_qms.hooks.minox import MinoxHook
from minox_qms.hooks.qms import QmsHook
from minox_qms.lineage import Flow
from minox_qms.metrics import note_requests, timed_task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.openlineage.extractors.base import OperatorLineage
    from airflow.sdk import Context

    from include.settings.link import LinkSettings
    from include.storage.runs import Run
    from minox_qms.hooks.base import SystemHook

log = logging.getLogger(__name__)


class LinkOperator(BaseOperator):
    """A task of one link: it runs while its run holds the link's direction.

    Args:
        link: Name of the link; its file is read when the task runs.
        direction: `minox_to_qms` or `qms_to_minox`.
        **kwargs: Airflow's own.
    """

    template_fields: Sequence[str] = ("link",)

    def __init__(self, *, link: str, direction: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.link = link
        self.direction = direction
        self._hooks: list[SystemHook] = []
        self._flow = Flow()

    @abstractmethod
    def work(self, settings: LinkSettings, run: Run) -> Any:
        """Do the task's work; what it returns is plain counts."""

    def execute(self, context: Context) -> Any:
        """Work while the run holds the link's direction; what another try cannot mend is not tried again."""
        try:
            settings = find_link(self.link)
            run = self.run_of(context, settings)
            return self._work_for(run, settings, context)
        except (ConfigurationError, InvariantError, KnownEndError) as error:
            self.explain(error)
            raise AirflowFailException(str(error)) from error
        except ConnectorError as error:
            self.explain(error)
            raise
        except sa.exc.SQLAlchemyError as error:
            told = database_error(error)
            self.explain(told)
            raise told from None

    def _work_for(self, run: Run, settings: LinkSettings, context: Mapping[str, Any]) -> Any:
        """Work for a run, note with it whether that went well, and tell Airflow what was read and written."""
        self._hooks.clear()
        begun = time.monotonic()
        try:
            with working(self.engine, run, self.task_id), timed_task(self.link, self.direction, self.task_id):
                result = self.work(settings, run)
        except ConnectorError as error:
            self._note_failure(run, error)
            raise
        except sa.exc.SQLAlchemyError as error:
            told = database_error(error)
            self._note_failure(run, told)
            raise told from None  # the database's own words quote whole rows
        finally:
            note_requests(self.link, self._hooks)
        note_success(self.engine, run, self.task_id, figures_of(self._hooks, time.monotonic() - begun))
        self._flow = self.flow(settings, run)
        self.tell_assets(context, run)
        return result

    def _note_failure(self, run: Run, error: ConnectorError) -> None:
        """Note with the run why the task failed, so that its last task can say so; the database may be away."""
        with suppress(sa.exc.SQLAlchemyError):
            note_failure(self.engine, run, self.task_id, str(error))

    def flow(self, settings: LinkSettings, run: Run) -> Flow:  # noqa: ARG002 - what most tasks have to say
        """What the task has read and written, for OpenLineage."""
        return Flow()

    def tell_assets(self, context: Mapping[str, Any], run: Run) -> None:
        """Tell Airflow's assets what the task has changed."""

    def get_openlineage_facets_on_complete(self, _: Any) -> OperatorLineage[Any, Any]:
        """Return what the task has read and written (called by Airflow's OpenLineage provider)."""
        return self._flow.as_openlineage()

    def run_of(self, context: Mapping[str, Any], settings: LinkSettings) -> Run:  # noqa: ARG002 - the first task's need
        """The run that the task belongs to."""
        return find_run(self.engine, self.dag_id, str(context["run_id"]))

    def explain(self, error: ConnectorError) -> None:
        """Write what went wrong, for both readers of the log."""
        log.error("%s%s", error.message, f" [{error.place}]" if error.place else "")
        if error.detail:
            log.error("For the engineer: %s", error.detail)

    @property
    def engine(self) -> sa.Engine:
        """Engine of the connector's database."""
        return engine()

    def minox(self, settings: LinkSettings) -> MinoxHook:
        """Hook of the link's administration."""
        hook = MinoxHook(
            settings.minox.conn_id,
            settings.minox.tenant_id,
            settings.minox.administration_id,
            float(settings.minox.requests_per_second),
        )
        self._hooks.append(hook)
        return hook

    def qms(self, settings: LinkSettings) -> QmsHook:
        """Hook of the link's company."""
        hook = QmsHook(settings.qms.conn_id, settings.qms.company_id)
        self._hooks.append(hook)
        return hook

    def base_url(self, system: str) -> str:
        """Address of a system that the task has talked to; empty when it has not."""
        return next((hook.site.base_url for hook in self._hooks if hook.system == system), "")
