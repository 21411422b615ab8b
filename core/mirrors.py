"""Mirrors as they are declared: one is declared with each topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import msgspec

from core.aggregates import LogEvent
from core.errors import FoldError

NOUN = "mirror"


class Mirror(msgspec.Struct, frozen=True, kw_only=True):
    """A declared copy of one topic that answers queries."""

    name: str
    topic: str
    replicas: int
    tag: str | None
    """Image tag that was asked for, `None` for the deployment's default."""


@dataclass(frozen=True)
class MirrorEvent(LogEvent):
    """Something that happened to a mirror."""

    noun: ClassVar[str] = NOUN

    name: str


@dataclass(frozen=True)
class MirrorCreated(MirrorEvent):
    """A mirror was declared."""

    topic: str
    replicas: int
    tag: str | None


@dataclass(frozen=True)
class MirrorDeleted(MirrorEvent):
    """A mirror was given up; its topic stays unless it was deleted by the same command."""


def fold(mirror: Mirror | None, event: LogEvent) -> Mirror | None:
    """Return *mirror* after *event*; `None` in means undeclared, `None` out means deleted."""
    match event:
        case MirrorCreated() if mirror is None:
            return Mirror(name=event.name, topic=event.topic, replicas=event.replicas, tag=event.tag)
        case MirrorDeleted() if mirror is not None:
            return None
    raise FoldError(
        f"{event} does not follow on {mirror}. The log was written by a program that disagrees with this one."
    )
