from __future__ import annotations

import json
import logging
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from include.checks.engine import check_batch, check_records
from include.checks.results import BatchSummary, CheckedChunk, Finding, StagedRecord
from include.checks.suite import Between, Checks, Filled
from include.errors import InvariantError
from include.mappings import CHECKS
from include.settings.link import CheckSettings
from include.wire.text import text

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD: dict[str, dict[str, Any]] = {
    "vat_codes": {"id": 1, "description": "BTW hoog", "percentage": 21, "type": "Af te dragen (1a, 1b)"},
    "payment_terms": {"id": 30, "description": "30 dagen", "days": 30},
    "cost_centers": {"id": 110, "description": "Advies"},
    "item_groups": {"id": 10, "description": "Uren"},
    "items": {"id": "0042", "description": "Reiskosten"},
    "customers": {"id": 1001, "addresses": [{"address_type": "postal", "name": "Jansen"}]},
    "invoices": {
        "InvoiceHeaderId": "9001",
        "CompanyId": "3",
        "InvoiceNumber": None,
        "InvoiceHeaderState": "Processed",
        "InvoiceDate": None,
        "WorkInProgressDate": None,
        "InvoiceCustomerCompanyCustomerCode": None,
    },
    "invoice_totals": {"InvoiceHeaderId": "9001", "CompanyId": "3", "VatAmount": "0.00", "AmountWithoutVat": 0},
    "invoice_lines": {
        "InvoiceLineId": "1",
        "InvoiceHeaderId": "9001",
        "InvoiceLineState": "Invoiced",
        "Quantity": None,
        "Price": None,
        "VatPercentage": None,
    },
    "entity_changes": {
        "EntityChangeId": "1",
        "Date": "2026-02-02T08:14:59.997Z",
        "EntityId": "9001",
        "EntityType": "InvoiceHeader",
        "EntityOperation": "Update",
    },
}


def address(address_type: str, **parts: Any) -> dict[str, Any]:
    return {"address_type": address_type, "name": "Jansen", **parts}


def staged(*records: Any) -> list[StagedRecord]:
    return [
        StagedRecord(place, f"#{place}", json.dumps(record).encode()) for place, record in enumerate(records, start=1)
    ]


def checked(table: str, *records: Any) -> CheckedChunk:
    (chunk,) = check_records(CHECKS[table], staged(*records))
    return chunk


def summary_of(table: str, records: list[StagedRecord], previous: int | None = None, chunk: int = 7) -> BatchSummary:
    summary = BatchSummary(table, previous)
    for part in check_records(CHECKS[table], records, chunk):
        summary = summary.plus(part)
    return summary


def test_the_tables() -> None:
    assert set(CHECKS) == set(GOOD)
    assert all(checks.table == table for table, checks in CHECKS.items())


@pytest.mark.parametrize("table", GOOD)
def test_a_good_record_has_no_finding(table: str) -> None:
    chunk = checked(table, GOOD[table])
    assert chunk.findings == {}
    assert chunk.present == dict.fromkeys(CHECKS[table].required, 1)
    assert all(result.success and result.level == "record" for result in chunk.results)


@pytest.mark.parametrize(
    ("table", "change", "expected"),
    [
        ("vat_codes", {"id": None}, [("missing_id", "id")]),
        ("vat_codes", {"id": " "}, [("missing_id", "id")]),
        ("vat_codes", {"id": 0, "percentage": 0}, []),
        ("vat_codes", {"id": "V1"}, [("wrong_type", "id")]),
        ("vat_codes", {"id": 1.5}, [("wrong_type", "id")]),
        ("vat_codes", {"id": " -01 "}, []),
        ("vat_codes", {"description": "  "}, [("missing_name", "description")]),
        ("vat_codes", {"percentage": None}, [("missing_value", "percentage")]),
        ("vat_codes", {"percentage": ""}, [("missing_value", "percentage")]),
        ("vat_codes", {"percentage": 100}, []),
        ("vat_codes", {"percentage": "100.00000000000000000001"}, [("percentage_out_of_range", "percentage")]),
        ("vat_codes", {"percentage": -0.01}, [("percentage_out_of_range", "percentage")]),
        ("vat_codes", {"percentage": "veel"}, [("wrong_type", "percentage")]),
        ("vat_codes", {"percentage": "NaN"}, [("wrong_type", "percentage")]),
        (
            "vat_codes",
            {"id": True, "percentage": 121},
            [("wrong_type", "id"), ("percentage_out_of_range", "percentage")],
        ),
        ("payment_terms", {"id": ""}, [("missing_id", "id")]),
        ("payment_terms", {"id": "30 dagen"}, [("wrong_type", "id")]),
        ("payment_terms", {"days": 0}, []),
        ("payment_terms", {"days": -1}, [("negative_days", "days")]),
        ("payment_terms", {"days": None}, [("missing_value", "days")]),
        ("payment_terms", {"days": 1.5}, [("wrong_type", "days")]),
        ("payment_terms", {"description": None}, [("missing_name", "description")]),
        ("cost_centers", {"id": None}, [("missing_id", "id")]),
        ("cost_centers", {"id": "\u0661"}, [("wrong_type", "id")]),
        ("cost_centers", {"description": ""}, [("missing_name", "description")]),
        ("cost_centers", {"description": 0}, []),
        ("cost_centers", {"description": {"nl": "x"}}, [("wrong_type", "description")]),
        ("item_groups", {"id": None}, [("missing_id", "id")]),
        ("item_groups", {"id": "UREN"}, [("wrong_type", "id")]),
        ("item_groups", {"description": ""}, []),
        (
            "item_groups",
            {"ledger_accounts": {"sales_revenue_nl": 8000}},
            [("wrong_type", "ledger_accounts.sales_revenue_nl")],
        ),
        ("items", {"id": None, "description": None}, [("missing_id", "id"), ("missing_name", "description")]),
        ("items", {"id": "F12"}, []),
        ("items", {"vat": {"id": [1]}}, [("wrong_type", "vat.id")]),
        ("customers", {"id": None}, [("missing_id", "id")]),
        ("customers", {"id": "F12"}, [("wrong_type", "id")]),
        ("customers", {"id": 1001.5}, [("wrong_type", "id")]),
        ("customers", {"id": "1001"}, []),
        ("customers", {"addresses": None}, [("nameless_debtor", "postal.name")]),
        (
            "customers",
            {"addresses": [address("street")]},
            [("nameless_debtor", "postal.name")],
        ),
        (
            "customers",
            {"addresses": [address("Postal", name=" \u00a0")]},
            [("nameless_debtor", "postal.name")],
        ),
        (
            "customers",
            {"addresses": [address("postal", name=False)]},
            [("wrong_type", "addresses[0].name")],
        ),
        ("customers", {"addresses": {}}, [("wrong_type", "addresses")]),
        (
            "customers",
            {"addresses": [address("postal", name="", city=[]), 7]},
            [("wrong_type", "addresses[0].city"), ("wrong_type", "addresses[1]")],
        ),
        (
            "customers",
            {
                "id": "x",
                "addresses": [{"address_type": "postal", "name": "", "phone_numbers": [{"phone_number": True}]}],
            },
            [
                ("wrong_type", "addresses[0].phone_numbers[0].phone_number"),
                ("wrong_type", "id"),
                ("nameless_debtor", "postal.name"),
            ],
        ),
        ("invoices", {"InvoiceHeaderId": None}, [("missing_id", "InvoiceHeaderId")]),
        ("invoices", {"CompanyId": ""}, [("missing_value", "CompanyId")]),
        ("invoices", {"InvoiceHeaderState": None}, [("missing_value", "InvoiceHeaderState")]),
        ("invoices", {"InvoiceText": ["x"]}, [("wrong_type", "InvoiceText")]),
        ("invoices", {"InvoiceDate": "1 maart"}, [("wrong_type", "InvoiceDate")]),
        ("invoices", {"InvoiceDate": "2026-03-01T00:00:00", "WorkInProgressDate": "2026-03-01T00:00:00Z"}, []),
        ("invoices", {"WorkInProgressDate": "2026-02-30"}, [("wrong_type", "WorkInProgressDate")]),
        ("invoice_totals", {"VatAmount": None}, [("missing_value", "VatAmount")]),
        ("invoice_totals", {"AmountWithoutVat": "1e999999"}, [("wrong_type", "AmountWithoutVat")]),
        ("invoice_lines", {"InvoiceLineId": None}, [("missing_id", "InvoiceLineId")]),
        ("invoice_lines", {"InvoiceHeaderId": None}, [("missing_value", "InvoiceHeaderId")]),
        ("invoice_lines", {"Quantity": "een"}, [("wrong_type", "Quantity")]),
        ("entity_changes", {"EntityChangeId": None}, [("missing_id", "EntityChangeId")]),
        ("entity_changes", {"Date": " "}, [("missing_value", "Date")]),
    ],
)
def test_findings(table: str, change: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    good = GOOD[table]
    chunk = checked(table, good, {**good, **change}, good)
    found = [(finding.reason, finding.field) for finding in chunk.findings.get(2, ())]
    assert found == expected
    assert set(chunk.findings) == ({2} if expected else set())


def test_a_finding_says_what_is_wrong() -> None:
    chunk = checked("vat_codes", {"id": 1, "description": "x", "percentage": 121}, {"id": 2, "percentage": []}, [])
    assert chunk.findings == {
        1: (Finding("percentage_out_of_range", "percentage", "The percentage is not between 0 and 100."),),
        2: (
            Finding("wrong_type", "percentage", "Expected a number, got a list."),
            Finding("missing_name", "description", "The name is blank, and QMS requires one."),
        ),
        3: (Finding("wrong_type", "", "Expected an object, got a list."),),
    }


def test_positions_are_those_of_the_list_over_all_chunks() -> None:
    good, bad = GOOD["cost_centers"], {"id": None, "description": "Advies"}
    records = staged(*[bad if place % 3 == 0 else good for place in range(1, 12)])
    chunks = list(check_records(CHECKS["cost_centers"], iter(records), chunk=4))
    assert [chunk.records for chunk in chunks] == [4, 4, 3]
    assert [position for chunk in chunks for position in chunk.findings] == [3, 6, 9]


def test_results_of_chunks_add_up() -> None:
    good, bad = GOOD["vat_codes"], {"id": None, "description": "", "percentage": 400}
    summary = summary_of("vat_codes", staged(*[bad, good, good] * 5), chunk=4)
    assert (summary.records, summary.rejected) == (15, 5)
    assert summary.present == {"id": 15, "description": 15, "percentage": 15, "type": 10}
    by_name = {result.name: result for result in summary.results}
    assert {name: (result.success, result.unexpected) for name, result in by_name.items()} == {
        "wrong_type": (True, 0),
        "missing_id": (False, 5),
        "missing_name": (False, 5),
        "missing_value": (True, 0),
        "percentage_out_of_range": (False, 5),
    }
    assert by_name["missing_id"].observed == {"element_count": 15}
    assert msgspec.json.decode(msgspec.json.encode(summary.results))[1] == {
        "expectation": "ExpectColumnValuesToNotBeNull",
        "column": "id",
        "level": "record",
        "success": False,
        "unexpected": 5,
        "observed": {"element_count": 15},
        "expected": {},
        "name": "missing_id",
    }


def test_an_empty_batch_is_good_unless_there_was_one_before() -> None:
    assert list(check_records(CHECKS["customers"], [])) == []
    assert check_batch(CHECKS["customers"], BatchSummary("customers"), CheckSettings()).findings == ()
    (finding,) = check_batch(CHECKS["customers"], BatchSummary("customers", previous=3), CheckSettings()).findings
    assert finding.expectation == "min_share_of_previous"
    assert finding.observed == {"records": 0, "previous": 3}


def test_a_required_column_that_no_record_has_holds_the_batch_back() -> None:
    records = staged({"id": 1, "description": "a", "type": None}, {"id": 2, "description": "b", "type": None})
    batch = check_batch(CHECKS["vat_codes"], summary_of("vat_codes", records), CheckSettings())
    assert [(finding.expectation, finding.column, finding.message) for finding in batch.findings] == [
        (
            "required_column",
            "percentage",
            "None of the 2 records of vat_codes has the field percentage, which must be there.",
        )
    ]
    assert [(result.column, result.success) for result in batch.results] == [
        ("records with id", True),
        ("records with description", True),
        ("records with percentage", False),
        ("records with type", True),
    ]


def test_one_record_does_not_make_a_missing_column() -> None:
    summary = summary_of("vat_codes", staged({"id": 1, "description": "a"}))
    assert check_batch(CHECKS["vat_codes"], summary, CheckSettings()).findings == ()


@pytest.mark.parametrize("table", ["invoices", "invoice_totals", "invoice_lines", "entity_changes"])
def test_batches_of_qms_are_held_back_for_a_missing_column_alone(table: str) -> None:
    bad = {**GOOD[table], CHECKS[table].records[0].field: None}
    summary = summary_of(table, staged(*[bad] * 30), previous=1000)
    assert summary.rejected == 30
    assert check_batch(CHECKS[table], summary, CheckSettings()).findings == ()
    missing = {name: value for name, value in GOOD[table].items() if name != CHECKS[table].required[-1]}
    findings = check_batch(CHECKS[table], summary_of(table, staged(missing, missing)), CheckSettings()).findings
    assert [(finding.expectation, finding.column) for finding in findings] == [
        ("required_column", CHECKS[table].required[-1])
    ]


@pytest.mark.parametrize(
    ("records", "rejected", "held"),
    [(19, 19, False), (20, 5, False), (20, 6, True), (100, 25, False), (100, 26, True), (10_000, 2501, True)],
)
def test_share_of_bad_records(records: int, rejected: int, held: bool) -> None:
    summary = BatchSummary("cost_centers", None, records, rejected, {"id": records, "description": records})
    findings = check_batch(CHECKS["cost_centers"], summary, CheckSettings()).findings
    assert [finding.expectation for finding in findings] == (["max_rejected_share"] if held else [])
    if held:
        assert f"{rejected} of the {records} records" in findings[0].message
        assert "25%" in findings[0].message
        assert findings[0].observed == {"records": records, "rejected": rejected}


@pytest.mark.parametrize(
    ("records", "previous", "held"),
    [
        (50, 100, False),
        (49, 100, True),
        (1, 3, True),
        (2, 3, False),
        (5, None, False),
        (5, 0, False),
        (500, 100, False),
    ],
)
def test_share_of_the_last_good_run(records: int, previous: int | None, held: bool) -> None:
    summary = BatchSummary("cost_centers", previous, records, 0, {"id": records, "description": records})
    findings = check_batch(CHECKS["cost_centers"], summary, CheckSettings()).findings
    assert [finding.expectation for finding in findings] == (["min_share_of_previous"] if held else [])


def test_the_limits_are_settings() -> None:
    summary = BatchSummary("cost_centers", 100, 20, 6, {"id": 20, "description": 20})
    lenient = CheckSettings(max_rejected_share="30 %", min_share_of_previous="20 %")
    assert check_batch(CHECKS["cost_centers"], summary, lenient).findings == ()
    assert len(check_batch(CHECKS["cost_centers"], summary, CheckSettings()).findings) == 2


def test_what_cannot_be_evaluated_is_no_success() -> None:
    broken = replace(
        CHECKS["cost_centers"],
        records=(Between("out_of_range", "description", 0, 1, "The description is a text.", read=text),),
    )
    with pytest.raises(InvariantError, match="out_of_range could not be evaluated"):
        list(check_records(broken, staged(GOOD["cost_centers"])))


@pytest.mark.parametrize("checks", CHECKS.values(), ids=CHECKS)
def test_checks_of_one_field_read_it_alike(checks: Checks) -> None:
    for check in checks.records:
        assert all(other.read == check.read for other in checks.records if other.field == check.field)
        assert check.message
        assert not isinstance(check, Filled) or check.message.endswith(".")


def customers(count: int) -> Iterator[StagedRecord]:
    for number in range(1, count + 1):
        yield StagedRecord(number, str(number), json.dumps({**GOOD["customers"], "id": number}).encode())


def test_records_are_taken_a_chunk_at_a_time() -> None:
    taken: list[int] = []

    def noted() -> Iterator[StagedRecord]:
        for record in customers(50):
            taken.append(record.position)
            yield record

    chunks = check_records(CHECKS["customers"], noted(), chunk=10)
    next(chunks)
    assert len(taken) == 10
    next(chunks)
    assert len(taken) == 20


def test_memory_does_not_grow_with_the_batch() -> None:
    def peak_of(count: int) -> int:
        tracemalloc.reset_peak()
        for _ in check_records(CHECKS["customers"], customers(count), chunk=1_000):
            pass
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        peak_of(1_000)
        assert peak_of(16_000) < 1.5 * peak_of(2_000)
    finally:
        tracemalloc.stop()


def test_importing_the_checks_does_not_import_great_expectations() -> None:
    code = "import sys; import include.mappings, include.checks.engine; print('great_expectations' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_nothing_of_the_records_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        checked("customers", {"id": 1, "addresses": [{"address_type": "postal", "name": "", "city": "Geheimstad"}]})
    assert "Geheimstad" not in caplog.text
    assert "Skipping registering" not in caplog.text
    assert "ephemeral docs site" not in caplog.text
