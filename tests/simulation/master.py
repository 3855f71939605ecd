"""Schedules of the other direction: master data of Minox and rows of QMS, both of which people change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tests.simulation.checker import Judge
from tests.simulation.people import Deeds
from tests.simulation.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.history import Event
    from tests.simulation.minox_model import MinoxModel
    from tests.simulation.qms_model import QmsModel
    from tests.simulation.world import World

ENTITIES = {
    "vat": ("VatCode", "Code"),
    "payment_term": ("PaymentCondition", "Code"),
    "cost_center": ("CostCenter", "Code"),
    "item": ("ItemCompany", "ItemCode"),
    "customer": ("CustomerCompany", "CustomerCode"),
}
"""Per collection of Minox: the entity of QMS, and its code."""

PARTS = (("vat", "item"), ("payment_term",), ("cost_center",), ("vat", "payment_term", "cost_center", "item"))
"""What a link brings over beside customers."""

SETTING = {"vat": "vat_codes", "payment_term": "payment_terms", "cost_center": "cost_centers", "item": "items"}

FREE = {
    "VatCode": "IcpReturn",
    "PaymentCondition": "Remarks",
    "CostCenter": "Remarks",
    "ItemCompany": "LongDescription",
    "CustomerCompany": "Remarks",
}
"""Per entity of QMS a field that belongs to its users."""


DEEDS: dict[str, tuple[str, int]] = {
    "add a record to Minox": ("add", 3),
    "change a record in Minox": ("change", 6),
    "change a record in Minox back": ("change_back", 4),
    "take a record out of Minox": ("remove", 3),
    "empty the name of a debtor": ("empty", 2),
    "name a nameless debtor": ("name", 5),
    "change a field that is not coupled": ("touch_free", 4),
    "change a coupled field in QMS": ("touch_coupled", 3),
}
"""What they do: by which method, and how often beside the others."""


@dataclass
class Touched:
    """What somebody in QMS did to one field of a row."""

    micros: int
    name: str
    value: str


class MasterPeople:
    """Those who change master data, in Minox and in QMS.

    Args:
        world: The world.
        collections: Which of Minox's lists the link brings over.
    """

    def __init__(self, world: World, collections: list[str]) -> None:
        self.world = world
        self.collections = collections
        self.deeds = Deeds()
        self.counts: Counter[str] = Counter()
        self.changed: dict[tuple[str, str], int] = {}
        self.before: dict[tuple[str, str], tuple[str, int]] = {}
        self.gone: dict[tuple[str, str], dict[str, Any]] = {}
        self.touched: dict[tuple[str, int], list[Touched]] = {}
        self._number = 0

    def act(self, *, is_first: bool = False) -> None:
        """Do one thing by chance."""
        if is_first:
            self.add()
            return
        (what,) = self.world.random.choices(list(DEEDS), [weight for _, weight in DEEDS.values()])
        if getattr(self, DEEDS[what][0])():
            self.counts[what] += 1

    def reconnect(self, system: str) -> None:
        """Give access again."""
        tokens = (self.world.minox if system == "minox" else self.world.qms).tokens
        self.world.seeds[system] = tokens.connect()
        self.deeds.reconnected.append(system)
        self.world.did(f"connect {system} again", system)

    # -- in Minox ------------------------------------------------------------------------------------------------------

    def _note(self, collection: str, key: str) -> bool:
        self.changed[collection, key] = self.world.clock.micros
        self.world.did(f"{collection} {key}: {self.world.minox.lists[collection].get(key)}", "minox")
        return True

    def add(self, collection: str | None = None) -> bool:
        """Add a record."""
        random, lists = self.world.random, self.world.minox.lists
        collection = collection or random.choice(self.collections)
        self._number += 1
        key = f"A{self._number}" if collection == "item" else str(10_000 + self._number)
        row: dict[str, Any] = {"id": key if collection == "item" else int(key), "description": f"Naam {self._number}"}
        if collection == "vat":
            row |= {
                "percentage": random.choice((0, 9, 21)),
                "type": random.choice(("Af te dragen", "Verlegd EU", None)),
            }
        if collection == "payment_term":
            row |= {"days": random.choice((0, 14, 30)), "mandate": random.choice(("", "SEPA", None))}
        if collection == "item":
            row |= {"vat": self._reference("vat"), "item_group": {"id": 10}, "blocked": random.random() < 0.2}
            row["unit_packaging"] = random.choice((" Uur", "km", None))
        if collection == "customer":
            postal = {"address_type": "postal", "name": row.pop("description"), "streetname_and_number": "Postbus 1"}
            street = [{"address_type": "Street", "streetname_and_number": "Domplein 4"}] * random.randint(0, 1)
            row |= {"addresses": [postal, *street], "payment_term": self._reference("payment_term")}
            row["blocked"] = {"active": random.random() < 0.2}
        lists[collection][key] = row
        return self._note(collection, key)

    def _reference(self, collection: str) -> dict[str, Any] | None:
        if collection not in self.collections:
            return None
        known = [*self.world.minox.lists[collection], None]
        key = self.world.random.choice(known)
        if self.world.random.random() < 0.1:
            key = "77"  # nobody has it
        return None if key is None else {"id": int(key)}

    def change(self) -> bool:
        """Give a record another name."""
        collection, key = self._pick()
        row = self.world.minox.lists[collection][key]
        if name_of(row):  # a debtor without a name gets one by another deed
            self.before[collection, key] = (name_of(row), self.changed.get((collection, key), 0))
        self._number += 1
        self._rename(row, f"Nieuw {self._number}")
        return self._note(collection, key)

    def change_back(self) -> bool:
        """Give a record its name of before again; what users of QMS changed since may stay, if no run came between."""
        known = [place for place in self.before if place[1] in self.world.minox.lists[place[0]]]
        if not known:
            return False
        collection, key = self.world.random.choice(known)
        name, changed = self.before.pop((collection, key))
        self._rename(self.world.minox.lists[collection][key], name)
        self._note(collection, key)
        self.changed[collection, key] = changed
        return True

    @staticmethod
    def _rename(row: dict[str, Any], name: str) -> None:
        if "addresses" in row:
            row["addresses"][0]["name"] = name
        else:
            row["description"] = name

    def remove(self) -> bool:
        """Take a record out; only one, since a list that shrinks too much is held back."""
        collection, key = self._pick()
        if self.gone or collection != "customer":
            return False
        self.gone[collection, key] = self.world.minox.lists[collection].pop(key)
        return self._note(collection, key)

    def empty(self) -> bool:
        """Leave a debtor without a name; one at a time, since too many bad records are held back."""
        customers = self.world.minox.lists["customer"]
        if any(not name_of(row) for row in customers.values()):
            return False
        key = self.world.random.choice(list(customers))
        self._rename(customers[key], " ")
        return self._note("customer", key)

    def name(self) -> bool:
        """Give the nameless debtor its name."""
        for key, row in self.world.minox.lists["customer"].items():
            if not name_of(row):
                self._number += 1
                self._rename(row, f"Toch een naam {self._number}")
                return self._note("customer", key)
        return False

    def _pick(self) -> tuple[str, str]:
        collection = self.world.random.choice(self.collections)
        return collection, self.world.random.choice(list(self.world.minox.lists[collection]))

    # -- in QMS --------------------------------------------------------------------------------------------------------

    def touch_free(self) -> bool:
        """Fill a field that belongs to QMS's users."""
        return self._touch(FREE.__getitem__)

    def touch_coupled(self) -> bool:
        """Change a name that comes from Minox."""
        return self._touch(lambda _entity: "Name")

    def _touch(self, field_of: Callable[[str], str]) -> bool:
        rows = [(entity, key) for entity in FREE for key in self.world.qms.rows[entity]]
        if not rows:
            return False
        entity, key = self.world.random.choice(rows)
        self._number += 1
        touched = Touched(self.world.clock.micros, field_of(entity), f"QMS {self._number}")
        self.world.qms.rows[entity][key][touched.name] = touched.value
        self.touched.setdefault((entity, key), []).append(touched)
        self.world.did(f"{entity} {key}: {touched.name} = {touched.value}", "qms")
        return True


class MasterSchedule(Schedule):
    """Runs one schedule of master data."""

    dag = "minox_master_data"
    deadly: tuple[str, ...] = (
        "vat_codes.load",
        "payment_terms.load",
        "cost_centers.load",
        "items.load",
        "customers.load",
        "customers.load",
        "customers.check",
        "customers.stage",
        "open_run",
        "close_run",
    )
    halting: tuple[str, ...] = ("items.load", "customers.load", "customers.load", "customers.stage", "vat_codes.load")
    steps: ClassVar[dict[str, int]] = {"stage": 10, "load": 16}
    deeds_at_once = (1, 3)
    again = 0.5
    requests: ClassVar[dict[str, int]] = {"stage": 3, "load": 8}

    def _fill(self) -> None:
        random, qms = self.random, self.world.qms
        self.bookings = {}
        part = random.choice(PARTS)
        self.entities = {setting: collection in part for collection, setting in SETTING.items()}
        coupled = [collection for collection in ENTITIES if collection in {*part, "customer"}]
        there = {"open_run", "close_run", *(SETTING.get(one, "customers") for one in coupled)}
        self.deadly = tuple(task for task in MasterSchedule.deadly if task.partition(".")[0] in there)
        self.halting = tuple(task for task in MasterSchedule.halting if task.partition(".")[0] in there)
        self.people: Any = MasterPeople(self.world, coupled)
        self.world.minox.lists["item_group"]["10"] = {
            "id": 10,
            "description": "Uren",
            "ledger_accounts": {"sales_revenue_nl": {"id": 8000}},
        }
        for collection in coupled:
            for _ in range(3 + (collection == "customer")):
                self.people.add(collection)
        for number, collection in enumerate(coupled, 1):  # what QMS had: one row of each, and one of another company
            entity, code = ENTITIES[collection]
            first = next(iter(self.world.minox.lists[collection]))
            row = {code: first, "Name": "Van vroeger", FREE[entity]: f"vrij {number}"}
            if random.random() < 0.5:
                qms.put(entity, {**row, f"{entity}Id": number, "CompanyId": 3})
                self.people.touched[entity, number] = [Touched(0, FREE[entity], f"vrij {number}")]
            qms.put(entity, {**row, f"{entity}Id": 100 + number, "CompanyId": 4})

    def _quiet(self) -> None:
        super()._quiet()
        self.counts["master data schedules"] = 1
        self.counts["records in QMS"] = sum(len(self.world.qms.rows[entity]) for entity in FREE)

    def _judge(self) -> list[str]:
        judge = MasterJudge(self)
        return [*judge.rows(), *judge.others(), *judge.quiet(), *judge.common()]


class MasterJudge(Judge):
    """Judges the master data of one schedule."""

    schedule: MasterSchedule

    def rows(self) -> Iterator[str]:
        """Every good record of Minox is in QMS once, with Minox's coupled fields and its users' others."""
        for collection in self.schedule.people.collections:
            entity, code = ENTITIES[collection]
            wanted = {
                key: expected(self.minox, self.qms, collection, row)
                for key, row in self.minox.lists[collection].items()
            }
            found: dict[str, list[int]] = {}
            for number, row in self.qms.rows[entity].items():
                if row["CompanyId"] == "3":
                    found.setdefault(row[code], []).append(number)
            for key, numbers in found.items():
                if len(numbers) > 1 and not self._doubtful(entity):
                    yield f"{entity} {key}: {len(numbers)} rows"
            for key, values in wanted.items():
                if values is None:
                    continue
                if key not in found:
                    yield f"{entity} {key}: not in QMS"
                    continue
                yield from self._fields(collection, key, entity, min(found[key]), values)

    def _doubtful(self, entity: str) -> bool:
        """A row of the entity was under way when its process stopped: nobody can hold it back."""
        return any(
            one.is_doubtful and one.what.startswith("POST") and one.what.endswith(entity) for one in self.history
        )

    def _fields(self, collection: str, key: str, entity: str, number: int, values: dict[str, Any]) -> Iterator[str]:
        row = self.qms.rows[entity][number]
        touched = self.schedule.people.touched.get((entity, number), [])
        changed = self.schedule.people.changed.get((collection, key), 0)
        puts = [
            one
            for one in self.history
            if one.what.startswith(f"PUT /api/V3/odata/{entity}({number})") and one.is_applied
        ]
        for name, value in values.items():
            edits = [one.value for one in touched if one.name == name and one.micros > changed]
            if not same(row.get(name), value) and row.get(name) not in edits[-1:]:
                yield f"{entity} {key}: {name} is {row.get(name)!r}, and {value!r} in Minox"
        free = [one for one in touched if one.name == FREE[entity]]
        if free and row.get(FREE[entity]) != free[-1].value and not any(_overtook(one, free[-1]) for one in puts):
            yield f"{entity} {key}: {FREE[entity]} was {free[-1].value!r}, and is {row.get(FREE[entity])!r}"

    def others(self) -> Iterator[str]:
        """Rows of other companies are left alone, and nothing is deleted."""
        for number, collection in enumerate(self.schedule.people.collections, 1):
            entity, _ = ENTITIES[collection]
            row = self.qms.rows[entity].get(100 + number)
            if row is None or row["Name"] not in {"Van vroeger", *self._names(entity, 100 + number)}:
                yield f"{entity} {100 + number}: of another company, and changed"
        if any(one.what.startswith("DELETE") for one in self.history):
            yield "something was deleted"

    def _names(self, entity: str, number: int) -> list[str]:
        return [one.value for one in self.schedule.people.touched.get((entity, number), []) if one.name == "Name"]

    def quiet(self) -> Iterator[str]:
        """The last run, over unchanged data, writes nothing."""
        for event in self.history:
            is_write = event.system == "qms" and event.what.startswith(("POST", "PUT")) and "/odata/" in event.what
            if is_write and event.micros > self.schedule.after_first and "EntityState" not in event.what:
                yield f"{event.place}: written again: {event.what}"


def _overtook(event: Event, touched: Touched) -> bool:
    """The row was read before somebody changed it, and put back after."""
    return event.began < touched.micros < event.micros


def name_of(row: dict[str, Any]) -> str:
    """Name of a record of Minox."""
    value = row["addresses"][0]["name"] if "addresses" in row else row["description"]
    return str(value).strip()


def same(found: Any, wanted: Any) -> bool:
    """Whether QMS has what was wanted; numbers may be text."""
    if isinstance(wanted, bool) or wanted is None or found is None:
        return found is wanted
    return str(found) == str(wanted) or (isinstance(wanted, int) and float(found) == wanted)


def expected(minox: MinoxModel, qms: QmsModel, collection: str, row: dict[str, Any]) -> dict[str, Any] | None:  # noqa: PLR0911
    """Coupled fields of a record, by the specification's tables; None when it is rejected."""
    name = name_of(row)
    if not name:
        return None
    if collection == "vat":
        reverse = "verlegd" in str(row["type"]).lower()
        return {"Name": name, "Percentage": row["percentage"], "ReverseCharge": reverse}
    if collection == "cost_center":
        return {"Name": name}
    if collection == "payment_term":
        kind = "DirectDebit" if str(row["mandate"] or "").strip() else "Credit"
        return {"Name": name, "Description": name, "PaymentTerm": row["days"], "PaymentConditionType": kind}
    target, name_of_reference = ("vat", "VatCodeId") if collection == "item" else ("payment_term", "PaymentConditionId")
    reference = row[target]
    number = None if reference is None else _number(qms, ENTITIES[target], str(reference["id"]))
    if reference is not None and number is None:
        return None
    if collection == "item":
        hours = "Hours" if str(row["unit_packaging"] or "").strip().lower() == "uur" else "Expenses"
        values = {"Name": name, "IsActive": not row["blocked"], "ItemType": hours, "GLAccountRevenue": "8000"}
        return {**values, "AllowTimeEntry": True, "WillBeInvoiced": True, name_of_reference: number}
    streets = [one["streetname_and_number"] for one in row["addresses"]]
    return {
        "Name": name,
        "IsActive": not row["blocked"]["active"],
        name_of_reference: number,
        "VisitAddressAddress1": streets[-1],
        "InvoiceAddressAddress1": streets[0],
        "InvoiceAddressSameAsVisitAddress": len(streets) > 1,
    }


def _number(qms: QmsModel, entity: tuple[str, str], code: str) -> int | None:
    """Key of a row of the link's company; the older one of two."""
    rows = qms.rows[entity[0]].items()
    found = [key for key, row in rows if row["CompanyId"] == "3" and row[entity[1]] == code]
    return min(found) if found else None
