"""Load one entity into QMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.mappings import MASTER_DATA
from minox_qms.operators.link import LinkOperator
from minox_qms.sync.debtors import report_rejected_debtors
from minox_qms.sync.extraction import staged_item_groups
from minox_qms.sync.master_data import MasterDataLoader

if TYPE_CHECKING:
    from include.settings.link import LinkSettings
    from include.storage.runs import Run


class LoadMasterDataOperator(LinkOperator):
    """Writes the records whose coupled fields differ from those last written.

    Args:
        entity: E.g. `customers`.
        **kwargs: See `LinkOperator`.
    """

    def __init__(self, *, entity: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entity = entity

    def work(self, settings: LinkSettings, run: Run) -> None:
        """Load the accepted records, and note what QMS is to be told of rejected debtors."""
        mapping = MASTER_DATA[self.entity]
        groups = staged_item_groups(self.engine, run) if mapping.reads else {}
        qms = self.qms(settings)
        try:
            MasterDataLoader(self.engine, qms, mapping, settings, run, groups).load()
        finally:
            if self.entity == "customers" and not run.dry_run:
                report_rejected_debtors(self.engine, qms, settings, run)
