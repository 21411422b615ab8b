"""The codec of records: Avro behind Confluent's frame, a zero byte and the ID of the writer's schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, cast

from fastavro import _read_py, parse_schema, schemaless_reader, schemaless_writer

from core.avro_json_type import json_type
from core.avro_text import whole_avro
from core.avro_to_json import is_json_ready, to_json_node
from core.avro_types import parse_avro
from core.errors import InvalidValueError, Mismatch
from core.json_to_avro import compile_shape
from core.json_values import parse_json, shown, type_mismatch
from core.topic_type import TopicType

if TYPE_CHECKING:
    from core.avro_types import AvroNode, AvroSchema
    from core.json_to_avro import Shape
    from core.registered_schema import RegisteredSchema, SchemaLookup

MAGIC: Final = b"\x00"
FRAME_BYTES: Final = 5

SCHEMAS_KEPT: Final = 128
"""Compiled schemas that one codec keeps: the records of a topic seldom come from more versions than that."""

SAFE_RECURSION_BYTES: Final = 400
"""Longest record of a recursive schema that fastavro's compiled reader may read.

Each level takes at least a byte, so this also bounds the levels. The compiled reader has no bound of its own:
thousands of levels end the process with a segmentation fault (seen at 10,000). The Python one stops in time.
"""

MANY: Final = 4
"""From so many records on it takes less time to read them together."""

_NAMES: Final[Mapping[str, Any]] = {"return_record_name": True, "return_record_name_override": True}
"""Of a union with several records, a pair of the record's name and the record is read."""

_UNREADABLE: Final = (EOFError, ValueError, LookupError, ArithmeticError, TypeError, RecursionError)
_UNWRITABLE: Final = (ValueError, LookupError, ArithmeticError, TypeError, AttributeError, RecursionError)


class AvroCodec:
    """Writes records with one schema and reads each record with the schema that it was written with.

    Values are what fastavro reads and writes: logical types are Python's dates, times and decimals.
    """

    type = TopicType.SCHEMA

    def __init__(self, schema: RegisteredSchema, schemas: SchemaLookup) -> None:
        self._schema_id = schema.schema_id
        self._frame = MAGIC + schema.schema_id.to_bytes(4)
        self._written = schema
        self._schemas = schemas
        self._compiled = lru_cache(SCHEMAS_KEPT)(self._compile)
        self._by_frame: dict[bytes, _Compiled] = {}
        self._all_json_ready = True

    @cached_property
    def json_type(self) -> Any | None:
        """The type of the codec's schema for msgspec; see `core.avro_json_type`."""
        return json_type(self._writer.schema)

    def from_text(self, text: str) -> Any:
        """Return the record that *text* is as JSON; see `from_json`."""
        try:
            node = parse_json(text)
        except InvalidValueError as error:
            raise InvalidValueError(str(error), self._mismatch(shown(text))) from error
        return self.from_json(node)

    def from_json(self, node: Any, *, strict: bool = False) -> Any:
        """Return the record that a JSON object stands for, shaped by the codec's schema.

        Args:
            node: The object.
            strict: Whether keys that the schema does not know are refused.

        Raises:
            InvalidValueError: The node is no object, or does not conform to the schema.
            InvalidInputError: The schema itself cannot be used.
        """
        if not isinstance(node, dict):
            raise type_mismatch(self.type, node, words=self._writer.words, schema_id=self._schema_id)
        return (self._strict_shape if strict else self._shape)(node)

    def to_json(self, value: Any) -> Any:
        """Return a record that this codec made as plain JSON.

        Raises:
            InvalidValueError: It is nested too deep.
        """
        if self._all_json_ready:
            return value
        try:
            return to_json_node(value)
        except RecursionError as error:
            raise InvalidValueError(
                "This record is nested too deep to be written as JSON. Write it with fewer levels.", self._mismatch("")
            ) from error

    def encode(self, value: Any) -> bytes:
        """Return the framed bytes of a record that `from_json` shaped, or that was decoded.

        Raises:
            InvalidValueError: The value does not fit the schema.
            InvalidInputError: The schema itself cannot be used.
        """
        stream = BytesIO()
        try:
            schemaless_writer(stream, self._root, value)
        except _UNWRITABLE as error:
            raise InvalidValueError(
                f"This record cannot be written with schema {self._schema_id}: {error}. "
                "Send it with every field as the schema has it.",
                self._mismatch(""),
            ) from error
        return self._frame + stream.getvalue()

    def decode(self, raw: bytes, *, names_types: bool = False) -> Any:
        """Return the record in *raw*, shaped by the schema whose ID stands in its frame.

        Args:
            raw: The framed bytes.
            names_types: Whether it comes as a pair of its type's full name and the record. Inside of it only branches
                of a union of several records are such pairs.

        Raises:
            InvalidValueError: The frame is missing, or the bytes do not end where the schema says.
            NotFoundError: No schema has that ID.
        """
        compiled = self._by_frame.get(raw[:FRAME_BYTES]) or self._framed(raw)
        stream = BytesIO(raw)
        stream.seek(FRAME_BYTES)
        try:
            value = (compiled.read_named if names_types else compiled.read)(stream, len(raw))
        except _UNREADABLE as error:
            raise _unreadable(raw, compiled, f"{type(error).__name__}: {error}") from error
        if stream.tell() != len(raw):
            raise _unreadable(raw, compiled, f"the record ends after {stream.tell()} bytes")
        return value

    def decode_many(self, raws: Sequence[bytes], *, names_types: bool = False) -> list[Any]:
        """Return what `decode` does of each of *raws*; many that one schema has written take less time together."""
        if len(raws) >= MANY and len({raw[:FRAME_BYTES] for raw in raws}) == 1:
            compiled = self._by_frame.get(raws[0][:FRAME_BYTES]) or self._framed(raws[0])
            values = compiled.read_together(raws, names_types=names_types)
            if values is not None:
                return values
        return [self.decode(raw, names_types=names_types) for raw in raws]

    def _framed(self, raw: bytes) -> _Compiled:
        """Return the schema whose ID stands in the frame of *raw*, and remember it by the frame."""
        if raw[:1] != MAGIC or len(raw) < FRAME_BYTES:
            raise InvalidValueError(
                f"These {len(raw)} bytes ({raw[:16].hex()}) are not of type schema: expected a zero byte, "
                "four bytes with a schema ID, and the record. "
                "Something wrote to the topic without a schema registry: let it use one.",
                self._mismatch(""),
            )
        compiled = self._compiled(int.from_bytes(raw[1:FRAME_BYTES]))
        if len(self._by_frame) >= SCHEMAS_KEPT:
            self._by_frame = {}
        self._by_frame[raw[:FRAME_BYTES]] = compiled
        return compiled

    @cached_property
    def _writer(self) -> _Compiled:
        return self._compiled(self._schema_id)

    @cached_property
    def _root(self) -> AvroNode:
        return self._writer.schema.root

    @cached_property
    def _shape(self) -> Shape:
        return compile_shape(self._writer.schema, self._schema_id)

    @cached_property
    def _strict_shape(self) -> Shape:
        return compile_shape(self._writer.schema, self._schema_id, strict=True)

    def _mismatch(self, found: str) -> Mismatch:
        return Mismatch(self._writer.words, found, (), self._schema_id)

    def _compile(self, schema_id: int) -> _Compiled:
        registered = self._written if schema_id == self._schema_id else self._schemas(schema_id)
        schema = parse_avro(whole_avro(registered), f"Schema {schema_id}")
        self._all_json_ready = self._all_json_ready and is_json_ready(schema)
        list_of = parse_schema({"type": "array", "items": schema.root})
        return _Compiled(schema_id, schema, schema.words(schema.root), bool(schema.holding_themselves()), list_of)


@dataclass(frozen=True, slots=True)
class _Compiled:
    schema_id: int
    schema: AvroSchema
    words: str
    recursive: bool
    list_of: Any
    """The schema of an array of these."""

    def read(self, stream: BytesIO, length: int) -> Any:
        if self.recursive and length > SAFE_RECURSION_BYTES:
            return _read_py.schemaless_reader(stream, self.schema.root)
        return schemaless_reader(stream, self.schema.root, None)

    def read_named(self, stream: BytesIO, length: int) -> Any:
        reader = _read_py.schemaless_reader if self.recursive and length > SAFE_RECURSION_BYTES else schemaless_reader
        value = reader(stream, self.schema.root, None, **_NAMES)
        return value if isinstance(value, tuple) else (self.schema.name(self.schema.root), value)

    def read_together(self, raws: Sequence[bytes], *, names_types: bool) -> list[Any] | None:
        """Return the values of *raws*, read as one Avro array; `None` where they have to be read one by one.

        That is so when any of them cannot be read: together they would not say which.
        """
        if self.recursive:
            return None
        # An array is a block, which begins with the number of its elements, and a zero behind it.
        block = b"".join((_zigzag(len(raws)), *[raw[FRAME_BYTES:] for raw in raws], b"\0"))
        stream = BytesIO(block)
        options = _NAMES if names_types else {}
        try:
            values = cast("list[Any]", schemaless_reader(stream, self.list_of, None, **options))
        except _UNREADABLE:
            return None
        if stream.tell() != len(block):
            return None
        if not names_types:
            return values
        name = self.schema.name(self.schema.root)
        return [value if isinstance(value, tuple) else (name, value) for value in values]


def _zigzag(count: int) -> bytes:
    """Return a number of 0 or more as Avro writes it."""
    rest, written = 2 * count, bytearray()
    while rest > 0x7F:  # noqa: PLR2004  the seven bits of a byte
        written.append(rest & 0x7F | 0x80)
        rest >>= 7
    written.append(rest)
    return bytes(written)


def _unreadable(raw: bytes, compiled: _Compiled, cause: str) -> InvalidValueError:
    return InvalidValueError(
        f"These {len(raw)} bytes are no record of schema {compiled.schema_id}, whose ID they carry: {cause}. "
        "Their producer writes with another schema than it says, or broke them; write the record again.",
        Mismatch(compiled.words, "", (), compiled.schema_id),
    )
