"""Minox to QMS: one DAG per link that brings the master data over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, TaskGroup

from minox_qms.alerts.callbacks import run_failed
from minox_qms.assets import CHANGES, outlet_of
from minox_qms.operators.check_staged import CheckStagedOperator
from minox_qms.operators.close_run import CloseRunOperator
from minox_qms.operators.load_master_data import LoadMasterDataOperator
from minox_qms.operators.open_run import OpenRunOperator
from minox_qms.operators.stage_master_data import StageMasterDataOperator
from minox_qms.wiring import START, build_dags, default_args, dry_run_param, timetable

if TYPE_CHECKING:
    from include.settings.link import LinkSettings

PREFIX = "minox_master_data"
DEPENDS_ON = {"items": "vat_codes", "customers": "payment_terms"}
TABLES = {"items": ["item_groups", "items"]}
DOC = """# Master data of {link}: Minox to QMS

Brings VAT codes, payment terms, cost centres, items and customers of Minox administration
{tenant}/{administration} to QMS company {company}. A record is written only when its coupled fields differ from
those last written; a run over unchanged data writes nothing. `check` and `load` of an entity of which nothing changed
are skipped.

**When it is red**

| red task | what to do |
|---|---|
| `open_run` | Another run is at work, or the database is away: the next one goes on. A wrong parameter is named. |
| `….stage` | Minox cannot be reached or refuses us; "connect again" in the message means just that. |
| `….check` | The batch looks wrong as a whole: the message names the expectation. Nothing of the entity was loaded. |
| `….load` | QMS could not be reached for some records; they are tried again by the next run. |
| `close_run` | Sums up what was red above; red alone, records and outcomes do not add up: report it. |

Rejected records do not make it red: `minox-qms rejections --link {link}` lists them with their reasons.
"""


def build(link: LinkSettings) -> DAG:
    """Make the DAG of a link."""
    entities = [name for name, enabled in link.master_data.entities.model_dump().items() if enabled] + ["customers"]
    common = {"link": link.name, "direction": "minox_to_qms"}
    with DAG(
        f"{PREFIX}__{link.name}",
        schedule=timetable(link.start_minute),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        tags=["minox-qms", "master-data", link.name],
        description=f"{link.name}: master data of Minox to QMS",
        doc_md=DOC.format(
            link=link.name,
            tenant=link.minox.tenant_id,
            administration=link.minox.administration_id,
            company=link.qms.company_id,
        ),
        default_args=default_args(),
        on_failure_callback=run_failed,
        params={"dry_run": dry_run_param()},
    ) as dag:
        opened = OpenRunOperator(task_id="open_run", **common)
        closed = CloseRunOperator(task_id="close_run", entities=entities, trigger_rule="all_done", **common)
        groups = {entity: _group(entity, common) for entity in entities}
        for entity, group in groups.items():
            before = groups.get(DEPENDS_ON.get(entity, ""))
            (before or opened) >> group >> closed
    return dag


def _group(entity: str, common: dict[str, str]) -> TaskGroup:
    """Stage, check and load one entity."""
    with TaskGroup(entity) as group:
        # what it waits for may have been skipped, since nothing of it changed
        stage = StageMasterDataOperator(task_id="stage", entity=entity, trigger_rule="none_failed", **common)
        check = CheckStagedOperator(task_id="check", entity=entity, tables=TABLES.get(entity, [entity]), **common)
        outlets = [outlet_of(common["link"], entity)] if entity in CHANGES else []
        load = LoadMasterDataOperator(task_id="load", entity=entity, outlets=outlets, **common)
        stage >> check >> load
    return group


globals().update(build_dags(build, PREFIX))
