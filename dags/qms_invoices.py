"""QMS to Minox: one DAG per link that books the processed invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param

from minox_qms.alerts.callbacks import run_failed
from minox_qms.assets import outlet_of
from minox_qms.operators.attach_pdfs import AttachPdfsOperator
from minox_qms.operators.book_invoices import BookInvoicesOperator
from minox_qms.operators.check_staged import CheckStagedOperator
from minox_qms.operators.close_run import CloseRunOperator
from minox_qms.operators.open_run import OpenRunOperator
from minox_qms.operators.stage_invoices import StageInvoicesOperator
from minox_qms.wiring import START, build_dags, date_param, default_args, dry_run_param, timetable

if TYPE_CHECKING:
    from include.settings.link import LinkSettings

PREFIX = "qms_invoices"
TABLES = ["entity_changes", "invoices", "invoice_totals", "invoice_lines"]
DOC = """# Invoices of {link}: QMS to Minox

Books the processed invoices of QMS company {company} in journal {journal} of Minox administration
{tenant}/{administration}, each exactly once. A scheduled run takes what the change log says was processed in its data
interval, and every earlier invoice that is still open. To take a range of invoice dates instead, trigger it with
**From** and **To**; one run serves a whole year. With **Dry run** it shows what it would book and sends nothing.

**When it is red**

| red task | what to do |
|---|---|
| `open_run` | The range or a parameter was wrong (the message says how), or another run of this link is at work. |
| `stage` | QMS cannot be reached or refuses us; the next run makes up for the interval by itself. |
| `check` | What QMS sent looks wrong as a whole: the message names the expectation. Nothing was booked. |
| `book` | Minox could not be reached for some invoices (the next run goes on), or a setting is wrong: it is named. |
| `attach_pdfs` | A PDF could not be attached; its booking is not touched, and the next run tries again. |
| `close_run` | Sums up what was red above; red alone, invoices and outcomes do not add up: report it. |

Rejected and refused invoices do not make it red: `minox-qms rejections --link {link}` lists them, and
`minox-qms invoice NUMBER --link {link}` tells the whole story of one.
"""


def build(link: LinkSettings) -> DAG:
    """Make the DAG of a link."""
    common = {"link": link.name, "direction": "qms_to_minox"}
    with DAG(
        f"{PREFIX}__{link.name}",
        schedule=timetable(link.start_minute),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        tags=["minox-qms", "invoices", link.name],
        description=f"{link.name}: processed invoices of QMS to Minox, each booked once",
        doc_md=DOC.format(
            link=link.name,
            tenant=link.minox.tenant_id,
            administration=link.minox.administration_id,
            company=link.qms.company_id,
            journal=link.bookings.journal_code,
        ),
        default_args=default_args(),
        on_failure_callback=run_failed,
        params={
            "from_date": date_param("From", "First invoice date of a range; leave empty for the run's own interval."),
            "to_date": date_param("To", "Last invoice date of the range, inclusive."),
            "dry_run": dry_run_param(),
            "interval_start": _instant("Interval start", "For an interval by hand: its first instant, with zone."),
            "interval_end": _instant("Interval end", "First instant after the interval."),
        },
    ) as dag:
        opened = OpenRunOperator(task_id="open_run", **common)
        stage = StageInvoicesOperator(task_id="stage", **common)
        check = CheckStagedOperator(task_id="check", entity="invoices", tables=TABLES, **common)
        book = BookInvoicesOperator(task_id="book", outlets=[outlet_of(link.name, "invoices")], **common)
        pdfs = AttachPdfsOperator(task_id="attach_pdfs", trigger_rule="all_done", **common)
        closed = CloseRunOperator(task_id="close_run", entities=["invoices"], trigger_rule="all_done", **common)
        opened >> stage >> check >> book >> pdfs >> closed
    return dag


def _instant(title: str, description: str) -> Param:
    """An instant with a picker, that may be left empty."""
    return Param(
        default=None,
        type=["null", "string"],
        format="date-time",
        title=title,
        description=description,
        section="By hand",
    )


globals().update(build_dags(build, PREFIX))
