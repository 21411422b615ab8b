"""Logical types: JSON in, bytes, JSON out; compared with what fastavro's own converters write."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.avro import AvroCodec
from core.errors import InvalidValueError, Mismatch
from core.registered_schema import RegisteredSchema

DATE = {"type": "int", "logicalType": "date"}
TIME_MILLIS = {"type": "int", "logicalType": "time-millis"}
TIME_MICROS = {"type": "long", "logicalType": "time-micros"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
LOCAL_MILLIS = {"type": "long", "logicalType": "local-timestamp-millis"}
LOCAL_MICROS = {"type": "long", "logicalType": "local-timestamp-micros"}
UUID_TEXT = {"type": "string", "logicalType": "uuid"}
UUID_FIXED = {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}
AMOUNT = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
FIXED_AMOUNT = {"type": "fixed", "name": "F", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 2}
WHOLE = {"type": "bytes", "logicalType": "decimal", "precision": 30}
ALL = [
    DATE,
    TIME_MILLIS,
    TIME_MICROS,
    MILLIS,
    MICROS,
    LOCAL_MILLIS,
    LOCAL_MICROS,
    UUID_TEXT,
    UUID_FIXED,
    AMOUNT,
    FIXED_AMOUNT,
    WHOLE,
]


def schema_of(avro_type: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": "a", "type": avro_type}]}


def codec_of(avro_type: Any) -> AvroCodec:
    registered = RegisteredSchema(schema_id=1, schema_type="AVRO", schema=json.dumps(schema_of(avro_type)))
    return AvroCodec(registered, lambda _: registered)


def there_and_back(avro_type: Any, node: Any) -> Any:
    codec = codec_of(avro_type)
    value = codec.from_json({"a": node})
    raw = codec.encode(value)
    assert raw == codec.encode(codec.decode(raw))
    assert codec.to_json(value) == codec.to_json(codec.decode(raw))
    return codec.to_json(value)["a"]


def underlying(avro_type: Any, node: Any) -> Any:
    """Return what stands in the bytes, as a reader without logical types sees it."""
    plain = {key: value for key, value in avro_type.items() if key != "logicalType"}
    codec = codec_of(avro_type)
    stream = BytesIO(codec.encode(codec.from_json({"a": node}))[5:])
    return fastavro.schemaless_reader(stream, schema_of(plain), None)["a"]


@pytest.mark.parametrize(
    ("avro_type", "node", "stored"),
    [
        (DATE, "2026-11-24", 20781),
        (DATE, "1969-12-31", -1),
        (TIME_MILLIS, "12:34:56.789", 45_296_789),
        (TIME_MICROS, "12:34:56.789001", 45_296_789_001),
        (MILLIS, "1970-01-01T00:00:01.500Z", 1500),
        (MICROS, "1969-12-31T23:59:59.999999Z", -1),
        (LOCAL_MILLIS, "1970-01-02T00:00:00", 86_400_000),
        (LOCAL_MICROS, "1970-01-01T00:00:00.000007", 7),
        (UUID_TEXT, "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        (UUID_FIXED, "00000000-0000-0000-0000-0000000000ff", bytes(15) + b"\xff"),
        (AMOUNT, "12.30", b"\x04\xce"),
        (AMOUNT, "-1.28", b"\x80"),
        (AMOUNT, "0.00", b"\0"),
        (FIXED_AMOUNT, "-0.01", b"\xff\xff\xff\xff"),
        (WHOLE, "123456789012345678901234567890", (123456789012345678901234567890).to_bytes(13)),
    ],
)
def test_a_text_is_what_the_specification_says(avro_type: Any, node: str, stored: Any) -> None:
    assert stored == underlying(avro_type, node)
    assert node == there_and_back(avro_type, node)
    assert node == there_and_back(["null", avro_type], node)
    assert node == there_and_back(["null", "boolean", avro_type], node)
    assert node == there_and_back({"type": "array", "items": avro_type}, [node])[0]


@pytest.mark.parametrize(
    ("avro_type", "node", "expected"),
    [
        (DATE, 20781, "2026-11-24"),
        (TIME_MILLIS, 0, "00:00:00"),
        (TIME_MILLIS, "12:34", "12:34:00"),
        (TIME_MILLIS, "12:34:56.7", "12:34:56.700"),
        (TIME_MICROS, "12:34:56.100000000", "12:34:56.100"),
        (MILLIS, 1500, "1970-01-01T00:00:01.500Z"),
        (MILLIS, 1500.0, "1970-01-01T00:00:01.500Z"),
        (MILLIS, "2026-11-24T14:00:00.123+02:00", "2026-11-24T12:00:00.123Z"),
        (MILLIS, "2026-11-24t11:30:00-0030", "2026-11-24T12:00:00Z"),
        (MICROS, "2026-11-24T12:00Z", "2026-11-24T12:00:00Z"),
        (LOCAL_MICROS, -1, "1969-12-31T23:59:59.999999"),
        (UUID_TEXT, "123E4567-E89B-12D3-A456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        (AMOUNT, 12.3, "12.30"),
        (AMOUNT, 5, "5.00"),
        (AMOUNT, "1.2e1", "12.00"),
        (AMOUNT, "1.2300", "1.23"),
        (AMOUNT, "-0", "0.00"),
        (AMOUNT, 0, "0.00"),
        (WHOLE, 10**29, "1" + "0" * 29),
        (WHOLE, "1e3", "1000"),
    ],
)
def test_other_forms_come_back_in_the_usual_one(avro_type: Any, node: Any, expected: str) -> None:
    assert expected == there_and_back(avro_type, node)


@pytest.mark.parametrize(
    ("avro_type", "node"),
    [
        (DATE, "20261124"),
        (DATE, "2026-W48-2"),
        (DATE, "2026-02-30"),
        (DATE, 1.5),
        (DATE, 2**31),
        (DATE, True),
        (TIME_MILLIS, "12:34:56.7891"),
        (TIME_MILLIS, "24:00:00"),
        (TIME_MICROS, "12:34:56.0000001"),
        (MILLIS, "2026-11-24T12:00:00"),
        (MILLIS, "2026-11-24T12:00:00.0001Z"),
        (MILLIS, "0001-01-01T00:00:00+01:00"),
        (MILLIS, "soon"),
        (MILLIS, []),
        (LOCAL_MILLIS, "2026-11-24T12:00:00Z"),
        (UUID_TEXT, "no uuid"),
        (UUID_TEXT, "123e4567e89b12d3a456426614174000"),
        (UUID_TEXT, 5),
        (UUID_FIXED, 5),
        (AMOUNT, "0.001"),
        (AMOUNT, 0.001),
        (AMOUNT, "12345678.00"),
        (AMOUNT, "1e999999999"),
        (AMOUNT, "1e-999999999"),
        (AMOUNT, "NaN"),
        (AMOUNT, "1_0"),
        (AMOUNT, "\u0665"),
        (AMOUNT, ""),
        (AMOUNT, True),
        (AMOUNT, float("inf")),
        (WHOLE, 1e20 / 3),
    ],
)
def test_what_would_be_rounded_or_is_no_such_value_is_refused(avro_type: Any, node: Any) -> None:
    with pytest.raises(InvalidValueError, match="Field a is expected to be ") as refused:
        codec_of(avro_type).from_json({"a": node})
    assert isinstance(refused.value.mismatch, Mismatch)
    assert ("a",) == refused.value.mismatch.path


@pytest.mark.parametrize(
    ("avro_type", "number"),
    [(DATE, 2**31 - 1), (TIME_MILLIS, -1), (TIME_MICROS, 2**40), (MILLIS, 2**62), (LOCAL_MICROS, -(2**63))],
)
def test_what_has_no_text_stays_the_number_that_it_is(avro_type: Any, number: int) -> None:
    assert number == there_and_back(avro_type, number)


@pytest.mark.parametrize(
    "avro_type",
    [
        {"type": "long", "logicalType": "date"},
        {"type": "long", "logicalType": "timestamp-parsecs"},
        {"type": "long", "logicalType": "quick.timestamp-millis"},
        {"type": "long", "logicalType": 5},
    ],
)
def test_an_unknown_or_unsuited_logical_type_is_ignored(avro_type: Any) -> None:
    assert 5 == there_and_back(avro_type, 5)


@pytest.mark.parametrize(
    "attributes",
    [{}, {"precision": 0}, {"precision": 2, "scale": 3}, {"precision": 2, "scale": -1}, {"precision": "2"}],
)
def test_a_decimal_without_a_usable_precision_is_bytes(attributes: dict[str, Any]) -> None:
    assert "AP8=" == there_and_back({"type": "bytes", "logicalType": "decimal", **attributes}, "AP8=")


@pytest.mark.parametrize(("size", "precision"), [(1, 2), (4, 9), (8, 18), (16, 38)])
def test_a_fixed_decimal_has_as_many_digits_as_always_fit(size: int, precision: int) -> None:
    fixed = {"type": "fixed", "name": "F", "size": size, "logicalType": "decimal"}
    assert "9" * precision == there_and_back(fixed | {"precision": precision}, "9" * precision)
    with pytest.raises(InvalidValueError, match="in base64"):
        codec_of(fixed | {"precision": precision + 1}).from_json({"a": "5"})


def test_a_decimal_of_more_digits_than_its_schema_has_is_read_exactly() -> None:
    big = codec_of(WHOLE)
    raw = big.encode(big.from_json({"a": "123456789012345678901234567890"}))
    small = codec_of(AMOUNT)
    assert {"a": "1234567890123456789012345678.90"} == small.to_json(small.decode(raw))


def test_a_text_in_the_bytes_that_is_no_uuid_is_shown_as_it_is() -> None:
    plain, logical = codec_of("string"), codec_of(UUID_TEXT)
    assert {"a": "no uuid"} == logical.to_json(logical.decode(plain.encode(plain.from_json({"a": "no uuid"}))))


def _written_by_fastavro(avro_type: Any, value: Any) -> bytes:
    stream = BytesIO()
    fastavro.schemaless_writer(stream, schema_of(avro_type), {"a": value})
    return b"\0\0\0\0\1" + stream.getvalue()


_MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3))])).filter(
    lambda moment: 2 < moment.year < 9998
)
_VALUES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (DATE, st.dates()),
    (TIME_MICROS, st.times()),
    (TIME_MILLIS, st.times().map(lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000))),
    (MICROS, _MOMENTS),
    (MILLIS, _MOMENTS.map(lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000))),
    (LOCAL_MICROS, st.datetimes()),
    (UUID_TEXT, st.uuids()),
    (AMOUNT, st.decimals(-9_999_999, 9_999_999, places=2)),
    (FIXED_AMOUNT, st.decimals(-9_999_999, 9_999_999, places=2)),
]


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | time | datetime) else str(value)


@given(st.sampled_from(_VALUES).flatmap(lambda pair: st.tuples(st.just(pair[0]), pair[1])))
def test_bytes_are_those_of_fastavro_s_own_converters(typed: tuple[Any, Any]) -> None:
    avro_type, value = typed
    codec = codec_of(avro_type)
    raw = codec.encode(codec.from_json({"a": _text(value)}))
    assert _written_by_fastavro(avro_type, value) == raw
    shown = codec.to_json(codec.decode(raw))["a"]
    match value:
        case Decimal():
            assert value == Decimal(shown)
        case datetime():
            assert value == datetime.fromisoformat(shown)
        case date() | time():
            assert value == type(value).fromisoformat(shown)
        case UUID():
            assert value == UUID(shown)
    assert raw == codec.encode(codec.from_json({"a": shown}))


@given(st.sampled_from(ALL), st.binary(max_size=40))
@example({"type": "int", "logicalType": "date"}, b"\x80\x80\x80\x80\x10")
@example({"type": "int", "logicalType": "time-millis"}, b"\x80\x80\x80\x80\x10")
def test_any_bytes_are_a_value_that_comes_back_or_are_refused(avro_type: Any, raw: bytes) -> None:
    codec = codec_of(["null", avro_type])
    try:
        value = codec.decode(b"\0\0\0\0\1\2" + raw)
    except InvalidValueError:
        return
    assert value == codec.decode(codec.encode(value))
    json.dumps(codec.to_json(value), allow_nan=False)
