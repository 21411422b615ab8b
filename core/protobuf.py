"""The codec of Protobuf records, behind Confluent's frame.

The frame is a zero byte, the ID of the writer's schema, and which message of that schema the record is: the indexes
of the message and of those around it, outermost first. A record is written as the first message of its schema. What a
record is in Python and in JSON is told in `core.protobuf_records`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import Error as JsonFormatError
from google.protobuf.message import DecodeError, EncodeError

from core.errors import InvalidInputError, InvalidValueError, Mismatch
from core.json_values import parse_json, type_mismatch
from core.protobuf_compiler import compile_protobuf
from core.protobuf_records import DEEPEST_MESSAGE, MessageType, compile_message
from core.protobuf_values import MisfitError
from core.topic_type import TopicType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.registered_schema import RegisteredSchema, SchemaLookup

MAGIC: Final = b"\x00"
FRAME_BYTES: Final = 5
FIRST_MESSAGE: Final = (0,)

SCHEMAS_KEPT: Final = 128
"""Compiled schemas that one codec keeps: the records of a topic seldom come from more versions than that."""

DEEPEST_INDEX: Final = 32
"""Levels of messages defined in messages that the compiler takes."""

_LONGEST_VARINT: Final = 5

_UNREADABLE: Final = (DecodeError, JsonFormatError, ValueError, LookupError, ArithmeticError, TypeError)
_UNWRITABLE: Final = (*_UNREADABLE, EncodeError, AttributeError)


class ProtobufRecord(dict[str, Any]):
    """A record, with the message type that it was made by: an older schema may give its fields other types."""

    __slots__ = ("message",)

    def __init__(self, fields: dict[str, Any], message: MessageType) -> None:
        super().__init__(fields)
        self.message = message


class ProtobufCodec:
    """Writes records with one schema and reads each record with the schema that it was written with."""

    type = TopicType.SCHEMA

    json_type: Any | None = None

    def __init__(self, schema: RegisteredSchema, schemas: SchemaLookup) -> None:
        self._schema_id = schema.schema_id
        self._frame = MAGIC + schema.schema_id.to_bytes(4) + b"\x00"
        self._written = schema
        self._schemas = schemas
        self._compiled = lru_cache(SCHEMAS_KEPT)(self._compile)

    def from_text(self, text: str) -> Any:
        """Return the record that *text* is as JSON; see `from_json`."""
        return self.from_json(parse_json(text))

    def from_json(self, node: Any, *, strict: bool = False) -> Any:  # noqa: ARG002  JSON of Protobuf is always strict
        """Return the record that a JSON object stands for, as the first message of the codec's schema.

        A field that the message has not is refused whether *strict* or not.

        Raises:
            InvalidValueError: The node is no object, or does not conform to the schema.
            NotFoundError: The schema does not exist.
        """
        message = self._written_message()
        try:
            if not isinstance(node, dict):
                raise type_mismatch(self.type, node)
            return self._record(node, message)
        except RecursionError as error:  # the message of a refusal shows the node, which goes as deep
            raise self._too_deep() from error

    def to_json(self, value: Any) -> Any:
        """Return a record that this codec made as JSON with lowerCamelCase names and 64-bit numbers as text.

        Raises:
            InvalidValueError: It is nested too deep.
        """
        message = value.message if isinstance(value, ProtobufRecord) else self._written_message()
        try:
            return message.json(value)
        except RecursionError as error:
            raise self._too_deep() from error

    def encode(self, value: Any) -> bytes:
        """Return the framed bytes of a record that `from_json` shaped, or that was decoded.

        Raises:
            InvalidValueError: The value does not fit the schema, or is nested too deep to be read again.
            NotFoundError: The schema does not exist.
        """
        message = self._written_message()
        try:
            # Deterministic, because equal keys have to be equal bytes, whatever the order of a map in them.
            body = message.make(**message.packed(value)).SerializeToString(deterministic=True)
            if message.can_nest_too_deep and len(body) > DEEPEST_MESSAGE:
                message.make().MergeFromString(body)
        except RecursionError as error:
            raise self._too_deep() from error
        except _UNWRITABLE as error:
            raise InvalidValueError(
                f"This record cannot be written with schema {self._schema_id}: {error}. "
                "Send it with the fields that the schema has."
            ) from error
        return self._frame + body

    def decode(self, raw: bytes) -> Any:
        """Return the record in *raw*, shaped by the message that its frame names.

        Raises:
            InvalidValueError: The frame is missing or names no message, or the bytes behind it are none.
            NotFoundError: No schema has the frame's ID.
        """
        if raw[:1] != MAGIC or len(raw) <= FRAME_BYTES:
            raise InvalidValueError(
                f"These {len(raw)} bytes ({raw[:16].hex()}) are not of type schema: expected a zero byte, "
                "four bytes with a schema ID, the indexes of a message, and the record. "
                "Something wrote to the topic without a schema registry: let it use one."
            )
        schema_id = int.from_bytes(raw[1:FRAME_BYTES])
        indexes, start = (FIRST_MESSAGE, FRAME_BYTES + 1) if raw[FRAME_BYTES] == 0 else _indexes(raw, schema_id)
        message = self._compiled(schema_id).message(indexes)
        if message is None:
            raise _unreadable(raw, schema_id, f"the schema has no message {list(indexes)}")
        try:
            read = message.make()
            read.MergeFromString(raw[start:])
            return ProtobufRecord(message.unpacked(read), message)
        except RecursionError as error:
            raise _unreadable(raw, schema_id, "it is nested too deep") from error
        except _UNREADABLE as error:
            raise _unreadable(raw, schema_id, f"{type(error).__name__}: {error}") from error

    def _record(self, node: dict[str, Any], message: MessageType) -> ProtobufRecord:
        try:
            return ProtobufRecord(message.record(node), message)
        except MisfitError as misfit:
            mismatch = Mismatch(misfit.expected, misfit.found, misfit.path, self._schema_id)
            raise InvalidValueError(f"{type_mismatch(self.type, node)}: {misfit.cause}", mismatch) from None

    def _written_message(self) -> MessageType:
        message = self._compiled(self._schema_id).message(FIRST_MESSAGE)
        if message is None:
            raise InvalidInputError(f"Schema {self._schema_id} has no message. Register one that has.")
        return message

    def _compile(self, schema_id: int) -> _Schema:
        return _Schema(self._written if schema_id == self._schema_id else self._schemas(schema_id))

    def _too_deep(self) -> InvalidValueError:
        return InvalidValueError(
            f"Data must be of type {self.type.lower()}, and this record is nested too deep for schema "
            f"{self._schema_id}: Protobuf reads {DEEPEST_MESSAGE} levels. Send it with fewer."
        )


def written_message(registered: RegisteredSchema) -> Descriptor | None:
    """Return the message that the records of a schema are written as, its first; `None` where it has none.

    Raises:
        InvalidInputError: The schema cannot be used.
        UnavailableError: The compiler could not be run.
    """
    return _Schema(registered).descriptor(FIRST_MESSAGE)


class _Schema:
    """A schema's messages, each compiled when a record names it first."""

    def __init__(self, registered: RegisteredSchema) -> None:
        files = compile_protobuf(registered.schema, registered.imports)
        # A pool of its own: one pool refuses two versions of one name.
        self._pool = DescriptorPool()
        try:
            for file in (*files.imports, files.main):
                self._pool.Add(file)
        except TypeError as error:
            raise InvalidInputError(
                f"Schema {registered.schema_id} needs another version of Protobuf than this program has: {error}. "
                "Write it in proto3."
            ) from error
        self._package = files.main.package
        self._top: Sequence[DescriptorProto] = files.main.message_type
        self._messages: dict[tuple[int, ...], MessageType] = {}

    def message(self, indexes: tuple[int, ...]) -> MessageType | None:
        """Return the message at *indexes*, `None` where the schema has none."""
        known = self._messages.get(indexes)
        if known is not None:
            return known
        descriptor = self.descriptor(indexes)
        if descriptor is None:
            return None
        self._messages[indexes] = compile_message(descriptor, self._pool)
        return self._messages[indexes]

    def descriptor(self, indexes: tuple[int, ...]) -> Descriptor | None:
        """Return the definition of the message at *indexes*, `None` where the schema has none."""
        name = self._name(indexes)
        return None if name is None else self._pool.FindMessageTypeByName(name)

    def _name(self, indexes: tuple[int, ...]) -> str | None:
        names, messages = ([self._package] if self._package else []), self._top
        for index in indexes:
            if not 0 <= index < len(messages) or messages[index].options.map_entry:
                return None
            names.append(messages[index].name)
            messages = messages[index].nested_type
        return ".".join(names)


def _indexes(raw: bytes, schema_id: int) -> tuple[tuple[int, ...], int]:
    """Return the indexes in the frame of *raw*, and where the record starts."""
    count, position = _number(raw, FRAME_BYTES, schema_id)
    if not 1 <= count <= DEEPEST_INDEX:
        raise _unreadable(raw, schema_id, f"its frame has {count} indexes of messages")
    indexes = []
    for _ in range(count):
        index, position = _number(raw, position, schema_id)
        indexes.append(index)
    return tuple(indexes), position


def _number(raw: bytes, position: int, schema_id: int) -> tuple[int, int]:
    """Return the zigzag number at *position*, and the position behind it."""
    number = 0
    for step, byte in enumerate(raw[position : position + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << 7 * step
        if byte < 0x80:  # noqa: PLR2004  the highest bit says that more follow
            return (number >> 1) ^ -(number & 1), position + step + 1
    raise _unreadable(raw, schema_id, "the indexes of a message in its frame do not end")


def _unreadable(raw: bytes, schema_id: int, cause: str) -> InvalidValueError:
    return InvalidValueError(
        f"These {len(raw)} bytes are no record of schema {schema_id}, whose ID they carry: {cause}. "
        "Their producer writes with another schema than it says, or broke them; write the record again."
    )
