import json
from base64 import b64encode
from contextlib import suppress
from datetime import datetime, time
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.avro import SAFE_RECURSION_BYTES, AvroCodec
from core.errors import InvalidValueError, Mismatch, NotFoundError
from core.registered_schema import RegisteredSchema

PRICE = {
    "type": "record",
    "name": "Price",
    "fields": [{"name": "total", "type": "double"}, {"name": "currency", "type": ["null", "string"]}],
}
PRODUCT = {
    "type": "record",
    "name": "Product",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "name", "type": ["null", "string"], "default": None},
        {"name": "price", "type": ["null", PRICE], "default": None},
        {"name": "earlier", "type": {"type": "array", "items": "Price"}},
        {"name": "colour", "type": {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}},
        {"name": "labels", "type": {"type": "map", "values": ["int", "string", "boolean"]}},
        {"name": "similar", "type": ["null", "Product"], "default": None},
    ],
}
NODE = {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}

_PRICES = st.fixed_dictionaries(
    {"total": st.floats(allow_nan=False, allow_infinity=False), "currency": st.none() | st.text(max_size=3)}
)
_LABELS = st.dictionaries(st.text(max_size=3), st.integers(-(2**31), 2**31 - 1) | st.text(max_size=3) | st.booleans())


def _products(similar: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {
            "id": st.integers(-(2**63), 2**63 - 1),
            "name": st.none() | st.text(max_size=5),
            "price": st.none() | _PRICES,
            "earlier": st.lists(_PRICES, max_size=2),
            "colour": st.sampled_from(["RED", "BLUE"]),
            "labels": _LABELS,
            "similar": similar,
        }
    )


def _in_json(moment: datetime | time) -> str:
    """Return a time with as many digits of a second as JSON has: none, three or six."""
    micros = moment.microsecond
    return moment.isoformat(timespec="microseconds" if micros % 1000 else "milliseconds" if micros else "seconds")


PRODUCTS = _products(st.none() | _products(st.none()))


def registered(schema: Any, schema_id: int = 1) -> RegisteredSchema:
    return RegisteredSchema(schema_id=schema_id, schema_type="AVRO", schema=json.dumps(schema))


class Registry:
    """Schemas by ID, and which of them were looked up."""

    def __init__(self, *schemas: Any) -> None:
        self._schemas = {n: registered(schema, n) for n, schema in enumerate(schemas, start=1)}
        self.looked_up: list[int] = []

    def __call__(self, schema_id: int) -> RegisteredSchema:
        self.looked_up.append(schema_id)
        if schema_id not in self._schemas:
            raise NotFoundError(f"Schema {schema_id} does not exist.")
        return self._schemas[schema_id]


def codec_of(schema: Any) -> AvroCodec:
    return AvroCodec(registered(schema), Registry(schema))


def record(*fields: tuple[str, Any]) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "R",
        "fields": [{"name": name, "type": type_} for name, type_ in fields],
    }


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(PRODUCTS)
def test_json_comes_back_as_it_was_written(node: dict[str, Any]) -> None:
    codec = codec_of(PRODUCT)
    value = codec.from_json(node)
    assert node == codec.to_json(codec.decode(codec.encode(value))) == codec.to_json(value)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(PRODUCTS)
def test_a_decoded_record_can_be_encoded_again(node: dict[str, Any]) -> None:
    codec = codec_of(PRODUCT)
    raw = codec.encode(codec.from_json(node))
    assert raw == codec.encode(codec.decode(raw))


KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    ("bytes", st.binary(max_size=5).map(lambda raw: b64encode(raw).decode())),
    (
        {"type": "fixed", "name": "Two", "size": 2},
        st.binary(min_size=2, max_size=2).map(lambda raw: b64encode(raw).decode()),
    ),
    ({"type": "int", "logicalType": "date"}, st.dates().map(str)),
    (
        {"type": "long", "logicalType": "timestamp-millis"},
        st.sampled_from(["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "9999-12-31T00:00:00.010Z"]),
    ),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, st.datetimes().map(_in_json)),
    ({"type": "long", "logicalType": "time-micros"}, st.times().map(_in_json)),
    ({"type": "string", "logicalType": "uuid"}, st.uuids().map(str)),
    (
        {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3},
        st.decimals(-999_999_999, 999_999_999, places=3).map(lambda number: format(number or abs(number), "f")),
    ),
    ({"type": "enum", "name": "Side", "symbols": ["LEFT", "RIGHT"]}, st.sampled_from(["LEFT", "RIGHT"])),
    ("boolean", st.booleans()),
    ("float", st.floats(width=32, allow_nan=False, allow_infinity=False)),
]


@given(st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind[0]), st.lists(kind[1], max_size=3))))
def test_every_kind_of_value_comes_back_wherever_it_stands(drawn: tuple[Any, list[Any]]) -> None:
    kind, nodes = drawn
    other = kind.get("name", kind) if isinstance(kind, dict) else kind
    schema = record(
        ("list", {"type": "array", "items": kind}),
        ("nullable", {"type": "array", "items": ["null", other]}),
        ("map", {"type": "map", "values": [other, "null", {"type": "map", "values": other}]}),
    )
    codec = codec_of(schema)
    node = {"list": nodes, "nullable": [None, *nodes], "map": {str(n): member for n, member in enumerate(nodes)}}
    value = codec.from_json(node, strict=True)
    raw = codec.encode(value)
    assert node == codec.to_json(codec.decode(raw)) == codec.to_json(value)
    assert raw == codec.encode(codec.decode(raw))


def test_bytes_are_a_zero_byte_the_schema_id_and_the_record() -> None:
    schema = registered(record(("a", "int"), ("b", ["null", "string"])), 0x01020304)
    codec = AvroCodec(schema, Registry())
    assert b"\x00\x01\x02\x03\x04\x02\x02\x04hi" == codec.encode(codec.from_json({"a": 1, "b": "hi"}))


def test_the_chosen_branch_is_the_one_written() -> None:
    codec = codec_of(record(("a", ["float", "double", "string", {"type": "enum", "name": "E", "symbols": ["S"]}])))
    assert b"\x00\x00\x00\x00\x01\x00\x00\x00\x00\x3f" == codec.encode(codec.from_json({"a": 0.5}))
    assert b"\x00\x00\x00\x00\x01\x04\x02S" == codec.encode(codec.from_json({"a": "S"}))


def test_a_key_text_is_read_as_json() -> None:
    codec = codec_of(record(("a", "int")))
    assert {"a": 5} == codec.from_text(' {"a": 5} ')
    with pytest.raises(InvalidValueError, match="is not JSON"):
        codec.from_text("{a: 5}")
    with pytest.raises(InvalidValueError, match=r"Data must be of type schema\. Got: number \(5\)"):
        codec.from_text("5")


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ([1], "Data must be of type schema. Got: array ([1])"),
        ("a", 'Data must be of type schema. Got: string ("a")'),
        (None, "Data must be of type schema. Got: null (null)"),
        ({}, "Data does not conform to schema: Field a type:INT pos:0 not set and has no default value"),
    ],
)
def test_what_is_no_record_of_the_schema_is_refused(node: Any, expected: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        codec_of(record(("a", "int"))).from_json(node)
    assert expected == str(refused.value)


def test_each_record_is_read_with_the_schema_that_it_was_written_with() -> None:
    registry = Registry(record(("a", "int")), record(("a", "long"), ("b", "bytes")))
    older, newer = AvroCodec(registry(1), registry), AvroCodec(registry(2), registry)
    raw = newer.encode(newer.from_json({"a": 1, "b": "/w=="}))
    assert {"a": 1, "b": b"\xff"} == older.decode(raw)
    assert {"a": 1, "b": "/w=="} == older.to_json(older.decode(raw))
    assert {"a": 5} == older.decode(older.encode(older.from_json({"a": 5})))


def test_a_schema_is_looked_up_once_and_the_one_to_write_with_never() -> None:
    registry = Registry(record(("a", "int")))
    codec = AvroCodec(registered(record(("a", "long")), 2), registry)
    for number in range(3):
        assert {"a": number} == codec.decode(codec.encode(codec.from_json({"a": number})))
        assert {"a": number} == codec.decode(b"\0\0\0\0\1" + bytes([2 * number]))
    assert [1] == registry.looked_up


def test_a_schema_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFoundError, match=r"Schema 7 does not exist"):
        codec_of(record(("a", "int"))).decode(b"\0\0\0\0\7\2")


def test_a_schema_that_was_missing_is_looked_up_again() -> None:
    schemas: dict[int, RegisteredSchema] = {}

    def lookup(schema_id: int) -> RegisteredSchema:
        if schema_id not in schemas:
            raise NotFoundError(f"Schema {schema_id} does not exist.")
        return schemas[schema_id]

    codec = AvroCodec(registered(record(("a", "int"))), lookup)
    raw = b"\0\0\0\0\2\2"
    with pytest.raises(NotFoundError):
        codec.decode(raw)
    schemas[2] = registered(record(("a", "int")), 2)
    assert {"a": 1} == codec.decode(raw)


def test_every_refusal_says_what_was_expected_and_with_which_schema() -> None:
    codec = codec_of(record(("a", "int"), ("b", {"type": "array", "items": "string"})))
    refusals = [
        (lambda: codec.from_text("{a: 5}"), Mismatch("record R", '"{a: 5}"', (), 1)),
        (lambda: codec.from_json([1]), Mismatch("record R", "[1]", (), 1)),
        (lambda: codec.from_json({"a": 1, "b": ["x", 5]}), Mismatch("string", "5", ("b", 1), 1)),
        (lambda: codec.encode({"a": "x", "b": []}), Mismatch("record R", "", (), 1)),
        (lambda: codec.decode(b"a"), Mismatch("record R", "", (), 1)),
        (lambda: codec.decode(b"\0\0\0\0\1"), Mismatch("record R", "", (), 1)),
    ]
    for attempt, expected in refusals:
        with pytest.raises(InvalidValueError) as refused:
            attempt()
        assert expected == refused.value.mismatch


def test_a_strict_reader_refuses_keys_that_the_schema_does_not_know() -> None:
    codec = codec_of(record(("a", "int")))
    assert {"a": 1} == codec.from_json({"a": 1}, strict=True) == codec.from_json({"a": 1, "x": 2})
    with pytest.raises(InvalidValueError, match=r"Field x is unknown: record R has no such field\. Leave it out"):
        codec.from_json({"a": 1, "x": 2}, strict=True)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "expected a zero byte"),
        (b"\0\0\0\1", "expected a zero byte"),
        (b"\1\0\0\0\1\2", "expected a zero byte"),
        (b'{"a": 5}', "expected a zero byte"),
        (b"\0\0\0\0\1", "no record of schema 1"),
        (b"\0\0\0\0\1\x80", "no record of schema 1"),
        (b"\0\0\0\0\1\2\2\2", "no record of schema 1"),
        (b"\0\0\0\0\1\2\2\x08ab", "no record of schema 1"),
        (b"\0\0\0\0\1\2\2\2\xff", "no record of schema 1"),
        (b"\0\0\0\0\1\2\x08", "no record of schema 1"),
        (b"\0\0\0\0\1\2\0\0", "the record ends after 7 bytes"),
    ],
)
def test_bytes_that_are_no_record_are_refused(raw: bytes, expected: str) -> None:
    with pytest.raises(InvalidValueError, match=expected):
        codec_of(record(("a", "int"), ("b", ["null", "string"]))).decode(raw)


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_or_refused(raw: bytes) -> None:
    codec = codec_of(PRODUCT)
    with suppress(InvalidValueError):
        json.dumps(codec.to_json(codec.decode(b"\0\0\0\0\1" + raw)), allow_nan=False)


@pytest.mark.parametrize("value", [{}, {"a": "x"}, {"a": None}, {"a": 2**70}, None, 5, {"a": ("b", 1)}])
def test_a_value_that_is_no_record_of_the_schema_is_not_encoded(value: Any) -> None:
    with pytest.raises(InvalidValueError, match="cannot be written with schema 1"):
        codec_of(record(("a", "int"))).encode(value)


def test_half_a_surrogate_pair_is_not_encoded() -> None:
    codec = codec_of(record(("a", "string")))
    with pytest.raises(InvalidValueError, match="surrogates not allowed"):
        codec.encode(codec.from_json({"a": "\ud800"}))


def test_a_recursive_record_of_any_size_is_read() -> None:
    schema = {
        "type": "record",
        "name": "Tree",
        "fields": [
            {"name": "name", "type": "string"},
            {"name": "children", "type": {"type": "array", "items": "Tree"}},
        ],
    }
    codec = codec_of(schema)
    node = {"name": "root", "children": [{"name": f"leaf {n}", "children": []} for n in range(100)]}
    raw = codec.encode(codec.from_json(node))
    assert len(raw) > SAFE_RECURSION_BYTES
    assert node == codec.to_json(codec.decode(raw))


@pytest.mark.parametrize("levels", [10_000, 1_000_000])
def test_levels_without_end_do_not_end_the_process(levels: int) -> None:
    with pytest.raises(InvalidValueError, match="RecursionError"):
        codec_of(NODE).decode(b"\0\0\0\0\1" + b"\2" * levels + b"\0")


def test_hundreds_of_levels_are_read_and_written() -> None:
    codec = codec_of(NODE)
    raw = b"\0\0\0\0\1" + b"\2" * 200 + b"\0"
    assert raw == codec.encode(codec.from_json(codec.to_json(codec.decode(raw))))


def test_records_are_those_of_an_independent_writer() -> None:
    node = {
        "id": 1,
        "earlier": [],
        "colour": "BLUE",
        "labels": {"a": 5},
        "price": {"total": 2, "currency": None},
    }
    codec = codec_of(PRODUCT)
    raw = codec.encode(codec.from_json(node))
    stream = BytesIO()
    fastavro.schemaless_writer(stream, PRODUCT, node)
    assert b"\0\0\0\0\1" + stream.getvalue() == raw


def test_a_record_nested_too_deep_for_json_is_refused() -> None:
    codec = codec_of(record(("a", "double"), ("next", ["null", "R"])))
    value: dict[str, Any] = codec.from_json({"a": 1, "next": None})
    for _ in range(5000):
        value = {"a": 1.0, "next": value}
    with pytest.raises(InvalidValueError, match="nested too deep"):
        codec.to_json(value)
