"""The commands that look, explain and act: what they print, for people and for machines, and how they end."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from psycopg.errors import QueryCanceled

from include.bookings.batch_id import batch_id
from include.bookings.entry import Entry, build_entry
from include.errors import TransientError
from include.storage import ledger
from include.storage.bindings import Change, bind, note_changes, note_references, refuse
from include.storage.checks import note_results
from include.storage.embedded import ensure_database
from include.storage.engine import _engine_of_process
from include.storage.outcomes import Outcome
from include.storage.previews import note_preview
from include.storage.quarantine import put_aside
from include.storage.reports import DueReport, note_reported, report
from include.storage.runs import close_run, working
from include.storage.staging import stage
from include.storage.tables import oauth_grant
from minox_qms.cli import asking
from minox_qms.sync.posting import Poster
from tests.bookings.samples import case_of, context_of, invoice_of, line_of, settings_of
from tests.storage.support import (
    LONG_AGO,
    new_invoice,
    new_run,
    rejected,
    stage_records,
    state_of,
    whole_run,
)

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

ROOT = Path(__file__).resolve().parents[2]
CUSTOMER: dict[str, Any] = {
    "id": 1001,
    "chamber_of_commerce": "01234567",
    "payment_term": {"id": 14},
    "blocked": None,
    "addresses": [
        {"address_type": "street", "name": "Bezoek", "streetname_and_number": "Kade 2"},
        {
            "address_type": "Postal",
            "name": "Voorbeeld [bold]B.V.",
            "streetname_and_number": "Postbus 1",
            "email_addresses": [{"email_address": " "}, {"email_address": "post@voorbeeld.example"}],
        },
    ],
}


# -- how commands end --------------------------------------------------------------------------------------------------


def test_commands_start_quickly_and_without_airflow() -> None:
    code = (
        "import sys, time; sys.path[:0] = ['.', 'plugins']\n"
        "from minox_qms.cli import app\n"
        "heavy = {'airflow', 'great_expectations', 'pandas', 'alembic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "print(time.process_time())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert float(done.stdout) < 2  # seconds of the processor; half of one where nothing else runs


def test_a_link_must_be_said_when_there_are_several(cli: CommandLine) -> None:
    cli.add_link("other")
    _, said = cli.run("outcomes", code=2)
    assert said == f"minox-qms: Say which link with --link; there are: {cli.link}, other.\n"
    _, said = cli.run("outcomes", "--link", "nothing", code=2)
    assert said == f"minox-qms: There is no link 'nothing'; known: {cli.link}, other.\n"
    out, _ = cli.run("outcomes", "--link", "other")
    assert out == "Outcomes of other: Nothing.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("outcomes", "--entity", "debtor"), "There is no entity 'debtor'; known: .*customers .*, invoices."),
        (("outcomes", "-o", "nope"), "There is no outcome 'nope'; known: created, .*, failed."),
        (("outcomes", "-o", "would_book"), "There is no outcome 'would_book'"),
        (("outcomes", "--reason", "nope"), "There is no reason 'nope'; known: missing_customer_code, .*"),
        (("rejections", "--reason", "nope"), "There is no reason 'nope'; known: missing_customer_code, .*"),
        (("outcomes", "--since", "yesterday"), "'yesterday' is no moment"),
        (("outcomes", "--run", "nothing"), "has no run 'nothing'"),
        (("outcomes", "--after", "nothing"), "'nothing' is not a mark"),
        (("outcomes", "--history", "--outcome", "unchanged"), "name one"),
        (("rejections", "--payload", "1"), "No record '1' of link link[0-9]+ was ever rejected"),
        (("reoffer", "customers"), "Say which records"),
        (("reoffer", "customers", "1", "--all-refused"), "Say which records"),
        (("reoffer", "customers", "1"), "has no customers '1'"),
        (("reoffer", "invoice", "1"), "has no invoice '1'"),
        (("exclude", "1", "--reason", "Why."), "has no invoice '1'"),
        (("explain", "customer", "1"), "has staged a record '1' of customers lately"),
        (("invoice", "1"), "has no invoice '1'"),
    ],
)
def test_wrong_use_ends_with_one_sentence(cli: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    out, error = cli.run(*arguments, code=2)
    assert out == ""
    assert re.search(said, error), error
    assert error.startswith("minox-qms: ")
    assert error.count("\n") == 1


def test_a_database_without_tables_says_what_to_do(
    cli: CommandLine, database_server: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = ensure_database(database_server, f"bare_{cli.link}")
    monkeypatch.setenv("MINOX_QMS_DATABASE_URL", url.render_as_string(hide_password=False))
    _, said = cli.run("status", code=2)
    assert said == (
        "minox-qms: The database does not have the tables of this release: run `minox-qms migrate` first.\n"
    )
    out, _ = cli.run("migrate")
    assert out.startswith("The database is at revision 0")
    assert cli.run("migrate")[0] == out
    cli.run("status")


def test_a_database_that_cannot_be_reached_is_a_technical_failure(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINOX_QMS_DATABASE_URL", "postgresql://minox:geheim@127.0.0.1:1/minox")
    _, said = cli.run("outcomes", code=1)
    assert said == (
        "minox-qms: The connector's database does not answer, or does not let us in: MINOX_QMS_DATABASE_URL names the "
        "host 127.0.0.1, port 1.\n"
    )
    nowhere = "postgresql://minox:geheim@/minox?host=/nonexistent"
    monkeypatch.setenv("MINOX_QMS_DATABASE_URL", nowhere)
    _engine_of_process.cache_clear()
    _, said = cli.run("status", code=1)
    assert said.endswith("MINOX_QMS_DATABASE_URL names the host /nonexistent.\n")


@pytest.mark.usefixtures("cli")  # or it would start the embedded server of this machine
def test_a_database_that_refuses_says_so_and_promises_no_next_try() -> None:
    refusal = sa.exc.OperationalError("SELECT 1", {}, QueryCanceled("took too long"))
    with pytest.raises(TransientError) as caught, asking.database():
        raise refusal
    assert str(caught.value).startswith("database: The connector's database could not do what was asked. (")
    assert "next try" not in str(caught.value)


# -- looking -----------------------------------------------------------------------------------------------------------


def test_status(cli: CommandLine, database: sa.Engine) -> None:
    out, _ = cli.run("status")
    assert "minox_to_qms: never ran" in out
    assert "grant of minox_cli (minox): none yet: connect first" in out
    run = whole_run(database, cli.link, "customers", ["1", "2"], [Outcome("3", "created")])
    with database.begin() as connection:
        put_aside(connection, run, "customers", [rejected("9")])
        connection.execute(sa.delete(oauth_grant))
        connection.execute(
            sa.insert(oauth_grant).values(conn_id="minox_cli", state="good", expires_at=dt.datetime.now(dt.UTC))
        )
        connection.execute(sa.insert(oauth_grant).values(conn_id="qms_cli", state="refused", message="Revoked."))
    new_invoice(database, cli.link, 1, state="refused")
    out, _ = cli.run("status", "--link", cli.link)
    assert f"minox_to_qms: run {run.id} good" in out
    assert "1 created, 2 unchanged" in out
    assert "in quarantine: 1 customers" in out
    assert "open invoices: 1 refused" in out
    assert "grant of minox_cli (minox): good; its access token until 20" in out
    assert "grant of qms_cli (qms): REFUSED: Revoked." in out
    (link,) = cli.json("status")
    assert link["link"] == cli.link
    assert link["open_invoices"] == {"refused": 1}
    assert link["directions"][0]["last"]["run_id"] == run.run_id
    assert link["directions"][0]["entities"][0]["counts"] == {"created": 1, "unchanged": 2}


def test_status_tells_of_a_file_that_is_no_link_and_of_the_others(cli: CommandLine, database: sa.Engine) -> None:
    (cli.links / "kapot.yaml").write_text("minox: {conn_id: m}", encoding="utf-8")
    out, said = cli.run("status", code=2)
    assert f"Link {cli.link}" in out
    assert said.startswith("minox-qms: The link's file kapot.yaml is not valid")
    out, _ = cli.run("status", "--json", code=2)
    assert [one["link"] for one in json.loads(out)] == [cli.link]


def test_status_tells_silence_and_what_went_wrong(cli: CommandLine, database: sa.Engine) -> None:
    good = whole_run(database, cli.link, "customers")
    new_run(database, cli.link)
    with database.begin() as connection:
        connection.execute(
            sa.text("UPDATE sync_run SET finished_at = now() - interval '3 days' WHERE id = :id"), {"id": good.id}
        )
    out, _ = cli.run("status")
    assert "SILENT: no good run for" in out
    assert " running (" in out


def test_machines_get_all_rows_and_people_a_page(cli: CommandLine, database: sa.Engine) -> None:
    whole_run(database, cli.link, "customers", [str(number) for number in range(1001, 1131)])
    assert len(cli.json("outcomes")["rows"]) == 130
    assert len(cli.json("outcomes", "--limit", "7")["rows"]) == 7
    assert "1131" not in cli.run("outcomes")[0]
    assert cli.run("outcomes")[0].count("unchanged") == 100


def test_outcomes(cli: CommandLine, database: sa.Engine) -> None:
    whole_run(database, cli.link, "customers", ["5"], [Outcome("1", "rejected", "nameless_debtor", "No name.")])
    run = whole_run(database, cli.link, "customers", ["1", "5"])
    new_invoice(database, cli.link, 77)
    whole_run(database, cli.link, "invoices", [], [Outcome("77", "booked")], "qms_to_minox")
    assert [(one["source_key"], one["outcome"]) for one in cli.json("outcomes")["rows"]] == [
        ("1", "unchanged"),
        ("5", "unchanged"),
        ("77", "booked"),
    ]
    past = cli.json("outcomes", "--history", "--entity", "CustomerCompany")["rows"]
    assert [(one["source_key"], one["reason"]) for one in past] == [("1", "nameless_debtor")]
    assert len(cli.json("outcomes", "--history", "--run", run.run_id)["rows"]) == 2
    assert len(cli.json("outcomes", "--run", str(run.id), "--since", "1h")["rows"]) == 2
    assert cli.json("outcomes", "--since", "2100-01-01")["rows"] == []
    invoice = cli.json("outcomes", "--direction", "qms_to_minox", "--entity", "factuur", "--key", "F2026-0077")["rows"]
    assert [one["source_key"] for one in invoice] == ["77"]
    assert cli.json("outcomes", "--entity", "invoices", "--key", "#17")["rows"] == []
    out, said = cli.run("outcomes", "--limit", "1")
    assert out.count("unchanged") == 1
    mark = said.removeprefix("There is more: --after ").strip()
    assert "booked" in cli.run("outcomes", "--after", mark)[0]


def test_rejections(cli: CommandLine, database: sa.Engine) -> None:
    assert cli.run("rejections")[0] == f"Open rejections of {cli.link}: none.\n"
    run = new_run(database, cli.link)
    with database.begin() as connection:
        put_aside(connection, run, "customers", [rejected("1"), rejected("2", "wrong_type", "id\x1b[31m")])
    out, _ = cli.run("rejections")
    assert "nameless_debtor (postal.name): It is blank." in out
    assert "\x1b" not in out
    (row,) = cli.json("rejections", "--entity", "customer", "--reason", "wrong_type")["rows"]
    assert (row["source_key"], row["times"], row["findings"][0]["reason"]) == ("2", 1, "wrong_type")
    assert cli.run("rejections", "--payload", "1")[0] == '{"id": 1}\n'
    assert cli.json("rejections", "--solved")["rows"] == []


def test_a_rejected_invoice_goes_by_any_of_its_names(cli: CommandLine, database: sa.Engine) -> None:
    new_invoice(database, cli.link, 395, state="rejected", outcome="rejected", minox_number=20260395)
    run = new_run(database, cli.link, "qms_to_minox")
    with database.begin() as connection:
        put_aside(connection, run, "invoices", [rejected("395", "no_lines", "lines")])
    whole_run(database, cli.link, "invoices", [], [Outcome("395", "rejected", "no_lines")], "qms_to_minox")
    for command in ("rejections", "outcomes"):
        for name in ("F2026-0395", "number:F2026-0395", "20260395", "395", "id:395"):
            for of_invoices in ((), ("-e", "invoices")):
                (row,) = cli.json(command, "--key", name, *of_invoices)["rows"]
                assert (row["entity"], row["source_key"]) == ("invoices", "395")
    assert cli.run("rejections", "--payload", "F2026-0395")[0] == '{"id": 395}\n'
    assert cli.run("rejections", "--payload", "20260395", "-e", "factuur")[0] == '{"id": 395}\n'
    assert cli.json("rejections", "--key", "F2026-0395", "-e", "customers")["rows"] == []


def test_a_key_goes_before_the_name_of_an_invoice(cli: CommandLine, database: sa.Engine) -> None:
    new_invoice(database, cli.link, 7, minox_number=1001)
    new_invoice(database, cli.link, 8, minox_number=7)
    whole_run(database, cli.link, "customers", ["1001"])
    whole_run(database, cli.link, "invoices", [], [Outcome("7", "booked")], "qms_to_minox")
    assert [one["entity"] for one in cli.json("outcomes", "--key", "1001")["rows"]] == ["customers"]
    assert [one["entity"] for one in cli.json("outcomes", "--key", "minox:1001")["rows"]] == ["invoices"]
    _, said = cli.run("outcomes", "--key", "7", "-e", "invoices", code=2)
    assert "say which: id:7 (F2026-0007), id:8 (F2026-0008)" in said


def test_the_outcomes_of_a_dry_run_are_what_it_would_do(cli: CommandLine, database: sa.Engine) -> None:
    run = new_run(database, cli.link, "qms_to_minox", dry_run=True)
    details = {"invoice_number": "F2026-0008"}
    with database.begin() as connection:
        note_preview(
            connection, run, "invoices", Outcome("8", "rejected", "no_lines", "No line."), position=1, details=details
        )
        note_preview(connection, run, "invoices", Outcome("9", "postponed", None, "Later."), position=2, details=None)
    out, _ = cli.run("outcomes", "--run", str(run.id))
    assert "Invoices: 1 postponed, 1 rejected" in out
    assert "F2026-0008" in out
    for which in (("--key", "F2026-0008"), ("-o", "rejected"), ("--reason", "no_lines", "-e", "factuur")):
        found = cli.json("outcomes", "--run", run.run_id, *which)
        assert [one["source_key"] for one in found["records"]] == ["8"]
    nothing = cli.run("outcomes", "--run", str(run.id), "-o", "would_book")[0]
    assert nothing == f"Dry run {run.id}: nothing of what is asked for.\n"
    empty = new_run(database, cli.link, dry_run=True)
    assert "not kept any more" in cli.run("outcomes", "--run", str(empty.id))[0]


def test_changes(cli: CommandLine, database: sa.Engine) -> None:
    run = new_run(database, cli.link)
    made = [Change("1", 5, "updated", {"Name": ["A", "B"], "IsActive": [True, False]})]
    with database.begin() as connection:
        note_changes(connection, run, "customers", made)
    out, _ = cli.run("changes", "--entity", "customers", "--key", "1", "--run", run.run_id, "--since", "1h")
    rows = [line.split() for line in out.splitlines() if "updated" in line]
    assert [row[-3:] for row in rows] == [["IsActive", "yes", "no"], ["Name", "A", "B"]]
    (row,) = cli.json("changes")["rows"]
    assert row["changes"] == {"Name": ["A", "B"], "IsActive": [True, False]}


def test_checks(cli: CommandLine, database: sa.Engine, tmp_path: Path) -> None:
    assert cli.run("checks")[0] == f"Latest checks of {cli.link}: none yet.\n"
    run = new_run(database, cli.link)
    result = {
        "name": "missing_id",
        "expectation": "ExpectColumnValuesToNotBeNull",
        "level": "record",
        "column": "id",
        "success": True,
        "unexpected": 0,
        "observed": {"element_count": 12},
        "expected": {},
    }
    share = {
        **result,
        "name": "max_rejected_share",
        "level": "batch",
        "column": "<share>",
        "success": False,
        "unexpected": 1,
        "observed": {"value": 1 / 3},
        "expected": {"max_value": 0.25},
    }
    note_results(database, run, "customers", [result, share])
    out, _ = cli.run("checks", "--entity", "CustomerCompany")
    assert "BAD" in out
    assert "value 0.3333" in out
    assert cli.json("checks", "--entity", "invoice_lines") == []
    page = tmp_path / "checks.html"
    out, _ = cli.run("checks", "--html", str(page))
    assert out == f"Wrote {page}.\n"
    text = page.read_text(encoding="utf-8")
    HTMLParser().feed(text)
    assert "<caption>customers, run" in text
    assert "&lt;share&gt;" in text
    assert text.count('<tr class="bad">') == 1
    assert "http" not in text.lower().replace("text/html", "")
    _, said = cli.run("checks", "--html", str(tmp_path / "nowhere" / "x.html"), code=2)
    assert "cannot be written" in said


# -- explaining --------------------------------------------------------------------------------------------------------


def test_explain_a_customer(cli: CommandLine, database: sa.Engine) -> None:
    run = whole_run(database, cli.link, "customers", ["1001"])
    stage_records(database, run, "customers", {"1001": json.dumps(CUSTOMER)})
    with database.begin() as connection:
        note_references(connection, cli.link, "payment_terms", {"14": 77})
        bind(connection, cli.link, "customers", "1001", qms_id=9, values={"Name": "Oud"}, read_at=LONG_AGO)
        refuse(connection, cli.link, "customers", "1001", values={}, message="Name is taken.", read_at=LONG_AGO)
    story = cli.json("explain", "customer", "1001")
    by_field = {one["target"]: one for one in story["fields"]}
    assert (by_field["Name"]["value"], by_field["Name"]["source_path"], by_field["Name"]["place"]) == (
        "Voorbeeld [bold]B.V.",
        "postal.name",
        "addresses[1]",
    )
    assert by_field["PaymentConditionId"]["value"] == 77
    assert by_field["SendInvoiceTo"]["value"] == "post@voorbeeld.example"
    assert by_field["VisitAddressAddress1"]["place"] == "addresses[0]"
    assert story["binding"]["qms_id"] == 9
    out, _ = cli.run("explain", "CustomerCompany", "1001")
    assert "Voorbeeld [bold]B.V." in out
    assert "postal.name (addresses[1])" in out
    assert "In QMS: CustomerCompanyId 9" in out
    assert "Refused by QMS" in out
    _, said = cli.run("explain", "customer", "1010", code=2)
    assert "near it: 1001" in said


def test_explain_an_item_with_its_group(cli: CommandLine, database: sa.Engine) -> None:
    run = whole_run(database, cli.link, "items", ["A1", "A2"])
    group = {"id": 5, "description": "Uren", "ledger_accounts": {"sales_revenue_nl": {"id": 8000}}}
    stage_records(database, run, "item_groups", {"5": json.dumps(group)})
    item = {"id": "A1", "description": "Advies", "item_group": {"id": 5}, "vat": {"id": 3}, "unit_packaging": "Uur"}
    stage_records(database, run, "items", {"A1": json.dumps(item), "A2": '{"id": "A2", "description": {"x": 1}}'})
    by_field = {one["target"]: one for one in cli.json("explain", "item", "A1")["fields"]}
    assert by_field["GLAccountRevenue"]["value"] == "8000"
    assert by_field["ItemType"]["value"] == "Hours"
    assert "unresolved_reference" in by_field["VatCodeId"]["note"]
    out, _ = cli.run("explain", "items", "A2")
    assert "Cannot be read: description" in out
    whole_run(database, cli.link, "items", [])
    assert "gone from Minox" in cli.run("explain", "items", "A1")[0]


def _booked_invoice(engine: sa.Engine, link: str) -> None:
    """An invoice that was refused once, excluded, taken back and booked, with everything that is kept of it."""
    run = new_run(engine, link, "qms_to_minox")
    case = case_of([line_of(1, Price="37.50"), line_of(2, Price="12.50")], "50.00", "10.50")
    entry = build_entry(invoice_of(case), settings_of(), context_of(case))
    assert isinstance(entry, Entry)
    batch, key = batch_id(123456, 1, 3, 9001), "9001"
    stage(engine, run, "invoices", [[json.dumps(case["header"]).encode()]], lambda _: key)
    stage(engine, run, "invoice_totals", [[json.dumps(case["totals"]).encode()]], lambda _: key)
    lines = [json.dumps(line).encode() for line in case["lines"]]
    keys = iter(("1", "2"))
    stage(engine, run, "invoice_lines", [lines], lambda _: next(keys), lambda _: key)
    hook: Any = None
    facts = {"invoice_number": "F2026-0012", "invoice_date": dt.date(2026, 1, 31), "source_hash": "x"}
    with working(engine, run):
        refused = Poster(engine, hook, run, read_at=LONG_AGO).intend(9001, batch, entry, facts)
        assert refused is not None
    with engine.begin() as connection:
        ledger.end_attempt(connection, refused, "refused", ["Journal is closed."])
        stored = ledger.begin_attempt(connection, run, 9001, "put", entry.content_hash)
        ledger.end_attempt(connection, stored, "stored", [])
        ledger.begin_attempt(connection, run, 9001, "look_up")
        booked = {"state": "booked", "outcome": "booked", "message": None, "booked_at": sa.func.clock_timestamp()}
        ledger.change(connection, link, 9001, {**booked, "pdf_state": "failed", "pdf_message": "Too large."})
        report(connection, link, "InvoiceHeader", 9001, key=str(batch), is_error=False, message="Geboekt in Minox")
        ledger.note_person(connection, link, "exclude", "invoices", key, "anna", "Twice.")
    close_run(engine, run, good=False)
    whole_run(engine, link, "invoices", [], [Outcome(key, "refused_by_minox", "refused_by_minox", "Closed.")])
    whole_run(engine, link, "invoices", [], [Outcome(key, "booked")], "qms_to_minox")


def test_the_whole_story_of_an_invoice(cli: CommandLine, database: sa.Engine) -> None:
    _booked_invoice(database, cli.link)
    out, _ = cli.run("invoice", "F2026-0012")
    for words in (
        "Invoice F2026-0012, InvoiceHeaderId 9001",
        "state: booked (outcome booked)",
        "number in Minox: 20260012",
        "total with VAT: 60.50",
        "PDF: failed Too large.",
        "AmountWithoutVat: 50.00",
        "Overleg inrichting grootboek",
        "Rounding: 1 cent was taken from the VAT of line 1.",
        "Journal is closed.",
        "Report to QMS: no error, 'Geboekt in Minox', still to be told.",
        "Twice.",
    ):
        assert words in out, words
    totals = next(line.split() for line in out.splitlines() if "with VAT" in line and "total" not in line)
    assert totals == ["with", "VAT", "60.50", "60.50"]
    assert "none" in next(line for line in out.splitlines() if "look_up" in line)
    story = cli.json("invoice", "20260012")
    assert [one["outcome"] for one in story["outcomes"]] == ["booked", "refused_by_minox"]
    assert [one["answer"] for one in story["attempts"]] == ["refused", "stored", None]
    assert [line["InvoiceLineId"] for line in story["source"]["lines"]] == ["1", "2"]
    assert story["ledger"]["total"] == "60.50"
    assert story["people"][0]["person"] == "anna"


def test_an_invoice_of_which_little_is_known(cli: CommandLine, database: sa.Engine) -> None:
    reasons = [{"code": "no_lines", "field": "lines", "message": "No line is left."}]
    new_invoice(database, cli.link, 5, state="rejected", outcome="rejected", reason="no_lines", reasons=reasons)
    out, _ = cli.run("invoice", "id:5")
    assert "no_lines (lines): No line is left." in out
    assert "Staging does not have the invoice any more" in out
    assert "No entry was ever sent" in out
    assert "Report to QMS: none." in out
    with database.begin() as connection:
        report(connection, cli.link, "InvoiceHeader", 5, key="x", is_error=True, message="no_lines")
        due = DueReport("InvoiceHeader", 5, None, {"DataSourceKey": "x", "IsError": True, "Message": "no_lines"})
        note_reported(connection, cli.link, due, 12)
    assert "Report to QMS: error, 'no_lines', told 20" in cli.run("invoice", "id:5")[0]


# -- acting ------------------------------------------------------------------------------------------------------------


def test_records_are_offered_again(cli: CommandLine, database: sa.Engine) -> None:
    with database.begin() as connection:
        for key in ("1", "2"):
            refuse(connection, cli.link, "customers", key, values={}, message="No.", read_at=LONG_AGO)
    out, _ = cli.run("reoffer", "customer", "1", "--reason", "Mended.", "--by", "anna")
    assert out == "customers 1 is offered to QMS again by the next run.\n"
    assert [one["source_key"] for one in cli.json("reoffer", "customers", "--all-refused")] == ["1", "2"]
    assert cli.run("reoffer", "items", "--all-refused")[0] == "There is nothing to offer again.\n"


def test_invoices_are_offered_again_excluded_and_taken_back(
    cli: CommandLine, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "bert")
    new_invoice(database, cli.link, 1, state="refused", outcome="refused_by_minox")
    new_invoice(database, cli.link, 2, state="booked", outcome="booked")
    assert cli.run("reoffer", "invoices", "--all-refused")[0] == "invoices F2026-0001 is taken up by the next run.\n"
    assert [one["name"] for one in cli.json("reoffer", "factuur", "1")] == ["F2026-0001"]
    out, _ = cli.run("exclude", "F2026-0001", "--reason", "Twice.")
    assert out == "invoices F2026-0001 is not booked.\n"
    assert state_of(database, cli.link, 1).excluded_by == "bert"
    _, said = cli.run("exclude", "2", "--reason", "Twice.", code=2)
    assert said.endswith("a booked entry is never sent again: it cannot be excluded.\n")
    cli.run("include", "F2026-0001", "--reason", "Once after all.", "--by", "anna")
    assert state_of(database, cli.link, 1).state == "open"
    out, _ = cli.run("invoice", "1")
    assert [line.split()[2:4] for line in out.splitlines() if "Twice." in line or "Once" in line] == [
        ["exclude", "bert"],
        ["include", "anna"],
    ]


def test_somebody_must_have_a_name(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise OSError("no such user")

    monkeypatch.setattr(getpass, "getuser", nobody)
    _, said = cli.run("exclude", "1", "--reason", "Why.", code=2)
    assert said == "minox-qms: Say who you are, with --by.\n"
