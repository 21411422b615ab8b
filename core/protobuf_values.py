"""Values of Protobuf's scalar types in their four forms: JSON, the value of a record, and a message's input and output.

A record's value is what GraphQL can serve as it stands: whole numbers are ints, bytes are base64 text, enums are
names. JSON differs in two things only: 64-bit numbers are text, and so are the floats that JSON has no word for.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from core.json_values import json_number, shown
from core.protobuf_enums import UNSPECIFIED, shared_prefix

Step = Callable[[Any], Any]


def same(value: Any) -> Any:
    """Return *value*: the step between two forms that are one. Who sees it may leave it out."""
    return value


class MisfitError(Exception):
    """A JSON node that does not fit its type. It collects its path on the way out; the codec says it in words."""

    def __init__(self, expected: str, node: Any, reason: str | None = None) -> None:
        super().__init__()
        self.expected = expected
        self.found = shown(node)
        self._reason = reason or f"is expected to be {expected}. Got: {self.found}"
        self._inner_path: list[str | int] = []

    def inside(self, step: str | int) -> None:
        """Note that the node is in the field, key or index *step* of the one around it."""
        self._inner_path.append(step)

    @property
    def path(self) -> tuple[str | int, ...]:
        """Return the steps from the root to the node."""
        return tuple(reversed(self._inner_path))

    @property
    def cause(self) -> str:
        """Return what is wrong, and where."""
        return f"field {'.'.join(map(str, self.path))} {self._reason}" if self.path else f"it {self._reason}"


@dataclass(frozen=True, slots=True)
class Kind:
    """One type: how its values go from form to form. No step takes null, but for `take` where *takes_null*."""

    expected: str
    """The type in Protobuf's words, for messages."""
    take: Step
    """From JSON to the record's value; raises MisfitError."""
    give: Step = same
    """From the record's value to JSON."""
    pack: Step = same
    """From the record's value to what the constructor of a message takes."""
    unpack: Step = same
    """From what a message's field holds to the record's value."""
    default: Any = None
    """The record's value of an absent field that cannot be unset; `list` or `dict` for a new one."""
    takes_null: bool = False


_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,20}")
_LARGEST_FLOAT: Final = (2 - 2**-23) * 2.0**127
_FLOAT_WORDS: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_FLOAT: Final = struct.Struct("<f")


def _whole_number(name: str, low: int, high: int) -> Kind:
    expected = f"{name}, a whole number from {low} to {high}"

    def take(node: Any) -> int:
        number = node
        if type(node) is not int:  # a Boolean is an int to isinstance
            number = _number_in(node)
        if number is None or not low <= number <= high:
            raise MisfitError(expected, node)
        return int(number)

    return Kind(expected, take, give=str if high >= 2**32 else same, default=0)


def _number_in(node: Any) -> int | None:
    """Return the whole number in the float or text *node*, as JSON of Protobuf allows: 5.0, "5", "5e2"."""
    if isinstance(node, str):
        if _WHOLE_NUMBER.fullmatch(node):
            return int(node)
        node = _float_in(node)
    return int(node) if type(node) is float and node.is_integer() else None


_DECIMAL: Final = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?")


def _float_in(text: str) -> float | None:
    return float(text) if _DECIMAL.fullmatch(text) else None


def _floating(name: str, largest: float, rounded: Step) -> Kind:
    def take(node: Any) -> float:
        if isinstance(node, str):
            if node in _FLOAT_WORDS:
                return _FLOAT_WORDS[node]
            number = _float_in(node)
        elif type(node) in (int, float):
            try:
                number = float(node)
            except OverflowError:
                number = None
        else:
            number = None
        if number is None or not abs(number) <= largest:
            raise MisfitError(name, node)
        return float(rounded(number))

    return Kind(name, take, give=json_number, unpack=rounded, default=0.0)


def _shortest_float(number: float) -> float:
    """Return the number with fewest digits that is the 32-bit float *number*: 0.1, not 0.10000000149011612."""
    if not isfinite(number) or number.is_integer():
        return _FLOAT.unpack(_FLOAT.pack(number))[0] if isfinite(number) else number
    raw = _FLOAT.pack(number)
    return next(short for digits in range(6, 18) if _FLOAT.pack(short := float(f"{number:.{digits}g}")) == raw)


def _take_text(node: Any) -> str:
    if not isinstance(node, str):
        raise MisfitError("string", node)
    if not node.isascii():
        try:
            node.encode()
        except UnicodeEncodeError:
            raise MisfitError("string without half a surrogate pair", node) from None
    return node


def _take_bytes(node: Any) -> str:
    expected = "bytes, as base64"
    if not isinstance(node, str):
        raise MisfitError(expected, node)
    text = node.translate({ord("-"): "+", ord("_"): "/"})
    if not _BASE64.fullmatch(text):
        raise MisfitError(expected, node)
    try:
        raw = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error:
        raise MisfitError(expected, node) from None
    return base64.b64encode(raw).decode()


def _take_bool(node: Any) -> bool:
    if not isinstance(node, bool):
        raise MisfitError("bool", node)
    return node


def _to_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_INT32: Final = _whole_number("int32", -(2**31), 2**31 - 1)
_INT64: Final = _whole_number("int64", -(2**63), 2**63 - 1)
_UINT32: Final = _whole_number("uint32", 0, 2**32 - 1)
_UINT64: Final = _whole_number("uint64", 0, 2**64 - 1)

SCALARS: Final = {
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
    FieldDescriptor.TYPE_FLOAT: _floating("float", _LARGEST_FLOAT, _shortest_float),
    FieldDescriptor.TYPE_DOUBLE: _floating("double", sys.float_info.max, same),
    FieldDescriptor.TYPE_BOOL: Kind("bool", _take_bool, default=False),
    FieldDescriptor.TYPE_STRING: Kind("string", _take_text, default=""),
    FieldDescriptor.TYPE_BYTES: Kind("bytes, as base64", _take_bytes, pack=_from_base64, unpack=_to_base64, default=""),
}
"""The kinds of all types but messages and enums. Zigzag and fixed forms differ in bytes only."""


def enum_kind(enum: EnumDescriptor, *, can_be_unset: bool) -> Kind:
    """Return the kind of *enum*, whose values are names; a number that has no name stays a number.

    Args:
        enum: The type.
        can_be_unset: Whether the value `UNSPECIFIED` of a prefixed enum is null, as in a field that tracks presence.
    """
    prefix = shared_prefix(enum.name, (value.name for value in enum.values))
    names = {number: value.name.removeprefix(prefix) for number, value in enum.values_by_number.items()}
    numbers = {value.name: value.number for value in enum.values}
    numbers |= {value.name.removeprefix(prefix): value.number for value in enum.values}  # a shown name wins
    values: dict[int, str | None] = dict(names)
    if can_be_unset and prefix and names.get(0) == UNSPECIFIED:
        values[0] = None
    expected = f"enum {enum.full_name} ({', '.join(names.values())})"

    def take(node: Any) -> str | int | None:
        number = numbers.get(node) if isinstance(node, str) else _INT32.take(node) if type(node) is int else None
        if number is None or (enum.is_closed and number not in values):
            raise MisfitError(expected, node)
        return values.get(number, number)

    return Kind(
        expected,
        take,
        give=_null if enum.full_name == "google.protobuf.NullValue" else same,
        pack=lambda value: numbers.get(value, value),
        unpack=lambda number: values.get(number, number),
        default=names.get(enum.values[0].number),
    )


def _null(_: Any) -> None:
    return None
