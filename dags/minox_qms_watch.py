"""The watcher: one small DAG for all links that finds what no task can tell."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG

from minox_qms.operators.watch import WatchOperator
from minox_qms.wiring import START

DOC = """# Watcher of all links

Every five minutes it looks at the connector's database, from outside of the runs, and alerts when

* a link has had no good run in a direction for `alerts.silence_minutes`, counted between 07:00 and 20:00 (also when its
  DAG is paused: take the link's file away to stop a link on purpose);
* a run stands still: its process was killed, or its machine went down;
* Minox or QMS has withdrawn our access, or a connection has not been used for a week;
* a link's file is not valid.

It also sends the alerts that could not be sent when they arose.

**When it is red**

| red task | what to do |
|---|---|
| `watch` | The connector's database cannot be reached: see whether it runs. The next look comes in five minutes. |

**Who watches the watcher?** Nothing in Airflow can, when Airflow itself stands still. Let your monitoring ask Airflow's
`/api/v2/monitor/health`, and alarm when the metric `minox_qms.watch.links` is absent for a quarter of an hour.
"""

with DAG(
    "minox_qms_watch",
    schedule="*/5 * * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["minox-qms", "alerts"],
    description="All links: finds silence, killed runs, refused access and files that are not valid",
    doc_md=DOC,
    default_args={"owner": "minox-qms", "retries": 0, "execution_timeout": dt.timedelta(minutes=4)},
) as dag:
    WatchOperator(task_id="watch")
