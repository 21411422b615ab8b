"""Protobuf descriptors → .proto text: one text for one meaning, which compiles to the same descriptors again.

Names of types are written in full, with their leading dot, so that no scope can give them another meaning.
Left out is what changes neither bytes nor JSON and cannot be written without its definition at hand: comments
and options that somebody else defined.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    Edition,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message

_INDENT: Final = "  "
_LAST_FIELD_NUMBER: Final = 2**29 - 1
_LAST_ENUM_NUMBER: Final = 2**31 - 1

_SCALARS: Final = {
    FieldDescriptorProto.TYPE_DOUBLE: "double",
    FieldDescriptorProto.TYPE_FLOAT: "float",
    FieldDescriptorProto.TYPE_INT64: "int64",
    FieldDescriptorProto.TYPE_UINT64: "uint64",
    FieldDescriptorProto.TYPE_INT32: "int32",
    FieldDescriptorProto.TYPE_FIXED64: "fixed64",
    FieldDescriptorProto.TYPE_FIXED32: "fixed32",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_UINT32: "uint32",
    FieldDescriptorProto.TYPE_SFIXED32: "sfixed32",
    FieldDescriptorProto.TYPE_SFIXED64: "sfixed64",
    FieldDescriptorProto.TYPE_SINT32: "sint32",
    FieldDescriptorProto.TYPE_SINT64: "sint64",
}
_LABELS: Final = {
    FieldDescriptorProto.LABEL_OPTIONAL: "optional ",
    FieldDescriptorProto.LABEL_REQUIRED: "required ",
    FieldDescriptorProto.LABEL_REPEATED: "repeated ",
}
_Messages = dict[str, DescriptorProto]
"""The messages of one scope by full name, with its leading dot."""

_NOT_PRINTED: Final = frozenset({"map_entry", "uninterpreted_option", "declaration", "edition_defaults"})


def protobuf_text(file: FileDescriptorProto) -> str:
    """Return the .proto text of *file*."""
    return "\n".join(_Printer(file).file()) + "\n"


def type_word(field: FieldDescriptorProto) -> str:
    """Return how .proto text names the type of *field*: `int32`, or the full name of a message or enum."""
    return _SCALARS.get(field.type) or field.type_name


def default_json_name(name: str) -> str:
    """Return the JSON name of a field that names none itself."""
    return re.sub("_+(.?)", lambda found: found[1].upper(), name)


class _Printer:
    def __init__(self, file: FileDescriptorProto) -> None:
        self._file = file
        self._edition = file.syntax == "editions"
        self._is_proto3 = file.syntax == "proto3"

    def file(self) -> Iterator[str]:
        file = self._file
        scope = f".{file.package}" if file.package else ""
        yield self._syntax()
        if file.package:
            yield f"package {file.package};"
        public, weak = set(file.public_dependency), set(file.weak_dependency)
        for index, name in enumerate(file.dependency):
            kind = "public " if index in public else "weak " if index in weak else ""
            yield f"import {kind}{_quoted(name)};"
        yield from (f"option {option};" for option in _options(file))
        for enum in file.enum_type:
            yield from self._enum(enum)
        messages = _by_full_name(file.message_type, scope)
        groups = _groups(file.extension)
        for name, message in messages.items():
            if name not in groups:
                yield from self._message(f"message {message.name}", message, scope)
        yield from self._extensions(file.extension, messages, scope)
        for service in file.service:
            yield from _service(service)

    def _syntax(self) -> str:
        if self._edition:
            return f'edition = "{Edition.Name(self._file.edition).removeprefix("EDITION_")}";'
        return f'syntax = "{self._file.syntax or "proto2"}";'

    def _message(self, heading: str, message: DescriptorProto, scope: str) -> Iterator[str]:
        yield f"{heading} {{"
        yield from _indented(self._inside(message, f"{scope}.{message.name}"))
        yield "}"

    def _inside(self, message: DescriptorProto, scope: str) -> Iterator[str]:
        nested = _by_full_name(message.nested_type, scope)
        yield from (f"option {option};" for option in _options(message))
        yield from self._fields(message, nested, scope)
        groups = _groups([*message.field, *message.extension])
        for name, inner in nested.items():
            if name not in groups and not inner.options.map_entry:
                yield from self._message(f"message {inner.name}", inner, scope)
        for enum in message.enum_type:
            yield from self._enum(enum)
        for extensible in message.extension_range:
            options = _bracketed(_options(extensible))
            yield f"extensions {_range(extensible.start, extensible.end - 1, _LAST_FIELD_NUMBER)}{options};"
        yield from self._extensions(message.extension, nested, scope)
        ranges = [_range(gap.start, gap.end - 1, _LAST_FIELD_NUMBER) for gap in message.reserved_range]
        yield from self._reserved(ranges, message.reserved_name)

    def _fields(self, message: DescriptorProto, nested: _Messages, scope: str) -> Iterator[str]:
        oneofs: dict[int, list[FieldDescriptorProto]] = {}
        for field in message.field:
            if _is_in_oneof(field):
                oneofs.setdefault(field.oneof_index, []).append(field)
        for field in message.field:
            if not _is_in_oneof(field):
                yield from self._field(field, nested, scope)
            elif field is oneofs[field.oneof_index][0]:
                oneof = message.oneof_decl[field.oneof_index]
                yield f"oneof {oneof.name} {{"
                yield from _indented(f"option {option};" for option in _options(oneof))
                for member in oneofs[field.oneof_index]:
                    yield from _indented(self._field(member, nested, scope))
                yield "}"

    def _field(self, field: FieldDescriptorProto, nested: _Messages, scope: str) -> Iterator[str]:
        options = _bracketed(_field_options(field))
        inner = nested.get(field.type_name)
        if field.type == FieldDescriptorProto.TYPE_GROUP and inner is not None:
            yield from self._message(f"{self._label(field)}group {inner.name} = {field.number}{options}", inner, scope)
        elif inner is not None and inner.options.map_entry and len(inner.field) == len(("key", "value")):
            key, value = inner.field
            yield f"map<{type_word(key)}, {type_word(value)}> {field.name} = {field.number}{options};"
        else:
            yield f"{self._label(field)}{type_word(field)} {field.name} = {field.number}{options};"

    def _label(self, field: FieldDescriptorProto) -> str:
        if _is_in_oneof(field):
            return ""
        if field.label == FieldDescriptorProto.LABEL_OPTIONAL and (
            self._edition or (self._is_proto3 and not field.proto3_optional)
        ):
            return ""
        return _LABELS[field.label]

    def _enum(self, enum: EnumDescriptorProto) -> Iterator[str]:
        yield f"enum {enum.name} {{"
        yield from _indented(f"option {option};" for option in _options(enum))
        for value in enum.value:
            yield f"{_INDENT}{value.name} = {value.number}{_bracketed(_options(value))};"
        ranges = [_range(gap.start, gap.end, _LAST_ENUM_NUMBER) for gap in enum.reserved_range]
        yield from _indented(self._reserved(ranges, enum.reserved_name))
        yield "}"

    def _reserved(self, ranges: list[str], names: Iterable[str]) -> Iterator[str]:
        if ranges:
            yield f"reserved {', '.join(ranges)};"
        if written := [name if self._edition else _quoted(name) for name in names]:
            yield f"reserved {', '.join(written)};"

    def _extensions(self, fields: Iterable[FieldDescriptorProto], nested: _Messages, scope: str) -> Iterator[str]:
        for field in fields:
            yield f"extend {field.extendee} {{"
            yield from _indented(self._field(field, nested, scope))
            yield "}"


def _service(service: ServiceDescriptorProto) -> Iterator[str]:
    yield f"service {service.name} {{"
    yield from _indented(f"option {option};" for option in _options(service))
    for method in service.method:
        taken = f"{'stream ' if method.client_streaming else ''}{method.input_type}"
        given = f"{'stream ' if method.server_streaming else ''}{method.output_type}"
        options = list(_options(method))
        body = " { " + " ".join(f"option {option};" for option in options) + " }" if options else ";"
        yield f"{_INDENT}rpc {method.name}({taken}) returns ({given}){body}"
    yield "}"


def _field_options(field: FieldDescriptorProto) -> Iterator[str]:
    if field.HasField("default_value"):
        yield f"default = {_default(field)}"
    if field.json_name and field.json_name != default_json_name(field.name) and not field.extendee:
        yield f"json_name = {_quoted(field.json_name)}"
    yield from _options(field)


def _default(field: FieldDescriptorProto) -> str:
    if field.type == FieldDescriptorProto.TYPE_STRING:
        return _quoted(field.default_value)
    if field.type == FieldDescriptorProto.TYPE_BYTES:
        return f'"{field.default_value}"'  # a descriptor has it escaped
    return field.default_value


def _options(element: Any) -> Iterator[str]:
    """Yield `name = value` for the options of a descriptor that Protobuf itself defines."""
    if element.HasField("options"):
        yield from _settings(element.options, "")


def _settings(options: Message, prefix: str) -> Iterator[str]:
    for field, value in options.ListFields():
        if field.name in _NOT_PRINTED or field.is_extension:
            continue
        for one in value if field.is_repeated else [value]:
            if field.message_type is not None:
                yield from _settings(one, f"{prefix}{field.name}.")
            else:
                yield f"{prefix}{field.name} = {_literal(field, one)}"


def _literal(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else str(value)


def _bracketed(options: Iterable[str]) -> str:
    joined = ", ".join(options)
    return f" [{joined}]" if joined else ""


def _range(first: int, last: int, highest: int) -> str:
    return str(first) if first == last else f"{first} to {'max' if last == highest else last}"


def _is_in_oneof(field: FieldDescriptorProto) -> bool:
    """Return whether the text has *field* in a oneof: an `optional` one has its own, which no text shows."""
    return field.HasField("oneof_index") and not field.proto3_optional


def _by_full_name(messages: Iterable[DescriptorProto], scope: str) -> _Messages:
    return {f"{scope}.{message.name}": message for message in messages}


def _groups(fields: Iterable[FieldDescriptorProto]) -> set[str]:
    """Return the full names of the messages that *fields* define where they stand."""
    return {field.type_name for field in fields if field.type == FieldDescriptorProto.TYPE_GROUP}


def _quoted(text: str) -> str:
    escaped = "".join(
        f"\\{character}" if character in '"\\' else character if character.isprintable() else _escaped(character)
        for character in text
    )
    return f'"{escaped}"'


def _escaped(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode())


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"{_INDENT}{line}" for line in lines)
