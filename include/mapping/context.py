"""What a mapping may know beside the record itself."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - part of the dataclass's public annotations
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.settings.link import MasterDataSettings

if TYPE_CHECKING:
    from include.wire.minox import ItemGroup


@dataclass(frozen=True, slots=True)
class MappingContext:
    """Settings and other records, looked up before the mapping starts.

    Attributes:
        settings: The link's settings for master data.
        references: Per entity (`vat_codes`, `payment_terms`): code to key in QMS.
        item_groups: Minox's item groups by their id.
    """

    settings: MasterDataSettings = field(default_factory=MasterDataSettings)
    references: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    item_groups: Mapping[str, ItemGroup] = field(default_factory=dict)
