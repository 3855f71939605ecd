"""Peer: what a good engineer writes by hand in an afternoon, with requests, pandas and to_sql.

`python -m benchmarks.peers.requests_pandas master_data|invoices DIRECTORY`; addresses and the database's URL are in
the environment (`BENCH_MINOX`, `BENCH_QMS`, `BENCH_DATABASE`). Lists go into data frames, and as they are into
staging tables; the change log says which invoices are new, once the first run has taken all.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sa

from benchmarks.meter import Meter
from benchmarks.peers import hand

if TYPE_CHECKING:
    from collections.abc import Iterable

SINCE_EVER = "2020-01-01T00:00:00Z"


def stage(database: sa.Engine, table: str, rows: Iterable[hand.Row]) -> list[hand.Row]:
    """Put a list into its staging table, in place of the last; returns it.

    The frame is written as pandas does it by itself: with this driver that is quicker than `method="multi"`.
    """
    found = list(rows)
    if not found:
        return found
    frame = pd.DataFrame(found)
    for column in frame.columns:
        if frame[column].map(lambda value: isinstance(value, dict | list)).any():
            frame[column] = frame[column].map(json.dumps)
    frame.to_sql(f"staging_{table}".lower(), database, if_exists="replace", index=False)
    return found


def master_data(minox: hand.Api, qms: hand.Api, database: sa.Engine) -> None:
    """Bring the master data over."""
    names = ("item_group", *hand.MASTER_DATA)

    def read(name: str) -> list[hand.Row]:
        return stage(database, name, minox.minox_list(name))

    hand.load_master_data(qms, database, {name: partial(read, name) for name in names})


def invoices(minox: hand.Api, qms: hand.Api, database: sa.Engine) -> None:
    """Book what was processed since the last run; in the first one, all that is processed."""
    done, since = hand.booked(database), hand.watermark(database)
    changes = list(qms.qms_list("EntityChange", hand.processed(since or SINCE_EVER)))
    if since is None:
        filters = {"": [f"CompanyId eq {hand.COMPANY}L and {hand.STATES}"], "line": ["InvoiceHeaderId gt 0L"]}
    else:
        keys = sorted({change["EntityId"] for change in changes} - done)
        wanted = hand.any_of("InvoiceHeaderId", keys)
        own = f"CompanyId eq {hand.COMPANY}L and {hand.STATES}"
        filters = {"": [f"{own} and {one}" for one in wanted], "line": wanted}
    frames = {}
    for name, kind in (("OverviewInvoice", ""), ("Invoice", ""), ("OverviewInvoiceLine", "line")):
        rows = [row for condition in filters[kind] for row in qms.qms_list(name, condition)]
        frames[name] = pd.DataFrame(stage(database, name, rows), dtype=object)
    if len(frames["OverviewInvoice"]):
        hand.book(minox, qms, database, joined(frames, done))
    if changes:
        hand.watermark(database, max(change["Date"] for change in changes))


def joined(frames: dict[str, pd.DataFrame], done: set[str]) -> Iterable[tuple[hand.Row, hand.Row, list[hand.Row]]]:
    """Head, totals and lines of every invoice that is not booked, oldest first."""
    heads = frames["OverviewInvoice"]
    heads = heads[~heads["InvoiceHeaderId"].isin(done)].sort_values(["InvoiceDate", "InvoiceHeaderId"])
    totals = {row["InvoiceHeaderId"]: row for row in records(frames["Invoice"])}
    lines: dict[str, list[hand.Row]] = {}
    for line in records(frames["OverviewInvoiceLine"]):
        lines.setdefault(line["InvoiceHeaderId"], []).append(line)
    for head in records(heads):
        yield head, totals[head["InvoiceHeaderId"]], lines[head["InvoiceHeaderId"]]


def records(frame: pd.DataFrame) -> list[hand.Row]:
    """Rows of a frame; what is missing is None."""
    found: Any = frame.astype(object).where(frame.notna(), None).to_dict("records")
    rows: list[hand.Row] = found
    return rows


def main() -> None:
    """Do one run, and tell what it took."""
    what, directory = sys.argv[1], Path(sys.argv[2])
    with Meter() as meter:
        database = sa.create_engine(os.environ["BENCH_DATABASE"])
        minox, qms = (hand.Api(name, os.environ[f"BENCH_{name.upper()}"], directory) for name in hand.LOGINS)
        {"master_data": master_data, "invoices": invoices}[what](minox, qms, database)
    meter.tell()


if __name__ == "__main__":
    main()
