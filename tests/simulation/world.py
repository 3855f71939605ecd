"""One schedule's world: both models, the clock, the process that is at work, and the history."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.simulation.answers import Answer, as_json
from tests.simulation.clock import Clock
from tests.simulation.faults import LISTS, STATUSES, Faults, spoiled, too_many
from tests.simulation.history import Event
from tests.simulation.transport import connection_reset, never_connected, no_answer

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.answers import Asked
    from tests.simulation.minox_model import MinoxModel
    from tests.simulation.process import Lane, Process
    from tests.simulation.qms_model import QmsModel

LATENCY = (0.02, 0.25)
READ_TIMEOUT = 60.0
NOT_KEPT = ("/token", "/blob")
"""Bodies with secrets, or with a boundary that is another each time."""


class World:
    """Everything that the connector meets; filled anew for each schedule."""

    minox: MinoxModel
    qms: QmsModel
    random: Random
    faults: Faults

    def __init__(self) -> None:
        self.clock = Clock()
        self.process: Process | None = None
        self.lane: Lane | None = None
        self.history: list[Event] = []
        self.seeds: dict[str, str] = {}
        self.intended_at: int | None = None

    def begin(self, random: Random, minox: MinoxModel, qms: QmsModel) -> None:
        """Begin a schedule."""
        self.random = random
        self.minox, self.qms = minox, qms
        self.faults = Faults(random)
        self.process = self.lane = None
        self.intended_at = None
        self.history = []
        self.seeds = {"minox": minox.tokens.connect(), "qms": qms.tokens.connect()}

    def chance(self) -> float:
        """A number from 0 up to 1, of this schedule."""
        return self.random.random()

    def did(self, what: str, system: str = "") -> Event:
        """Note what a person did."""
        event = Event(len(self.history), self.clock.micros, "person", what, system, is_applied=True)
        self.history.append(event)
        return event

    def exchange(self, system: str, asked: Asked) -> Answer:
        """Take a request to its model, and the answer back, as far as the schedule lets them come.

        Raises:
            KilledError: The process died here.
            OSError: As the HTTP library does.
        """
        process = self.process
        if process is None:
            raise RuntimeError("a request outside of any process")
        is_doubtful = self._stand_still(process, asked)
        process.step("before a request")
        self.clock.sleep(self.random.uniform(*LATENCY))
        event = Event(
            len(self.history),
            self.clock.micros,
            process.name,
            f"{asked.method} {asked.path}{_query(asked)}",
            system,
            body=b"" if asked.path.endswith(NOT_KEPT) else asked.body,
            began=process.began,
            is_doubtful=is_doubtful or self._was_on_its_way(process),
            is_dry=process.is_dry,
            process=process,
        )
        self.history.append(event)
        event.fault = self.faults.of_request(system, asked) or ""
        answer = self._before(event, system, asked)
        if answer is None:
            answer = self._carry_out(event, system, asked)
            process.step("before an answer")
            if event.fault:
                answer = self._after(event, asked, answer)
            event.is_seen = not event.fault or event.fault == "token expired"
        return answer

    def _stand_still(self, process: Process, asked: Asked) -> bool:
        """Let the process stand still before this request, when it is to; not while it holds the grant's row."""
        if process.stop_before not in {"", asked.method}:
            return False
        process.requests += 1
        if not process.stop_at or process.requests < process.stop_at or asked.path.endswith("/token"):
            return False
        process.stop_at = 0
        if self.lane is None:
            return False
        lane = self.lane
        lane.process = process
        process.stood_at, intended_at = self.clock.micros, self.intended_at
        lane.stand_still()
        self.process, self.lane, self.intended_at = process, lane, intended_at
        return True

    def _was_on_its_way(self, process: Process) -> bool:
        """Whether the entry had been intended, beside others, when the process stood still: as good as sent."""
        return self.intended_at is not None and self.intended_at <= process.stood_at

    def _before(self, event: Event, system: str, asked: Asked) -> Answer | None:
        """What happens before the request arrives; None when it does arrive."""
        fault = event.fault
        if fault == "connection refused":
            raise never_connected()
        if fault == "reset before it arrived":
            raise connection_reset()
        if fault.startswith("429"):
            event.status = 429
            return too_many(fault, self.clock.time(), self.random.choice((1, 5, 30, 120)))
        if fault in STATUSES:
            event.status = STATUSES[fault]
            answer = spoiled("500 after it was carried out", self._nothing())
            headers = {"Retry-After": str(self.random.choice((1, 10, 60)))} if "Retry" in fault else {}
            answer.status, answer.headers = event.status, headers
            return answer
        if fault == "token expired":
            (self.minox if system == "minox" else self.qms).tokens.expire()
        if fault == "200 with errors, not stored" and asked.method == "PUT":
            event.status = 200
            return self._with_errors(asked)
        return None

    def _carry_out(self, event: Event, system: str, asked: Asked) -> Answer:
        model = self.minox if system == "minox" else self.qms
        if event.fault == "row moves to the next page":
            asked = _moved(asked)
        answer = model.answer(asked, self.clock.time(), event.place)
        event.status = answer.status
        event.is_applied = answer.status < 300
        return answer

    def _after(self, event: Event, asked: Asked, answer: Answer) -> Answer:
        """What becomes of the answer on its way back."""
        fault = event.fault
        if fault == "answer lost":
            self.clock.sleep(READ_TIMEOUT)
            raise no_answer()
        if fault == "reset before the answer":
            raise connection_reset()
        if fault in LISTS:
            return self._list_fault(fault, asked, answer)
        if fault == "answer for another batch" and answer.status == 200:
            key = asked.path.rsplit("/", 1)[1]
            other = "00000000-0000-4000-8000-000000000000"
            answer.body = answer.body.replace(f'"batch_id": "{key}"'.encode(), f'"batch_id": "{other}"'.encode())
            return answer
        return spoiled(fault, answer)

    def _list_fault(self, fault: str, asked: Asked, answer: Answer) -> Answer:
        """A list that does not go on as it should."""
        if fault == "page comes twice" and b'"collection"' in answer.body:
            answer.body = answer.body.replace(b'"next": null', b'"next": "o0"')
        elif fault == "cursor loops" and "next" in asked.query:
            cursor = asked.query["next"].encode()
            answer.body = answer.body.replace(b'"next": null', b'"next": "' + cursor + b'"')
        return answer

    def _with_errors(self, asked: Asked) -> Answer:

        key = asked.path.rsplit("/", 1)[1]
        message = {"message_code": "X", "message_type": "error", "message": "Niet opgeslagen"}
        return as_json(200, [{"id": 1, "batch_id": key, "messages": [message]}])

    @staticmethod
    def _nothing() -> Answer:

        return Answer(500)


def _moved(asked: Asked) -> Asked:
    """The same request when a row was inserted before the page: its first row is the last one of the page before."""
    query = dict(asked.query)
    if query.get("next", "o0") != "o0":
        query["next"] = f"o{int(query['next'][1:]) - 1}"
    elif query.get("$skiptoken", "0") != "0":
        query["$skiptoken"] = str(int(query["$skiptoken"]) - 1)
    return replace(asked, query=query)


def _query(asked: Asked) -> str:
    return "" if not asked.query else "?" + "&".join(f"{name}={value}" for name, value in asked.query.items())
