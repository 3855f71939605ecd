"""QMS, ledger and Minox compared: one DAG per link, every evening."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG

from minox_qms.alerts.callbacks import run_failed
from minox_qms.operators.open_reconciliation import OpenReconciliationOperator
from minox_qms.operators.reconcile import ReconcileOperator
from minox_qms.wiring import START, build_dags, date_param, default_args, timetable

if TYPE_CHECKING:
    from include.settings.link import LinkSettings

PREFIX = "reconcile"
SCHEDULE = "30 20 * * *"
DOC = """# Reconciliation of {link}

Compares, to the cent, QMS's processed invoices of the last {days} days, the ledger, and what Minox holds. It writes
nothing in either system. To compare another period, trigger it with **From** and **To**.

**When it is red**

| finding | what to do |
|---|---|
| `missing` | No run has taken the invoice up: run its range of dates; the message says more. |
| `deleted` | Somebody deleted the entry in Minox: ask them; when it was a mistake, type it in by hand in Minox. |
| `edited` | Somebody edited the entry in Minox: the message says which lines. |
| `different` | The totals differ: the invoice was changed after it was booked, or booked otherwise. |
| `extra` | Minox has it and QMS does not: it was withdrawn in QMS, or typed in by hand. |

`minox-qms reconcile --link {link}` shows the same table.
"""


def build(link: LinkSettings) -> DAG:
    """Make the DAG of a link."""
    common = {"link": link.name, "direction": "reconcile"}
    with DAG(
        f"{PREFIX}__{link.name}",
        schedule=timetable(link.start_minute, SCHEDULE),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        tags=["minox-qms", "reconciliation", link.name],
        description=f"{link.name}: QMS, ledger and Minox compared to the cent",
        doc_md=DOC.format(link=link.name, days=link.bookings.sweep_days),
        default_args=default_args(),
        on_failure_callback=run_failed,
        params={
            "from_date": date_param("From", "First invoice date of a range; leave empty for the last days."),
            "to_date": date_param("To", "Last invoice date of the range, inclusive."),
        },
    ) as dag:
        OpenReconciliationOperator(task_id="open_run", **common) >> ReconcileOperator(task_id="reconcile", **common)
    return dag


globals().update(build_dags(build, PREFIX))
