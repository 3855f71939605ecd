"""Whether a staged batch is as the last good run left it, so that it need not be checked and loaded again.

What `check` and `load` make of a batch depends on the terms below alone, once every record of it is settled
(`_loose_end`). So while the terms are those of the last load, and that load ended well, the same outcomes are noted
here. In doubt the batch is checked and loaded. Invoices are simpler: what is settled is not staged.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

import include
from include.storage import ledger
from include.storage.bindings import known_references
from include.storage.checks import results_of, write_results
from include.storage.facts import fact, forget, remember
from include.storage.outcomes import Outcome, finish_entity, note_outcomes
from include.storage.quarantine import in_quarantine, see_again
from include.storage.runs import insist_on_claim
from include.storage.staging import keys_of, mark_rejected, rejected_places
from include.storage.tables import BOOKING_SOURCES, STAGING, binding, quarantine
from minox_qms.sync.debtors import ENTITY as DEBTORS
from minox_qms.sync.debtors import UNASKED
from minox_qms.sync.selection import ENTITY as INVOICES

if TYPE_CHECKING:
    from include.bookings.plan import Plan
    from include.mapping.mapper import Mapping
    from include.settings.link import LinkSettings
    from include.storage.runs import Run

log = logging.getLogger(__name__)

PASSING = ("unresolved_reference",)
"""Reasons that can pass without a change in Minox: somebody may have typed the code in at QMS."""


def settle_standstill(engine: sa.Engine, run: Run, mapping: Mapping[Any], link: LinkSettings) -> bool:
    """Note the outcomes of a staged batch that is as the last good run left it.

    Args:
        engine: Of the connector's database.
        run: The run; it has staged the entity.
        mapping: Declaration of the entity.
        link: The link's settings.

    Returns:
        Whether it is, so that there is nothing to check and nothing to load. Never in a dry run.
    """
    if run.dry_run:
        return False
    entity = mapping.entity
    with engine.begin() as connection:
        last: dict[str, Any] | None = fact(connection, run.link, _fact_name(entity))
        why = _why_not(connection, run, mapping, link, last)
        if last is None or why is not None:
            log.info("%s: to be checked and loaded: %s", entity, why)
            forget(connection, run.link, _fact_name(entity))
            return False
        _note_same(connection, run, mapping, last)
        remember(connection, run.link, _fact_name(entity), {**last, "run": run.id})
    log.info("%s: nothing changed since the last load; its outcomes hold", entity)
    return True


def settle_empty_booking(engine: sa.Engine, run: Run, plan: Plan, *, first_of_day: bool) -> bool:
    """End the booking of a run that has nothing to book: no change in its interval, nothing open, no sweep due.

    Args:
        engine: Of the connector's database.
        run: The run; it has staged its invoices.
        plan: What it was asked to take.
        first_of_day: It compares the last days with the ledger, and has to note that it did.

    Returns:
        Whether that is so, so that there is nothing to check and nothing to book. Never in a dry run or of a range.
    """
    if run.dry_run or first_of_day or plan.from_date is not None:
        return False
    with engine.begin() as connection:
        staged = [table for table in BOOKING_SOURCES if keys_of(connection, run, table)]
        if staged or ledger.open_ids(connection, run.link):
            return False
        insist_on_claim(connection, run)
        finish_entity(connection, run, INVOICES, (), state="good")
    log.info("No invoice was processed, and none is open")
    return True


def note_loaded(engine: sa.Engine, run: Run, mapping: Mapping[Any], link: LinkSettings) -> None:
    """Keep what a load that came to a good end was decided by, to compare the next batch with."""
    if run.dry_run:
        return
    with engine.begin() as connection:
        loaded = {
            "run": run.id,
            "terms": _terms(connection, run, mapping, link),
            "rejected": {table: rejected_places(connection, run, table) for table in _tables(mapping)},
        }
        remember(connection, run.link, _fact_name(mapping.entity), loaded)


def _why_not(
    connection: sa.Connection, run: Run, mapping: Mapping[Any], link: LinkSettings, last: dict[str, Any] | None
) -> str | None:
    """Say why the batch is to be checked and loaded; None when it need not be."""
    if last is None:
        return "no load of it has come to a good end since something changed"
    terms = _terms(connection, run, mapping, link)
    changed = [name for name, term in terms.items() if last["terms"].get(name) != term]
    if changed:
        return f"changed since the last load: {', '.join(changed)}"
    return _loose_end(connection, run, mapping.entity)


def _terms(connection: sa.Connection, run: Run, mapping: Mapping[Any], link: LinkSettings) -> dict[str, str]:
    """Everything that check and load decide by, each as a hash."""
    return {
        "records": _hash(*(_staged(connection, run, table) for table in _tables(mapping))),
        "settings of the link": _hash(link.model_dump_json()),
        "release of the connector": _release(),
        "what they refer to": _hash(
            *(json.dumps(known_references(connection, run.link, row.to), sort_keys=True) for row in mapping.references)
        ),
        "what was written to QMS": _bound(connection, run.link, mapping.entity),
        "rejected records": _rejected(connection, run.link, mapping.entity),
    }


def _loose_end(connection: sa.Connection, run: Run, entity: str) -> str | None:
    """Say which record may end otherwise today though nothing has changed; None when there is none."""
    findings = sa.or_(*(quarantine.c.findings.contains([{"reason": reason}]) for reason in PASSING))
    passing = sa.select(quarantine.c.source_key).where(*in_quarantine(run.link, entity), findings)
    if (key := connection.scalar(passing.limit(1))) is not None:
        return f"{key} was rejected for a reason that can pass"
    staged = STAGING[entity]
    offered = sa.select(binding.c.source_key).where(
        binding.c.link == run.link,
        binding.c.entity == entity,
        sa.or_(binding.c.reoffer, binding.c.refused_hash.is_not(None)),
        sa.exists().where(staged.c.run == run.id, staged.c.key == binding.c.source_key),
    )
    if (key := connection.scalar(offered.limit(1))) is not None:
        return f"{key} is to be offered again"
    if entity == DEBTORS and fact(connection, run.link, UNASKED):
        return "QMS is still to be asked for rejected debtors"
    return None


def _note_same(connection: sa.Connection, run: Run, mapping: Mapping[Any], last: dict[str, Any]) -> None:
    """Note what check and load would note."""
    insist_on_claim(connection, run)
    entity = mapping.entity
    rejected = [Outcome(key, "rejected", reason, words) for key, reason, words in see_again(connection, run, entity)]
    note_outcomes(connection, run, entity, rejected)
    aside = {one.source_key for one in rejected}
    unchanged = [key for key in keys_of(connection, run, entity) if key not in aside]
    finish_entity(connection, run, entity, unchanged, state="good")
    for table in _tables(mapping):
        mark_rejected(connection, run, table, last["rejected"][table])
        results = results_of(connection, last["run"], table)
        for one in results:
            if one["name"] == "min_share_of_previous":  # it is as long as the last one now
                one["observed"] = {"value": 1.0}
        write_results(connection, run, table, results)


def _fact_name(entity: str) -> str:
    return f"last load of {entity}"


def _tables(mapping: Mapping[Any]) -> list[str]:
    """The staging tables that an entity is made of."""
    return [*(f"{collection}s" for collection in mapping.reads), mapping.entity]


def _staged(connection: sa.Connection, run: Run, table: str) -> str:
    """Hash of what a run has staged in a table: keys and contents, in the order of the list."""
    staged = STAGING[table]
    record = _joined(staged.c.key, sa.func.encode(staged.c.content_hash, "hex"))
    return _hash_of(connection, record, staged.c.position, staged.c.run == run.id)


def _bound(connection: sa.Connection, link: str, entity: str) -> str:
    """Hash of what QMS has of an entity, as far as the bookkeeping knows."""
    written = _joined(binding.c.source_key, sa.func.encode(binding.c.written_hash, "hex"))
    return _hash_of(connection, written, binding.c.source_key, binding.c.link == link, binding.c.entity == entity)


def _rejected(connection: sa.Connection, link: str, entity: str) -> str:
    """Hash of the open quarantine of an entity."""
    found = _joined(quarantine.c.source_key, sa.cast(quarantine.c.findings, sa.Text))
    return _hash_of(connection, found, quarantine.c.source_key, *in_quarantine(link, entity))


def _joined(*columns: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Make one text of columns from which they can be told apart; null is not the empty text."""
    return sa.cast(sa.func.jsonb_build_array(*columns), sa.Text)


def _hash_of(
    connection: sa.Connection, text: sa.ColumnElement[Any], order: sa.ColumnElement[Any], *where: sa.ColumnElement[bool]
) -> str:
    """Hash rows in the database: only the hash comes over."""
    digest = sa.func.sha256(sa.func.convert_to(text, "UTF8"))
    rows = sa.func.string_agg(digest, aggregate_order_by(sa.cast(sa.literal(b""), sa.LargeBinary), order))
    return connection.scalar(sa.select(sa.func.encode(sa.func.sha256(rows), "hex")).where(*where)) or "none"


def _hash(*texts: str) -> str:
    return hashlib.sha256("\x00".join(texts).encode()).hexdigest()


@functools.cache
def _release() -> str:
    """Hash of the connector's own code: another mapping or check may come to another result."""
    roots = (Path(include.__path__[0]), Path(__file__).parents[1])
    files = sorted(path for root in roots for path in root.rglob("*.py"))
    return hashlib.sha256(b"\x00".join(path.read_bytes() for path in files)).hexdigest()
