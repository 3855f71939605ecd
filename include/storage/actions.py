"""What people may do with records: offer again, exclude, take back. Each in one transaction, with name and reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.errors import ConfigurationError
from include.storage import ledger
from include.storage.invoice_names import UnknownInvoiceError, find_invoice, foresee_invoice
from include.storage.nearby import near_ones
from include.storage.queries import INVOICES
from include.storage.tables import binding, booking, quarantine

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterable

_HELD = {
    "booked": "is booked in Minox, and a booked entry is never sent again",
    "sending": "is being sent; the next run looks up what became of it before anything else is done",
}


@dataclass(frozen=True, slots=True)
class Done:
    """What was done about one record.

    Attributes:
        entity: Of the record.
        source_key: Its key; InvoiceHeaderId for an invoice.
        name: What people call it: the invoice number, else the key.
        message: What happens next.
    """

    entity: str
    source_key: str
    name: str
    message: str


def reoffer_records(
    engine: sa.Engine, link: str, entity: str, keys: Iterable[str], *, person: str, reason: str | None = None
) -> list[Done]:
    """Have master data offered to QMS again by the next run, whether QMS refused it or has it as it is.

    Args:
        engine: Of the connector's database.
        link: Name of the link.
        entity: E.g. `customers`.
        keys: Keys of the records in Minox.
        person: Who asks.
        reason: Why.

    Raises:
        ConfigurationError: A key is not known, or the record was never offered; nothing is done then.
    """
    wanted = list(dict.fromkeys(keys))
    place = (binding.c.link == link, binding.c.entity == entity)
    with engine.begin() as connection:
        known = set(
            connection.scalars(
                sa.update(binding)
                .where(*place, binding.c.source_key == sa.any_(sa.literal(wanted, sa.ARRAY(sa.Text))))
                .values(reoffer=True)
                .returning(binding.c.source_key)
            )
        )
        missing = [_not_offered(connection, link, entity, key) for key in wanted if key not in known]
        if missing:
            raise ConfigurationError(" ".join(missing))
        for key in wanted:
            ledger.note_person(connection, link, "reoffer", entity, key, person, reason)
    return [Done(entity, key, key, "is offered to QMS again by the next run") for key in wanted]


def reoffer_refused_records(
    engine: sa.Engine, link: str, entity: str, *, person: str, reason: str | None = None
) -> list[Done]:
    """Have every record of an entity that QMS refused offered again by the next run; none is no error."""
    with engine.connect() as connection:
        keys = connection.scalars(
            sa.select(binding.c.source_key)
            .where(binding.c.link == link, binding.c.entity == entity, binding.c.refused_hash.is_not(None))
            .order_by(binding.c.source_key)
        ).all()
    return reoffer_records(engine, link, entity, keys, person=person, reason=reason)


def reoffer_invoices(
    engine: sa.Engine, link: str, names: Iterable[str], *, person: str, reason: str | None = None
) -> list[Done]:
    """Have invoices looked at and offered to Minox again by the next run.

    One that Minox has a receivable for is looked up there again, so that nothing is booked twice.

    Args:
        engine: Of the connector's database.
        link: Name of the link.
        names: See `find_invoice`.
        person: Who asks.
        reason: Why.

    Raises:
        ConfigurationError: An invoice is not known, or is booked, being sent, or excluded; nothing is done then.
    """
    done = []
    with engine.begin() as connection:
        ids = {find_invoice(connection, link, name) for name in names}
        for row in [_locked(connection, link, f"id:{one}") for one in sorted(ids)]:  # in one order, as runs take them
            if row.state in _HELD:
                raise ConfigurationError(f"Invoice {_name(row)} {_HELD[row.state]}.")
            if row.state == "excluded":
                raise ConfigurationError(
                    f"Invoice {_name(row)} was excluded by {row.excluded_by} ({row.excluded_reason}); "
                    "take that back first, with `include`."
                )
            ledger.change(connection, link, row.invoice_header_id, _offered_again(row.state, person))
            done.append(_note(connection, link, "reoffer", row, person, reason, "is taken up by the next run"))
    return done


def reoffer_refused_invoices(engine: sa.Engine, link: str, *, person: str, reason: str | None = None) -> list[Done]:
    """Have every invoice that Minox refused offered again by the next run; none is no error."""
    with engine.connect() as connection:
        ids = connection.scalars(
            sa.select(booking.c.invoice_header_id)
            .where(booking.c.link == link, booking.c.state == "refused")
            .order_by(booking.c.invoice_header_id)
        ).all()
    return reoffer_invoices(engine, link, [f"id:{one}" for one in ids], person=person, reason=reason)


def count_refused(connection: sa.Connection, link: str) -> dict[str, int]:
    """Count, by entity, the records that the other system refused: those that can be offered again together."""
    records = connection.execute(
        sa.select(binding.c.entity, sa.func.count())
        .where(binding.c.link == link, binding.c.refused_hash.is_not(None))
        .group_by(binding.c.entity)
    )
    found = {entity: number for entity, number in records}  # noqa: C416 - rows are no pairs
    invoices = sa.select(sa.func.count()).where(booking.c.link == link, booking.c.state == "refused")
    if number := connection.scalar(invoices):
        found[INVOICES] = number
    return found


def exclude_invoice(
    engine: sa.Engine,
    link: str,
    name: str,
    *,
    person: str,
    reason: str,
    batch_of: Callable[[int], uuid.UUID] | None = None,
) -> Done:
    """Never book an invoice, until somebody takes that back.

    Args:
        engine: Of the connector's database.
        link: Name of the link.
        name: See `find_invoice`; with `batch_of` also `foresee_invoice`.
        person: Who says so.
        reason: Why; not blank.
        batch_of: Gives the batch id of an InvoiceHeaderId; without, only invoices that a run has met can be excluded.

    Raises:
        ConfigurationError: The invoice is not known, is booked, being sent or excluded already, or there is no reason.
    """
    if not reason.strip():
        raise ConfigurationError("Say why the invoice is not to be booked.")
    with engine.begin() as connection:
        try:
            row = _locked(connection, link, name)
        except UnknownInvoiceError:
            foreseen = None if batch_of is None else foresee_invoice(connection, link, name)
            if batch_of is None or foreseen is None:
                raise
            ledger.foresee(connection, link, *foreseen, batch_of(foreseen[0]))
            row = _locked(connection, link, f"id:{foreseen[0]}")
        if row.state in _HELD:
            raise ConfigurationError(f"Invoice {_name(row)} {_HELD[row.state]}: it cannot be excluded.")
        if row.state == "excluded":
            raise ConfigurationError(
                f"Invoice {_name(row)} is excluded already, by {row.excluded_by} ({row.excluded_reason})."
            )
        values = {"state": "excluded", "excluded_by": person, "excluded_reason": reason.strip(), "reoffer": False}
        ledger.change(connection, link, row.invoice_header_id, values)
        _leave_quarantine(connection, link, row.invoice_header_id)
        return _note(connection, link, "exclude", row, person, reason.strip(), "is not booked")


def include_invoice(engine: sa.Engine, link: str, name: str, *, person: str, reason: str) -> Done:
    """Take an exclusion back: the next run looks at the invoice again.

    Args:
        engine: Of the connector's database.
        link: Name of the link.
        name: See `find_invoice`.
        person: Who says so.
        reason: Why; not blank.

    Raises:
        ConfigurationError: The invoice is not known or not excluded, or there is no reason.
    """
    if not reason.strip():
        raise ConfigurationError("Say why the invoice is to be booked after all.")
    with engine.begin() as connection:
        row = _locked(connection, link, name)
        if row.state != "excluded":
            raise ConfigurationError(f"Invoice {_name(row)} is not excluded: its state is {row.state}.")
        values = {**_offered_again("excluded", person), "excluded_by": None, "excluded_reason": None}
        ledger.change(connection, link, row.invoice_header_id, values)
        return _note(connection, link, "include", row, person, reason.strip(), "is taken up by the next run")


def _locked(connection: sa.Connection, link: str, name: str) -> Any:
    """Read an invoice of the ledger, and keep runs from changing it until the transaction ends."""
    number = find_invoice(connection, link, name)
    return connection.execute(
        sa.select(
            booking.c.invoice_header_id,
            booking.c.invoice_number,
            booking.c.state,
            booking.c.excluded_by,
            booking.c.excluded_reason,
        )
        .where(booking.c.link == link, booking.c.invoice_header_id == number)
        .with_for_update()
    ).one()


def _offered_again(state: str, person: str) -> dict[str, Any]:
    """Columns of an invoice that is to be looked at again: one that runs leave alone becomes an open one."""
    if state in ledger.OPEN_STATES:
        return {"reoffer": True}
    message = f"Offered again by {person}; the next run takes it up."
    return {"state": "open", "reoffer": True, "outcome": "postponed", "reason": None, "message": message}


def _leave_quarantine(connection: sa.Connection, link: str, invoice_header_id: int) -> None:
    """Let an invoice leave quarantine by a person's word, without a run: nothing was solved, so nobody is told that."""
    connection.execute(
        sa.update(quarantine)
        .where(
            quarantine.c.link == link,
            quarantine.c.entity == INVOICES,
            quarantine.c.source_key == str(invoice_header_id),
            quarantine.c.solved_at.is_(None),
        )
        .values(solved_at=sa.func.clock_timestamp(), alerted=True)
    )


def _not_offered(connection: sa.Connection, link: str, entity: str, key: str) -> str:
    """Say why a record cannot be offered again."""
    reason = connection.scalar(
        sa.select(quarantine.c.reason).where(
            quarantine.c.link == link,
            quarantine.c.entity == entity,
            quarantine.c.source_key == key,
            quarantine.c.solved_at.is_(None),
        )
    )
    if reason is not None:
        return f"{entity} {key} was rejected as {reason} before it was offered; every run looks at it again by itself."
    known = sa.select(binding.c.source_key).where(binding.c.link == link, binding.c.entity == entity)
    return f"Link {link} has no {entity} {key!r}{near_ones(connection, known, binding.c.source_key, key)}."


def _name(row: Any) -> str:
    """What people call an invoice."""
    return row.invoice_number or f"id:{row.invoice_header_id}"


def _note(
    connection: sa.Connection, link: str, action: str, row: Any, person: str, reason: str | None, message: str
) -> Done:
    """Keep what a person did about an invoice."""
    key = str(row.invoice_header_id)
    ledger.note_person(connection, link, action, INVOICES, key, person, reason)
    return Done(INVOICES, key, _name(row), message)
