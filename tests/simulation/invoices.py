"""Invoices of QMS as the simulation makes them: plain rows in the contract's form, with every version they ever had."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from tests.bookings import oracle
from tests.simulation.minox_model import YEARS

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.qms_model import QmsModel

CENT = Decimal("0.01")
HUNDRED = Decimal(100)
KINDS = (
    *["good"] * 16,
    *["credit note", "surcharge", "odd cents"] * 2,
    *["no debtor", "unknown debtor", "no account", "unknown account", "no number", "same number", "unbalanced"],
    *["incomplete", "foreign", "no fiscal year", "written off", "closed period", "other company"],
)


@dataclass
class Version:
    """An invoice as it was from one moment on."""

    micros: int
    header: dict[str, Any]
    totals: dict[str, Any]
    lines: list[dict[str, Any]]

    @property
    def customer(self) -> str:
        """Code of the debtor."""
        return str(self.header["InvoiceCustomerCompanyCustomerCode"] or "")

    @property
    def number(self) -> int | None:
        """Minox's number, as the oracle reads it."""
        return oracle.expected_number(self.header["InvoiceNumber"], "digits", "F")

    @property
    def is_written_off(self) -> bool:
        """Written off completely, as the specification says it."""
        is_zero = Decimal(self.totals["VatAmount"]) + Decimal(self.totals["AmountWithoutVat"]) == 0
        all_out = bool(self.lines) and all(line["InvoiceLineState"] == "WrittenOff" for line in self.lines)
        return is_zero and (all_out or " " in str(self.header["InvoiceNumber"]).strip())

    def expected(self, settings: dict[str, Any]) -> list[str] | list[oracle.Want]:
        """What must become of it, by the oracle: reasons, or lines."""
        case = {
            "header": self.header,
            "totals": self.totals,
            "lines": self.lines,
            "company": {"CompanyId": "3", "CurrencyCode": "EUR", "InvoiceNumberPrefix": "F"},
            "administration": {"currency": "EUR", "fiscal_years": [list(year) for year in YEARS]},
        }
        return oracle.expected(case, settings)


@dataclass
class SimulatedInvoice:
    """An invoice, and what people did with it."""

    key: int
    kind: str
    versions: list[Version] = field(default_factory=list)

    @property
    def last(self) -> Version:
        """As it is now."""
        return self.versions[-1]

    def lay_down(self, qms: QmsModel, version: Version) -> None:
        """Give it a new version in QMS."""
        for line in self.last.lines if self.versions else ():
            qms.rows["OverviewInvoiceLine"].pop(int(line["InvoiceLineId"]), None)
        self.versions.append(version)
        qms.put("OverviewInvoice", version.header)
        qms.put("Invoice", version.totals)
        for line in version.lines:
            qms.put("OverviewInvoiceLine", line)


def make(random: Random, key: int, micros: int, kind: str, taken: str | None) -> SimulatedInvoice:
    """Make an invoice of a kind.

    Args:
        random: The schedule's.
        key: InvoiceHeaderId.
        micros: When.
        kind: One of `KINDS`.
        taken: A number that another invoice has, for `same number`.
    """
    lines = [_line(random, key, place, kind) for place in range(random.randint(1, 3))]
    header: dict[str, Any] = {
        "InvoiceHeaderId": str(key),
        "CompanyId": "4" if kind == "other company" else "3",
        "InvoiceNumber": f"F2026-{key:04d}",
        "InvoiceHeaderState": random.choice(("Processed", "Sent")),
        "InvoiceDate": "2026-03-01T00:00:00",
        "WorkInProgressDate": f"2026-02-{random.randint(10, 28)}T00:00:00",
        "InvoiceCustomerCompanyCustomerCode": str(random.choice((10001, 10002, 10003))),
        "InvoiceText": random.choice(("", "Advies", "Ünïcode ✓")),
        "CurrencyCode": "EUR",
    }
    odd: dict[str, dict[str, Any]] = {
        "no debtor": {"InvoiceCustomerCompanyCustomerCode": None},
        "unknown debtor": {"InvoiceCustomerCompanyCustomerCode": "10099"},
        "no number": {"InvoiceNumber": "ZONDER"},
        "same number": {"InvoiceNumber": taken or f"F2026-{key:04d}"},
        "foreign": {"CurrencyCode": "USD"},
        "no fiscal year": {"WorkInProgressDate": "2031-01-05T00:00:00"},
        "closed period": {"WorkInProgressDate": "2025-06-05T00:00:00"},
    }
    header |= odd.get(kind, {})
    if kind == "no account":
        lines[0]["ItemCompanyGLAccountRevenue"] = None
    if kind == "unknown account":
        lines[0]["ItemCompanyGLAccountRevenue"] = "8999"
    if kind == "incomplete":
        lines[0]["Price"] = None
    made = SimulatedInvoice(key, kind)
    version = Version(micros, header, {}, lines)
    version.totals = totals_of(version, Decimal("7.77") if kind == "unbalanced" else Decimal(0))
    if kind == "written off":
        write_off(version)
    made.versions.append(version)
    return made


def _line(random: Random, key: int, place: int, kind: str) -> dict[str, Any]:
    sign = -1 if kind == "credit note" else 1
    price = Decimal(random.randint(100, 99_999)) / 100 if kind == "odd cents" else Decimal(random.randint(1, 900))
    quantity = Decimal(random.randint(1, 333)) / 3 if kind == "odd cents" else Decimal(random.randint(1, 8))
    return {
        "InvoiceLineId": str(key * 100 + place),
        "InvoiceHeaderId": str(key),
        "InvoiceLineState": "Invoiced",
        "ItemName": random.choice(("Uren", "Reiskosten")),
        "ItemCompanyGLAccountRevenue": random.choice(("8000", "8010")),
        "Quantity": f"{sign * quantity:.4f}",
        "Price": f"{price:.2f}",
        "IrregularityAmount": None,
        "Description": f"Regel {place}",
        "VatPercentage": random.choice(("21.00", "9.00", "0.00")),
        "VatCodeCode": "1",
        "CostCenterCode": None,
        "SurchargePercentage": "10.00" if kind == "surcharge" else None,
        "SurchargeItemCompanyGLAccountRevenue": "8080" if kind == "surcharge" else None,
    }


def totals_of(version: Version, extra: Decimal = Decimal(0)) -> dict[str, Any]:
    """QMS's own totals of the lines that count, summed exactly and rounded once."""
    net = vat = Decimal(0)
    for line in version.lines:
        if line["InvoiceLineState"] == "WrittenOff" or None in (line["Quantity"], line["Price"]):
            continue
        amount = Decimal(line["Quantity"]) * Decimal(line["Price"])
        amount += amount * Decimal(line["SurchargePercentage"] or 0) / HUNDRED
        net += amount
        vat += amount * Decimal(line["VatPercentage"]) / HUNDRED
    return {
        "InvoiceHeaderId": version.header["InvoiceHeaderId"],
        "CompanyId": version.header["CompanyId"],
        "AmountWithoutVat": f"{(net + extra).quantize(CENT, ROUND_HALF_UP)}",
        "VatAmount": f"{vat.quantize(CENT, ROUND_HALF_UP)}",
    }


def write_off(version: Version) -> None:
    """Write all lines off."""
    for line in version.lines:
        line["InvoiceLineState"] = "WrittenOff"
    version.totals = totals_of(version)


def copy_of(version: Version, micros: int) -> Version:
    """The same version at a later moment, to be changed."""
    return Version(micros, dict(version.header), dict(version.totals), copy.deepcopy(version.lines))
