"""How a whole run grows with the number of customers: over a QMS that has them all already, so that nothing is written.

Everything else happens: the lists of both systems are read, staged, checked, mapped, matched and compared. The second
run is idle.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import contenders as who
from benchmarks.stand_ins import stand_in
from include.mapping.context import MappingContext
from include.mapping.mapper import map_raw
from include.mappings import MASTER_DATA
from include.settings.link import MasterDataSettings
from include.storage.embedded import ensure_database
from sandbox.common.json_text import dumps
from sandbox.dataset import generated

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from benchmarks.figures import Measured

COMPANY = "3"
ITEMS = 50


def measure(server: sa.URL, customers: int) -> Iterator[Measured]:
    """Run the connector twice over so many customers; yields a row for each run."""
    directory = Path(tempfile.mkdtemp(prefix="minox-qms-bench-"))
    contender = who.Contender(who.OURS, "benchmarks.ours")
    try:
        file = directory / "dataset.json"
        file.write_bytes(_filled(customers))
        with ExitStack() as stack:
            systems = {name: stack.enter_context(stand_in(name, str(file))) for name in ("minox", "qms")}
            variables = who.environment(directory, ensure_database(server, f"bench_slope_{customers}"), systems)
            for run in ("first", "idle"):
                took = who.run(contender, "master_data", directory, variables, idle=run == "idle")
                written = systems["qms"].requests("PUT") + systems["qms"].requests("POST", "CustomerCompany")
                if written:
                    raise who.RunFailedError(f"{len(written)} customers were written, though QMS had them all")
                yield {
                    "records": customers,
                    "run": run,
                    "seconds": took.seconds,
                    "cpu_seconds": took.cpu_seconds,
                    "working_bytes": took.working_bytes,
                }
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _filled(customers: int) -> bytes:
    """A data set in which QMS has every customer already, with the values that the connector would give it."""
    data = generated(customers=customers, items=ITEMS, invoices=0, lines=1)
    master = data["minox"]["tenants"][0]["data"]["1"]
    terms = _rows("payment_terms", master["payment_term"], {})
    known = {"payment_terms": {row["Code"]: int(row["PaymentConditionId"]) for row in terms}}
    data["qms"]["PaymentCondition"] = terms
    data["qms"]["CustomerCompany"] = _rows("customers", master["customer"], known)
    return dumps(data)


def _rows(entity: str, records: list[dict[str, Any]], known: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    mapping = MASTER_DATA[entity]
    context = MappingContext(MasterDataSettings(), known, {})
    mapped = [map_raw(mapping, dumps(record), context).values for record in records]
    return [{mapping.key_field: str(place), "CompanyId": COMPANY} | values for place, values in enumerate(mapped, 1)]
