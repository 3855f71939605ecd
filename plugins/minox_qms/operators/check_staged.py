"""Check what was staged, with Great Expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minox_qms.operators.link import LinkOperator

if TYPE_CHECKING:
    from include.settings.link import LinkSettings
    from include.storage.runs import Run


class CheckStagedOperator(LinkOperator):
    """Puts bad records aside and holds a bad batch back.

    Args:
        entity: Whose records get an outcome, e.g. `items`.
        tables: Staging tables that are checked, e.g. `item_groups` and `items`.
        **kwargs: See `LinkOperator`.
    """

    def __init__(self, *, entity: str, tables: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entity = entity
        self.tables = tables

    def work(self, settings: LinkSettings, run: Run) -> None:
        """Check the tables in turn."""
        from minox_qms.sync.checking import check_table  # noqa: PLC0415 - Great Expectations takes seconds to import

        for table in self.tables:
            check_table(self.engine, run, table, settings.checks, outcomes_of=self.entity)
