"""Logical types of Avro: how dates, times, moments, decimals and UUIDs stand in bytes, in Python and in JSON.

fastavro converts them too, but it rounds a decimal of more digits than its schema names and fails on moments
outside the years 1 to 9999. So schemas reach it with names of ours, which have converters of ours: such a moment
stays the number that it is, and everything else is exact in both directions.

A logical type that is unknown, or that does not suit its type, is ignored, as Avro's specification demands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from functools import lru_cache
from math import log10
from typing import Any, Final, NamedTuple
from uuid import UUID

from fastavro import read, write

PREFIX: Final = "quick."
"""What the names begin with under which fastavro sees logical types; no other schema's can."""

_DIGITS_OF_A_DOUBLE: Final = 15
"""Every decimal of so many digits survives being read as a double, as JSON numbers are."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  a local timestamp has no zone
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY_MICROS: Final = 86_400_000_000

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME: Final = re.compile(r"(?P<time>\d{2}:\d{2}(:\d{2})?)(\.(?P<fraction>\d+))?", re.ASCII)
_MOMENT: Final = re.compile(
    rf"(?P<date>{_DATE.pattern})[Tt]{_TIME.pattern}(?P<offset>[Zz]|[+-]\d{{2}}(:?\d{{2}})?)?", re.ASCII
)
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)

_WIDE: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


class Logical(NamedTuple):
    """A logical type: what its values look like in JSON, and the conversions between text, Python and bytes."""

    words: str
    """The type in the schema's words, such as `timestamp-millis` or `decimal(9, 2)`."""
    example: str
    """What is expected, for messages."""
    parse: Callable[[Any], Any]
    """Return the Python value of a JSON string. Raises ValueError or OverflowError where there is none."""
    read: Callable[[Any], Any]
    """Return the Python value of what stands in the bytes, or that itself where Python has no such value."""
    write: Callable[[Any], Any]
    """Return what stands in the bytes for a Python value; anything else is returned as it is."""
    takes_numbers: bool = False
    """Whether `parse` takes JSON numbers too."""


def logical_type(node: dict[str, Any]) -> str | None:
    """Return the name of the logical type of a definition, `None` where it has none that is to be followed."""
    name, kind = node.get("logicalType"), node.get("type")
    if name == "decimal":
        return name if kind in {"bytes", "fixed"} and _is_decimal(node) else None
    if name == "uuid" and kind == "fixed":
        return name if node.get("size") == _UUID_BYTES else None
    return name if isinstance(name, str) and (kind, name) in _KNOWN else None


def logical(node: dict[str, Any]) -> Logical:
    """Return the conversions of a definition that `logical_type` has found one for; its name may have our prefix."""
    name = str(node["logicalType"]).removeprefix(PREFIX)
    if name == "decimal":
        return _decimal(node["precision"], node.get("scale", 0), node.get("size"))
    return _KNOWN[node["type"], name]


def to_text(value: Any) -> str:
    """Return the JSON text of a Python value of a logical type."""
    return _TEXTS[type(value)](value)


def _is_decimal(node: dict[str, Any]) -> bool:
    precision, scale, size = node.get("precision"), node.get("scale", 0), node.get("size")
    if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision or precision < 1:
        return False
    return size is None or precision <= int(log10(2) * (8 * size - 1))


@lru_cache
def _decimal(precision: int, scale: int, size: int | None) -> Logical:
    def parse(node: Any) -> Decimal:
        number = _exact(node)
        if not number:
            return Decimal(0).scaleb(-scale, _WIDE)
        if number.adjusted() >= precision - scale:
            raise ValueError
        shifted = number.scaleb(scale, _WIDE)
        if shifted != shifted.to_integral_value():
            raise ValueError
        return Decimal(int(shifted)).scaleb(-scale, _WIDE)

    def read_bytes(raw: bytes) -> Decimal:
        return Decimal(int.from_bytes(raw, signed=True)).scaleb(-scale, _WIDE)

    def write_bytes(value: Any) -> Any:
        if type(value) is not Decimal:
            return value
        unscaled = int(value.scaleb(scale, _WIDE))
        magnitude = unscaled if unscaled >= 0 else ~unscaled
        return unscaled.to_bytes(size or magnitude.bit_length() // 8 + 1, signed=True)

    words = f"decimal({precision}, {scale})"
    example = f'a number of at most {precision} digits, {scale} of them after the point, such as "{_sample(scale)}"'
    return Logical(words, example, parse, read_bytes, write_bytes, takes_numbers=True)


def _sample(scale: int) -> str:
    return f"{1:.{scale}f}" if scale <= _DIGITS_OF_A_DOUBLE else "1"


def _exact(node: Any) -> Decimal:
    """Return the number that a JSON number or string is.

    A number with a fraction was a double on its way here: where that may have rounded it, it is refused.
    """
    if type(node) is str and _NUMBER.fullmatch(node):
        return Decimal(node)
    if type(node) is int:
        return Decimal(node)
    if type(node) is float:
        number = Decimal(repr(node))
        if number.is_finite() and len(number.as_tuple().digits) <= _DIGITS_OF_A_DOUBLE:
            return number
    raise ValueError


def _parsed_date(node: Any) -> date:
    if not _DATE.fullmatch(node):
        raise ValueError
    return date.fromisoformat(node)


def _read_date(days: int) -> Any:
    try:
        return date.fromordinal(days + _FIRST_DAY)
    except (ValueError, OverflowError):
        return _int(days)


def _int(number: int) -> int:
    """Return a number that Avro's `int` can be: some bytes stand for a greater one, which fastavro takes."""
    if not -(2**31) <= number < 2**31:
        raise ValueError(f"{number} is no int")
    return number


def _write_date(value: Any) -> Any:
    return value.toordinal() - _FIRST_DAY if type(value) is date else value


def _fraction(digits: str | None, unit_micros: int) -> timedelta:
    """Return the fraction of a second that *digits* are, unless the unit would cut it off."""
    if digits is None:
        return timedelta()
    micros = int(digits[:6].ljust(6, "0"))
    if micros % unit_micros or digits[6:].strip("0"):
        raise ValueError
    return timedelta(microseconds=micros)


def _time_of_day(unit: str, unit_micros: int) -> Logical:
    def parse(node: Any) -> time:
        match = _TIME.fullmatch(node)
        if match is None:
            raise ValueError
        whole = time.fromisoformat(match["time"])
        return whole.replace(microsecond=_fraction(match["fraction"], unit_micros).microseconds)

    def read_number(number: int) -> Any:
        micros = number * unit_micros
        if 0 <= micros < _DAY_MICROS:
            return (_LOCAL_EPOCH + micros * _MICROSECOND).time()
        return _int(number) if unit == "milli" else number

    def write_number(value: Any) -> Any:
        if type(value) is not time:
            return value
        seconds = (value.hour * 60 + value.minute) * 60 + value.second
        return (seconds * 1_000_000 + value.microsecond) // unit_micros

    example = f'a time such as "{_example_time(unit)}", or the {unit}seconds since midnight'
    return Logical(f"time-{unit}s", example, parse, read_number, write_number)


def _moment(unit: str, unit_micros: int, *, local: bool) -> Logical:
    epoch = _LOCAL_EPOCH if local else _EPOCH

    def parse(node: Any) -> datetime:
        match = _MOMENT.fullmatch(node)
        if match is None or (match["offset"] is None) is not local:
            raise ValueError
        offset = "" if local else match["offset"].upper()
        moment = datetime.fromisoformat(f"{match['date']}T{match['time']}{offset}")
        moment += _fraction(match["fraction"], unit_micros)
        return moment if local else moment.astimezone(UTC)

    def read_number(number: int) -> Any:
        try:
            return epoch + number * unit_micros * _MICROSECOND
        except OverflowError:
            return number

    def write_number(value: Any) -> Any:
        return (value - epoch) // _MICROSECOND // unit_micros if type(value) is datetime else value

    zone = "" if local else "Z"
    example = f'a moment such as "2026-11-24T{_example_time(unit)}{zone}", or the {unit}seconds since 1970'
    return Logical(f"{'local-' if local else ''}timestamp-{unit}s", example, parse, read_number, write_number)


def _example_time(unit: str) -> str:
    return "12:34:56.789" if unit == "milli" else "12:34:56.789012"


def _parsed_uuid(node: Any) -> UUID:
    if not _UUID.fullmatch(node.lower()):
        raise ValueError
    return UUID(node)


_UUID_BYTES: Final = 16
_UUID_EXAMPLE: Final = 'a UUID such as "123e4567-e89b-12d3-a456-426614174000"'

_KNOWN: Final[dict[tuple[str, str], Logical]] = {
    ("int", "date"): Logical(
        "date", 'a date such as "2026-11-24", or the days since 1970', _parsed_date, _read_date, _write_date
    ),
    ("int", "time-millis"): _time_of_day("milli", 1000),
    ("long", "time-micros"): _time_of_day("micro", 1),
    ("long", "timestamp-millis"): _moment("milli", 1000, local=False),
    ("long", "timestamp-micros"): _moment("micro", 1, local=False),
    ("long", "local-timestamp-millis"): _moment("milli", 1000, local=True),
    ("long", "local-timestamp-micros"): _moment("micro", 1, local=True),
    # A text that is no UUID can stand in the bytes all the same, so as a value it stays a text.
    ("string", "uuid"): Logical("uuid", _UUID_EXAMPLE, lambda node: str(_parsed_uuid(node)), str, lambda text: text),
    ("fixed", "uuid"): Logical(
        "uuid",
        _UUID_EXAMPLE,
        _parsed_uuid,
        lambda raw: UUID(bytes=raw),
        lambda value: value.bytes if type(value) is UUID else value,
    ),
}


def _clock(value: datetime | time) -> str:
    """Return the value in ISO 8601 with no, three or six digits of a second, as Java's Instant writes itself."""
    micros = value.microsecond
    return value.isoformat(timespec="seconds" if not micros else "microseconds" if micros % 1000 else "milliseconds")


_TEXTS: Final[dict[type, Callable[[Any], str]]] = {
    Decimal: lambda value: format(value, "f"),
    date: date.isoformat,
    time: _clock,
    datetime: lambda value: _clock(value).replace("+00:00", "Z"),
    UUID: str,
}

LOGICAL_PYTHON_TYPES: Final = frozenset(_TEXTS)


def _read_hook(value: Any, schema: Any, *_: Any) -> Any:
    return logical(schema).read(value)


def _write_hook(value: Any, schema: Any, *_: Any) -> Any:
    return logical(schema).write(value)


def _register() -> None:
    """Make the converters known to fastavro's readers and writers, which look them up by type and name."""
    for kind, name in [*(_KNOWN.keys() - {("string", "uuid")}), ("bytes", "decimal"), ("fixed", "decimal")]:
        read.LOGICAL_READERS[f"{kind}-{PREFIX}{name}"] = _read_hook
        write.LOGICAL_WRITERS[f"{kind}-{PREFIX}{name}"] = _write_hook


_register()
