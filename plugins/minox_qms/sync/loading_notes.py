"""What the loader of one entity notes in the database; a dry run notes it in staging and nowhere else."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.errors import ConnectorError, RefusedError
from include.storage import bindings as store
from include.storage.outcomes import UNCHANGED, Outcome, finish_entity, note_outcomes
from include.storage.previews import note_previews
from include.storage.quarantine import Rejected, put_aside, release, release_others, release_written
from include.storage.runs import insist_on_claim

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa

    from include.checks.results import Finding, StagedRecord
    from include.mapping.mapper import Mapped
    from include.storage.runs import Run
    from minox_qms.sync.writes import Written


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """One record as it should be in QMS.

    Attributes:
        record: As staged.
        mapped: Its coupled fields, and what there is to say about them.
        digest: Hash of the coupled fields.
        binding: What is known of its counterpart in QMS.
    """

    record: StagedRecord
    mapped: Mapped
    digest: bytes
    binding: store.Binding | None

    @property
    def key(self) -> str:
        """Key of the record in Minox."""
        return self.record.key

    @property
    def values(self) -> dict[str, Any]:
        """Its coupled fields."""
        return self.mapped.values

    @property
    def qms_id(self) -> int | None:
        """Key of its row in QMS, when that is known."""
        return None if self.binding is None else self.binding.qms_id


class LoadingNotes:
    """Notes of one entity in one run.

    Args:
        engine: Of the connector's database.
        run: The run.
        entity: E.g. `customers`.
        read_at: When the run began to read the entity from Minox.
    """

    def __init__(self, engine: sa.Engine, run: Run, entity: str, read_at: dt.datetime) -> None:
        self.engine = engine
        self.run = run
        self.entity = entity
        self.read_at = read_at
        self._unchanged: list[str] = []
        self._warnings: dict[str, str] = {}
        self._failed: list[str] = []

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """A transaction of a run that still holds its link's direction: one that was overtaken notes nothing more."""
        with self.engine.begin() as connection:
            insist_on_claim(connection, self.run)
            yield connection

    def note_under_way(self, under_way: Sequence[Wanted]) -> None:
        """Note, before anything is sent, that it is not known what QMS has of these records until it has answered."""
        keys = [one.key for one in under_way if one.binding is not None]
        if keys and not self.run.dry_run:
            with self._transaction() as connection:
                store.doubt(connection, self.run.link, self.entity, keys)

    def note_written(self, done: Sequence[tuple[Wanted, Written]]) -> None:
        """Note what was written or found equal, in one transaction."""
        self.note_unchanged([one for one, written in done if written.outcome == UNCHANGED])
        changed = [(one, written) for one, written in done if written.outcome != UNCHANGED]
        outcomes = [
            Outcome(one.key, written.outcome, message="; ".join(one.mapped.warnings) or None)
            for one, written in changed
        ]
        changes = [
            store.Change(one.key, written.qms_id, written.outcome, store.plain(written.changes))
            for one, written in changed
        ]
        with self._transaction() as connection:
            if self.run.dry_run:
                rows = zip(changed, outcomes, changes, strict=True)
                found = [(one.record.position, outcome, change.changes) for (one, _), outcome, change in rows]
                note_previews(connection, self.run, self.entity, found)
                return
            bound = [(one.key, written.qms_id, one.values) for one, written in done]
            taken = {
                written.qms_id: one.key
                for one, written in done
                if written.qms_id != one.qms_id and written.outcome != "created"
            }
            store.release_rows(connection, self.run.link, self.entity, taken)
            store.bind_all(connection, self.run.link, self.entity, bound, read_at=self.read_at)
            store.note_changes(connection, self.run, self.entity, changes)
            note_outcomes(connection, self.run, self.entity, outcomes)

    def note_refused(self, refused: Sequence[tuple[Wanted, RefusedError]]) -> None:
        """Note what QMS refused, so that it is not offered again unasked."""
        with self._transaction() as connection:
            for one, error in refused:
                store.refuse(
                    connection,
                    self.run.link,
                    self.entity,
                    one.key,
                    values=one.values,
                    message=words_of(error),
                    read_at=self.read_at,
                )

    def note_rejected(self, rejected: Sequence[tuple[StagedRecord, tuple[Finding, ...]]]) -> None:
        """Quarantine records, and note their outcome."""
        if not rejected:
            return
        aside = [Rejected(record.key, findings, record.raw.decode()) for record, findings in rejected]
        outcomes = [Outcome(one.source_key, "rejected", one.reason, one.message) for one in aside]
        with self._transaction() as connection:
            if self.run.dry_run:
                places = [record.position for record, _ in rejected]
                self._preview(connection, places, outcomes)
                return
            put_aside(connection, self.run, self.entity, aside)
            note_outcomes(connection, self.run, self.entity, outcomes)

    def note_failed(self, records: Sequence[StagedRecord], error: BaseException) -> None:
        """Give records the outcome `failed`: they will be tried again."""
        self._failed += [record.key for record in records]
        message = error.message if isinstance(error, ConnectorError) else f"Unexpected error: {type(error).__name__}"
        outcomes = [Outcome(record.key, "failed", "technical", message) for record in records]
        with self._transaction() as connection:
            if self.run.dry_run:
                self._preview(connection, [record.position for record in records], outcomes)
            else:
                note_outcomes(connection, self.run, self.entity, outcomes)

    def note_unchanged(self, unchanged: Sequence[Wanted]) -> None:
        """Remember records that are as they were last written; they are noted all together at the end."""
        if not self.run.dry_run:
            self._unchanged += [one.key for one in unchanged]
            self._warnings |= {one.key: "; ".join(one.mapped.warnings) for one in unchanged if one.mapped.warnings}
            return
        with self._transaction() as connection:
            places = [one.record.position for one in unchanged]
            self._preview(connection, places, [Outcome(one.key, UNCHANGED) for one in unchanged])

    def finish(self, error: BaseException | None) -> None:
        """Note the unchanged records, and let go of what is not rejected any more.

        Args:
            error: Why the entity did not come to a good end; None when it did.
        """
        if self.run.dry_run:
            return
        state, message = ("good", None) if error is None else ("failed", str(error))
        with self._transaction() as connection:
            finish_entity(
                connection,
                self.run,
                self.entity,
                self._unchanged,
                state=state,
                message=message,
                warnings=self._warnings,
            )
            release_written(connection, self.run, self.entity)
            release(connection, self.run, self.entity, self._unchanged)  # also what an earlier try rejected
            release_others(connection, self.run, self.entity, still_open=self._failed)

    def _preview(self, connection: sa.Connection, places: list[int], outcomes: list[Outcome]) -> None:
        """Keep outcomes of a dry run."""
        found = [(place, outcome, None) for place, outcome in zip(places, outcomes, strict=True)]
        note_previews(connection, self.run, self.entity, found)


def words_of(error: RefusedError) -> str:
    """QMS's own words."""
    return "; ".join(error.messages) or error.message
