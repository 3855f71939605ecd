"""Compare QMS, the ledger and Minox, and be red when they do not agree."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from include.errors import ConnectorError, KnownEndError
from include.storage.runs import close_run
from minox_qms.alerts.closing import after_run
from minox_qms.operators.link import LinkOperator

if TYPE_CHECKING:
    from include.bookings.reconcile import Difference
    from include.settings.link import LinkSettings
    from include.storage.runs import Run

SHOWN = 200


class DifferencesFoundError(KnownEndError):
    """QMS, the ledger and Minox do not agree."""


class ReconcileOperator(LinkOperator):
    """Reconciles the run's range of invoice dates."""

    def work(self, settings: LinkSettings, run: Run) -> dict[str, Any]:
        """Return the number of differences; any makes the task red, with a table in its log."""
        from minox_qms.sync.reconciliation import Reconciliation  # noqa: PLC0415 - pandas is slow to import

        try:
            differences = Reconciliation(
                self.engine, self.minox(settings), self.qms(settings), settings, run
            ).reconcile()
        except ConnectorError as error:
            close_run(self.engine, run, good=False, message=str(error))
            raise
        close_run(self.engine, run, good=not differences, message=f"{len(differences)} differences")
        after_run(self.engine, settings, run, good=not differences)
        if differences:
            self.log.error("What does not agree:\n%s", table(differences[:SHOWN]))
            raise DifferencesFoundError(
                f"{len(differences)} invoices do not agree between QMS, the ledger and Minox.",
                detail="see the table above, or `minox-qms reconcile`",
            )
        return {"differences": 0}


def table(differences: list[Difference]) -> str:
    """Write differences as a table of plain text."""
    import pandas as pd  # noqa: PLC0415 - as above

    frame = pd.DataFrame([asdict(one) for one in differences])
    return frame.fillna("-").to_string(index=False)
