"""Write the mappings' pages (`docs/mappings/*.md`) from their declarations: `python -m include.mapping.pages`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.mapping.field import AnyRow, Computed, Constant, Field, Reference
from include.mappings import CHECKS, MASTER_DATA
from include.mappings.sales_entry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from include.checks.suite import Checks
    from include.mapping.mapper import Mapping
    from include.mappings.sales_entry import Table

PAGES = Path(__file__).resolve().parents[2] / "docs/mappings"

_NOTICE = "<!-- Written by `python -m include.mapping.pages` from the declarations; changes made here are lost. -->"

_NO_ROW = "not in the article"
_REFERENCE = "Finds the key in QMS by the code; one that QMS does not have rejects the record."


def pages() -> dict[str, str]:
    """Write every page.

    Returns:
        Markdown by file name.
    """
    written = {f"{entity}.md": _entity_page(mapping) for entity, mapping in MASTER_DATA.items()}
    written["sales_entry.md"] = _sales_entry_page()
    written["README.md"] = _index()
    return written


def _index() -> str:
    rows = [
        (f"[{mapping.title}]({entity}.md)", f"Minox `{mapping.minox}`", f"QMS `{mapping.qms}`")
        for entity, mapping in MASTER_DATA.items()
    ]
    rows.append(("[Sales entries](sales_entry.md)", "QMS invoice", "Minox `transaction_line_batch`"))
    return _page(
        "What goes where",
        "Every field that the connector fills, with the rule and the row of the owner's article "
        "(`docs/reference/koppeling-met-minox.txt`) that it carries out. The order is that of a run.",
        _table(("", "from", "to"), rows),
    )


def _entity_page(mapping: Mapping[Any]) -> str:
    rows = [(f"`{row.target}`", _source(row), row.rule, row.article or _NO_ROW) for row in mapping.fields]
    parts = [
        f"Minox `{mapping.minox}` → QMS `{mapping.qms}`, matched on `{mapping.code_field}` within the company.",
        f"Declared in `include/mappings/{mapping.entity}.py`. A field that is not listed here belongs to its users.",
        _table(("QMS field", "from Minox", "rule", "article"), rows),
        "## How values are made",
        _table(("function", "what it does"), _functions(mapping)),
    ]
    if mapping.view.__name__ == "view":
        parts.append(_described(mapping.view))
    for checks in CHECKS.values():
        if checks.table in (mapping.entity, *_read_tables(mapping)):
            parts += [f"## Checks of {checks.table}", *_checks(checks)]
    return _page(mapping.title, *parts)


def _read_tables(mapping: Mapping[Any]) -> tuple[str, ...]:
    """Staging tables of the further collections that a mapping reads."""
    return tuple(f"{collection}s" for collection in mapping.reads)


def _checks(checks: Checks) -> list[str]:
    rows = [("`wrong_type`", "any", "A value of the wrong type, or one that cannot be read.")]
    rows += [(f"`{check.reason}`", f"`{check.field}`", check.message) for check in checks.records]
    required = ", ".join(f"`{name}`" for name in checks.required)
    sizes = ", when too many of its records are bad, or when there are far fewer than in the last good run"
    return [
        "A record with one of these is quarantined:",
        _table(("reason", "field", "what is wrong"), rows),
        f"The whole batch is held back when no record has one of {required}{sizes if checks.sizes else ''}.",
    ]


def _sales_entry_page() -> str:
    parts = [
        "QMS invoice → the lines of one Minox `transaction_line_batch`.",
        "Declared in `include/mappings/sales_entry.py`. Fields without a value are left out of the request.",
    ]
    for table in TABLES:
        parts += [f"## {table.name.capitalize()} lines ({table.heading})", _line_table(table)]
    return _page("Sales entries", *parts)


def _line_table(table: Table[Any]) -> str:
    rows = [(f"`{row.target}`", row.source, row.rule, row.article or _NO_ROW) for row in table.rows]
    return _table(("Minox field", "from QMS", "rule", "article"), rows)


def _source(row: AnyRow) -> str:
    if isinstance(row, Constant):
        return "always the same"
    return f"`{row.source}`"


def _functions(mapping: Mapping[Any]) -> list[tuple[str, str]]:
    """The functions behind the rows, each once, with the first paragraph of their docstrings."""
    functions: dict[str, str] = {}
    for row in mapping.fields:
        match row:
            case Field():
                functions[row.convert.__name__] = _described(row.convert)
            case Computed():
                functions[row.compute.__name__] = _described(row.compute)
            case Reference():
                functions["reference"] = _REFERENCE
            case Constant():
                pass
    return [(f"`{name}`", said) for name, said in functions.items()]


def _described(function: Callable[..., Any]) -> str:
    """A function's docstring up to its arguments, in one line."""
    text = inspect.cleandoc(function.__doc__ or "")
    return " ".join(text.partition("\nArgs:")[0].split())


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", _NOTICE, *parts]) + "\n"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def write_pages(directory: Path = PAGES) -> None:
    """Write every page into a directory.

    Args:
        directory: Where to; `docs/mappings` of the project when left out.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in pages().items():
        (directory / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write_pages()
