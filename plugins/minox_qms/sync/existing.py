"""Which invoices Minox has a receivable for already, in as few requests as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from include.errors import TransientError
from include.storage.facts import fact, remember
from include.wire.text import whole_number
from minox_qms.sync.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Collection

    import sqlalchemy as sa

    from include.storage.runs import Run
    from include.wire.minox import Receivable
    from minox_qms.hooks.minox import MinoxHook

Place: TypeAlias = "tuple[int, int]"
"""A debtor and an invoice number."""

_PAGES = "receivable_pages"
_INT32 = 2**31


class ExistingReceivables:
    """Looks receivables up one by one, or reads the list of them, whichever takes fewer requests.

    The length of the list is remembered from run to run. Where it is not known, or has grown, the list is read until it
    has taken more requests than looking up would.

    Args:
        engine: Of the connector's database.
        minox: Hook of the administration.
        run: The run; a dry one remembers nothing.

    Attributes:
        failed: Those that Minox could not tell of, and why.
    """

    def __init__(self, engine: sa.Engine, minox: MinoxHook, run: Run) -> None:
        self.engine = engine
        self.minox = minox
        self.run = run
        self.failed: dict[Place, TransientError] = {}
        self._patience = Patience(minox.journals)

    def cost(self, count: int) -> int:
        """Number of requests that finding so many takes at most, as far as is known."""
        return min(count, self._known_pages() or count)

    def among(self, wanted: Collection[Place]) -> set[Place]:
        """Find those of these that Minox has a receivable for, open or paid.

        Args:
            wanted: Debtors and invoice numbers.

        Raises:
            TransientError: The list could not be read, or look-ups kept failing; one that fails by itself is in
                `failed`.
        """
        left = set(wanted)
        found: set[Place] = set()
        if left and len(left) >= self._known_pages():
            found = self._listed(left)
            left -= found
            if self._is_complete:
                return found
        return found | {place for place in sorted(left) if self._is_there(place)}

    def _is_there(self, place: Place) -> bool:
        """Look one up."""
        try:
            there = self.minox.receivable(*place) is not None
        except TransientError as error:
            self.failed[place] = error
            if self._patience.is_at_end():
                raise
            return False
        self._patience.succeeded()
        return there

    def _listed(self, wanted: set[Place]) -> set[Place]:
        """Find them in the list; `_is_complete` tells whether it was read to its end."""
        found: set[Place] = set()
        pages = 0
        self._is_complete = True
        for page in self.minox.receivables():
            pages += 1
            found |= {place for one in page if (place := place_of(one)) in wanted}
            if pages > len(wanted):
                self._is_complete = False
                break
        if not self.run.dry_run:
            with self.engine.begin() as connection:
                remember(connection, self.run.link, _PAGES, pages)
        return found

    def _known_pages(self) -> int:
        with self.engine.connect() as connection:
            pages = fact(connection, self.run.link, _PAGES)
        return pages if isinstance(pages, int) else 0


def place_of(one: Receivable) -> Place | None:
    """Debtor and invoice number of a receivable; None when it lacks one, or it is none that Minox can have."""
    try:
        customer, number = whole_number(one.debtor), whole_number(one.invoice_number)
    except ValueError:
        return None
    if customer is None or number is None or not (abs(customer) < _INT32 and abs(number) < _INT32):
        return None
    return customer, number
