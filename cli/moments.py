"""Moments on the command line: positions, times, and how long ago.

17                       the state after the command at position 17
2026-01-31T12:00         a time of this machine's time zone; with an offset or Z, of that one
2026-01-31               the beginning of that day
12:00                    today
15m, 2h, 3d, 1w          so long ago
now
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import rich_click as click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SHORT_FORM = re.compile(r"([0-9]{1,9})([smhdw])")
"""So many units: 90d, 12h."""
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")
_POSITION = re.compile(r"@?([0-9]+)")


class Time(click.ParamType[str]):
    """A time; the value is ISO 8601 in UTC, as the manager takes it."""

    name = "time"
    examples = "2026-01-31T12:00, 12:00, 2h for two hours ago, or now"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the time that *value* names."""
        try:
            return time_text(value, datetime.now().astimezone())
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no {self.name}. Write {self.examples}.", param, ctx)


class Moment(Time):
    """A position of the log, or a time."""

    name = "moment"
    examples = f"17 for a position, or a time: {Time.examples}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the position or time that *value* names."""
        position = _POSITION.fullmatch(value)
        return position[1] if position else super().convert(value.removeprefix("@"), param, ctx)


def time_text(text: str, now: datetime) -> str:
    """Return the time that *text* names as ISO 8601 in UTC.

    Args:
        text: What was written.
        now: The time of this machine, with its time zone.

    Raises:
        ValueError: It names no time.
    """
    if text == "now":
        moment = now
    elif ago := SHORT_FORM.fullmatch(text):
        moment = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    elif _CLOCK.fullmatch(text):
        moment = datetime.fromisoformat(f"{now.date().isoformat()}T{text if text[2] == ':' else f'0{text}'}")
    else:
        moment = datetime.fromisoformat(text)
    # A time without an offset is one of this machine's time zone, with the offset that was in force then.
    aware = moment if moment.tzinfo is not None else moment.astimezone()
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def expiry_text(text: str, now: datetime) -> str:
    """Return the future time that *text* names, `90d` or a date, as ISO 8601 in UTC.

    Args:
        text: What was written.
        now: The time of this machine, with its time zone.

    Raises:
        ValueError: It names no time, or one that has passed.
    """
    if ahead := SHORT_FORM.fullmatch(text):
        text = (now + timedelta(**{_UNITS[ahead[2]]: int(ahead[1])})).isoformat()
    expiry = time_text(text, now)
    if datetime.fromisoformat(expiry) <= now:
        raise ValueError(f"{text} has passed")
    return expiry


def as_of_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--as-of`, which shows the state of a moment in the past; passed as `at`, parameters for the manager."""

    @functools.wraps(command)
    def with_moment(*, as_of: str | None, **options: Any) -> None:
        command(at={} if as_of is None else {"asOf": as_of}, **options)

    option = click.option(
        "--as-of", type=Moment(), metavar="POSITION|TIME", help="As it was then: 17, 2026-01-31T12:00, 12:00, 2h."
    )
    return option(with_moment)
