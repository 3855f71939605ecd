"""The nightly clean-up: one DAG for all links that keeps the connector's database from growing with time."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable

from minox_qms.alerts.maintenance import maintenance_failed
from minox_qms.operators.maintain import MaintainOperator
from minox_qms.wiring import START, TIMEZONE, dry_run_param

SCHEDULE = "15 3 * * *"
DOC = """# Nightly clean-up of all links

Deletes what the links' settings (`retention`) do not keep: old outcomes, runs, requests and answers, solved
rejections, incidents that are over. It never deletes the ledger of invoices, the bindings of master data, open
rejections, or what gave a record its latest outcome. It deletes in small steps that nothing waits for, and stops after
50 minutes: what is left goes the next night. With **Dry run** it only counts (as `minox-qms maintain --dry-run` does).

**When it is red**

| red task | what to do |
|---|---|
| `maintain` | The database could not be reached, or refused a step; nothing is half done, and the next night goes on. |
"""

with DAG(
    "minox_qms_maintenance",
    schedule=CronTriggerTimetable(SCHEDULE, timezone=TIMEZONE),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["minox-qms", "maintenance"],
    description="All links: deletes what is older than their settings keep",
    doc_md=DOC,
    default_args={
        "owner": "minox-qms",
        "retries": 1,
        "retry_delay": dt.timedelta(minutes=5),
        "execution_timeout": dt.timedelta(minutes=70),
        "on_failure_callback": maintenance_failed,
    },
    on_failure_callback=maintenance_failed,
    params={"dry_run": dry_run_param()},
) as dag:
    MaintainOperator(task_id="maintain")
