"""Bodies that are the bytes of one value: Avro, Protobuf, or exactly what shall stand in Kafka.

The key comes as text in the query. Bytes are decoded before they are written, so that what a topic holds can be read.
"""

from __future__ import annotations

from typing import Final

import falcon.asgi

from core.errors import InvalidInputError
from core.kafka_writer import OutRecord
from core.registered_schema import SchemaFormat
from core.types import TopicType
from services.ingest.options import AVRO, OCTETS, PROTOBUF
from services.topic_access import TopicAccess

_MAGIC: Final = b"\x00"
_FIRST_MESSAGE: Final = b"\x00"
_LARGEST_ID: Final = (1 << 32) - 1
_LARGEST_TIMESTAMP: Final = (1 << 63) - 1


def binary_record(req: falcon.asgi.Request, kind: str, body: bytes, access: TopicAccess) -> OutRecord:
    """Return the record of a request whose body is one value, with the key of its parameter `key`.

    Args:
        req: The request.
        kind: Its content type. Avro and Protobuf are the bare bytes of the schema that the parameter `schemaId`
            names, else of the topic's; `application/octet-stream` is a value as it stands in Kafka.
        body: The whole body.
        access: The topic.

    Raises:
        InvalidInputError: The key is missing, the topic's values are of another kind, or the bytes cannot be decoded.
    """
    if req.content_length is None:
        raise InvalidInputError("A body of bytes needs its Content-Length, so that one that was cut off is not taken.")
    text = req.get_param("key", default=None)
    if text is None:
        raise InvalidInputError("The parameter key is missing. Send the key of the record: ?key=KEY")
    key = access.keys.encode(access.keys.from_text(text))
    value = body if kind == OCTETS else _frame(req, kind, access) + body
    access.values.decode(value)
    return OutRecord(key, value, timestamp_ms=_timestamp(req))


def _timestamp(req: falcon.asgi.Request) -> int | None:
    return req.get_param_as_int("timestamp", min_value=1, max_value=_LARGEST_TIMESTAMP, default=None)


def _frame(req: falcon.asgi.Request, kind: str, access: TopicAccess) -> bytes:
    """Return what stands before the bytes of a record: Confluent's frame."""
    wanted = SchemaFormat.AVRO if kind in AVRO else SchemaFormat.PROTOBUF
    schema = access.value_schema
    if access.values.type is not TopicType.SCHEMA or schema is None or schema.schema_type != wanted:
        actual = access.values.type.lower() if schema is None else f"schema ({schema.schema_type})"
        raise InvalidInputError(f"The values of topic {access.name} are of type {actual}, and the body is {kind}.")
    schema_id = req.get_param_as_int("schemaId", min_value=1, max_value=_LARGEST_ID, default=schema.schema_id)
    return _MAGIC + schema_id.to_bytes(4) + (_FIRST_MESSAGE if kind in PROTOBUF else b"")
