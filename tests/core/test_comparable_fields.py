"""Fields of Avro and Protobuf records as ordered bytes."""

from __future__ import annotations

import gc
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.comparable_fields import (
    INDEX_FIELD,
    RANGE_FIELD,
    RANGE_KEY,
    ComparableField,
    comparable_field,
    lost_fields,
    mirror_fields,
)
from core.comparable_kinds import FieldKind
from core.errors import InvalidInputError, InvalidValueError
from core.mirrors import MirrorDefinition
from core.registered_schema import RegisteredSchema
from core.types import TopicType, codec_for

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-millis"}
DATE = {"type": "int", "logicalType": "date"}
CLOCK = {"type": "int", "logicalType": "time-millis"}
AMOUNT = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
UUID_TEXT = {"type": "string", "logicalType": "uuid"}
UUID_FIXED = {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}
COLOR = {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN"]}


def avro(schema_id: int = 1, **fields: Any) -> RegisteredSchema:
    record = {"type": "record", "name": "R", "fields": [{"name": n, "type": t} for n, t in fields.items()]}
    return RegisteredSchema(schema_id=schema_id, schema_type="AVRO", schema=json.dumps(record))


PROTO = """
syntax = "proto3";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message R {
  int32 small = 1;
  optional int64 big = 2;
  uint64 unsigned = 3;
  float single = 4;
  string text = 5;
  bool flag = 6;
  Color color = 7;
  google.protobuf.Timestamp moment = 8;
  google.protobuf.Int64Value wrapped = 9;
  bytes raw = 10;
  repeated int32 many = 11;
  map<string, int32> places = 12;
  R inner = 13;
  google.protobuf.BytesValue wrapped_raw = 14;
}
enum Color { COLOR_UNSPECIFIED = 0; COLOR_RED = 1; COLOR_GREEN = 2; }
"""


def proto(text: str = PROTO, schema_id: int = 1) -> RegisteredSchema:
    return RegisteredSchema(schema_id=schema_id, schema_type="PROTOBUF", schema=text)


def field_of(avro_type: Any) -> ComparableField:
    return comparable_field(avro(f=avro_type), "f", purpose=RANGE_FIELD)


@pytest.mark.parametrize(
    ("avro_type", "kind"),
    [
        ("int", FieldKind.INTEGER),
        ("long", FieldKind.INTEGER),
        (["null", "long"], FieldKind.INTEGER),
        (["long", "null"], FieldKind.INTEGER),
        (["long"], FieldKind.INTEGER),
        ("float", FieldKind.FLOAT),
        ("double", FieldKind.FLOAT),
        ("string", FieldKind.STRING),
        ("boolean", FieldKind.BOOLEAN),
        (COLOR, FieldKind.ENUM),
        (["null", COLOR], FieldKind.ENUM),
        (DATE, FieldKind.DATE),
        (CLOCK, FieldKind.TIME),
        (MILLIS, FieldKind.TIMESTAMP),
        (["null", MICROS], FieldKind.TIMESTAMP),
        (LOCAL, FieldKind.LOCAL_TIMESTAMP),
        (AMOUNT, FieldKind.DECIMAL),
        (UUID_TEXT, FieldKind.STRING),
        ({"type": "long", "logicalType": "unheard-of"}, FieldKind.INTEGER),
    ],
)
def test_the_kind_is_that_of_the_avro_type(avro_type: Any, kind: FieldKind) -> None:
    assert kind is field_of(avro_type).kind


@pytest.mark.parametrize(
    ("avro_type", "words"),
    [
        ("bytes", "bytes"),
        ("null", "null"),
        (UUID_FIXED, "uuid"),
        ({"type": "array", "items": "int"}, "array"),
        ({"type": "map", "values": "int"}, "map"),
        ({"type": "record", "name": "I", "fields": []}, "record I"),
        (["null", "int", "string"], r"union \(null, int, string\)"),
    ],
)
def test_avro_types_without_an_order_are_refused(avro_type: Any, words: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^Unsupported field type {words}\. The range field f must be a num"):
        field_of(avro_type)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("small", FieldKind.INTEGER),
        ("big", FieldKind.INTEGER),
        ("unsigned", FieldKind.DECIMAL),
        ("single", FieldKind.FLOAT),
        ("text", FieldKind.STRING),
        ("flag", FieldKind.BOOLEAN),
        ("color", FieldKind.ENUM),
        ("moment", FieldKind.TIMESTAMP),
        ("wrapped", FieldKind.INTEGER),
    ],
)
def test_the_kind_is_that_of_the_protobuf_type(name: str, kind: FieldKind) -> None:
    assert kind is comparable_field(proto(), name, purpose=RANGE_FIELD).kind
    gc.collect()  # Nothing of the schema's pool may be needed later.
    assert kind is comparable_field(proto(), name, purpose=RANGE_KEY).kind


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raw", "bytes"),
        ("many", "repeated int32"),
        ("places", r"repeated R\.PlacesEntry"),
        ("inner", "R"),
        ("wrapped_raw", r"google\.protobuf\.BytesValue"),
    ],
)
def test_protobuf_types_without_an_order_are_refused(name: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^Unsupported field type {words}\. The index field {name} must be"):
        comparable_field(proto(), name, purpose=INDEX_FIELD)


def test_a_field_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(
        InvalidInputError, match=r"^The defined range field g does not exist in your Avro schema\. .*: f\."
    ):
        comparable_field(avro(f="int"), "g", purpose=RANGE_FIELD)
    with pytest.raises(InvalidInputError, match=r"^The defined range key Small does not exist in your Proto schema\."):
        comparable_field(proto(), "Small", purpose=RANGE_KEY)
    whole = RegisteredSchema(schema_id=1, schema_type="AVRO", schema='"string"')
    with pytest.raises(InvalidInputError, match=r"does not exist in your Avro schema\. It has no fields\."):
        comparable_field(whole, "f", purpose=RANGE_FIELD)


def test_values_without_a_schema_have_no_fields() -> None:
    with pytest.raises(InvalidInputError, match=r"range field f cannot be used: .* not of type schema"):
        comparable_field(None, "f", purpose=RANGE_FIELD)
    other = RegisteredSchema(schema_id=1, schema_type="JSON", schema="{}")
    with pytest.raises(InvalidInputError, match=r"values are JSON. Use Avro or Protobuf"):
        comparable_field(other, "f", purpose=RANGE_FIELD)


NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOON_MILLIS = int(NOON.timestamp()) * 1000


@pytest.mark.parametrize(
    ("avro_type", "value", "text", "node"),
    [
        ("int", -5, "-5", -5),
        ("int", 5, "+5", "5"),
        ("int", 5.0, "5", 5),
        ("double", 5, "5", 5),
        ("double", 1.5, "1.5", 1.5),
        ("double", float("nan"), "NaN", "NaN"),
        ("double", -0.0, "0", 0),
        ("string", "ü", "ü", "ü"),
        ("string", b"from bytes", "from bytes", "from bytes"),
        ("string", "", "", ""),
        ("boolean", True, "true", True),
        (COLOR, "RED", "RED", "RED"),
        (DATE, date(2026, 11, 24), "2026-11-24", "2026-11-24"),
        (DATE, 1, "1", 1),
        (CLOCK, time(12, 34), "12:34", "12:34:00"),
        (CLOCK, time(0, 0, 1), "1000", 1000),
        (MILLIS, NOON, "2026-11-24T13:00:00+01:00", "2026-11-24T12:00:00Z"),
        (MILLIS, NOON_MILLIS, str(NOON_MILLIS), NOON_MILLIS),
        (MICROS, NOON, str(NOON_MILLIS * 1000), NOON_MILLIS * 1000),
        (LOCAL, NOON.replace(tzinfo=None), "2026-11-24T12:00:00", NOON_MILLIS),
        (AMOUNT, Decimal("12.30"), "12.3", 12.3),
        (AMOUNT, 5, "5.000", 5),
        (AMOUNT, Decimal("0.001"), "1e-3", "0.001"),
    ],
)
def test_a_bound_is_compared_as_the_value_that_it_names(avro_type: Any, value: Any, text: str, node: Any) -> None:
    field = field_of(avro_type)
    assert field.of_value(value) == field.from_text(text) == field.from_json(node)


@pytest.mark.parametrize(
    ("avro_type", "text", "expected"),
    [
        ("int", "five", "a whole number from -9223372036854775808 to 9223372036854775807"),
        ("int", "1.5", "a whole number"),
        ("long", "9223372036854775808", "a whole number"),
        ("long", "1_0", "a whole number"),
        ("double", "much", "a number such as"),
        (AMOUNT, "Infinity", "a number such as"),
        (AMOUNT, "1e99999999999", "a number such as"),
        ("boolean", "yes", "true or false"),
        (COLOR, "BLUE", "one of RED, GREEN"),
        (DATE, "24.11.2026", "a date such as"),
        (CLOCK, "noon", "a time such as"),
        (MILLIS, "2026-11-24", "a moment such as"),
        (MILLIS, "9" * 19, "a moment such as"),
        (LOCAL, "2026-11-24T12:00:00Z", "a moment such as"),
        ("string", "\ud800", "a text"),
    ],
)
def test_a_text_that_is_no_bound_is_refused_with_what_is(avro_type: Any, text: str, expected: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        field_of(avro_type).from_text(text)
    assert "cannot be compared with the field f: expected " + expected in str(caught.value)


@pytest.mark.parametrize(
    "avro_type", ["int", "double", "string", "boolean", COLOR, DATE, CLOCK, MILLIS, LOCAL, AMOUNT, UUID_TEXT]
)
@pytest.mark.parametrize("node", [None, [], {}, [1], {"a": 1}])
def test_a_node_that_is_no_bound_is_refused(avro_type: Any, node: Any) -> None:
    with pytest.raises(InvalidInputError, match="cannot be compared with the field f: expected "):
        field_of(avro_type).from_json(node)


@pytest.mark.parametrize(
    ("avro_type", "node"), [("int", True), ("double", False), ("string", 5), ("boolean", "true"), ("int", 5.5)]
)
def test_a_node_of_another_type_is_no_bound(avro_type: Any, node: Any) -> None:
    with pytest.raises(InvalidInputError, match="cannot be compared with the field f"):
        field_of(avro_type).from_json(node)


@pytest.mark.parametrize(
    ("avro_type", "value"),
    [
        ("int", "5"),
        ("int", True),
        ("int", 5.5),
        ("long", 2**63),
        ("double", "1"),
        ("double", 10**400),
        ("string", 5),
        ("string", b"\xff"),
        ("boolean", 1),
        (COLOR, 7),
        (DATE, NOON),
        (CLOCK, "12:00"),
        (MILLIS, "now"),
        (MILLIS, 2**63 - 1),
        (AMOUNT, b"1"),
        (AMOUNT, float("inf")),
    ],
)
def test_a_value_of_another_kind_does_not_fit(avro_type: Any, value: Any) -> None:
    with pytest.raises(InvalidValueError, match=r"Field f holds .* cannot be compared as"):
        field_of(avro_type).of_value(value)


def test_null_and_absent_have_no_bytes() -> None:
    assert field_of(["null", "int"]).of_value(None) is None


@given(st.lists(st.integers(-(2**53), 2**53), min_size=2), st.lists(st.floats(allow_nan=False), min_size=1))
def test_whole_numbers_of_older_records_compare_with_doubles(whole: list[int], floats: list[float]) -> None:
    field = field_of("double")
    numbers = [*whole, *floats]
    assert sorted(numbers) == sorted(numbers, key=lambda number: field.of_value(number) or b"")


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_moments_of_protobuf_compare_to_the_nanosecond(one: int, other: int) -> None:
    codec = codec_for(TopicType.SCHEMA, schema=proto(), schemas=lambda _: proto())
    field = comparable_field(proto(), "moment", purpose=RANGE_FIELD)

    def ordered(nanos: int) -> bytes | None:
        text = f"{1960 + nanos % 3:04}-01-01T00:00:{nanos // 10**9 % 60:02}.{nanos % 10**9:09}Z"
        record = codec.decode(codec.encode(codec.from_json({"moment": text})))
        assert field.of_value(record["moment"]) == field.from_text(text)
        return field.of_value(record["moment"])

    def place(nanos: int) -> tuple[int, int]:
        return nanos % 3, nanos % (60 * 10**9)

    assert (place(one) < place(other)) == ((ordered(one) or b"") < (ordered(other) or b""))


def test_decoded_protobuf_records_have_comparable_values() -> None:
    codec = codec_for(TopicType.SCHEMA, schema=proto(), schemas=lambda _: proto())
    node = {"unsigned": str(2**64 - 1), "color": "GREEN", "wrapped": "7", "flag": True, "text": "t", "single": 0.1}
    record = codec.decode(codec.encode(codec.from_json(node)))
    for name, text in [("unsigned", str(2**64 - 1)), ("color", "GREEN"), ("wrapped", "7"), ("single", "0.1")]:
        field = comparable_field(proto(), name, purpose=RANGE_FIELD)
        assert field.from_text(text) == field.of_value(record[name])
    assert comparable_field(proto(), "moment", purpose=RANGE_FIELD).of_value(record["moment"]) is None
    assert comparable_field(proto(), "big", purpose=RANGE_FIELD).of_value(record["big"]) is None


def test_a_definition_names_its_fields() -> None:
    definition = MirrorDefinition(range_field="a", range_key="b", indexes=("b", "a"))
    fields = mirror_fields(definition, avro(a="int", b="string"))
    assert fields.range_field is not None
    assert fields.range_key is not None
    assert ("a", "b", ["b", "a"]) == (
        fields.range_field.name,
        fields.range_key.name,
        [field.name for field in fields.indexes],
    )
    assert (None, None, ()) == mirror_fields(MirrorDefinition(), None)


def test_a_later_schema_goes_with_a_mirror_while_its_fields_keep_their_kinds() -> None:
    definition = MirrorDefinition(range_field="a", range_key="b", indexes=("c",))
    before = avro(a="int", b="string", c=MILLIS, d="int")
    assert [] == lost_fields(definition, before, avro(a=["null", "long"], b="string", c=MICROS, e="int"))
    reasons = lost_fields(definition, before, avro(a="double", c="bytes"))
    starts = [
        "range field a: its values were compared as integer, and would be as float",
        "range key b: The defined range key b does not exist in your Avro schema.",
        "index field c: Unsupported field type bytes.",
    ]
    assert starts == [reason[: len(start)] for reason, start in zip(reasons, starts, strict=True)]
