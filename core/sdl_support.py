"""What a gateway schema may contain that this version cannot serve yet."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import (
    GraphQLObjectType,
    GraphQLSchema,
    Node,
    is_introspection_type,
)


def unsupported(schema: GraphQLSchema) -> list[str]:
    """Return one line for each part of *schema* that cannot be served, in the order of the text."""
    findings = sorted(_findings(schema))
    return [f"line {line}: {what}" for line, what in findings]


def _findings(schema: GraphQLSchema) -> Iterator[tuple[int, str]]:
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not is_introspection_type(type_):
            yield from _of_object(schema, type_)


def _of_object(schema: GraphQLSchema, type_: GraphQLObjectType) -> Iterator[tuple[int, str]]:
    if type_ is schema.subscription_type:
        yield _line(type_.ast_node), f"subscriptions (type {type_.name})"


def _line(node: Node | None) -> int:
    return node.loc.start_token.line if node is not None and node.loc is not None else 0
