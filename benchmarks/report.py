"""The page of the measured figures, made of docs/performance.json: `python -m benchmarks.report`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks import chart
from benchmarks.contenders import OURS
from benchmarks.figures import bytes_of, median, of, working_bytes
from tests.world import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from benchmarks.figures import Measured

DOCS = ROOT / "docs"
NAME = "performance"
QUIET = 0.5
"""Load of a machine that does nothing else, at most."""

LIMIT = 1.3
"""What an idle run may take at most, beside a run of empty tasks."""

HEAD = """# How fast it is

Written by `make bench` from [performance.json](performance.json), where every single figure is; do not edit. Everything
is measured on one machine, beside each other in the same run. The stand-ins of [the sandbox](sandbox.md) play both
systems, without a rate limit unless it says so, with pages of 1,000.
"""

BESIDE = """
Each run is a process of its own. *Seconds* are those of the work, from when the libraries are loaded; *start* is what
comes before that: an Airflow task is forked from a process that has them loaded, so it does not pay it. The connector's
tasks run one after the other in one process, without Airflow's scheduler between them ([below](#airflows-share) says what
that adds). *CPU* is user and system time of the work, without sandbox and database. *Peak* is resident memory, *over
idle* without that of the process before it had work. Requests are counted by the stand-ins, without those for tokens:
reads + writes. *Ratio* is the connector divided by the peer: below 1 the connector takes less.
"""  # noqa: E501 - as long as it is

LATE = """
*Answers later* is what systems at the end of a real network do; over loopback the stand-ins answer in a millisecond or
two, so that what a program does by itself weighs more than it will.
"""

LEFT_OUT = """
### What the peers are, and what they leave out

*requests + pandas* is what a good engineer writes by hand in an afternoon ([source](../benchmarks/peers/hand.py)): one
session per system with its connections kept open, lists into data frames and staging tables, four writes at once, a table
of what was written and one of what was booked. *dlt* reads and stages with [dlt](https://dlthub.com)'s REST API source
and PostgreSQL destination, nested values in one column, files by COPY; its loading step is the same by hand. Both send
the same writes, which is checked after every run, and their idle run asks for what is new, as the connector's does.

Where the connector is ahead: lists in which nothing is new, which is what nearly every run of the schedule reads; runs that
change little, beside dlt; memory, and bytes when little has changed. An idle run of invoices takes no longer than dlt's, and a
quarter of a second where the script takes a tenth. Where it is behind: first runs, by what the table below says that the peers
leave out: each invoice is committed before its first byte, and its end after its answer. Minox takes 300 requests a minute
([below](#at-minoxs-limit)), so that a thousand invoices take 200 seconds at least, whoever sends them.

| | connector | requests + pandas | dlt |
|---|---|---|---|
| same writes in the same run | yes | yes | yes |
| writes only what differs from what was written last | yes | yes | yes |
| checks of records and batches (Great Expectations), quarantine with reasons | yes | no | no |
| an outcome per record and run, adding up | yes | no | no |
| exactly once: intent committed before the first byte, lost answers looked up | yes | no: after a kill up to 500 are sent again, under the same ids | as beside |
| invoices that Minox has already are left alone | yes | no | no |
| changes after booking are noticed | yes | no | no |
| faults: retries with backoff, 429 and Retry-After, token refresh in the middle | yes | no | reads only |
| rate budget shared by all workers | yes | no | no |
| refresh tokens encrypted and locked | yes | a file | a file |
| whole lists are never held in memory | yes | no | while staging |
| invalid or surprising records | that record is rejected | the run stops | the run stops |
| history, audit, alerts, a page | yes | no | no |
"""  # noqa: E501 - rows of a table


def write(measured: Measured, folder: Path = DOCS) -> None:
    """Write the page, its chart and the figures.

    Args:
        measured: Per section its circumstances and figures.
        folder: Where they go.
    """
    (folder / f"{NAME}.json").write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    if "workloads" in measured:
        (folder / f"{NAME}.svg").write_text(_chart(measured["workloads"]["figures"]), "utf-8")
    (folder / f"{NAME}.md").write_text(page(measured), "utf-8")


def page(measured: Measured) -> str:
    """The page, of those sections that were measured."""
    sections: dict[str, tuple[str, Callable[[Any], str]]] = {
        "workloads": ("Beside two peers", _workloads),
        "airflow": ("Airflow's share", _airflow),
        "pace": ("At Minox's limit", _pace),
        "functions": ("The core alone", _functions),
        "slope": ("How it grows", _slope),
        "memory": ("Memory of each task", _memory),
    }
    parts = [HEAD]
    for name, (title, text) in sections.items():
        if name in measured:
            parts += [f"\n## {title}\n\n", _where(measured[name]["circumstances"]), text(measured[name]["figures"])]
    return "".join(parts)


def _where(circumstances: Measured) -> str:
    one = circumstances
    busy = " The machine had other work at the same time: CPU is what counts, seconds are more than they need be."
    return (
        f"Measured {one['date']} on {one['machine']} ({one['system']}, Python {one['python']}), "
        f"commit {one['commit']}; load before: {one['load_before']}. `{one['command']}`"
        f"{busy if one['load_before'] > QUIET else ''}\n"
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown; all columns but the first are numbers."""
    names = list(head)
    lines = [names, ["---", *["--:"] * (len(names) - 1)], *(list(row) for row in rows)]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _names(cells: list[Measured], field: str) -> list[str]:
    return list(dict.fromkeys(str(one[field]) for one in cells))


def _megabytes(number: float) -> str:
    return f"{number / 1e6:,.0f}"


def _workloads(cells: list[Measured]) -> str:
    text = BESIDE + (LATE if any("later" in name for name in _names(cells, "workload")) else "")
    text += f"\n![Seconds per run]({NAME}.svg)\n"
    for workload in _names(cells, "workload"):
        own = of(cells, workload=workload)
        turns = max(one["turn"] for one in own)
        text += (
            f"\n### {workload}\n\nThe median of {turns} turns.\n" if turns > 1 else f"\n### {workload}\n\nOne turn.\n"
        )
        head = ["run", "who", "seconds", "ratio", "CPU s", "ratio", "start s", "peak MB", "over idle MB"]
        head += ["Minox", "QMS", "MB sent and received"]
        text += table(head, [_row(own, run, who) for run in _names(own, "run") for who in _names(own, "contender")])
    return text + LEFT_OUT


def _row(cells: list[Measured], run: str, contender: str) -> list[str]:
    own, ours = of(cells, run=run, contender=contender), of(cells, run=run, contender=OURS)

    def times(value: Callable[[Measured], float]) -> str:
        return "" if contender == OURS else f"{median(ours, value) / median(own, value):.1f}"

    def took(name: str) -> Callable[[Measured], float]:
        return lambda cell: float(cell["took"][name])

    one = own[0]
    return [
        run,
        contender,
        f"{median(own, took('seconds')):,.2f}",
        times(took("seconds")),
        f"{median(own, took('cpu_seconds')):,.2f}",
        times(took("cpu_seconds")),
        f"{median(own, took('start_seconds')):.1f}",
        _megabytes(median(own, took("peak_bytes"))),
        _megabytes(median(own, working_bytes)),
        *(f"{one[system]['reads']:,} + {one[system]['writes']:,}" for system in ("minox", "qms")),
        f"{median(own, bytes_of) / 1e6:,.1f}",
    ]


def _chart(cells: list[Measured]) -> str:
    groups = []
    for workload in _names(cells, "workload"):
        for run in _names(of(cells, workload=workload), "run"):
            own = of(cells, workload=workload, run=run)
            values = {
                who: median(of(own, contender=who), lambda cell: float(cell["took"]["seconds"]))
                for who in _names(own, "contender")
            }
            groups.append(chart.Group(f"{workload}, {run}", values))
    return chart.bars("Seconds per run, each group to its own scale", "s", groups)


def _airflow(rows: list[Measured]) -> str:
    text = (
        "\nReal runs by Airflow's scheduler, LocalExecutor and the demo's settings. *Empty* is a DAG of the same shape "
        "whose tasks do nothing. An entity that has not changed skips what follows, so that an idle run starts fewer "
        f"processes. The limit is {LIMIT} times.\n"
    )
    lines = []
    for dag in _names(rows, "dag"):
        idle, empty = of(rows, dag=dag, kind="idle"), of(rows, dag=dag, kind="empty")
        seconds = [median(own, lambda row: float(row["seconds"])) for own in (idle, empty)]
        tasks = [f"{own[0]['tasks']}" for own in (idle, empty)]
        lines.append([dag, str(len(idle)), f"{seconds[0]:.2f}", tasks[0], f"{seconds[1]:.2f}", tasks[1]])
        lines[-1].append(f"{seconds[0] / seconds[1]:.2f}")
    return text + table(["DAG", "turns", "idle s", "tasks started", "empty s", "tasks started", "ratio"], lines)


def _pace(rows: list[Measured]) -> str:
    text = "\nMinox takes five requests a second, so that 300 invoices a minute is what can be had.\n"
    return text + table(
        ["a PUT takes", "invoices", "a minute"],
        [[_slowness(row["slow"]), f"{row['invoices']:,}", f"{row['per_minute']:.0f}"] for row in rows],
    )


def _slowness(seconds: float) -> str:
    return f"{seconds} s longer" if seconds else "what the stand-in takes"


def _functions(measured: Measured) -> str:
    text = "\nWithout Airflow, HTTP and database; the median of five times, in records a second.\n"
    rates: dict[str, float] = measured["rates"]
    text += table(["function", "a second"], [[name, f"{rate:,.0f}"] for name, rate in rates.items()])
    text += "\nCustomers decoded and checked, then mapped and hashed, in one process:\n"
    rows = measured["stream"]
    lines = [
        [
            f"{row['records']:,}",
            f"{row['seconds']:.2f}",
            f"{row['seconds'] / row['records'] * 1e6:.0f}",
            _megabytes(row["peak_bytes"] - row["idle_bytes"]),
        ]
        for row in rows
    ]
    return text + table(["customers", "seconds", "µs each", "memory over idle, MB"], lines)


def _slope(rows: list[Measured]) -> str:
    text = (
        "\nWhole runs of the master data over a QMS that has every customer already, so that nothing is written: all "
        "is read, staged, checked, mapped, matched and compared. Then an idle run.\n"
    )
    lines = [
        [
            f"{row['records']:,}",
            row["run"],
            f"{row['seconds']:.1f}",
            f"{row['cpu_seconds']:.1f}",
            f"{row['seconds'] / row['records'] * 1e3:.2f}",
            _megabytes(row["working_bytes"]),
        ]
        for row in rows
    ]
    return text + table(["customers", "run", "seconds", "CPU s", "ms each", "memory over idle, MB"], lines)


def _memory(rows: list[Measured]) -> str:
    text = (
        "\nFirst runs of the master data with 500 items: every customer is created in QMS. Each task is a process of "
        "its own, forked from one that has the libraries loaded, as in Airflow; what counts is what it needs beyond "
        "that, at its worst.\n"
    )
    lines = [
        [f"{row['records']:,}", row["task"], f"{row['seconds']:.1f}", _megabytes(row["working_bytes"])] for row in rows
    ]
    return text + table(["customers", "task", "seconds", "memory over idle, MB"], lines)


def main() -> None:
    """Write the page anew from the figures that are there."""
    write(json.loads((DOCS / f"{NAME}.json").read_text("utf-8")))


if __name__ == "__main__":
    main()
