"""Codes that records refer to, and the QMS keys that they stand for (spec, section 2, "References")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.mapping.path import reader
from include.mappings import MASTER_DATA
from include.storage import bindings as store
from include.storage.previews import previewed_codes
from include.wire.text import identifier
from minox_qms.sync.qms_rows import QmsRows

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy as sa

    from include.mapping.mapper import Mapping
    from include.storage.runs import Run
    from minox_qms.hooks.qms import QmsHook


class References:
    """The QMS keys of what one entity refers to: those that the bookkeeping knows, and those that were looked up.

    Args:
        engine: Of the connector's database.
        qms: The hook of the link's company.
        mapping: Declaration of the entity that refers.
        run: The run.
    """

    def __init__(self, engine: sa.Engine, qms: QmsHook, mapping: Mapping[Any], run: Run) -> None:
        self.engine = engine
        self.qms = qms
        self.mapping = mapping
        self.run = run
        self.known: dict[str, dict[str, int]] = {}
        self._asked: set[tuple[str, str]] = set()
        self._remembered: dict[str, dict[str, int]] = {}
        self.have_changed = False

    def prepare(self, connection: sa.Connection) -> None:
        """Read what the bookkeeping knows."""
        for row in self.mapping.references:
            known = store.known_references(connection, self.run.link, row.to)
            self.known[row.to] = known | previewed_codes(connection, self.run, row.to)
            found = store.looked_up_references(connection, self.run.link, row.to)
            self._remembered[row.to] = {code: key for code, key in found.items() if known[code] == key}

    def codes_of(self, record: Any) -> set[tuple[str, str]]:
        """The codes that a record refers to, each with its entity."""
        if not self.mapping.references:
            return set()
        view = self.mapping.view(record)
        codes = ((row.to, identifier(reader(row.source)(view))) for row in self.mapping.references)
        return {(entity, code) for entity, code in codes if code is not None}

    def is_settled(self, entity: str, code: str) -> bool:
        """Whether it is known what the code stands for, or that QMS does not have it."""
        return code in self.known[entity] or (entity, code) in self._asked

    def look_up(self, codes: Iterable[tuple[str, str]]) -> None:
        """Look up in QMS the codes that are not settled, as few requests as possible.

        Raises:
            ConnectorError: QMS did not answer; what was found until then is kept.
        """
        missing: dict[str, set[str]] = {}
        for entity, code in codes:
            if not self.is_settled(entity, code):
                missing.setdefault(entity, set()).add(code)
        for entity, wanted in missing.items():
            self._ask(entity, wanted)

    def look_again(self, codes: Iterable[tuple[str, str]]) -> bool:
        """Look up once in a run those of these codes that an earlier run looked up: QMS's users may have changed them.

        What the connector wrote itself is known by its own bookkeeping.

        Returns:
            Whether one of them stands for another key now, or for none.

        Raises:
            ConnectorError: QMS did not answer.
        """
        again: dict[str, set[str]] = {}
        for entity, code in codes:
            if code in self._remembered[entity] and (entity, code) not in self._asked:
                again.setdefault(entity, set()).add(code)
        changed = [self._ask(entity, wanted) for entity, wanted in again.items()]
        self.have_changed |= any(changed)
        return any(changed)

    def _ask(self, entity: str, codes: set[str]) -> bool:
        """Look codes up in QMS; returns whether that changed what is known of them."""
        rows = self._rows(entity)
        found = {code: rows.key_of(row) for code, row in rows.by_codes(sorted(codes)).items()}
        self._asked |= {(entity, code) for code in codes}
        before = {code: key for code, key in self.known[entity].items() if code in codes}
        self.known[entity] = {code: key for code, key in self.known[entity].items() if code not in codes} | found
        if not self.run.dry_run and found != before:
            with self.engine.begin() as connection:
                store.note_references(connection, self.run.link, entity, found)
                store.forget_references(connection, self.run.link, entity, codes - found.keys())
        return found != before

    def find_lost(self, values: Iterable[dict[str, Any]]) -> dict[str, set[int]]:
        """Find which of the keys that these records were sent with QMS does not have any more, and forget them.

        Returns:
            Per target field the keys that are gone.

        Raises:
            ConnectorError: QMS did not answer.
        """
        sent = list(values)
        lost: dict[str, set[int]] = {}
        for row in self.mapping.references:
            keys = {one[row.target] for one in sent if one[row.target] is not None}
            if keys and (gone := keys - self._rows(row.to).by_keys(keys).keys()):
                lost[row.target] = gone
                known = self.known[row.to]
                self._asked |= {(row.to, code) for code, key in known.items() if key in gone}
                self.known[row.to] = {code: key for code, key in known.items() if key not in gone}
                with self.engine.begin() as connection:
                    store.forget_qms_ids(connection, self.run.link, row.to, gone)
        return lost

    def _rows(self, entity: str) -> QmsRows:
        return QmsRows(self.qms, MASTER_DATA[entity], self.engine, self.run)
