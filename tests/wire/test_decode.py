from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.wire.decode import Fault, _read, _reader, decode_record, decode_row


class Part(msgspec.Struct, frozen=True, kw_only=True):
    name: str | int | float | None = None
    active: bool | None = None


class Plain(msgspec.Struct, frozen=True, kw_only=True):
    id: int | str | float | None = None
    parts: tuple[Part, ...] | None = None
    blocked: Part | bool | None = None


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    id: int | str | float | None = None
    amount: Decimal | None = None
    days: int | None = None
    parts: tuple[Part, ...] | None = None


def faults_of(raw: bytes | str, type_: type[msgspec.Struct] = Priced) -> tuple[Fault, ...]:
    record, faults = decode_record(raw.encode() if isinstance(raw, str) else raw, type_)
    assert (record is None) == bool(faults)
    return faults


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("21", Decimal(21)),
        ("0", Decimal(0)),
        ("-0.10", Decimal("-0.10")),
        ("0.30", Decimal("0.30")),
        ("123456789012.10", Decimal("123456789012.10")),
        ('"21.00"', Decimal("21.00")),
        ('" 21 "', Decimal(21)),
        ("1e2", Decimal("1E+2")),
        ('""', None),
        ('"  "', None),
        ("null", None),
    ],
)
def test_amounts_are_exact_from_number_and_text(written: str, amount: Decimal | None) -> None:
    record, faults = decode_record(f'{{"amount": {written}}}'.encode(), Priced)
    assert faults == ()
    assert record is not None
    assert record.amount == amount
    assert str(record.amount) == str(amount)


@pytest.mark.parametrize(
    "written",
    [
        '"NaN"',
        '"Infinity"',
        '"-inf"',
        '"sNaN1"',
        "1e999999",
        '"1e999999"',
        "1e-31",
        '"1_000"',
        '"\\u0662\\u0661"',
        '"٢١"',
        "1234567890123456789012345678901",
        '"21 %"',
        '"21,50"',
        "true",
        "false",
        "[]",
        "{}",
    ],
)
def test_what_is_no_usable_number_is_a_fault_of_its_field(written: str) -> None:
    assert [fault.field for fault in faults_of(f'{{"amount": {written}}}')] == ["amount"]


@pytest.mark.parametrize(("written", "days"), [("0", 0), ('"30"', 30), ("30.0", 30), ('""', None), ("-1", -1)])
def test_whole_numbers_are_read_from_number_and_text(written: str, days: int | None) -> None:
    record, faults = decode_record(f'{{"days": {written}}}'.encode(), Priced)
    assert (record, faults) == (Priced(days=days), ())


@pytest.mark.parametrize("written", ["1.5", '"1.5"', "true", '"veertien"', "1e40"])
def test_what_is_no_whole_number_is_a_fault(written: str) -> None:
    assert [fault.field for fault in faults_of(f'{{"days": {written}}}')] == ["days"]


def test_every_fault_is_named_with_its_path_and_without_the_value() -> None:
    raw = {
        "id": True,
        "parts": [{"name": "goed"}, {"name": ["geheim"], "active": "ja"}, 7, {"active": 1}],
        "blocked": "geheim",
        "unknown": {"x": [True]},
    }
    assert faults_of(json.dumps(raw), Plain) == (
        Fault("id", "expected text or a number, got true or false"),
        Fault("parts[1].name", "expected text or a number, got a list"),
        Fault("parts[1].active", "expected true or false, got text"),
        Fault("parts[2]", "expected an object, got a number"),
        Fault("parts[3].active", "expected true or false, got a number"),
        Fault("blocked", "expected an object, got text"),
    )


@pytest.mark.parametrize(
    ("written", "blocked"),
    [("null", None), ("true", True), ("false", False), ('{"active": true}', Part(active=True)), ('""', None)],
)
def test_an_object_a_boolean_or_nothing(written: str, blocked: Part | bool | None) -> None:
    assert decode_record(f'{{"blocked": {written}}}'.encode(), Plain) == (Plain(blocked=blocked), ())


def test_zero_false_and_empty_text_survive() -> None:
    record, _ = decode_record(b'{"id": 0, "parts": [{"name": "", "active": false}], "blocked": false}', Plain)
    assert record == Plain(id=0, parts=(Part(name="", active=False),), blocked=False)


def test_a_nul_character_is_a_fault_and_other_escapes_are_not() -> None:
    assert faults_of(r'{"id": "a\u0000b"}', Plain) == (Fault("id", "expected text without NUL characters"),)
    record, _ = decode_record(rb'{"id": "\u00e9\ud83d\ude00"}', Plain)
    assert record == Plain(id="é😀")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"x\ud83d", "x\ufffd"),
        (rb"\uDE00x", "\ufffdx"),
        (rb"\ud83d\ud83d\ude00\ude00", "\ufffd\U0001f600\ufffd"),
        (rb"\\ud83d \\\ud83d", "\\ud83d \\\ufffd"),
    ],
)
def test_half_of_a_pair_costs_a_record_nothing_else(written: bytes, read: str) -> None:
    raw = b'{"id": 7, "parts": [{"name": "' + written + b'"}]}'
    assert decode_record(raw, Plain) == (Plain(id=7, parts=(Part(name=read),)), ())
    assert decode_row(raw) == {"id": 7, "parts": [{"name": read}]}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"5",
        b'"x"',
        b"[]",
        b"{",
        b'{"id": }',
        b'{"id": "\xff"}',
        b"{'id': 1}",
        b"NaN",
    ],
)
def test_what_is_no_object_is_one_fault_of_the_record(raw: bytes) -> None:
    assert [fault.field for fault in faults_of(raw)] == [""]


def test_nesting_without_end_is_a_fault() -> None:
    assert faults_of('{"x":' + "[" * 100_000 + "]" * 100_000 + "}") == (
        Fault("", "expected an object that is not nested so deeply"),
    )


def test_a_number_that_cannot_be_read_at_all_still_names_its_field() -> None:
    assert faults_of('{"id": ' + "1" * 5000 + "}") == (Fault("id", "expected a number of at most 30 digits"),)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.text(alphabet="01_.+-eEsSnNaAiIfF \\\n٣\xa0", max_size=6),  # what Python's Decimal may take for a number
    st.sampled_from(["", " ", "21", " 21.50 ", "1_0", "NaN", "inf", "1e5", "1e31", "٣", "+4", ".5", "5.", "x\x00"]),
)
parts = st.one_of(scalars, st.lists(st.one_of(scalars, st.fixed_dictionaries({"name": scalars, "active": scalars}))))
records = st.fixed_dictionaries(
    {}, optional={"id": scalars, "amount": scalars, "days": scalars, "parts": parts, "blocked": parts}
)


@settings(deadline=None)
@given(content=records, escaped=st.booleans(), type_=st.sampled_from([Plain, Priced]))
@example(content={"amount": "1e31"}, escaped=True, type_=Priced)
@example(content={"id": 1e40}, escaped=True, type_=Plain)
def test_the_fast_way_and_the_careful_way_agree(
    content: dict[str, object], escaped: bool, type_: type[Plain | Priced]
) -> None:
    raw = json.dumps(content, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    record, faults = decode_record(raw, type_)
    try:
        parsed = _read(raw)
    except (msgspec.MsgspecError, UnicodeError):
        assert faults
        return
    careful: list[Fault] = []
    expected = _reader(type_)(parsed, "", careful)
    assert faults == tuple(dict.fromkeys(careful))
    assert record == (None if careful else expected)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_faulted(raw: bytes) -> None:
    record, faults = decode_record(raw, Plain)
    assert (record is None) == bool(faults)


def test_a_row_is_read_whole_and_exact() -> None:
    row = decode_row(b'{"Key": "11", "Price": 1.10, "Text": "a\\\\u0000", "Parts": [{"a": null}], "On": true}')
    assert row == {"Key": "11", "Price": Decimal("1.10"), "Text": "a\\u0000", "Parts": [{"a": None}], "On": True}
    assert isinstance(row["Price"], Decimal)


def test_a_row_is_written_back_with_its_nul_characters() -> None:
    assert decode_row(b'{"a": [{"b": "x\\u0000"}], "c": "\\u0000"}') == {"a": [{"b": "x\x00"}], "c": "\x00"}


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"null", b'{"a": NaN}', b'{"a": 1e99999999999999999999}', b'{"a": 1e31}',
        b'{"a": ' + b"9" * 5000 + b"}", b'{"a": [{"b": 1e31}]}', b'{"a": "\\ud800', b"\xff", b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_written_back_is_no_row(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|object|deeply|large"):
        decode_row(raw)
