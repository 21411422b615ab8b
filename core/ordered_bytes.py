"""Values as bytes that sort as the values do, so that LMDB can be asked for ranges of them.

Equal values have equal bytes, whatever they were written as: 1.0 and 1.00, 0.0 and -0.0. Bytes of two functions do
not compare.
"""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

_UNSIGNED: Final = struct.Struct(">Q")
_DOUBLE: Final = struct.Struct(">d")
_SIGN: Final = 1 << 63
_ALL: Final = (1 << 64) - 1

_NEGATIVE, _ZERO, _POSITIVE = b"\x00", b"\x01", b"\x02"
_COMPLEMENT: Final = bytes(range(255, -1, -1))

_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  a local timestamp has no zone
_MICROSECOND: Final = timedelta(microseconds=1)


class Bounds(NamedTuple):
    """A range of values as their ordered bytes."""

    low: bytes | None = None
    """`None` for no bound."""
    high: bytes | None = None
    includes_low: bool = True
    includes_high: bool = False

    def is_below(self, ordered: bytes) -> bool:
        """Return whether a value lies below these bounds."""
        if self.low is None:
            return False
        return ordered < self.low or (ordered == self.low and not self.includes_low)

    def is_above(self, ordered: bytes) -> bool:
        """Return whether a value lies above these bounds."""
        if self.high is None:
            return False
        return ordered > self.high or (ordered == self.high and not self.includes_high)

    def holds(self, ordered: bytes) -> bool:
        """Return whether a value lies within these bounds."""
        return not self.is_below(ordered) and not self.is_above(ordered)

    def from_(self, low: bytes, *, is_included: bool = False) -> Bounds:
        """Return what of these bounds lies above *low*."""
        if self.is_below(low):
            return self
        return self._replace(low=low, includes_low=is_included and self.holds(low))

    def to(self, high: bytes, *, is_included: bool = False) -> Bounds:
        """Return what of these bounds lies below *high*."""
        if self.is_above(high):
            return self
        return self._replace(high=high, includes_high=is_included and self.holds(high))


def of_integer(number: int) -> bytes:
    """Return the eight bytes of a whole number, its sign flipped.

    Raises:
        ValueError: The number needs more than 64 bits.
    """
    try:
        return _UNSIGNED.pack(number + _SIGN)
    except struct.error as error:
        raise ValueError("a whole number of more than 64 bits") from error


def of_float(number: float) -> bytes:
    """Return the eight bytes of a number in the total order of IEEE 754; every NaN is one value behind infinity."""
    if number != number:  # noqa: PLR0124  the quickest question for NaN
        number = math.nan
    (bits,) = _UNSIGNED.unpack(_DOUBLE.pack(number + 0.0))  # -0.0 + 0.0 is 0.0
    return _UNSIGNED.pack(bits ^ _ALL if bits & _SIGN else bits | _SIGN)


def of_decimal(number: Decimal) -> bytes:
    """Return the bytes of a number of any precision: sign, exponent of the first digit, two digits to a byte, an end.

    Raises:
        ValueError: The number is not finite.
    """
    if not number.is_finite():
        raise ValueError("a decimal that is not finite")
    if not number:
        return _ZERO
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    pairs = (digits[start : start + 2].ljust(2, "0") for start in range(0, len(digits), 2))
    magnitude = of_integer(number.adjusted()) + bytes(int(pair) + 1 for pair in pairs) + b"\x00"
    return _NEGATIVE + magnitude.translate(_COMPLEMENT) if number < 0 else _POSITIVE + magnitude


def of_text(text: str) -> bytes:
    """Return the text in UTF-8, which sorts by code points.

    Raises:
        ValueError: It holds half of a surrogate pair.
    """
    return text.encode()


def of_boolean(value: bool) -> bytes:  # noqa: FBT001  the value itself
    """Return one byte; false sorts before true."""
    return b"\x01" if value else b"\x00"


def of_date(day: date) -> bytes:
    """Return the days since 1970 as a whole number."""
    return of_integer(day.toordinal() - _FIRST_DAY)


def of_timestamp(moment: datetime) -> bytes:
    """Return the microseconds since 1970 as a whole number; one without zone is a time on the wall."""
    epoch = _LOCAL_EPOCH if moment.tzinfo is None else _EPOCH
    return of_integer((moment - epoch) // _MICROSECOND)


def of_time(clock: time) -> bytes:
    """Return the microseconds since midnight as a whole number."""
    seconds = (clock.hour * 60 + clock.minute) * 60 + clock.second
    return of_integer(seconds * 1_000_000 + clock.microsecond)
