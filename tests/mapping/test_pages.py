from __future__ import annotations

from typing import TYPE_CHECKING

from include.mapping.pages import PAGES, pages, write_pages
from include.mappings import CHECKS, MASTER_DATA
from include.mappings.sales_entry import TABLES

if TYPE_CHECKING:
    from pathlib import Path


def test_the_pages_are_those_of_the_declarations() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*")}
    assert written == pages(), "run `python -m include.mapping.pages`"


def test_every_declaration_is_on_its_page() -> None:
    content = pages()
    assert set(content) == {*(f"{entity}.md" for entity in MASTER_DATA), "sales_entry.md", "README.md"}
    for entity, mapping in MASTER_DATA.items():
        for row in mapping.fields:
            assert f"| `{row.target}` |" in content[f"{entity}.md"]
        for check in CHECKS[entity].records:
            assert f"| `{check.reason}` | `{check.field}` |" in content[f"{entity}.md"]
    for table in TABLES:
        assert f"({table.heading})" in content["sales_entry.md"]


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    for content in pages().values():
        for table in content.split("\n\n"):
            if table.startswith("|"):
                cells = {line.replace("\\|", "").count("|") for line in table.strip().splitlines()}
                assert len(cells) == 1


def test_pages_are_written_where_asked(tmp_path: Path) -> None:
    write_pages(tmp_path / "mappings")
    assert (tmp_path / "mappings" / "README.md").read_text(encoding="utf-8") == pages()["README.md"]
