"""The benchmark runs, over sizes so small that only its working is tested; what it measures is no test."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from airflow.dag_processing.dagbag import DagBag

from benchmarks import airflow_overhead, chart, core, memory, pace, report, slope, workloads
from benchmarks.__main__ import main
from benchmarks.contenders import BY_HAND, DLT, OURS, Contender, contenders
from benchmarks.figures import circumstances
from tests.world import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

PEERS = ROOT / ".local" / "bench" / "venv" / "bin" / "python"


@pytest.fixture(scope="module")
def server() -> Iterator[sa.URL]:
    with workloads.postgres() as url:
        yield url


def peers() -> list[Contender]:
    """The peers that can run here: dlt is in an environment of its own, which `make bench` makes."""
    found = contenders(str(PEERS) if PEERS.exists() else None)
    return [one for one in found if one.name != OURS]


def test_a_command_measures_invoices_and_writes_the_page(tmp_path: Path) -> None:
    options = ["--only", "workloads", "--customers", "0", "--invoices", "3", "--late", "0"]
    options += ["--repeat", "1", "--out", str(tmp_path)]
    main([*options, *(["--peers-python", str(PEERS)] if PEERS.exists() else [])])
    told = json.loads((tmp_path / "performance.json").read_text("utf-8"))["workloads"]["figures"]
    assert {one["contender"] for one in told} >= {OURS, BY_HAND}
    for one in told:
        assert one["took"]["seconds"] > 0
        assert one["took"]["peak_bytes"] >= one["took"]["idle_bytes"] > 0
        written = {"PUT transaction_line_batch": 3} if one["run"] == "first" else {}
        assert one["minox"]["written"] == written
        assert one["minox"]["received"] + one["minox"]["sent"] > 0 or one["run"] == "idle"
    page = (tmp_path / "performance.md").read_text("utf-8")
    assert "### 3 invoices of 10 lines" in page
    assert "(performance.svg)" in page
    ET.fromstring((tmp_path / "performance.svg").read_text("utf-8"))  # noqa: S314 - our own


def test_the_peers_bring_master_data_over_and_then_only_what_changes(server: sa.URL) -> None:
    told: list[workloads.Cell] = []
    workloads.measure(server, workloads.master_data(120, 5), peers(), 1, told.append)
    assert [one.run for one in told] == ["first", "idle", "1 % changed"] * len(peers())


def test_over_systems_that_answer_later_everything_takes_longer(server: sa.URL) -> None:
    told: list[workloads.Cell] = []
    workloads.measure(server, workloads.late(workloads.invoices(2, 1), 0.3), peers()[:1], 1, told.append)
    assert [one.workload for one in told] == ["2 invoices of 1 lines, answers 300 ms later"] * 2
    assert told[0].took.seconds > 4 * 0.3  # the list, the lines, and for each at least one write after the other


def test_a_contender_that_writes_too_little_is_not_measured(server: sa.URL) -> None:
    workload = workloads.master_data(3, 1)
    workload = replace(workload, expected={**workload.expected, workloads.FIRST: {"POST CustomerCompany": 4}})
    with pytest.raises(workloads.WrongResultError, match="was to write"):
        workloads.measure(server, workload, [one for one in peers() if one.name != DLT], 1, lambda _: None)


def test_whole_runs_over_a_filled_qms_and_at_a_limit(server: sa.URL) -> None:
    assert [row["run"] for row in slope.measure(server, 4)] == ["first", "idle"]
    assert [row["invoices"] for row in pace.measure(server, 2)] == [2, 2]


def test_the_memory_of_each_task(server: sa.URL) -> None:
    rows = list(memory.measure(server, 3))
    assert [row["task"] for row in rows] == ["customers.stage", "customers.check", "customers.load", "largest of all"]
    assert all(row["working_bytes"] > 0 for row in rows)


def test_the_core_functions() -> None:
    rates = core.functions(10)
    assert len(rates) == 8
    assert all(rate > 0 for rate in rates.values())
    core.stream(10)


def test_the_empty_dags_have_the_shape_of_the_real_ones(tmp_path: Path) -> None:
    folder = airflow_overhead.write_dags(tmp_path)
    bag = DagBag(str(folder / "empty_dags.py"))
    assert not bag.import_errors
    shapes = json.loads((folder / "shapes.json").read_text("utf-8"))
    assert set(bag.dags) == set(shapes) == {"empty__minox_master_data", "empty__qms_invoices"}
    for dag_id, dag in bag.dags.items():
        assert airflow_overhead._shape(dag) == shapes[dag_id]
        assert "close_run" in shapes[dag_id]


def test_the_page_of_all_sections() -> None:
    where = circumstances("make bench")
    took = {"seconds": 2.0, "cpu_seconds": 1.0, "start_seconds": 1.0, "peak_bytes": 2_000_000, "idle_bytes": 500_000}
    traffic = {"reads": 1, "writes": 2, "received": 10, "sent": 20, "written": {}}
    cells = [
        {"workload": "w", "run": "first", "contender": who, "turn": 1, "took": took | {"seconds": seconds}}
        | {"minox": traffic, "qms": traffic}
        for who, seconds in ((OURS, 2.0), (BY_HAND, 4.0))
    ]
    dags = [
        {"dag": "d", "kind": kind, "turn": 1, "seconds": seconds, "tasks": 2}
        for kind, seconds in (("idle", 3.0), ("empty", 4.0))
    ]
    figures = {
        "workloads": cells,
        "airflow": dags,
        "pace": [{"slow": 0.0, "invoices": 10, "per_minute": 299.6}],
        "functions": {"rates": {"decode": 1234.5}, "stream": [{"records": 10, **took}]},
        "slope": [{"records": 10, "run": "idle", "seconds": 1.0, "cpu_seconds": 0.5, "working_bytes": 3_000_000}],
        "memory": [{"records": 10, "task": "customers.load", "seconds": 1.0, "working_bytes": 3_000_000}],
    }
    page = report.page({name: {"circumstances": where, "figures": told} for name, told in figures.items()})
    for words in (
        "| first | requests + pandas | 4.00 | 0.5 |",
        "| d | 1 | 3.00 | 2 | 4.00 | 2 | 0.75 |",
        "| 300 |",
        "1,234",
        "| 10 | customers.load | 1.0 | 3 |",
    ):
        assert words in page


def test_a_bar_is_as_long_as_its_value() -> None:
    drawn = chart.bars("t", "s", [chart.Group("a & b", {"x": 2.0, "y": 1.0})])
    rectangles = [one for one in ET.fromstring(drawn).iter() if one.tag.endswith("rect")]  # noqa: S314 - our own
    widths = [float(one.attrib["width"]) for one in rectangles if one.attrib["height"] == str(chart.BAR - 2)]
    assert widths == [chart.WIDTH, chart.WIDTH / 2]
