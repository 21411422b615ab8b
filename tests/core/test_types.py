import json

import pytest

from core.errors import InvalidInputError
from core.registered_schema import RegisteredSchema
from core.types import Codec, TopicType, codec_for

RECORD = json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]})
SCHEMA = RegisteredSchema(schema_id=1, schema_type="AVRO", schema=RECORD)


@pytest.mark.parametrize("topic_type", list(TopicType))
def test_there_is_a_codec_for_every_type(topic_type: TopicType) -> None:
    codec: Codec = codec_for(topic_type, schema=SCHEMA, schemas=lambda _: SCHEMA)
    assert topic_type is codec.type


@pytest.mark.parametrize(
    ("topic_type", "text", "expected"),
    [
        (TopicType.STRING, "a", b"a"),
        (TopicType.INTEGER, "1", b"\0\0\0\1"),
        (TopicType.LONG, "1", b"\0\0\0\0\0\0\0\1"),
        (TopicType.DOUBLE, "1", b"\x3f\xf0\0\0\0\0\0\0"),
        (TopicType.SCHEMA, '{"a": 1}', b"\0\0\0\0\1\2"),
    ],
)
def test_a_key_text_becomes_the_bytes_of_its_type(topic_type: TopicType, text: str, expected: bytes) -> None:
    codec = codec_for(topic_type, schema=SCHEMA, schemas=lambda _: SCHEMA)
    assert expected == codec.encode(codec.from_text(text))
    assert codec.from_text(text) == codec.decode(expected)


def test_a_schema_codec_needs_a_schema() -> None:
    for missing in ({"schema": SCHEMA}, {"schemas": lambda _: SCHEMA}):
        with pytest.raises(InvalidInputError, match="needs a schema"):
            codec_for(TopicType.SCHEMA, **missing)
