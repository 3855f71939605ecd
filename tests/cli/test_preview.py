"""What a dry run says: exact entries, reasons, totals to the cent, and how long the real run takes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from include.bookings.entry import Entry, build_entry
from include.settings.link import LinkSettings
from include.storage.outcomes import Outcome
from include.storage.previews import Preview
from minox_qms.cli.preview import print_preview, summarise
from tests.bookings.samples import case_of, context_of, invoice_of, line_of, settings_of


def _settings(**bookings: Any) -> LinkSettings:
    return LinkSettings.model_validate(
        {
            "name": "demo",
            "minox": {"conn_id": "minox", "tenant_id": 1, "administration_id": 1, "requests_per_second": 4},
            "qms": {"conn_id": "qms", "company_id": 3},
            "bookings": {"journal_code": "VRK", **bookings},
        }
    )


def _would_book(key: int, price: str, net: str, vat: str, **settings: Any) -> Preview:
    header: dict[str, Any] = {"InvoiceNumber": f"F2026-{key:04d}", "WorkInProgressDate": f"2026-0{key}-15T00:00:00"}
    case = case_of([line_of(1, Price=price)], net, vat, **header)
    entry = build_entry(invoice_of(case), settings_of(**settings), context_of(case))
    assert isinstance(entry, Entry)
    details = {"entry": entry.body().decode(), "invoice_number": header["InvoiceNumber"], "total": str(entry.total)}
    return Preview("invoices", Outcome(str(key), "would_book"), details)


def _invoices(**settings: Any) -> list[Preview]:
    return [
        _would_book(1, "100.00", "100.00", "21.00", **settings),
        _would_book(2, "0.10", "0.10", "0.02", **settings),
        _would_book(2, "-40.00", "-40.00", "-8.40", **settings),
        Preview("invoices", Outcome("7", "booked"), {"invoice_number": "F2026-0007"}),
        Preview("invoices", Outcome("8", "rejected", "no_lines", "No line is left."), {"invoice_number": "F2026-0008"}),
        Preview("invoices", Outcome("9", "postponed", None, "Later."), None),
    ]


@pytest.mark.parametrize("negative", ["signed", "opposite_side"])
def test_totals_are_exact(negative: str) -> None:
    summary = summarise(_invoices(negative_amounts=negative), _settings())
    assert summary.counts == {"would_book": 3, "booked": 1, "rejected": 1, "postponed": 1}
    assert summary.per_month == {"2026-01": (1, Decimal("121.00")), "2026-02": (2, Decimal("-48.28"))}
    assert summary.per_account == {"8000": Decimal("60.10")}
    assert summary.vat == Decimal("12.62")
    assert (summary.requests, summary.seconds) == (3, Decimal("0.75"))


def test_pdfs_take_their_time() -> None:
    summary = summarise(_invoices(), _settings(attach_pdf=True))
    assert (summary.requests, summary.seconds) == (6, Decimal("1.5"))


def test_people_read_what_would_be_booked_and_what_would_not(capsys: pytest.CaptureFixture[str]) -> None:
    found = _invoices()
    print_preview(found, _settings(), json=False)
    out = capsys.readouterr().out
    assert f"would book F2026-0001 (InvoiceHeaderId 1, total 121.00): {found[0].details['entry']}" in out
    (rejected,) = (line for line in out.splitlines() if "no_lines" in line)
    assert "F2026-0008" in rejected
    assert "No line is left." in rejected
    assert "Later." in out
    assert any(line.split() == ["2026-02", "2", "-48.28"] for line in out.splitlines())
    assert any(line.split() == ["8000", "60.10"] for line in out.splitlines())
    assert "The real run sends 3 requests: about 0 min 01 s at the link's rate." in out


def test_people_read_changes_field_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    found = [
        Preview(
            "customers", Outcome("1", "updated", None, "A warning."), {"Name": ["A", "B [x]"], "IsActive": [None, 0]}
        ),
        Preview("customers", Outcome("2", "created"), {"Name": [None, "C"]}),
        Preview("customers", Outcome("3", "rejected", "nameless_debtor", "No name."), None),
        Preview("customers", Outcome("4", "unchanged"), None),
    ]
    print_preview(found, _settings(), json=False)
    out = capsys.readouterr().out
    assert "customers: 1 created, 1 rejected, 1 unchanged, 1 updated" in out
    assert any("B [x]" in line and "A warning." in line for line in out.splitlines())
    assert "nameless_debtor" in out
    assert "Invoices" not in out


def test_nothing_to_do_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_preview([], _settings(), json=False)
    assert capsys.readouterr().out == "Nothing would be written: there is nothing to do.\n"
    print_preview([Preview("invoices", Outcome("7", "booked"), None)], _settings(), json=False)
    assert "would be booked" not in capsys.readouterr().out.lower()


def test_machines_get_everything(capsys: pytest.CaptureFixture[str]) -> None:
    found = _invoices()
    print_preview(found, _settings(), json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["records"][0]["details"]["entry"] == found[0].details["entry"]
    assert answer["records"][4]["reason"] == "no_lines"
    assert answer["invoices"]["per_month"]["2026-02"] == [2, "-48.28"]
    assert answer["invoices"]["vat"] == "12.62"
    print_preview([Preview("customers", Outcome("4", "unchanged"), None)], _settings(), json=True)
    assert json.loads(capsys.readouterr().out)["invoices"] is None
