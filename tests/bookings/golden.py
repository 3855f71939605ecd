"""Golden files: `<case>.in.json` (settings and invoice) with the `<case>.out.json` that must become of it.

They are rewritten only on purpose: `python -m tests.bookings.golden --rewrite`; read the difference before you keep it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from include.bookings.entry import Entry, build_entry
from tests.bookings.samples import context_of, invoice_of, settings_of

FOLDER = Path(__file__).parent / "golden"
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def cases() -> list[str]:
    """The names of all cases."""
    return sorted(path.name.removesuffix(".in.json") for path in FOLDER.glob("*.in.json"))


def produce(case: str) -> str:
    """What becomes of a case, as text of the golden file; amounts keep the digits of the body."""
    given: dict[str, Any] = json.loads((FOLDER / f"{case}.in.json").read_text(encoding="utf-8"))
    result = build_entry(invoice_of(given), settings_of(**given["settings"]), context_of(given))
    if isinstance(result, Entry):
        content: dict[str, Any] = {"body": msgspec.Raw(result.body()), "rounding": result.rounding}
    else:
        content = {"reasons": result.reasons}
    return msgspec.json.format(_ENCODER.encode(content), indent=2).decode() + "\n"


def golden(case: str) -> str:
    """What must become of a case."""
    return (FOLDER / f"{case}.out.json").read_text(encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--rewrite"]:
        sys.exit(__doc__)
    for name in cases():
        (FOLDER / f"{name}.out.json").write_text(produce(name), encoding="utf-8")
