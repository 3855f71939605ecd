"""Reads of one QMS entity, always of the link's own company, and as few requests as possible."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from include.storage.staging import read_by_key, stage
from include.wire.text import whole_number
from minox_qms.hooks import odata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import sqlalchemy as sa

    from include.mapping.mapper import Mapping
    from include.storage.runs import Run
    from minox_qms.hooks.qms import QmsHook

Row: TypeAlias = dict[str, Any]


def parse_row(raw: bytes) -> Row:
    """Read a row of QMS for writing it back: every field as it came, numbers exact."""
    row: Row = json.loads(raw, parse_float=Decimal)
    return row


class QmsRows:
    """Finds the rows of one entity by code or by key.

    Args:
        qms: The hook.
        mapping: Declaration of the entity.
        engine: Of the connector's database, for `remember_all`.
        run: The run.
    """

    def __init__(self, qms: QmsHook, mapping: Mapping[Any], engine: sa.Engine, run: Run) -> None:
        self.qms = qms
        self.mapping = mapping
        self.engine = engine
        self.run = run
        self.is_remembered = False

    def key_of(self, row: Row) -> int:
        """Key of a row in QMS."""
        key = whole_number(row[self.mapping.key_field])
        if key is None:
            raise ValueError(f"{self.mapping.qms}: a row without {self.mapping.key_field}")
        return key

    def remember_all(self) -> None:
        """Read all rows of the company once, into staging: the cheapest way to match many records."""
        company = f"CompanyId eq {odata.literal(self.qms.company_id)}"
        # the copy of a code that comes last stays, so that of two rows with one code it is the older one
        pages = self.qms.pages(self.mapping.qms, filter=company, orderby=f"{self.mapping.key_field} desc")
        stage(self.engine, self.run, f"qms_{self.mapping.entity}", pages, self._code_of_raw)
        self.is_remembered = True

    def by_codes(self, codes: Iterable[str]) -> dict[str, Row]:
        """Find rows by code; of two with one code, the older one."""
        wanted = list(codes)
        if self.is_remembered:
            staged = read_by_key(self.engine, self.run, f"qms_{self.mapping.entity}", wanted)
            return {code: parse_row(record.raw) for code, record in staged}
        found: dict[str, Row] = {}
        for row in self._matching(self.mapping.code_field, wanted):
            code = row.get(self.mapping.code_field)
            if code not in found or self.key_of(row) < self.key_of(found[code]):
                found[str(code)] = row
        return found

    def fresh_by_codes(self, codes: Iterable[str]) -> dict[str, Row]:
        """Find rows by code as QMS has them now, whatever was remembered."""
        remembered, self.is_remembered = self.is_remembered, False
        try:
            return self.by_codes(codes)
        finally:
            self.is_remembered = remembered

    def by_keys(self, keys: Iterable[int]) -> dict[int, Row]:
        """Find rows by key."""
        return {self.key_of(row): row for row in self._matching(self.mapping.key_field, list(keys))}

    def _matching(self, field: str, values: list[Any]) -> Iterator[Row]:
        """Read the company's rows whose field has one of these values, many values a request."""
        if not values:
            return
        company = f"CompanyId eq {odata.literal(self.qms.company_id)}"
        for page in self.qms.pages_any(self.mapping.qms, field, values, and_=company):
            yield from map(parse_row, page)

    def _code_of_raw(self, raw: bytes) -> str | None:
        """Code of a raw row; None when it has none."""
        code = parse_row(raw).get(self.mapping.code_field)
        return code if isinstance(code, str) else None
