"""Both directions over the sandbox in a real Airflow: start everything, run, compare both sides, and stay up."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from demo import airflow, databases, environment, processes, sandbox
from demo.comparison import compare_invoices, compare_master_data, current
from demo.places import LINK
from demo.report import Report
from include.settings.load import find_link
from include.storage.embedded import stop_server
from include.storage.engine import engine_from_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from demo.places import Places

LAST = ("api-server", "sandbox")
"""What tasks that are under way talk to until they have ended."""

RANGE = {"from_date": "2026-01-01", "to_date": "2027-01-31"}
"""The year 2026, and the one invoice of 2027 that has no fiscal year yet."""


def run_demo(places: Places, console: Console) -> bool:
    """Start everything, run both directions twice, compare both sides, and leave it all running.

    Args:
        places: Addresses and paths.
        console: Where to tell about it.

    Returns:
        Whether everything is as it should be.

    Raises:
        DemoError: It could not be done; what was started is ended again, unless a run failed.
    """
    running = processes.known(places.processes)
    if running and all(one.is_alive for one in running):
        Report(console, places.as_started()).where_to_look("The demo is up already.")
        return True
    report = Report(console, places)
    processes.stop(places.processes, LAST)
    processes.check_ports(places.ports)
    try:
        engine, client = _start(places, report)
    except BaseException:
        end_demo(places, console)
        raise
    try:
        _run(client, engine, report)
        arrived = _compare(places, engine, report)
        good = _run_again(places, client, report) and arrived
    finally:
        engine.dispose()
    report.where_to_look("Everything is as it should be." if good else "[red]Not everything is as it should be.[/red]")
    return good


def end_demo(places: Places, console: Console) -> None:
    """End every process of the demo, and its PostgreSQL.

    Args:
        places: Addresses and paths.
        console: Where to tell about it.
    """
    running = [one for one in processes.known(places.processes) if one.is_alive]
    killed = processes.stop(places.processes, LAST)
    stop_server(places.postgres)
    if killed:
        console.print(f"Had to be killed: {', '.join(killed)}")
    console.print(f"The demo is down ({len(running)} processes ended)." if running else "The demo is down.")


def _start(places: Places, report: Report) -> tuple[sa.Engine, airflow.Airflow]:
    """Start the server, the sandbox and Airflow."""
    places.home.mkdir(parents=True, exist_ok=True)
    places.remember_ports()
    shutil.rmtree(places.logs, ignore_errors=True)  # runs of the last demo had the same names
    base = environment.clean() | {"NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}
    sandbox.start(places, base)
    server = databases.start(places)
    variables = environment.connector(places, databases.new_connector_database(server))
    report.step("PostgreSQL is up: embedded, on a Unix socket")
    environment.write_passwords(places)
    environment.write_shell_file(places, variables)
    whole = base | variables | environment.airflow(places, databases.airflow_url(server))
    databases.new_airflow_database(server, whole)
    report.step("Airflow's tables are made")
    airflow.start(places, whole)
    sandbox.Sandbox(places).wait()
    report.step(f"The sandbox is up: Minox {places.minox}, QMS {places.qms}")
    client = airflow.Airflow(places.airflow)
    client.wait_until_healthy(places)
    client.add_connections(places)
    report.step(f"Airflow is up: {places.airflow}")
    return engine_from_url(sa.make_url(variables["MINOX_QMS_DATABASE_URL"])), client


def _run(client: airflow.Airflow, engine: sa.Engine, report: Report) -> None:
    """Run both directions for the first time."""
    master_data, invoices = airflow.DAGS
    report.title("Minox to QMS: master data")
    client.unpause(master_data)
    run_id = client.first_scheduled_run(master_data) or client.trigger(master_data, {})
    _follow(client, master_data, run_id, report)
    report.title("QMS to Minox: the invoices of 2026")
    client.unpause(invoices)
    _follow(client, invoices, client.trigger(invoices, RANGE), report, engine)


def _run_again(places: Places, client: airflow.Airflow, report: Report) -> bool:
    """Run both directions once more: nothing may be written."""
    report.title("Once more, over the same data")
    controls = sandbox.Sandbox(places)
    controls.forget_requests()
    for dag_id, conf in zip(airflow.DAGS, ({}, RANGE), strict=True):
        _follow(client, dag_id, client.trigger(dag_id, conf), report)
    counts = controls.requests()
    report.requests(counts)
    return all(writes == 0 for _, writes in counts.values())


def _follow(client: airflow.Airflow, dag_id: str, run_id: str, report: Report, engine: sa.Engine | None = None) -> None:
    """Tell of every task of a run that ends, and now and then how many invoices are booked."""
    told, next_time = 0, time.monotonic()
    for event in client.follow(dag_id, run_id):
        if event is not None:
            report.task(*event)
        elif engine is not None and time.monotonic() >= next_time:
            next_time = time.monotonic() + 5
            states = _booking_states(engine)
            if states.get("booked", 0) != told:
                told = states["booked"]
                report.progress(told, sum(states.values()))


def _booking_states(engine: sa.Engine) -> Mapping[str, int]:
    """Number of invoices per state of the ledger."""
    query = sa.text("SELECT state, count(*) AS number FROM booking WHERE link = :link GROUP BY state")
    with engine.connect() as connection:
        return {row.state: row.number for row in connection.execute(query, {"link": LINK})}


def _compare(places: Places, engine: sa.Engine, report: Report) -> bool:
    """Compare both sides, as the sandbox tells, with the connector's own outcomes."""
    controls, link = sandbox.Sandbox(places), find_link(LINK, places.links)
    minox, qms, outcomes = controls.minox(), controls.qms(), current(engine)
    entities = compare_master_data(minox, qms, link, outcomes)
    invoices = compare_invoices(minox, qms, link, outcomes.get("invoices", {}))
    return report.comparison(entities, invoices)
