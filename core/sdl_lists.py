"""What a gateway adds to a user's schema for lists: arguments for pages and conditions, and connections.

Each list of a topic, `products: [Product]`, gets `first`, `after`, `last` and `before`, and beside it the field
`productsConnection`, as the Relay specification of connections has it. Where the mirror of the topic has indexes, both
get `where`, with a condition for each field that has an index. What the user has declared under one of these names
stays, and what would have stood there is not generated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldDefinitionNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    InputValueDefinitionNode,
    NameNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    get_named_type,
    is_leaf_type,
    parse,
)

from core.directives import TopicField
from core.list_fields import DEFAULT_PAGE, MAX_PAGE, PAGE_ARGUMENTS, WHERE, ListField, RangeArguments
from core.sdl import GatewaySchema, build_definition

Place = tuple[str, str]
"""Name of an object type and of a field of it."""

_PAGES: Final = '''
"""At most so many values, the first ones."""
first: Int
"""Only what comes behind this cursor of a connection."""
after: String
"""At most so many values, the last ones; they stay in the order of the list."""
last: Int
"""Only what comes before this cursor of a connection."""
before: String
'''

_WHERE: Final = '''
"""Conditions that all have to be met. The values come in the order of one of its fields: one with `eq` or `in` is taken
before one with bounds, and then the first of the type."""
where: {name}
'''

_PAGE_INFO: Final = '''
"""Where a page of a connection stands in its list."""
type PageInfo {
  "Whether more comes behind the page."
  hasNextPage: Boolean!
  "Whether something comes before the page."
  hasPreviousPage: Boolean!
  "Cursor of the first edge."
  startCursor: String
  "Cursor of the last edge, the `after` of the following page."
  endCursor: String
}
'''

_CONNECTION: Final = f'''
"""A page of a list, of {DEFAULT_PAGE} values unless `first` or `last` says otherwise, and {MAX_PAGE} at most."""
type {{name}}Connection {{{{
  edges: [{{name}}Edge!]!
  pageInfo: PageInfo!
}}}}
'''

_EDGE: Final = '''
"""A value and its place in a list."""
type {name}Edge {{
  "The place, opaque; good for the same field with the same conditions."
  cursor: String!
  node: {name}
}}
'''

_EQUAL: Final = """
  "Is this value."
  eq: {name}"""
_AMONG: Final = """
  "Is one of these values."
  in: [{name}!]"""
_ORDERED: Final = """
  gt: {name}
  gte: {name}
  lt: {name}
  lte: {name}"""

_FILTER: Final = '''
"""Conditions on a field, which all have to be met; without any it only must not be null."""
input {name}Filter {{{operators}
}}
'''

_CONDITIONS: Final = '''
"""Conditions on {type} by the indexes of topic {topic}, which all have to be met."""
input {name} {{
{fields}
}}
'''


def with_lists(schema: GatewaySchema, indexes: Mapping[str, Sequence[str]]) -> GatewaySchema:
    """Return *schema* with what is generated for its lists; its text stays the user's.

    Args:
        schema: As the user gave it.
        indexes: The indexed fields of the values of topics, by the name of the topic.
    """
    lists = _lists(schema)
    return _Generation(schema, indexes).extended(lists) if lists else schema


def listed_topics(schema: GatewaySchema) -> tuple[str, ...]:
    """Return the names of the topics whose indexes decide what is generated for *schema*."""
    return tuple(sorted({field.topic for field in _lists(schema).values() if field.reads_all}))


def _lists(schema: GatewaySchema) -> dict[Place, TopicField]:
    """Return the fields with all values or a range of a topic. A mutation's list is one of keys."""
    mutation = schema.definition.mutation_type
    return {
        place: field
        for place, field in schema.topic_fields.items()
        if (field.reads_all or field.range_from is not None) and (mutation is None or place[0] != mutation.name)
    }


class _Generation:
    """What is generated for one schema."""

    def __init__(self, schema: GatewaySchema, indexes: Mapping[str, Sequence[str]]) -> None:
        self._schema = schema
        self._indexes = indexes
        self._own_types = schema.definition.type_map
        self._types: dict[str, str] = {}
        """The generated types, as SDL by name."""
        self._first_topics: dict[str, str] = {}
        """By the name of a type of values, the first topic of such lists in the text."""
        self._arguments: dict[Place, Sequence[InputValueDefinitionNode]] = {}
        """The generated arguments of the lists."""
        self._connections: dict[Place, str] = {}
        """The types of the generated connections, by the places of their lists."""
        self._list_fields: dict[Place, ListField] = {}
        self._topic_fields: dict[Place, TopicField] = {}

    def extended(self, lists: Mapping[Place, TopicField]) -> GatewaySchema:
        for (parent, name), topic_field in lists.items():
            self._list(parent, name, topic_field)
        if not self._list_fields:
            return self._schema
        made = parse("\n".join(self._types.values()), no_location=True).definitions if self._types else ()
        own = [self._with_lists(node) for node in self._schema.document.definitions]
        document = DocumentNode(definitions=(*own, *made))
        return replace(
            self._schema,
            definition=build_definition(document),
            document=document,
            topic_fields={**self._schema.topic_fields, **self._topic_fields},
            list_fields=self._list_fields,
        )

    def _list(self, parent: str, name: str, topic_field: TopicField) -> None:
        fields = self._fields(self._own_types[parent])
        own = fields[name]
        element = get_named_type(own.type)
        has_pages = not own.args.keys() & set(PAGE_ARGUMENTS)
        where = self._where(element, topic_field) if topic_field.reads_all and WHERE not in own.args else None
        if not has_pages and where is None:
            return
        text = (_PAGES if has_pages else "") + ("" if where is None else _WHERE.format(name=where))
        self._arguments[parent, name] = _arguments(text)
        made = ListField(
            topic=topic_field.topic,
            name=f"{parent}.{name}",
            has_pages=has_pages,
            has_where=where is not None,
            range=_range(topic_field),
        )
        self._list_fields[parent, name] = made
        connection = f"{name}Connection"
        if has_pages and connection not in fields and self._add_connection(element.name):
            self._connections[parent, name] = f"{element.name}Connection"
            self._list_fields[parent, connection] = replace(made, is_connection=True)
            self._topic_fields[parent, connection] = replace(topic_field, is_list=False, is_connection=True)

    def _where(self, element: GraphQLNamedType, topic_field: TopicField) -> str | None:
        """Return the name of the type of the conditions on values of *topic_field*, `None` where there are none."""
        topic = topic_field.topic
        # Other topics with values of this type may have other indexes. The first one has its name with or without any.
        is_first = self._first_topics.setdefault(element.name, topic) == topic
        lines = list(self._conditions(element, topic))
        if not lines:
            return None
        name = f"{element.name}Where" if is_first else f"{element.name}Where_{_as_name(topic)}"
        text = _CONDITIONS.format(name=name, type=element.name, topic=topic, fields="\n".join(lines))
        return name if self._add({name: text}) else None

    def _conditions(self, element: GraphQLNamedType, topic: str) -> Iterator[str]:
        """Yield the fields of the conditions on values of a topic, as SDL."""
        fields = self._fields(element)
        for index in self._indexes.get(topic, ()):
            if index in fields and not self._is_filled(element, index):
                type_ = fields[index].type
                leaf: Any = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
                if is_leaf_type(leaf) and self._add({f"{leaf.name}Filter": _filter(leaf)}):
                    yield f"  {index}: {leaf.name}Filter"

    def _is_filled(self, element: GraphQLNamedType, name: str) -> bool:
        """Return whether a field does not come from the values themselves."""
        place = (element.name, name)
        return place in self._schema.topic_fields or place in self._schema.rest_fields

    def _add_connection(self, name: str) -> bool:
        return self._add(
            {
                "PageInfo": _PAGE_INFO,
                f"{name}Connection": _CONNECTION.format(name=name),
                f"{name}Edge": _EDGE.format(name=name),
            }
        )

    def _add(self, types: Mapping[str, str]) -> bool:
        """Add types unless one of their names is taken by something else; return whether they are there."""
        if any(name in self._own_types or self._types.get(name, text) != text for name, text in types.items()):
            return False
        self._types.update(types)
        return True

    def _with_lists(self, node: Any) -> Any:
        if not isinstance(node, ObjectTypeDefinitionNode | ObjectTypeExtensionNode):
            return node
        fields = [made for field in node.fields for made in self._with_list(node.name.value, field)]
        return _with(node, fields=tuple(fields))

    def _with_list(self, parent: str, field: FieldDefinitionNode) -> Iterable[FieldDefinitionNode]:
        place = (parent, field.name.value)
        if place not in self._arguments:
            return (field,)
        arguments = (*field.arguments, *self._arguments[place])
        extended = _with(field, arguments=arguments)
        if place not in self._connections:
            return (extended,)
        type_ = NonNullTypeNode(type=_named_type(self._connections[place]))
        connection = FieldDefinitionNode(
            description=None,
            name=NameNode(value=f"{field.name.value}Connection"),
            arguments=arguments,
            directives=(),
            type=type_,
        )
        return (extended, connection)

    @staticmethod
    def _fields(type_: GraphQLNamedType) -> Mapping[str, GraphQLField]:
        return type_.fields if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) else {}


def _range(topic_field: TopicField) -> RangeArguments | None:
    key, low, high = topic_field.key_argument, topic_field.range_from, topic_field.range_to
    if key is None or low is None or high is None:
        return None
    return RangeArguments(key=key, low=low, high=high)


def _filter(leaf: GraphQLNamedType) -> str:
    """Return the conditions on a scalar or an enum as SDL: a Boolean is one value, the order of an enum is nobody's."""
    operators = _EQUAL
    if leaf.name != "Boolean":
        operators += _AMONG if isinstance(leaf, GraphQLEnumType) else _AMONG + _ORDERED
    return _FILTER.format(name=leaf.name, operators=operators.format(name=leaf.name))


def _arguments(text: str) -> Sequence[InputValueDefinitionNode]:
    (type_,) = parse(f"type T {{ f({text}): Int }}", no_location=True).definitions
    assert isinstance(type_, ObjectTypeDefinitionNode), "as it was written here"
    return type_.fields[0].arguments


def _named_type(name: str) -> Any:
    (type_,) = parse(f"type T {{ f: {name} }}", no_location=True).definitions
    assert isinstance(type_, ObjectTypeDefinitionNode), "as it was written here"
    return type_.fields[0].type


def _with(node: Any, **members: Any) -> Any:
    """Return a copy of *node* with other members; the user's own nodes are shared and stay."""
    changed = copy(node)
    for name, value in members.items():
        setattr(changed, name, value)
    return changed


def _as_name(topic: str) -> str:
    """Return the name of a topic with what no name of GraphQL may hold as underscores."""
    return "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in topic)
