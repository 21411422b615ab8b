"""Rows of a CSV file as JSON pairs: cells are texts, and the topic says what they are."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import rich_click as click

if TYPE_CHECKING:
    import graphql

Cell = Callable[[str], bytes]
"""Returns the JSON of a cell. A text that is none of its type stays one: the server says what is wrong with it."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,100}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": b"true", "false": b"false"}


class CsvRows:
    """How the rows below a header become pairs for a topic.

    Args:
        header: Names of the columns.
        key: Column of the key.
        value: Column of the value; `None` for all columns as an object, or for the only other one.
        topic: What the manager says about the topic.

    Raises:
        UsageError: The columns do not fit what was asked for.
    """

    def __init__(self, header: Sequence[str], key: str, value: str | None, topic: Mapping[str, Any]) -> None:
        self._header = header
        _check(header, [key] if value is None else [key, value])
        self._key_at = header.index(key)
        self._key = _cell_of(topic["keyType"])
        is_object = topic["valueType"] not in _BY_TYPE
        if value is None and not is_object:
            value = _only_other(header, key, topic["valueType"])
        self._value_at = None if value is None else header.index(value)
        self._value = _cell_of(topic["valueType"])
        fields = _fields_of(topic.get("schema")) if is_object and value is None else {}
        self._columns = [
            (at, msgspec.json.encode(name) + b":", fields.get(name, _text))
            for at, name in enumerate(header)
            # The key has a place of its own: a strict topic would refuse it as a field that its type does not have.
            if not (fields and at == self._key_at and name not in fields)
        ]

    def problem(self, row: Sequence[str]) -> str | None:
        """Return why a row cannot be used, `None` when it can."""
        if len(row) == len(self._header):
            return None
        return f"It has {len(row)} cells, and the header {len(self._header)}."

    def pair(self, row: Sequence[str]) -> bytes:
        """Return the JSON pair that a row is."""
        if self._value_at is None:
            value = b"{%b}" % b",".join(name + cell(row[at]) for at, name, cell in self._columns)
        else:
            value = self._value(row[self._value_at])
        return b'{"key":%b,"value":%b}' % (self._key(row[self._key_at]), value)


def _check(header: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in header:
            raise click.UsageError(f"There is no column {name}. There are: {', '.join(header)}.")
    for name in header:
        if header.count(name) > 1:
            raise click.UsageError(f"There are two columns {name!r}. Rename one in the file.")


def _only_other(header: Sequence[str], key: str, value_type: str) -> str:
    others = [name for name in header if name != key]
    if len(others) != 1:
        raise click.UsageError(
            f"The topic's values are of type {value_type}, and there are {len(others)} columns beside the key."
            " Name the one to write with --value FIELD."
        )
    return others[0]


def _text(cell: str) -> bytes:
    return msgspec.json.encode(cell)


def _integer(cell: str) -> bytes:
    return b"%d" % int(cell) if _INTEGER.fullmatch(cell) else _text(cell)


def _number(cell: str) -> bytes:
    if _NUMBER.fullmatch(cell) and math.isfinite(number := float(cell)):
        return msgspec.json.encode(number)
    return _text(cell)


def _boolean(cell: str) -> bytes:
    return _BOOLEANS.get(cell.lower()) or _text(cell)


def _json(cell: str) -> bytes:
    """Return a cell that holds a list or an object as it is."""
    text = cell.strip().encode()
    if not text.startswith((b"[", b"{")):
        return _text(cell)
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return _text(cell)
    return msgspec.json.format(text, indent=-1)


def _or_null(cell_of: Cell) -> Cell:
    return lambda cell: cell_of(cell) if cell else b"null"


_BY_TYPE: Mapping[str, Cell] = {"STRING": _text, "INTEGER": _integer, "LONG": _integer, "DOUBLE": _number}
_BY_SCALAR: Mapping[str, Cell] = {
    "Int": _integer,
    "Long": _integer,
    "Float": _number,
    "Boolean": _boolean,
    "String": _text,
    "ID": _text,
}


def _cell_of(topic_type: str) -> Cell:
    return _BY_TYPE.get(topic_type, _json)


def _fields_of(sdl: str | None) -> dict[str, Cell]:
    """Return how the cells of each field are read, by the type that stands first in *sdl*."""
    from graphql import ObjectTypeDefinitionNode, parse  # noqa: PLC0415 - 100 ms that only CSV needs

    root = parse(sdl).definitions[0] if sdl else None
    if not isinstance(root, ObjectTypeDefinitionNode):
        return {}
    return {field.name.value: _cell_of_field(field.type) for field in root.fields}


def _cell_of_field(type_: graphql.TypeNode) -> Cell:
    from graphql import NonNullTypeNode  # noqa: PLC0415 - as above

    if isinstance(type_, NonNullTypeNode):
        return _cell_of_value(type_.type)
    return _or_null(_cell_of_value(type_))


def _cell_of_value(type_: graphql.TypeNode) -> Cell:
    from graphql import NamedTypeNode  # noqa: PLC0415 - as above

    return _BY_SCALAR.get(type_.name.value, _json) if isinstance(type_, NamedTypeNode) else _json
