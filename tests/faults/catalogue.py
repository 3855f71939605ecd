"""The faults of the matrix: what each does at a point, or why it cannot come there."""

from __future__ import annotations

import functools
import threading
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowTaskTimeout

from minox_qms.hooks.http import Limits
from minox_qms.hooks.minox import MinoxHook
from minox_qms.hooks.qms import QmsHook
from tests.e2e.booking_world import invoice
from tests.e2e.master import change, customer, give, take_away
from tests.faults.halves import HASTY, ExportHalf, Half
from tests.faults.instrument import KilledError, Place
from tests.faults.points import ATTACH, CREATE, PUT, REPLACE, TELL, Point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.world import Ran

FOR_EVER = 10**6
OTHER_BATCH = "00000000-0000-5000-8000-000000000000"
API = r"^/api/(?!oauth2)"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way in which a fault comes at a point: what it is called, and the run that meets it."""

    name: str
    go: Callable[[Half], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: its variants at a point, or the reason why there are none."""

    group: str
    name: str
    at: Callable[[Point], list[Variant] | str]


NOTHING_ASKED = "nothing is asked of the other system there"
NOTHING_NOTED = "nothing is written to the database there; the points beside it are"
NO_LIST = "no list is read there"


def _sides(point: Point) -> tuple[bool, ...]:
    return (False, True) if point.applied is None else (point.applied,)


def _spoil(half: Half, place: Place, **rule: Any) -> None:
    system = half.world.minox if place.system == "minox" else half.world.qms
    system.spoil(method=place.method, path=place.path, **rule)


# -- the process -------------------------------------------------------------------------------------------------------


def _moments(point: Point, *, both: bool = True) -> Iterator[tuple[str, Place, Any, dict[str, Any] | None]]:
    """Moments of a point: what they are called, the place, before or after it, and what becomes of the request."""
    for place in point.asks:
        for applied in _sides(point):
            if not applied:
                yield f"before {place.name}", place, "before", None
            if both or applied:
                rule = {"action": "apply-then-drop" if applied or point.reads else "drop"}
                yield f"after {place.name}{' applied' if applied else ''}", place, "after", rule
    for place in point.notes:
        yield f"before {place.name}", place, "before", None
        if both:
            yield f"after {place.name}", place, "after", None


def _at_moments(
    act: Callable[[Half, Callable[[], None]], None], *, when: str | None = None, both: bool = True
) -> Callable[[Point], list[Variant] | str]:
    """Make variants that do something at every moment of a point.

    Args:
        act: Gets the half, and a function that arms the moment's action.
        when: Only the moments `before` or `after`; None for both.
        both: Also the moments after what the point consists of.
    """

    def at(point: Point) -> list[Variant] | str:
        found = [
            Variant(name, functools.partial(_arm_and_act, act, place, moment, rule))
            for name, place, moment, rule in _moments(point, both=both)
            if when in {None, moment}
        ]
        return found or "the moment before it is the one after the point before it"

    return at


def _arm_and_act(act: Any, place: Place, when: Any, rule: dict[str, Any] | None, half: Half) -> None:
    if rule is not None:
        _spoil(half, place, **rule)
    act(half, functools.partial(half.instrument.arm, place, when))


def _kill(half: Half, arm: Any) -> None:
    arm(half.instrument.die)
    half.die(half.run)


def _restart(half: Half, arm: Any) -> None:
    arm(half.instrument.die)
    half.die(lambda: half.run("first"))
    half.resume("first", half.at_work)


def _raise(error: type[BaseException]) -> Callable[[Half, Any], None]:
    def act(half: Half, arm: Any) -> None:
        def fail(*_: Any) -> None:
            raise error(f"at {half.at_work}")

        arm(fail)
        half.run()

    return act


class _Suspended:
    """A run in a thread that stops at the armed moment until it is woken."""

    def __init__(self, half: Half, arm: Any) -> None:
        self.there, self.go_on = threading.Event(), threading.Event()
        self.half = half
        arm(self._stop)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.there.wait(60)
        self.task = half.at_work

    def _stop(self, *_: Any) -> None:
        self.there.set()
        self.go_on.wait(60)

    def _run(self) -> None:
        try:
            with suppress(KilledError):
                self.half.run("first")
        finally:
            self.there.set()

    def beside(self, other: Callable[[], Any], at_most: float) -> None:
        """Let another go beside it; wake it when that has ended, waits for what it holds, or after some seconds."""
        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        deadline = monotonic() + at_most
        while thread.is_alive() and monotonic() < deadline and not self.half.locks_awaited():
            thread.join(0.05)
        self.go_on.set()
        for each in (thread, self.thread):
            each.join(90)
            assert not each.is_alive(), "a run does not come to its end"


def _twice(half: Half, arm: Any) -> None:
    first = _Suspended(half, arm)
    first.beside(lambda: half.resume("first", first.task), at_most=0.3)  # it waits for the first


def _zombie(half: Half, arm: Any) -> None:
    half.unfenced = True
    first = _Suspended(half, arm)
    half.cut_connections()
    successor: list[Ran] = []
    first.beside(lambda: successor.append(half.run_again()), at_most=60)
    assert [ran.is_good for ran in successor] == [True], "the zombie has no successor"


# -- the answer --------------------------------------------------------------------------------------------------------

Rules = tuple[dict[str, Any], ...]
ERRORS = [{"message_code": "X", "message_type": "error", "message": "Nee"}]


def _instead(body: Any, *, applied: bool) -> dict[str, Any]:
    """An answer of success with another body."""
    if applied:
        return {"action": "apply-then-status", "status": 200, "body": body}
    return {"action": "body", "body": body}


def _answers(rule_of: Callable[[Point, Place, bool], dict[str, Any] | str]) -> Callable[[Point], list[Variant] | str]:
    """Make variants that spoil the answers of a point, once and to the end of the run."""

    def at(point: Point) -> list[Variant] | str:
        if not point.asks:
            return NOTHING_ASKED
        found, why = [], ""
        for place in point.asks:
            for applied in _sides(point):
                rule = rule_of(point, place, applied)
                if isinstance(rule, str):
                    why = rule
                    continue
                for times in (1, None):
                    name = f"{place.name}{' applied' if applied else ''}, {'once' if times else 'to the end'}"
                    found.append(Variant(name, functools.partial(_spoil_and_run, place, rule | {"times": times})))
        return found or why

    return at


def _spoil_and_run(place: Place, rule: dict[str, Any], half: Half) -> None:
    if rule.pop("hasty", False):
        half.monkeypatch.setattr(Limits.__init__, "__defaults__", HASTY)
    _spoil(half, place, **rule)
    half.run()


def _lost(point: Point, _: Place, applied: bool) -> dict[str, Any] | str:
    if point.reads:
        return {"action": "drop"}
    return {"action": "apply-then-drop"} if applied else "nothing is applied there: that is a reset"


def _status(status: int) -> Any:
    def rule(_: Point, __: Place, applied: bool) -> dict[str, Any]:
        return {"action": "apply-then-status" if applied else "status", "status": status}

    return rule


def _text(body: Any) -> Any:
    def rule(_: Point, __: Place, applied: bool) -> dict[str, Any]:
        return _instead(body, applied=applied)

    return rule


def _error_messages(point: Point, place: Place, applied: bool) -> dict[str, Any]:
    line = {"id": 1, "batch_id": OTHER_BATCH, "messages": ERRORS}
    return _instead([line] if place == PUT else {"messages": ERRORS}, applied=applied)


def _truncated(point: Point, place: Place, applied: bool) -> dict[str, Any]:
    if (applied or point.reads) and place != REPLACE:
        return {"action": "truncate"}
    return _instead('[{"id": 1, "batch_', applied=applied)


def _nan(point: Point, place: Place, applied: bool) -> dict[str, Any]:
    if (applied or point.reads) and place not in {REPLACE, ATTACH}:
        number = r'("\w+"):\s*-?[0-9][0-9.]*' if place.system == "minox" else r'("\w+Id"):\s*"[0-9]+"'
        return {"action": "apply-then-replace", "find": number, "replace": r"\1:NaN"}
    body = '[{"id": 1, "debit": NaN}]' if place == PUT else '{"document_id": NaN, "CustomerCompanyId": NaN}'
    return _instead(body, applied=applied)


def _double_key(point: Point, place: Place, applied: bool) -> dict[str, Any] | str:
    if not (applied or point.reads):
        return "a whole answer of success to what was not stored is a lie that only the reconciliation sees"
    if place == REPLACE:
        return {
            "action": "apply-then-status",
            "status": 200,
            "body": '{"CustomerCompanyId":"9","CustomerCompanyId":"52"}',
        }
    key = r'"(batch_id|document_id|EntityStateId|CustomerCompanyId|InvoiceHeaderId|id)":'
    return {"action": "apply-then-replace", "find": key, "replace": r'"\1":"x","\1":'}


def _another_id(point: Point, place: Place, applied: bool) -> dict[str, Any] | str:
    if point.reads:
        return "a list answers for no id; its pages have faults of their own"
    if place == ATTACH:
        return "the answer names nothing but the document's own id"
    rows: dict[Place, Any] = {
        PUT: [{"id": 1, "batch_id": OTHER_BATCH, "account": {"id": "8000"}}],
        TELL: {"EntityStateId": "999", "CompanyId": "3", "EntityType": "InvoiceHeader", "EntityId": "777"},
        CREATE: {"CustomerCompanyId": "52", "CompanyId": "3", "CustomerCode": "10001", "Name": "Oud"},
        REPLACE: {"CustomerCompanyId": "9", "CompanyId": "3", "CustomerCode": "9", "Name": "Ander"},
    }
    return _instead(rows[place], applied=applied)


# -- the network -------------------------------------------------------------------------------------------------------


def _elsewhere(address: str) -> Callable[[Point], list[Variant] | str]:
    """Send requests of a point to an address where no connection comes about."""

    def detour(real: Any, client: Any, request: Any, token: Any) -> Any:
        base = client._base
        client.__dict__["_base"] = address.format(port=base.rpartition(":")[2])
        try:
            return real(client, request, token)
        finally:
            client.__dict__["_base"] = base

    def go(place: Place, times: int, half: Half) -> None:
        half.instrument.arm(place, "before", lambda: detour, times=times)
        half.run()

    def at(point: Point) -> list[Variant] | str:
        if not point.asks:
            return NOTHING_ASKED
        if point.applied:
            return "nothing is applied where no connection is made"
        return [
            Variant(f"{place.name} {name}", functools.partial(go, place, times))
            for place in point.asks
            for name, times in (("once", 1), ("to the end", FOR_EVER))
        ]

    return at


def _reset(point: Point, place: Place, applied: bool) -> dict[str, Any] | str:
    return "that is an answer lost after apply" if applied else {"action": "drop"}


def _stall(point: Point, place: Place, applied: bool) -> dict[str, Any] | str:
    if not (applied or point.reads):
        return "a request that stalls and arrives later has been applied"
    return {"action": "apply-then-hold", "seconds": 3, "hasty": True}


def _drip(point: Point, place: Place, applied: bool) -> dict[str, Any] | str:
    if not (applied or point.reads) or place == REPLACE:
        return "where there is an answer, the request was applied"
    return {"action": "drip", "seconds": 0.05, "hasty": True}


# -- limits ------------------------------------------------------------------------------------------------------------


def _limit(headers: Callable[[], dict[str, str]], times: int | None = 2) -> Callable[[Point], list[Variant] | str]:
    def go(place: Place, half: Half) -> None:
        _spoil(half, place, action="status", status=429, headers=headers(), times=times)
        half.run()

    return _unapplied(go)


def _unapplied(go: Callable[[Place, Half], None]) -> Callable[[Point], list[Variant] | str]:
    """Make variants of the requests of a point that come before anything is applied."""

    def at(point: Point) -> list[Variant] | str:
        if not point.asks:
            return NOTHING_ASKED
        if point.applied:
            return "what is refused there was not applied"
        return [Variant(place.name, functools.partial(go, place)) for place in point.asks]

    return at


def _in_the_middle(place: Place, half: Half) -> None:
    system = half.world.minox if place.system == "minox" else half.world.qms
    rule = {"path": API, "action": "status", "status": 429, "headers": {"Retry-After": "0"}, "times": 3}
    half.instrument.arm(place, "before", lambda: system.spoil(**rule))
    half.run()


# -- access ------------------------------------------------------------------------------------------------------------


def _grants(what: str, **token_rule: Any) -> Callable[[Point], list[Variant] | str]:
    def go(place: Place, half: Half) -> None:
        system = half.world.minox if place.system == "minox" else half.world.qms

        def act() -> None:
            system.control("POST", "grants", {"action": what})
            if token_rule:
                system.spoil(method="POST", path="oauth", **token_rule)

        half.instrument.arm(place, "before", act)
        half.run()

    return _unapplied(go)


def _refreshed_by_two(place: Place, half: Half) -> None:
    system = half.world.minox if place.system == "minox" else half.world.qms
    hook = MinoxHook("minox_test", 123456, 1, 1000) if system is half.world.minox else QmsHook("qms_test", 3)
    others: list[threading.Thread] = []

    def act() -> None:
        token = hook.tokens.token()
        system.control("POST", "grants", {"action": "expire"})
        others.append(threading.Thread(target=hook.tokens.renew, args=(token,), daemon=True))
        others[0].start()

    half.instrument.arm(place, "before", act)
    half.run()
    for other in others:
        other.join(30)


def _scope_removed(place: Place, half: Half) -> None:
    _spoil(half, place, action="status", status=403, times=None)
    half.run()


# -- pages -------------------------------------------------------------------------------------------------------------


def _pages(go: Callable[[Half, Place], None]) -> Callable[[Point], list[Variant] | str]:
    def at(point: Point) -> list[Variant] | str:
        if not point.reads:
            return NO_LIST
        return [Variant("", functools.partial(lambda place, half: go(half, place), place)) for place in point.asks]

    return at


def _between(before: Callable[[Half], None], act: Callable[[Half], None]) -> Callable[[Point], list[Variant] | str]:
    """Change a list between two of its pages."""

    def go(half: Half, place: Place) -> None:
        before(half)
        half.instrument.arm(place, "before", lambda: act(half))
        half.run()

    return _pages(go)


def _without(half: Half) -> None:
    half.use_small_pages(1)
    if isinstance(half, ExportHalf):
        half.world.qms.edit(
            *({"entity": entity, "delete": ["2"], "log": False} for entity in ("OverviewInvoice", "Invoice")),
            {"entity": "OverviewInvoiceLine", "delete": ["2001"], "log": False},
        )
    else:
        take_away(half.world, "customer", 10002)


def _add(half: Half) -> None:
    if isinstance(half, ExportHalf):
        half.world.add(invoice(2), at="2026-03-02T11:10:00Z")
    else:
        give(half.world, "customer", customer(10002, "De Vries"))


def _with_more(half: Half) -> None:
    half.extra = {"9", "10009"}
    if isinstance(half, ExportHalf):
        half.world.add(invoice(9))
    else:
        give(half.world, "customer", customer(10009, "Weg"))


def _take_away(half: Half) -> None:
    if isinstance(half, ExportHalf):
        half.world.qms.edit({"entity": "OverviewInvoice", "delete": ["9"], "log": False})
    else:
        take_away(half.world, "customer", 10009)


def _otherwise(half: Half) -> None:
    if isinstance(half, ExportHalf):
        half.world.change(invoice(2), at=None, text="Anders")
    else:
        change(half.world, "customer", 10001, chamber_of_commerce="1")


def _as_it_was(half: Half) -> None:
    if isinstance(half, ExportHalf):
        half.world.change(invoice(2, text="Anders"), at=None, text="Werk 2")
    else:
        change(half.world, "customer", 10001, chamber_of_commerce="30123456")


def _page_of(place: Place, rows: list[Any], following: str) -> dict[str, Any]:
    if place.system == "minox":
        return {"links": {"next": following}, "collection": rows}
    return {"value": rows, "odata.nextLink": following}


def _next_page(times: int | None, rows: list[Any], following: str = "waar") -> Callable[[Point], list[Variant] | str]:
    """Answer for a page that is not the first with these rows and a link to another."""

    def go(half: Half, place: Place) -> None:
        link = following
        if place.system == "qms":
            link = f"{half.world.qms.url}/api/V3/odata/OverviewInvoice?$skiptoken={following}"
        _spoil(half, place, action="body", body=_page_of(place, rows, link), times=times)
        half.run()

    return _pages(go)


# -- everything at once ------------------------------------------------------------------------------------------------


def _wide(status: int, *, path: str = API, body: Any = None, only: str = "") -> Callable[[Point], list[Variant] | str]:
    """Let everything of a system answer this from a point on."""

    def go(place: Place, applied: bool, half: Half) -> None:
        system = half.world.minox if place.system == "minox" else half.world.qms
        rule = {"path": path, "action": "status", "status": status, "body": body, "times": None}

        def act() -> None:
            if applied:
                _spoil(half, place, action="apply-then-drop")
            system.spoil(**rule)

        half.instrument.arm(place, "before", act)
        half.run()

    def at(point: Point) -> list[Variant] | str:
        if not point.asks:
            return NOTHING_ASKED
        found = [
            Variant(f"{place.name}{' applied' if applied else ''}", functools.partial(go, place, applied))
            for place in point.asks
            for applied in _sides(point)
            if only in place.name
        ]
        return found or "QMS has no tenant"

    return at


# -- the database ------------------------------------------------------------------------------------------------------


def _pid(given: Any) -> int:
    driver = getattr(given, "connection", given)
    found: int = driver.info.backend_pid
    return found


def _disconnect(half: Half, arm: Any) -> None:
    def cut(given: Any) -> None:
        half.world.scalar("SELECT pg_terminate_backend(:pid, 5000)", pid=_pid(given))
        cursor = given if hasattr(given, "fetchone") else given.cursor()
        cursor.execute("SELECT 1")  # the driver sees that nobody is there

    arm(cut)
    half.run()


def _database_says(code: str) -> Callable[[Half, Any], None]:
    def act(half: Half, arm: Any) -> None:
        def say(given: Any) -> None:
            cursor = given if hasattr(given, "fetchone") else given.cursor()
            cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'a fault of the matrix' USING ERRCODE = '{code}'; END $$")

        arm(say)
        half.run()

    return act


def _storage(act: Callable[[Half, Any], None], *, both: bool = False) -> Callable[[Point], list[Variant] | str]:
    def at(point: Point) -> list[Variant] | str:
        if not point.notes:
            return NOTHING_NOTED
        return [
            Variant(f"{when} {place.name}", functools.partial(_arm_and_act, act, place, when, None))
            for place in point.notes
            for when in ("before", "after")
            if when == "before" or (both and place.name.startswith("commit:"))
        ]

    return at


def _never(why: str) -> Callable[[Point], list[Variant] | str]:
    return lambda _: why


FAULTS: tuple[Fault, ...] = (
    Fault("process", "kill -9 before", _at_moments(_kill, when="before")),
    Fault("process", "kill -9 after", _at_moments(_kill, when="after")),
    Fault("process", "task timeout", _at_moments(_raise(AirflowTaskTimeout), both=False)),
    Fault("process", "out of memory", _at_moments(_raise(MemoryError), both=False)),
    Fault("process", "scheduler restart", _at_moments(_restart, both=False)),
    Fault("process", "started twice at once", _at_moments(_twice, both=False)),
    Fault("process", "zombie", _at_moments(_zombie, both=False)),
    Fault("answer", "lost after apply", _answers(_lost)),
    Fault("answer", "500", _answers(_status(500))),
    Fault("answer", "502", _answers(_status(502))),
    Fault("answer", "503", _answers(_status(503))),
    Fault("answer", "504", _answers(_status(504))),
    Fault("answer", "200 with error messages", _answers(_error_messages)),
    Fault("answer", "200 with HTML", _answers(_text("<html>Onderhoud</html>"))),
    Fault("answer", "truncated JSON", _answers(_truncated)),
    Fault("answer", "bare string", _answers(_text('"ok"'))),
    Fault("answer", "empty body", _answers(_text(None))),
    Fault("answer", "NaN", _answers(_nan)),
    Fault("answer", "duplicated key", _answers(_double_key)),
    Fault("answer", "for another id", _answers(_another_id)),
    Fault("network", "refuse", _elsewhere("http://127.0.0.1:9")),
    Fault("network", "reset", _answers(_reset)),
    Fault("network", "stall", _answers(_stall)),
    Fault("network", "byte by byte", _answers(_drip)),
    Fault("network", "DNS failure", _elsewhere("http://nobody.invalid")),
    Fault("network", "TLS failure", _elsewhere("https://127.0.0.1:{port}")),
    Fault("limits", "429 with seconds", _limit(lambda: {"Retry-After": "1"})),
    Fault("limits", "429 with a date", _limit(lambda: {"Retry-After": formatdate(time() + 1, usegmt=True)})),
    Fault("limits", "429 with milliseconds", _limit(lambda: {"x-rate-limit-reset": str(int(time() * 1000) + 20)})),
    Fault("limits", "429 without a word", _limit(dict)),
    Fault("limits", "in the middle of a record", _unapplied(_in_the_middle)),
    Fault("limits", "longer than the task", _limit(lambda: {"Retry-After": "86400"}, None)),
    Fault("auth", "token expires", _grants("expire")),
    Fault("auth", "refresh answer lost", _grants("expire", action="apply-then-drop")),
    Fault("auth", "refreshed by two", _unapplied(_refreshed_by_two)),
    Fault("auth", "token revoked", _grants("revoke")),
    Fault("auth", "scope removed", _unapplied(_scope_removed)),
    Fault("auth", "expires in n days", _never("neither system tells when a grant ends; a refusal is 'token revoked'")),
    Fault("paging", "row inserted", _between(_without, _add)),
    Fault("paging", "row deleted", _between(_with_more, _take_away)),
    Fault("paging", "row changed", _between(_otherwise, _as_it_was)),
    Fault("paging", "same page twice", _next_page(None, [{"id": 1}, {"id": 2}])),
    Fault("paging", "token repeats", _next_page(None, [])),
    Fault(
        "paging", "empty page with a token", _never("read on where no row is lost (tests/hooks); else a shorter list")
    ),
    Fault("paging", "token that leads nowhere", _next_page(1, [])),
    Fault("paging", "total changes", _never("neither system's lists carry a total")),
    Fault("wide", "administration off", _wide(404)),
    Fault("wide", "wrong base URL", _wide(404, path="", body="<html>Niet gevonden</html>")),
    Fault("wide", "wrong tenant", _wide(403, only="minox")),
    Fault("storage", "connection cut", _storage(_disconnect, both=True)),
    Fault("storage", "deadlock", _storage(_database_says("40P01"))),
    Fault("storage", "serialisation failure", _storage(_database_says("40001"))),
    Fault("storage", "disk full", _storage(_database_says("53100"))),
    Fault("storage", "migration half done", _never("a migration runs before the first point (tests/storage)")),
)
"""Everything of the fault list that can come at a point."""
