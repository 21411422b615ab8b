"""Files that a topic is dumped to: how its entries are written, page by page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, Protocol

import msgspec

from cli.connection import CliError
from cli.mirror_client import Pair, Side, Status
from core.errors import QuickError

if TYPE_CHECKING:
    from core.types import Codec

FORMATS = ("ndjson", "csv", "avro")

_PRIMITIVES = {"STRING": "string", "INTEGER": "int", "LONG": "long", "DOUBLE": "double"}
"""Avro's word for each type of a topic that has no schema."""


class DumpFile(Protocol):
    """A file of one format."""

    def write(self, page: Sequence[Pair]) -> None:
        """Write some entries.

        Raises:
            CliError: One of them does not go into a file of this format.
        """

    def end(self) -> None:
        """Write what is missing at the end."""


def dump_file(said_format: str, out: IO[bytes], status: Status) -> DumpFile:
    """Return the file of a format that is written to *out*.

    Raises:
        CliError: The topic does not go into a file of this format.
    """
    match said_format:
        case "csv":
            return CsvDump(out, status)
        case "avro":
            return AvroDump(out, status)
    return NdjsonDump(out)


class NdjsonDump:
    """`{"key": …, "value": …}` a line, as `quick ingest` reads it."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def write(self, page: Sequence[Pair]) -> None:
        """Write some entries."""
        self._out.writelines(b'{"key":%b,"value":%b}\n' % (bytes(pair.key), bytes(pair.value)) for pair in page)

    def end(self) -> None:
        """Write nothing."""


class CsvDump:
    """A row an entry: the key, and the value or its fields. Null is an empty cell, lists and objects are JSON."""

    def __init__(self, out: IO[bytes], status: Status) -> None:
        self._out = out
        self._fields = _fields_of(status.values)
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        key = "key"
        while self._fields is not None and key in self._fields:
            key = f"_{key}"
        self._writer.writerow([key, *(["value"] if self._fields is None else self._fields)])
        self._pass_on()

    def write(self, page: Sequence[Pair]) -> None:
        """Write some entries.

        Raises:
            CliError: One has a field that the topic's schema does not have.
        """
        for pair in page:
            value = msgspec.json.decode(pair.value)
            self._writer.writerow([_cell(msgspec.json.decode(pair.key)), *self._cells(pair, value)])
        self._pass_on()

    def end(self) -> None:
        """Write nothing."""

    def _cells(self, pair: Pair, value: Any) -> list[str]:
        if self._fields is None:
            return [_cell(value)]
        unknown = [field for field in value if field not in self._fields]
        if unknown:
            raise CliError(
                f"The value under {bytes(pair.key).decode()} has the field {unknown[0]}, for which there is no column:"
                " it was written with another schema than the topic's present one. Dump it with --as ndjson."
            )
        return [_cell(value.get(field)) for field in self._fields]

    def _pass_on(self) -> None:
        self._out.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()


class AvroDump:
    """An object container file: records with key and value, as the topic's schemas have them."""

    def __init__(self, out: IO[bytes], status: Status) -> None:
        from core.avro_files import AvroFile  # noqa: PLC0415 - 100 ms that other formats do not need

        self._key, self._value = _codec(status.keys, "keys"), _codec(status.values, "values")
        schema = {
            "type": "record",
            "name": "QuickEntry",
            "fields": [
                {"name": "key", "type": _avro_type(status.keys)},
                {"name": "value", "type": _avro_type(status.values)},
            ],
        }
        try:
            self._file = AvroFile(out, schema)
        except QuickError as error:
            raise CliError(f"{error} Dump it with --as ndjson.") from error

    def write(self, page: Sequence[Pair]) -> None:
        """Write some entries.

        Raises:
            CliError: One does not fit the topic's present schema.
        """
        for pair in page:
            try:
                self._file.write(
                    {
                        "key": self._key.from_json(msgspec.json.decode(pair.key)),
                        "value": self._value.from_json(msgspec.json.decode(pair.value)),
                    }
                )
            except QuickError as error:
                raise CliError(
                    f"The entry {bytes(pair.key).decode()} does not fit the topic's present schema: {error} Dump it"
                    " with --as ndjson."
                ) from error

    def end(self) -> None:
        """Write the last block."""
        self._file.end()


def _fields_of(side: Side) -> list[str] | None:
    """Return the names that records of *side* have in JSON, `None` where there are no records."""
    if side.schema is None:
        return None
    if side.schema_type == "AVRO":
        return [field["name"] for field in json.loads(side.schema)["fields"]]
    from graphql import ObjectTypeDefinitionNode, parse  # noqa: PLC0415 - 100 ms that only this needs

    from core.protobuf_printer import default_json_name  # noqa: PLC0415 - as above

    root = parse(side.sdl or "").definitions[0]
    assert isinstance(root, ObjectTypeDefinitionNode), "the type of the topic stands first"
    return [default_json_name(field.name.value) for field in root.fields]


def _cell(node: Any) -> str:
    if node is None:
        return ""
    if isinstance(node, str):
        return node
    return msgspec.json.encode(node).decode()


def _avro_type(side: Side) -> Any:
    return _PRIMITIVES[side.type] if side.schema is None else json.loads(side.schema)


def _codec(side: Side, name: str) -> Codec:
    from core.errors import NotFoundError  # noqa: PLC0415 - what only Avro needs
    from core.registered_schema import RegisteredSchema  # noqa: PLC0415 - as above
    from core.types import TopicType, codec_for  # noqa: PLC0415 - as above

    if side.schema is None or side.schema_id is None:
        return codec_for(TopicType(side.type))
    if side.schema_type != "AVRO":
        raise CliError(f"The {name} of the topic are of format {side.schema_type}. Dump them with --as ndjson.")

    def no_other(schema_id: int) -> RegisteredSchema:
        raise NotFoundError(f"Schema {schema_id} is not that of the topic.")

    registered = RegisteredSchema(schema_id=side.schema_id, schema_type=side.schema_type, schema=side.schema)
    return codec_for(TopicType.SCHEMA, schema=registered, schemas=no_other)
