"""Tell QMS what became of its invoices and debtors: one EntityState a record (spec, section 3, "Reporting back")."""

from __future__ import annotations

import datetime as dt
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from include.errors import (
    ConfigurationError,
    ConnectorError,
    LateAnswerError,
    RecordError,
    TransientError,
    UnknownOutcomeError,
)
from include.storage.reports import DueReport, doubt, due, note_report_failed, note_reported
from include.storage.runs import RunBusyError, insist_on_turn
from include.wire.text import row_key
from minox_qms.hooks import odata
from minox_qms.hooks.qms import read_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

    from include.settings.link import LinkSettings
    from include.storage.runs import Run
    from minox_qms.hooks.qms import QmsHook

log = logging.getLogger(__name__)

BATCH = 200
MAX_REPORTS = 10_000
GIVE_UP_AFTER = 3


class Reporter:
    """Brings QMS's EntityState rows of a link up to date; a failure here is a warning, never more."""

    def __init__(self, engine: sa.Engine, qms: QmsHook, link: LinkSettings, run: Run) -> None:
        self.engine = engine
        self.qms = qms
        self.link = link
        self.run = run
        self._failed: set[tuple[str, int]] = set()
        self._batches = 0
        self._stopped = False

    def report(self) -> int:
        """Send all reports that are due; up to `qms_concurrency` of them are under way at once.

        Returns:
            Number of rows that QMS was told.

        Raises:
            RunBusyError: Another run has taken over; this one tells nothing more.
        """
        told = 0
        at_once = self.link.qms.qms_concurrency
        with ThreadPoolExecutor(at_once) if at_once > 1 else nullcontext() as pool:
            try:
                while not self._stopped and (batch := self._next_batch()):
                    told += self._tell_all(batch, map if pool is None else pool.map)
            finally:
                self._stopped = True  # what has not begun yet stays due
        return told

    def _next_batch(self) -> list[DueReport]:
        """Reports that are due, without those that failed in this run."""
        if self._batches == MAX_REPORTS // BATCH:
            return []
        self._batches += 1
        with self.engine.connect() as connection:
            batch = due(connection, self.link.name, BATCH)
        return [one for one in batch if (one.entity_type, one.entity_id) not in self._failed]

    def _tell_all(self, batch: list[DueReport], each: Callable[..., Iterator[int | ConnectorError | None]]) -> int:
        """Send a batch, and note what became of each as soon as it is known; returns how many arrived."""
        try:
            known = self._known(batch)
        except ConnectorError as error:
            self._fail(batch, error)
            self._stopped = True
            return 0
        told = 0
        with self.engine.begin() as connection:
            doubt(connection, self.link.name, batch)
        answers = each(lambda one: self._try(one, known.get((one.entity_type, one.entity_id))), batch)
        for one, answer in zip(batch, answers, strict=True):
            if isinstance(answer, int):
                told += 1
                with self.engine.begin() as connection:
                    note_reported(connection, self.link.name, one, answer)
            elif isinstance(answer, RunBusyError):
                raise answer
            elif isinstance(answer, RecordError):
                self._fail([one], answer, refused=True)
            elif answer is not None:
                self._failed.add((one.entity_type, one.entity_id))
                self._fail([one], answer)
                self._stopped |= isinstance(answer, ConfigurationError) or len(self._failed) >= GIVE_UP_AFTER
        return told

    def _try(self, one: DueReport, entity_state_id: int | None) -> int | ConnectorError | None:
        """Send one report; returns the row's key, what went wrong, or None when nothing is sent any more."""
        if self._stopped:
            return None
        try:
            return self._tell(one, entity_state_id)
        except ConnectorError as error:
            return error

    def _known(self, batch: list[DueReport]) -> dict[tuple[str, int], int]:
        """Keys of the rows that QMS has already: remembered, or looked up for those that are not."""
        known = {(one.entity_type, one.entity_id): one.entity_state_id for one in batch if one.entity_state_id}
        for entity_type in sorted({one.entity_type for one in batch}):
            ids = [one.entity_id for one in batch if one.entity_type == entity_type and one.entity_state_id is None]
            known |= self._look_up(entity_type, ids)
        return known

    def _look_up(self, entity_type: str, ids: list[int]) -> dict[tuple[str, int], int]:
        """Find the connector's own rows of these records; of two, the older one."""
        found: dict[tuple[str, int], int] = {}
        own = odata.all_of(
            f"CompanyId eq {odata.literal(self.link.qms.company_id)}",
            f"EntityType eq {odata.literal(entity_type)}",
            "DataSource eq 'Minox'",
        )
        for page in self.qms.pages_any("EntityState", "EntityId", ids, and_=own):
            for row in (read_row(raw, "EntityState") for raw in page):
                entity_id, key = row_key(row.get("EntityId")), row_key(row.get("EntityStateId"))
                if entity_id is not None and key is not None:
                    found.setdefault((entity_type, entity_id), key)
        return found

    def _tell(self, one: DueReport, entity_state_id: int | None) -> int:
        """Insert or replace the row; an answer that was lost is looked up before anything is sent again."""
        row, on_turn = self._row(one), partial(insist_on_turn, self.engine, self.run)
        is_late = False
        for turn in range(GIVE_UP_AFTER):
            if turn:
                self.qms.client.back_off(turn)
            try:
                if entity_state_id is not None:
                    self.qms.replace("EntityState", entity_state_id, row, on_turn=on_turn)
                    return entity_state_id
                created = self.qms.create("EntityState", row, on_turn=on_turn)
                key = row_key(created.get("EntityStateId"))
                if key is not None:
                    return key
            except UnknownOutcomeError as error:
                is_late = isinstance(error, LateAnswerError)
                log.info("An answer about EntityState of %s %d was lost", one.entity_type, one.entity_id)
            except RunBusyError:
                raise
            except TransientError:
                if entity_state_id is None or self._find(one) == entity_state_id:
                    raise  # else somebody deleted the row
            entity_state_id = self._find(one)
            if is_late and entity_state_id is None:
                break  # it may yet come about: the next run looks before it makes one
        raise TransientError("QMS kept losing its answers.", system="qms", entity="EntityState", key=str(one.entity_id))

    def _find(self, one: DueReport) -> int | None:
        """Key of the row that QMS has for a record."""
        return self._look_up(one.entity_type, [one.entity_id]).get((one.entity_type, one.entity_id))

    def _row(self, one: DueReport) -> dict[str, Any]:
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        return {
            "CompanyId": self.link.qms.company_id,
            "EntityId": one.entity_id,
            "EntityType": one.entity_type,
            "DataSource": "Minox",
            "DataSourceDate": now.isoformat().replace("+00:00", "Z"),
            **one.wanted,
        }

    def _fail(self, batch: list[DueReport], error: ConnectorError, *, refused: bool = False) -> None:
        """Note that rows could not be told: the next run tries again, an hour later where QMS refused them."""
        log.warning("Reporting to QMS failed for %d records: %s", len(batch), error)
        with self.engine.begin() as connection:
            for one in batch:
                note_report_failed(connection, self.link.name, one, error.message, refused=refused)
