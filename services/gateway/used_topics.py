"""Which topics an operation reads and writes, found in its document before it is executed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLUnionType,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
    get_operation_ast,
)

from core.sdl import GatewaySchema


class UsedTopics(NamedTuple):
    """Names of topics. Fields that `@skip` or `@include` leave out count as well."""

    read: frozenset[str]
    written: frozenset[str]


NO_TOPICS = UsedTopics(frozenset(), frozenset())


def used_topics(schema: GatewaySchema, document: DocumentNode, operation_name: str | None) -> UsedTopics:
    """Return the topics of one operation of *document*, which is valid for *schema*; none if it does not exist."""
    operation = get_operation_ast(document, operation_name)
    root = None if operation is None else schema.definition.get_root_type(operation.operation)
    if operation is None or root is None:
        return NO_TOPICS
    walk = _Walk(schema, document)
    walk.through(operation.selection_set, root)
    return UsedTopics(frozenset(walk.read), frozenset(walk.written))


class _Walk:
    """Goes through selections; through one once for each type, or the members of unions would multiply."""

    def __init__(self, schema: GatewaySchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments: Mapping[str, FragmentDefinitionNode] = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._seen: set[tuple[int, str]] = set()
        self.read: set[str] = set()
        self.written: set[str] = set()

    def through(self, selections: SelectionSetNode, parent: GraphQLNamedType) -> None:
        place = (id(selections), parent.name)  # The document is alive, so no other selection has its id.
        if place not in self._seen:
            self._seen.add(place)
            for selection in selections.selections:
                self._one(selection, parent)

    def _one(self, selection: SelectionNode, parent: GraphQLNamedType) -> None:
        match selection:
            case FieldNode():
                for type_ in self._objects(parent):
                    self._field(selection, type_)
            case InlineFragmentNode():
                condition = selection.type_condition
                inner = parent if condition is None else self._schema.definition.type_map[condition.name.value]
                self.through(selection.selection_set, inner)
            case FragmentSpreadNode():
                fragment = self._fragments[selection.name.value]
                condition = fragment.type_condition
                self.through(fragment.selection_set, self._schema.definition.type_map[condition.name.value])

    def _field(self, node: FieldNode, parent: GraphQLObjectType) -> None:
        field = parent.fields.get(node.name.value)
        if field is None:
            return  # __typename, or introspection
        topic_field = self._schema.topic_fields.get((parent.name, node.name.value))
        if topic_field is not None:
            is_write = parent is self._schema.definition.mutation_type
            (self.written if is_write else self.read).add(topic_field.topic)
        if node.selection_set is not None:
            self.through(node.selection_set, get_named_type(field.type))

    def _objects(self, type_: GraphQLNamedType) -> Iterable[GraphQLObjectType]:
        match type_:
            case GraphQLObjectType():
                return (type_,)
            case GraphQLInterfaceType() | GraphQLUnionType():
                return self._schema.definition.get_possible_types(type_)
        return ()
