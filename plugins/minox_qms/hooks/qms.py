"""The hook for QicsMilestones (QMS): OData v3 lists, rows and PDFs (`qms.openapi.yaml`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from include.errors import AccessError, ContractViolationError, InvariantError, TransientError
from include.wire.decode import decode_row
from include.wire.qms import KEYS
from include.wire.text import row_key
from minox_qms.hooks.address import encode_query
from minox_qms.hooks.base import SystemHook
from minox_qms.hooks.http import Answer, Request, UnusableBodyError
from minox_qms.hooks.odata import MAX_QUERY, all_of, any_of, literal
from minox_qms.hooks.pages import Page, odata_page, walk
from minox_qms.hooks.policy import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ROOT: Final = "/api/V3/odata"
# Lists whose rows name their company; the others are read through them (the contract: a token is for all companies).
OF_COMPANY: Final = frozenset(
    {
        "Company",
        "VatCode",
        "CostCenter",
        "PaymentCondition",
        "ItemCompany",
        "CustomerCompany",
        "OverviewInvoice",
        "Invoice",
        "EntityState",
    }
)

_JSON: Final = (("Content-Type", "application/json"),)
_NOT_FOUND: Final = 404
# Fields that say whose a row is: a new row brings back what was sent in them.
_WHOSE: Final = ("Code", "ItemCode", "CustomerCode", "EntityType", "EntityId")


class QmsHook(SystemHook):
    """Talks to one company of QMS.

    Args:
        conn_id: Airflow connection of type `qms`.
        company_id: CompanyId of the link; lists of other companies' rows are never read with it.
        **options: See `SystemHook`.
    """

    system: ClassVar[str] = "qms"
    conn_type: ClassVar[str] = "qms"
    default_conn_name: ClassVar[str] = "qms_default"
    hook_name: ClassVar[str] = "QicsMilestones (QMS)"

    def __init__(self, conn_id: str = default_conn_name, company_id: int | None = None, **options: Any) -> None:
        super().__init__(conn_id, **options)
        self.company_id = company_id

    def pages(
        self,
        entity: str,
        *,
        filter: str | None = None,  # noqa: A002 - the API's own name
        orderby: str | None = None,
    ) -> Iterator[list[bytes]]:
        """Read a list to its end; only rows of the link's company, where rows name one.

        Args:
            entity: Entity set, e.g. `CustomerCompany`.
            filter: OData filter; see `odata`.
            orderby: OData order, e.g. `Date desc`.

        Yields:
            The rows of each page, as raw JSON.

        Raises:
            ContractViolationError: A page is not what the contract says, comes twice, or the list has no end.
            AccessError: 401, 403 or 404.
            TransientError: QMS could not be reached properly.
            InvariantError: The query is longer than QMS takes.
        """
        own = self.company_id is not None and entity in OF_COMPANY
        condition = all_of(f"CompanyId eq {literal(self.company_id)}" if own else None, filter)
        given = [("$filter", condition), ("$orderby", orderby)]
        query = tuple((name, value) for name, value in given if value is not None)
        if len(encode_query(query)) > MAX_QUERY:
            raise InvariantError("A query is longer than QMS takes.", system="qms", entity=entity)

        def fetch(link: str | None) -> Page:
            path = f"{ROOT}/{entity}" if link is None else link
            asked = query if link is None else ()
            request = Request("GET", path, Kind.READ, f"{ROOT}/{entity}", query=asked, entity=entity)
            return self.client.send(request, lambda answer: odata_page(answer.body))

        return walk(fetch, system="qms", entity=entity)

    def pages_any(
        self, entity: str, field: str, values: Iterable[int] | Iterable[str], *, and_: str | None = None
    ) -> Iterator[list[bytes]]:
        """Read the rows whose field has one of the values, in as few requests as the query's length allows.

        Args:
            entity: Entity set.
            field: Field to compare.
            values: Keys or texts.
            and_: A further condition.

        Yields:
            The rows of each page, as raw JSON.
        """
        for condition in any_of(field, values, and_=and_):
            yield from self.pages(entity, filter=condition)

    def get(self, entity: str, key: int) -> dict[str, Any] | None:
        """Read a row by its key; None when it is gone.

        Returns:
            The row without `odata.*` members; numbers with a fraction are Decimal.
        """
        request = Request(
            "GET",
            f"{ROOT}/{entity}({key})",
            Kind.READ,
            f"{ROOT}/{entity}({{key}})",
            expected=frozenset({200, _NOT_FOUND}),
            entity=entity,
            key=str(key),
        )

        def parse(answer: Answer) -> dict[str, Any] | None:
            return None if answer.status == _NOT_FOUND else _row(answer, entity, key)

        return self.client.send(request, parse)

    def create(
        self, entity: str, row: Mapping[str, Any], *, on_turn: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """Insert a row.

        Args:
            entity: Entity set.
            row: Fields and values; Decimal goes as text.
            on_turn: Called when its turn has come, right before the first byte.

        Returns:
            The row with its key (`<entity>Id`), as QMS gives it back.

        Raises:
            RefusedError: 400; `messages` holds QMS's findings.
            UnknownOutcomeError: It may have been inserted: look for its code before it is inserted again. An answer
                that brings another record's row counts as none.
            AccessError: 401, 403 or 404.
            TransientError: Nothing was sent, or QMS stays over its limit.
        """
        request = Request(
            "POST",
            f"{ROOT}/{entity}",
            Kind.CREATE,
            f"{ROOT}/{entity}",
            body=msgspec.json.encode(row),
            headers=_JSON,
            expected=frozenset({200, 201}),
            entity=entity,
            on_turn=on_turn,
        )

        return self.client.send(request, lambda answer: _same_row(answer, entity, None, row))

    def replace(
        self, entity: str, key: int, row: Mapping[str, Any], *, on_turn: Callable[[], None] | None = None
    ) -> None:
        """Replace a whole row; what is left out becomes null, false or 0.

        Args:
            entity: Entity set.
            key: Key of the row.
            row: All its fields; Decimal goes as text.
            on_turn: Called when its turn has come, right before the first byte.

        Raises:
            RefusedError: 400; `messages` holds QMS's findings.
            UnknownOutcomeError: It may have been replaced: read the row before it is sent again. An answer that brings
                another record's row counts as none.
            TransientError: The row is gone since it was read; or nothing was sent.
            AccessError: 401 or 403.
        """
        request = Request(
            "PUT",
            f"{ROOT}/{entity}({key})",
            Kind.REPLACE,
            f"{ROOT}/{entity}({{key}})",
            body=msgspec.json.encode(row),
            headers=_JSON,
            expected=frozenset({200, 204, _NOT_FOUND}),
            entity=entity,
            key=str(key),
            on_turn=on_turn,
        )

        def parse(answer: Answer) -> int:
            if answer.status == 200:  # noqa: PLR2004 - the row comes back with it
                _same_row(answer, entity, key, row)
            return answer.status

        if self.client.send(request, parse) == _NOT_FOUND:
            raise TransientError(
                "This row was deleted in QMS while it was being written.", system="qms", entity=entity, key=str(key)
            )

    def pdf(self, invoice_id: int) -> bytes | None:
        """Read the PDF of an invoice; None while QMS has not made it yet."""
        request = Request(
            "GET",
            f"{ROOT}/Invoice({invoice_id})/Pdf",
            Kind.READ,
            f"{ROOT}/Invoice({{key}})/Pdf",
            headers=(("Accept", "application/pdf, application/json;q=0.5"),),
            expected=frozenset({200, _NOT_FOUND}),
            entity="Invoice",
            key=str(invoice_id),
        )
        return self.client.send(request, _pdf)

    def probe(self) -> str:
        """Count the companies that the grant reaches, and look for the one that the connection's form names."""
        wanted = self.tested_number("company_id")
        found = [read_row(raw, "Company") for page in self.pages("Company") for raw in page]
        reached = f"this connection reaches {len(found)} {'company' if len(found) == 1 else 'companies'}"
        if wanted is None:
            return f"QMS answers; {reached}."
        for row in found:
            if row_key(row.get("CompanyId")) == wanted:
                return f"QMS answers; {reached}, among them {wanted} ({row.get('Name') or 'nameless'})."
        raise AccessError(f"QMS accepts us, but does not show company {wanted}: {reached}.", system="qms")


def read_row(raw: bytes, entity: str) -> dict[str, Any]:
    """Read a row of a list for writing it back: every field as it came, numbers exact.

    Raises:
        ContractViolationError: It is none that can be written back.
    """
    try:
        return decode_row(raw)
    except ValueError as error:
        raise ContractViolationError(
            "A list of QMS holds a row that cannot be used; nothing of it was used.",
            detail=str(error),
            system="qms",
            entity=entity,
        ) from None


def _same_row(answer: Answer, entity: str, key: int | None, row: Mapping[str, Any]) -> dict[str, Any]:
    """Read the row that a write is answered with, and see that it is the record's that was sent."""
    made = _row(answer, entity, key)
    if any(_plain(made[name]) != _plain(row[name]) for name in _WHOSE if name in row and name in made):
        raise UnusableBodyError("another row than the one that was sent")
    return made


def _row(answer: Answer, entity: str, key: int | None) -> dict[str, Any]:
    """Read one row, which must have its key, and the one that was asked for."""
    try:
        content = decode_row(answer.body)
    except ValueError as error:
        raise UnusableBodyError(str(error)) from None
    row = {name: value for name, value in content.items() if not name.startswith("odata.")}
    found = row_key(row.get(KEYS[entity]))
    if found is None:
        raise UnusableBodyError("a row without its key")
    if key is not None and found != key:
        raise UnusableBodyError("another row than the one asked for")
    return row


def _plain(value: object) -> str:
    """A value without what another way of writing it may change: 5 is "5", " Ab" is "ab"."""
    return str(value).strip().casefold()


def _pdf(answer: Answer) -> bytes | None:
    """Read a PDF; what stands before its mark within the first kilobyte is no fault (ISO 32000, annex H.3.4.1)."""
    if answer.status == _NOT_FOUND:
        return None
    if b"%PDF-" not in answer.body[:1024]:
        raise UnusableBodyError("not a PDF")
    return answer.body
