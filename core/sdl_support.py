"""What a gateway schema may contain that this version cannot serve yet."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    Node,
    is_introspection_type,
    is_specified_scalar_type,
)

KNOWN_SCALARS = frozenset({"Long"})
"""Scalars that can be served beside those that GraphQL itself defines."""


def unsupported(schema: GraphQLSchema) -> list[str]:
    """Return one line for each part of *schema* that cannot be served, in the order of the text."""
    findings = sorted(_findings(schema))
    return [f"line {line}: {what}" for line, what in findings]


def _findings(schema: GraphQLSchema) -> Iterator[tuple[int, str]]:
    for type_ in schema.type_map.values():
        if is_introspection_type(type_):
            continue
        match type_:
            case GraphQLInterfaceType():
                yield _line(type_.ast_node), f"the interface {type_.name}"
            case GraphQLUnionType():
                yield _line(type_.ast_node), f"the union {type_.name}"
            case GraphQLScalarType() if not is_specified_scalar_type(type_) and type_.name not in KNOWN_SCALARS:
                yield _line(type_.ast_node), f"the scalar {type_.name}"
            case GraphQLObjectType():
                yield from _of_object(schema, type_)


def _of_object(schema: GraphQLSchema, type_: GraphQLObjectType) -> Iterator[tuple[int, str]]:
    if type_ is schema.subscription_type:
        yield _line(type_.ast_node), f"subscriptions (type {type_.name})"


def _line(node: Node | None) -> int:
    return node.loc.start_token.line if node is not None and node.loc is not None else 0
