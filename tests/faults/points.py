"""The points of the matrix: what each direction writes, and the way in of both."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.instrument import Place

PUT = Place("PUT minox transaction_line_batch/{batch_id}", "/transaction_line_batch/[^/]+$")
ATTACH = Place("POST minox transaction_line_batch/{batch_id}/blob", "/blob$")
TELL = Place("POST qms EntityState", "/EntityState$")
CREATE = Place("POST qms CustomerCompany", "/CustomerCompany$")
REPLACE = Place("PUT qms CustomerCompany({key})", r"/CustomerCompany\(")
READ_INVOICES = Place("GET qms OverviewInvoice next", r"/OverviewInvoice\?.*skip")
READ_CUSTOMERS = Place("GET minox customer next", r"/customer\?next")


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the matrix.

    Attributes:
        name: `W3`, `I1`, …
        half: `export` or `import`.
        what: What happens there.
        asks: The requests that it consists of; empty where nothing is asked of the other system.
        notes: The statements and commits that it consists of.
        applied: Whether the other system has done what is asked when the fault comes; None: both are run.
        reads: Whether it reads a list.
    """

    name: str
    half: str
    what: str
    asks: tuple[Place, ...] = ()
    notes: tuple[Place, ...] = ()
    applied: bool | None = None
    reads: bool = False


def _commit(*kinds: str) -> tuple[Place, ...]:
    return tuple(Place(f"commit:{kind}") for kind in kinds)


POINTS: tuple[Point, ...] = (
    Point("W0", "export", "invoices read", (READ_INVOICES,), applied=False, reads=True),
    Point("W1", "export", "intent written", notes=(Place("intent"),)),
    Point("W2", "export", "intent committed", notes=_commit("intent")),
    Point("W3", "export", "PUT sent", (PUT,), applied=False),
    Point("W4", "export", "PUT applied, no answer", (PUT,), applied=True),
    Point("W5", "export", "answer received", notes=(Place("result"),)),
    Point("W6", "export", "result committed", notes=_commit("result")),
    Point("W7", "export", "PDF sent", (ATTACH,), _commit("pdf sending")),
    Point("W8", "export", "PDF result committed", notes=_commit("pdf result")),
    Point("W9", "export", "reported to QMS", (TELL,), _commit("reported")),
    Point("W10", "export", "run finished and closed", notes=_commit("finished", "closed")),
    Point("I1", "import", "page staged", (READ_CUSTOMERS,), (Place("staged"),), applied=False, reads=True),
    Point("I2", "import", "stage committed", notes=_commit("staged", "extracted")),
    Point("I3", "import", "write to QMS sent", (CREATE, REPLACE), applied=False),
    Point("I4", "import", "applied, no answer", (CREATE, REPLACE), applied=True),
    Point("I5", "import", "result committed", notes=_commit("bound")),
    Point("I6", "import", "quarantine row", notes=_commit("quarantined")),
    Point("I7", "import", "run finished and closed", notes=_commit("finished", "closed")),
)
"""The write points, and W0: no write point, but all that is booked comes in there. I1 is the same of the import."""
