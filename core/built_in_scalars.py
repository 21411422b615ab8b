"""The scalars that every gateway schema may use without declaring them, beside those of GraphQL itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from graphql import (
    DefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputObjectTypeExtensionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
    NamedTypeNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    ScalarTypeDefinitionNode,
    ScalarTypeExtensionNode,
    TypeDefinitionNode,
    TypeNode,
    parse,
)

MAX_DIGITS: Final = 1_000
"""Most digits of a `BigInt` or a `Decimal`, those before and after its point together."""

MAX_JSON_DEPTH: Final = 64
"""Most objects and lists inside one another in a value of `JSON`, or of a scalar that a user declares."""

_RFC: Final = "https://www.rfc-editor.org/rfc"

_SDL: Final = f'''
"""A whole number of 64 bits with a sign; a literal may also be a numeric string."""
scalar Long

"""A whole number of at most {MAX_DIGITS} digits. It is written as a string: JSON's readers often keep 53 bits only."""
scalar BigInt

"""An exact number of at most {MAX_DIGITS} digits, written as a string such as "19.90"; a literal may be a number."""
scalar Decimal

"""A moment with its offset from UTC, such as "2026-11-24T12:34:56.789Z"."""
scalar DateTime @specifiedBy(url: "{_RFC}/rfc3339#section-5.6")

"""A day, such as "2026-11-24"."""
scalar Date @specifiedBy(url: "{_RFC}/rfc3339#section-5.6")

"""A time of day without a zone, such as "12:34:56.789"."""
scalar Time @specifiedBy(url: "{_RFC}/rfc3339#section-5.6")

"""A UUID, such as "123e4567-e89b-12d3-a456-426614174000"."""
scalar UUID @specifiedBy(url: "{_RFC}/rfc9562")

"""Any JSON value, at most {MAX_JSON_DEPTH} levels deep."""
scalar JSON @specifiedBy(url: "{_RFC}/rfc8259")

"""Bytes, written as base64 with padding."""
scalar Bytes @specifiedBy(url: "{_RFC}/rfc4648#section-4")
'''

BUILT_IN_SCALARS: Final[Mapping[str, ScalarTypeDefinitionNode]] = {
    node.name.value: node for node in parse(_SDL).definitions if isinstance(node, ScalarTypeDefinitionNode)
}
"""Their definitions by name. A user's own `scalar` of one of these names means the same; another type hides it."""

_WITH_FIELDS: Final = (
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
)
_INPUTS: Final = (InputObjectTypeDefinitionNode, InputObjectTypeExtensionNode)


def needed_scalars(definitions: Iterable[DefinitionNode]) -> list[ScalarTypeDefinitionNode]:
    """Return the built-in scalars that *definitions* refer to and do not define, in a fixed order."""
    definitions = list(definitions)
    defined = {node.name.value for node in definitions if isinstance(node, TypeDefinitionNode)}
    wanted = set(_referred(definitions)) - defined
    return [node for name, node in BUILT_IN_SCALARS.items() if name in wanted]


def _referred(definitions: Iterable[DefinitionNode]) -> Iterator[str]:
    for node in definitions:
        if isinstance(node, ScalarTypeExtensionNode):
            yield node.name.value
        elif isinstance(node, _INPUTS):
            yield from map(_named, node.fields)
        elif isinstance(node, _WITH_FIELDS):
            for field in node.fields:
                yield _named(field)
                yield from map(_named, field.arguments)


def _named(node: FieldDefinitionNode | InputValueDefinitionNode) -> str:
    type_: TypeNode = node.type
    while not isinstance(type_, NamedTypeNode):
        type_ = type_.type  # type: ignore[attr-defined]  # only lists and non-nulls are left, and both have it
    return type_.name.value
