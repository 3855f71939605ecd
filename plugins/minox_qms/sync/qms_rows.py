"""Reads of one QMS entity, always of the link's own company, and as few requests as possible."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from include.errors import ContractViolationError
from include.storage.runs import insist_on_turn
from include.storage.staging import read_by_key, stage
from include.wire.text import plain, row_key
from minox_qms.hooks import odata
from minox_qms.hooks.qms import read_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import sqlalchemy as sa

    from include.mapping.mapper import Mapping
    from include.storage.runs import Run
    from minox_qms.hooks.qms import QmsHook

Row: TypeAlias = dict[str, Any]


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
        self.is_of_one_page = True

    def key_of(self, row: Row) -> int:
        """Key of a row in QMS."""
        key = row_key(row.get(self.mapping.key_field))
        if key is None:
            raise ContractViolationError(
                "A list of QMS holds a row without its key; nothing of it was used.",
                system="qms",
                entity=self.mapping.qms,
                field=self.mapping.key_field,
            )
        return key

    def insist_on_turn(self) -> None:
        """See that no other run has taken over, right before something is written to QMS.

        Raises:
            RunBusyError: One has; its rows are newer than what this run knows.
        """
        insist_on_turn(self.engine, self.run)

    def _read(self, raw: bytes) -> Row:
        """Read a row for writing it back."""
        return read_row(raw, self.mapping.qms)

    def remember_all(self) -> None:
        """Read all rows of the company once, into staging: the cheapest way to match many records."""
        stage(self.engine, self.run, f"qms_{self.mapping.entity}", self._pages(), self._code_of_raw)
        self.is_remembered = True

    def _pages(self) -> Iterator[list[bytes]]:
        """Read all rows raw, the younger ones first: of two with one code, the copy that comes last is staged."""
        pages = self.qms.pages(self.mapping.qms, orderby=f"{self.mapping.key_field} desc")
        for number, page in enumerate(pages, start=1):
            self.is_of_one_page = number == 1
            yield page

    def by_codes(self, codes: Iterable[str]) -> dict[str, Row]:
        """Find rows by code, as remembered when all were; of two with one code, the older one."""
        wanted = list(codes)
        if not self.is_remembered:
            return self.fresh_by_codes(wanted)
        staged = read_by_key(self.engine, self.run, f"qms_{self.mapping.entity}", wanted)
        return {code: self._read(record.raw) for code, record in staged}

    def fresh_by_codes(self, codes: Iterable[str]) -> dict[str, Row]:
        """Find rows by code as QMS has them now; of two with one code, the older one."""
        wanted = set(codes)
        short = [code for code in wanted if odata.fits(self.mapping.code_field, code)]
        rows = self._matching(self.mapping.code_field, sorted(short))
        if len(short) < len(wanted):  # too long for a query string: only the whole list can tell
            rows = chain(rows, self._all())
        found: dict[str, Row] = {}
        for row in rows:
            code = self.code_of(row)
            if code in wanted and (code not in found or self.key_of(row) < self.key_of(found[code])):
                found[code] = row
        return found

    def by_keys(self, keys: Iterable[int]) -> dict[int, Row]:
        """Find rows by key."""
        return {self.key_of(row): row for row in self._matching(self.mapping.key_field, list(keys))}

    def _matching(self, field: str, values: list[Any]) -> Iterator[Row]:
        """Read the company's rows whose field has one of these values, many values a request."""
        for page in self.qms.pages_any(self.mapping.qms, field, values):
            yield from map(self._read, page)

    def _all(self) -> Iterator[Row]:
        """Read all rows of the company."""
        for page in self.qms.pages(self.mapping.qms):
            yield from map(self._read, page)

    def _code_of_raw(self, raw: bytes) -> str | None:
        """Code of a raw row; None when it has none."""
        return self.code_of(self._read(raw))

    def code_of(self, row: Row) -> str | None:
        """Code of a row, which may come as a number; None when it has none."""
        code = row.get(self.mapping.code_field)
        if isinstance(code, int | Decimal) and not isinstance(code, bool):
            return plain(code)
        return code if isinstance(code, str) else None
