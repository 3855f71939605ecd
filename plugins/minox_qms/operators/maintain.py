"""Forget what is old, of all links."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from include.errors import ConfigurationError
from minox_qms.operators.asked import asked

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class MaintainOperator(BaseOperator):
    """Deletes what the settings (`retention`) do not keep; stops by itself well before the task's limit."""

    def execute(self, context: Context) -> dict[str, int]:
        """Return the number of rows per table that were deleted, or would be in a dry run."""
        # Every task reads this file; only this one needs these.
        import sqlalchemy as sa  # noqa: PLC0415

        from include.settings.load import valid_links  # noqa: PLC0415
        from include.storage.engine import database_error, engine  # noqa: PLC0415
        from include.storage.migrate import migrate  # noqa: PLC0415
        from include.storage.retention import Cleaning, clean  # noqa: PLC0415
        from minox_qms.alerts.maintenance import maintenance_good  # noqa: PLC0415

        try:
            params = asked(context, self.dag.params)
            migrate(engine())
            cleaning = Cleaning(engine(), dry_run=bool(params.get("dry_run")))
            clean(cleaning, valid_links())
        except ConfigurationError as error:
            raise AirflowFailException(str(error)) from error
        except sa.exc.SQLAlchemyError as error:
            raise database_error(error) from None  # its own words quote whole rows
        gone = {table: rows for table, rows in cleaning.gone.items() if rows}
        for table, rows in gone.items():
            log.info("%s: %d rows %s", table, rows, "would go" if cleaning.dry_run else "deleted")
        if not cleaning.is_complete:
            log.warning("there was no time for all of it; the next night goes on")
        maintenance_good(engine())
        return gone
