"""Old events in today's terms: each version of an event is brought to the next, up to the one that a program knows.

An event class that changes its fields counts up `class_version` and keeps an upcaster from each older version; a class
that is renamed keeps one from its old name. What is stored never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from core.aggregates import EVENT_TYPES
from core.errors import UpcasterError

Facts = dict[str, Any]
"""The fields of a stored event, without originator and version."""


class EventVersion(NamedTuple):
    """A type of event as it was stored at some time."""

    topic: str
    version: int

    def __str__(self) -> str:
        """Return it as messages name it."""
        return f"{self.topic} version {self.version}"


class Upcaster(NamedTuple):
    """Brings the facts of one version of an event to another one."""

    source: EventVersion
    target: EventVersion
    upcast: Callable[[Facts], Facts]


_registered: list[Upcaster] = []


def upcasts(
    topic: str, version: int, *, to: tuple[str, int] | None = None
) -> Callable[[Callable[[Facts], Facts]], Callable[[Facts], Facts]]:
    """Register the decorated function as the way from a version of an event to the next, or to what *to* names."""

    def register(upcast: Callable[[Facts], Facts]) -> Callable[[Facts], Facts]:
        target = EventVersion(topic, version + 1) if to is None else EventVersion(*to)
        _registered.append(Upcaster(EventVersion(topic, version), target, upcast))
        return upcast

    return register


class Upcasters:
    """All ways from old events to current ones, checked once.

    Args:
        current: The version of each type of event that this program knows.
        upcasters: One for each older version.

    Raises:
        UpcasterError: An old version has no way to a current one, two ways, or one that goes in circles.
    """

    def __init__(self, current: Mapping[str, int], upcasters: Iterable[Upcaster]) -> None:
        self._current = {EventVersion(topic, version) for topic, version in current.items()}
        self._steps: dict[EventVersion, Upcaster] = {}
        for upcaster in upcasters:
            self._add(upcaster)
        for topic, version in current.items():
            for older in range(1, version):
                self._follow(EventVersion(topic, older))
        for source in self._steps:
            self._follow(source)

    def current(self, topic: str, version: int, facts: Facts) -> tuple[str, Facts]:
        """Return the current type of a stored event, with its facts.

        Raises:
            ValueError: This program does not know that version.
        """
        stored = EventVersion(topic, version)
        while stored not in self._current:
            step = self._steps.get(stored)
            if step is None:
                raise ValueError(f"{stored} is unknown")
            stored, facts = step.target, step.upcast(facts)
        return stored.topic, facts

    def _add(self, upcaster: Upcaster) -> None:
        if upcaster.source in self._current:
            raise UpcasterError(f"There is an upcaster for {upcaster.source}, which is the current one. Remove it.")
        if upcaster.source in self._steps:
            raise UpcasterError(f"There are two upcasters for {upcaster.source}. Remove one.")
        self._steps[upcaster.source] = upcaster

    def _follow(self, source: EventVersion) -> None:
        """Make sure that the way from *source* ends at a current version."""
        way = [source]
        while way[-1] not in self._current:
            step = self._steps.get(way[-1])
            if step is None:
                raise UpcasterError(f"No upcaster reads {way[-1]}, so events of it could not be used. Add one.")
            if step.target in way:
                circle = " → ".join(map(str, [*way, step.target]))
                raise UpcasterError(f"The upcasters go in circles: {circle}. Break the circle.")
            way.append(step.target)


def registered_upcasters() -> Upcasters:
    """Return the upcasters of all events that this program knows.

    Raises:
        UpcasterError: They are not complete.
    """
    return Upcasters({topic: event.class_version for topic, event in EVENT_TYPES.items()}, _registered)
