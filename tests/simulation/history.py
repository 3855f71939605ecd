"""What the models have seen: the only thing, beside their final state, that the checker judges by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.process import Process


@dataclass
class Event:
    """One request, or one thing that a person or the simulation did.

    Attributes:
        place: Its place in the history, counted from 0.
        micros: When, in microseconds since 1970.
        who: Name of the process, or `person`.
        what: Method and path, or what was done.
        system: `minox` or `qms`; empty for what concerns neither.
        status: Status that the system answered; 0 when nothing arrived.
        fault: What went wrong, or empty.
        is_applied: The system has carried it out.
        is_seen: The connector got the system's own answer.
        is_doubtful: It was under way while the process stood still: nobody can hold it back any more.
        body: What was sent.
        began: When the process began, in microseconds.
        is_dry: The run is a dry one.
        process: Whose request it was; None for a person.
    """

    place: int
    micros: int
    who: str
    what: str
    system: str = ""
    status: int = 0
    fault: str = ""
    is_applied: bool = False
    is_seen: bool = False
    is_doubtful: bool = False
    body: bytes = b""
    began: int = 0
    is_dry: bool = False
    process: Process | None = None

    def line(self) -> str:
        """One line of the trace."""
        marks = "".join(
            mark for mark, is_on in (("A", self.is_applied), ("S", self.is_seen), ("?", self.is_doubtful)) if is_on
        )
        body = self.body.decode("latin-1").replace("\r\n", " ")[:2000]
        return f"{self.micros} {self.who} | {self.what} -> {self.status} [{marks}] {self.fault} {body}".rstrip()
