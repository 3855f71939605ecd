"""Every row of the article's master-data tables is one declaration, and every declaration is hit by a golden case."""

from __future__ import annotations

import pytest

from include.mapping.field import Computed, Constant, Field, Reference
from include.mapping.mapper import Mapping, map_raw
from include.mapping.path import reader
from include.mappings import MASTER_DATA
from include.wire.decode import decode_record
from include.wire.qms import FIELD_KINDS, KEYS
from tests.article import MASTER_DATA_TABLES, article_rows, rows_of
from tests.mappings.golden import cases

EACH = pytest.mark.parametrize("mapping", MASTER_DATA.values(), ids=MASTER_DATA)


def test_the_tables_are_read_in_full() -> None:
    assert {entity: len(rows) for entity, rows in rows_of(MASTER_DATA_TABLES).items()} == {
        "vat_codes": 4,
        "cost_centers": 2,
        "payment_terms": 5,
        "items": 8,
        "customers": 23,
    }
    assert len(article_rows()) == 72


@EACH
def test_every_row_of_the_article_is_exactly_one_declaration(mapping: Mapping[object]) -> None:
    declared = [row.article for row in mapping.fields if row.article is not None]
    assert declared == [row.mark for row in rows_of(MASTER_DATA_TABLES)[mapping.entity]]


@EACH
def test_a_declaration_fills_the_field_that_its_article_row_names(mapping: Mapping[object]) -> None:
    for row in mapping.fields:
        if row.article is not None:
            assert row.article.split(" → ")[1].split(".")[1] == row.target


@EACH
def test_only_the_city_goes_beyond_the_article(mapping: Mapping[object]) -> None:
    beyond = [row.target for row in mapping.fields if row.article is None]
    assert beyond == (["VisitAddressCity", "InvoiceAddressCity"] if mapping.entity == "customers" else [])


@EACH
def test_every_declaration_is_hit_by_a_golden_case(mapping: Mapping[object]) -> None:
    hit: set[str] = set()
    for case in cases(mapping.entity):
        record, faults = decode_record(case.raw, mapping.struct)  # type: ignore[type-var]
        assert faults == ()
        view = mapping.view(record)
        values = map_raw(mapping, case.raw, case.context).values
        for row in mapping.rows(case.context.settings):
            given = row.value if isinstance(row, Constant) else reader(row.source)(view)
            if given is not None and values[row.target] is not None:
                hit.add(row.target)
    assert hit == {row.target for row in mapping.fields}


@EACH
def test_every_target_is_a_writable_field_of_qms_and_is_filled_once(mapping: Mapping[object]) -> None:
    targets = [row.target for row in mapping.fields]
    assert len(targets) == len(set(targets))
    assert set(targets) <= set(FIELD_KINDS[mapping.qms])
    assert mapping.code_field in targets
    assert mapping.key_field == KEYS[mapping.qms]


@EACH
def test_values_are_of_the_kind_that_qms_has(mapping: Mapping[object]) -> None:
    types = {"text": str, "bool": bool, "int64": int, "int32": int}
    for case in cases(mapping.entity):
        for target, value in map_raw(mapping, case.raw, case.context).values.items():
            kind = FIELD_KINDS[mapping.qms][target]
            if value is not None and kind in types:
                assert type(value) is types[kind], (case.name, target)


@EACH
def test_every_kind_of_row_says_its_rule(mapping: Mapping[object]) -> None:
    for row in mapping.fields:
        assert isinstance(row, Field | Constant | Reference | Computed)
        assert row.rule


def test_the_order_of_the_entities() -> None:
    assert list(MASTER_DATA) == ["vat_codes", "payment_terms", "cost_centers", "items", "customers"]
