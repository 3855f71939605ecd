"""What is measured: both directions, a first run and runs after it, contender by contender in turn."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from benchmarks import contenders as who
from benchmarks.stand_ins import Traffic, stand_in, traffic
from include.storage.embedded import ensure_database, start_server, stop_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.contenders import Contender, Took
    from tests.world import System

_BLOCKED = {"active": True, "reason": "Opgeheven"}
FIRST, IDLE, CHANGED = "first", "idle", "1 % changed"


class WrongResultError(Exception):
    """A contender did not write what was to be written."""


@dataclass(frozen=True)
class Workload:
    """One workload.

    Attributes:
        name: What it is called in the tables.
        direction: `master_data` or `invoices`.
        dataset: Of the stand-ins.
        runs: In order.
        expected: Per run the accepted writes, per method and kind of row.
        records: How many records it is about.
        late: Seconds that every answer of both systems takes beside its usual time.
    """

    name: str
    direction: str
    dataset: str
    runs: tuple[str, ...]
    expected: dict[str, dict[str, int]]
    records: int
    late: float = 0.0


@dataclass(frozen=True)
class Cell:
    """One measured run.

    Attributes:
        workload: Name of the workload.
        run: Which of its runs.
        contender: Whose.
        turn: Counted from 1.
        took: What it took.
        minox: What Minox was asked.
        qms: What QMS was asked.
    """

    workload: str
    run: str
    contender: str
    turn: int
    took: Took
    minox: Traffic
    qms: Traffic


def master_data(customers: int, items: int) -> Workload:
    """Bring so many customers and items over, the other lists as the stand-ins have them; then nothing, then a few."""
    lists = {"VatCode": 8, "PaymentCondition": 6, "CostCenter": 8, "ItemCompany": items, "CustomerCompany": customers}
    return Workload(
        name=f"{customers:,} customers, {items:,} items",
        direction="master_data",
        dataset=f"generated:customers={customers},items={items}",
        runs=(FIRST, IDLE, CHANGED),
        expected={
            FIRST: {f"POST {entity}": number for entity, number in lists.items()},
            IDLE: {},
            CHANGED: {"PUT CustomerCompany": len(range(0, customers, 100))},
        },
        records=customers + items,
    )


def invoices(number: int, lines: int) -> Workload:
    """Book so many invoices; then nothing."""
    return Workload(
        name=f"{number:,} invoices of {lines} lines",
        direction="invoices",
        dataset=f"generated:customers=100,items=10,invoices={number},lines={lines}",
        runs=(FIRST, IDLE),
        expected={FIRST: {"PUT transaction_line_batch": number, "POST EntityState": number}, IDLE: {}},
        records=number,
    )


def late(workload: Workload, seconds: float) -> Workload:
    """Return the same workload over systems that answer so much later, as those at the end of a real network do."""
    return replace(workload, name=f"{workload.name}, answers {seconds * 1000:.0f} ms later", late=seconds)


@contextmanager
def postgres() -> Iterator[sa.URL]:
    """A PostgreSQL of the benchmark's own."""
    directory = Path(tempfile.mkdtemp(prefix="minox-qms-bench-"))
    try:
        yield start_server(directory / "pg", keep=True)
    finally:
        stop_server(directory / "pg")
        shutil.rmtree(directory, ignore_errors=True)


def measure(
    server: sa.URL, workload: Workload, contenders: Sequence[Contender], repeat: int, tell: Callable[[Cell], None]
) -> list[Cell]:
    """Measure a workload: so many turns, in each every contender once, beginning with another one each time.

    Args:
        server: The database server.
        workload: What is to be done.
        contenders: Who does it.
        repeat: Number of turns.
        tell: Is told of every measured run.

    Raises:
        WrongResultError: A contender did not write what was to be written.
    """
    cells: list[Cell] = []
    with ExitStack() as stack:
        systems = {name: stack.enter_context(stand_in(name, workload.dataset)) for name in ("minox", "qms")}
        for turn in range(repeat):
            shift = turn % len(contenders)
            for contender in [*contenders[shift:], *contenders[:shift]]:
                for cell in _turn(server, workload, contender, turn + 1, systems):
                    tell(cell)
                    cells.append(cell)
    return cells


def _turn(
    server: sa.URL, workload: Workload, contender: Contender, turn: int, systems: dict[str, System]
) -> Iterator[Cell]:
    """Let a contender do all runs of a workload, over systems and a database that are as new."""
    for system in systems.values():
        system.control("POST", "reset")
        if workload.late:
            system.spoil(action="delay", times=None, seconds=workload.late)
    directory = Path(tempfile.mkdtemp(prefix="minox-qms-bench-"))
    name = f"bench_{turn}_{contender.module.rpartition('.')[2]}"
    try:
        variables = who.environment(directory, ensure_database(server, name), systems)
        for run in workload.runs:
            if run == CHANGED:
                _block_some(systems["minox"])
            if run == IDLE and workload.direction == "invoices":  # the first of a day looks back; this is the second
                who.run(contender, workload.direction, directory, variables, idle=True)
                for system in systems.values():
                    system.forget_requests()
            took = who.run(contender, workload.direction, directory, variables, idle=run != FIRST)
            cell = Cell(
                workload.name, run, contender.name, turn, took, traffic(systems["minox"]), traffic(systems["qms"])
            )
            _check(cell, workload.expected[run])
            yield cell
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        _drop(server, name)


def _block_some(minox: System) -> None:
    """Block every hundredth customer."""
    rows = minox.state["tenants"][0]["data"]["1"]["customer"][::100]
    minox.edit({"entity": "customer", "update": [{"id": one["id"], "blocked": _BLOCKED} for one in rows]})


def _check(cell: Cell, expected: dict[str, int]) -> None:
    """Insist that what was written is what was to be written, neither more nor less."""
    written = cell.minox.written | cell.qms.written
    if written != expected:
        raise WrongResultError(
            f"{cell.contender}, {cell.workload}, {cell.run}: wrote {written}, was to write {expected}"
        )


def _drop(server: sa.URL, name: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
