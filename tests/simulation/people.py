"""What people do while the connector works, each by chance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.errors import ConfigurationError
from include.storage import actions
from tests.simulation.connector import LINK
from tests.simulation.invoices import KINDS, SimulatedInvoice, copy_of, make, totals_of, write_off
from tests.simulation.minox_model import receivable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.connector import Connector
    from tests.simulation.world import World

PERSON = "m.visser"
REGRET = 0.3
"""How likely a person takes an exclusion back, while there is one, in place of anything else."""


DEEDS: dict[str, tuple[str, int]] = {
    "process a new invoice": ("process", 12),
    "change an invoice": ("change", 3),
    "write an invoice off": ("write_off", 1),
    "take a write-off back": ("write_on", 2),
    "give an invoice another number": ("renumber", 2),
    "exclude an invoice": ("exclude", 3),
    "take an exclusion back": ("include", 3),
    "offer again": ("reoffer", 3),
    "type an entry into Minox": ("type_in", 2),
    "delete an entry in Minox": ("delete", 1),
    "edit an entry in Minox": ("edit", 1),
    "mend an invoice": ("mend", 3),
    "close a period": ("close", 1),
    "add a debtor to Minox": ("add_debtor", 1),
}
"""What they do: by which method, and how often beside the others."""


@dataclass
class Deeds:
    """What people did, for the checker; times in microseconds."""

    excluded: dict[int, list[tuple[int, bool]]] = field(default_factory=dict)
    typed: dict[tuple[str, int], int] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    edited: dict[str, int] = field(default_factory=dict)
    reconnected: list[str] = field(default_factory=list)


class People:
    """The bookkeeper, and those who work in QMS."""

    def __init__(self, world: World, connector: Connector) -> None:
        self.world = world
        self.connector = connector
        self.invoices: dict[int, SimulatedInvoice] = {}
        self.deeds = Deeds()
        self.counts: Counter[str] = Counter()

    def act(self, *, is_first: bool = False) -> None:
        """Do one thing by chance; what cannot be done now is left. The first is always a good invoice."""
        if is_first:
            self.process("good")
            return
        (what,) = self.world.random.choices(list(DEEDS), [weight for _, weight in DEEDS.values()])
        if any(said[-1][1] for said in self.deeds.excluded.values()) and self.world.chance() < REGRET:
            what = "take an exclusion back"
        if getattr(self, DEEDS[what][0])():
            self.counts[what] += 1

    def _pick(self) -> SimulatedInvoice | None:
        return self.world.random.choice(list(self.invoices.values())) if self.invoices else None

    def _log(self, invoice: SimulatedInvoice, what: str) -> None:
        instant = self.world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.world.qms.log(invoice.key, instant)
        self.world.did(f"{what} {invoice.key} {invoice.last.header} {invoice.last.totals}", "qms")

    # -- in QMS --------------------------------------------------------------------------------------------------------

    def process(self, kind: str | None = None) -> bool:
        """Process a new invoice."""
        random, key = self.world.random, 1 + len(self.invoices)
        others = [one.last.header["InvoiceNumber"] for one in self.invoices.values() if one.kind == "good"]
        kind = kind or random.choice(KINDS)
        made = make(random, key, self.world.clock.micros, kind, random.choice(others) if others else None)
        (first,) = made.versions
        made.versions.clear()
        made.lay_down(self.world.qms, first)
        self.invoices[key] = made
        self._log(made, f"process {kind}")
        return True

    def change(self) -> bool:
        """Change the amount of an invoice, which may be booked."""
        invoice = self._pick()
        if invoice is None or invoice.last.is_written_off or invoice.kind in {"unbalanced", "incomplete"}:
            return False
        version = copy_of(invoice.last, self.world.clock.micros)
        version.lines[0]["Price"] = f"{self.world.random.randint(1, 500)}.00"
        version.totals = totals_of(version)
        invoice.lay_down(self.world.qms, version)
        self._log(invoice, "change")
        return True

    def write_off(self) -> bool:
        """Write an invoice off, which may be booked."""
        invoice = self._pick()
        if invoice is None or invoice.last.is_written_off:
            return False
        version = copy_of(invoice.last, self.world.clock.micros)
        write_off(version)
        invoice.lay_down(self.world.qms, version)
        self._log(invoice, "write off")
        return True

    def write_on(self) -> bool:
        """Take a write-off back: the lines are to be invoiced after all."""
        off = [one for one in self.invoices.values() if one.last.is_written_off]
        if not off:
            return False
        invoice = self.world.random.choice(off)
        version = copy_of(invoice.last, self.world.clock.micros)
        for line in version.lines:
            line["InvoiceLineState"] = "Invoiced"
        version.totals = totals_of(version)
        invoice.lay_down(self.world.qms, version)
        self._log(invoice, "write on")
        return True

    def renumber(self) -> bool:
        """Give an invoice another number, which may be booked, or typed into Minox, under the one that it had."""
        invoice = self._pick()
        if invoice is None or invoice.last.number is None:
            return False
        version = copy_of(invoice.last, self.world.clock.micros)
        version.header["InvoiceNumber"] = f"F2026-{1000 * len(invoice.versions) + invoice.key:04d}"
        invoice.lay_down(self.world.qms, version)
        self._log(invoice, "renumber")
        return True

    def mend(self) -> bool:
        """Mend what is wrong with an invoice in QMS."""
        bad = [
            one
            for one in self.invoices.values()
            if one.kind in {"no debtor", "unknown debtor", "no account", "no number", "unbalanced"}
        ]
        if not bad:
            return False
        invoice = self.world.random.choice(bad)
        version = copy_of(invoice.last, self.world.clock.micros)
        version.header |= {"InvoiceCustomerCompanyCustomerCode": "10001", "InvoiceNumber": f"F2026-{invoice.key:04d}"}
        for line in version.lines:
            line["ItemCompanyGLAccountRevenue"] = line["ItemCompanyGLAccountRevenue"] or "8000"
        version.totals = totals_of(version)
        invoice.kind = "good"
        invoice.lay_down(self.world.qms, version)
        self._log(invoice, "mend")
        return True

    # -- in Minox ------------------------------------------------------------------------------------------------------

    def type_in(self) -> bool:
        """Type the entry of an invoice into Minox by hand."""
        invoice, minox = self._pick(), self.world.minox
        if invoice is None or invoice.last.number is None or invoice.last.customer not in minox.lists["customer"]:
            return False
        place = (invoice.last.customer, invoice.last.number)
        if minox.holder(*place) is not None:
            return False
        minox.typed[place] = receivable(*place, 1)
        self.deeds.typed[place] = self.world.clock.micros
        self.world.did(f"type in {place}", "minox")
        return True

    def delete(self) -> bool:
        """Delete an entry of ours in Minox."""
        return self._with_batch("delete", self.deeds.deleted)

    def edit(self) -> bool:
        """Edit an entry of ours in Minox."""
        return self._with_batch("edit", self.deeds.edited)

    def _with_batch(self, what: str, noted: dict[str, int]) -> bool:
        batches = self.world.minox.batches
        if not batches:
            return False
        key = self.world.random.choice(list(batches))
        noted.setdefault(key, self.world.clock.micros)
        if what == "delete":
            del batches[key]
        else:
            batches[key].is_edited = True
            batches[key].lines[-1]["description"] = "Met de hand gewijzigd"
        self.world.did(f"{what} {key}", "minox")
        return True

    def close(self) -> bool:
        """Close the year before."""
        self.world.minox.closed_until = "2025-12-31"
        self.world.did("close 2025", "minox")
        return True

    def add_debtor(self) -> bool:
        """Add the debtor that was missing."""
        self.world.minox.lists["customer"]["10099"] = {"id": 10099}
        self.world.did("add debtor 10099", "minox")
        return True

    # -- on the Sync page ----------------------------------------------------------------------------------------------

    def _ask(self, invoice: SimulatedInvoice | None, what: str) -> bool:
        if invoice is None:
            return False
        engine, name = self.connector.database.engine, f"id:{invoice.key}"
        works: dict[str, Callable[[], object]] = {
            "exclude": lambda: actions.exclude_invoice(engine, LINK, name, person=PERSON, reason="simulatie"),
            "include": lambda: actions.include_invoice(engine, LINK, name, person=PERSON, reason="simulatie"),
            "reoffer": lambda: actions.reoffer_invoices(engine, LINK, [name], person=PERSON),
        }
        try:
            self.connector.act(what, works[what])
        except ConfigurationError:
            return False  # the ledger says that this cannot be asked of the invoice now
        self.world.did(f"{what} {invoice.key}")
        return True

    def exclude(self) -> bool:
        """Exclude an invoice that the ledger knows."""
        return self._exclusion(self._pick(), "exclude", is_excluded=True)

    def include(self) -> bool:
        """Take an exclusion back."""
        excluded = [key for key, said in self.deeds.excluded.items() if said[-1][1]]
        invoice = self.invoices[self.world.random.choice(excluded)] if excluded else None
        return self._exclusion(invoice, "include", is_excluded=False)

    def _exclusion(self, invoice: SimulatedInvoice | None, what: str, *, is_excluded: bool) -> bool:
        if not self._ask(invoice, what) or invoice is None:
            return False
        self.deeds.excluded.setdefault(invoice.key, []).append((self.world.clock.micros, is_excluded))
        return True

    def reoffer(self) -> bool:
        """Ask for an invoice to be looked at again."""
        return self._ask(self._pick(), "reoffer")

    def reconnect(self, system: str) -> None:
        """Give access again."""
        tokens = (self.world.minox if system == "minox" else self.world.qms).tokens
        self.world.seeds[system] = tokens.connect()
        self.deeds.reconnected.append(system)
        self.world.did(f"connect {system} again", system)
