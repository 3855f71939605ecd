"""The declaration of the sales entry carries out the article's four tables, and the contract knows its fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from include.mappings.sales_entry import HEADER, TABLES, Table
from include.settings.link import BookingSettings
from include.wire import qms
from tests.article import BOOKING_TABLES, rows_of

CONTRACTS = Path(__file__).parents[2] / "sandbox" / "contracts"


def one_space(written: str) -> str:
    """The article has narrow spaces here and there."""
    return " ".join(written.split())


def test_every_row_of_the_article_is_carried_out_in_its_order() -> None:
    article = {name: [one_space(row.mark) for row in rows] for name, rows in rows_of(BOOKING_TABLES).items()}
    assert {table.name: [row.article for row in table.rows if row.article is not None] for table in TABLES} == article
    assert {table.heading: table.name for table in TABLES} == BOOKING_TABLES
    assert [len(rows) for rows in article.values()] == [7, 8, 8, 7]


def test_only_the_vat_code_goes_beyond_the_article() -> None:
    beyond = {(table.name, row.target) for table in TABLES for row in table.rows if row.article is None}
    assert beyond == {("single", "vat.id"), ("grouped", "vat.id"), ("surcharge", "vat.id")}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_targets_are_fields_of_the_contract_and_filled_once(table: Table[Any]) -> None:
    contract = yaml.safe_load((CONTRACTS / "minox.openapi.yaml").read_text(encoding="utf-8"))
    fields = contract["components"]["schemas"]["LineRequest"]["properties"]
    targets = [row.target for row in table.rows]
    assert len(set(targets)) == len(targets)
    for target in targets:
        parent, _, child = target.partition(".")
        assert parent in fields
        if child:
            assert child in fields[parent]["properties"]
    assert ("debit" if table is HEADER else "credit") in targets


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_sources_are_fields_of_qms_or_settings(table: Table[Any]) -> None:
    known = {*qms.OverviewInvoice.__struct_fields__, *qms.Invoice.__struct_fields__}
    known |= set(qms.OverviewInvoiceLine.__struct_fields__)
    known |= {f"setting `{name}`" for name in BookingSettings.model_fields}
    for row in table.rows:
        assert row.source == "-" or set(row.source.split(", ")) <= known, row


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_row_says_what_it_does(table: Table[Any]) -> None:
    for row in table.rows:
        assert row.rule.endswith("."), row.target
