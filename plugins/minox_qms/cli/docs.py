"""Write `docs/cli.md` and `docs/outcomes.md` from the declarations: `python -m minox_qms.cli.docs`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from include.words import OUTCOMES, REASONS
from minox_qms.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.words import Words

DOCS = Path(__file__).resolve().parents[3] / "docs"
_NOTICE = "<!-- Written by `python -m minox_qms.cli.docs` from the declarations; changes made here are lost. -->"

_CLI = """# The command line

{notice}

`minox-qms` runs a link's DAG once, shows what became of its records, and does what only a person can decide. Commands
that only look and decide do without Airflow; all of them need the connector's database (`MINOX_QMS_DATABASE_URL`, else
the embedded one of this machine) and the links' files.

* `--link` may be left out when there is one link.
* `--json` prints one JSON document, for machines; a list in it comes as `rows` and `after`.
* A list that has more than `--limit` rows says with which `--after` it goes on.
* A moment is ISO 8601 (without a zone: Europe/Amsterdam), a date, or an age: `90m`, `24h`, `7d`.
* An entity goes by any of its names: `customers`, `customer` or `CustomerCompany`; `invoices` or `invoice`.
* An invoice goes by its number in QMS, its number in Minox, or its InvoiceHeaderId; where several invoices go by the
  same, `number:`, `minox:` or `id:` in front says which is meant.
* Exit code 0: good; 1: a technical failure; 2: wrong use or wrong settings. An error is one sentence on standard error.

{commands}"""

_OUTCOMES = """# Outcomes and reasons

{notice}

Every record of every run ends in exactly one outcome, and the numbers add up: what was extracted is the sum of the
outcomes. Two views in the connector's database say so; they are public, and their columns stay.

| view | rows |
|---|---|
| `sync_outcomes` | one per record and run |
| `sync_current` | one per record: its latest outcome |

| column | meaning |
|---|---|
| `link` | name of the link |
| `direction` | `minox_to_qms` (master data) or `qms_to_minox` (invoices) |
| `entity` | `vat_codes`, `cost_centers`, `payment_terms`, `items`, `customers` or `invoices` |
| `source_key` | the id in the source system, InvoiceHeaderId for invoices; `#17`: the 17th of its list has none |
| `outcome` | below |
| `reason` | below; null when the outcome says it all |
| `message` | a sentence for the bookkeeper, or the other system's own words; may be null |
| `dag_id`, `run_id` | the Airflow run |
| `occurred_at` | when |

What there was to say of a record when it was written stays in `sync_current` as long as it is unchanged.

For example, what is wrong now, per reason:

```sql
SELECT entity, reason, count(*) FROM sync_current
WHERE link = 'my_link' AND outcome IN ('rejected', 'refused_by_minox') GROUP BY entity, reason ORDER BY 3 DESC;
```

`minox-qms outcomes` shows both views, `minox-qms rejections` all reasons of each rejected record, with their fields. A
dry run is in neither view.

## Outcomes

`created`, `updated`, `unchanged`, `rejected` and `failed` are those of master data; invoices have all but the first
three.

{outcomes}

## Reasons

{reasons}

## In Dutch

{outcomes_nl}

{reasons_nl}
"""


def cli_page() -> str:
    """Write the page of the command line."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)  # noqa: S101 - an app of several commands is a group
    commands = "\n\n".join(_command(name, command) for name, command in group.commands.items())
    return _CLI.format(notice=_NOTICE, commands=commands) + "\n"


def outcomes_page() -> str:
    """Write the page of outcomes and reasons."""
    return _OUTCOMES.format(
        notice=_NOTICE,
        outcomes=_table(("outcome", "what it means", "what to do"), _english(OUTCOMES)),
        reasons=_table(("reason", "what it means", "what to do"), _english(REASONS)),
        outcomes_nl=_table(("uitkomst", "wat het betekent", "wat u doet"), _dutch(OUTCOMES)),
        reasons_nl=_table(("reden", "wat het betekent", "wat u doet"), _dutch(REASONS)),
    )


def write_pages(directory: Path = DOCS) -> None:
    """Write both pages into a directory."""
    (directory / "cli.md").write_text(cli_page(), encoding="utf-8")
    (directory / "outcomes.md").write_text(outcomes_page(), encoding="utf-8")


def _command(name: str, command: Any) -> str:
    """One command: what it does, how it is used, its arguments and options."""
    context = typer.Context(command, info_name=f"minox-qms {name}")
    usage = " ".join(["minox-qms", name, *command.collect_usage_pieces(context)])
    records = [
        record for param in command.get_params(context) if (record := param.get_help_record(context)) is not None
    ]
    rows = [(f"`{names}`", " ".join(said.split())) for names, said in records if not names.startswith("--help")]
    parts = [f"## `{name}`", inspect.cleandoc(command.help or ""), f"```\n{usage}\n```"]
    return "\n\n".join([*parts, _table(("argument or option", "meaning"), rows)] if rows else parts)


def _english(codes: Mapping[str, Words]) -> Iterable[tuple[str, ...]]:
    return ((f"`{code}`", words.say("en"), words.advise("en")) for code, words in codes.items())


def _dutch(codes: Mapping[str, Words]) -> Iterable[tuple[str, ...]]:
    return ((f"`{code}`", words.say("nl"), words.advise("nl")) for code, words in codes.items())


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    write_pages()
