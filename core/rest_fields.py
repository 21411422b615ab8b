"""What one `@rest` says about its field: where values come from, and which argument travels in which part."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from graphql import (
    DirectiveNode,
    FieldDefinitionNode,
    GraphQLArgument,
    GraphQLDirective,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLList,
    GraphQLNonNull,
    GraphQLString,
    NonNullTypeNode,
    get_argument_values,
)
from graphql.language import DirectiveLocation

from core.directives import place_of
from core.rest_urls import RestUrl


class RestMethod(Enum):
    """The methods that a `@rest` can call with."""

    GET = "GET"
    POST = "POST"


REST_DIRECTIVE: Final = GraphQLDirective(
    name="rest",
    locations=[DirectiveLocation.FIELD_DEFINITION],
    args={
        "url": GraphQLArgument(GraphQLNonNull(GraphQLString)),
        "pathParameter": GraphQLArgument(GraphQLList(GraphQLNonNull(GraphQLString))),
        "queryParameter": GraphQLArgument(GraphQLList(GraphQLNonNull(GraphQLString))),
        "bodyParameter": GraphQLArgument(GraphQLString),
        "httpMethod": GraphQLArgument(
            GraphQLEnumType("RestDirectiveMethod", {method.name: GraphQLEnumValue(method) for method in RestMethod}),
            default_value=RestMethod.GET,
        ),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestUse:
    """One `@rest` as it was written; `None` stands for what was not given."""

    url: str
    path: tuple[str, ...] | None
    query: tuple[str, ...] | None
    body: str | None
    method: RestMethod

    @classmethod
    def read(cls, directive: DirectiveNode) -> RestUse:
        """Return what *directive* says.

        Raises:
            GraphQLError: An argument of the directive is missing or of a wrong type; the error knows the place.
        """
        values: Mapping[str, Any] = get_argument_values(REST_DIRECTIVE, directive)
        return cls(
            url=values["url"],
            path=_names(values.get("pathParameter")),
            query=_names(values.get("queryParameter")),
            body=values.get("bodyParameter"),
            method=values.get("httpMethod") or RestMethod.GET,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RestField:
    """A field whose values come from a REST service, with every parameter resolved to the argument it takes."""

    url: RestUrl

    path: tuple[str, ...]
    """Arguments whose values are added to the path, in this order."""

    query: tuple[str, ...]
    """Arguments whose values are added to the query, in this order."""

    body: str | None
    """Argument whose value is the body."""

    method: RestMethod

    line: int
    """Line of the directive in the user's text, from 1."""

    column: int
    """Column of the directive in the user's text, from 1."""


def rest_field(field: FieldDefinitionNode, directive: DirectiveNode, use: RestUse, url: RestUrl) -> RestField:
    """Return *field* with its arguments assigned to the parts of the request, as *use* says or else by default.

    Without a list of their own, the path takes the non-null arguments and the query the nullable ones, in the order
    of the field and without those that another part names.
    """
    named = {*(use.path or ()), *(use.query or ()), *((use.body,) if use.body is not None else ())}
    free = [argument for argument in field.arguments if argument.name.value not in named]
    required = tuple(argument.name.value for argument in free if isinstance(argument.type, NonNullTypeNode))
    optional = tuple(argument.name.value for argument in free if not isinstance(argument.type, NonNullTypeNode))
    line, column = place_of(directive)
    return RestField(
        url=url,
        path=required if use.path is None else use.path,
        query=optional if use.query is None else use.query,
        body=use.body,
        method=use.method,
        line=line,
        column=column,
    )


def _names(given: Collection[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(given)
