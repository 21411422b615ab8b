"""The directives `@topic` and `@rest`: their definitions, and what one `@topic` says about its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DefinitionNode,
    DirectiveNode,
    FieldDefinitionNode,
    GraphQLArgument,
    GraphQLDirective,
    GraphQLNonNull,
    GraphQLString,
    ListTypeNode,
    NonNullTypeNode,
    TypeNode,
    get_argument_values,
    parse,
)
from graphql.language import DirectiveLocation

from core.built_in_scalars import BUILT_IN_SCALARS

BUILT_IN_SDL = """
directive @topic(name: String!, keyArgument: String, keyField: String, rangeFrom: String, rangeTo: String)
  on FIELD_DEFINITION

directive @rest(
  url: String!, pathParameter: [String!], queryParameter: [String!], bodyParameter: String,
  httpMethod: RestDirectiveMethod = GET
) on FIELD_DEFINITION

enum RestDirectiveMethod { GET POST }
"""
"""What every gateway schema has without declaring it, beside the scalar `Long`."""

BUILT_INS: Sequence[DefinitionNode] = (*parse(BUILT_IN_SDL).definitions, BUILT_IN_SCALARS["Long"])

TOPIC_DIRECTIVE = GraphQLDirective(
    name="topic",
    locations=[DirectiveLocation.FIELD_DEFINITION],
    args={
        "name": GraphQLArgument(GraphQLNonNull(GraphQLString)),
        "keyArgument": GraphQLArgument(GraphQLString),
        "keyField": GraphQLArgument(GraphQLString),
        "rangeFrom": GraphQLArgument(GraphQLString),
        "rangeTo": GraphQLArgument(GraphQLString),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicField:
    """A field whose values come from a topic, as its `@topic` says; `None` stands for what was not given."""

    topic: str
    """Name of the topic; whether it exists is not known here."""

    key_argument: str | None = None
    """Argument that holds the key, or the list of keys when the field is a list."""

    key_field: str | None = None
    """Field of the parent type that holds the key, or the list of keys when the field is a list."""

    range_from: str | None = None
    """Argument with the lower bound of the range, which belongs to it; there is one only beside `range_to`."""

    range_to: str | None = None
    """Argument with the upper bound of the range, which does not belong to it."""

    is_list: bool
    """Whether the field returns a list, non-null or not."""

    is_connection: bool = False
    """Whether the field was generated beside a list and returns its pages; the rest is as the list's."""

    line: int
    """Line of the directive in the user's text, from 1."""

    column: int
    """Column of the directive in the user's text, from 1."""

    @property
    def reads_all(self) -> bool:
        """Whether the field returns everything that the topic holds."""
        return self.is_list and self.key_argument is None and self.key_field is None


def directive_on(field: FieldDefinitionNode, name: str) -> DirectiveNode | None:
    """Return the directive *name* that stands on *field*."""
    return next((node for node in field.directives if node.name.value == name), None)


def topic_field(field: FieldDefinitionNode, directive: DirectiveNode) -> TopicField:
    """Return what the `@topic` *directive* says about *field*.

    Raises:
        GraphQLError: An argument of the directive is missing or is no string; the error knows the place.
    """
    values: Mapping[str, Any] = get_argument_values(TOPIC_DIRECTIVE, directive)
    line, column = place_of(directive)
    return TopicField(
        topic=values["name"],
        key_argument=values.get("keyArgument"),
        key_field=values.get("keyField"),
        range_from=values.get("rangeFrom"),
        range_to=values.get("rangeTo"),
        is_list=is_list_type(field.type),
        line=line,
        column=column,
    )


def is_list_type(node: TypeNode) -> bool:
    """Return whether *node*, as written in the SDL, is a list: `[X]` or `[X]!`."""
    return isinstance(node.type if isinstance(node, NonNullTypeNode) else node, ListTypeNode)


def place_of(directive: DirectiveNode) -> tuple[int, int]:
    """Return line and column of *directive*, both from 1."""
    assert directive.loc is not None, "the SDL is parsed with locations"
    token = directive.loc.start_token
    return token.line, token.column
