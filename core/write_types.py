"""Write types: types of a gateway schema, printed as the SDL that a topic's storage schema is made of."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    print_type,
)

from core.directives import directive_on
from core.errors import InvalidInputError
from core.sdl import GatewaySchema


def write_type(schema: GatewaySchema, name: str) -> str:
    """Return the SDL of the object type *name* and of every object and enum type that it stores.

    Fields that are filled from elsewhere, by `@topic` or `@rest`, are left out, and so are arguments. Fields
    and enum values stand in the order in which the user wrote them: the storage order changes only where the
    user changes it. The wanted type comes first, scalars are not printed.

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
    for type_ in waiting:
        if not isinstance(type_, GraphQLObjectType):
            yield type_
            continue
        fields = _stored_fields(type_)
        yield GraphQLObjectType(type_.name, fields, description=type_.description)
        for field in fields.values():
            below = get_named_type(field.type)
            if below.name not in met and isinstance(below, GraphQLObjectType | GraphQLEnumType):
                met.add(below.name)
                waiting.append(below)


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
