"""Which resolver each field of a gateway schema gets, and which source it asks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from graphql import (
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLType,
    get_named_type,
    is_leaf_type,
)

from core.directives import TopicField
from core.sdl import GatewaySchema
from services.gateway.list_sources import ConnectionSource, ListSource
from services.gateway.mutations import MutationField, MutationSource
from services.gateway.resolvers import (
    FieldResolver,
    MutationResolver,
    PropertyResolver,
    SharedSourceResolver,
    SourceResolver,
)
from services.gateway.rest import RestSource
from services.gateway.rest_client import RestClient
from services.gateway.topic_sources import (
    AllValues,
    KeyArgument,
    KeyField,
    KeySource,
    TopicSource,
    ValueOfKey,
    ValuesInRange,
    ValuesOfKeys,
)
from services.gateway.writing import TopicWriter


class Wiring:
    """Chooses the resolvers of one schema.

    Args:
        schema: What the gateway serves.
        writer: Where mutations write.
        rest: Calls REST services.
    """

    def __init__(self, schema: GatewaySchema, writer: TopicWriter, rest: RestClient) -> None:
        self._schema = schema
        self._writer = writer
        self._rest = rest

    def resolver(self, parent: GraphQLObjectType, name: str, field: GraphQLField) -> FieldResolver:
        """Return the resolver of *field*, which *parent* has under *name*."""
        forwards = parent is self._schema.definition.query_type and self._forwards_arguments
        is_leaf = is_leaf_type(get_named_type(field.type))
        topic_field = self._schema.topic_fields.get((parent.name, name))
        if topic_field is not None and parent is self._schema.definition.mutation_type:
            return MutationResolver(MutationSource(_mutation_field(topic_field, field), self._writer), is_leaf=is_leaf)
        if topic_field is not None:
            return SourceResolver(
                self._source(topic_field, parent, name, field),
                takes_forwarded=topic_field.key_argument is not None and topic_field.key_argument not in field.args,
                forwards=forwards,
                is_leaf=is_leaf,
            )
        rest_field = self._schema.rest_fields.get((parent.name, name))
        if rest_field is not None:
            source = RestSource(rest_field, field.type, self._rest)
            is_written = parent is self._schema.definition.mutation_type
            resolver = SourceResolver if is_written else SharedSourceResolver
            return resolver(source, forwards=forwards, is_leaf=is_leaf)
        passes_through = _object_name(field.type) in self._passed_through
        return PropertyResolver(name, passes_through=passes_through, forwards=forwards, is_leaf=is_leaf)

    def _source(
        self, topic_field: TopicField, parent: GraphQLObjectType, name: str, field: GraphQLField
    ) -> TopicSource:
        list_field = self._schema.list_fields.get((parent.name, name))
        if list_field is None:
            return _source(topic_field, field)
        if list_field.is_connection:
            return ConnectionSource(list_field)
        return ListSource(list_field, _source(topic_field, field))

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
        """The object types that need no value, because fields below get theirs by argument, in full or by REST."""
        topic_fields, rest_fields = self._schema.topic_fields, self._schema.rest_fields
        above: dict[str | None, set[str]] = {}
        for (parent, name), field in self._fields():
            if (parent, name) not in topic_fields and (parent, name) not in rest_fields:
                above.setdefault(_object_name(field.type), set()).add(parent)
        waiting = [parent for (parent, _), field in topic_fields.items() if field.key_field is None]
        waiting += [parent for parent, _ in rest_fields]
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


def _mutation_field(topic_field: TopicField, field: GraphQLField) -> MutationField:
    (key, key_argument), (value, _) = field.args.items()
    is_list = isinstance(_nullable(key_argument.type), GraphQLList)
    is_required = _has_required_elements(field.type) if is_list else isinstance(field.type, GraphQLNonNull)
    return MutationField(topic_field.topic, key, value, is_list=is_list, is_nullable=not is_required)


def _source(topic_field: TopicField, field: GraphQLField) -> TopicSource:
    topic = topic_field.topic
    if topic_field.reads_all:
        return AllValues(topic)
    if topic_field.range_from is not None:
        return _range_source(topic_field)
    is_required = isinstance(field.type, GraphQLNonNull)
    if not topic_field.is_list:
        return ValueOfKey(topic, _key_source(topic_field), is_required=is_required)
    are_required = _has_required_elements(field.type)
    return ValuesOfKeys(topic, _key_source(topic_field), is_required=is_required, are_required=are_required)


def _range_source(topic_field: TopicField) -> ValuesInRange:
    key, low, high = topic_field.key_argument, topic_field.range_from, topic_field.range_to
    assert key is not None, "a range without a key is refused when a schema is parsed"
    assert low is not None, "as above, and so is one with one end"
    assert high is not None, "as above"
    return ValuesInRange(topic_field.topic, key=key, low=low, high=high)


def _key_source(topic_field: TopicField) -> KeySource:
    if topic_field.key_field is not None:
        return KeyField(topic_field.key_field)
    assert topic_field.key_argument is not None, "a field without keys reads all"
    return KeyArgument(topic_field.key_argument)


def _has_required_elements(type_: GraphQLOutputType) -> bool:
    list_type = _nullable(type_)
    return isinstance(list_type, GraphQLList) and isinstance(list_type.of_type, GraphQLNonNull)


def _object_name(type_: GraphQLOutputType) -> str | None:
    """Return the name of an object type, non-null or not; `None` for anything else, lists included."""
    nullable = _nullable(type_)
    return nullable.name if isinstance(nullable, GraphQLObjectType) else None


def _nullable(type_: GraphQLType) -> GraphQLType:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_
