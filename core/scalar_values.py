"""What the values of the built-in scalars look like outside, and how they become so.

Going out, a value is what a topic's codec decoded (a `datetime`, a `Decimal`, bytes, …) or the JSON that the codec
makes of it. Coming in, it becomes that JSON, which every codec, key and bound takes. A value that is none of its
scalar's is refused in both directions, so that a client can rely on the form.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple
from uuid import UUID

from graphql import (
    FloatValueNode,
    GraphQLError,
    GraphQLScalarType,
    IntValueNode,
    StringValueNode,
    ValueNode,
    print_ast,
)

from core.avro_logical import to_text
from core.built_in_scalars import MAX_DIGITS
from core.json_scalar import json_literal, json_node, shown_value

Convert = Callable[[Any], Any]

_LARGEST: Final = 10**MAX_DIGITS
_DIGITS_OF_A_DOUBLE: Final = 15
"""Every decimal of so many digits survives being read as a double, as JSON numbers are."""

_LONGS: Final = range(-(2**63), 2**63)

_WHOLE: Final = re.compile(rf"[-+]?[0-9]{{1,{MAX_DIGITS}}}")
_NUMBER: Final = re.compile(rf"[-+]?[0-9]{{1,{MAX_DIGITS}}}(\.[0-9]{{1,{MAX_DIGITS}}})?([eE][-+]?[0-9]{{1,4}})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = re.compile(r"(?P<clock>[0-9]{2}:[0-9]{2}(:[0-9]{2})?)(\.[0-9]{1,9})?")
_MOMENT: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})(?P<fraction>\.[0-9]{1,9})?"
    r"(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class ScalarValues(NamedTuple):
    """The conversions of one scalar. Each raises GraphQLError for what is no value of it."""

    serialize: Convert
    """From a decoded value or its JSON to what the client gets."""
    parse_value: Convert
    """From the JSON of a variable to the JSON that codecs take."""
    parse_literal: Callable[..., Any]
    """From a literal, and the values of the variables inside of it, to the same."""


class _Form(NamedTuple):
    """How values look; each step raises ValueError for what is none."""

    takes: str
    serialize: Convert
    parse: Convert
    literals: tuple[type[ValueNode], ...] = (StringValueNode,)
    """The literals whose text is taken."""


def complete(type_: GraphQLScalarType) -> None:
    """Give *type_*, as it was made from SDL, the conversions of the scalar of its name."""
    for step, convert in scalar_values(type_.name)._asdict().items():
        setattr(type_, step, convert)


def scalar_values(name: str) -> ScalarValues:
    """Return the conversions of the scalar *name*; one that is not built in passes any JSON through."""
    form = _FORMS.get(name)
    return _json_scalar(name) if form is None else _text_scalar(name, form)


def _text_scalar(name: str, form: _Form) -> ScalarValues:
    def refuse(value: Any) -> GraphQLError:
        return GraphQLError(f"{name} cannot represent {shown_value(value)}: it takes {form.takes}.")

    def serialize(value: Any) -> Any:
        try:
            return form.serialize(value)
        except (ValueError, OverflowError):
            raise refuse(value) from None

    def parse_value(value: Any) -> Any:
        try:
            return form.parse(value)
        except (ValueError, OverflowError):
            raise refuse(value) from None

    def parse_literal(node: ValueNode, _variables: object = None) -> Any:
        if isinstance(node, form.literals):
            return parse_value(node.value)  # type: ignore[attr-defined]  # each of these literals has one
        raise GraphQLError(f"{name} cannot represent {print_ast(node):.100}: it takes {form.takes}.", node)

    return ScalarValues(serialize, parse_value, parse_literal)


def _json_scalar(name: str) -> ScalarValues:
    def parse_value(value: Any) -> Any:
        return json_node(name, value)

    def parse_literal(node: ValueNode, variables: Mapping[str, Any] | None = None) -> Any:
        return json_literal(name, node, variables or {})

    return ScalarValues(parse_value, parse_value, parse_literal)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError
    return value


def _date_text(value: Any) -> str:
    if type(value) is date:
        return value.isoformat()
    text = _matching(_DATE, value).group()
    date.fromisoformat(text)
    return text


def _time_text(value: Any) -> str:
    if type(value) is time:
        return to_text(value)
    match = _matching(_TIME, value)
    time.fromisoformat(match["clock"])
    return match.group()


def _moment_text(value: Any) -> str:
    if type(value) is datetime:
        if value.tzinfo is None:
            raise ValueError
        return to_text(value.astimezone(UTC))
    match = _matching(_MOMENT, value)
    offset = match["offset"].upper()
    datetime.fromisoformat(f"{match['date']}T{match['clock']}{offset}")
    return f"{match['date']}T{match['clock']}{match['fraction'] or ''}{offset}"


def _uuid_text(value: Any) -> str:
    return str(value) if type(value) is UUID else _matching(_UUID, value).group().lower()


def _base64_text(value: Any) -> str:
    if type(value) is bytes:
        return base64.b64encode(value).decode()
    text = _text(value)
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None
    if base64.b64encode(raw).decode() != text:  # bits that the last character has too many would be lost
        raise ValueError
    return text


def _whole_number(value: Any) -> int:
    if type(value) is str:
        return int(_matching(_WHOLE, value).group())
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is Decimal and _is_whole(value):
        value = int(value)
    if type(value) is not int or abs(value) >= _LARGEST:
        raise ValueError
    return value


def _is_whole(value: Decimal) -> bool:
    return value.is_finite() and value.adjusted() < MAX_DIGITS and value == value.to_integral_value()


def _whole_text(value: Any) -> str:
    return str(_whole_number(value))


def _decimal_out(value: Any) -> str:
    if type(value) is float:  # as exact as what the topic holds
        value = Decimal(repr(value))
    return _decimal_text(value)


def _decimal_text(value: Any) -> str:
    """Return an exact number in digits. A JSON number with a fraction that may have been rounded is refused."""
    number = _decimal(value)
    if not number.is_finite():
        raise ValueError
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "the number is finite"
    if max(number.adjusted() + 1, 1) + max(-exponent, 0) > MAX_DIGITS:
        raise ValueError
    return format(number, "f")


def _decimal(value: Any) -> Decimal:
    if type(value) is Decimal:
        return value
    if type(value) is str:
        try:
            return Decimal(_matching(_NUMBER, value).group())
        except InvalidOperation:
            raise ValueError from None
    if type(value) is int and abs(value) < _LARGEST:
        return Decimal(value)
    if type(value) is float:
        number = Decimal(repr(value))
        if number.is_finite() and len(number.as_tuple().digits) <= _DIGITS_OF_A_DOUBLE:
            return number
    raise ValueError


def _matching(pattern: re.Pattern[str], value: Any) -> re.Match[str]:
    match = pattern.fullmatch(_text(value))
    if match is None:
        raise ValueError
    return match


def _long(value: Any) -> int:
    if (number := _whole_number(value)) not in _LONGS:
        raise ValueError
    return number


_FORMS: Final[Mapping[str, _Form]] = {
    "Long": _Form(
        "whole numbers from -2^63 to 2^63-1, as numbers or strings", _long, _long, (IntValueNode, StringValueNode)
    ),
    "BigInt": _Form(
        f"whole numbers of at most {MAX_DIGITS} digits, as numbers or strings",
        _whole_text,
        _whole_number,
        (IntValueNode, StringValueNode),
    ),
    "Decimal": _Form(
        f'exact numbers of at most {MAX_DIGITS} digits, such as "19.90"; use a string for more than '
        f"{_DIGITS_OF_A_DOUBLE} digits",
        _decimal_out,
        _decimal_text,
        (IntValueNode, FloatValueNode, StringValueNode),
    ),
    "DateTime": _Form(
        'moments of the years 1 to 9999 with their offset, such as "2026-11-24T12:34:56Z"', _moment_text, _moment_text
    ),
    "Date": _Form('days of the years 1 to 9999, such as "2026-11-24"', _date_text, _date_text),
    "Time": _Form('times of day without a zone, such as "12:34:56"', _time_text, _time_text),
    "UUID": _Form('UUIDs such as "123e4567-e89b-12d3-a456-426614174000"', _uuid_text, _uuid_text),
    "Bytes": _Form('bytes in base64 with padding, such as "aGk="', _base64_text, _base64_text),
}
