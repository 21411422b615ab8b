import json

import pytest

from core.errors import InvalidInputError, NotAvailableYetError, NotFoundError
from core.registered_schema import RegisteredSchema
from core.types import Codec, TopicType, codec_for

AVRO = RegisteredSchema(
    schema_id=1,
    schema_type="AVRO",
    schema=json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}),
)
PROTOBUF = RegisteredSchema(
    schema_id=1, schema_type="PROTOBUF", schema='syntax = "proto3"; message R { sint32 a = 1; }'
)


def no_other(schema_id: int) -> RegisteredSchema:
    raise NotFoundError(f"Schema {schema_id} does not exist.")


@pytest.mark.parametrize("topic_type", list(TopicType))
@pytest.mark.parametrize("schema", [AVRO, PROTOBUF])
def test_there_is_a_codec_for_every_type(topic_type: TopicType, schema: RegisteredSchema) -> None:
    codec: Codec = codec_for(topic_type, schema=schema, schemas=no_other)
    assert topic_type is codec.type


@pytest.mark.parametrize(
    ("topic_type", "schema", "text", "expected"),
    [
        (TopicType.STRING, None, "a", b"a"),
        (TopicType.INTEGER, None, "1", b"\0\0\0\1"),
        (TopicType.LONG, None, "1", b"\0\0\0\0\0\0\0\1"),
        (TopicType.DOUBLE, None, "1", b"\x3f\xf0\0\0\0\0\0\0"),
        (TopicType.SCHEMA, AVRO, '{"a": 1}', b"\0\0\0\0\1\2"),
        (TopicType.SCHEMA, PROTOBUF, '{"a": 1}', b"\0\0\0\0\1\0\x08\2"),
    ],
)
def test_a_key_text_becomes_the_bytes_of_its_type(
    topic_type: TopicType, schema: RegisteredSchema | None, text: str, expected: bytes
) -> None:
    codec = codec_for(topic_type, schema=schema, schemas=no_other)
    assert expected == codec.encode(codec.from_text(text))
    assert codec.from_text(text) == codec.decode(expected)


def test_a_schema_codec_needs_a_schema() -> None:
    for missing in ({"schema": AVRO}, {"schemas": no_other}):
        with pytest.raises(InvalidInputError, match="needs a schema"):
            codec_for(TopicType.SCHEMA, **missing)


def test_a_format_that_is_not_read_is_named() -> None:
    schema = RegisteredSchema(schema_id=5, schema_type="JSON", schema="{}")
    with pytest.raises(NotAvailableYetError, match="Schema 5 is of the format JSON"):
        codec_for(TopicType.SCHEMA, schema=schema, schemas=no_other)
