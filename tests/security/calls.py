"""Which call of the hooks reads which answer of the contracts, and the hooks without a database under them."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from include.mappings import MASTER_DATA
from include.wire import minox as minox_wire
from include.wire import qms as qms_wire
from include.wire.decode import decode_readable, decode_record
from minox_qms.connect import read_answer
from minox_qms.hooks.http import HttpClient, Limits, Timing
from minox_qms.hooks.minox import MinoxHook
from minox_qms.hooks.oauth import TokenSource
from minox_qms.hooks.qms import QmsHook, read_row
from minox_qms.hooks.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.storage.grants import Grant, Pair
    from minox_qms.hooks.base import SystemHook
    from tests.hooks.fake_server import FakeTime
    from tests.security.hostile import Described

BATCH = uuid.UUID("5f0c7a58-6f0e-5a57-9c1e-5a1f8d9b7c11")
LIMITS = Limits(connect=5, read=20, transfer=60, attempts=2, waits=2, body=2_000_000)
STRUCTS: dict[str, Any] = {
    **{mapping.minox: mapping.struct for mapping in MASTER_DATA.values()},
    "item_group": minox_wire.ItemGroup,
    "administration": minox_wire.Administration,
    "journal": minox_wire.Journal,
    "receivable": minox_wire.Receivable,
    **{
        name: getattr(qms_wire, name)
        for name in ("Company", "OverviewInvoice", "Invoice", "OverviewInvoiceLine", "EntityChange")
    },
}
"""What the records of a list are read into."""


class Tokens:
    """Gives a token, and another when that is rejected."""

    def token(self) -> str:
        return "token-1"

    def renew(self, rejected: str) -> str:
        return f"{rejected}x"


class Grants:
    """A grant in memory in place of the database's."""

    def __init__(self) -> None:
        self.stored: Pair | None = None

    @contextmanager
    def locked(self, conn_id: str) -> Iterator[Grants]:
        yield self

    def store(self, pair: Pair, issuer: str, **_: Any) -> Grant | None:
        self.stored = pair
        return None


def hook_of(system: str, url: str, fake: FakeTime) -> SystemHook:
    """Make a hook that talks to an address, with a token of its own and no database."""
    timing = Timing(fake.sleep, fake.clock, fake.clock, fake.random)
    hook: SystemHook = MinoxHook("x", 123456, 1) if system == "minox" else QmsHook("x", 3)
    hook.__dict__["site"] = site_of(system, url)
    hook.__dict__["tested_number"] = lambda _: 3
    hook.__dict__["tokens"] = Tokens()
    hook.__dict__["client"] = HttpClient(system, url, tokens=Tokens(), limits=LIMITS, timing=timing)
    return hook


def site_of(system: str, url: str) -> Site:
    return Site(
        system=system, conn_id="x", base_url=url, client_id="client", client_secret="geheim", scope="", seed="seed"
    )


def call_for(answer: Described, hook: SystemHook) -> Callable[[], Any]:
    """The call that makes the product read this answer."""
    name = answer.path.rstrip("/").split("/")[-1]
    if name == "token":
        return lambda: _exchange(hook)
    if name in {"authorize", "auth"}:
        return lambda: None  # read by a browser; what comes back of it is `read_answer`'s, tested for itself
    if isinstance(hook, MinoxHook):
        return _minox_call(answer, name, hook)
    assert isinstance(hook, QmsHook)
    return _qms_call(answer, name, hook)


def _minox_call(answer: Described, name: str, hook: MinoxHook) -> Callable[[], Any]:
    calls: dict[str, Callable[[], Any]] = {
        "inspect": hook.tenants,
        "get {batch_id}": lambda: hook.get_batch(BATCH),
        "put {batch_id}": lambda: hook.put_batch(BATCH, b"[]"),
        "blob": lambda: hook.attach_blob(BATCH, "F2026-1.pdf", b"%PDF-"),
        "{invoice_number}": lambda: hook.receivable(10001, 20261),
        "administration": lambda: (hook.administrations(), hook.administration()),
        "journal": hook.journals,
        "receivable": lambda: list(hook.receivables()),
    }
    found = calls.get(name) or calls.get(f"{answer.method} {name}")
    return found or (lambda: [read_record(name, raw) for page in hook.pages(name) for raw in page])


def _qms_call(answer: Described, name: str, hook: QmsHook) -> Callable[[], Any]:
    entity, _, keyed = name.partition("(")
    row = {"CompanyId": 3, "Code": "1"}
    if name == "Pdf":
        return lambda: hook.pdf(11)
    if answer.method == "post":
        return lambda: hook.create(entity, row)
    if answer.method == "put":
        return lambda: hook.replace(entity, 11, row)
    if keyed:
        return lambda: hook.get(entity, 11)
    return lambda: [read_record(entity, raw) for page in hook.pages(entity) for raw in page] + [_probed(hook, entity)]


def _probed(hook: QmsHook, entity: str) -> Any:
    return hook.probe() if entity == "Company" else None


def read_record(name: str, raw: bytes) -> Any:
    """Read a record of a list as the product does."""
    if name not in STRUCTS:
        return read_row(raw, name) if name[:1].isupper() else raw
    record, faults = decode_record(raw, STRUCTS[name])
    assert (record is None) == bool(faults)
    return decode_readable(raw, STRUCTS[name])[0]


def _exchange(hook: SystemHook) -> Pair | None:
    grants: Any = Grants()
    client = hook.client
    TokenSource(lambda: hook.site, grants, limits=LIMITS, timing=client.timing).exchange_code("code", "http://x/cb")
    stored: Pair | None = grants.stored
    return stored


def come_back(query: str) -> Any:
    """Read what the browser brought back from the consent page."""
    return read_answer(f"https://airflow.example/minox-qms/oauth/callback?{query}", "state")


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from (name, *texts_of(part))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts_of(part)
    elif hasattr(value, "__struct_fields__"):
        yield from texts_of([getattr(value, name) for name in value.__struct_fields__])


def numbers_of(value: Any) -> Iterator[Decimal]:
    """Every exact number in a value."""
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from numbers_of(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from numbers_of(part)
    elif hasattr(value, "__struct_fields__"):
        yield from numbers_of([getattr(value, name) for name in value.__struct_fields__])
