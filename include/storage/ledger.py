"""The ledger of bookings: one row per invoice of a link, for ever (spec, section 3, "Exactly once").

| state | meaning | holds its number |
|---|---|---|
| `open` | to be taken up again by the next run | no |
| `sending` | the entry may be on its way: looked up by its id before anything else is done | yes |
| `booked` | Minox has the batch under our id | yes |
| `already_booked` | Minox has a receivable of this debtor and number that is not ours | yes, for this debtor |
| `rejected` | refused by our own checks; looked at again every run | no |
| `refused` | refused by Minox; offered again by the retry rule | no |
| `skipped` | written off completely | no |
| `excluded` | a person said not to book it | no |

A partial unique index keeps two invoices of a link from going out under one number.

`read_at` is when the copy was read that was judged last, `staged_at` when the newest one was. Where they differ a run
died or failed before it could judge: the next one takes the invoice up whatever its state, and no older copy goes out.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.storage.engine import ask
from include.storage.tables import booking, booking_attempt, person_action, run_claim

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from sqlalchemy.sql.dml import ReturningInsert, Update

    from include.storage.runs import Run

OPEN_STATES = ("open", "sending", "rejected", "refused")
DONE_STATES = ("booked", "already_booked", "skipped")
STATES = (*OPEN_STATES, *DONE_STATES, "excluded")
LOOKED_FOR = dt.timedelta(days=35)
"""How long a run looks for an invoice of which QMS shows nothing any more, as for runs that are to be made up for."""
HOLDING_STATES = ("sending", "booked", "already_booked")
TRIES = 3
"""How often an entry whose answer is lost goes out in one run."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What the ledger says of one invoice, as far as a run decides by it."""

    invoice_header_id: int
    batch_id: uuid.UUID
    state: str
    outcome: str
    reason: str | None
    message: str | None
    minox_number: int | None
    customer: int | None
    source_hash: str | None
    booked_source_hash: str | None
    changed_source_hash: str | None
    entry_hash: str | None
    refused_entry_hash: str | None
    refused_at: dt.datetime | None
    reoffer: bool
    attempts: int
    read_at: dt.datetime
    staged_at: dt.datetime
    pdf_state: str | None
    excluded_by: str | None
    excluded_reason: str | None

    @property
    def was_tried_in_vain(self) -> bool:
        """Whether its entry went out in more than one run, and Minox neither took nor refused it.

        It still counts when a later run only postponed it, because its time was up.
        """
        is_open = self.state == "open" and self.outcome in {"failed", "postponed"}
        return is_open and self.attempts > TRIES and self.entry_hash not in {None, self.refused_entry_hash}


@dataclass(frozen=True, slots=True)
class Holder:
    """An invoice that has a Minox invoice number, its debtor, and whether its entry was sent by the connector."""

    invoice_header_id: int
    customer: int | None
    is_sent: bool = False


@dataclass(frozen=True, slots=True)
class DuePdf:
    """A booked invoice whose PDF Minox does not have yet."""

    invoice_header_id: int
    batch_id: uuid.UUID
    invoice_number: str | None
    minox_number: int | None
    customer: int | None
    pdf_state: str


NOW: Final = sa.func.clock_timestamp()
"""In place of a value: the database's time."""

_COLUMNS = [booking.c[name] for name in LedgerRow.__dataclass_fields__]
_IS_INTENDED = sa.select(
    sa.exists().where(
        booking.c.link == sa.bindparam("of_link"),
        booking.c.invoice_header_id == sa.bindparam("of_id"),
        booking.c.state == "sending",
        booking.c.entry_hash == sa.bindparam("of_hash"),
        booking.c.staged_at <= sa.bindparam("of_copy"),
        run_claim.c.run == sa.bindparam("of_run"),
        run_claim.c.link == booking.c.link,
        run_claim.c.direction == sa.bindparam("of_direction"),
    )
)
_FOUND = insert(booking)
_TAKE_UP = _FOUND.on_conflict_do_update(
    index_elements=["link", "invoice_header_id"],
    set_={"staged_at": _FOUND.excluded.staged_at},
    where=booking.c.staged_at < _FOUND.excluded.staged_at,
)
_BEGIN_ATTEMPT = insert(booking_attempt).returning(booking_attempt.c.id)
_END_ATTEMPT = (
    sa.update(booking_attempt)
    .where(booking_attempt.c.id == sa.bindparam("of_attempt"))
    .values(answered_at=sa.func.clock_timestamp())
)


def rows_of(connection: sa.Connection, link: str, ids: Iterable[int]) -> dict[int, LedgerRow]:
    """Look up invoices by InvoiceHeaderId; those the ledger does not know are left out."""
    which = booking.c.invoice_header_id == sa.any_(sa.literal(list(ids), sa.ARRAY(sa.BigInteger)))
    rows = connection.execute(sa.select(*_COLUMNS).where(booking.c.link == link, which))
    return {row.invoice_header_id: LedgerRow(*row) for row in rows}


def open_ids(connection: sa.Connection, link: str) -> list[int]:
    """InvoiceHeaderIds of the invoices that every run takes up again.

    With them, until they have got their outcome: those that were excluded since the last run, and those whose newest
    copy was staged but not judged.
    """
    mine = sa.select(booking.c.invoice_header_id).where(booking.c.link == link)
    since = sa.func.clock_timestamp() - LOOKED_FOR
    just_excluded = mine.where(
        booking.c.state == "excluded", booking.c.outcome != "excluded", booking.c.updated_at > since
    )
    not_judged = mine.where(
        booking.c.staged_at > booking.c.read_at, booking.c.state.in_(DONE_STATES), booking.c.staged_at > since
    )
    # three questions, each with an index of its own: one that joins them reads the whole ledger
    questions = (mine.where(booking.c.state.in_(OPEN_STATES)), just_excluded, not_judged)
    return sorted(connection.scalars(sa.union_all(*questions)))


def settled_ids(connection: sa.Connection, link: str, ids: Iterable[int]) -> set[int]:
    """Those of these invoices that the ledger is done with: a sweep leaves them alone."""
    which = booking.c.invoice_header_id == sa.any_(sa.literal(list(ids), sa.ARRAY(sa.BigInteger)))
    settled = booking.c.state.in_(("booked", "already_booked", "excluded"))
    return set(connection.scalars(sa.select(booking.c.invoice_header_id).where(booking.c.link == link, which, settled)))


def is_intended(engine: sa.Engine, run: Run, invoice_header_id: int, entry_hash: str, *, read_at: dt.datetime) -> bool:
    """Tell whether this very entry may still go out.

    Args:
        engine: Of the connector's database.
        run: The run that would send it; another one may have taken over.
        invoice_header_id: Of the invoice.
        entry_hash: Of the entry.
        read_at: When the run began to read QMS; another one may have staged the invoice since.
    """
    of = {"of_link": run.link, "of_direction": run.direction, "of_run": run.id, "of_copy": read_at}
    return bool(ask(engine, _IS_INTENDED, {**of, "of_id": invoice_header_id, "of_hash": entry_hash}))


def sending(connection: sa.Connection, link: str) -> list[LedgerRow]:
    """Invoices whose entry may have gone out without an answer."""
    rows = connection.execute(sa.select(*_COLUMNS).where(booking.c.link == link, booking.c.state == "sending"))
    return [LedgerRow(*row) for row in rows]


def has_booked(connection: sa.Connection, run: Run, *, since: dt.datetime) -> bool:
    """Tell whether a run has booked an invoice since a moment: since it began to read, when it is cleared."""
    lately = (booking.c.link == run.link, booking.c.updated_at >= since)  # what there is an index of
    mine = (*lately, booking.c.booked_run == run.id, booking.c.booked_at >= since)
    return bool(connection.scalar(sa.select(sa.exists().where(*mine))))


def due_pdfs(connection: sa.Connection, link: str, retry_after_minutes: Decimal) -> list[DuePdf]:
    """Booked invoices whose PDF is to be attached; one that Minox refused waits for the retry rule.

    What was tried longest ago comes first, so that some that keep failing do not keep the others waiting.
    """
    waited = booking.c.pdf_at < sa.func.clock_timestamp() - dt.timedelta(minutes=float(retry_after_minutes))
    is_due = sa.or_(booking.c.pdf_state.in_(("pending", "sending")), sa.and_(booking.c.pdf_state == "failed", waited))
    rows = connection.execute(
        sa.select(*(booking.c[name] for name in DuePdf.__dataclass_fields__))
        .where(booking.c.link == link, booking.c.state == "booked", is_due)
        .order_by(booking.c.pdf_at.nulls_first(), booking.c.invoice_header_id)
    )
    return [DuePdf(*row) for row in rows]


def number_holders(
    connection: sa.Connection, link: str, numbers: Iterable[int], *, states: Iterable[str] = HOLDING_STATES
) -> dict[int, list[Holder]]:
    """Find which invoices have a Minox invoice number.

    Args:
        connection: Of the connector's database.
        link: Name of the link.
        numbers: Minox's invoice numbers.
        states: Of the invoices; those that hold their numbers when left out.

    Returns:
        The invoices by number, the lower InvoiceHeaderId first. Several can have one that Minox has already.
    """
    which = booking.c.minox_number == sa.any_(sa.literal(list(numbers), sa.ARRAY(sa.Integer)))
    rows = connection.execute(
        sa.select(
            booking.c.minox_number,
            booking.c.invoice_header_id,
            booking.c.customer,
            booking.c.state.in_(("sending", "booked")),
        )
        .where(booking.c.link == link, which, booking.c.state.in_(tuple(states)))
        .order_by(booking.c.invoice_header_id)
    )
    found: dict[int, list[Holder]] = {}
    for number, *holder in rows:
        found.setdefault(number, []).append(Holder(*holder))
    return found


def note(
    connection: sa.Connection,
    link: str,
    invoice_header_id: int,
    values: Mapping[str, Any],
    *,
    read_at: dt.datetime,
    unless: Iterable[str] = (),
    is_attempt: bool = False,
    is_judged: bool = True,
) -> bool:
    """Write what is known of an invoice now; a copy read earlier than the one the ledger knows changes nothing.

    Args:
        connection: In a transaction.
        link: Name of the link.
        invoice_header_id: Of the invoice.
        values: Columns of `booking` to write, `batch_id` and `outcome` at least; a new row is `open` by default.
        read_at: When the run began to read QMS.
        unless: States in which nothing is written.
        is_attempt: The entry goes out once more; nothing is written when a newer copy was staged.
        is_judged: This copy of the invoice got its outcome; when False, the next run looks at it again.

    Returns:
        Whether it was written.
    """
    key = {"link": link, "invoice_header_id": invoice_header_id}
    row = {"state": "open", **values, **key, "read_at": read_at, "staged_at": read_at}
    changed = [*values, "read_at"] if is_judged else [*values]
    if is_attempt:
        row["attempts"] = 1
    computed = {name: value for name, value in row.items() if isinstance(value, sa.ClauseElement)}
    statement = _note(tuple(changed), tuple(unless), is_attempt=is_attempt)
    if computed:
        statement = statement.values(computed)
    given = {name: value for name, value in row.items() if name not in computed}
    return connection.execute(statement, given).first() is not None


@functools.cache
def _note(changed: tuple[str, ...], unless: tuple[str, ...], *, is_attempt: bool) -> ReturningInsert[Any]:
    """The statement of `note`, made once: to make it takes longer than to carry it out."""
    statement = insert(booking)
    new: dict[str, sa.ColumnElement[Any]] = {name: statement.excluded[name] for name in changed}
    if is_attempt:
        new["attempts"] = booking.c.attempts + 1
    is_newest = [booking.c.read_at <= statement.excluded.read_at]
    if is_attempt:
        is_newest.append(booking.c.staged_at <= statement.excluded.read_at)
    return statement.on_conflict_do_update(
        index_elements=["link", "invoice_header_id"],
        set_={**new, "updated_at": sa.func.clock_timestamp()},
        where=sa.and_(*is_newest, booking.c.state.not_in(unless)),
    ).returning(booking.c.invoice_header_id)


def take_up(connection: sa.Connection, link: str, batches: Mapping[int, uuid.UUID], *, read_at: dt.datetime) -> None:
    """Give every invoice that a run has read a row, so that a run that dies leaves none behind that nobody knows.

    Where the ledger has the invoice already, only `staged_at` moves. Rows are taken in the order of their ids, as
    people's actions take them, so that the two cannot block each other.

    Args:
        connection: In a transaction.
        link: Name of the link.
        batches: Batch id by InvoiceHeaderId.
        read_at: When the run began to read QMS.
    """
    rows = [
        {
            "link": link,
            "invoice_header_id": number,
            "batch_id": batch,
            "read_at": read_at,
            "staged_at": read_at,
            "state": "open",
            "outcome": "failed",
            "reason": "technical",
            "message": "The run stopped before this invoice.",
        }
        for number, batch in sorted(batches.items())
    ]
    if rows:
        connection.execute(_TAKE_UP, rows)


def foresee(
    connection: sa.Connection, link: str, invoice_header_id: int, invoice_number: str | None, batch: uuid.UUID
) -> None:
    """Give an invoice that no run has met a row, for a person who excludes it beforehand."""
    row = {
        "link": link,
        "invoice_header_id": invoice_header_id,
        "invoice_number": invoice_number,
        "batch_id": batch,
        "read_at": NOW,
        "staged_at": NOW,
        "state": "open",
        "outcome": "excluded",
    }
    connection.execute(insert(booking).values(row).on_conflict_do_nothing())


def change(connection: sa.Connection, link: str, invoice_header_id: int, values: Mapping[str, Any]) -> None:
    """Change columns of an invoice that the ledger knows."""
    statement = _change(tuple(name for name, value in values.items() if value is NOW))
    computed = {name: value for name, value in values.items() if isinstance(value, sa.ClauseElement)}
    given = {name: value for name, value in values.items() if name not in computed}
    if others := {name: value for name, value in computed.items() if value is not NOW}:
        statement = statement.values(others)
    connection.execute(statement, {**given, "of_link": link, "of_id": invoice_header_id})


@functools.cache
def _change(at_now: tuple[str, ...]) -> Update:
    """The statement of `change`, made once for the columns that get the database's time."""
    return (
        sa.update(booking)
        .where(booking.c.link == sa.bindparam("of_link"), booking.c.invoice_header_id == sa.bindparam("of_id"))
        .values(dict.fromkeys((*at_now, "updated_at"), NOW))
    )


def count_attempt(connection: sa.Connection, link: str, invoice_header_id: int) -> None:
    """Count one more time that the entry of an invoice goes out."""
    change(connection, link, invoice_header_id, {"attempts": booking.c.attempts + 1})


def begin_attempt(
    connection: sa.Connection, run: Run, invoice_header_id: int, what: str, entry_hash: str | None = None
) -> int:
    """Note that a request about an invoice goes out; returns the attempt's number."""
    row = {
        "link": run.link,
        "invoice_header_id": invoice_header_id,
        "run": run.id,
        "what": what,
        "entry_hash": entry_hash,
    }
    attempt: int = connection.execute(_BEGIN_ATTEMPT, row).scalar_one()
    return attempt


def end_attempt(connection: sa.Connection, attempt: int, answer: str, messages: list[str] | None = None) -> None:
    """Note what came back."""
    connection.execute(_END_ATTEMPT, {"of_attempt": attempt, "answer": answer, "messages": messages})


def note_person(
    connection: sa.Connection, link: str, action: str, entity: str, source_key: str, person: str, reason: str | None
) -> None:
    """Keep what a person did, with their name and reason."""
    connection.execute(
        insert(person_action).values(
            link=link, action=action, entity=entity, source_key=source_key, person=person, reason=reason
        )
    )
