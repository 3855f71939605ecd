"""Write what the settings' declaration says for editors and for people: `python -m include.settings.schema`.

`config/links.schema.json` is the JSON Schema that an editor completes and checks a link's file with;
`docs/settings.md` is the page of all settings. Both come from `include/settings/link.py` alone.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from include.settings.link import LinkSettings, Minutes, Share
from include.settings.load import PROJECT_ROOT
from include.wire.qms import WRITABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic.fields import FieldInfo

SCHEMA_FILE = PROJECT_ROOT / "config" / "links.schema.json"
PAGE_FILE = PROJECT_ROOT / "docs" / "settings.md"

_SHARE_MARK, _MINUTES_MARK = get_args(Share)[1], get_args(Minutes)[1]  # their validators
_SHARE = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 100},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%?\s*$"},
    ]
}
_MINUTES = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 525_600},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(min)?\s*$"},
    ]
}
_NONE = {"enum": [None, "none"]}
_HEAD = """# Settings of a link

<!-- Written by `python -m include.settings.schema` from the declarations; changes made here are lost. -->

A link couples one QicsMilestones company to one Minox administration. It is one file, `config/links/<name>.yaml` (or
`<name>.yaml` in the directory that `MINOX_QMS_LINKS_DIR` names); the file's name is the link's name. A change counts
from the next run on. An unknown key, a wrong value or a missing one is an error that names its place: the DAGs of that
link then refuse to run, and those of the other links go on.

The first line of a link's file lets an editor complete and check it:

```yaml
# yaml-language-server: $schema=../links.schema.json
```

Shares are written `25 %`, `25` or `0.25`; minutes `60` or `60 min`. A list of one may be written as the one value, an
empty list as `none`. Secrets are not here: they are in the Airflow connections that `conn_id` names.
"""


def schema() -> dict[str, Any]:
    """Make the JSON Schema (2020-12) of a link's file: it accepts what the loader accepts.

    Returns:
        The schema.
    """
    made = LinkSettings.model_json_schema()
    definitions = made["$defs"]
    for model in _models(LinkSettings):
        properties = made["properties"] if model is LinkSettings else definitions[model.__name__]["properties"]
        for name, field in model.model_fields.items():
            properties[name] = _as_written(properties[name], field)
            properties[name].pop("title", None)
    definitions["MasterDataSettings"]["properties"]["create_defaults"] |= {
        "properties": {
            entity: {"type": "object", "properties": dict.fromkeys(fields, True), "additionalProperties": False}
            for entity, fields in WRITABLE.items()
        },
        "additionalProperties": False,
    }
    del made["properties"]["name"]  # the file's own name, which is not written in it
    made["required"].remove("name")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def page() -> str:
    """Write the page of all settings.

    Returns:
        Markdown.
    """
    parts = [_HEAD]
    for name, field in LinkSettings.model_fields.items():
        if field.exclude:
            continue
        parts.append(f"## `{name}`\n\n{field.description}\n\n" + "\n".join(_rows(_section(field))) + "\n")
    return "\n".join(parts)


def files() -> dict[Path, str]:
    """Write both files.

    Returns:
        What each is to hold.
    """
    return {SCHEMA_FILE: json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", PAGE_FILE: page()}


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and every section below it."""
    yield model
    for field in model.model_fields.values():
        if _is_section(field):
            yield from _models(_section(field))


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _section(field: FieldInfo) -> type[BaseModel]:
    section = field.annotation
    if not (isinstance(section, type) and issubclass(section, BaseModel)):
        raise TypeError(f"{field} is no section")
    return section


def _as_written(made: dict[str, Any], field: FieldInfo) -> dict[str, Any]:
    """Widen a field's schema by the other ways in which people may write it."""
    about = {key: made[key] for key in ("default", "description") if key in made}
    if _SHARE_MARK in field.metadata:
        return _SHARE | about
    if _MINUTES_MARK in field.metadata:
        return _MINUTES | about
    if made.get("type") == "array":
        rest = {key: value for key, value in made.items() if key not in {*about, "title"}}
        one = {**made["items"], "not": _NONE}
        return {"anyOf": [rest, one] if made.get("minItems") else [rest, one, _NONE]} | about
    return made


def _rows(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The table of a section; sections inside it are rows with a dot."""
    if not prefix:
        yield "| key | value | default | meaning |\n|---|---|---|---|"
    for name, field in section.model_fields.items():
        if _is_section(field):
            yield from _rows(_section(field), f"{prefix}{name}.")
        else:
            yield f"| `{prefix}{name}` | {_kind(field)} | {_default(field)} | {field.description} |"


def _kind(field: FieldInfo) -> str:
    """Say what may be written."""
    if _SHARE_MARK in field.metadata:
        return "share"
    if _MINUTES_MARK in field.metadata:
        return "minutes"
    text = str(field.annotation)
    if "Literal" in text:
        choices = _choices(field.annotation)
        listed_or_number = "list of " if "tuple" in text else "whole number, " if "int" in text else ""
        return listed_or_number + ", ".join(f"`{choice}`" for choice in choices)
    words = {"bool": "`true`, `false`", "int": "whole number", "Decimal": "number", "date": "date", "dict": "mapping"}
    listed = "tuple" in text
    for part, word in words.items():
        if part in text and not listed:
            return word
    return "list of texts" if listed else "text"


def _choices(annotation: Any) -> list[str]:
    """The texts of a Literal, however deep it stands."""
    found: list[str] = []
    for argument in getattr(annotation, "__args__", ()):
        found += [argument] if isinstance(argument, str) else _choices(argument)
    return found


def _default(field: FieldInfo) -> str:
    """Write a default as one writes it in the file."""
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value in (None, "", (), {}):
        return "none"
    if _SHARE_MARK in field.metadata:
        return f"{(value * 100).normalize():f} %"
    if _MINUTES_MARK in field.metadata:
        return f"{value} min"
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    values = value if isinstance(value, tuple) else (str(value).lower() if isinstance(value, bool) else value,)
    return ", ".join(f"`{one}`" for one in values)


def main() -> None:
    """Write both files."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
