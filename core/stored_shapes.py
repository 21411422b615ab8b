"""What the values of a topic look like, whatever format stores them: enough to compare them with GraphQL types."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from core.avro_logical import PREFIX
from core.avro_text import whole_avro
from core.avro_types import AvroNode, AvroSchema, parse_avro
from core.protobuf import written_message
from core.protobuf_enums import UNSPECIFIED, shared_prefix
from core.protobuf_records import WRAPPERS
from core.registered_schema import RegisteredSchema, SchemaFormat
from core.topic_type import TopicType

SHAPES_KEPT: Final = 512
"""Schemas whose shapes a process keeps: those of a gateway are asked for again and again."""


class StoredKind(StrEnum):
    """What a value is."""

    BOOLEAN = "boolean"
    INT = "int"
    """A whole number of 32 bits."""
    LONG = "long"
    """A whole number of up to 64 bits, with or without a sign."""
    DOUBLE = "double"
    STRING = "string"
    ENUM = "enum"
    BYTES = "bytes"
    DATE = "date"
    TIME = "time"
    MOMENT = "moment"
    LOCAL_MOMENT = "local moment"
    """Without an offset."""
    DECIMAL = "decimal"
    UUID = "uuid"
    NULL = "null"
    LIST = "list"
    MAP = "map"
    RECORD = "record"
    UNION = "union"
    """Of several types that are not null."""
    ANY = "any"
    """Whatever JSON there is."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The shape of one value. Shapes of records may hold themselves: walk them with a memory."""

    kind: StoredKind
    words: str
    """The type as its schema has it, without null, for messages."""
    is_nullable: bool = False
    may_be_absent: bool = False
    """Whether a record may be written without this field."""
    name: str | None = None
    """Of a record: its name without the namespace."""
    symbols: tuple[str, ...] = ()
    """Of an enum: the names of its values."""
    parts: tuple[Shape, ...] = ()
    """The items of a list, the values of a map, the types of a union."""
    fields: dict[str, Shape] | None = None
    """Of a record: its fields by name. Not to be changed."""


_AVRO_KINDS: Final = {
    "null": StoredKind.NULL,
    "boolean": StoredKind.BOOLEAN,
    "int": StoredKind.INT,
    "long": StoredKind.LONG,
    "float": StoredKind.DOUBLE,
    "double": StoredKind.DOUBLE,
    "string": StoredKind.STRING,
    "bytes": StoredKind.BYTES,
    "fixed": StoredKind.BYTES,
    "array": StoredKind.LIST,
    "map": StoredKind.MAP,
    "enum": StoredKind.ENUM,
    "union": StoredKind.UNION,
}
_LOGICAL_KINDS: Final = {
    "date": StoredKind.DATE,
    "time-millis": StoredKind.TIME,
    "time-micros": StoredKind.TIME,
    "timestamp-millis": StoredKind.MOMENT,
    "timestamp-micros": StoredKind.MOMENT,
    "local-timestamp-millis": StoredKind.LOCAL_MOMENT,
    "local-timestamp-micros": StoredKind.LOCAL_MOMENT,
    "decimal": StoredKind.DECIMAL,
    "uuid": StoredKind.UUID,
}
_PROTOBUF_KINDS: Final = {
    FieldDescriptor.CPPTYPE_INT32: StoredKind.INT,
    FieldDescriptor.CPPTYPE_UINT32: StoredKind.LONG,
    FieldDescriptor.CPPTYPE_INT64: StoredKind.LONG,
    FieldDescriptor.CPPTYPE_UINT64: StoredKind.LONG,
    FieldDescriptor.CPPTYPE_DOUBLE: StoredKind.DOUBLE,
    FieldDescriptor.CPPTYPE_FLOAT: StoredKind.DOUBLE,
    FieldDescriptor.CPPTYPE_BOOL: StoredKind.BOOLEAN,
    FieldDescriptor.CPPTYPE_STRING: StoredKind.STRING,
}
_GOOGLES_KINDS: Final = {
    "google.protobuf.Timestamp": StoredKind.MOMENT,
    "google.protobuf.Duration": StoredKind.STRING,
    "google.protobuf.FieldMask": StoredKind.STRING,
    "google.protobuf.Struct": StoredKind.ANY,
    "google.protobuf.Value": StoredKind.ANY,
    "google.protobuf.ListValue": StoredKind.ANY,
    "google.protobuf.Any": StoredKind.ANY,
}
_PRIMITIVE_KINDS: Final = {
    TopicType.STRING: StoredKind.STRING,
    TopicType.INTEGER: StoredKind.INT,
    TopicType.LONG: StoredKind.LONG,
    TopicType.DOUBLE: StoredKind.DOUBLE,
}


def shape_of(topic_type: TopicType, schema: RegisteredSchema | None) -> Shape | None:
    """Return the shape of a topic's values; `None` for records whose schema is unknown or of a format not read.

    Raises:
        InvalidInputError: The schema cannot be used.
        UnavailableError: The Protobuf compiler could not be run.
    """
    if topic_type in _PRIMITIVE_KINDS:
        return Shape(_PRIMITIVE_KINDS[topic_type], topic_type.lower())
    if schema is None:
        return None
    if schema.imports:
        return _shape_of_records(schema)
    return _known_shape(schema.schema_id, schema.schema_type, schema.schema)


@lru_cache(SHAPES_KEPT)
def _known_shape(schema_id: int, schema_type: str, text: str) -> Shape | None:
    return _shape_of_records(RegisteredSchema(schema_id=schema_id, schema_type=schema_type, schema=text))


def _shape_of_records(schema: RegisteredSchema) -> Shape | None:
    if schema.schema_type == SchemaFormat.AVRO:
        avro = parse_avro(whole_avro(schema), f"Schema {schema.schema_id}")
        return _AvroShapes(avro).of(avro.root)
    if schema.schema_type == SchemaFormat.PROTOBUF:
        message = written_message(schema)
        return None if message is None else _ProtobufShapes().of_message(message)
    return None


class _AvroShapes:
    def __init__(self, schema: AvroSchema) -> None:
        self._schema = schema
        self._records: dict[str, Shape] = {}

    def of(self, node: AvroNode) -> Shape:
        resolved: Any = self._schema.resolve(node)
        if isinstance(resolved, list):
            return self._union(resolved)
        if isinstance(resolved, dict) and resolved["type"] == "record":
            return self._record(resolved)
        words = self._schema.words(node)
        if self._schema.logical(node) is not None:
            return Shape(_LOGICAL_KINDS[resolved["logicalType"].removeprefix(PREFIX)], words)
        symbols = tuple(resolved["symbols"]) if self._schema.kind(node) == "enum" else ()
        parts = tuple(map(self.of, self._schema.parts(node)))
        return Shape(_AVRO_KINDS[self._schema.kind(node)], words, symbols=symbols, parts=parts)

    def _union(self, branches: list[AvroNode]) -> Shape:
        shapes = [self.of(branch) for branch in branches]
        others = tuple(shape for shape in shapes if shape.kind is not StoredKind.NULL)
        is_nullable = len(others) < len(shapes)
        if not others:
            return replace(shapes[0], is_nullable=True)
        if len(others) == 1:
            return replace(others[0], is_nullable=is_nullable)
        words = f"union ({', '.join(other.words for other in others)})"
        return Shape(StoredKind.UNION, words, is_nullable, parts=others)

    def _record(self, definition: dict[str, Any]) -> Shape:
        full_name = definition["name"]
        if full_name not in self._records:
            fields: dict[str, Shape] = {}
            name, words = full_name.rpartition(".")[2], self._schema.words(definition)
            self._records[full_name] = Shape(StoredKind.RECORD, words, name=name, fields=fields)
            for field in definition["fields"]:
                shape = self.of(field["type"])
                fields[field["name"]] = replace(shape, may_be_absent=shape.is_nullable or "default" in field)
        return self._records[full_name]


class _ProtobufShapes:
    """Every field may be absent. A message is not said to be nullable, though it is: its schema cannot say else."""

    def __init__(self) -> None:
        self._messages: dict[str, Shape] = {}

    def of_message(self, message: Descriptor) -> Shape:
        if message.full_name not in self._messages:
            fields: dict[str, Shape] = {}
            words = f"message {message.full_name}"
            self._messages[message.full_name] = Shape(StoredKind.RECORD, words, name=message.name, fields=fields)
            for field in message.fields:
                fields[field.name] = replace(self._field(field), may_be_absent=True)
            for field in message.fields:
                fields.setdefault(field.json_name, fields[field.name])
        return self._messages[message.full_name]

    def _field(self, field: FieldDescriptor) -> Shape:
        if not field.is_repeated:
            return replace(self._single(field), is_nullable=field.has_presence and _says_presence(field))
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value = self._single(field.message_type.fields_by_name["value"])
            return Shape(StoredKind.MAP, f"map of {value.words}", parts=(value,))
        item = self._single(field)
        return Shape(StoredKind.LIST, f"repeated {item.words}", parts=(item,))

    def _single(self, field: FieldDescriptor) -> Shape:
        if field.enum_type is not None:
            names = [value.name for value in field.enum_type.values]
            prefix = shared_prefix(field.enum_type.name, names)
            symbols = tuple(short for name in names if (short := name.removeprefix(prefix)) != UNSPECIFIED)
            return Shape(StoredKind.ENUM, f"enum {field.enum_type.full_name}", symbols=symbols)
        message = field.message_type
        if message is None:
            is_bytes = field.type == FieldDescriptor.TYPE_BYTES
            kind = StoredKind.BYTES if is_bytes else _PROTOBUF_KINDS[field.cpp_type]
            return Shape(kind, _word(field))
        if message.full_name in WRAPPERS:
            return self._single(message.fields_by_name["value"])
        if message.full_name in _GOOGLES_KINDS:
            return Shape(_GOOGLES_KINDS[message.full_name], message.full_name)
        return self.of_message(message)


def _says_presence(field: FieldDescriptor) -> bool:
    """Return whether the schema says on purpose that *field* may be unset."""
    is_wrapper = field.message_type is not None and field.message_type.full_name in WRAPPERS
    return field.message_type is None or is_wrapper or field.containing_oneof is not None


def _word(field: FieldDescriptor) -> str:
    """Return the scalar type of *field* in Protobuf's word, such as `int32`."""
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()  # type: ignore[arg-type]
