"""A list of QMS: filter, order, page and columns, as OData v3 has them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.common.json_text import dumps, loads
from sandbox.qms.odata_filter import ODataSyntaxError, Test, parse_filter
from sandbox.qms.values import comparable

if TYPE_CHECKING:
    from starlette.datastructures import URL, QueryParams

    from sandbox.common.config import Row
    from sandbox.qms.entities import Entity

_KNOWN = {"$filter", "$orderby", "$top", "$skip", "$select", "$inlinecount", "$skiptoken"}
_MAX_DIGITS = 9
_SKIPTOKEN = re.compile(r"(?:\$|%24)skiptoken=")


@dataclass(frozen=True)
class Query:
    """What a list call asks for.

    Attributes:
        entity: The entity.
        test: Whether a row is in; None takes all.
        order: Field names and whether each is descending.
        top: At most this many rows in all; None is no limit.
        skip: This many rows are left out first.
        select: The fields to give; None is all, and what else a row holds.
        count: Whether `odata.count` is wanted.
        offset: Rows given on earlier pages.
    """

    entity: Entity
    test: Test | None
    order: list[tuple[str, bool]]
    top: int | None
    skip: int
    select: list[str] | None
    count: bool
    offset: int

    @classmethod
    def parse(cls, entity: Entity, parameters: QueryParams) -> Query:
        """Read the query parameters.

        Args:
            entity: The entity.
            parameters: The parameters, decoded.

        Returns:
            The query.

        Raises:
            ODataSyntaxError: When one is unknown, there twice, or wrong.
        """
        names = [name for name, _ in parameters.multi_items()]
        unknown = [name for name in names if name.startswith("$") and name not in _KNOWN]
        if unknown or len(set(names)) != len(names):
            raise ODataSyntaxError(f"These query options are not taken: {', '.join(unknown or names)}")
        select = _names(entity, parameters["$select"]) if "$select" in parameters else None
        count = parameters.get("$inlinecount", "none")
        if count not in {"allpages", "none"}:
            raise ODataSyntaxError("$inlinecount is allpages or none")
        return cls(
            entity=entity,
            test=parse_filter(entity, parameters["$filter"]) if "$filter" in parameters else None,
            order=_order(entity, parameters["$orderby"]) if "$orderby" in parameters else [],
            top=_number("$top", parameters["$top"]) if "$top" in parameters else None,
            skip=_number("$skip", parameters.get("$skip", "0")),
            select=select,
            count=count == "allpages",
            offset=_offset(parameters["$skiptoken"]) if "$skiptoken" in parameters else 0,
        )

    def run(self, rows: list[Row], url: URL, page_size: int) -> Row:
        """Give one page.

        Args:
            rows: All rows, in order of their key.
            url: The call's own address, for the link to the next page.
            page_size: The most rows of a page.

        Returns:
            The contract's ODataList.
        """
        found = rows if self.test is None else [row for row in rows if self.test(row)]
        for name, descending in reversed(self.order):
            kind = self.entity.fields[name].kind
            found = sorted(found, key=lambda row: _sortable(comparable(kind, row.get(name))), reverse=descending)
        window = found[self.skip : None if self.top is None else self.skip + self.top]
        page = window[self.offset : self.offset + page_size]
        service = str(url.replace(path=url.path.rpartition("/")[0], query=""))
        answer: Row = {"odata.metadata": f"{service}/$metadata#{self.entity.name}"}
        if self.count:
            answer["odata.count"] = str(len(found))
        answer["value"] = (
            page if self.select is None else [{name: row[name] for name in self.select if name in row} for row in page]
        )
        end = self.offset + len(page)
        if end < len(window):
            answer["odata.nextLink"] = _next_link(url, end)
        return answer


def key_order(entity: Entity, rows: list[Row]) -> list[Row]:
    """Sort rows by their key.

    Args:
        entity: Their entity.
        rows: The rows; some may have no readable key, and stand first.

    Returns:
        A new list.
    """
    return sorted(rows, key=lambda row: _sortable(comparable("int64", row.get(entity.key))))


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)


def _names(entity: Entity, text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in entity.fields:
            raise ODataSyntaxError(f"{entity.name} has no field {name!r}")
    return names


def _order(entity: Entity, text: str) -> list[tuple[str, bool]]:
    order: list[tuple[str, bool]] = []
    for part in text.split(","):
        name, _, direction = part.strip().partition(" ")
        if name not in entity.fields or direction.strip() not in {"", "asc", "desc"}:
            raise ODataSyntaxError(f"$orderby cannot be read from {part.strip()!r}")
        order.append((name, direction.strip() == "desc"))
    return order


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise ODataSyntaxError(f"{name} is a whole number of 0 or more")
    return int(text)


def without_skiptoken(query: str) -> str:
    """Leave the page's own part out of a query string.

    Args:
        query: The query string, still encoded.

    Returns:
        The rest, as the client wrote it.
    """
    return "&".join(part for part in query.split("&") if not _SKIPTOKEN.match(part))


def _next_link(url: URL, end: int) -> str:
    rest = without_skiptoken(url.query)
    return f"{url.replace(query='')}?{rest}{'&' if rest else ''}$skiptoken={_token(end)}"


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(dumps([offset])).decode().rstrip("=")


def _offset(token: str) -> int:
    try:
        (offset,) = loads(base64.urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4)))
    except (ValueError, TypeError):
        offset = None
    if not isinstance(offset, int) or offset < 0 or _token(offset) != token:
        raise ODataSyntaxError("This $skiptoken is unknown")
    return offset
