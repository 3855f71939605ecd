"""The judge: it reads what the models saw and hold, and what people did, and knows nothing of the connector's notes.

The one exception is conservation, a promise about the public view `sync_outcomes` itself.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from tests.bookings import oracle
from tests.simulation.minox_model import LEDGER_ACCOUNTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.history import Event
    from tests.simulation.invoices import SimulatedInvoice, Version
    from tests.simulation.schedule import Schedule

BATCHES = "/transaction_line_batch/"
PATIENCE = 62 * 60 * 1_000_000
"""Microseconds after which an entry that Minox refused has been offered again: an hour, and what requests take."""


_ONE = re.compile(r"InvoiceHeaderId eq (\d+)L")
_RANGE = re.compile(r"InvoiceHeaderId ge (\d+)L and InvoiceHeaderId le (\d+)L")


def asks_for(what: str, key: int) -> bool:
    """Whether a request asks QMS for an invoice, by its key or by a range of keys."""
    ranges = ((int(first), int(last)) for first, last in _RANGE.findall(what))
    return str(key) in _ONE.findall(what) or any(first <= key <= last for first, last in ranges)


def batch_of(key: int) -> str:
    """Id of an invoice's entry, as the specification says it."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"minox:123456/1/qms:3/{key}"))


def check_bookings(schedule: Schedule) -> list[str]:
    """Judge a schedule; returns everything that is not as promised."""
    judge = BookingJudge(schedule)
    return [
        *judge.puts(),
        *judge.final(),
        *judge.reports(),
        *judge.grants(),
        *judge.dry_runs(),
        *conservation(schedule),
    ]


class Judge:
    """What is promised of both directions."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.minox, self.qms = schedule.world.minox, schedule.world.qms
        self.history = schedule.world.history

    def common(self) -> Iterator[str]:
        """Grants, dry runs and conservation."""
        yield from self.grants()
        yield from self.dry_runs()
        yield from conservation(self.schedule)

    def grants(self) -> Iterator[str]:
        """A person has to connect again only where the answer to a refresh was lost."""
        for model in (self.minox, self.qms):
            for place in model.tokens.revoked_by:
                event = self.history[place] if place >= 0 else None
                if event is None or (event.is_seen and event.process is not None and not event.process.has_lost):
                    yield f"{model.name}: a spent refresh token was used, though its successor had arrived ({place})"

    def dry_runs(self) -> Iterator[str]:
        """A dry run writes nothing."""
        for event in self.history:
            if event.is_dry and not event.what.startswith("GET") and "/token" not in event.what:
                yield f"{event.place}: a dry run wrote: {event.what}"


class BookingJudge(Judge):
    """Judges the bookings of one schedule."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule)
        self.invoices = schedule.people.invoices
        self.deeds = schedule.people.deeds
        self.key_of = {batch_of(key): key for key in self.invoices}
        rules = {"percentage_scale": "percent", "invoice_number": "digits", "document_date": "work_in_progress_date"}
        more = {"send_vat_code": False, "cost_centers_on_lines": False}
        self.settings: dict[str, Any] = {**rules, **more, **schedule.bookings}

    def events_of(self, batch: str, method: str) -> list[Event]:
        """Requests about one batch."""
        return [one for one in self.history if one.what.startswith(method) and one.what.endswith(BATCHES + batch)]

    # -- what was sent -------------------------------------------------------------------------------------------------

    def puts(self) -> Iterator[str]:
        """Every entry that arrived: of a known invoice, right to the cent, in balance, once, and wanted."""
        arrived = [
            one
            for one in self.history
            if one.what.startswith("PUT") and BATCHES in one.what and one.status in {200, 400}
        ]
        for event in arrived:
            batch = event.what.rsplit("/", 1)[1]
            key = self.key_of.get(batch)
            if key is None:
                yield f"{event.place}: an entry under {batch}, which is no invoice's"
                continue
            yield from self._sent(event, self.invoices[key])
        for batch in self.key_of:
            yield from self._once(batch)

    def _sent(self, event: Event, invoice: SimulatedInvoice) -> Iterator[str]:
        name = f"{event.place}: invoice {invoice.key}"
        lines = oracle.sent_lines(event.body)
        if oracle.balance_of(lines):
            yield f"{name}: an entry out of balance by {oracle.balance_of(lines)} cents"
        known = [one for one in self._versions(invoice, event) if not one.is_written_off]
        if not any(one.expected(self.settings) == lines for one in known):
            yield f"{name}: an entry that is none of its {len(known)} versions: {lines}"
        if event.is_doubtful:
            return
        if self._is_excluded(invoice.key, event.micros):
            yield f"{name}: sent although it was excluded"
        for version in known:
            typed = self.deeds.typed.get((version.customer, version.number or 0))
            looks = self.schedule.bookings["check_existing"]
            if looks and typed is not None and typed < event.began and len(known) == 1:
                yield f"{name}: sent although its entry had been typed in by hand"

    def _versions(self, invoice: SimulatedInvoice, event: Event) -> list[Version]:
        """Versions that were there at some time since the invoice was read for an entry."""
        since = event.began if event.is_doubtful else self._read_since(invoice.key, event)
        ends = [one.micros for one in invoice.versions[1:]] + [event.micros + 1]
        return [
            one for one, end in zip(invoice.versions, ends, strict=True) if one.micros <= event.micros and end > since
        ]

    def _read_since(self, key: int, event: Event) -> int:
        """When the run of an entry read the invoice, or a later one did that went on to book.

        What is changed after that comes too late for the run; a later one tells of it.
        """
        run, since = event.who.split()[0], 0
        read: dict[str, int] = {}
        for one in self.history[: event.place]:
            other, _, task = one.who.partition(" ")
            if task.startswith("stage ") and asks_for(one.what, key):
                read[other] = one.began
            elif other != run and task.startswith("book "):
                since = max(since, read.get(other, 0))
        return max(since, read.get(run, event.began))

    def _once(self, batch: str) -> Iterator[str]:
        """An entry that Minox has stored is never sent again; one whose answer was lost is looked up first."""
        before: Event | None = None
        gone = self.deeds.deleted.get(batch)
        for event in self.events_of(batch, "PUT"):
            if event.status != 200 or not event.is_applied:
                continue
            if before is not None and not event.is_doubtful:
                is_gone = gone is not None and before.micros <= gone < event.micros
                if not is_gone:
                    yield f"{event.place}: invoice {self.key_of[batch]}: sent again; Minox has it since {before.place}"
                elif before.is_seen and before.process is not None and not before.process.has_lost:
                    yield f"{event.place}: invoice {self.key_of[batch]}: sent again after a person deleted the entry"
            before = event

    def _is_excluded(self, key: int, micros: int) -> bool:
        said = [is_excluded for when, is_excluded in self.deeds.excluded.get(key, ()) if when <= micros]
        return bool(said) and said[-1]

    # -- what there is in the end --------------------------------------------------------------------------------------

    def final(self) -> Iterator[str]:
        """Every invoice is in Minox exactly once, or there is a reason why not."""
        places = [
            (one.lines[0]["account"]["id"], one.lines[0]["invoice_number"]) for one in self.minox.batches.values()
        ]
        for place in {*places, *self.minox.typed}:
            if places.count(place) + (place in self.minox.typed) > 1:
                yield f"debtor and number {place} are in Minox more than once"
        for key, invoice in self.invoices.items():
            batch = batch_of(key)
            stored = [one for one in self.events_of(batch, "PUT") if one.is_applied and one.status == 200]
            if stored:
                if batch not in self.minox.batches and batch not in self.deeds.deleted:
                    yield f"invoice {key}: its entry went away by itself"
                continue
            why_not = self._why_not(invoice)
            if why_not is None:
                yield f"invoice {key}: lost; nothing speaks against it ({invoice.kind})"
        yield from self._at_first()
        if self.schedule.bookings["attach_pdf"]:
            yield from self._documents()

    def _why_not(self, invoice: SimulatedInvoice) -> str | None:  # noqa: PLR0911 - one answer a rule
        """Why an invoice need not be in Minox; None when it must be."""
        last = invoice.last
        wanted = last.expected(self.settings)
        if last.header["CompanyId"] != "3":
            return "of another company"
        if self._is_excluded(invoice.key, self.schedule.world.clock.micros):
            return "excluded"
        if last.is_written_off:
            return "written off"
        if not wanted or isinstance(wanted[0], str):
            return "rejected"
        if last.number is not None and (last.customer, last.number) in self.minox.typed:
            return "typed in"
        accounts = {str(one.account) for one in wanted if not isinstance(one, str)}
        if not accounts <= LEDGER_ACCOUNTS | set(self.minox.lists["customer"]):
            return "unknown account or debtor"
        if str(last.header["WorkInProgressDate"])[:10] <= self.minox.closed_until:
            return "closed period"
        others = [one for one in self.invoices.values() if one.key != invoice.key]
        if any(version.number == last.number for one in others for version in one.versions):
            return "number of another invoice"
        return None

    def _at_first(self) -> Iterator[str]:
        """The first quiet run has done everything that it could do."""
        for key, invoice in self.invoices.items():
            batch, first = batch_of(key), self.schedule.after_first
            refused = [one for one in self.events_of(batch, "PUT") if one.status == 400]
            waits = any(first - PATIENCE < one.micros for one in refused)
            is_there = batch in self.schedule.held_at_first or batch in self.deeds.deleted
            if not is_there and not waits and self._why_not(invoice) is None:
                yield f"invoice {key}: not in Minox after the first quiet run"

    def _documents(self) -> Iterator[str]:
        for batch, stored in self.minox.batches.items():
            sent = [one for one in self.history if one.what.endswith(f"{batch}/blob")]
            if batch in self.deeds.deleted:
                continue
            if not stored.documents:
                yield f"batch {batch}: no PDF"
            if len(stored.documents) > 1 and not any(one.is_doubtful for one in sent):
                yield f"batch {batch}: {len(stored.documents)} PDFs"

    # -- what QMS was told ---------------------------------------------------------------------------------------------

    def reports(self) -> Iterator[str]:
        """QMS has one row per booked invoice, and none says that it is wrong."""
        rows: dict[int, list[dict[str, Any]]] = {}
        for row in self.qms.rows["EntityState"].values():
            if row["EntityType"] == "InvoiceHeader":
                rows.setdefault(int(row["EntityId"]), []).append(row)
        are_doubtful = any(one.is_doubtful and "EntityState" in one.what for one in self.history)
        for key, found in rows.items():
            if len(found) > 1 and not are_doubtful:
                yield f"invoice {key}: {len(found)} rows of EntityState"
        for key in self.invoices:
            if batch_of(key) not in self.minox.batches:
                continue
            found = rows.get(key, [])
            if not found or found[0]["IsError"] or found[0]["DataSourceKey"] != batch_of(key):
                yield f"invoice {key}: booked, and QMS was told {found}"


def conservation(schedule: Schedule) -> Iterator[str]:
    """In every run that was closed: extracted is the sum of the outcomes."""
    query = """
        SELECT r.run_id, e.entity, e.extracted, (
            SELECT count(*) FROM sync_outcomes o
            WHERE o.run_id = r.run_id AND o.dag_id = r.dag_id AND o.entity = e.entity
        ) FROM sync_run r JOIN sync_run_entity e ON e.run = r.id WHERE r.finished_at IS NOT NULL AND NOT r.dry_run
    """
    for run_id, entity, extracted, outcomes in schedule.connector.database.rows(query):
        if extracted != outcomes:
            yield f"{run_id}: {extracted} {entity} extracted, {outcomes} outcomes"
