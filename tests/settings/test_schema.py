"""The schema and the page of the settings: as declared, and accepting what the loader accepts."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel, ValidationError

from include.settings.link import LinkSettings
from include.settings.load import PROJECT_ROOT
from include.settings.schema import SCHEMA_FILE, files, page, schema
from tests.settings.support import MINIMAL, with_values

LINKS = sorted((PROJECT_ROOT / "config" / "links").glob("*.yaml"))


def accepted(content: Any) -> bool:
    """Whether the schema accepts a file's content."""
    return bool(jsonschema.Draft202012Validator(schema()).is_valid(content))


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_the_files_are_as_declared(path: Any) -> None:
    assert path.read_text(encoding="utf-8") == files()[path], "run: make docs"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", LINKS, ids=lambda path: path.name)
def test_the_projects_links_name_the_schema_and_keep_to_it(path: Any) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0] == "# yaml-language-server: $schema=../links.schema.json"
    assert (path.parent / "../links.schema.json").resolve() == SCHEMA_FILE
    assert accepted(yaml.safe_load(text))


CASES = [
    MINIMAL,
    with_values("checks", max_rejected_share="25 %"),
    with_values("checks", max_rejected_share=25),
    with_values("checks", max_rejected_share="a quarter"),
    with_values("checks", max_rejected_share=-1),
    with_values("bookings", retry_refused_after="60 min"),
    with_values("bookings", retry_refused_after="an hour"),
    with_values("bookings", invoice_states="Sent"),
    with_values("bookings", invoice_states=[]),
    with_values("bookings", invoice_states="none"),
    with_values("bookings", excluded_line_states="none"),
    with_values("bookings", excluded_line_states=None),
    with_values("bookings", lines="group"),
    with_values("bookings", line="grouped"),
    with_values("bookings", journal_code="VRK12"),
    with_values("bookings", debtors_ledger_account=None),
    with_values("master_data", customer_extra_fields="city"),
    with_values("master_data", customer_extra_fields=["street"]),
    with_values("master_data", create_defaults={"VatCode": {"IsDefault": True}}),
    with_values("master_data", create_defaults={"VatCode": {"Default": True}}),
    with_values("master_data", create_defaults={"Vat": {}}),
    with_values("alerts", email="a@example.com"),
    with_values("alerts", silence_minutes=1),
    {"minox": MINIMAL["minox"], "qms": MINIMAL["qms"]},
]


@pytest.mark.parametrize("content", CASES, ids=str)
def test_the_schema_accepts_what_the_loader_accepts(content: dict[str, Any]) -> None:
    try:
        LinkSettings.model_validate({**content, "name": "demo"})
    except ValidationError:
        assert not accepted(content)
    else:
        assert accepted(content)


def test_the_name_is_not_written_in_the_file() -> None:
    assert not accepted({**MINIMAL, "name": "other"})


def names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key of a section, sections inside it with a dot."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += names(field.annotation, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def test_the_page_names_every_key_with_its_meaning() -> None:
    text = page()
    for section, field in LinkSettings.model_fields.items():
        if field.exclude:
            continue
        assert f"## `{section}`" in text
        assert isinstance(field.annotation, type)
        for key in names(field.annotation):
            assert f"| `{key}` |" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert all(cell.strip() for row in rows for cell in row.strip("|").split(" | "))
