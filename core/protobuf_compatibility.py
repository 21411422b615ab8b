"""Whether records written with one Protobuf schema can be read with another: the rules of Confluent's registry.

Messages are matched by name, fields by number. Names of fields and enum values may change, fields and messages may be
added, and fields may go, unless they are required or leave a oneof that stays. In one thing this is stricter:
Confluent misses a number that becomes a list, or the other way round, where the text of proto3 has no `optional`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from core.protobuf_compiler import ProtobufFiles
from core.protobuf_printer import type_word

_FIELD = FieldDescriptorProto

_VARINTS: Final = "varint"
_BYTES: Final = "text or bytes"

_WIRE_GROUPS: Final = {
    **dict.fromkeys(
        (
            _FIELD.TYPE_INT32,
            _FIELD.TYPE_INT64,
            _FIELD.TYPE_UINT32,
            _FIELD.TYPE_UINT64,
            _FIELD.TYPE_BOOL,
            _FIELD.TYPE_ENUM,
        ),
        _VARINTS,
    ),
    **dict.fromkeys((_FIELD.TYPE_SINT32, _FIELD.TYPE_SINT64), "zigzag varint"),
    **dict.fromkeys((_FIELD.TYPE_STRING, _FIELD.TYPE_BYTES), _BYTES),
    **dict.fromkeys((_FIELD.TYPE_FIXED32, _FIELD.TYPE_SFIXED32), "32 bits"),
    **dict.fromkeys((_FIELD.TYPE_FIXED64, _FIELD.TYPE_SFIXED64), "64 bits"),
    _FIELD.TYPE_FLOAT: "float",
    _FIELD.TYPE_DOUBLE: "double",
    _FIELD.TYPE_MESSAGE: "message",
    _FIELD.TYPE_GROUP: "group",
}
"""What bytes of a type can be taken for: types of one group read each other's."""

_NEVER_PACKED: Final = frozenset({_BYTES, "message", "group"})
"""Groups whose lists are one value after another: one alone reads as a list, and a list as its last value."""


def incompatibilities(reader: ProtobufFiles, writer: ProtobufFiles) -> list[str]:
    """Return what keeps records written with *writer* from being read with *reader*, a sentence each; empty if nothing.

    Args:
        reader: The new schema where the question is backward compatibility, the old one where it is forward.
        writer: The other one.
    """
    return list(dict.fromkeys(_Comparison(reader, writer).reasons()))


class _Message(NamedTuple):
    full_name: str
    local_name: str
    """The name without the package."""
    descriptor: DescriptorProto


_Pair = tuple[_Message, _Message]


class _Comparison:
    """One walk over the messages that both schemas have, and over the imported ones that their fields lead to."""

    def __init__(self, reader: ProtobufFiles, writer: ProtobufFiles) -> None:
        self._reader, self._writer = reader.main, writer.main
        self._read = _messages(*reader.imports, reader.main)
        self._written = _messages(*writer.imports, writer.main)
        self._waiting: list[_Pair] = []
        self._met: set[tuple[str, str]] = set()

    def reasons(self) -> Iterator[str]:
        if self._reader.package != self._writer.package:
            yield (
                f"The package is {_shown(self._writer.package)} in the schema that writes and "
                f"{_shown(self._reader.package)} in the one that reads."
            )
        read = {message.local_name: message for message in _messages(self._reader).values()}
        for written in _messages(self._writer).values():
            if written.descriptor.options.map_entry:
                continue
            if written.local_name in read:
                self._meet(read[written.local_name], written)
            else:
                yield f"Message {written.full_name} is written, and the schema that reads has none of that name."
        for ours, theirs in self._waiting:  # grows
            yield from self._fields(ours, theirs)
            yield from _oneofs(ours, theirs)

    def _meet(self, read: _Message, written: _Message) -> None:
        names = (read.full_name, written.full_name)
        if names not in self._met:
            self._met.add(names)
            self._waiting.append((read, written))

    def _fields(self, read: _Message, written: _Message) -> Iterator[str]:
        readers = {field.number: field for field in read.descriptor.field}
        writers = {field.number: field for field in written.descriptor.field}
        for number, field in writers.items():
            if number in readers:
                yield from self._field(_place(written, field), readers[number], field)
            elif field.label == _FIELD.LABEL_REQUIRED:
                yield f"{_place(written, field)} is required where it is written, and missing where it is read."
        for number, field in readers.items():
            theirs = writers.get(number)
            if field.label == _FIELD.LABEL_REQUIRED and (theirs is None or theirs.label != _FIELD.LABEL_REQUIRED):
                what = "missing" if theirs is None else "not required"
                yield f"{_place(read, field)} is required where it is read, and {what} where it is written."

    def _field(self, place: str, reader: FieldDescriptorProto, writer: FieldDescriptorProto) -> Iterator[str]:
        changed = f"{place} is written as {_word(writer, self._written)} and read as {_word(reader, self._read)}"
        group = _WIRE_GROUPS[writer.type]
        read_entry, written_entry = _entry(reader, self._read), _entry(writer, self._written)
        if _WIRE_GROUPS[reader.type] != group or (read_entry is None) != (written_entry is None):
            yield f"{changed}."
        elif read_entry is not None and written_entry is not None:
            for ours, theirs in zip(read_entry.descriptor.field, written_entry.descriptor.field, strict=True):
                yield from self._field(f"The {theirs.name} of {place[0].lower()}{place[1:]}", ours, theirs)
        elif _is_list(reader) != _is_list(writer) and group not in _NEVER_PACKED:
            yield f"{changed}: numbers in a list are packed."
        else:
            yield from self._messages(place, reader, writer)

    def _messages(self, place: str, reader: FieldDescriptorProto, writer: FieldDescriptorProto) -> Iterator[str]:
        read, written = self._read.get(reader.type_name), self._written.get(writer.type_name)
        if read is None or written is None:
            return  # a scalar or enum
        if read.local_name != written.local_name:
            yield f"{place} is written as message {written.full_name} and read as message {read.full_name}."
        else:
            self._meet(read, written)


def _oneofs(read: _Message, written: _Message) -> Iterator[str]:
    readers, writers = _members(read.descriptor), _members(written.descriptor)
    fields = {field.number: field for field in written.descriptor.field}
    in_writers_oneof: set[int] = set().union(*writers.values())
    for oneof, numbers in readers.items():
        alone = [fields[number] for number in sorted(numbers - in_writers_oneof) if number in fields]
        if len(alone) > 1 or (alone and numbers & in_writers_oneof):
            names = ", ".join(f"{field.number} ({field.name})" for field in alone)
            yield (
                f"The oneof {oneof} of message {written.full_name} is read with field {names}, "
                "which is written outside of it and may be set together with others of it: only one would be kept."
            )
    for oneof in writers.keys() & readers.keys():
        for number in sorted(writers[oneof] - readers[oneof]):
            yield f"{_place(written, fields[number])} is written in the oneof {oneof}, and not read in it."


def _members(message: DescriptorProto) -> dict[str, set[int]]:
    """Return the numbers of the fields of each oneof that the text of *message* has."""
    members: dict[str, set[int]] = {}
    for field in message.field:
        if field.HasField("oneof_index") and not field.proto3_optional:
            members.setdefault(message.oneof_decl[field.oneof_index].name, set()).add(field.number)
    return members


def _messages(*files: FileDescriptorProto) -> dict[str, _Message]:
    """Return all messages of *files*, those in others too, by full name with its leading dot."""
    found: dict[str, _Message] = {}
    for file in files:
        package = f"{file.package}." if file.package else ""
        waiting = [(message.name, message) for message in file.message_type]
        for name, message in waiting:  # grows
            found[f".{package}{name}"] = _Message(f"{package}{name}", name, message)
            waiting += [(f"{name}.{nested.name}", nested) for nested in message.nested_type]
    return found


def _entry(field: FieldDescriptorProto, messages: dict[str, _Message]) -> _Message | None:
    """Return the entry of a map, `None` for another field."""
    message = messages.get(field.type_name)
    return message if message is not None and message.descriptor.options.map_entry else None


def _is_list(field: FieldDescriptorProto) -> bool:
    return field.label == _FIELD.LABEL_REPEATED


def _word(field: FieldDescriptorProto, messages: dict[str, _Message]) -> str:
    entry = _entry(field, messages)
    if entry is not None:
        key, value = entry.descriptor.field
        return f"map<{_type(key)}, {_type(value)}>"
    return f"repeated {_type(field)}" if _is_list(field) else _type(field)


def _type(field: FieldDescriptorProto) -> str:
    return type_word(field).removeprefix(".")


def _place(message: _Message, field: FieldDescriptorProto) -> str:
    return f"Field {field.number} ({field.name}) of message {message.full_name}"


def _shown(package: str) -> str:
    return package or "absent"
