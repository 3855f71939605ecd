"""Load one entity into QMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.mappings import MASTER_DATA
from include.storage.runs import count_outcomes
from minox_qms.assets import CHANGES, tell_change
from minox_qms.lineage import Flow, qms_entity, staging_table
from minox_qms.operators.link import LinkOperator
from minox_qms.sync.debtors import report_rejected_debtors
from minox_qms.sync.extraction import staged_item_groups
from minox_qms.sync.master_data import MasterDataLoader
from minox_qms.sync.standstill import note_loaded

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        loader = MasterDataLoader(self.engine, qms, mapping, settings, run, groups)
        try:
            loader.load()
        finally:
            if self.entity == "customers" and not run.dry_run:
                report_rejected_debtors(self.engine, qms, settings, run)
        if not loader.references.have_changed:  # else what was unchanged by the old ones is looked at once more
            note_loaded(self.engine, run, mapping, settings)

    def flow(self, settings: LinkSettings, run: Run) -> Flow:
        """From the staging table to the entity of QMS; a dry run writes nothing."""
        target = qms_entity(self.base_url("qms"), settings, MASTER_DATA[self.entity].qms)
        return Flow((staging_table(self.engine.url, self.entity),), () if run.dry_run else (target,))

    def tell_assets(self, context: Mapping[str, Any], run: Run) -> None:
        """Tell that customers were created or updated."""
        if self.entity in CHANGES:
            tell_change(context, self.link, self.entity, count_outcomes(self.engine, run).get(self.entity, {}))
