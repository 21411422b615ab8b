"""Write types: types of a gateway schema, printed as the SDL that a topic's storage schema is made of."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    get_named_type,
    print_type,
)

from core.directives import directive_on
from core.errors import InvalidInputError
from core.sdl import GatewaySchema
from core.sdl_definitions import SCALARS


def write_type(schema: GatewaySchema, name: str) -> str:
    """Return the SDL of the object type *name* and of every type that it stores.

    Fields that are filled from elsewhere, by `@topic` or `@rest`, are left out, and so are arguments and the
    interfaces of object types. Fields and enum values stand in the order in which the user wrote them: the storage
    order changes only where the user changes it. The wanted type comes first. Scalars that can be stored are not
    printed; others are, and interfaces too, so that whoever converts the text can say what is wrong with them.

    Args:
        schema: The schema of the gateway.
        name: Name of the type; its first letter may be small.

    Raises:
        InvalidInputError: The schema has no such object type, or one of the types would store nothing.
    """
    root = schema.definition.type_map.get(name[:1].upper() + name[1:])
    if not isinstance(root, GraphQLObjectType) or root.name.startswith("__"):
        raise InvalidInputError(f"Type {name} does not exist")
    return "\n\n".join(print_type(type_) for type_ in _stored_types(root))


def _stored_types(root: GraphQLObjectType) -> Iterator[GraphQLNamedType]:
    """Yield what is stored of *root* and of the types below it, each once, in the order of meeting them."""
    waiting: list[GraphQLNamedType] = [root]
    met = {root.name}
    for type_ in waiting:  # grows
        stored = type_
        if isinstance(type_, GraphQLObjectType):
            stored = GraphQLObjectType(type_.name, _stored_fields(type_), description=type_.description)
        yield stored
        for below in _below(stored):
            if below.name not in met and not _is_scalar_without_definition(below):
                met.add(below.name)
                waiting.append(below)


def _below(stored: GraphQLNamedType) -> Iterator[GraphQLNamedType]:
    if isinstance(stored, GraphQLObjectType):
        yield from (get_named_type(field.type) for field in stored.fields.values())
    if isinstance(stored, GraphQLUnionType):
        yield from stored.types


def _is_scalar_without_definition(type_: GraphQLNamedType) -> bool:
    return isinstance(type_, GraphQLScalarType) and type_.name in SCALARS


def _stored_fields(type_: GraphQLObjectType) -> dict[str, GraphQLField]:
    # Arguments are dropped: their input types are not printed, so that the text could not be parsed again.
    fields = {
        name: GraphQLField(field.type, description=field.description, deprecation_reason=field.deprecation_reason)
        for name, field in type_.fields.items()
        if not _is_filled_from_elsewhere(field)
    }
    if not fields:
        raise InvalidInputError(
            f"Type {type_.name} stores nothing: all its fields come from topics or REST services. "
            "Give it a field of its own, or name another type."
        )
    return fields


def _is_filled_from_elsewhere(field: GraphQLField) -> bool:
    return field.ast_node is not None and any(directive_on(field.ast_node, name) for name in ("topic", "rest"))
