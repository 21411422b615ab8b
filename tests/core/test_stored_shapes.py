import json
from typing import Any

import pytest

from core.errors import InvalidInputError
from core.registered_schema import RegisteredSchema
from core.stored_shapes import Shape, StoredKind, shape_of
from core.types import TopicType

PROTO = """
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
message Order {
  string order_id = 1;
  optional int32 size = 2;
  uint32 count = 3;
  uint64 big = 4;
  float ratio = 5;
  bytes raw = 6;
  Color color = 7;
  Order next = 8;
  repeated Order all = 9;
  map<string, int64> sums = 10;
  google.protobuf.Timestamp at = 11;
  google.protobuf.Struct more = 12;
  google.protobuf.BoolValue flag = 13;
  oneof choice { string text = 14; Order other = 15; }
}
enum Color { COLOR_UNSPECIFIED = 0; COLOR_RED = 1; }
"""


def fields_of(schema_type: str, text: str) -> dict[str, Shape]:
    shape = shape_of(TopicType.SCHEMA, RegisteredSchema(schema_id=7, schema_type=schema_type, schema=text))
    assert shape is not None
    assert shape.fields is not None
    return shape.fields


def avro_field(stored: Any, **more: Any) -> Shape:
    text = json.dumps({"type": "record", "name": "n.P", "fields": [{"name": "f", "type": stored} | more]})
    return fields_of("AVRO", text)["f"]


@pytest.mark.parametrize(
    ("topic_type", "kind"),
    [
        (TopicType.STRING, StoredKind.STRING),
        (TopicType.INTEGER, StoredKind.INT),
        (TopicType.LONG, StoredKind.LONG),
        (TopicType.DOUBLE, StoredKind.DOUBLE),
    ],
)
def test_primitive_values_have_a_shape_without_a_schema(topic_type: TopicType, kind: StoredKind) -> None:
    shape = shape_of(topic_type, None)

    assert shape is not None
    assert (kind, topic_type.lower()) == (shape.kind, shape.words)


@pytest.mark.parametrize("schema_type", [None, "JSON"])
def test_records_without_a_schema_that_is_read_have_none(schema_type: str | None) -> None:
    schema = None if schema_type is None else RegisteredSchema(schema_id=1, schema_type=schema_type, schema="{}")

    assert shape_of(TopicType.SCHEMA, schema) is None


@pytest.mark.parametrize(
    ("stored", "kind", "words", "is_nullable"),
    [
        ("int", StoredKind.INT, "int", False),
        (["null", "int"], StoredKind.INT, "int", True),
        (["int"], StoredKind.INT, "int", False),
        (["null"], StoredKind.NULL, "null", True),
        (["int", "string", "null"], StoredKind.UNION, "union (int, string)", True),
        ({"type": "fixed", "name": "F", "size": 4}, StoredKind.BYTES, "fixed n.F", False),
        ({"type": "long", "logicalType": "timestamp-millis"}, StoredKind.MOMENT, "timestamp-millis", False),
        ({"type": "long", "logicalType": "unknown"}, StoredKind.LONG, "long", False),
    ],
)
def test_avro_types_have_their_kind(stored: Any, kind: StoredKind, words: str, *, is_nullable: bool) -> None:
    shape = avro_field(stored)

    assert (kind, words, is_nullable) == (shape.kind, shape.words, shape.is_nullable)


def test_a_field_with_a_default_or_null_may_be_absent() -> None:
    assert avro_field(["null", "int"]).may_be_absent
    assert avro_field("int", default=5).may_be_absent
    assert not avro_field("int").may_be_absent


def test_a_record_that_holds_itself_has_one_shape() -> None:
    inner = avro_field(["null", {"type": "array", "items": "n.P"}]).parts[0]

    assert inner.fields is not None
    assert ("P", inner.fields) == (inner.name, inner.fields["f"].parts[0].fields)


@pytest.mark.parametrize(
    ("name", "kind", "is_nullable"),
    [
        ("order_id", StoredKind.STRING, False),
        ("orderId", StoredKind.STRING, False),
        ("size", StoredKind.INT, True),
        ("count", StoredKind.LONG, False),
        ("big", StoredKind.LONG, False),
        ("ratio", StoredKind.DOUBLE, False),
        ("raw", StoredKind.BYTES, False),
        ("color", StoredKind.ENUM, False),
        ("next", StoredKind.RECORD, False),
        ("all", StoredKind.LIST, False),
        ("sums", StoredKind.MAP, False),
        ("at", StoredKind.MOMENT, False),
        ("more", StoredKind.ANY, False),
        ("flag", StoredKind.BOOLEAN, True),
        ("text", StoredKind.STRING, True),
        ("other", StoredKind.RECORD, True),
    ],
)
def test_protobuf_types_have_their_kind(name: str, kind: StoredKind, *, is_nullable: bool) -> None:
    shape = fields_of("PROTOBUF", PROTO)[name]

    assert (kind, is_nullable, True) == (shape.kind, shape.is_nullable, shape.may_be_absent)


def test_values_of_a_protobuf_enum_are_what_is_read() -> None:
    assert ("RED",) == fields_of("PROTOBUF", PROTO)["color"].symbols


def test_a_schema_that_cannot_be_used_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="Schema 7"):
        fields_of("AVRO", "{}")
