"""The hook for Minox: lists of master data, batches, receivables and attachments (`minox.openapi.yaml`)."""

from __future__ import annotations

import base64
import uuid
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec
from urllib3.filepost import encode_multipart_formdata

from include.errors import AccessError, ConfigurationError, ContractViolationError
from include.storage.grants import fingerprint
from include.storage.pacing import Pacing
from include.wire.decode import decode_record
from include.wire.minox import Administration, Journal, Receivable, StoredLine
from include.wire.text import identifier, text
from minox_qms.hooks.base import SystemHook
from minox_qms.hooks.http import Answer, Pacer, Request, UnusableBodyError
from minox_qms.hooks.pages import Page, minox_page, walk
from minox_qms.hooks.policy import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T", bound=msgspec.Struct)

_JSON = (("Content-Type", "application/json"),)
_OK = frozenset({200})
_OK_OR_ABSENT = frozenset({200, 404})


class _SharedPace:
    """The pace of one client, kept in the database for all workers."""

    def __init__(self, pacing: Pacing, key: str, per_second: float) -> None:
        self._pacing = pacing
        self._key = key
        self._per_second = per_second

    def reserve(self) -> float:
        return self._pacing.reserve(self._key, self._per_second)

    def block_for(self, seconds: float) -> None:
        self._pacing.block_for(self._key, seconds)

    def blocked_for(self) -> float:
        return self._pacing.blocked_for(self._key)


class MinoxHook(SystemHook):
    """Talks to one administration of Minox.

    Args:
        conn_id: Airflow connection of type `minox`.
        tenant_id: Customer number that one logs in to Minox with.
        administration_id: Number of the administration.
        requests_per_second: Over all workers together.
        **options: See `SystemHook`.
    """

    system: ClassVar[str] = "minox"
    conn_type: ClassVar[str] = "minox"
    default_conn_name: ClassVar[str] = "minox_default"
    hook_name: ClassVar[str] = "Minox"

    def __init__(
        self,
        conn_id: str = default_conn_name,
        tenant_id: int | None = None,
        administration_id: int | None = None,
        requests_per_second: float = 5,
        **options: Any,
    ) -> None:
        super().__init__(conn_id, **options)
        self.tenant_id = tenant_id
        self.administration_id = administration_id
        self.requests_per_second = requests_per_second

    def pacer(self) -> Pacer:
        """The pace that all workers share: Minox counts the requests of a client, over all of its connections."""
        key = fingerprint(self.site.base_url, self.site.client_id)
        return _SharedPace(Pacing(self._engine), key, self.requests_per_second)

    @cached_property
    def _tenant(self) -> str:
        if self.tenant_id is None:
            raise ConfigurationError("No Minox tenant is set for this link.", system="minox", field="tenant_id")
        return f"/api/1/tenant/{self.tenant_id}"

    @cached_property
    def _administration(self) -> str:
        if self.administration_id is None:
            raise ConfigurationError(
                "No Minox administration is set for this link.", system="minox", field="administration_id"
            )
        return f"{self._tenant}/administration/{self.administration_id}"

    def pages(self, collection: str, params: Mapping[str, str] | None = None) -> Iterator[list[bytes]]:
        """Read a list to its end.

        Args:
            collection: Name in the path, e.g. `customer`; `administration` is the tenant's list of administrations.
            params: Query parameters, e.g. `{"status": "open"}`.

        Yields:
            The records of each page, as raw JSON.

        Raises:
            ContractViolationError: A page is not what the contract says, comes twice, or the list has no end.
            AccessError: 401, 403 or 404: tenant, administration, rights or scope are wrong.
            TransientError: Minox could not be reached properly.
        """
        base = self._tenant if collection == "administration" else self._administration
        given = tuple((params or {}).items())

        def fetch(cursor: str | None) -> Page:
            path, query = f"{base}/{collection}", given
            if cursor is not None and cursor.startswith(("https://", "http://")):
                path, query = cursor, ()
            elif cursor is not None:
                query = (*given, ("next", cursor))
            request = Request("GET", path, Kind.READ, _template(collection), query=query, entity=collection)
            return self.client.send(request, lambda answer: minox_page(answer.body))

        return walk(fetch, system="minox", entity=collection)

    def get_batch(self, batch_id: uuid.UUID | str) -> list[StoredLine] | None:
        """Read the stored lines of a batch; None when Minox has no such batch."""
        batch = uuid.UUID(str(batch_id))
        request = self._batch_request("GET", Kind.READ, batch, expected=_OK_OR_ABSENT)
        return self.client.send(request, lambda answer: None if _absent(answer) else _lines(answer, batch) or None)

    def put_batch(
        self,
        batch_id: uuid.UUID | str,
        body: bytes,
        *,
        on_turn: Callable[[], None] | None = None,
        on_sent: Callable[[], None] | None = None,
    ) -> list[StoredLine]:
        """Create or replace a batch.

        Args:
            batch_id: Id of the batch.
            body: The lines as JSON, sent as they are.
            on_turn: Called when its turn has come, right before the first byte.
            on_sent: Called when its last byte has been given to the network.

        Returns:
            The stored lines; their `messages` may hold warnings.

        Raises:
            RefusedError: 400; `messages` holds all that Minox says.
            UnknownOutcomeError: Minox may have stored it: look it up before anything is sent again.
            AccessError: 401, 403 or 404.
            TransientError: Nothing was sent, or Minox stays over its limit.
        """
        batch = uuid.UUID(str(batch_id))
        request = replace(self._batch_request("PUT", Kind.REPLACE, batch, body=body), on_turn=on_turn, on_sent=on_sent)

        def parse(answer: Answer) -> list[StoredLine]:
            lines = _lines(answer, batch)
            if not lines:
                raise UnusableBodyError("no lines in the answer")
            kinds = {(text(message.message_type) or "").lower() for line in lines for message in line.messages or ()}
            if "error" in kinds:
                raise UnusableBodyError("an answer of success that holds errors")
            return lines

        return self.client.send(request, parse)

    def attach_blob(
        self, batch_id: uuid.UUID | str, file_name: str, content: bytes, *, on_turn: Callable[[], None] | None = None
    ) -> str:
        """Attach a PDF to a batch; a second one is added, it does not replace the first.

        Args:
            batch_id: Id of the batch.
            file_name: Name of the document.
            content: The document itself; it is sent as base64 text, as the contract wants it.
            on_turn: Called when its turn has come, right before the first byte.

        Returns:
            Minox's id of the document.

        Raises:
            RefusedError: 400, or 404: the batch is gone.
            UnknownOutcomeError: It may be attached: look at `document_id` of the batch's lines.
        """
        part = {"data": (file_name, base64.b64encode(content), "application/pdf")}
        body, content_type = encode_multipart_formdata(part)
        batch = uuid.UUID(str(batch_id))
        request = self._batch_request("POST", Kind.ATTACH, batch, body=body, content_type=content_type, below="/blob")
        return self.client.send(replace(request, on_turn=on_turn), _document_id)

    def receivable(self, customer: int, number: int) -> Receivable | None:
        """Read the receivable of a customer and an invoice number, open or paid; None when there is none."""
        request = Request(
            "GET",
            f"{self._administration}/receivable/account/{customer}/invoice/{number}",
            Kind.READ,
            _template("receivable/account/{customer}/invoice/{invoice_number}"),
            expected=_OK_OR_ABSENT,
            entity="receivable",
            key=f"{customer}/{number}",
        )

        def parse(answer: Answer) -> Receivable | None:
            if _absent(answer):
                return None
            found = _typed(answer.body, Receivable)
            if found.invoice_number is not None and identifier(found.invoice_number) != str(number):
                raise UnusableBodyError("a receivable of another invoice")
            if found.debtor is not None and identifier(found.debtor) != str(customer):
                raise UnusableBodyError("a receivable of another customer")
            return found

        return self.client.send(request, parse)

    def receivables(self) -> Iterator[list[Receivable]]:
        """Read all receivables, open and paid, page by page."""
        return (self._records(page, Receivable, "receivable") for page in self.pages("receivable"))

    def journals(self) -> list[Journal]:
        """Read the journals."""
        return [journal for page in self.pages("journal") for journal in self._records(page, Journal, "journal")]

    def administrations(self) -> list[Administration]:
        """Read the administrations of the tenant, with their currency and fiscal years."""
        pages = self.pages("administration")
        return [found for page in pages for found in self._records(page, Administration, "administration")]

    def administration(self) -> Administration:
        """Read the link's own administration.

        Raises:
            AccessError: The tenant has no such administration, or we may not see it.
        """
        wanted = str(self.administration_id)
        for administration in self.administrations():
            if identifier(administration.id) == wanted:
                return administration
        raise AccessError(
            f"Minox shows us no administration {wanted} for tenant {self.tenant_id}.",
            system="minox",
            entity="administration",
            key=wanted,
        )

    def tenants(self) -> list[str]:
        """Read which tenants the grant reaches (`inspect`, which wants the client's own login)."""
        login = f"{self.site.client_id}:{self.site.client_secret}".encode()
        request = Request(
            "POST",
            "/api/1/inspect",
            Kind.READ,
            "/api/1/inspect",
            body=msgspec.json.encode({"token": self.tokens.token()}),
            headers=(*_JSON, ("Authorization", f"Basic {base64.b64encode(login).decode()}")),
            entity="inspect",
        )
        return self.client.unsigned().send(request, _tenants)

    def probe(self) -> str:
        """Ask which tenants the grant reaches, and whether it reaches what the connection's form names."""
        tenant, administration = self.tested_number("tenant_id"), self.tested_number("administration_id")
        tenants = self.tenants()
        if not tenants:
            raise AccessError("Minox accepts us, but shows no tenant: the person who connected has none.")
        reached = f"this connection reaches tenant {', '.join(tenants)}"
        if tenant is not None and str(tenant) not in tenants:
            raise AccessError(f"Minox accepts us, but not for tenant {tenant}: {reached}.")
        if administration is None or (tenant is None and len(tenants) > 1):
            return f"Minox answers; {reached}."
        self.tenant_id = int(tenants[0]) if tenant is None else tenant
        self.administration_id = administration
        found = self.administration()
        return f"Minox answers; this connection reaches administration {administration} ({found.name or 'nameless'})."

    def _batch_request(
        self,
        method: str,
        kind: Kind,
        batch: uuid.UUID,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        below: str = "",
        expected: frozenset[int] = _OK,
    ) -> Request:
        return Request(
            method,
            f"{self._administration}/transaction_line_batch/{batch}{below}",
            kind,
            _template(f"transaction_line_batch/{{batch_id}}{below}"),
            body=body,
            headers=() if body is None else (("Content-Type", content_type),),
            expected=expected,
            entity="transaction_line_batch",
            key=str(batch),
        )

    def _records(self, page: list[bytes], type_: type[T], collection: str) -> list[T]:
        try:
            return [_typed(raw, type_) for raw in page]
        except UnusableBodyError as error:
            raise ContractViolationError(
                "A list of Minox holds a record that cannot be used; nothing of it was used.",
                detail=str(error),
                system="minox",
                entity=collection,
            ) from None


def _template(collection: str) -> str:
    below = "" if collection == "administration" else f"/{{administration_id}}/{collection}"
    return f"/api/1/tenant/{{tenant_id}}/administration{below}"


def _absent(answer: Answer) -> bool:
    return answer.status == 404  # noqa: PLR2004 - expected where this is asked


def _typed(raw: bytes, type_: type[T]) -> T:
    record, faults = decode_record(raw, type_)
    if record is None:
        raise UnusableBodyError("; ".join(f"{fault.field} {fault.message}".strip() for fault in faults[:5]))
    return record


def _lines(answer: Answer, batch: uuid.UUID) -> list[StoredLine]:
    """Read the lines of a batch, all of which must be of the batch that was asked for."""
    try:
        raw = msgspec.json.decode(answer.body, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise UnusableBodyError("no list of lines") from None
    lines = [_typed(bytes(line), StoredLine) for line in raw]
    if not all(_same_batch(line.batch_id, batch) for line in lines):
        raise UnusableBodyError("lines of another batch")
    return lines


def _same_batch(value: str | float | None, batch: uuid.UUID) -> bool:
    try:
        return uuid.UUID(str(value)) == batch
    except ValueError:
        return False


def _fields(answer: Answer) -> dict[str, Any]:
    try:
        return msgspec.json.decode(answer.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise UnusableBodyError("not a JSON object") from None


def _document_id(answer: Answer) -> str:
    found = _fields(answer).get("document_id")
    if not isinstance(found, str) or not found.strip() or "\x00" in found:
        raise UnusableBodyError("no document_id in the answer")
    return found.strip()


def _tenants(answer: Answer) -> list[str]:
    tenants = _fields(answer).get("linked_tenants")
    if not isinstance(tenants, list) or not all(isinstance(tenant, dict) for tenant in tenants):
        raise UnusableBodyError("no list of tenants")
    try:
        names = [text(tenant.get("tenant_id")) for tenant in tenants]
    except (TypeError, ValueError):
        raise UnusableBodyError("a tenant whose number is none") from None
    return [name for name in names if name is not None and name.isprintable()]
