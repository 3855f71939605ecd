"""Golden files of the mappings: `<entity>/<case>.in.json` and what comes of it, `<case>.out.json`.

Set MINOX_QMS_REWRITE_GOLDEN=1 to rewrite the expectations, and read the difference before it is committed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from include.mapping.context import MappingContext
from include.mapping.mapper import map_raw
from include.mappings import MASTER_DATA
from include.mappings.items import group_key
from include.settings.link import MasterDataSettings
from include.wire.minox import ItemGroup

ROOT = Path(__file__).resolve().parent
REWRITE = os.environ.get("MINOX_QMS_REWRITE_GOLDEN") == "1"


@dataclass(frozen=True)
class Case:
    """One golden case.

    Attributes:
        entity: E.g. `customers`.
        name: The file's name without `.in.json`.
        raw: The record as Minox would send it.
        context: Settings, references and item groups of the case.
    """

    entity: str
    name: str
    raw: bytes
    context: MappingContext

    @property
    def expected(self) -> Path:
        """The file that holds what has to come out."""
        return ROOT / self.entity / f"{self.name}.out.json"

    def outcome(self) -> dict[str, Any]:
        """Map the record; decimals are written as text, as QMS writes them."""
        mapped = map_raw(MASTER_DATA[self.entity], self.raw, self.context)
        outcome: dict[str, Any] = json.loads(msgspec.json.encode(mapped))
        return outcome


def cases(entity: str) -> list[Case]:
    """Read every case of an entity."""
    return [_case(entity, path) for path in sorted((ROOT / entity).glob("*.in.json"))]


def _case(entity: str, path: Path) -> Case:
    content = json.loads(path.read_text(encoding="utf-8"))
    groups = [msgspec.convert(group, ItemGroup) for group in content.get("item_groups", [])]
    context = MappingContext(
        settings=MasterDataSettings(**content.get("settings", {})),
        references=content.get("references", {}),
        item_groups={str(group_key(group)): group for group in groups},
    )
    return Case(entity, path.name.removesuffix(".in.json"), json.dumps(content["record"]).encode(), context)
