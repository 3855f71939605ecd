"""From QMS's invoice number, a text, to Minox's, an integer (specification, section 3, "Invoice number")."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from include.wire.text import text

NumberRule: TypeAlias = Literal["digits", "strip_prefix"]

LARGEST = 2_147_483_647
_DIGITS = re.compile(r"[0-9]+")


def invoice_number(number: str | float | None, rule: NumberRule, prefix: str | float | None = None) -> int | None:
    """Derive Minox's invoice number.

    Args:
        number: InvoiceNumber as QMS writes it, e.g. `F2024-0012`; trimmed first.
        rule: The setting `invoice_number`. `digits`: all digits of the number, in order. `strip_prefix`: what is left
            after the prefix, which must be there, and only digits may be left.
        prefix: The company's InvoiceNumberPrefix; blank is no prefix.

    Returns:
        An integer of 1 to 2,147,483,647; None when the number is not usable: empty, with white space inside
        ("Afgeboekte factuur: 1234"), without digits, with digits other than 0-9 (to leave them out would make it
        another number), against the rule, or outside that range.
    """
    written = text(number)
    if written is None or any(character.isspace() for character in written):
        return None
    if any(character.isdigit() and not character.isascii() for character in written):
        return None
    if rule == "strip_prefix":
        lead = text(prefix) or ""
        rest = written.removeprefix(lead)
        digits = rest if written.startswith(lead) and _DIGITS.fullmatch(rest) else ""
    else:
        digits = "".join(_DIGITS.findall(written))
    digits = digits.lstrip("0")
    if not digits or len(digits) > len(str(LARGEST)):
        return None
    value = int(digits)
    return value if value <= LARGEST else None
