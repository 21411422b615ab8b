"""Plans: the selection of an operation compiled once, so that each level is read at once and each row shown at once.

A plan knows only the good way. Whatever else it meets, such as null in a non-null field, a value that a scalar does
not take, a key that is missing where it must not, it gives up with an exception, and graphql-core executes the
operation from the start, with what was fetched already. So the rules of errors and nulls stand in one place, which is
not here, and cost nothing as long as there is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from graphql import FieldNode

from services.gateway.operations import RunningOperation
from services.gateway.records import PASS_THROUGH
from services.gateway.sources import Arguments, Source
from services.gateway.topic_sources import KeyArgument, TopicSource, ValueOfKey, ValuesOfKeys
from services.gateway.topic_threads import Reading

Variables = Mapping[str, Any]

Pairs = list[tuple[Any, dict[str, Any]]]
"""Parents, each with what is shown of it and waits for a field."""

Joins = list[Pairs]
"""The pairs of each step below."""

Projection = Callable[[Any, Joins], Any]
"""Returns what is shown of a value, and adds to the joins what is to be fetched for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A field that a source fills."""

    key: str
    """Its name in the answer."""

    root: str
    """The name in the answer of the field of the operation that it is, or stands below."""

    node: FieldNode
    """Where it stands in the document, for the first time."""

    source: Source

    arguments: Callable[[Variables], Arguments]
    """Returns the arguments that the source gets. Raises GraphQLError for what a variable cannot be here."""

    is_in_list: bool
    """Whether it stands in a list of the record above: then nobody knows how many parents there are."""

    project: Projection

    steps: tuple[Step, ...]
    """The fields below it that sources fill."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Plan:
    """An operation, ready to be executed any number of times."""

    project: Projection
    """Shows the operation itself, of no value."""

    steps: tuple[Step, ...]

    checks: tuple[Callable[[Variables], object], ...]
    """Read the arguments of the other fields, for what a variable cannot be there. Each raises GraphQLError."""

    topics: frozenset[str]
    """The topics of whose keys it reads."""

    is_serial: bool
    """Whether each field of the operation begins when all of the one before is done, as those of mutations do."""

    fixed_key_count: float | None
    """How many keys of topics it reads at most, if that is known; infinite if it reads anything else."""

    field_count: int
    """How many fields were compiled: what it takes is some 300 to 1,700 bytes for each."""

    def execute(self, operation: RunningOperation, variables: Variables) -> dict[str, Any]:
        """Return the data of the answer.

        Raises:
            Exception: Any, where something is not as the plan expects it.
        """
        for check in self.checks:
            check(variables)
        joins: Joins = [[] for _ in self.steps]
        data: dict[str, Any] = self.project(PASS_THROUGH, joins)
        begun = list(zip(self.steps, joins, strict=True))
        for together in [[one] for one in begun] if self.is_serial else [begun]:
            _take_all(together, operation, variables)
        return data

    def key_count(self, variables: Variables) -> float:
        """Return how many keys the operation reads at most; infinite where that depends on what it reads.

        Raises:
            GraphQLError: A variable cannot be what it is where it stands.
        """
        if self.fixed_key_count is not None:
            return self.fixed_key_count
        return key_count(self.steps, 1, variables)


def _take_all(begun: list[tuple[Step, Pairs]], operation: RunningOperation, variables: Variables) -> None:
    """Take steps and those below them: first all of one level, then those of the next."""
    while level := [(step, pairs) for step, pairs in begun if pairs]:
        fetched = operation.read([_reading(step, pairs, operation, variables) for step, pairs in level])
        values_of = [
            _noted(step, pairs, values, operation) for (step, pairs), values in zip(level, fetched, strict=True)
        ]
        begun = []
        for (step, pairs), values in zip(level, values_of, strict=True):
            below: Joins = [[] for _ in step.steps]
            key, project = step.key, step.project
            for (_, out), value in zip(pairs, values, strict=True):
                out[key] = project(value, below)
            begun += zip(step.steps, below, strict=True)


def _reading(step: Step, pairs: Pairs, operation: RunningOperation, variables: Variables) -> Reading:
    """Return what fetches the values of a step for all its parents."""
    source, arguments = step.source, step.arguments(variables)
    parents = [parent for parent, _ in pairs]

    def fetched() -> Sequence[Any]:
        operation.check_time()
        try:
            return source.fetch(operation, parents, arguments)
        except Exception as error:  # noqa: BLE001  It is told for each parent, and the source is not asked again.
            return [error] * len(parents)

    return Reading(source.topic if isinstance(source, TopicSource) else None, fetched)


def _noted(step: Step, pairs: Pairs, values: Sequence[Any], operation: RunningOperation) -> Sequence[Any]:
    """Return what a source gave, and note it: all of a level before any of it is shown, for that may end the plan."""
    parents = [parent for parent, _ in pairs]
    if len(values) != len(parents):
        what = f"{type(step.source).__name__} gave {len(values)} values for {len(parents)} parents"
        values = [RuntimeError(what)] * len(parents)
    operation.note_fetched(step.node, step.root, parents, values)
    return values


def key_count(steps: Iterable[Step], parents: float, variables: Variables) -> float:
    """Return how many keys *steps* and those below read for so many parents at most."""
    total = 0.0
    for step in steps:
        keys = inf if step.is_in_list else parents * _keys_of_one(step, variables)
        total += keys + key_count(step.steps, keys, variables)
    return total


def _keys_of_one(step: Step, variables: Variables) -> float:
    """Return how many keys a step reads for one parent; infinite where the record has a list of them."""
    match step.source:
        case ValuesOfKeys(keys=KeyArgument(name=name)):
            given = step.arguments(variables).get(name)
            return len(given) if isinstance(given, list) else 1
        case ValuesOfKeys():
            return inf
    return 1


def fixed_key_count(steps: Sequence[Step]) -> float | None:
    """Return how many keys *steps* and those below read at most, `None` where variables decide it."""
    known = list(steps)
    for step in known:  # Grows.
        known += step.steps
    if not all(isinstance(step.source, ValueOfKey | ValuesOfKeys) for step in known):
        return inf
    if any(isinstance(step.source, ValuesOfKeys) for step in known):
        return None
    return key_count(steps, 1, {})
