"""Load one entity of master data into QMS: wanted against written, and what differs is sent (spec, section 2)."""

from __future__ import annotations

import datetime as dt
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.checks.results import Finding
from include.errors import ConfigurationError, ConnectorError, RefusedError, TransientError
from include.mapping.context import MappingContext
from include.mapping.mapper import map_record
from include.mapping.path import reader
from include.mappings import MASTER_DATA
from include.storage import bindings as store
from include.storage.outcomes import Outcome, finish_entity, note_outcomes, read_at
from include.storage.previews import note_preview, previewed_codes
from include.storage.quarantine import Rejected, put_aside, release_others
from include.storage.staging import read_staged
from include.storage.tables import STAGING
from include.wire.decode import decode_record
from include.wire.text import identifier
from minox_qms.sync.qms_rows import QmsRows
from minox_qms.sync.writes import Written, create, differing, update

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.checks.results import StagedRecord
    from include.mapping.mapper import Mapped
    from include.mapping.mapper import Mapping as EntityMapping
    from include.settings.link import LinkSettings
    from include.storage.runs import Run
    from include.wire.minox import ItemGroup
    from minox_qms.hooks.qms import QmsHook
    from minox_qms.sync.qms_rows import Row

log = logging.getLogger(__name__)

CHUNK = 500
WRITE_BATCH = 40
MANY_UNBOUND = 200
GIVE_UP_AFTER = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """One record as it should be in QMS."""

    record: StagedRecord
    mapped: Mapped
    binding: store.Binding | None

    @property
    def key(self) -> str:
        """Key of the record in Minox."""
        return self.record.key

    @property
    def values(self) -> dict[str, Any]:
        """Its coupled fields."""
        return self.mapped.values


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one record that was to be written."""

    wanted: Wanted
    written: Written | None = None
    error: BaseException | None = None


class MasterDataLoader:
    """Loads the accepted records of one entity.

    Args:
        engine: Of the connector's database.
        qms: The hook of the link's company.
        mapping: Declaration of the entity.
        link: The link's settings.
        run: The run.
        item_groups: Minox's item groups by id; only items need them.
    """

    def __init__(
        self,
        engine: sa.Engine,
        qms: QmsHook,
        mapping: EntityMapping[Any],
        link: LinkSettings,
        run: Run,
        item_groups: Mapping[str, ItemGroup] | None = None,
    ) -> None:
        self.engine = engine
        self.qms = qms
        self.mapping = mapping
        self.link = link
        self.run = run
        self.rows = QmsRows(qms, mapping, engine, run)
        self.item_groups = dict(item_groups or {})
        self.references: dict[str, dict[str, int]] = {}
        self.unchanged: list[str] = []
        self.failed: list[str] = []
        self.errors: list[BaseException] = []
        self.stopped: BaseException | None = None
        self._failures_in_a_row = 0
        self._looked_up: set[tuple[str, str]] = set()

    def load(self) -> None:
        """Load all accepted records, and give each its outcome.

        Raises:
            ConnectorError: Something failed technically; everything else is done then, and a retry takes up the rest.
        """
        self._prepare()
        for chunk in read_staged(self.engine, self.run, self.mapping.entity, chunk=CHUNK):
            self._load_chunk(chunk)
        self._finish()
        if self.stopped is not None:
            raise self.stopped
        if self.errors:
            raise self.errors[0]

    def _prepare(self) -> None:
        """Read what the bookkeeping knows, and QMS's whole list when most records are not bound yet."""
        self.read_at = read_at(self.engine, self.run, self.mapping.entity)
        with self.engine.connect() as connection:
            self.now: dt.datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
            for row in self.mapping.references:
                known = store.known_references(connection, self.run.link, row.to)
                self.references[row.to] = known | previewed_codes(connection, self.run, row.to)
            unbound = store.unbound(connection, STAGING[self.mapping.entity], self.run, self.mapping.entity)
        if unbound > MANY_UNBOUND:
            self.rows.remember_all()

    def _load_chunk(self, chunk: list[StagedRecord]) -> None:
        """Map a chunk, leave what is unchanged, put aside what is rejected, write the rest."""
        if self.stopped is not None:
            self._note_failed([record.key for record in chunk], self.stopped)
            return
        try:
            wanted = self._map(chunk)
        except ConnectorError as error:
            self._stop(error)
            self._note_failed([record.key for record in chunk], error)
            return
        rejected = [
            Rejected(
                one.key,
                tuple(Finding(each.reason, each.field, each.message) for each in one.mapped.rejections),
                one.record.raw.decode(),
            )
            for one in wanted
            if one.mapped.rejections
        ]
        sound = [one for one in wanted if not one.mapped.rejections]
        waiting = [one for one in sound if self._is_waiting(one)]
        rejected += [
            Rejected(
                one.key,
                (Finding("refused_by_qms", "", (one.binding and one.binding.refused_message) or ""),),
                one.record.raw.decode(),
            )
            for one in waiting
        ]
        to_write = [one for one in sound if one not in waiting and not self._is_unchanged(one)]
        held = {id(one) for one in (*to_write, *waiting)}
        self.unchanged += [one.key for one in sound if id(one) not in held]
        self._put_aside(rejected)
        for start in range(0, len(to_write), WRITE_BATCH):
            self._write(to_write[start : start + WRITE_BATCH])

    def _map(self, chunk: list[StagedRecord]) -> list[Wanted]:
        """Read and map a chunk; codes that the bookkeeping lacks are looked up in QMS first, all in one go."""
        records = [(record, decode_record(record.raw, self.mapping.struct)[0]) for record in chunk]
        self._look_up_references(record for _, record in records if record is not None)
        context = MappingContext(self.link.master_data, self.references, self.item_groups)
        with self.engine.connect() as connection:
            bound = store.bindings_of(connection, self.run.link, self.mapping.entity, [record.key for record in chunk])
        return [
            Wanted(staged, map_record(self.mapping, record, context), bound.get(staged.key))
            for staged, record in records
            if record is not None
        ]

    def _look_up_references(self, records: Iterable[Any]) -> None:
        """Look up the codes that these records refer to and the bookkeeping does not know."""
        missing: dict[str, set[str]] = {}
        for record in records:
            view = self.mapping.view(record)
            for row in self.mapping.references:
                code = identifier(reader(row.source)(view))
                if code is not None and code not in self.references[row.to] and (row.to, code) not in self._looked_up:
                    missing.setdefault(row.to, set()).add(code)
        for entity, codes in missing.items():
            target = QmsRows(self.qms, MASTER_DATA[entity], self.engine, self.run)
            found = {code: target.key_of(row) for code, row in target.by_codes(sorted(codes)).items()}
            self._looked_up |= {(entity, code) for code in codes}
            self.references[entity] |= found
            if not self.run.dry_run:
                with self.engine.begin() as connection:
                    store.note_references(connection, self.run.link, entity, found)

    def _is_waiting(self, one: Wanted) -> bool:
        """Whether QMS refused exactly this, and it is not time to offer it again."""
        known = one.binding
        if known is None or known.refused_hash is None or known.refused_at is None or known.reoffer:
            return False
        patience = dt.timedelta(minutes=float(self.link.master_data.retry_refused_after))
        return known.refused_hash == store.values_hash(one.values) and self.now < known.refused_at + patience

    def _is_unchanged(self, one: Wanted) -> bool:
        """Whether the coupled fields are as last written, or a newer copy of the record has been written."""
        known = one.binding
        if known is None or known.qms_id is None:
            return False
        if known.read_at > self.read_at:
            return True
        return known.written_hash == store.values_hash(one.values) and known.refused_hash is None and not known.reoffer

    def _write(self, batch: list[Wanted]) -> None:
        """Find the rows of a batch in QMS, write to them side by side, and note what became of each."""
        if self.stopped is not None:
            self._note_failed([one.key for one in batch], self.stopped)
            return
        try:
            rows = self._find(batch)
        except ConnectorError as error:
            self._fail(batch, error)
            return
        with ThreadPoolExecutor(self.link.qms.qms_concurrency) as pool:
            results = list(pool.map(lambda one: self._write_one(one, rows.get(one.key)), batch))
        self._note_results(results)

    def _find(self, batch: list[Wanted]) -> dict[str, Row]:
        """Find the rows of a batch by key where it is known, else by code."""
        by_key = {one.binding.qms_id: one.key for one in batch if one.binding and one.binding.qms_id is not None}
        found = {by_key[key]: row for key, row in self.rows.by_keys(by_key).items()}
        codes = {one.values[self.mapping.code_field]: one for one in batch if one.key not in found}
        matched = self.rows.by_codes(codes)
        stale = {
            self.rows.key_of(row): code
            for code, row in matched.items()
            if differing(self.mapping.qms, codes[code].values, row)
        }
        if self.rows.is_remembered and stale:
            fresh = self.rows.by_keys(stale)
            matched = {code: row for code, row in matched.items() if code not in stale.values()}
            matched |= {stale[key]: row for key, row in fresh.items()}
        return found | {codes[code].key: row for code, row in matched.items()}

    def _write_one(self, one: Wanted, row: Row | None) -> Result:
        """Write one record; whatever goes wrong is handed back, so that the others go on."""
        try:
            if row is not None:
                return Result(one, update(self.rows, one.values, row, dry_run=self.run.dry_run))
            defaults = self.link.master_data.create_defaults.get(self.mapping.qms, {})
            code = one.values[self.mapping.code_field]
            return Result(one, create(self.rows, code, one.values, defaults, dry_run=self.run.dry_run))
        except ConnectorError as error:
            return Result(one, error=error)
        except Exception as error:
            log.exception("Writing %s %s failed unexpectedly", self.mapping.qms, one.key)
            return Result(one, error=error)

    def _note_results(self, results: list[Result]) -> None:
        """Note what became of a batch, in one transaction."""
        done = [(result.wanted, result.written) for result in results if result.written is not None]
        refused = [(result.wanted, result.error) for result in results if isinstance(result.error, RefusedError)]
        if self.run.dry_run:
            self._preview(done)
        else:
            self._commit(done, refused)
        self.unchanged += [one.key for one, written in done if written.outcome == "unchanged"]
        self._put_aside(
            [
                Rejected(one.key, (Finding("refused_by_qms", "", _words(error)),), one.record.raw.decode())
                for one, error in refused
            ]
        )
        if done or refused:
            self._failures_in_a_row = 0
        for result in results:
            if result.error is not None and not isinstance(result.error, RefusedError):
                self._fail([result.wanted], result.error)

    def _commit(self, done: list[tuple[Wanted, Written]], refused: list[tuple[Wanted, RefusedError]]) -> None:
        """Write bindings, changes and outcomes."""
        link, entity = self.run.link, self.mapping.entity
        with self.engine.begin() as connection:
            for one, written in done:
                store.bind(
                    connection, link, entity, one.key, qms_id=written.qms_id, values=one.values, read_at=self.read_at
                )
            for one, error in refused:
                store.refuse(
                    connection, link, entity, one.key, values=one.values, message=_words(error), read_at=self.read_at
                )
                for row in self.mapping.references:  # the code may have got another key in QMS
                    store.forget_references(connection, link, row.to, self.references[row.to])
            changed = [(one, written) for one, written in done if written.outcome != "unchanged"]
            store.note_changes(
                connection,
                self.run,
                entity,
                [
                    store.Change(one.key, written.qms_id, written.outcome, store.plain(written.changes))
                    for one, written in changed
                ],
            )
            note_outcomes(
                connection,
                self.run,
                entity,
                [
                    Outcome(one.key, written.outcome, message="; ".join(one.mapped.warnings) or None)
                    for one, written in changed
                ],
            )

    def _preview(self, done: list[tuple[Wanted, Written]]) -> None:
        """Keep what would be written."""
        with self.engine.begin() as connection:
            for one, written in done:
                if written.outcome != "unchanged":
                    note_preview(
                        connection,
                        self.run,
                        self.mapping.entity,
                        Outcome(one.key, written.outcome, message="; ".join(one.mapped.warnings) or None),
                        position=one.record.position,
                        details=store.plain(written.changes),
                    )

    def _put_aside(self, rejected: list[Rejected]) -> None:
        """Quarantine records, and note their outcome."""
        outcomes = [Outcome(one.source_key, "rejected", one.reason, one.message) for one in rejected]
        with self.engine.begin() as connection:
            if self.run.dry_run:
                for position, outcome in enumerate(outcomes):
                    note_preview(connection, self.run, self.mapping.entity, outcome, position=position, details=None)
                return
            put_aside(connection, self.run, self.mapping.entity, rejected)
            note_outcomes(connection, self.run, self.mapping.entity, outcomes)

    def _fail(self, batch: list[Wanted], error: BaseException) -> None:
        """Note a technical failure; what concerns the whole run, or keeps happening, stops the entity."""
        self._note_failed([one.key for one in batch], error)
        self.errors.append(error)
        self._failures_in_a_row += 1
        out_of_reach = isinstance(error, TransientError) and self._failures_in_a_row >= GIVE_UP_AFTER
        if isinstance(error, ConfigurationError) or out_of_reach:
            self._stop(error)

    def _stop(self, error: BaseException) -> None:
        """Send nothing more of this entity."""
        if self.stopped is None:
            log.warning("Stopped loading %s: %s", self.mapping.entity, error)
            self.stopped = error

    def _note_failed(self, keys: list[str], error: BaseException) -> None:
        """Give records the outcome `failed`: they will be tried again."""
        self.failed += keys
        message = error.message if isinstance(error, ConnectorError) else f"Unexpected error: {type(error).__name__}"
        with self.engine.begin() as connection:
            outcomes = [Outcome(key, "failed", "technical", message) for key in keys]
            if self.run.dry_run:
                for position, outcome in enumerate(outcomes):
                    note_preview(connection, self.run, self.mapping.entity, outcome, position=position, details=None)
            else:
                note_outcomes(connection, self.run, self.mapping.entity, outcomes)

    def _finish(self) -> None:
        """Note the unchanged records and let go what is not rejected any more."""
        if self.run.dry_run:
            with self.engine.begin() as connection:
                for key in self.unchanged:
                    note_preview(
                        connection, self.run, self.mapping.entity, Outcome(key, "unchanged"), position=0, details=None
                    )
            return
        bad = self.stopped or (self.errors[0] if self.errors else None)
        with self.engine.begin() as connection:
            finish_entity(
                connection,
                self.run,
                self.mapping.entity,
                self.unchanged,
                state="failed" if bad else "good",
                message=str(bad) if bad else None,
            )
            release_others(connection, self.run, self.mapping.entity, still_open=self.failed)


def _words(error: RefusedError) -> str:
    """QMS's own words."""
    return "; ".join(error.messages) or error.message
