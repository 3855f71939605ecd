"""Edits of raw rows, as users make them in a system's own screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.common.controls import ControlError

if TYPE_CHECKING:
    from sandbox.common.config import Row


def apply_edit(rows: list[Row], key: str, change: dict[str, Any]) -> list[tuple[str, Row]]:
    """Change a list of raw rows in place; nothing is checked, and keys are compared as text.

    Args:
        rows: The rows.
        key: The name of their key field.
        change: `delete` (keys), `replace` (whole rows, put in the place of those with the same key), `update` (fields
            laid over the rows with the same key; they hold the key too) and `add` (rows, put behind the others whatever
            their key), each optional and done in this order.

    Returns:
        What was done, per row: the verb and the row as it is now (as it was, when deleted).

    Raises:
        ControlError: When a key is not there.
    """
    done: list[tuple[str, Row]] = []
    for wanted in change.get("delete", []):
        done += [("delete", rows.pop(place)) for place in reversed(_places(rows, key, wanted))]
    for verb in ("replace", "update"):
        for new in change.get(verb, []):
            for place in _places(rows, key, new.get(key)):
                rows[place] = dict(new) if verb == "replace" else rows[place] | new
                done.append((verb, rows[place]))
    rows += change.get("add", [])
    done += [("add", row) for row in change.get("add", [])]
    return done


def _places(rows: list[Row], key: str, wanted: Any) -> list[int]:
    found = [place for place, row in enumerate(rows) if str(row.get(key)) == str(wanted)]
    if not found:
        raise ControlError(f"There is no row with {key} {wanted}")
    return found
