"""Every text of the templates is there in Dutch, and every code that the page may show has a name."""

from __future__ import annotations

import re
from pathlib import Path

import minox_qms.page
from include.mappings import CHECKS, MASTER_DATA
from include.words import OUTCOMES, REASONS
from minox_qms.page.app import TITLES
from minox_qms.page.invoices import _READERS
from minox_qms.page.texts import DUTCH, NAMES

TEMPLATES = Path(minox_qms.page.__file__).parent / "templates"
CODES = {
    "running", "good", "failed", "abandoned", "staged", "held", "absent", "refused", "pending", "sending",
    "attached", "missing", "extra", "different", "deleted", "edited", "reoffer", "exclude", "include", "connect", "put",
    "look_up", "pdf", "record", "batch", "header", "totals", "minox_to_qms", "qms_to_minox", "reconcile", "invoices",
}  # fmt: skip


def test_every_text_is_there_in_dutch() -> None:
    texts = set(TITLES.values()) | {"Something went wrong", "Nothing is known of:", "Not Found", "Method Not Allowed"}
    for path in TEMPLATES.glob("*.html"):
        found = re.findall(r"""\b_\(\s*(?:"([^"]*)"|'([^']*)')""", path.read_text(encoding="utf-8"))
        texts |= {double or single for double, single in found}
    assert len(texts) > 150
    assert texts - DUTCH.keys() - NAMES.keys() == set()


def test_every_code_has_a_name() -> None:
    codes = CODES | OUTCOMES.keys() | REASONS.keys() | MASTER_DATA.keys() | CHECKS.keys() | _READERS.keys()
    assert codes - NAMES.keys() == set()


def test_templates_escape_and_fetch_nothing() -> None:
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "|safe" not in text.replace(" ", "")
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text), path.name
        assert not re.search(r"\s(?:style|on[a-z]+)=", text), path.name
        assert "<script>" not in text
