"""A link's file: what is in it when little is written, what may be written, and what a fault says."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from include.errors import ConfigurationError
from include.settings.load import find_link, link_files, links_directory, load_link, load_links
from tests.settings.support import MINIMAL, with_values

if TYPE_CHECKING:
    from pathlib import Path

    from include.settings.link import LinkSettings

SPECIFIED = {
    ("minox", "requests_per_second"): Decimal(5),
    ("master_data", "create_defaults"): {
        "VatCode": {"IsDefault": False},
        "ItemCompany": {"AllowPriceModifications": False},
        "CustomerCompany": {"CustomerType": "Customer"},
    },
    ("master_data", "invoice_address_same_as_visit"): "article",
    ("master_data", "customer_extra_fields"): (),
    ("master_data", "retry_refused_after"): Decimal(60),
    ("bookings", "debtors_ledger_account"): None,
    ("bookings", "invoice_states"): ("Processed", "Sent"),
    ("bookings", "sweep_days"): 35,
    ("bookings", "start_date"): None,
    ("bookings", "document_date"): "work_in_progress_date",
    ("bookings", "lines"): "single",
    ("bookings", "grouped_description"): ("ItemName",),
    ("bookings", "surcharge_description"): ("ItemName",),
    ("bookings", "cost_centers_on_lines"): False,
    ("bookings", "percentage_scale"): "percent",
    ("bookings", "excluded_line_states"): ("WrittenOff", "Transferred"),
    ("bookings", "negative_amounts"): "signed",
    ("bookings", "send_vat_code"): False,
    ("bookings", "invoice_number"): "digits",
    ("bookings", "check_existing"): True,
    ("bookings", "retry_refused_after"): Decimal(60),
    ("bookings", "max_run_minutes"): Decimal(12),
    ("bookings", "attach_pdf"): False,
    ("bookings", "report_to_qms"): True,
    ("checks", "max_rejected_share"): Decimal("0.25"),
    ("checks", "min_share_of_previous"): Decimal("0.5"),
}
"""The specification's settings and the values in its brackets."""


def load(directory: Path, content: Any, name: str = "demo") -> LinkSettings:
    """Write a link's file and read it back."""
    path = directory / f"{name}.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return load_link(path)


@pytest.mark.parametrize(("section", "key"), SPECIFIED)
def test_default_is_the_specifications(section: str, key: str, tmp_path: Path) -> None:
    value = getattr(getattr(load(tmp_path, MINIMAL), section), key)
    assert value == SPECIFIED[section, key]
    assert type(value) is type(SPECIFIED[section, key])


def test_all_entities_are_on(tmp_path: Path) -> None:
    entities = load(tmp_path, MINIMAL).master_data.entities.model_dump()
    assert entities == {"vat_codes": True, "cost_centers": True, "payment_terms": True, "items": True}


def test_the_name_is_that_of_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL, "van-dijk").name == "van-dijk"


def test_a_name_in_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="name: unknown key; a link is named by its file"):
        load(tmp_path, {**MINIMAL, "name": "other"})


def test_nothing_changes_after_loading(tmp_path: Path) -> None:
    link = load(tmp_path, MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        link.bookings.lines = "grouped"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("written", "share"),
    [
        ("25 %", "0.25"),
        ("25%", "0.25"),
        (25, "0.25"),
        (0.25, "0.25"),
        ("0.5", "0.5"),
        (1, "1"),
        (0, "0"),
        ("1 %", "0.01"),
    ],
)
def test_ways_to_write_a_share(written: Any, share: str, tmp_path: Path) -> None:
    checks = load(tmp_path, with_values("checks", max_rejected_share=written)).checks
    assert checks.max_rejected_share == Decimal(share)


@pytest.mark.parametrize("written", ["101 %", 101, -1, "a quarter", True, [25], None])
def test_what_is_no_share(written: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"checks\.max_rejected_share"):
        load(tmp_path, with_values("checks", max_rejected_share=written))


@pytest.mark.parametrize("written", [90, "90", "90 min", "90min", " 90 min "])
def test_ways_to_write_minutes(written: Any, tmp_path: Path) -> None:
    assert load(tmp_path, with_values("bookings", retry_refused_after=written)).bookings.retry_refused_after == 90


@pytest.mark.parametrize("written", ["an hour", "1 h", -1, "NaN", None])
def test_what_are_no_minutes(written: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"bookings\.retry_refused_after"):
        load(tmp_path, with_values("bookings", retry_refused_after=written))


@pytest.mark.parametrize(("written", "states"), [("Sent", ("Sent",)), (["Sent"], ("Sent",)), (["A", "B"], ("A", "B"))])
def test_a_list_of_one_may_be_the_one(written: Any, states: tuple[str, ...], tmp_path: Path) -> None:
    assert load(tmp_path, with_values("bookings", invoice_states=written)).bookings.invoice_states == states


@pytest.mark.parametrize("written", [None, "none", []])
def test_an_empty_list_stays_empty(written: Any, tmp_path: Path) -> None:
    link = load(tmp_path, with_values("bookings", excluded_line_states=written))
    assert link.bookings.excluded_line_states == ()


@pytest.mark.parametrize("key", ["invoice_states", "grouped_description", "surcharge_description"])
@pytest.mark.parametrize("written", [None, [], [""]])
def test_a_list_that_may_not_be_empty(key: str, written: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"bookings\.{key}"):
        load(tmp_path, with_values("bookings", **{key: written}))


def test_a_date_is_read(tmp_path: Path) -> None:
    link = load(tmp_path, with_values("bookings", start_date="2026-02-01"))
    assert link.bookings.start_date == dt.date(2026, 2, 1)


def test_create_defaults_are_laid_over_the_builtin_ones(tmp_path: Path) -> None:
    written = {"VatCode": {"IsDefault": True}, "ItemCompany": {"WillBeInvoiced": True}}
    defaults = load(tmp_path, with_values("master_data", create_defaults=written)).master_data.create_defaults
    assert defaults["VatCode"] == {"IsDefault": True}
    assert defaults["ItemCompany"] == {"AllowPriceModifications": False, "WillBeInvoiced": True}
    assert defaults["CustomerCompany"] == {"CustomerType": "Customer"}


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("bookings", {"line": "grouped"}, "bookings.line: unknown key; did you mean 'lines'? known: journal_code, "),
        ("minox", {"speed": 1}, "minox.speed: unknown key; known: conn_id, tenant_id, administration_id, "),
        ("master_data", {"entities": {"cost_centres": False}}, "did you mean 'cost_centers'? known: vat_codes, "),
        ("invoices", {"x": 1}, "invoices: unknown key; known: minox, qms, master_data, bookings, checks, alerts"),
        ("bookings", {"lines": "group"}, "bookings.lines: Input should be 'single' or 'grouped'"),
        ("bookings", {"grouped_description": "Itemname"}, "unknown line field 'Itemname'; known: "),
        ("master_data", {"create_defaults": {"Vat": {}}}, "unknown QMS entity 'Vat'; known: "),
        ("master_data", {"create_defaults": {"VatCode": {"Default": 1}}}, "VatCode has no field 'Default'; known: "),
        ("bookings", {"journal_code": None}, "bookings.journal_code: "),
        ("minox", {"tenant_id": "many"}, "minox.tenant_id: "),
        ("minox", {"requests_per_second": 0}, "minox.requests_per_second: "),
    ],
)
def test_a_fault_names_its_place_and_what_is_known(
    section: str, values: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, with_values(section, **values))
    assert "demo.yaml is not valid" in str(caught.value)
    assert said in str(caught.value)


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, {"minox": {"conn_id": "m"}, "qms": MINIMAL["qms"], "bookings": {"lines": 3}})
    for place in ("minox.tenant_id", "minox.administration_id", "bookings.lines"):
        assert place in str(caught.value)


def test_a_section_without_anything_has_its_defaults(tmp_path: Path) -> None:
    link = load(tmp_path, {"minox": MINIMAL["minox"], "qms": MINIMAL["qms"], "bookings": None, "alerts": None})
    assert (link.bookings.journal_code, link.bookings.lines) == ("", "single")


@pytest.mark.parametrize("written", ["70", "070", "0", "0x1F", "12:3", "1_0", "+5"])
def test_a_journal_is_read_as_it_is_written(tmp_path: Path, written: str) -> None:
    text = yaml.safe_dump({name: MINIMAL[name] for name in ("minox", "qms")})
    link = load(tmp_path, f"{text}bookings:\n  journal_code: {written}\n")
    assert link.bookings.journal_code == ("5" if written == "+5" else written)


@pytest.mark.parametrize("content", ["", "just text", "[1, 2]", "minox: [unclosed", "a: b: c"])
def test_what_is_no_link(content: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"demo\.yaml"):
        load(tmp_path, content)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_bytes(b"\xff\xfe\x00minox")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_link(path)


def test_a_file_name_that_is_no_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        load(tmp_path, MINIMAL, "two words")


def test_all_links_of_a_directory(tmp_path: Path) -> None:
    for name in ("b", "a"):
        load(tmp_path, MINIMAL, name)
    (tmp_path / "notes.txt").write_text("not a link")
    assert list(load_links(tmp_path)) == ["a", "b"]
    assert [path.name for path in link_files(tmp_path)] == ["a.yaml", "b.yaml"]


def test_a_link_that_is_not_there_lists_the_others(tmp_path: Path) -> None:
    load(tmp_path, MINIMAL, "a")
    with pytest.raises(ConfigurationError, match="There is no link 'c'; known: a"):
        find_link("c", tmp_path)
    with pytest.raises(ConfigurationError, match="known: a"):
        find_link("../a", tmp_path)
    assert find_link("a", tmp_path).name == "a"


def test_the_directory_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINOX_QMS_LINKS_DIR", str(tmp_path))
    assert links_directory() == tmp_path
    monkeypatch.setenv("MINOX_QMS_LINKS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="MINOX_QMS_LINKS_DIR"):
        link_files()


def test_the_projects_own_links_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINOX_QMS_LINKS_DIR", raising=False)
    assert "demo" in load_links()
