"""A second opinion on entries, written from the specification alone: whole cents and fractions, no code of include/.

It reads the plain values of a case (`samples.py`) and says what must come out: either the reasons, or every line of the
entry to the cent. `judge` compares that with what did come out.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from include.bookings.entry import Entry
    from include.bookings.reasons import Rejected

ORDER = [
    "missing_customer_code",
    "invoice_number_not_usable",
    "missing_date",
    "no_lines",
    "incomplete_line",
    "missing_revenue_account",
    "invalid_vat_code",
    "invalid_cost_center",
    "foreign_currency",
    "fiscal_year_missing",
    "unbalanced",
    "missing_totals",
]


class Want(NamedTuple):
    account: int
    side: str
    cents: int
    vat_cents: int
    vat_id: int | None
    cost_center: int | None
    description: str | None


def half_up(value: Fraction) -> int:
    """Cents, half up, away from zero."""
    magnitude = (abs(value) * 200 + 1) // 2
    return int(magnitude if value >= 0 else -magnitude)


def words(value: Any) -> str:
    return "" if value is None else str(value).strip()


def whole(value: Any, low: int, high: int) -> int | None:
    digits = words(value)
    if not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits) if low <= int(digits) <= high else None


def rate(value: Any, settings: dict[str, Any]) -> Fraction:
    fraction = Fraction(value or "0")
    return fraction if settings["percentage_scale"] == "fraction" else fraction / 100


def expected_number(number: Any, rule: str, prefix: Any) -> int | None:
    written = words(number)
    if len(written.split()) != 1:
        return None
    if rule == "digits":
        digits = "".join(character for character in written if character in "0123456789")
    elif written.startswith(words(prefix)):
        digits = written[len(words(prefix)) :]
    else:
        return None
    return whole(digits, 1, 2147483647)


def expected(case: dict[str, Any], settings: dict[str, Any]) -> list[str] | list[Want]:
    """Say what must become of a case: codes of reasons in order, or lines."""
    header, administration = case["header"], case["administration"]
    dates = [words(header["WorkInProgressDate"])[:10], words(header["InvoiceDate"])[:10]]
    if settings["document_date"] == "invoice_date":
        dates.reverse()
    date = dates[0] or dates[1]
    lines = sorted(
        (line for line in case["lines"] if line["InvoiceLineState"] not in {"WrittenOff", "Transferred"}),
        key=lambda line: int(line["InvoiceLineId"]),
    )
    currency = words(administration["currency"]) or "EUR"
    invoice_currency = words(header["CurrencyCode"]) or words(case["company"]["CurrencyCode"]) or currency
    incomplete = [line for line in lines if None in (line["Quantity"], line["Price"], line["VatPercentage"])]
    holds = {
        "missing_customer_code": whole(header["InvoiceCustomerCompanyCustomerCode"], 1, 999999) is None,
        "invoice_number_not_usable": expected_number(
            header["InvoiceNumber"], settings["invoice_number"], case["company"]["InvoiceNumberPrefix"]
        )
        is None,
        "missing_date": not date,
        "no_lines": not lines,
        "incomplete_line": bool(incomplete),
        "missing_revenue_account": any(without_account(line) for line in lines),
        "invalid_vat_code": settings["send_vat_code"]
        and any(words(line["VatCodeCode"]) and whole(line["VatCodeCode"], 0, 2**63 - 1) is None for line in lines),
        "invalid_cost_center": settings["cost_centers_on_lines"]
        and any(
            words(line["CostCenterCode"]) and whole(line["CostCenterCode"], 1, 2**63 - 1) is None for line in lines
        ),
        "foreign_currency": invoice_currency.upper() != currency.upper(),
        "fiscal_year_missing": bool(date)
        and not any(first <= date <= last for first, last in administration["fiscal_years"]),
        "missing_totals": case["totals"] is None,
    }
    wanted = None
    if lines and not incomplete and case["totals"] is not None:
        wanted = expected_lines(case, lines, settings)
        holds["unbalanced"] = wanted is None
    reasons = [code for code in ORDER if holds.get(code)]
    return reasons or wanted or []


def without_account(line: dict[str, Any]) -> bool:
    surcharge = Fraction(line["SurchargePercentage"] or "0") != 0
    return whole(line["ItemCompanyGLAccountRevenue"], 1, 999999) is None or (
        surcharge and whole(line["SurchargeItemCompanyGLAccountRevenue"], 1, 999999) is None
    )


def exact(line: dict[str, Any]) -> Fraction:
    return Fraction(line["Quantity"]) * Fraction(line["Price"]) + Fraction(line["IrregularityAmount"] or "0")


def expected_lines(case: dict[str, Any], lines: list[dict[str, Any]], settings: dict[str, Any]) -> list[Want] | None:
    """Compute the lines; None when the difference with QMS's totals is no rounding."""
    computed: list[tuple[Any, int, list[dict[str, Any]], str]] = []
    for position, line in enumerate(lines):
        vat_code = whole(line["VatCodeCode"], 0, 2**63 - 1) if settings["send_vat_code"] else None
        center = whole(line["CostCenterCode"], 1, 2**63 - 1) if settings["cost_centers_on_lines"] else None
        account = whole(line["ItemCompanyGLAccountRevenue"], 1, 999999)
        single = position if settings["lines"] == "single" else None
        key = ("line", account, rate(line["VatPercentage"], settings), vat_code, center, single)
        gather(computed, key, half_up(exact(line)), line)
    for line in lines:
        surcharge = rate(line["SurchargePercentage"], settings)
        if surcharge != 0:
            vat_code = whole(line["VatCodeCode"], 0, 2**63 - 1) if settings["send_vat_code"] else None
            account = whole(line["SurchargeItemCompanyGLAccountRevenue"], 1, 999999)
            key = ("surcharge", account, rate(line["VatPercentage"], settings), vat_code, None, None)
            gather(computed, key, half_up(surcharge * exact(line)), line)
    nets = [cents for _, cents, _, _ in computed]
    vats = [half_up(key[2] * Fraction(cents, 100)) for key, cents, _, _ in computed]
    taxed = [index for index, (key, _, _, _) in enumerate(computed) if key[2] != 0]
    net_total = half_up(Fraction(case["totals"]["AmountWithoutVat"]))
    vat_total = half_up(Fraction(case["totals"]["VatAmount"]))
    if not (round_off(nets, net_total, list(range(len(nets)))) and round_off(vats, vat_total, taxed)):
        return None
    text = words(case["header"]["InvoiceText"]) or words(case["header"]["InvoiceNumber"])
    customer = whole(case["header"]["InvoiceCustomerCompanyCustomerCode"], 1, 999999) or 0
    wanted = [Want(customer, "debit", net_total + vat_total, 0, None, None, text[:255] or None)]
    for (kind, account, _, vat_code, center, _), net, vat, group in zip(
        [key for key, _, _, _ in computed], nets, vats, [group for _, _, group, _ in computed], strict=True
    ):
        if kind == "line" and settings["lines"] == "single":
            description = words(group[0]["Description"])
        else:
            names: list[str] = []
            for line in group:
                if words(line["ItemName"]) and words(line["ItemName"]) not in names:
                    names.append(words(line["ItemName"]))
            description = ", ".join(names)
        wanted.append(Want(account or 0, "credit", net, vat, vat_code, center, description[:255] or None))
    return [turned(line, settings) for line in wanted]


def gather(computed: list[Any], key: Any, cents: int, line: dict[str, Any]) -> None:
    for index, (other, sum_of_cents, group, _) in enumerate(computed):
        if other == key:
            computed[index] = (key, sum_of_cents + cents, [*group, line], "")
            return
    computed.append((key, cents, [line], ""))


def round_off(cents: list[int], total: int, eligible: list[int]) -> bool:
    """Give the largest their cent, one at a time; False when there are more cents than lines."""
    difference = total - sum(cents)
    if abs(difference) > len(eligible):
        return False
    sizes = [abs(value) for value in cents]
    left = list(eligible)
    for _ in range(abs(difference)):
        largest = max(left, key=lambda index: (sizes[index], -index))
        left.remove(largest)
        cents[largest] += 1 if difference > 0 else -1
    return True


def turned(line: Want, settings: dict[str, Any]) -> Want:
    if settings["negative_amounts"] == "signed" or line.cents > 0 or (line.cents == 0 and line.vat_cents >= 0):
        return line
    side = "credit" if line.side == "debit" else "debit"
    return line._replace(side=side, cents=-line.cents, vat_cents=-line.vat_cents)


def sent_lines(body: bytes) -> list[Want]:
    """Read a body back, amounts from their JSON text; a text without exactly two decimals is an error."""

    def cents(text: str) -> int:
        whole_part, _, decimals = text.partition(".")
        if len(decimals) != 2:
            raise ValueError(f"amount {text} has not two decimals")
        return int(whole_part + decimals)

    lines = []
    for line in json.loads(body, parse_float=cents):
        (side,) = {"debit", "credit"} & set(line)
        lines.append(
            Want(
                account=int(line["account"]["id"]),
                side=side,
                cents=line[side],
                vat_cents=line["vat"]["amount"],
                vat_id=line["vat"].get("id"),
                cost_center=line.get("cost_center", {}).get("id"),
                description=line.get("description"),
            )
        )
    return lines


def balance_of(lines: list[Want]) -> int:
    """Debit less credit, in cents; 0 is balanced."""
    return sum((line.cents + line.vat_cents) * (1 if line.side == "debit" else -1) for line in lines)


def judge(case: dict[str, Any], settings: dict[str, Any], result: Entry | Rejected) -> str | None:
    """Say what is wrong with a result; None when nothing is."""
    wanted = expected(case, settings)
    reasons = getattr(result, "reasons", None)
    if reasons is not None:
        codes = list(dict.fromkeys(reason.code for reason in reasons))
        return None if codes == wanted else f"rejected for {codes}, wanted {wanted}"
    lines = sent_lines(result.body())  # type: ignore[union-attr]
    if balance_of(lines):
        return f"out of balance by {balance_of(lines)} cents: {lines}"
    return None if lines == wanted else f"sent {lines}, wanted {wanted}"
