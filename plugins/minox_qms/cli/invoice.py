"""`minox-qms invoice`: the whole story of one invoice."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that the others start without it

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from minox_qms.cli.asking import JsonOption, link_named, reading
from minox_qms.cli.entry_table import print_entry, rounding_in_words
from minox_qms.cli.errors import LinkOption, told
from minox_qms.cli.output import moment, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from include.storage.stories import InvoiceStory, Report

LINE_COLUMNS = (
    "InvoiceLineId",
    "InvoiceLineState",
    "ItemCompanyGLAccountRevenue",
    "Quantity",
    "Price",
    "IrregularityAmount",
    "VatPercentage",
    "SurchargePercentage",
    "Description",
)


@told
def invoice(
    name: Annotated[
        str,
        typer.Argument(
            metavar="INVOICE",
            help="Its number in QMS or Minox, or its InvoiceHeaderId; number:, minox: or id: in front says which.",
        ),
    ],
    link: LinkOption = None,
    json: JsonOption = False,
) -> None:
    """Tell the whole story of one invoice: source, entry, attempts and answers, outcomes, what people did."""
    from include.storage.stories import invoice_story

    which = link_named(link)
    with reading() as connection:
        story = invoice_story(connection, which, name)
    if json:
        print_json(story)
        return
    _print_ledger(story.ledger)
    _print_source(story)
    _print_entry(story.ledger)
    _print_history(story)


def _print_ledger(row: dict[str, Any]) -> None:
    """Print what the ledger says."""
    print_pairs(
        f"Invoice {row['invoice_number'] or '(without number)'}, InvoiceHeaderId {row['invoice_header_id']}",
        [
            ("state", f"{row['state']} (outcome {row['outcome']})"),
            ("reason", row["reason"]),
            ("message", row["message"]),
            ("excluded by", row["excluded_by"] and f"{row['excluded_by']}: {row['excluded_reason']}"),
            ("offered again by the next run", row["reoffer"] or None),
            ("batch in Minox", row["batch_id"]),
            ("number in Minox", row["minox_number"]),
            ("debtor", row["customer"]),
            ("invoice date", row["invoice_date"]),
            ("document date", row["document_date"]),
            ("total with VAT", row["total"]),
            ("first seen", row["first_seen"]),
            ("refused", row["refused_at"]),
            ("booked", row["booked_at"]),
            ("PDF", row["pdf_state"] and f"{row['pdf_state']} {row['pdf_message'] or ''}".strip()),
            ("PDF in Minox", row["pdf_document_id"]),
        ],
    )
    for one in row["reasons"] or ():
        typer.echo(f"  {one['code']} ({one['field']}): {one['message']}")


def _print_source(story: InvoiceStory) -> None:
    """Print what QMS gave."""
    if story.source is None:
        typer.echo("Staging does not have the invoice any more: the last runs did not read it.\n")
        return
    for part in ("header", "totals"):
        values = story.source[part]
        if isinstance(values, dict):
            print_pairs(f"{part.capitalize()} in QMS, as read by run {story.source_run}", values.items())
    lines = [one for one in story.source["lines"] if isinstance(one, dict)]
    print_table("Lines in QMS", LINE_COLUMNS, ([one.get(column) for column in LINE_COLUMNS] for one in lines))


def _print_entry(row: dict[str, Any]) -> None:
    """Print the entry as it was sent last, with its rounding."""
    if row["entry"] is None:
        typer.echo("No entry was ever sent for it.\n")
        return
    print_entry("Entry as sent last", row["entry"])
    words = rounding_in_words(row["rounding"] or ())
    typer.echo(f"Rounding: {'; '.join(words) or 'none, lines and totals agree'}.\n")


def _print_history(story: InvoiceStory) -> None:
    """Print what was done about it, and by whom."""
    print_table(
        "Requests about it",
        ("when", "run#", "what", "answer", "answered", "messages"),
        (
            (one.started_at, one.run, one.what, one.answer or "none", one.answered_at, one.messages)
            for one in story.attempts
        ),
        empty="none.",
    )
    typer.echo(f"Report to QMS: {_report(story.report)}.\n")
    print_table(
        "Outcomes, newest first",
        ("when", "outcome", "reason", "message", "run"),
        ((one.occurred_at, one.outcome, one.reason, one.message, one.run_id) for one in story.outcomes),
        empty="none.",
    )
    print_table(
        "What people did",
        ("when", "what", "who", "why"),
        ((one.acted_at, one.action, one.person, one.reason) for one in story.people),
        empty="nothing.",
    )


def _report(report: Report | None) -> str:
    """What QMS is told, in one line."""
    if report is None:
        return "none"
    wanted = report.wanted
    words = f"{'error' if wanted['IsError'] else 'no error'}, {wanted['Message']!r}"
    if report.reported == wanted:
        return f"{words}, told {moment(report.updated_at)}"
    failed = f"; the last attempt failed: {report.message}" if report.message else ""
    return f"{words}, still to be told{failed}"
