"""Hostile answers: what a contract allows, made from its schemas, and then spoilt as JSON and as bytes.

Everything is drawn from the `Random` that is given, so that the same seed gives the same answer on every machine.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sandbox.common.contract import contract

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

METHODS = ("get", "put", "post")
NUMBERS_OF_PATTERN = ("1", "0", "-3", "12345678901234567", "0.00", "21.00", "1.25")


@dataclass(frozen=True)
class Written:
    """A piece of an answer that is written as it stands, JSON or not."""

    text: str


HOSTILE: tuple[Any, ...] = (
    None, True, False, "", " ", 0, -1, 2**53, 2**63, 10**40, 1.5, "NaN", "1e400", "\x00",
    "x" * 70_000, "é\u202e\ufeff", "<script>", "%00", "' OR 1=1",
    [], {}, [[]], [None], {"id": None}, {"": {}}, "2026-13-45", "9" * 29, "٣", "²", "1_000",
    Written("NaN"), Written("-Infinity"), Written("1e99999999999999999999"), Written("-0"), Written("1E+30"),
    Written("0.1" + "0" * 60 + "1"), Written("9" * 5000), Written('"' + "9" * 5000 + '"'), Written('"\\u0000"'),
    Written('"\\ud800"'), Written('"\\udc00\\ud800"'), Written('"\\x41"'), Written('"\x01"'), Written("01"),
    Written("[" * 900 + "]" * 900), Written("[" * 3000 + "]" * 3000), Written('{"a":' * 900 + "1" + "}" * 900),
    Written('{"a":' * 100_000), Written('{"a": 1, "a": "2"}'), Written(""), Written("undefined"), Written("'x'"),
)  # fmt: skip
FIELDS = ("id", "odata.error", "error", "message", "field", "value", "collection", "links", "next", "__proto__", "")


# -- from the contract -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Described:
    """An answer that a contract describes."""

    system: str
    method: str
    path: str
    status: str

    @property
    def label(self) -> str:
        """Name of the test."""
        return f"{self.system}-{self.method}-{self.path}-{self.status}"

    @property
    def schema(self) -> Any:
        """Schema of its body, references filled in; None when it has none."""
        document = contract(self.system).document
        answer = _filled(document["paths"][self.path][self.method]["responses"][self.status], document)
        return next((one.get("schema", {}) for one in answer.get("content", {}).values()), None)


def described() -> list[Described]:
    """Every answer of both contracts."""
    return [
        Described(system, method, path, status)
        for system in ("minox", "qms")
        for path, item in contract(system).document["paths"].items()
        for method in METHODS
        if method in item
        for status in item[method]["responses"]
    ]


def _filled(node: Any, document: Any) -> Any:
    """Put what is referred to in the place of the references."""
    if isinstance(node, list):
        return [_filled(part, document) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        found = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return _filled(found, document)
    return {name: _filled(part, document) for name, part in node.items()}


@cache
def schema_of(answer: Described) -> Any:
    """`Described.schema`, once."""
    return answer.schema


def instance(schema: Any, random: Random) -> Any:  # noqa: PLR0911 - one for each kind of schema
    """Make a value that keeps to a schema, or nearly so: of patterns it knows those of numbers alone."""
    if not isinstance(schema, dict) or not schema:
        return random.choice(HOSTILE)
    if schema.get("examples") and random.random() < 0.5:
        return random.choice(schema["examples"])
    if "example" in schema and random.random() < 0.5:
        return schema["example"]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return random.choice(schema["enum"])
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return instance(random.choice(schema[name]), random)
    if "allOf" in schema:
        return instance(_merged(schema), random)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return _MAKERS[random.choice(kind) if isinstance(kind, list) else kind](schema, random)


def _merged(schema: dict[str, Any]) -> dict[str, Any]:
    """Lay the parts of an `allOf` over each other."""
    found: dict[str, Any] = {}
    for part in (*schema["allOf"], {name: part for name, part in schema.items() if name != "allOf"}):
        for name, value in (_merged(part) if "allOf" in part else part).items():
            if isinstance(value, dict) and isinstance(found.get(name), dict):
                found[name] = _merged({"allOf": [found[name], value]})
            else:
                found[name] = value
    return found


def _object(schema: Any, random: Random) -> Any:
    required = schema.get("required", ())
    return {
        name: instance(part, random)
        for name, part in schema.get("properties", {}).items()
        if name in required or random.random() < 0.8
    }


def _array(schema: Any, random: Random) -> Any:
    least = schema.get("minItems", 0)
    return [instance(schema.get("items", {}), random) for _ in range(random.randint(least, max(least, 3)))]


def _text(schema: Any, random: Random) -> Any:
    if "pattern" in schema:
        return random.choice(NUMBERS_OF_PATTERN)
    if schema.get("format") in {"date", "date-time"}:
        return random.choice(("2026-02-28", "2026-02-28T23:59:59.999Z", "0001-01-01T00:00:00"))
    return random.choice(("", "Jansen", "x" * 300, "Ünïcode \u2028", "5f0c7a58-6f0e-5a57-9c1e-5a1f8d9b7c11"))


_MAKERS: dict[str, Callable[[Any, Random], Any]] = {
    "object": _object,
    "array": _array,
    "string": _text,
    "null": lambda _, __: None,
    "boolean": lambda _, random: random.random() < 0.5,
    "integer": lambda _, random: random.choice((0, 1, 3, 10001, -5, 2**31)),
    "number": lambda _, random: random.choice((0, 1, 21, 0.1, 121.0, 99999999.99)),
}


# -- spoilt as JSON ----------------------------------------------------------------------------------------------------


def spoil(value: Any, random: Random) -> Any:
    """Change one thing somewhere in a value: type, field, id, number, text, nesting or a key that comes twice."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        name = random.choice(list(value))
        return _spoil_field(value, name, random)
    if isinstance(value, list) and value and random.random() < 0.8:
        place = random.randrange(len(value))
        if random.random() < 0.1:
            return [*value, *value]
        return [*value[:place], spoil(value[place], random), *value[place + 1 :]]
    if isinstance(value, int) and not isinstance(value, bool) and random.random() < 0.4:
        return random.choice((value + 1, str(value), float(value), -value))
    return random.choice(HOSTILE)


def _spoil_field(value: dict[str, Any], name: str, random: Random) -> Any:
    rest = {other: part for other, part in value.items() if other != name}
    chance = random.random()
    if chance < 0.12:
        return rest
    if chance < 0.24:
        return value | {random.choice(FIELDS): random.choice(HOSTILE)}
    if chance < 0.32:
        pairs = [*value.items(), (name, random.choice(HOSTILE))]
        return Written("{" + ",".join(f"{written(one)}:{written(part)}" for one, part in pairs) + "}")
    return value | {name: spoil(value[name], random)}


def written(value: Any) -> str:
    """Write JSON, and what is no JSON as it stands."""
    if isinstance(value, Written):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{written(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


# -- spoilt as bytes ---------------------------------------------------------------------------------------------------


def spoil_bytes(body: bytes, random: Random) -> tuple[bytes, dict[str, str]]:
    """Change the bytes of a body, or how they are packed; returns them with the headers that say so."""
    place = random.randrange(len(body) + 1)
    other = random.randrange(len(body) + 1)
    packed = {"Content-Encoding": random.choice(("gzip", "deflate", "br", "zstd", "gzip, gzip", "x-gzip", "none"))}
    changes: tuple[Callable[[], tuple[bytes, dict[str, str]]], ...] = (
        lambda: (body[:place], {}),
        lambda: (body[:place] + bytes([random.randrange(256)]) + body[place + 1 :], {}),
        lambda: (body[:place] + body[other:], {}),
        lambda: (body + body, {}),
        lambda: (random.randbytes(random.randrange(200)), {}),
        lambda: (b"\xef\xbb\xbf" + body, {}),
        lambda: (body.decode(errors="replace").encode("utf-16"), {"Content-Type": "application/json; charset=utf-16"}),
        lambda: (body.decode(errors="replace").encode("latin-1", "replace"), {"Content-Type": "text/html; charset=x"}),
        lambda: (body, packed),
        lambda: (gzip.compress(body, mtime=0), {"Content-Encoding": "gzip"}),
        lambda: (gzip.compress(body, mtime=0)[:-5], {"Content-Encoding": "gzip"}),
        lambda: (gzip.compress(bytes(3_000_000), mtime=0), {"Content-Encoding": "gzip"}),
        lambda: (gzip.compress(gzip.compress(bytes(3_000_000), mtime=0), mtime=0), {"Content-Encoding": "gzip, gzip"}),
        lambda: (zlib.compress(body), {"Content-Encoding": "deflate"}),
        lambda: (body + b"\x00", {}),
        lambda: (b"\n" * 100_000 + body, {}),
    )
    return random.choice(changes)()


HEADERS = (
    {"Retry-After": "-1"}, {"Retry-After": "9" * 400}, {"Retry-After": "Sun, 99 Foo 99999 99:99:99 GMT"},
    {"Retry-After": "Sat, 01 Jan 0000 00:00:00 GMT"}, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"},
    {"Retry-After": "Mon, 01 Jan 0001 00:00:00 +2359"}, {"Retry-After": "\u00b2"}, {"Retry-After": "1, 2"},
    {"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1e999"}, {"x-rate-limit-remaining": "0"},
    {"x-rate-limit-remaining": "NaN", "x-rate-limit-reset": "99999999999999999999"}, {"Date": "x", "Retry-After": "5"},
    {"x-rate-limit-remaining": "0.0", "x-rate-limit-reset": "-1", "Date": "Mon, 01 Jan 0001 00:00:00 +2359"},
    {"Set-Cookie": "a=b; Domain=.example; Max-Age=x; expires=\u00e9"}, {"Content-Type": "\u00e9;;=,"},
    {"Location": "http://127.0.0.1:9/", "Refresh": "0"}, {"Link": "<http://127.0.0.1:9/>; rel=next"},
    {"X": "y" * 60_000},
)  # fmt: skip
"""Headers that an answer may carry, none of which may do anything but make us wait."""


def hostile_answer(answer: Described, random: Random) -> tuple[int, bytes, dict[str, str]]:
    """Make a hostile answer: its status, body and headers."""
    value = instance(schema_of(answer), random)
    for _ in range(random.choice((0, 1, 1, 1, 2, 4))):
        value = spoil(value, random)
    body = (
        value.encode() if isinstance(value, str) and random.random() < 0.3 else written(value).encode(errors="ignore")
    )
    headers: dict[str, str] = {}
    if random.random() < 0.3:
        body, headers = spoil_bytes(body, random)
    if random.random() < 0.2:
        headers = headers | random.choice(HEADERS)
    status = random.choice((500, 502, 504, 599)) if answer.status == "5XX" else int(answer.status)
    if random.random() < 0.04:
        status = random.choice((202, 206, 301, 307, 308, 409, 422, 451, 511, 700))
    return status, body, headers
