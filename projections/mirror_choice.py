"""Which of the declared mirrors a process holds: all of them on one machine, in a pod what its role needs.

A mirror pod holds the mirror that it is there for. Who writes to immutable topics holds the mirrors of those beside
the writer, because only they tell whose record of a key was the first: ingest of all of them, a gateway of those that
its mutations write to. What gateways read, they ask mirror pods for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from graphql import GraphQLSchema

from core.errors import NotFoundError, QuickError
from core.mirrors import Mirror
from core.roles import Role
from core.stored_schemas import stored_schema
from core.topics import Topic, WriteType
from projections.registry import RegistryView, Row

Declared = tuple[Row[Topic], Row[Mirror]]
"""A topic and its mirror."""

Choice = Callable[[RegistryView], Iterable[Declared]]
"""Returns what is to be held, as it is declared now."""


def choice_of(role: Role, name: str | None) -> Choice:
    """Return the choice of a process.

    Args:
        role: What it is there for.
        name: The one topic or gateway that it serves, where its role has such a one.
    """
    match role:
        case Role.ALL:
            return everything
        case Role.INGEST:
            return immutable_ones
        case Role.MIRROR:
            assert name is not None, "a mirror is there for one topic"
            return partial(named, (name,))
        case Role.GATEWAY:
            assert name is not None, "a gateway is one gateway"
            return WrittenOnce(name)
        case _:
            return nothing


def everything(registry: RegistryView) -> Iterator[Declared]:
    """Yield all mirrors that are declared for topics that are."""
    topics = {row.state.name: row for row in registry.topics()}
    for mirror in registry.mirrors():
        row = topics.get(mirror.state.topic)
        if row is not None:
            yield row, mirror
    if registry.published is not None:
        yield from named((registry.published.name,), registry)


def nothing(_: RegistryView) -> Iterator[Declared]:
    """Yield none."""
    yield from ()


def immutable_ones(registry: RegistryView) -> Iterator[Declared]:
    """Yield the mirrors of immutable topics."""
    return (declared for declared in everything(registry) if declared[0].state.write_type is WriteType.IMMUTABLE)


def named(topics: Iterable[str], registry: RegistryView) -> Iterator[Declared]:
    """Yield the mirrors of *topics* that are declared; the others may still be."""
    for name in topics:
        try:
            yield registry.topic(name), registry.mirror(name)
        except NotFoundError:
            continue


class WrittenOnce:
    """The immutable topics that the mutations of a gateway write to."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._known: tuple[int, tuple[str, ...]] | None = None

    def __call__(self, registry: RegistryView) -> Iterator[Declared]:
        """Yield the mirrors of those topics; none for a gateway that is not declared, or cannot be used."""
        try:
            row = registry.gateway(self._gateway)
        except NotFoundError:
            return
        if self._known is None or self._known[0] != row.position:
            self._known = row.position, written_topics(self._gateway, row.state.sdl)
        for declared in named(self._known[1], registry):
            if declared[0].state.write_type is WriteType.IMMUTABLE:
                yield declared


def written_topics(gateway: str, sdl: str) -> tuple[str, ...]:
    """Return the topics that the mutations of a schema write to, none where it cannot be used."""
    try:
        schema = stored_schema(gateway, sdl)
    except QuickError:
        return ()  # Whoever serves it tells that.
    mutations = _mutation_type(schema.definition)
    found = {field.topic for (type_name, _), field in schema.topic_fields.items() if type_name == mutations}
    return tuple(sorted(found))


def _mutation_type(definition: GraphQLSchema) -> str | None:
    return None if definition.mutation_type is None else definition.mutation_type.name
