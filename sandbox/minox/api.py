"""The operations under `/api/1`, as the contract describes them."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fastapi import APIRouter
from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation while running
from starlette.responses import Response

from sandbox.common.config import RateLimit, Row
from sandbox.common.http import (
    MAX_BODY_BYTES,
    BodyTooLargeError,
    basic_credentials,
    bearer_token,
    media_type,
    read_body,
    whole_number,
)
from sandbox.common.json_text import ExactJSONResponse, dumps, loads
from sandbox.minox.entry_checks import check_entry, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.common.oauth import TokenStore
    from sandbox.minox.books import Books
    from sandbox.minox.limiter import Limiter
    from sandbox.minox.state import MinoxState

SCOPES = {
    "administration": "administration:read",
    "vat": "vat:read",
    "cost_center": "cost_center:read",
    "payment_term": "payment_term:read",
    "item_group": "item:read",
    "item": "item:read",
    "customer": "customer:read",
    "ledger_account": "ledger_account:read",
    "journal": "journal:read",
    "receivable": "transaction:read",
}
"""The scope that a list asks for."""

ALL_SCOPES = (*dict.fromkeys(SCOPES.values()), "transaction:write", "document:write")

_PLACE = "/api/1/tenant/{tenant_id}/administration/{administration_id}"
_BATCH = _PLACE + "/transaction_line_batch/{batch_id}"
_ID_FIELDS = frozenset(
    {"id", "account_id", "ledger_account_id", "item_group_id", "invoice_number", "tenant_id", "administration_id"}
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BLANKS = re.compile(rb"\s+")
_MAX_ADMINISTRATION = 99_999
_MAX_CUSTOMER = 999_999
_MAX_INVOICE_NUMBER = 2_147_483_647


class AnswerError(Exception):
    """An answer that ends the work on a request.

    Args:
        status: The HTTP status.
        messages: The body of a 400; None is no body.
    """

    def __init__(self, status: int, messages: list[Row] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.messages = messages


def _refuse(code: str, text: str, field: str | None = None) -> AnswerError:
    return AnswerError(400, [message(code, text, field)])


class MinoxApi:
    """The handlers of the operations.

    Args:
        state: The data.
        store: The grants.
        limiter: Counts the calls.
    """

    def __init__(self, state: MinoxState, store: TokenStore, limiter: Limiter) -> None:
        self._state = state
        self._store = store
        self._limiter = limiter

    def router(self) -> APIRouter:
        """Make the routes.

        Returns:
            A router.
        """
        router = APIRouter()
        router.add_api_route("/api/1/inspect", self.inspect, methods=["POST"])
        router.add_api_route("/api/1/tenant/{tenant_id}/administration", self.list_administrations, methods=["GET"])
        router.add_api_route(_BATCH, self.get_batch, methods=["GET"])
        router.add_api_route(_BATCH, self.put_batch, methods=["PUT"])
        router.add_api_route(_BATCH + "/blob", self.attach_blob, methods=["POST"])
        one = _PLACE + "/receivable/account/{customer}/invoice/{invoice_number}"
        router.add_api_route(one, self.get_receivable, methods=["GET"])
        router.add_api_route(_PLACE + "/{entity}", self.list_entity, methods=["GET"])
        return router

    async def inspect(self, request: Request) -> Response:
        """Answer `inspect`.

        Args:
            request: The request.

        Returns:
            The tenants that the token in the body reaches.
        """
        credentials = basic_credentials(request)
        if credentials is None or self._store.clients.get(credentials[0]) != credentials[1]:
            verdict = self._count("")
            status = 401 if verdict[0] else 429
            return Response(
                status_code=status, headers=verdict[1] | ({"WWW-Authenticate": "Basic"} if verdict[0] else {})
            )
        allowed, headers = self._count(credentials[0])
        if not allowed:
            return Response(status_code=429, headers=headers)
        try:
            self._check_token(await _json_body(request))
        except AnswerError as answer:
            return _error(answer, headers)
        return self._json({"linked_tenants": self._state.tenants()}, headers)

    def _check_token(self, body: Any) -> None:
        token = body.get("token") if isinstance(body, dict) and set(body) == {"token"} else None
        if not isinstance(token, str) or not token:
            raise _refuse("FIELD_REQUIRED", "Het veld token is verplicht, en het enige", "token")
        if self._store.family_of(token) is None:
            raise AnswerError(401)

    async def list_administrations(self, request: Request) -> Response:
        """Answer `listAdministrations`.

        Args:
            request: The request.

        Returns:
            One page.
        """

        def work() -> Any:
            rows = self._state.administrations(_path_number(request, "tenant_id"))
            if rows is None:
                raise AnswerError(403)
            _known_parameters(request, {"next"})
            return self._page(request, rows)

        return self._serve(request, "administration:read", work)

    async def list_entity(self, request: Request) -> Response:
        """Answer every list of an administration.

        Args:
            request: The request; its last step names the entity.

        Returns:
            One page.
        """
        entity = request.path_params["entity"]
        if entity not in SCOPES:
            return Response(status_code=404, headers=self._count("")[1])
        extra = {"customer": "search", "receivable": "status"}.get(entity)

        def work() -> Any:
            books = self._books(request)
            _known_parameters(request, {"next", *([extra] if extra else [])})
            rows = books.receivables() if entity == "receivable" else books.lists[entity]
            if extra is not None and extra in request.query_params:
                rows = _narrowed(rows, extra, request.query_params[extra])
            return self._page(request, rows)

        return self._serve(request, SCOPES[entity], work)

    async def get_receivable(self, request: Request) -> Response:
        """Answer `getReceivable`.

        Args:
            request: The request.

        Returns:
            The receivable.
        """

        def work() -> Any:
            books = self._books(request)
            customer = _path_number(request, "customer", _MAX_CUSTOMER)
            number = _path_number(request, "invoice_number", _MAX_INVOICE_NUMBER)
            for row in books.receivables():
                if (
                    whole_number(row.get("account_id")) == customer
                    and whole_number(row.get("invoice_number")) == number
                ):
                    return row
            raise AnswerError(404)

        return self._serve(request, "transaction:read", work)

    async def get_batch(self, request: Request) -> Response:
        """Answer `getBatch`.

        Args:
            request: The request.

        Returns:
            The stored lines.
        """

        def work() -> Any:
            batch = self._books(request).batches.get(str(_batch_id(request)))
            if batch is None:
                raise AnswerError(404)
            return batch.lines

        return self._serve(request, "transaction:read", work)

    async def put_batch(self, request: Request) -> Response:
        """Answer `putBatch`.

        Args:
            request: The request.

        Returns:
            The stored lines, or every problem as a message.
        """
        try:
            body = await _json_body(request)
            problem = None
        except AnswerError as answer:
            body, problem = None, answer

        def work() -> Any:
            books, batch_id = self._books(request), _batch_id(request)
            if problem is not None:
                raise problem
            found = check_entry(books, batch_id, body)
            if found:
                place = {name: _path_number(request, name) for name in ("tenant_id", "administration_id")}
                raise AnswerError(400, [each | place for each in found])
            return books.store(batch_id, body)

        return self._serve(request, "transaction:write", work)

    async def attach_blob(self, request: Request) -> Response:
        """Answer `attachBlob`.

        Args:
            request: The request.

        Returns:
            The document's id.
        """
        try:
            parts: list[tuple[str, str, bytes]] = await _form_parts(request)
            problem = None
        except AnswerError as answer:
            parts, problem = [], answer

        def work() -> Any:
            books = self._books(request)
            batch = books.batches.get(str(_batch_id(request)))
            if batch is None:
                raise AnswerError(404)
            if problem is not None:
                raise problem
            journal = books.find("journal", batch.lines[0]["journal"]["id"]) or {}
            if journal.get("allow_linking_of_documents") is not True:
                raise _refuse("DOCUMENTS_NOT_ALLOWED", f"Dagboek {journal.get('id')} staat geen documenten toe")
            name, kind, text = parts[0]
            try:
                content = base64.b64decode(_BLANKS.sub(b"", text), validate=True)
            except binascii.Error:
                raise _refuse("DATA_NOT_BASE64", "De inhoud is geen base64", "data") from None
            if not content:
                raise _refuse("DATA_EMPTY", "Het document is leeg", "data")
            return {"document_id": books.attach(batch, name, kind, content)}

        return self._serve(request, "document:write", work)

    def _serve(self, request: Request, scope: str, work: Callable[[], Any]) -> Response:
        token = bearer_token(request)
        family = self._store.family_of(token) if token is not None else None
        allowed, headers = self._count(family.client_id if family is not None else "")
        if not allowed:
            return Response(status_code=429, headers=headers)
        if family is None:
            return Response(status_code=401, headers=headers | {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        if scope not in family.scopes:
            return Response(status_code=403, headers=headers)
        try:
            with self._state.lock:
                return self._json(work(), headers)
        except AnswerError as answer:
            return _error(answer, headers)

    def _count(self, client_id: str) -> tuple[bool, dict[str, str]]:
        config = self._state.config
        verdict = self._limiter.count(client_id, RateLimit.parse(config.rate_limit), retry_after=config.retry_after)
        return verdict.allowed, verdict.headers

    def _json(self, content: Any, headers: dict[str, str]) -> Response:
        return ExactJSONResponse(self._outward(content), headers=headers)

    def _outward(self, value: Any) -> Any:
        """Dress a value as the modes ask, and leave out the stand-in's own fields (they begin with `_`)."""
        config = self._state.config
        if isinstance(value, list):
            return [self._outward(each) for each in value]
        if not isinstance(value, dict):
            return value
        dressed: Row = {}
        for name, each in value.items():
            if name.startswith("_"):
                continue
            if config.ids_as_text and name in _ID_FIELDS and isinstance(each, int) and not isinstance(each, bool):
                dressed[name] = str(each)
            elif config.rfc3339_dates and name.endswith("_date") and isinstance(each, str) and _DAY.fullmatch(each):
                dressed[name] = f"{each}T00:00:00.000Z"
            else:
                dressed[name] = self._outward(each)
        return dressed

    def _books(self, request: Request) -> Books:
        tenant_id = _path_number(request, "tenant_id")
        if self._state.administrations(tenant_id) is None:
            raise AnswerError(403)
        books = self._state.books(tenant_id, _path_number(request, "administration_id", _MAX_ADMINISTRATION))
        if books is None:
            raise AnswerError(404)
        return books

    def _page(self, request: Request, rows: list[Row]) -> Row:
        config = self._state.config
        start = _cursor_start(request)
        end = start + config.page_size
        link: str | None = None
        if end < len(rows):
            cursor = _cursor(request, end)
            link = str(request.url.include_query_params(next=cursor)) if config.full_urls else cursor
        return {"links": {"next": link}, "collection": rows[start:end]}


def _cursor(request: Request, start: int) -> str:
    return base64.urlsafe_b64encode(dumps({"o": start, "p": request.url.path})).decode()


def _cursor_start(request: Request) -> int:
    cursor = request.query_params.get("next")
    if cursor is None:
        return 0
    try:
        start = loads(base64.urlsafe_b64decode(cursor.encode()))["o"]
    except (ValueError, KeyError, TypeError):
        start = None
    if not isinstance(start, int) or start < 0 or _cursor(request, start) != cursor:
        raise _refuse("CURSOR_UNKNOWN", "Deze cursor is onbekend", "next")
    return start


def _narrowed(rows: list[Row], parameter: str, value: str) -> list[Row]:
    if parameter == "search":
        wanted = value.casefold()
        return [row for row in rows if any(wanted in text.casefold() for text in _searchable(row))]
    if value not in {"open", "paid"}:
        raise _refuse("FIELD_INVALID", "status is open of paid", "status")
    return [row for row in rows if (row.get("balance") != 0) == (value == "open")]


def _searchable(row: Row) -> list[str]:
    addresses = row.get("addresses")
    names = (
        [address.get("name") for address in addresses if isinstance(address, dict)]
        if isinstance(addresses, list)
        else []
    )
    return [str(row.get("id")), *(name for name in names if isinstance(name, str))]


def _path_number(request: Request, name: str, most: int | None = None) -> int:
    number = whole_number(request.path_params[name])
    if number is None or number < 1 or (most is not None and number > most):
        raise _refuse("FIELD_INVALID", f"{name} is geen geldig nummer", name)
    return number


def _batch_id(request: Request) -> UUID:
    text = request.path_params["batch_id"]
    try:
        batch_id = UUID(text)
    except ValueError:
        batch_id = None
    if batch_id is None or str(batch_id) != text.lower():
        raise _refuse("FIELD_INVALID", "batch_id is geen UUID", "batch_id")
    return batch_id


def _known_parameters(request: Request, known: set[str]) -> None:
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise AnswerError(400, [message("FIELD_UNKNOWN", f"De parameter {name} is onbekend", name) for name in unknown])


async def _json_body(request: Request) -> Any:
    if media_type(request) != "application/json":
        raise AnswerError(415)
    try:
        return loads(await read_body(request))
    except BodyTooLargeError:
        raise _refuse("BODY_TOO_LARGE", "Het bericht is te groot") from None
    except ValueError:
        raise _refuse("JSON_INVALID", "Het bericht is geen JSON") from None


async def _form_parts(request: Request) -> list[tuple[str, str, bytes]]:
    if media_type(request) != "multipart/form-data":
        raise AnswerError(415)
    try:
        form: FormData = await request.form(max_files=2, max_fields=2, max_part_size=MAX_BODY_BYTES)
    except (HTTPException, MultipartParseError):
        raise _refuse("MULTIPART_INVALID", "Het bericht is geen multipart") from None
    parts = form.multi_items()
    if len(parts) != 1 or parts[0][0] != "data":
        raise _refuse("FIELD_INVALID", "Er is precies een onderdeel, en dat heet data", "data")
    upload = parts[0][1]
    if not isinstance(upload, UploadFile) or not upload.filename or not upload.content_type:
        raise _refuse("FIELD_INVALID", "Het onderdeel data heeft een bestandsnaam en een mediatype", "data")
    return [(upload.filename, upload.content_type, await upload.read(MAX_BODY_BYTES))]


def _error(answer: AnswerError, headers: dict[str, str]) -> Response:
    if answer.messages is None:
        return Response(status_code=answer.status, headers=headers)
    return ExactJSONResponse(answer.messages, answer.status, headers)
