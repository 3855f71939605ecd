"""What QMS is to be told of debtors that were rejected, and of those that became good (spec, "Reporting back")."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.errors import ConnectorError
from include.mappings import customers
from include.storage.bindings import known_references, note_references
from include.storage.facts import fact, remember
from include.storage.outcomes import WRITTEN
from include.storage.reports import clear, report
from include.storage.runs import count_outcomes
from include.storage.tables import quarantine
from minox_qms.sync.qms_rows import QmsRows

if TYPE_CHECKING:
    from include.settings.link import LinkSettings
    from include.storage.runs import Run
    from minox_qms.hooks.qms import QmsHook

log = logging.getLogger(__name__)

ENTITY = customers.MAPPING.entity
UNASKED = "rejected debtors that QMS was not asked for"
SEEN_UNTIL = "run of the latest rejected debtor that was seen to"


def report_rejected_debtors(engine: sa.Engine, qms: QmsHook, link: LinkSettings, run: Run) -> None:
    """Note an error for every debtor in quarantine that QMS has, and no error for those that left it.

    QMS is asked whether it has a debtor that the bookkeeping does not know: when the debtor is first rejected (until
    QMS has answered; by a later run, when the one that rejected it died before), and whenever a run has written other
    debtors, since somebody may have typed it in meanwhile. A failure here is a warning.
    """
    if not link.bookings.report_to_qms:
        return
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(quarantine.c.source_key, quarantine.c.reason, quarantine.c.message, quarantine.c.first_run).where(
                quarantine.c.link == link.name, quarantine.c.entity == ENTITY, quarantine.c.solved_at.is_(None)
            )
        ).all()
        known = known_references(connection, link.name, ENTITY)
        unasked = set(fact(connection, link.name, UNASKED) or ())
        seen_until = fact(connection, link.name, SEEN_UNTIL) or 0
    has_written = any(outcome in WRITTEN for outcome in count_outcomes(engine, run).get(ENTITY, {}))
    asked = [
        row.source_key
        for row in rows
        if (has_written or row.first_run > seen_until or row.source_key in unasked)
        and row.source_key not in known
        and not row.source_key.startswith("#")
    ]
    found: dict[str, int] = {}
    still_unasked: list[str] = []
    try:
        reader = QmsRows(qms, customers.MAPPING, engine, run)
        found = {code: reader.key_of(row) for code, row in reader.by_codes(asked).items()}
    except ConnectorError as error:
        log.warning("Rejected debtors could not be looked up in QMS: %s", error)
        still_unasked = sorted(asked)
    known |= found
    with engine.begin() as connection:
        note_references(connection, link.name, ENTITY, found)
        if unasked != set(still_unasked):
            remember(connection, link.name, UNASKED, still_unasked)
        latest = max((row.first_run for row in rows), default=0)
        if latest > seen_until:
            remember(connection, link.name, SEEN_UNTIL, latest)
        for row in rows:
            if row.source_key in known:
                report(
                    connection,
                    link.name,
                    "CustomerCompany",
                    known[row.source_key],
                    key=row.source_key,
                    is_error=True,
                    message=f"{row.reason}: {row.message}",
                )
        clear(connection, link.name, "CustomerCompany", unless=[row.source_key for row in rows])
