"""Read one raw JSON record into its typed form, or say everything that is wrong with it.

Both systems may write a number as text and the other way round, and leave an optional field empty (`""`) in place of
null (the contracts, "Rules for every operation"). What is read:

| field of type | read from | blank text |
|---|---|---|
| `str | int | float | None` (text, id) | text or number | stays; `include.wire.text` makes it None |
| `Decimal | None`, `int | None` | number, or text that holds one | None |
| `bool | None` | true, false | None |
| a struct, a tuple | object, list | None |

Half of a surrogate pair, which UTF-8 has no bytes for, is read as U+FFFD: a text that was cut in the middle of an emoji
costs a record no more than that.

True and false are never numbers or text. NaN, Infinity, numbers of more than 30 digits or with an exponent beyond 30,
and NUL characters (PostgreSQL stores none) are faults. Unknown fields are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

MAX_DIGITS = 30

_OUT_OF_RANGE = f"expected a number of at most {MAX_DIGITS} digits"

_NUMBERS = (int, Decimal)
_SHAPES = bytes.maketrans(b"123456789.E", b"0000000000e")
_LONG_NUMBER = b"0" * MAX_DIGITS
_LARGE_EXPONENT = re.compile(rb"[0-9.][eE][-+]?[0-9]{2}")
_ODD_DECIMAL = re.compile(rb'"[-+.0-9eE\s]*+(?:[_\\\x80-\xff]|[sS]?_*[nN]_*[aA]_*[nN]|[iI]_*[nN]_*[fF])')
_HALF_PAIR = re.compile(
    rb"(?:\\\\)+|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_NUMBER = re.compile(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,6})?")
_PLACE = re.compile(r" - at `\$[.]?([^`]*)`$")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a record.

    Attributes:
        field: Path of the field, e.g. `addresses[0].name`; empty when it is the record as a whole.
        message: What is wrong, without the value itself (it may be personal data).
    """

    field: str
    message: str

    @property
    def sentence(self) -> str:
        """The message as a sentence."""
        return f"{self.message[:1].upper()}{self.message[1:]}."


Reader: TypeAlias = Callable[[Any, str, list[Fault]], Any]


def decode_record(raw: bytes, type_: type[T]) -> tuple[T | None, tuple[Fault, ...]]:
    """Read a raw record.

    Args:
        raw: The JSON text of one record; it may be anything.
        type_: The struct to read it into.

    Returns:
        The record and no faults, or None and every fault of the record, each once, in the order of the struct's fields.
        It never raises for what is in `raw`.
    """
    record, faults = decode_readable(raw, type_)
    return (None if faults else record), faults


def decode_readable(raw: bytes, type_: type[T]) -> tuple[T | None, tuple[Fault, ...]]:
    """Read a raw record as far as it can be read, so that its other fields can be checked too.

    Args:
        raw: The JSON text of one record; it may be anything.
        type_: The struct to read it into.

    Returns:
        The record without its faulty values (None when it is no object at all), and every fault, as `decode_record`.
    """
    if _plainly_written(raw, type_):
        try:
            return _decoder(type_).decode(raw), ()
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            pass  # the careful reader below either understands it or names every fault
    faults: list[Fault] = []
    try:
        content = _read(raw)
    except RecursionError:
        return None, (Fault("", "expected an object that is not nested so deeply"),)
    except (msgspec.MsgspecError, UnicodeError) as error:
        return None, (_unreadable(raw, type_, error),)
    record = _reader(type_)(content, "", faults)
    return record, tuple(dict.fromkeys(faults))


def decode_row(raw: bytes) -> dict[str, Any]:
    """Read an object whole, to write it back: every field as it came, numbers exact, NUL characters too.

    Args:
        raw: The JSON text; it may be anything.

    Returns:
        The fields. Numbers with a fraction are Decimal.

    Raises:
        ValueError: It is no object, is nested too deeply, or holds a number that nothing can store; the text says
            which, without values.
    """
    try:
        content = _read(raw)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeError):
        raise ValueError("not JSON") from None
    if not isinstance(content, dict):
        raise ValueError("not an object")  # noqa: TRY004 - of the data, not of the call
    if not _can_be_sent(content):
        raise ValueError("a number that is too large")
    return content


def _can_be_sent(content: Any) -> bool:
    """Tell whether all numbers of a JSON value can be sent again."""
    left = [content]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
        elif isinstance(value, _NUMBERS) and not _sane(Decimal(value)):
            return False
    return True


def _plainly_written(raw: bytes, type_: type[msgspec.Struct]) -> bool:
    r"""Tell whether msgspec alone reads this record as the table above wants it.

    It would take NUL characters and numbers of any size; and for a Decimal every text that Python's Decimal takes: NaN,
    "1_000", and digits and blanks of other scripts, which come as bytes beyond ASCII or as an escape. Such a text shows
    at its first character that is no sign, digit, blank or exponent.
    """
    shapes = raw.translate(_SHAPES)
    if b"\\u0000" in raw or _LONG_NUMBER in shapes or (b"0e" in shapes and _LARGE_EXPONENT.search(raw)):
        return False
    return not (_holds_decimals(type_) and _ODD_DECIMAL.search(raw))


@cache
def _decoder(type_: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(type_)


def _read(raw: bytes) -> Any:
    """Read JSON as it stands; halves of surrogate pairs become U+FFFD."""
    try:
        return _untyped().decode(raw)
    except msgspec.DecodeError:
        whole = with_whole_pairs(raw)
        if whole == raw:
            raise
    return _untyped().decode(whole)


def with_whole_pairs(raw: bytes) -> bytes:
    """Write U+FFFD in place of every escaped half of a surrogate pair in a JSON text."""
    return _HALF_PAIR.sub(_whole, raw)


def _whole(found: re.Match[bytes]) -> bytes:
    """Write an escape, a whole pair or what is no surrogate as it is, half a pair as U+FFFD."""
    return rb"\ufffd" if found["half"] else found[0]


@cache
def _untyped() -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(float_hook=_exact)


def _exact(written: str) -> Decimal:
    """Keep a JSON number with a fraction or exponent exact; what Decimal cannot hold becomes NaN, which is refused."""
    try:
        return Decimal(written)
    except InvalidOperation:
        return Decimal("NaN")


@cache
def _holds_decimals(type_: Any) -> bool:
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return any(_holds_decimals(field.type) for field in msgspec.structs.fields(type_))
    return type_ is Decimal or any(_holds_decimals(part) for part in get_args(type_))


def _unreadable(raw: bytes, type_: type[msgspec.Struct], error: Exception) -> Fault:
    """Name the field of a record that cannot even be read as JSON, where msgspec knows it."""
    try:
        _decoder(type_).decode(raw)
    except msgspec.ValidationError as typed:
        place = _PLACE.search(str(typed))
        if place is not None:
            return Fault(place[1], _OUT_OF_RANGE if "range" in str(error) else "expected a value that can be read")
    except (msgspec.MsgspecError, UnicodeError):
        pass  # no field to name: the record as a whole is what is wrong
    return Fault("", "expected a JSON object that can be read")


@cache
def _reader(type_: Any) -> Reader:
    """Build the careful reader of a type, once."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return _struct_reader(type_)
    if get_origin(type_) in (Union, UnionType):
        return _union_reader(get_args(type_))
    if get_origin(type_) is tuple:
        return _tuple_reader(get_args(type_)[0])
    if type_ in _LEAVES:
        return _LEAVES[type_]
    raise TypeError(f"no rule to read a field of type {type_}")


def _struct_reader(type_: type[msgspec.Struct]) -> Reader:
    fields = tuple((field.name, field.encode_name, _reader(field.type)) for field in msgspec.structs.fields(type_))

    def read(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, dict):
            faults.append(Fault(path, f"expected an object, got {_kind(value)}"))
            return None
        parts = {
            name: reader(value[key], f"{path}.{key}" if path else key, faults)
            for name, key, reader in fields
            if key in value
        }
        return type_(**parts)

    return read


def _tuple_reader(element: Any) -> Reader:
    reader = _reader(element)

    def read(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, list):
            faults.append(Fault(path, f"expected a list, got {_kind(value)}"))
            return None
        parts = [reader(part, f"{path}[{place}]", faults) for place, part in enumerate(value)]
        return tuple(part for part in parts if part is not None)

    return read


def _union_reader(alternatives: tuple[Any, ...]) -> Reader:
    """Read text or number (a union with `str`), or an optional value; an object or a boolean may stand side by side."""
    optional = NoneType in alternatives
    if str in alternatives:
        return _text_or_nothing if optional else _text_or_number
    by_kind = {_json_kind(part): _reader(part) for part in alternatives if part is not NoneType}
    fallback = next(iter(by_kind.values()))

    def read(value: Any, path: str, faults: list[Fault]) -> Any:
        if optional and (value is None or (isinstance(value, str) and not value.strip())):
            return None
        return by_kind.get(type(value), fallback)(value, path, faults)

    return read


def _json_kind(type_: Any) -> type:
    """Python type that an untyped decoder gives for the JSON of this type."""
    if get_origin(type_) is tuple:
        return list
    return dict if issubclass(type_, msgspec.Struct) else type_


def _text_or_nothing(value: Any, path: str, faults: list[Fault]) -> Any:
    return None if value is None else _text_or_number(value, path, faults)


def _text_or_number(value: Any, path: str, faults: list[Fault]) -> Any:
    if isinstance(value, str):
        if "\x00" not in value:
            return value
        faults.append(Fault(path, "expected text without NUL characters"))
    elif isinstance(value, bool) or not isinstance(value, int | Decimal):
        faults.append(Fault(path, f"expected text or a number, got {_kind(value)}"))
    elif _sane(Decimal(value)):
        return float(value) if isinstance(value, Decimal) else value
    else:
        faults.append(Fault(path, _OUT_OF_RANGE))
    return None


def _decimal(value: Any, path: str, faults: list[Fault]) -> Decimal | None:
    number = _read_number(value)
    if number is None:
        faults.append(Fault(path, f"expected a number, got {_kind(value)}"))
    elif _sane(number):
        return number
    else:
        faults.append(Fault(path, _OUT_OF_RANGE))
    return None


def _integer(value: Any, path: str, faults: list[Fault]) -> int | None:
    number = _decimal(value, path, faults)
    if number is None:
        return None
    if number != number.to_integral_value():
        faults.append(Fault(path, "expected a whole number, got one with a fraction"))
        return None
    return int(number)


def _boolean(value: Any, path: str, faults: list[Fault]) -> bool | None:
    if isinstance(value, bool):
        return value
    faults.append(Fault(path, f"expected true or false, got {_kind(value)}"))
    return None


def _read_number(value: Any) -> Decimal | None:
    """Read a number or a text that holds one; None when it is neither."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    return None


def _sane(number: Decimal) -> bool:
    """Tell whether a number is finite and of a size that money, percentages and ids can have."""
    _, digits, exponent = number.as_tuple()
    return isinstance(exponent, int) and len(digits) <= MAX_DIGITS and abs(exponent) <= MAX_DIGITS


_LEAVES: dict[Any, Reader] = {Decimal: _decimal, int: _integer, bool: _boolean, str: _text_or_number}

_KINDS = {str: "text", bool: "true or false", int: "a number", Decimal: "a number", list: "a list", dict: "an object"}


def _kind(value: Any) -> str:
    """Name the JSON kind of a value, without showing the value."""
    return "null" if value is None else _KINDS[type(value)]
