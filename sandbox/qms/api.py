"""The operations under `/api/V3/odata`, as the contract describes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation while running
from starlette.responses import Response

from sandbox.common.http import BodyTooLargeError, bearer_token, media_type, read_body
from sandbox.common.json_text import ExactJSONResponse, loads
from sandbox.qms.entities import BASE, NAMES, Entity, entity
from sandbox.qms.odata_filter import ODataSyntaxError
from sandbox.qms.pdf import make_pdf
from sandbox.qms.query import Query, without_skiptoken
from sandbox.qms.writes import ValidationFailedError, insert, replace

if TYPE_CHECKING:
    from sandbox.common.config import Row
    from sandbox.common.oauth import TokenStore
    from sandbox.qms.state import QmsState

MAX_QUERY = 2048
WITH_PDF = frozenset({"Processed", "Sent"})
_MEDIA_TYPE = "application/json;odata=minimalmetadata;charset=utf-8"
_TARGET = re.compile(r"(?P<name>\w+)(?:\((?P<key>[^()]*)\)(?P<pdf>/Pdf)?)?")
_KEY = re.compile(r"([0-9]{1,19})L?")


class QmsApi:
    """The handlers of the operations.

    Args:
        state: The data.
        store: The grants.
    """

    def __init__(self, state: QmsState, store: TokenStore) -> None:
        self._state = state
        self._store = store

    def router(self) -> APIRouter:
        """Make the routes.

        Returns:
            A router.
        """
        router = APIRouter()
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "MERGE"]
        router.add_api_route(BASE + "/{target:path}", self.handle, methods=methods)
        return router

    async def handle(self, request: Request) -> Response:
        """Answer any operation.

        Args:
            request: The request.

        Returns:
            The answer.
        """
        token = bearer_token(request)
        # The links that QMS makes itself are good however long the client's own part is.
        if len(without_skiptoken(request.url.query)) > MAX_QUERY:
            return Response(status_code=404)
        if token is None or self._store.family_of(token) is None:
            return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        target = _TARGET.fullmatch(request.path_params["target"])
        if target is None or target["name"] not in NAMES or (target["pdf"] and target["name"] != "Invoice"):
            return Response(status_code=404)
        kind = entity(target["name"])
        offered = {"GET"} if target["pdf"] else kind.methods if target["key"] is None else kind.key_methods
        if request.method not in offered:
            return Response(status_code=405, headers={"Allow": ", ".join(sorted(offered))})
        return await self._offered(request, kind, target)

    async def _offered(self, request: Request, kind: Entity, target: re.Match[str]) -> Response:
        try:
            body = await _json_body(request) if request.method in {"POST", "PUT"} else None
            with self._state.lock:
                return self._answer(request, kind, target["key"], body, pdf=bool(target["pdf"]))
        except _MediaTypeError:
            return Response(status_code=415)
        except ODataSyntaxError as problem:
            return _error("BadRequest", str(problem))
        except ValidationFailedError as problem:
            return _error("ValidationFailed", str(problem))

    def _answer(self, request: Request, kind: Entity, key_text: str | None, body: Any, *, pdf: bool) -> Response:
        if key_text is None:
            return self._insert(request, kind, body) if request.method == "POST" else self._list(request, kind)
        match = _KEY.fullmatch(key_text)
        if match is None:
            raise ODataSyntaxError(f"{key_text!r} is no key of {kind.name}")
        row = self._state.find(kind.name, int(match[1]))
        if row is None:
            return Response(status_code=404)
        if pdf:
            return invoice_pdf(self._state, row)
        if request.method == "GET":
            return _json(row)
        new = replace(self._state, kind, row, body)
        return _json(new) if self._state.config.put_answers_row else Response(status_code=204)

    def _list(self, request: Request, kind: Entity) -> Response:
        query = Query.parse(kind, request.query_params)
        return _json(query.run(self._state.rows(kind.name), request.url, self._state.config.page_size))

    def _insert(self, request: Request, kind: Entity, body: Any) -> Response:
        row = insert(self._state, kind, body)
        location = f"{_service(request)}/{kind.name}({row[kind.key]}L)"
        return _json(row, 201, {"Location": location})


def invoice_pdf(state: QmsState, row: Row) -> Response:
    """Answer with the PDF of an invoice.

    Args:
        state: The data.
        row: The invoice's row.

    Returns:
        The document; 404 while the invoice has not been processed, for then QMS has not made it yet.
    """
    if row.get("InvoiceHeaderState") not in WITH_PDF:
        return Response(status_code=404)
    overview = state.find("OverviewInvoice", int(row["InvoiceHeaderId"])) or {}
    text = [
        f"Factuur {row.get('InvoiceNumber')}",
        f"Debiteur: {overview.get('InvoiceCustomerCompanyCustomerCode')} {overview.get('InvoiceCustomerName')}",
        f"Datum: {str(row.get('InvoiceDate') or row.get('WorkInProgressDate'))[:10]}",
        f"Bedrag zonder btw: {row.get('AmountWithoutVat')}",
        f"Btw: {row.get('VatAmount')}",
    ]
    return Response(make_pdf(text), media_type="application/pdf")


class _MediaTypeError(Exception):
    """A body that is not JSON by its media type."""


async def _json_body(request: Request) -> Any:
    if media_type(request) != "application/json":
        raise _MediaTypeError
    try:
        return loads(await read_body(request))
    except BodyTooLargeError:
        raise ODataSyntaxError("The body is too large") from None
    except ValueError:
        raise ODataSyntaxError("The body is not JSON") from None


def _service(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{BASE}"


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return ExactJSONResponse(content, status, headers, media_type=_MEDIA_TYPE)


def _error(code: str, text: str) -> Response:
    return _json({"odata.error": {"code": code, "message": {"lang": "nl-NL", "value": text}}}, 400)
