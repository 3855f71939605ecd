"""Attach the invoices' PDFs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minox_qms.operators.link import LinkOperator
from minox_qms.sync.pdfs import PdfAttacher

if TYPE_CHECKING:
    from include.settings.link import LinkSettings
    from include.storage.runs import Run


class AttachPdfsOperator(LinkOperator):
    """Attaches the PDFs that are due; a PDF never touches its booking."""

    def work(self, settings: LinkSettings, run: Run) -> int:
        """Return the number of PDFs attached."""
        if run.dry_run or not settings.bookings.attach_pdf:
            return 0
        return PdfAttacher(self.engine, self.minox(settings), self.qms(settings), settings, run).attach()
