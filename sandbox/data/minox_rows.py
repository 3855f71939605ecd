"""Minox's side of the made-up data."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.data import names

if TYPE_CHECKING:
    from random import Random

    from sandbox.common.config import Row

TENANT_ID = 123456
FIRST_CUSTOMER = 10001

_OUTPUT = "Af te dragen (1a, 1b)"


def administration() -> Row:
    """Make the administration's own row; its fiscal years are 2025 and 2026, and there is no 2027.

    Returns:
        The contract's Administration.
    """
    years = [
        {"fiscal_year": year, "number_of_periods": 12, "start_date": f"{year}-01-01", "end_date": f"{year}-12-31"}
        for year in (2025, 2026)
    ]
    rounding = {"id": "4990", "scheme": "MINOX", "type": "ledger_account", "description": "Betalingsverschillen"}
    return {
        "id": 1,
        "name": "Van Dijk Consultancy",
        "chamber_of_commerce": "30112233",
        "country_code": "NL",
        "number_of_periods": 12,
        "vat_on_sub": False,
        "currency": {"id": "EUR", "exchange_rate": 1, "description": "Euro"},
        "fiscal_years": years,
        "ledger_accounts": {"transaction_rounding": rounding},
    }


def master_data() -> Row:
    """Make everything but items and customers.

    Returns:
        Rows by entity.
    """
    return {
        "vat": _vat(),
        "cost_center": [
            {"id": number, "description": f"Afdeling {name}"}
            for number, name in (
                (110, "Advies"),
                (120, "Ontwikkeling"),
                (130, "Training"),
                (140, "Redactie"),
                (150, "Ontwerp"),
                (160, "Verkoop"),
                (170, "Bedrijfsbureau"),
                (900000000000123, "Projecten buitenland"),
            )
        ],
        "payment_term": _payment_terms(),
        "item_group": _item_groups(),
        "ledger_account": _ledger_accounts(),
        "journal": _journals(),
        "item": [],
        "customer": [],
        "receivable": [],
        "closed_until": "2025-06-30",
    }


def _vat() -> list[Row]:
    rows = (
        (1, "BTW hoog 21%", 21, _OUTPUT, "1500"),
        (2, "BTW laag 9%", 9, _OUTPUT, "1501"),
        (3, "BTW nul 0%", 0, _OUTPUT, None),
        (5, "BTW verlegd binnenland", 0, "Verlegd binnenland - levering (1e)", "1505"),
        (6, "Levering buiten de EU", 0, "Verlegd buiten EU - levering (3a)", None),
        (7, "Levering binnen de EU", 0, "Verlegd binnen EU - levering (3b)", None),
        (8, "Diensten binnen de EU", 0, "Diensten binnen de EU (ICP)", None),
        (11, "Voorbelasting 21%", Decimal("21.00"), "Te vorderen (5b)", "1510"),
    )
    return [
        {"id": key, "description": text, "percentage": percentage, "type": kind, "account_id": account}
        for key, text, percentage, kind, account in rows
    ]


def _payment_terms() -> list[Row]:
    return [
        {"id": 30, "description": "30 dagen netto", "days": 30, "mandate": "", "start": "directly"},
        {"id": 14, "description": "14 dagen netto", "days": 14, "mandate": None, "start": "directly"},
        {"id": 8, "description": "8 dagen", "days": 8, "mandate": "  "},
        {"id": 60, "description": "60 dagen einde maand", "days": 60, "start": "end_of_month"},
        {"id": 15, "description": "Automatische incasso", "days": 14, "mandate": "SEPA CORE", "start": "directly"},
        {"id": 1, "description": "Contant", "days": 0, "terms": {"type": "none", "days": 0, "percentage": 0}},
    ]


def _item_groups() -> list[Row]:
    rows = (
        (10, "Uren advies", 8000),
        (20, "Reiskosten", 8060),
        (30, "Uren ontwikkeling", 8010),
        (40, "Materialen", 8070),
    )
    groups: list[Row] = [
        {
            "id": key,
            "description": text,
            "ledger_accounts": {
                "sales_revenue_nl": {"id": account},
                "sales_revenue_eu": {"id": 8100},
                "sales_revenue_non_eu": {"id": 8200},
                "sales_revenue_shifted": {"id": 8300},
            },
        }
        for key, text, account in rows
    ]
    groups.append({"id": 50, "description": "Abonnementen", "ledger_accounts": {"sales_revenue_nl": {"id": "8020"}}})
    groups.append({"id": 60, "description": "Zonder omzetrekening", "ledger_accounts": {"sales_revenue_nl": None}})
    return groups


def _ledger_accounts() -> list[Row]:
    rows = (
        (1100, "Bank", None),
        (1300, "Debiteuren", None),
        (1500, "Af te dragen btw hoog", None),
        (1501, "Af te dragen btw laag", None),
        (1505, "Btw verlegd", None),
        (1510, "Voorbelasting", None),
        (1600, "Crediteuren", None),
        (4000, "Kantoorkosten", 11),
        (4990, "Betalingsverschillen", None),
        (8000, "Omzet advies hoog tarief", 1),
        (8010, "Omzet ontwikkeling", 1),
        (8020, "Omzet abonnementen", 1),
        (8060, "Doorbelaste reiskosten", 1),
        (8070, "Omzet materialen", 2),
        (8080, "Omzet toeslagen", 1),
        (8100, "Omzet binnen de EU", 7),
        (8200, "Omzet buiten de EU", 6),
        (8300, "Omzet btw verlegd", 5),
        (8900, "Oude omzetrekening", 1),
    )
    return [
        {
            "id": key,
            "description": text,
            "vat": None if vat is None else {"id": vat},
            "allow_free_vat_input": key >= 8000,  # noqa: PLR2004 - one of the numbers made here
            "debit_credit_suggestion": "credit" if key >= 8000 else "debet",  # noqa: PLR2004 - one of the numbers made here
            "blocked": {"active": text.startswith("Oude"), "reason": ""},
        }
        for key, text, vat in rows
    ]


def _journals() -> list[Row]:
    return [
        {
            "id": "VRK",
            "description": "Verkoopboek",
            "type": "sales",
            "ledger_account_id": 1300,
            "allow_linking_of_documents": True,
            "next_invoice_number": 20260001,
            "currency": {"id": "EUR"},
        },
        {
            "id": "INK",
            "description": "Inkoopboek",
            "type": "purchase",
            "ledger_account_id": 1600,
            "allow_linking_of_documents": True,
        },
        {
            "id": "BANK",
            "description": "Bankboek",
            "type": "bank",
            "ledger_account_id": 1100,
            "allow_linking_of_documents": False,
        },
        {
            "id": "MEMO",
            "description": "Memoriaal",
            "type": "general",
            "ledger_account_id": None,
            "allow_linking_of_documents": False,
        },
    ]


def items(rng: Random, count: int) -> list[Row]:
    """Make items: two in three are hours.

    Args:
        rng: The source of chance.
        count: How many.

    Returns:
        The contract's Item rows.
    """
    rows: list[Row] = []
    for place in range(count):
        hours = place % 3 != 2  # noqa: PLR2004 - one of the numbers made here
        what = rng.choice(names.HOUR_WORK) if hours else rng.choice(names.EXPENSES)
        group = rng.choice((10, 30)) if hours else rng.choice((20, 40, 50))
        rows.append(
            {
                "id": f"{'UUR' if hours else 'KST'}-{place:05d}",
                "description": f"{rng.choice(names.ROLES)} {what}" if hours else f"{what} {place}",
                "item_group": {"id": group},
                "vat": {"id": 2 if group == 40 else 1},  # noqa: PLR2004 - one of the numbers made here
                "unit_packaging": "uur" if hours else rng.choice(("km", "stuk", "maand")),
                "blocked": False,
                "price": Decimal(rng.randint(80, 180)) if hours else Decimal(rng.randint(23, 9900)) / 100,
            }
        )
    return rows


def special_items(rows: list[Row]) -> None:
    """Give the first items of a list the forms that real data has.

    Args:
        rows: At least 14 items, changed in place.
    """
    group = {name: value for name, value in rows[2].items() if name != "item_group"} | {"item_group_id": 20}
    rows[2] = group | {"id": "0042", "description": "Reiskosten"}
    changes: dict[int, Row] = {
        0: {
            "id": "ADV-SR",
            "description": "Senior adviesuren",
            "item_group": {"id": 10, "value": "Uren advies"},
            "price": 145,
        },
        1: {"id": "0007", "unit_packaging": " Uur "},
        3: {"unit_packaging": "UUR"},
        4: {"blocked": True},
        5: {"blocked": None},
        6: {"item_group": {"id": 60}, "description": "Uren zonder omzetrekening"},
        7: {"item_group": None},
        8: {"vat": None, "unit_packaging": 1},
        9: {"vat": {"id": "77"}, "description": "Uren met een onbekende btw-code"},
        10: {"description": "  "},
        11: {"unit_packaging": None},
        12: {"description": "Workshop «Ἀρχή», dagdeel 🎓"},
        13: {"vat": {"id": 5, "description": "BTW verlegd binnenland"}},
    }
    for place, change in changes.items():
        rows[place] |= change


def customers(rng: Random, count: int) -> list[Row]:
    """Make customers, numbered from `FIRST_CUSTOMER`; every third has a street address as well.

    Args:
        rng: The source of chance.
        count: How many.

    Returns:
        The contract's Customer rows.
    """
    return [_customer(rng, FIRST_CUSTOMER + place, both=place % 3 == 0) for place in range(count)]


def _customer(rng: Random, number: int, *, both: bool) -> Row:
    name = names.company(rng)
    postal = _address(rng, "postal", name, f"administratie{number}@klant.example")
    street = _address(rng, "street", name, f"receptie{number}@klant.example")
    return {
        "id": number,
        "addresses": [postal, street] if both else [postal],
        "payment_term": {"id": rng.choice((30, 30, 30, 14, 8, 15))},
        "blocked": {"active": False, "reason": ""},
        "chamber_of_commerce": f"{rng.randint(10_000_000, 99_999_999)}",
        "language": "NL",
        "currency": {"id": "EUR", "exchange_rate": 1, "description": "Euro"},
    }


def _address(rng: Random, kind: str, name: str, email: str) -> Row:
    city, area = rng.choice(names.CITIES)
    letters = "".join(rng.choice("ABCDEGHJKLMNPRSTVWXZ") for _ in range(2))
    street = (
        f"Postbus {rng.randint(1, 900)}" if kind == "postal" else f"{rng.choice(names.STREETS)} {rng.randint(1, 250)}"
    )
    return {
        "address_type": kind,
        "name": name,
        "contact_name": names.person(rng),
        "streetname_and_number": street,
        "postal_code": f"{area}{rng.randint(10, 99)} {letters}",
        "city": city,
        "country_code": "NL",
        "phone_numbers": [
            {"phone_number_type": "phone", "phone_number": f"0{rng.randint(10, 79)}-{rng.randint(1000000, 9999999)}"}
        ],
        "email_addresses": [{"email_address_type": "default", "email_address": email}],
    }


SPECIAL_CUSTOMERS = 30
"""So many customers at the head of the demo's list may have a special form; invoices use the others."""


def special_customers(rows: list[Row]) -> None:
    """Give the first customers of a list the forms that real data has.

    Args:
        rows: At least `SPECIAL_CUSTOMERS` customers, changed in place.
    """
    changes: dict[int, Row] = {
        0: {"blocked": None, "payment_term": {"id": "30", "description": "30 dagen netto", "days": 30}},
        5: {"blocked": {"active": True, "reason": "Betaalt niet"}},
        6: {"blocked": True},
        7: {"blocked": False},
        8: {"blocked": {"active": None}},
        16: {"payment_term": {"id": 99}},
        19: {"addresses": None},
        22: {"payment_term": None},
        24: {"chamber_of_commerce": "", "language": None},
        25: {"payment_term": {"id": None}},
        26: {"loyalty": {"level": 3}, "vat": {"active": True, "vat_registration_number": "NL001234567B01"}},
        29: {"id": 999999},
    }
    for place, change in changes.items():
        rows[place] |= change
    for place, name in {
        13: "Żółty Świat Sp. z o.o.",
        14: "株式会社みどり",
        15: "Café 't Hörnchen 🎉",
        17: "",
        18: "   ",
        20: None,
        23: "  Bakkerij De Korenaar  ",
    }.items():
        for address in rows[place]["addresses"]:
            address["name"] = name
    rows[11]["addresses"] = [rows[9]["addresses"][1] | {"name": rows[11]["addresses"][0]["name"]}]
    rows[12]["addresses"][0]["streetname_and_number"] = " "
    rows[12]["addresses"][0]["address_type"] = "Postal"
    blank = [{"email_address_type": "default", "email_address": text} for text in ("", "  ", None)]
    rows[15]["addresses"][0]["email_addresses"] = blank + rows[15]["addresses"][0]["email_addresses"]
    rows[27]["addresses"][0] |= {"phone_numbers": None, "email_addresses": []}
