"""Mirrors as they are declared: what each keeps of its topic, beside the last value of each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import msgspec

from core.aggregates import LogEvent
from core.errors import FoldError
from core.upcasting import Facts, upcasts

NOUN = "mirror"


class MirrorDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a mirror keeps; one that is kept for another definition is built again beside the old one."""

    range_field: str | None = None
    """Field of the values by which the records of a key can be asked for ranges; all of them are kept."""
    range_key: str | None = None
    """Field of the values that takes the place of the key in those ranges."""
    indexes: tuple[str, ...] = ()
    """Fields of the values by which keys are found."""
    retention_ms: int | None = None
    """How long after its time a record is kept; `None` for ever."""
    build: int = 0
    """How often somebody asked for it to be built again."""


class Mirror(msgspec.Struct, frozen=True, kw_only=True):
    """A declared copy of one topic that answers queries."""

    name: str
    topic: str
    replicas: int
    tag: str | None
    """Image tag that was asked for, `None` for the deployment's default."""
    definition: MirrorDefinition = MirrorDefinition()


@dataclass(frozen=True)
class MirrorEvent(LogEvent):
    """Something that happened to a mirror."""

    noun: ClassVar[str] = NOUN

    name: str


@dataclass(frozen=True)
class MirrorCreated(MirrorEvent):
    """A mirror was declared."""

    class_version: ClassVar[int] = 2

    topic: str
    replicas: int
    tag: str | None
    definition: dict[str, object]
    """The fields of `MirrorDefinition` that are not left out."""


@upcasts("quick:MirrorCreated", 1)
def _of_last_values(facts: Facts) -> Facts:
    """Mirrors kept the last value of each key and nothing else before."""
    return facts | {"definition": {}}


@dataclass(frozen=True)
class MirrorAltered(MirrorEvent):
    """A mirror is to keep something else from now on."""

    definition: dict[str, object]
    """The fields of the new `MirrorDefinition` that are not left out, without `build`."""


@dataclass(frozen=True)
class MirrorRebuildRequested(MirrorEvent):
    """Every machine is to build its copy again from the topic, beside the one that answers meanwhile."""


@dataclass(frozen=True)
class MirrorDeleted(MirrorEvent):
    """A mirror was given up; its topic stays unless it was deleted by the same command."""


def fold(mirror: Mirror | None, event: LogEvent) -> Mirror | None:
    """Return *mirror* after *event*; `None` in means undeclared, `None` out means deleted."""
    match event:
        case MirrorCreated() if mirror is None:
            definition = _definition(event.definition)
            return Mirror(
                name=event.name, topic=event.topic, replicas=event.replicas, tag=event.tag, definition=definition
            )
        case MirrorAltered() if mirror is not None:
            altered = msgspec.structs.replace(_definition(event.definition), build=mirror.definition.build)
            return msgspec.structs.replace(mirror, definition=altered)
        case MirrorRebuildRequested() if mirror is not None:
            again = msgspec.structs.replace(mirror.definition, build=mirror.definition.build + 1)
            return msgspec.structs.replace(mirror, definition=again)
        case MirrorDeleted() if mirror is not None:
            return None
    raise FoldError(
        f"{event} does not follow on {mirror}. The log was written by a program that disagrees with this one."
    )


def _definition(facts: dict[str, object]) -> MirrorDefinition:
    return msgspec.convert(facts, MirrorDefinition)
