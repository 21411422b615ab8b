"""Durations in ISO 8601, of those parts whose length is fixed: weeks, days, hours, minutes, seconds.

A month has 28 to 31 days and a year 365 or 366, so both are refused.
"""

from __future__ import annotations

import re
from typing import Final

from core.errors import InvalidInputError

MAX_MS: Final = 36_500 * 86_400_000
"""Longest duration: 36,500 days. More is most likely a slip, and for ever is said by leaving a duration out."""

_ISO = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?P<time>T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)(?:[.,](?P<fraction>\d{1,3}))?S)?)?",
    re.ASCII | re.IGNORECASE,
)

_CALENDAR = re.compile(r"P[\d.,WD]*[YM].*", re.ASCII | re.IGNORECASE)
"""A duration with years or months, which stand before the T."""

_MAX_TEXT = 60

_UNITS_MS: Final = {"weeks": 604_800_000, "days": 86_400_000, "hours": 3_600_000, "minutes": 60_000, "seconds": 1000}


def duration_ms(text: str) -> int:
    """Return a duration in ISO 8601, `P1D` or `PT10M`, in milliseconds.

    Raises:
        InvalidInputError: It is none, has no fixed length, or is not from 1 ms to `MAX_MS`; shows an example.
    """
    parts = _ISO.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if parts is None or text[-1] in "PpTt":
        raise InvalidInputError(_refusal(text))
    milliseconds = sum(int(parts[unit] or 0) * length for unit, length in _UNITS_MS.items())
    milliseconds += int((parts["fraction"] or "").ljust(3, "0"))
    if not 1 <= milliseconds <= MAX_MS:
        raise InvalidInputError(
            f"The duration {text} is not from PT0.001S to {duration_text(MAX_MS)}. Write P1D for a day, or PT10M for"
            " ten minutes."
        )
    return milliseconds


def duration_text(milliseconds: int) -> str:
    """Return a duration in milliseconds in ISO 8601, in days, hours, minutes and seconds: `P1DT12H`."""
    days, rest = divmod(milliseconds, _UNITS_MS["days"])
    hours, rest = divmod(rest, _UNITS_MS["hours"])
    minutes, rest = divmod(rest, _UNITS_MS["minutes"])
    seconds, fraction = divmod(rest, 1000)
    date = f"{days}D" if days else ""
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M")) if number)
    if fraction:
        time += f"{seconds}.{fraction:03}".rstrip("0") + "S"
    elif seconds or not date + time:
        time += f"{seconds}S"
    return f"P{date}T{time}" if time else f"P{date}"


def _refusal(text: str) -> str:
    shown = f"{text[:_MAX_TEXT]!r}"
    if _CALENDAR.fullmatch(text[:_MAX_TEXT]):
        return f"The duration {shown} has no fixed length: years and months differ. Write it in days, as in P30D."
    return f"{shown} is no duration. Write it in ISO 8601: P1D for a day, or PT10M for ten minutes."
