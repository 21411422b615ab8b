from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidValueError
from core.record_fields import field_decoder, fields_decoder
from core.registered_schema import RegisteredSchema
from core.types import Codec, TopicType, codec_for

RECORD = {
    "type": "record",
    "name": "shop.Order",
    "fields": [
        {"name": "id", "type": "int"},
        {
            "name": "payment",
            "type": [
                "null",
                {"type": "record", "name": "Card", "fields": [{"name": "digits", "type": "string"}]},
                {"type": "record", "name": "Cash", "fields": [{"name": "paid", "type": "double"}]},
            ],
        },
        {"name": "again", "type": ["null", "Card"]},
    ],
}

PROTO = """
syntax = "proto3";
package shop;
message Order {
  int64 order_id = 1;
  optional string name = 2;
  Part first_part = 3;
  repeated Part other_parts = 4;
  map<string, Part> by_name = 5;
}
message Part { int32 part_id = 1; Part inner_part = 2; }
"""


def codec_of(schema_type: str, text: str) -> Codec:
    schema = RegisteredSchema(schema_id=1, schema_type=schema_type, schema=text)
    return codec_for(TopicType.SCHEMA, schema=schema, schemas=lambda _: schema)


def test_avro_records_are_as_the_codec_gives_them() -> None:
    codec = codec_of("AVRO", json.dumps(RECORD))
    value: Any = {"id": 1, "payment": {"digits": "12"}, "again": None}
    assert value == field_decoder(codec)(codec.encode(value))


def test_avro_records_and_branches_of_several_records_come_with_their_names() -> None:
    codec = codec_of("AVRO", json.dumps(RECORD))
    named = field_decoder(codec, names_types=True)
    card, cash = {"digits": "12"}, {"paid": 1.5}
    assert ("shop.Order", {"id": 1, "payment": ("shop.Cash", cash), "again": card}) == named(
        codec.encode({"id": 1, "payment": cash, "again": card})
    )
    with pytest.raises(InvalidValueError, match="the record ends after"):
        named(codec.encode({"id": 1, "payment": None, "again": None}) + b"x")


def test_fields_of_protobuf_have_the_names_of_text_and_json() -> None:
    codec = codec_of("PROTOBUF", PROTO)
    part: Any = {"part_id": 7, "inner_part": {"part_id": 8}}
    raw = codec.encode(
        codec.from_json({"order_id": 5, "firstPart": part, "other_parts": [part], "by_name": {"a": part}})
    )
    name, fields = field_decoder(codec, names_types=True)(raw)
    assert "shop.Order" == name
    assert 5 == fields["order_id"] == fields["orderId"]
    assert fields["name"] is None
    shown = {"part_id": 8, "partId": 8, "inner_part": None, "innerPart": None}
    both = {"part_id": 7, "partId": 7, "inner_part": shown, "innerPart": shown}
    assert both == fields["first_part"] == fields["firstPart"]
    assert [both] == fields["other_parts"] == fields["otherParts"]
    assert {"a": both} == fields["by_name"] == fields["byName"]
    assert fields == field_decoder(codec)(raw)


def test_other_values_are_as_they_are() -> None:
    codec = codec_for(TopicType.LONG)
    assert 5 == field_decoder(codec, names_types=True)(codec.encode(5))


_ORDERS = st.fixed_dictionaries(
    {
        "id": st.integers(-(2**31), 2**31 - 1),
        "payment": st.fixed_dictionaries({"digits": st.text(max_size=5)}),
        "again": st.none() | st.fixed_dictionaries({"digits": st.text(max_size=5)}),
    }
)


@given(st.lists(_ORDERS, max_size=200), st.booleans())
def test_many_records_are_decoded_as_each_of_them(orders: list[Any], names_types: bool) -> None:  # noqa: FBT001
    codec = codec_of("AVRO", json.dumps(RECORD))
    raws = [codec.encode(order) for order in orders]
    decode = field_decoder(codec, names_types=names_types)
    assert [decode(raw) for raw in raws] == fields_decoder(codec, names_types=names_types)(raws)


@pytest.mark.parametrize("broken", [b"", b"\1", b"\0\0\0\0\1", b"\0\0\0\0\1\2", b"\0\0\0\0\1\2\0\2a\0\7"])
@pytest.mark.parametrize("place", [0, 3, 9])
def test_one_of_many_that_cannot_be_read_is_told_as_it_is_told_alone(broken: bytes, place: int) -> None:
    codec = codec_of("AVRO", json.dumps(RECORD))
    raws = [codec.encode({"id": n, "payment": {"digits": "1"}, "again": None}) for n in range(9)]
    raws.insert(place, broken)
    with pytest.raises(InvalidValueError) as alone:
        field_decoder(codec)(broken)
    with pytest.raises(InvalidValueError) as together:
        fields_decoder(codec)(raws)
    assert str(alone.value) == str(together.value)
