"""Kinds of comparable values: how values, JSON nodes and texts of each become ordered bytes."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple, NoReturn

from core.avro_logical import Logical
from core.ordered_bytes import (
    of_boolean,
    of_date,
    of_decimal,
    of_float,
    of_integer,
    of_text,
    of_time,
    of_timestamp,
)
from core.primitives import DoubleCodec, StringCodec, WholeNumberCodec
from core.topic_type import TopicType

MISFITS: Final = (ValueError, TypeError, ArithmeticError)
"""What a step of a form raises for what is no value of its kind."""

_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,9})?")
_MOMENT: Final = re.compile(
    r"(?P<whole>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.(?P<fraction>\d{1,9}))?(?P<offset>Z|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class FieldKind(StrEnum):
    """What values of a field are compared as. Values of two kinds are never compared."""

    INTEGER = "integer"
    """Whole numbers of at most 64 bits with a sign, of any width."""
    FLOAT = "float"
    """Of single and of double precision."""
    DECIMAL = "decimal"
    """Of any precision; also Protobuf's whole numbers of 64 bits without a sign."""
    STRING = "string"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    LOCAL_TIMESTAMP = "local timestamp"
    ENUM = "enum"
    """By the names of its values."""


class Form(NamedTuple):
    """How the values of a kind of field become ordered bytes. Each step raises one of `MISFITS`."""

    kind: FieldKind
    expected: str
    """What a bound is, for messages."""
    ordered: Callable[[Any], bytes]
    """From a decoded value."""
    read_json: Callable[[Any], Any]
    """From a JSON node to a value."""
    read_text: Callable[[str], Any]
    """From a text to a value."""


def enum_form(names: Iterable[str]) -> Form:
    """Return the form of an enum, whose values are compared by name."""
    known = tuple(names)

    def read(node: Any) -> str:
        return node if type(node) is str and node in known else _misfit(node)

    return Form(FieldKind.ENUM, f"one of {', '.join(known)}", _ordered_name, read, read)


def logical_form(name: str, kind: str, logical: Logical) -> Form | None:
    """Return the form of a logical type, `None` where its values have no order.

    A number is one of the type's own units, as it stands in the bytes.

    Args:
        name: The type, such as `timestamp-millis`.
        kind: The type below it, such as `long`.
        logical: Its conversions.
    """
    unit_micros = 1000 if name.endswith("millis") else 1

    def ordered_time(value: Any) -> bytes:
        if type(value) is time:
            return of_time(value)
        return of_integer(value * unit_micros) if type(value) is int else _misfit(value)

    def ordered_timestamp(value: Any) -> bytes:
        if type(value) is datetime:
            return of_timestamp(value)
        return of_integer(value * unit_micros) if type(value) is int else _misfit(value)

    def read_json(node: Any) -> Any:
        return node if type(node) is int else logical.parse(node)

    def read_text(text: str) -> Any:
        return int(text) if _WHOLE_NUMBER.fullmatch(text) else logical.parse(text)

    match name:
        case "date":
            return Form(FieldKind.DATE, logical.example, _ordered_date, read_json, read_text)
        case "time-millis" | "time-micros":
            return Form(FieldKind.TIME, logical.example, ordered_time, read_json, read_text)
        case "timestamp-millis" | "timestamp-micros":
            return Form(FieldKind.TIMESTAMP, logical.example, ordered_timestamp, read_json, read_text)
        case "local-timestamp-millis" | "local-timestamp-micros":
            return Form(FieldKind.LOCAL_TIMESTAMP, logical.example, ordered_timestamp, read_json, read_text)
        case "decimal":
            return DECIMALS
    return TEXTS if kind == "string" else None


def _misfit(value: object) -> NoReturn:
    raise TypeError(type(value).__name__)


def _ordered_integer(value: Any) -> bytes:
    if type(value) is int:  # a Boolean is an int to isinstance
        return of_integer(value)
    return of_integer(int(value)) if type(value) is float and value.is_integer() else _misfit(value)


def _ordered_float(value: Any) -> bytes:
    if type(value) is float:
        return of_float(value)
    return of_float(float(value)) if type(value) is int else _misfit(value)


def _ordered_decimal(value: Any) -> bytes:
    if type(value) is Decimal:
        return of_decimal(value)
    return of_decimal(Decimal(value)) if type(value) in (int, float) else _misfit(value)


def _ordered_text(value: Any) -> bytes:
    if type(value) is str:
        return of_text(value)
    # Avro lets bytes become a string.
    return of_text(value.decode()) if type(value) is bytes else _misfit(value)


def _ordered_boolean(value: Any) -> bytes:
    return of_boolean(value) if type(value) is bool else _misfit(value)


def _ordered_name(value: Any) -> bytes:
    return of_text(value) if type(value) is str else _misfit(value)


def _ordered_date(value: Any) -> bytes:
    if type(value) is date:
        return of_date(value)
    return of_integer(value) if type(value) is int else _misfit(value)


def _ordered_instant(value: Any) -> bytes:
    """Return the seconds since 1970 and the nanoseconds of a moment, whose text has up to nine digits of a second."""
    match = _MOMENT.fullmatch(value)
    if match is None:
        _misfit(value)
    moment = datetime.fromisoformat(match["whole"] + match["offset"])
    nanos = int((match["fraction"] or "").ljust(9, "0"))
    return of_integer((moment - _EPOCH).days * 86_400 + (moment - _EPOCH).seconds) + nanos.to_bytes(4)


def _read_decimal(node: Any) -> Decimal:
    if type(node) is str and _DECIMAL.fullmatch(node):
        return Decimal(node)
    # A number with a fraction was a double on its way here: its shortest text is what was sent.
    return Decimal(repr(node)) if type(node) in (int, float) else _misfit(node)


def _read_string(node: Any) -> str:
    return _STRINGS.from_text(node) if type(node) is str else _misfit(node)


def _read_boolean(node: Any) -> bool:
    return node if type(node) is bool else _misfit(node)


def _boolean_in(text: str) -> bool:
    return {"true": True, "false": False}[text] if text in {"true", "false"} else _misfit(text)


_LONGS: Final = WholeNumberCodec(TopicType.LONG, struct.Struct(">q"))
_DOUBLES: Final = DoubleCodec()
_STRINGS: Final = StringCodec()

INTEGERS: Final = Form(
    FieldKind.INTEGER,
    f"a whole number from {_LONGS.low} to {_LONGS.high}",
    _ordered_integer,
    _LONGS.from_json,
    _LONGS.from_text,
)
FLOATS: Final = Form(
    FieldKind.FLOAT, "a number such as 1.5 or -2e10", _ordered_float, _DOUBLES.from_json, _DOUBLES.from_text
)
DECIMALS: Final = Form(
    FieldKind.DECIMAL, 'a number such as 5 or "12.30"', _ordered_decimal, _read_decimal, _read_decimal
)
TEXTS: Final = Form(FieldKind.STRING, "a text", _ordered_text, _read_string, _read_string)
BOOLEANS: Final = Form(FieldKind.BOOLEAN, "true or false", _ordered_boolean, _read_boolean, _boolean_in)
INSTANTS: Final = Form(
    FieldKind.TIMESTAMP,
    'a moment such as "2026-11-24T12:34:56.789Z"',
    _ordered_instant,
    _read_string,
    _read_string,
)
