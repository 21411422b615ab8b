"""Codecs: how keys and values of each topic type come from text and JSON and go to Kafka, and back."""

from __future__ import annotations

import struct
from typing import Any, Protocol

from core.avro import AvroCodec
from core.errors import InvalidInputError, NotAvailableYetError
from core.primitives import DoubleCodec, StringCodec, WholeNumberCodec
from core.protobuf import ProtobufCodec
from core.registered_schema import RegisteredSchema, SchemaFormat, SchemaLookup
from core.topic_type import TopicType

__all__ = ["Codec", "SchemaLookup", "TopicType", "codec_for"]


class Codec(Protocol):
    """Reads and writes the keys, or the values, of one topic. Safe to use from several threads.

    A value goes from `from_text` or `from_json` to `encode`, and from `decode` to `to_json`; `to_json` also
    takes what `from_json` returned. Null is a tombstone and no value: no method takes or returns it.
    """

    @property
    def type(self) -> TopicType:
        """The type that every value of this codec has."""

    @property
    def json_type(self) -> Any | None:
        """A type for msgspec's JSON decoder whose values are exactly those that `from_json` would return.

        It is the quick way for batches: reading, checking and shaping in one pass. It may refuse what `from_json`
        takes (a number in a string), never the other way round; whoever uses it asks `from_json` then. `None` where
        there is no such type.
        """

    def from_text(self, text: str) -> Any:
        """Return the value that a key string or a path segment stands for.

        Raises:
            InvalidValueError: The text stands for no value of this type.
        """

    def from_json(self, node: Any, *, strict: bool = False) -> Any:
        """Return the value that a decoded JSON node stands for; a record's form belongs to the codec.

        Args:
            node: The node, decoded by msgspec or the standard library.
            strict: Whether keys of objects that the schema does not know are refused, which are ignored otherwise.

        Raises:
            InvalidValueError: The node stands for no value of this type, null among them.
            NotFoundError: The codec's schema does not exist.
        """

    def to_json(self, value: Any) -> Any:
        """Return *value*, which this codec made, as a node that any JSON writer can write.

        Raises:
            InvalidValueError: The value is nested too deep to be written.
        """

    def encode(self, value: Any) -> bytes:
        """Return the bytes of *value* as they stand in a Kafka record.

        Raises:
            InvalidValueError: The value is none of this type.
            NotFoundError: The codec's schema does not exist.
        """

    def decode(self, raw: bytes) -> Any:
        """Return the value whose Kafka bytes are *raw*; a record is a dict of the fields written.

        Raises:
            InvalidValueError: The bytes are no value of this type.
            NotFoundError: The schema that the bytes were written with does not exist.
        """


def codec_for(
    type: TopicType,  # noqa: A002  the word of the domain
    *,
    schema: RegisteredSchema | None = None,
    schemas: SchemaLookup | None = None,
) -> Codec:
    """Return the codec of *type*.

    Args:
        type: The type of the topic's keys or values.
        schema: The schema to write with; needed for `SCHEMA`, without meaning otherwise.
        schemas: Where the schemas of records are looked up by ID; needed for `SCHEMA`, without meaning otherwise.

    Raises:
        InvalidInputError: The type is `SCHEMA`, and the schema or the lookup is missing.
    """
    match type:
        case TopicType.STRING:
            return StringCodec()
        case TopicType.INTEGER:
            return WholeNumberCodec(type, struct.Struct(">i"))
        case TopicType.LONG:
            return WholeNumberCodec(type, struct.Struct(">q"))
        case TopicType.DOUBLE:
            return DoubleCodec()
        case TopicType.SCHEMA:
            if schema is None or schemas is None:
                raise InvalidInputError(
                    "A topic side of type schema needs a schema. Create the topic with a schema, "
                    "or register one for its subject."
                )
            return _record_codec(schema, schemas)


def _record_codec(schema: RegisteredSchema, schemas: SchemaLookup) -> Codec:
    match schema.schema_type:
        case SchemaFormat.AVRO:
            return AvroCodec(schema, schemas)
        case SchemaFormat.PROTOBUF:
            return ProtobufCodec(schema, schemas)
    raise NotAvailableYetError(
        f"Schema {schema.schema_id} is of the format {schema.schema_type}, which is not read: use Avro or Protobuf."
    )
