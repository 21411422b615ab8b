"""What all aggregates share: identity by name, events as facts, state as a fold.

Names are unique because an aggregate's ID follows from its name and the log lets the first write win. A thing that is
deleted and created again continues its stream; each life is an incarnation, named by the position of its creation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar
from uuid import UUID, uuid5

S = TypeVar("S")

NAMESPACE = UUID("7d1c3c4e-6d4e-5b0a-9f0e-2f9f5a0c51c4")
"""Namespace of all aggregate IDs; part of the log's format."""


EVENT_TYPES: dict[str, type[LogEvent]] = {}
"""Every type of event that this program knows, by the name under which it is stored."""


def aggregate_id(noun: str, name: str) -> UUID:
    """Return the ID of the aggregate of this *noun* (`topic`, `gateway`, …) and *name*."""
    return uuid5(NAMESPACE, f"{noun}:{name}")


@dataclass(frozen=True)
class LogEvent:
    """A fact in the past tense, as the command log keeps it for ever.

    It is stored under the name of its class, so that a module can be renamed and a class cannot. Its fields are JSON
    values. A class whose fields change counts up `class_version` and registers a way from each older one
    (`core.upcasting`).
    """

    noun: ClassVar[str]
    TOPIC: ClassVar[str]
    class_version: ClassVar[int] = 1

    originator_id: UUID
    originator_version: int

    def __init_subclass__(cls) -> None:
        cls.TOPIC = f"quick:{cls.__name__}"
        EVENT_TYPES[cls.TOPIC] = cls


@dataclass(frozen=True)
class Stream(Generic[S]):
    """One aggregate's stream: how far it goes, and the state it adds up to (`None`: not alive)."""

    id: UUID
    version: int
    """Version of the last event, 0 when there is none."""
    state: S | None

    @property
    def head(self) -> int | None:
        """Return what a command states as the head that it relied on."""
        return self.version or None

    def record(self, event: Callable[..., LogEvent], **facts: Any) -> LogEvent:
        """Return the next event of this stream."""
        return event(originator_id=self.id, originator_version=self.version + 1, **facts)

    def after(self, event: LogEvent, fold: Callable[[S | None, LogEvent], S | None]) -> Self:
        """Return this stream with *event* applied."""
        return type(self)(self.id, event.originator_version, fold(self.state, event))


def project(
    stream: Stream[S] | None, events: Iterable[LogEvent], fold: Callable[[S | None, LogEvent], S | None]
) -> Stream[S] | None:
    """Apply *events* to *stream*; `None` in and out means a stream without events."""
    for event in events:
        stream = (stream or Stream[S](event.originator_id, 0, None)).after(event, fold)
    return stream
