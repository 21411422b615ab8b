"""Gateways as they are declared, with the schema they serve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from core.aggregates import LogEvent
from core.errors import FoldError
from core.upcasting import Facts, upcasts

NOUN = "gateway"


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """A declared GraphQL gateway."""

    name: str
    replicas: int
    tag: str | None
    """Image tag that was asked for, `None` for the deployment's default."""
    sdl: str
    """The schema as it was applied last, blank before the first time."""


@dataclass(frozen=True)
class GatewayEvent(LogEvent):
    """Something that happened to a gateway."""

    noun: ClassVar[str] = NOUN

    name: str


@dataclass(frozen=True)
class GatewayCreated(GatewayEvent):
    """A gateway was declared, with or without a schema."""

    replicas: int
    tag: str | None
    sdl: str


@dataclass(frozen=True)
class GatewaySchemaApplied(GatewayEvent):
    """A gateway was told to serve another schema; it had been validated and compared with the one before."""

    class_version: ClassVar[int] = 2

    sdl: str
    counts: dict[str, object] = field(default_factory=dict)
    """How many changes there were, by severity: `breaking`, `dangerous`, `safe`; empty where nobody has counted."""
    changes: list[dict[str, object]] = field(default_factory=list)
    """The worst of them, each with `severity`, `coordinate` and `text`."""


@upcasts("quick:GatewaySchemaApplied", 1)
def _not_compared(facts: Facts) -> Facts:
    """Schemas were not compared with the ones before."""
    return facts | {"counts": {}, "changes": []}


@dataclass(frozen=True)
class GatewayDeleted(GatewayEvent):
    """A gateway was given up."""


def fold(gateway: Gateway | None, event: LogEvent) -> Gateway | None:
    """Return *gateway* after *event*; `None` in means undeclared, `None` out means deleted."""
    match event:
        case GatewayCreated() if gateway is None:
            return Gateway(name=event.name, replicas=event.replicas, tag=event.tag, sdl=event.sdl)
        case GatewaySchemaApplied() if gateway is not None:
            return msgspec.structs.replace(gateway, sdl=event.sdl)
        case GatewayDeleted() if gateway is not None:
            return None
    raise FoldError(
        f"{event} does not follow on {gateway}. The log was written by a program that disagrees with this one."
    )
