"""Writes to QMS whose outcome is never guessed: a lost answer is looked up before anything is sent again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.errors import LateAnswerError, TransientError, UnknownOutcomeError
from include.mapping.mapper import same_value
from include.wire.qms import FIELD_KINDS, WRITABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from minox_qms.sync.qms_rows import QmsRows, Row

TRIES = 3
LATE_AFTER = 0.5
"""Seconds of waiting for its turn (a 429, a new token) after which a row is read again before it is replaced."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did.

    Attributes:
        outcome: `created`, `updated` or `unchanged`.
        qms_id: Key of the row.
        changes: Per coupled field that the write changed: the value before and after.
    """

    outcome: str
    qms_id: int
    changes: dict[str, list[Any]] = field(default_factory=dict)


def differing(entity: str, wanted: Mapping[str, Any], row: Row) -> dict[str, list[Any]]:
    """Coupled fields whose value in QMS is not the wanted one: before (as it can be stored) and after."""
    kinds = FIELD_KINDS[entity]
    return {
        name: [_storable(row.get(name)), value]
        for name, value in wanted.items()
        if not same_value(kinds[name], value, row.get(name))
    }


def _storable(value: Any) -> Any:
    """Write U+FFFD in place of NUL, which PostgreSQL stores none of."""
    return value.replace("\x00", "\ufffd") if isinstance(value, str) else value


def update(rows: QmsRows, wanted: Mapping[str, Any], row: Row, *, dry_run: bool) -> Written:
    """Lay the coupled fields over the row and put it back; what users keep in other fields survives.

    Args:
        rows: Reader of the entity, for looking up after a lost answer.
        wanted: Coupled fields.
        row: The row as QMS has it now.
        dry_run: Only say what would change.

    Raises:
        RefusedError: QMS answered 400.
        RunBusyError: Another run has taken over.
        TransientError: QMS could not be reached, or kept losing its answers.
    """
    entity = rows.mapping.qms
    key = rows.key_of(row)
    changes = differing(entity, wanted, row)
    if not changes:
        return Written("unchanged", key)
    if dry_run:
        return Written("updated", key, changes)
    current: Row = row
    lost = late = 0
    while lost < TRIES:
        body = {name: current[name] for name in WRITABLE[entity] if name in current} | dict(wanted)
        try:
            rows.qms.replace(entity, key, body, on_turn=_Turn(rows, may_be_late=late == TRIES))
        except UnknownOutcomeError:
            lost += 1
        except _TurnWasLateError:
            late += 1
        else:
            return Written("updated", key, changes)
        current = _read_again(rows, key)
        if not differing(entity, wanted, current):
            return Written("updated", key, changes)
        if lost and lost < TRIES:
            rows.qms.client.back_off(lost)
    raise _answers_lost(entity, str(key))


class _TurnWasLateError(Exception):
    """A write had to wait for its turn: its row may have been changed by a user since it was read."""


class _Turn:
    """What is looked at when the turn of a write has come, right before its first byte.

    Args:
        rows: Reader of the entity.
        may_be_late: The write goes out even if it had to wait: it was read again often enough.
    """

    def __init__(self, rows: QmsRows, *, may_be_late: bool) -> None:
        self._rows = rows
        self._may_be_late = may_be_late
        self._clock = rows.qms.client.timing.monotonic
        self._asked_at = self._clock()

    def __call__(self) -> None:
        """See that no other run has taken over, and that the write did not have to wait.

        Raises:
            RunBusyError: Another run has taken over.
            _TurnWasLateError: It had to wait.
        """
        self._rows.insist_on_turn()
        if not self._may_be_late and self._clock() - self._asked_at > LATE_AFTER:
            raise _TurnWasLateError


def _read_again(rows: QmsRows, key: int) -> Row:
    """Read a row as it is now."""
    row = rows.by_keys([key]).get(key)
    if row is None:
        raise TransientError(
            "The record went away while it was written.", system="qms", entity=rows.mapping.qms, key=str(key)
        )
    return row


def create(
    rows: QmsRows, code: str, wanted: Mapping[str, Any], defaults: Mapping[str, Any], *, dry_run: bool
) -> Written:
    """Insert a row; after a lost answer it is looked up by its code, since QMS refuses no doubles.

    Args:
        rows: Reader of the entity.
        code: Code of the record.
        wanted: Coupled fields.
        defaults: Values of fields that the mapping does not fill (setting `create_defaults`).
        dry_run: Only say what would be created; the key is 0 then.

    Raises:
        RefusedError: QMS answered 400.
        RunBusyError: Another run has taken over.
        TransientError: QMS could not be reached, or kept losing its answers.
    """
    entity = rows.mapping.qms
    body = {**defaults, **wanted, "CompanyId": rows.qms.company_id}
    changes = {name: [None, value] for name, value in wanted.items() if value is not None}
    if dry_run:
        return Written("created", 0, changes)
    for turn in range(TRIES):
        if turn:
            rows.qms.client.back_off(turn)
        try:
            made = rows.qms.create(entity, body, on_turn=rows.insist_on_turn)
            return Written("created", rows.key_of(made), changes)
        except UnknownOutcomeError as error:
            row = rows.fresh_by_codes([code]).get(code)
            if row is not None:
                return Written("created", update(rows, wanted, row, dry_run=False).qms_id, changes)
            if isinstance(error, LateAnswerError):
                break  # it may yet come about: the next run looks before it makes one
    raise _answers_lost(entity, code)


def _answers_lost(entity: str, key: str) -> TransientError:
    """Say that a write was tried and looked up, without being seen to arrive."""
    return TransientError(
        "QMS took the request without an answer, and the record did not change; the next run looks again.",
        system="qms",
        entity=entity,
        key=key,
    )
