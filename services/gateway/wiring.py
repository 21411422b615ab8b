"""Which resolver each field of a gateway schema gets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from graphql import GraphQLField, GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLOutputType, GraphQLType

from core.directives import TopicField
from core.sdl import GatewaySchema
from services.gateway import resolvers
from services.gateway.mirrors import MirrorReader
from services.gateway.resolvers import KeySource, Resolver


class Wiring:
    """Chooses the resolvers of one schema, whose topics are read from *mirrors*."""

    def __init__(self, schema: GatewaySchema, mirrors: MirrorReader) -> None:
        self._schema = schema
        self._mirrors = mirrors

    def resolver(self, parent: GraphQLObjectType, name: str, field: GraphQLField) -> Resolver:
        """Return the resolver of *field*, which *parent* has under *name*."""
        resolver = self._resolver(parent, name, field)
        is_query = parent is self._schema.definition.query_type
        return resolvers.forwarding(resolver) if is_query and self._forwards_arguments else resolver

    def _resolver(self, parent: GraphQLObjectType, name: str, field: GraphQLField) -> Resolver:
        topic_field = self._schema.topic_fields.get((parent.name, name))
        if topic_field is not None and parent is self._schema.definition.mutation_type:
            return resolvers.not_written(topic_field.topic)
        if topic_field is not None:
            return self._of_topic(topic_field, field)
        if _object_name(field.type) in self._passed_through:
            return resolvers.passing_through(name)
        return resolvers.from_parent(name)

    def _of_topic(self, topic_field: TopicField, field: GraphQLField) -> Resolver:
        if topic_field.reads_all:
            return resolvers.everything(topic_field.topic, self._mirrors)
        if topic_field.range_from is not None:
            return _of_range(topic_field, self._mirrors)
        keys = _key_source(topic_field, field)
        is_required = isinstance(field.type, GraphQLNonNull)
        if not topic_field.is_list:
            return resolvers.one_value(topic_field.topic, keys, self._mirrors, is_required=is_required)
        return resolvers.many_values(
            topic_field.topic,
            keys,
            self._mirrors,
            is_required=is_required,
            are_required=_has_required_elements(field.type),
        )

    @cached_property
    def _forwards_arguments(self) -> bool:
        """Whether any field takes its key from an argument that only a field of `Query` can have."""
        fields = dict(self._fields())
        return any(
            topic_field.key_argument is not None and topic_field.key_argument not in fields[place].args
            for place, topic_field in self._schema.topic_fields.items()
        )

    @cached_property
    def _passed_through(self) -> set[str]:
        """The object types that need no value, because fields below get theirs by argument or in full."""
        topic_fields = self._schema.topic_fields
        above: dict[str | None, set[str]] = {}
        for (parent, name), field in self._fields():
            if (parent, name) not in topic_fields:
                above.setdefault(_object_name(field.type), set()).add(parent)
        waiting = [parent for (parent, _), field in topic_fields.items() if field.key_field is None]
        passed = set(waiting)
        for name in waiting:
            found = above.get(name, set()) - passed
            passed |= found
            waiting += found
        return passed

    def _fields(self) -> Iterator[tuple[tuple[str, str], GraphQLField]]:
        for type_ in self._schema.definition.type_map.values():
            if isinstance(type_, GraphQLObjectType):
                for name, field in type_.fields.items():
                    yield (type_.name, name), field


def _of_range(topic_field: TopicField, mirrors: MirrorReader) -> Resolver:
    key, low, high = topic_field.key_argument, topic_field.range_from, topic_field.range_to
    assert key is not None, "a range without a key is refused when a schema is parsed"
    assert low is not None, "as above, and so is one with one end"
    assert high is not None, "as above"
    return resolvers.values_in_range(topic_field.topic, mirrors, key=key, low=low, high=high)


def _key_source(topic_field: TopicField, field: GraphQLField) -> KeySource:
    if topic_field.key_field is not None:
        return resolvers.key_field(topic_field.key_field)
    assert topic_field.key_argument is not None, "a field without keys reads all"
    if topic_field.key_argument in field.args:
        return resolvers.own_argument(topic_field.key_argument)
    return resolvers.forwarded_argument(topic_field.key_argument)


def _has_required_elements(type_: GraphQLOutputType) -> bool:
    list_type = _nullable(type_)
    return isinstance(list_type, GraphQLList) and isinstance(list_type.of_type, GraphQLNonNull)


def _object_name(type_: GraphQLOutputType) -> str | None:
    """Return the name of an object type, non-null or not; `None` for anything else, lists included."""
    nullable = _nullable(type_)
    return nullable.name if isinstance(nullable, GraphQLObjectType) else None


def _nullable(type_: GraphQLOutputType) -> GraphQLType:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_
