"""What a reconciliation did, and what it found: one result for each object, and whether all is as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from k8s.objects import ObjectRef

_LONGEST_VALUE: Final = 200


class State(StrEnum):
    """What became of an object."""

    UNCHANGED = "unchanged"
    """It is as it should be."""

    APPLIED = "applied"
    """It was made, or changed."""

    DELETED = "deleted"
    """It was deleted."""

    DRIFTED = "drifted"
    """Others have changed it, and it is left so, as a setting says."""

    WAITING = "waiting"
    """Something else has to happen first; `reason` says what."""

    CONFLICT = "conflict"
    """Others have to do with it, so it was not touched."""

    FAILED = "failed"
    """The API server refused it, or could not be asked."""


PASSING: Final = frozenset((State.WAITING, State.CONFLICT, State.FAILED))
"""What has to be looked at again soon."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A field of ours that somebody else has changed."""

    field: str
    """As the API server writes it: `.spec.replicas`."""
    managers: tuple[str, ...]
    """Who has it now; nobody when it was taken away."""
    wanted: str
    found: str
    """The values as Python writes them, shortened; what is not there is `None`."""

    def __str__(self) -> str:
        """Return the drift for people."""
        by = f" by {', '.join(self.managers)}" if self.managers else ""
        return f"{self.field}: {self.found} found{by}, {self.wanted} wanted"


def shortened(value: object) -> str:
    """Return *value* as drifts have it."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one object."""

    ref: ObjectRef
    thing: str
    """What its thing is called in Quick; empty where nobody knows."""
    component: str = ""
    """What its thing is, as in the label of its objects."""
    position: int = 0
    """Of the last command that changed what it is to be."""
    state: State
    reason: str = ""
    drifts: tuple[Drift, ...] = ()
    """Also of those that were reverted."""
    replicas: int | None = None
    """How many are wanted; `None` for what has none."""
    ready: int | None = None
    """How many of them are ready."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one reconciliation did."""

    position: int
    """All commands up to here were taken into account."""
    results: tuple[Result, ...]
    """Of each object that was looked at, in order."""
    problems: tuple[str, ...] = ()
    """What concerns no single object, such as a kind that cannot be listed."""
    unavailable: str | None = None
    """Why the API server could not be asked, when it could not: the rest is still to be done."""

    @property
    def is_settled(self) -> bool:
        """Return whether nothing is left to be done soon."""
        return self.unavailable is None and not self.problems and not self.of(*PASSING)

    def of(self, *states: State) -> list[Result]:
        """Return the results with one of *states*."""
        return [result for result in self.results if result.state in states]

    def troubles(self) -> list[str]:
        """Return what is wrong, in sentences; waiting is not."""
        failed = [f"{result.ref}: {result.reason}" for result in self.of(State.CONFLICT, State.FAILED)]
        return [*([self.unavailable] if self.unavailable else []), *self.problems, *failed]

    def notes(self) -> list[str]:
        """Return what is not as declared and no trouble, in sentences: what waits, and what others may change."""
        waiting = [f"{result.ref}: {result.reason}" for result in self.of(State.WAITING)]
        drifted = [f"{result.ref}: {drift}." for result in self.of(State.DRIFTED) for drift in result.drifts]
        return [*waiting, *drifted]
