"""Load one entity of master data into QMS: wanted against written, and what differs is sent (spec, section 2)."""

from __future__ import annotations

import datetime as dt
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.checks.results import Finding
from include.errors import ConfigurationError, ConnectorError, RefusedError
from include.mapping.context import MappingContext
from include.mapping.mapper import map_record
from include.storage import bindings as store
from include.storage.engine import database_error
from include.storage.outcomes import UNCHANGED, read_at
from include.storage.staging import read_staged
from include.wire.decode import decode_record
from minox_qms.sync.loading_notes import LoadingNotes, Wanted, words_of
from minox_qms.sync.patience import Patience
from minox_qms.sync.qms_rows import QmsRows
from minox_qms.sync.references import References
from minox_qms.sync.writes import Written, create, differing, update

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from include.checks.results import StagedRecord
    from include.mapping.mapper import Mapping as EntityMapping
    from include.settings.link import LinkSettings
    from include.storage.runs import Run
    from include.wire.minox import ItemGroup
    from minox_qms.hooks.qms import QmsHook
    from minox_qms.sync.qms_rows import Row

log = logging.getLogger(__name__)

CHUNK = 500
WRITE_BATCH = 40
MANY_UNBOUND = 200  # of a chunk: one list of all of them is cheaper than looking them up by code
ASK_AFTER = 12  # failures in a row
GIVE_UP_AFTER = 40
LIST_FAILED = 4  # counts for more: without the list nothing can be written


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
        self.references = References(engine, qms, mapping, run)
        self.item_groups = dict(item_groups or {})
        self.error: BaseException | None = None
        self.stopped: BaseException | None = None
        self._patience = Patience(self._ask, ASK_AFTER, GIVE_UP_AFTER)
        self._to_write: list[Wanted] = []
        self._flying: deque[Iterator[Result]] = deque()

    def load(self) -> None:
        """Load all accepted records, and give each its outcome.

        Raises:
            ConnectorError: Something failed technically; everything else is done then, and a retry takes up the rest.
        """
        self._prepare()
        with ThreadPoolExecutor(self.link.qms.qms_concurrency) as self._pool:
            try:
                for chunk in read_staged(self.engine, self.run, self.mapping.entity, chunk=CHUNK):
                    self._load_chunk(chunk)
                self._write_batches(1)
                self._land()
            except BaseException as broken:
                self.stopped = self.stopped or broken  # what has not gone out yet stays
                self._land_what_can_be()
                raise
        error = self.stopped or self.error
        self.notes.finish(error)
        if error is not None:
            raise error

    def _prepare(self) -> None:
        """Read what the bookkeeping knows."""
        self.read_at = read_at(self.engine, self.run, self.mapping.entity)
        self.notes = LoadingNotes(self.engine, self.run, self.mapping.entity, self.read_at)
        with self.engine.connect() as connection:
            self.now: dt.datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
            self.references.prepare(connection)

    def _load_chunk(self, chunk: list[StagedRecord]) -> None:
        """Map a chunk, leave what is unchanged, put aside what is rejected, write the rest."""
        self._land()
        unchanged: list[Wanted] = []
        to_write: list[Wanted] = []
        rejected: list[tuple[StagedRecord, tuple[Finding, ...]]] = []
        for one in self._with_fresh_references(self._map(chunk)):
            if one.mapped.rejections:
                found = tuple(Finding(each.reason, each.field, each.message) for each in one.mapped.rejections)
                rejected.append((one.record, found))
            elif one.binding is not None and self._is_waiting(one, one.binding):
                rejected.append((one.record, (_refusal(one.binding.refused_message or ""),)))
            elif one.binding is not None and self._is_unchanged(one, one.binding):
                unchanged.append(one)
            else:
                to_write.append(one)
        fewer = self._with_fewer_fields(to_write)
        to_write = [one for one in to_write if one not in fewer]
        self.notes.note_unchanged(unchanged)
        if fewer:
            self.notes.note_written([(one, Written(UNCHANGED, key)) for one, key in fewer.items()])
        self.notes.note_rejected(rejected)
        unbound = [one for one in to_write if one.qms_id is None]
        if len(unbound) > MANY_UNBOUND and self.stopped is None and not self.rows.is_remembered:
            try:
                self.rows.remember_all()
            except ConnectorError as error:
                self._fail([one.record for one in to_write], error, weight=LIST_FAILED)
                return
        self._to_write += to_write
        self._write_batches(WRITE_BATCH)

    def _write_batches(self, at_least: int) -> None:
        """Write what is to be written, as far as it fills batches of at least so many records."""
        while len(self._to_write) >= at_least:
            batch, self._to_write = self._to_write[:WRITE_BATCH], self._to_write[WRITE_BATCH:]
            self._write(batch)

    def _map(self, chunk: list[StagedRecord]) -> list[Wanted]:
        """Read and map a chunk; codes that the bookkeeping lacks are looked up in QMS first, all in one go."""
        records = [(staged, decode_record(staged.raw, self.mapping.struct)[0]) for staged in chunk]
        codes = {staged.position: self.references.codes_of(record) for staged, record in records if record is not None}
        error = self.stopped
        if error is None:
            try:
                self.references.look_up(set().union(*codes.values()))
            except ConnectorError as lost:
                error = lost
        if error is not None:
            unsettled = [
                staged
                for staged, _ in records
                if not all(self.references.is_settled(*code) for code in codes.get(staged.position, ()))
            ]
            self._fail(unsettled, error, weight=LIST_FAILED)
            without = {staged.position for staged in unsettled}
            records = [(staged, record) for staged, record in records if staged.position not in without]
        context = MappingContext(self.link.master_data, self.references.known, self.item_groups)
        with self.engine.connect() as connection:
            bound = store.bindings_of(connection, self.run.link, self.mapping.entity, [one.key for one in chunk])
        mapped = [
            (staged, map_record(self.mapping, record, context)) for staged, record in records if record is not None
        ]
        return [Wanted(staged, one, store.values_hash(one.values), bound.get(staged.key)) for staged, one in mapped]

    def _with_fresh_references(self, wanted: list[Wanted]) -> list[Wanted]:
        """Map those that are to be written again, should QMS's users have changed what they refer to."""
        if not self.mapping.references or self.stopped is not None:
            return wanted
        to_write = [
            one.record
            for one in wanted
            if one.binding is None or not (self._is_waiting(one, one.binding) or self._is_unchanged(one, one.binding))
        ]
        records = [decode_record(record.raw, self.mapping.struct)[0] for record in to_write]
        codes = set().union(*(self.references.codes_of(record) for record in records if record is not None))
        try:
            has_changed = self.references.look_again(codes)
        except ConnectorError as error:
            self._fail(to_write, error, weight=LIST_FAILED)
            failed = {record.position for record in to_write}
            return [one for one in wanted if one.record.position not in failed]
        if not has_changed:
            return wanted
        anew = {one.record.position: one for one in self._map(to_write)}
        return [anew.get(one.record.position, one) for one in wanted]

    def _is_waiting(self, one: Wanted, known: store.Binding) -> bool:
        """Whether QMS refused exactly this, and it is not time to offer it again."""
        if known.refused_at is None or known.reoffer or known.refused_hash != one.digest:
            return False
        return self.now < known.refused_at + dt.timedelta(minutes=float(self.link.master_data.retry_refused_after))

    def _is_unchanged(self, one: Wanted, known: store.Binding) -> bool:
        """Whether the coupled fields are as last written, or a newer copy of the record has been written."""
        if known.written_hash is not None and known.read_at > self.read_at:
            return True
        return known.written_hash == one.digest and known.refused_hash is None and not known.reoffer

    def _with_fewer_fields(self, to_write: list[Wanted]) -> dict[Wanted, int]:
        """Find the records whose coupled fields are all as last written: only fewer of them are coupled than then.

        Returns:
            Their keys in QMS.
        """
        known = {
            one: one.binding.qms_id
            for one in to_write
            if one.binding is not None
            and one.binding.qms_id is not None
            and one.binding.refused_hash is None
            and not one.binding.reoffer
        }
        if not known:
            return {}
        with self.engine.connect() as connection:
            written = store.written_of(connection, self.run.link, self.mapping.entity, [one.key for one in known])
        return {
            one: key
            for one, key in known.items()
            if one.key in written and store.plain(one.values).items() <= written[one.key].items()
        }

    def _write(self, batch: list[Wanted]) -> None:
        """Find the rows of a batch in QMS, and write to them side by side.

        What became of the batch before is noted meanwhile. All that QMS is asked goes through the one pool, so that no
        more than `qms_concurrency` requests are under way.
        """
        if self.stopped is not None:
            self._fail([one.record for one in batch], self.stopped)
            return
        try:
            rows = self._pool.submit(self._find, batch).result()
        except ConnectorError as error:
            self._fail([one.record for one in batch], error, weight=LIST_FAILED)
            return
        self.notes.note_under_way([one for one in batch if self._is_to_send(one, rows.get(one.key))])
        self._flying.append(self._pool.map(lambda one: self._write_one(one, rows.get(one.key)), batch))
        self._land(but=1)

    def _land(self, but: int = 0) -> None:
        """Wait for the batches that are under way, all but the latest, and note what became of them."""
        while len(self._flying) > but:
            self._note_results(list(self._flying.popleft()))

    def _land_what_can_be(self) -> None:
        """Note what was under way when the work broke off, as far as that is possible."""
        try:
            self._land()
        except (ConnectorError, sa.exc.SQLAlchemyError) as error:  # why the work broke off is told anyway
            name, kind = self.mapping.entity, type(error).__name__
            log.warning("What became of the %s that were under way could not be noted: %s", name, kind)

    def _is_to_send(self, one: Wanted, row: Row | None) -> bool:
        """Whether something is sent for a record: it is not in QMS, or not as it should be."""
        return row is None or bool(differing(self.mapping.qms, one.values, row))

    def _find(self, batch: list[Wanted]) -> dict[str, Row]:
        """Find the rows of a batch by key where it is known, else by code.

        The row that has a record's code is the record's, also where it was bound to another one that users gave
        another code since; such a one stays the record's as long as no row has its code.
        """
        by_key = {key: one.key for one in batch if (key := one.qms_id) is not None}
        bound = {by_key[key]: row for key, row in self.rows.by_keys(by_key).items()}
        code = self.mapping.code_field
        codes = {
            one.values[code]: one
            for one in batch
            if one.key not in bound or self.rows.code_of(bound[one.key]) != one.values[code]
        }
        matched = {codes[code].key: row for code, row in self._by_codes(codes).items()}
        taken = {self.rows.key_of(row) for row in matched.values()}
        return {key: row for key, row in bound.items() if self.rows.key_of(row) not in taken} | matched

    def _by_codes(self, codes: dict[str, Wanted]) -> dict[str, Row]:
        """Find rows by code, those that are to be changed as they are now."""
        found = self.rows.by_codes(codes)
        if not self.rows.is_remembered:
            return found
        stale = [code for code, row in found.items() if self._is_to_send(codes[code], row)]
        missed = [] if self.rows.is_of_one_page else [code for code in codes if code not in found]
        keys = {self.rows.key_of(found.pop(code)): code for code in stale}
        found |= {keys[key]: row for key, row in self.rows.by_keys(keys).items()}
        # rows that are deleted while a list is read let others slip from page to page
        return found | self.rows.fresh_by_codes(missed)

    def _write_one(self, one: Wanted, row: Row | None) -> Result:
        """Write one record; whatever goes wrong is handed back, so that the others go on."""
        if self.stopped is not None:
            return Result(one, error=self.stopped)
        try:
            if row is not None:
                written = update(self.rows, one.values, row, dry_run=self.run.dry_run)
            else:
                defaults = self.link.master_data.create_defaults.get(self.mapping.qms, {})
                code = one.values[self.mapping.code_field]
                written = create(self.rows, code, one.values, defaults, dry_run=self.run.dry_run)
        except ConnectorError as error:
            self._count_failure(error)
            return Result(one, error=error)
        except sa.exc.SQLAlchemyError as error:  # of the grant: no bug, and its own words quote rows
            told = database_error(error)
            self._count_failure(told)
            return Result(one, error=told)
        except Exception as error:
            log.exception("Writing %s %s failed unexpectedly", self.mapping.qms, one.key)
            return Result(one, error=error)
        self._patience.succeeded()
        return Result(one, written)

    def _note_results(self, results: list[Result]) -> None:
        """Note what became of a batch."""
        self.notes.note_written([(each.wanted, each.written) for each in results if each.written is not None])
        refused = [(each.wanted, each.error) for each in results if isinstance(each.error, RefusedError)]
        if refused:
            self._note_refused(refused)
        for each in results:
            if each.error is not None and not isinstance(each.error, RefusedError):
                self._fail([each.wanted.record], each.error, weight=0)

    def _note_refused(self, refused: list[tuple[Wanted, RefusedError]]) -> None:
        """Note refusals; one that was sent with the key of a row that is gone from QMS is an unresolved reference."""
        try:
            values = [one.values for one, _ in refused]
            lost = self._pool.submit(self.references.find_lost, values).result()
        except ConnectorError as unread:
            log.warning("Whether QMS still has what refused records refer to could not be read: %s", unread)
            lost = {}
        rejected, lasting = [], []
        for one, error in refused:
            gone = [row for row in self.mapping.references if one.values[row.target] in lost.get(row.target, ())]
            if gone:
                words = tuple(
                    Finding("unresolved_reference", row.source, f"QMS does not have this {row.name} any more.")
                    for row in gone
                )
                rejected.append((one.record, words))
            else:
                lasting.append((one, error))
                rejected.append((one.record, (_refusal(words_of(error)),)))
        self.notes.note_refused(lasting)
        self.notes.note_rejected(rejected)

    def _fail(self, records: list[StagedRecord], error: BaseException, *, weight: int = 0) -> None:
        """Note a technical failure."""
        if records:
            self.notes.note_failed(records, error)
        self.error = self.error or error
        if weight:
            self._count_failure(error, weight)

    def _count_failure(self, error: BaseException, weight: int = 1) -> None:
        """What concerns the whole run, or keeps happening, stops the entity: nothing more of it is sent."""
        if isinstance(error, RefusedError):
            self._patience.succeeded()
            return
        is_at_end = self._patience.is_at_end(weight)
        if self.stopped is None and (isinstance(error, ConfigurationError) or is_at_end):
            log.warning("Stopped loading %s: %s", self.mapping.entity, error)
            self.stopped = error

    def _ask(self) -> None:
        """Ask QMS something small, to tell records that it fails on from a QMS that cannot be reached."""
        for _ in self.qms.pages("Company"):
            pass


def _refusal(words: str) -> Finding:
    """What QMS said of a record that it did not take."""
    return Finding("refused_by_qms", "", words)
