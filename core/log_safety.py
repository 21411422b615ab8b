"""Whether the command log is safe, as it was found while it was in use: an audit trail of its own guard rails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import msgspec

from core.aggregates import LogEvent
from core.errors import FoldError

NOUN = "log"
NAME = "safety"


class LogSafety(msgspec.Struct, frozen=True, kw_only=True):
    """What could lose commands, as it was noted last."""

    name: str
    dangers: tuple[str, ...]


@dataclass(frozen=True)
class LogSafetyChanged(LogEvent):
    """Somebody made the log's topic unsafe, or safe again."""

    noun: ClassVar[str] = NOUN

    name: str
    dangers: list[str]
    """A sentence for each setting that could lose commands; none when all is well again."""


def fold(_safety: LogSafety | None, event: LogEvent) -> LogSafety | None:
    """Return the safety after *event*."""
    if isinstance(event, LogSafetyChanged):
        return LogSafety(name=event.name, dangers=tuple(event.dangers))
    raise FoldError(f"{event} says nothing of the log's safety. A program that disagrees with this one has written it.")
