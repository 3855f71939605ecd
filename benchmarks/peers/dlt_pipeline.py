"""Peer: dlt with its REST API source and PostgreSQL destination, and a loading step that writes by hand.

`python -m benchmarks.peers.dlt_pipeline master_data|invoices DIRECTORY`; addresses and the database's URL are in the
environment (`BENCH_MINOX`, `BENCH_QMS`, `BENCH_DATABASE`). Tuned as its documentation advises: nested values stay in
one column, files go in by COPY, names are kept as they are, nothing is reported to anyone.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "SCHEMA__NAMING": "direct",
    "NORMALIZE__LOADER_FILE_FORMAT": "csv",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
    "DESTINATION__REPLACE_STRATEGY": "truncate-and-insert",
}
os.environ.update(SETTINGS)

import dlt  # noqa: E402 - reads its settings when it is imported
import sqlalchemy as sa  # noqa: E402
from dlt.destinations import postgres  # noqa: E402
from dlt.sources.rest_api import rest_api_source  # noqa: E402

from benchmarks.meter import Meter  # noqa: E402
from benchmarks.peers import hand  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DATASET = "staging"
PAGINATORS = {
    "minox": {"type": "cursor", "cursor_path": "links.next", "cursor_param": "next"},
    "qms": {"type": "json_link", "next_url_path": "'odata.nextLink'"},
}
SELECTORS = {"minox": "collection", "qms": "value"}
TYPES = {"data_type": "text"}
"""Of columns that dlt would take for something else: amounts and dates stay the text that they are."""

DATES = ("InvoiceDate", "WorkInProgressDate", "CreatedOn", "Date")


class Pipeline:
    """Extraction and staging with dlt.

    Args:
        directory: Where dlt keeps its own things.
        apis: The signed-in sessions, whose tokens it uses.
    """

    def __init__(self, directory: Path, apis: dict[str, hand.Api]) -> None:
        self.apis = apis
        url = sa.make_url(os.environ["BENCH_DATABASE"]).set(drivername="postgresql", host="localhost")
        self.pipeline = dlt.pipeline(
            "peer",
            pipelines_dir=str(directory / "dlt"),
            destination=postgres(credentials=url.render_as_string(hide_password=False)),
            dataset_name=DATASET,
        )

    def stage(self, system: str, resources: list[dict[str, Any]]) -> None:
        """Put lists into their staging tables, in place of the last."""
        api = self.apis[system]
        config: Any = {
            "client": {
                "base_url": api.url,
                "auth": {"type": "bearer", "token": api.token},
                "paginator": PAGINATORS[system],
            },
            "resource_defaults": {"write_disposition": "replace", "max_table_nesting": 0},
            "resources": resources,
        }
        self.pipeline.run(rest_api_source(config, name=system))


def resource(system: str, name: str, path: str, **more: Any) -> dict[str, Any]:
    """Declare a list."""
    columns = dict.fromkeys(DATES, TYPES) if system == "qms" else {}
    endpoint = {"path": path, "data_selector": SELECTORS[system], **more}
    return {"name": name, "endpoint": endpoint, "columns": columns}


def staged(database: sa.Engine, table: str) -> Iterator[hand.Row]:
    """Read a staging table; one that was never filled is empty."""
    with database.connect() as connection:
        if not sa.inspect(connection).has_table(table, schema=DATASET):
            return
        query = sa.text(f'SELECT * FROM {DATASET}."{table}"')  # noqa: S608 - our own names
        for row in connection.execute(query).mappings():
            yield Fields(row)


class Fields(dict[str, Any]):
    """A row in which a column that dlt has never seen a value for is None."""

    def __missing__(self, name: str) -> None:
        return None


def master_data(apis: dict[str, hand.Api], pipeline: Pipeline, database: sa.Engine) -> None:
    """Bring the master data over."""
    names = ("item_group", *hand.MASTER_DATA)
    pipeline.stage("minox", [resource("minox", name, f"{hand.MINOX}/{name}") for name in names])
    hand.load_master_data(apis["qms"], database, {name: partial(staged, database, name) for name in names})


def invoices(apis: dict[str, hand.Api], pipeline: Pipeline, database: sa.Engine) -> None:
    """Book what was processed since the last run; in the first one, all that is processed."""
    done, since = hand.booked(database), hand.watermark(database)
    changes = resource(
        "qms",
        "EntityChange",
        f"{hand.QMS}/EntityChange",
        params={"$filter": hand.processed(since or "2020-01-01T00:00:00Z")},
    )
    own = f"CompanyId eq {hand.COMPANY}L and {hand.STATES}"
    if since is None:
        wanted = {"OverviewInvoice": own, "Invoice": own, "OverviewInvoiceLine": "InvoiceHeaderId gt 0L"}
        pipeline.stage("qms", [changes, *(_list(name, condition) for name, condition in wanted.items())])
    else:
        pipeline.stage("qms", [changes])
    changed = list(staged(database, "EntityChange"))
    keys = sorted({change["EntityId"] for change in changed} - done) if since is not None else []
    for condition in hand.any_of("InvoiceHeaderId", keys):
        lists = {"OverviewInvoice": f"{own} and {condition}", "Invoice": condition, "OverviewInvoiceLine": condition}
        pipeline.stage("qms", [_list(name, one) for name, one in lists.items()])
        hand.book(apis["minox"], apis["qms"], database, _joined(database, done))
    if since is None:
        hand.book(apis["minox"], apis["qms"], database, _joined(database, done))
    if changed:
        hand.watermark(database, max(change["Date"] for change in changed))


def _list(name: str, condition: str) -> dict[str, Any]:
    return resource("qms", name, f"{hand.QMS}/{name}", params={"$filter": condition})


def _joined(database: sa.Engine, done: set[str]) -> Iterable[tuple[hand.Row, hand.Row, list[hand.Row]]]:
    """Head, totals and lines of every staged invoice that is not booked, oldest first."""
    totals = {row["InvoiceHeaderId"]: row for row in staged(database, "Invoice")}
    lines: dict[str, list[hand.Row]] = {}
    for line in staged(database, "OverviewInvoiceLine"):
        lines.setdefault(line["InvoiceHeaderId"], []).append(line)
    heads = [row for row in staged(database, "OverviewInvoice") if row["InvoiceHeaderId"] not in done]
    for head in sorted(heads, key=lambda row: (row["InvoiceDate"], row["InvoiceHeaderId"])):
        yield head, totals[head["InvoiceHeaderId"]], lines[head["InvoiceHeaderId"]]


def main() -> None:
    """Do one run, and tell what it took."""
    what, directory = sys.argv[1], Path(sys.argv[2])
    with Meter() as meter:
        database = sa.create_engine(os.environ["BENCH_DATABASE"].replace("+psycopg:", "+psycopg2:"))
        apis = {name: hand.Api(name, os.environ[f"BENCH_{name.upper()}"], directory) for name in hand.LOGINS}
        pipeline = Pipeline(directory, apis)
        {"master_data": master_data, "invoices": invoices}[what](apis, pipeline, database)
    meter.tell()


if __name__ == "__main__":
    main()
