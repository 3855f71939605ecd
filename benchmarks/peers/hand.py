"""What both peers share: signing in, the mapping, the writes, and what they remember; an afternoon's work by hand.

Each system is talked to over one session with its connections kept open, and `WRITERS` writes are under way at once.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import requests
import sqlalchemy as sa
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

Row = dict[str, Any]

WRITERS = 4
CHUNK = 500
TIMEOUT = 60
CENT = Decimal("0.01")
TENANT, ADMINISTRATION, COMPANY, JOURNAL = 123456, 1, 3, "VRK"
MINOX = f"/api/1/tenant/{TENANT}/administration/{ADMINISTRATION}"
QMS = "/api/V3/odata"
STATES = "(InvoiceHeaderState eq 'Processed' or InvoiceHeaderState eq 'Sent')"
LOGINS = {
    "minox": ("/oauth/token", "qics-connector"),
    "qms": ("/api/oauth2/oauth2/token", "qms-connector"),
}


class Api:
    """A signed-in session with one system.

    Args:
        system: `minox` or `qms`.
        url: Its address.
        directory: Where the refresh token for the next run is kept.
    """

    def __init__(self, system: str, url: str, directory: Path) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.mount("http://", HTTPAdapter(pool_maxsize=WRITERS))
        self.session.trust_env = False  # no proxy stands before loopback
        file = directory / f"{system}.token"
        path, client = LOGINS[system]
        spent = file.read_text() if file.exists() else f"sandbox-{system}-refresh"
        login = {"client_id": client, "client_secret": "geheim"}
        form = {"grant_type": "refresh_token", "refresh_token": spent}
        answer = self.session.post(url + path, data=form | login, timeout=TIMEOUT)
        answer.raise_for_status()
        file.write_text(answer.json()["refresh_token"])
        self.token: str = answer.json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {self.token}"

    def send(self, method: str, path: str, body: Any = None, params: Mapping[str, str] | None = None) -> Any:
        """Send one request; returns the JSON of the answer, None without."""
        url = path if path.startswith("http") else self.url + path
        answer = self.session.request(method, url, json=body, params=params, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def minox_list(self, name: str) -> Iterator[Row]:
        """Read a list of Minox to its end."""
        cursor: str | None = None
        while True:
            page = self.send("GET", f"{MINOX}/{name}", params={"next": cursor} if cursor else None)
            yield from page["collection"]
            cursor = page["links"]["next"]
            if not cursor:
                return

    def qms_list(self, name: str, condition: str) -> Iterator[Row]:
        """Read a list of QMS to its end."""
        page = self.send("GET", f"{QMS}/{name}", params={"$filter": condition})
        while True:
            yield from page["value"]
            if not page.get("odata.nextLink"):
                return
            page = self.send("GET", page["odata.nextLink"])


# -- master data -------------------------------------------------------------------------------------------------------

References = dict[str, dict[str, Any]]


def vat_code(row: Row, _: References) -> Row:
    """Minox's vat as QMS's VatCode."""
    return {
        "Code": str(row["id"]),
        "Name": row["description"],
        "Percentage": str(row["percentage"]),
        "ReverseCharge": "verlegd" in (row["type"] or "").lower(),
    }


def cost_center(row: Row, _: References) -> Row:
    """Minox's cost_center as QMS's CostCenter."""
    return {"Code": str(row["id"]), "Name": row["description"]}


def payment_term(row: Row, _: References) -> Row:
    """Minox's payment_term as QMS's PaymentCondition."""
    mandate = (row.get("mandate") or "").strip()
    return {
        "Code": str(row["id"]),
        "Name": row["description"],
        "Description": row["description"],
        "PaymentTerm": row["days"],
        "PaymentConditionType": "DirectDebit" if mandate else "Credit",
    }


def item(row: Row, references: References) -> Row:
    """Minox's item as QMS's ItemCompany."""
    vat, group = row.get("vat") or {}, row.get("item_group") or {}
    return {
        "IsActive": not row["blocked"],
        "ItemCode": row["id"],
        "Name": row["description"],
        "ItemType": "Hours" if row["unit_packaging"] == "uur" else "Expenses",
        "AllowTimeEntry": True,
        "WillBeInvoiced": True,
        "VatCodeId": references["VatCode"].get(str(vat.get("id"))),
        "GLAccountRevenue": references["revenue"].get(str(group.get("id"))),
    }


def customer(row: Row, references: References) -> Row:
    """Minox's customer as QMS's CustomerCompany."""
    addresses = row["addresses"]
    postal: Row = next((one for one in addresses if one["address_type"] == "postal"), {})
    street: Row = next((one for one in addresses if one["address_type"] == "street"), {})
    visit = street if street.get("streetname_and_number") else postal
    blocked = row.get("blocked") or {}
    term = row.get("payment_term") or {}
    values = {
        "IsActive": not (blocked.get("active") if isinstance(blocked, dict) else blocked),
        "CustomerCode": str(row["id"]),
        "Identification": row.get("chamber_of_commerce"),
        "PaymentConditionId": references["PaymentCondition"].get(str(term.get("id"))),
        "Name": postal.get("name"),
        "ContactPersonName": postal.get("contact_name"),
        "SendInvoiceTo": _first(postal, "email_addresses", "email_address"),
        "SendInvoiceRecipientName": postal.get("contact_name"),
        "InvoiceAddressSameAsVisitAddress": bool(street.get("streetname_and_number")),
    }
    for prefix, address in (("VisitAddress", visit), ("InvoiceAddress", postal)):
        values |= {
            f"{prefix}ContactPerson": address.get("contact_name"),
            f"{prefix}Address1": address.get("streetname_and_number"),
            f"{prefix}CountryCode": address.get("country_code"),
            f"{prefix}Country": address.get("country_code"),
            f"{prefix}EmailAddress": _first(address, "email_addresses", "email_address"),
            f"{prefix}ZipCode": address.get("postal_code"),
            f"{prefix}PhoneNumber": _first(address, "phone_numbers", "phone_number"),
        }
    return values


def _revenue(group: Row) -> str | None:
    account = ((group.get("ledger_accounts") or {}).get("sales_revenue_nl") or {}).get("id")
    return None if account is None else str(account)


def _first(address: Row, many: str, one: str) -> str | None:
    return next((each[one] for each in address.get(many) or [] if each[one]), None)


MASTER_DATA: dict[str, tuple[str, str, Row, Callable[[Row, References], Row]]] = {
    "vat": ("VatCode", "Code", {"IsDefault": False}, vat_code),
    "payment_term": ("PaymentCondition", "Code", {}, payment_term),
    "cost_center": ("CostCenter", "Code", {}, cost_center),
    "item": ("ItemCompany", "ItemCode", {"AllowPriceModifications": False}, item),
    "customer": ("CustomerCompany", "CustomerCode", {"CustomerType": "Customer"}, customer),
}
"""Per list of Minox: the entity of QMS, its code, what a new row needs besides, and the mapping."""


def load_master_data(qms: Api, database: sa.Engine, lists: Mapping[str, Callable[[], Iterable[Row]]]) -> None:
    """Write to QMS what is new or differs from what was written last.

    Args:
        qms: The session.
        database: Where what was written is remembered.
        lists: Per list of Minox its rows, which are read when it is their turn; `item_group` too.
    """
    references: References = {"revenue": {str(row["id"]): _revenue(row) for row in lists["item_group"]()}}
    for name, (entity, code_field, defaults, mapped) in MASTER_DATA.items():
        wanted = {values[code_field]: values for values in (mapped(row, references) for row in lists[name]())}
        known = _remembered(database, entity)
        rows: dict[str, Row] = {}
        if any(known.get(code, (0, None))[1] != values for code, values in wanted.items()):
            found = qms.qms_list(entity, f"CompanyId eq {COMPANY}L")
            rows = {row[code_field]: row for row in found}
        changed = {code: values for code, values in wanted.items() if known.get(code, (0, None))[1] != values}
        keys = _write(qms, entity, changed, rows, defaults)
        _remember(database, entity, {code: (keys[code], changed[code]) for code in changed})
        references[entity] = {code: key for code, (key, _) in known.items()} | keys


def _write(qms: Api, entity: str, changed: dict[str, Row], rows: dict[str, Row], defaults: Row) -> dict[str, int]:
    """Create or update rows of QMS; returns the key of each by its code."""
    key_field = f"{entity}Id"

    def one(code: str) -> int:
        values, row = changed[code], rows.get(code)
        if row is None:
            made = qms.send("POST", f"{QMS}/{entity}", {**defaults, **values, "CompanyId": COMPANY})
            return int(made[key_field])
        key = int(row[key_field])
        if any(row.get(field) != value for field, value in values.items()):
            qms.send("PUT", f"{QMS}/{entity}({key})", row | values)
        return key

    with ThreadPoolExecutor(WRITERS) as pool:
        return dict(zip(changed, pool.map(one, changed), strict=True))


def _remembered(database: sa.Engine, entity: str) -> dict[str, tuple[int, Row]]:
    """What was written last, by code: the key in QMS and the values."""
    with database.begin() as connection:
        connection.execute(
            sa.text('CREATE TABLE IF NOT EXISTS written (entity text, code text, key bigint, "values" text)')
        )
        connection.execute(sa.text("CREATE UNIQUE INDEX IF NOT EXISTS one_written ON written (entity, code)"))
        query = sa.text('SELECT code, key, "values" FROM written WHERE entity = :entity')
        return {code: (key, json.loads(values)) for code, key, values in connection.execute(query, {"entity": entity})}


def _remember(database: sa.Engine, entity: str, written: dict[str, tuple[int, Row]]) -> None:
    if not written:
        return
    with database.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO written VALUES (:entity, :code, :key, :values) "
                'ON CONFLICT (entity, code) DO UPDATE SET key = excluded.key, "values" = excluded."values"'
            ),
            [
                {"entity": entity, "code": code, "key": key, "values": json.dumps(values)}
                for code, (key, values) in written.items()
            ],
        )


# -- invoices ----------------------------------------------------------------------------------------------------------


def cents(amount: Decimal) -> Decimal:
    """Round to the cent, half away from zero."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def entry(header: Row, totals: Row, lines: Iterable[Row]) -> list[Row]:
    """Build the sales entry of one invoice; what is left after rounding goes to its last line."""
    number = int("".join(letter for letter in header["InvoiceNumber"] if letter.isdigit()))
    date = str(header["WorkInProgressDate"] or header["InvoiceDate"])[:10]
    common = {"journal": {"id": JOURNAL}, "document_date": date, "invoice_number": number}
    net, vat = Decimal(totals["AmountWithoutVat"]), Decimal(totals["VatAmount"])
    made = []
    for line in lines:
        if line["InvoiceLineState"] in {"WrittenOff", "Transferred"}:
            continue
        exact = Decimal(line["Quantity"]) * Decimal(line["Price"]) + Decimal(line["IrregularityAmount"] or 0)
        credit = cents(exact)
        tax = cents(credit * Decimal(line["VatPercentage"]) / 100)
        made.append([line["ItemCompanyGLAccountRevenue"], credit, tax, (line["Description"] or "")[:255]])
    made[-1][1] += net - sum(one[1] for one in made)
    made[-1][2] += vat - sum(one[2] for one in made)
    head = {
        **common,
        "account": {"id": header["InvoiceCustomerCompanyCustomerCode"]},
        "debit": float(net + vat),
        "vat": {"amount": 0.0},
        "description": (header["InvoiceText"] or header["InvoiceNumber"])[:255],
    }
    return [head] + [
        {
            **common,
            "account": {"id": account},
            "credit": float(credit),
            "vat": {"amount": float(tax)},
            "description": description,
        }
        for account, credit, tax, description in made
    ]


def book(minox: Api, qms: Api, database: sa.Engine, invoices: Iterable[tuple[Row, Row, list[Row]]]) -> None:
    """Book invoices in Minox, tell QMS, and remember them.

    Args:
        minox: The session with Minox.
        qms: The session with QMS.
        database: Where booked invoices are remembered.
        invoices: Head, totals and lines of each.
    """

    def one(invoice: tuple[Row, Row, list[Row]]) -> str:
        header, totals, lines = invoice
        key = str(header["InvoiceHeaderId"])
        name = f"minox:{TENANT}/{ADMINISTRATION}/qms:{COMPANY}/{key}"
        batch = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        minox.send("PUT", f"{MINOX}/transaction_line_batch/{batch}", entry(header, totals, lines))
        told = {
            "CompanyId": COMPANY,
            "EntityId": key,
            "EntityType": "InvoiceHeader",
            "DataSource": "Minox",
            "DataSourceKey": batch,
            "DataSourceDate": dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "IsError": False,
            "Message": "",
        }
        qms.send("POST", f"{QMS}/EntityState", told)
        return key

    todo = list(invoices)
    with ThreadPoolExecutor(WRITERS) as pool:
        for start in range(0, len(todo), CHUNK):
            done = list(pool.map(one, todo[start : start + CHUNK]))
            with database.begin() as connection:
                connection.execute(sa.text("INSERT INTO booked VALUES (:key)"), [{"key": key} for key in done])


def booked(database: sa.Engine) -> set[str]:
    """InvoiceHeaderIds that were booked before."""
    with database.begin() as connection:
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS booked (key text PRIMARY KEY)"))
        return set(connection.scalars(sa.text("SELECT key FROM booked")))


def watermark(database: sa.Engine, new: str | None = None) -> str | None:
    """How far the change log was read before; with `new`, from now on."""
    with database.begin() as connection:
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS watermark (date text)"))
        if new is not None:
            connection.execute(sa.text("DELETE FROM watermark"))
            connection.execute(sa.text("INSERT INTO watermark VALUES (:date)"), {"date": new})
        found: str | None = connection.scalar(sa.text("SELECT date FROM watermark"))
    return found


def any_of(field: str, keys: list[str]) -> list[str]:
    """Filters that find these keys, forty at a time: QMS takes 2,048 characters."""
    parts = [keys[start : start + 40] for start in range(0, len(keys), 40)]
    return ["(" + " or ".join(f"{field} eq {key}L" for key in part) + ")" for part in parts]


def processed(since: str) -> str:
    """Filter of the change log: invoices processed after an instant (UTC, ISO 8601)."""
    return (
        "EntityType eq 'InvoiceHeader' and BusinessOperation eq 'Process' "
        f"and Date gt datetime'{since.removesuffix('Z').partition('.')[0]}'"
    )
