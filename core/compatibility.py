"""How a subject's schemas may change: the level that is asked for, globally and for one subject, as facts.

Backward: what was written with an older schema is read with the newer one; forward: the other way round. A level that
is not transitive looks at the latest version only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import msgspec

from core.aggregates import LogEvent
from core.errors import FoldError

NOUN = "compatibility"

GLOBAL = "__GLOBAL"
"""Name of the level of all subjects without one of their own; no subject can be called so."""


class CompatibilityLevel(StrEnum):
    """What a new version is checked against; the words are those of the Confluent schema registry."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def is_backward(self) -> bool:
        """Return whether the new schema must read what an old one wrote."""
        return self.value.startswith(("BACKWARD", "FULL"))

    @property
    def is_forward(self) -> bool:
        """Return whether an old schema must read what the new one writes."""
        return self.value.startswith(("FORWARD", "FULL"))

    @property
    def is_transitive(self) -> bool:
        """Return whether all versions count, not only the latest."""
        return self.value.endswith("_TRANSITIVE")


DEFAULT = CompatibilityLevel.BACKWARD
"""What counts until somebody sets a level."""


class Compatibility(msgspec.Struct, frozen=True, kw_only=True):
    """A level that somebody has set."""

    name: str
    """A subject, or `GLOBAL`."""
    level: CompatibilityLevel


@dataclass(frozen=True)
class CompatibilityEvent(LogEvent):
    """Something that happened to a level."""

    noun: ClassVar[str] = NOUN

    name: str


@dataclass(frozen=True)
class CompatibilityLevelSet(CompatibilityEvent):
    """New versions are checked by another level from now on."""

    level: str


@dataclass(frozen=True)
class CompatibilityLevelReset(CompatibilityEvent):
    """What was set counts no longer: a subject follows the global level again, the global one is the default."""


def fold(compatibility: Compatibility | None, event: LogEvent) -> Compatibility | None:
    """Return *compatibility* after *event*; `None` stands for nothing set."""
    match event:
        case CompatibilityLevelSet():
            return Compatibility(name=event.name, level=CompatibilityLevel(event.level))
        case CompatibilityLevelReset() if compatibility is not None:
            return None
    raise FoldError(
        f"{event} does not follow on {compatibility}. The log was written by a program that disagrees with this one."
    )
