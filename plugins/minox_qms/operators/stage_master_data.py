"""Extract one entity of Minox into staging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.mappings import MASTER_DATA
from minox_qms.lineage import Flow, minox_collection, staging_table
from minox_qms.operators.skipping import SkippingOperator
from minox_qms.sync.extraction import stage_entity
from minox_qms.sync.standstill import settle_standstill

if TYPE_CHECKING:
    from include.settings.link import LinkSettings
    from include.storage.runs import Run


class StageMasterDataOperator(SkippingOperator):
    """Lists a whole collection of Minox into its staging table; a batch that stands still is not checked nor loaded.

    Args:
        entity: E.g. `customers`.
        **kwargs: See `LinkOperator`.
    """

    def __init__(self, *, entity: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entity = entity

    def work(self, settings: LinkSettings, run: Run) -> int:
        """Return the number of records."""
        extracted = stage_entity(self.engine, run, self.minox(settings), self.entity)
        if settle_standstill(self.engine, run, MASTER_DATA[self.entity], settings):
            self.skip_later("check", "load")
        return extracted

    def flow(self, settings: LinkSettings, run: Run) -> Flow:  # noqa: ARG002 - the base's signature
        """From the collection of Minox to its staging table; items bring their groups."""
        collections = {self.entity: MASTER_DATA[self.entity].minox}
        if self.entity == "items":
            collections["item_groups"] = "item_group"
        base_url = self.base_url("minox")
        return Flow(
            tuple(minox_collection(base_url, settings, one) for one in collections.values()),
            tuple(staging_table(self.engine.url, one) for one in collections),
        )
