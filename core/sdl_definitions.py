"""The type definitions of a write type's SDL, by name: what the storage formats are made of, or refuse alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Final, TypeVar

from graphql import (
    EnumValueDefinitionNode,
    FieldDefinitionNode,
    GraphQLError,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    UnionTypeDefinitionNode,
    parse,
)

from core.errors import InvalidInputError, InvalidSdlError, SdlProblem

Member = TypeVar("Member", FieldDefinitionNode, EnumValueDefinitionNode)


class Stored(Enum):
    """What a scalar is stored as; each storage format has a word for it."""

    INT = auto()
    """32 bits."""
    LONG = auto()
    """64 bits."""
    DOUBLE = auto()
    STRING = auto()
    BOOLEAN = auto()
    BYTES = auto()
    MOMENT = auto()
    """With microseconds."""
    DATE = auto()
    TIME = auto()
    """Of a day, with microseconds."""
    UUID = auto()


SCALARS: Final[Mapping[str, Stored]] = {
    "Int": Stored.INT,
    "Short": Stored.INT,
    "Long": Stored.LONG,
    "Float": Stored.DOUBLE,
    "String": Stored.STRING,
    "ID": Stored.STRING,
    "Char": Stored.STRING,
    "Boolean": Stored.BOOLEAN,
    "Bytes": Stored.BYTES,
    "DateTime": Stored.MOMENT,
    "Date": Stored.DATE,
    "Time": Stored.TIME,
    "UUID": Stored.UUID,
    "Decimal": Stored.STRING,
}
"""The scalars that can be stored, by name; a type that the SDL defines goes before one of them.

A `Decimal` is stored as its text: the decimals of Avro have a number of digits that GraphQL has no word for, and
Protobuf has none. `BigInt` and `JSON` have no form that other programs would expect, and are refused.
"""


def definitions_for(sdl: str, root: str) -> dict[str, TypeDefinitionNode]:
    """Return the types that *sdl* defines, one of which is called *root*.

    Raises:
        InvalidSdlError: It is no GraphQL.
        InvalidInputError: It has no *root*, extends a type, or is nested too deep.
    """
    try:
        definitions = _type_definitions(sdl)
    except RecursionError as error:
        raise too_deep(root) from error
    if root not in definitions:
        raise InvalidInputError(f"Type {root} does not exist")
    return definitions


def check_object_type(root: str, definition: TypeDefinitionNode | None) -> None:
    """Refuse a *root* whose *definition* could be stored, but not as a record.

    Raises:
        InvalidInputError: It is an enum or a scalar.
    """
    if not isinstance(definition, ObjectTypeDefinitionNode):
        raise InvalidInputError(f"Type {root} is no object type. Only object types are stored as records.")


def ordered(nodes: Iterable[Member], *, legacy: bool) -> list[Member]:
    """Return fields or enum values in the order in which they are stored: that of the SDL, of old the alphabet's."""
    return sorted(nodes, key=lambda node: node.name.value) if legacy else list(nodes)


def too_deep(root: str) -> InvalidInputError:
    """Return the refusal of a type that no storage format could be made of."""
    return InvalidInputError(f"Type {root} is nested too deep. Split it into types of fewer levels.")


def unstorable(name: str, definition: TypeDefinitionNode | None) -> InvalidInputError:
    """Return the refusal of a type that no storage format has; *definition* is `None` for one that nothing defines."""
    match definition:
        case ScalarTypeDefinitionNode():
            return InvalidInputError(f"Scalar {name} not supported. Use one of {', '.join(SCALARS)}.")
        case InterfaceTypeDefinitionNode():
            reason = "it is an interface, which cannot be stored. Use the object types that implement it."
        case UnionTypeDefinitionNode():
            reason = "it is a union, which only Avro can store. Use a nullable field for each of its types."
        case InputObjectTypeDefinitionNode():
            reason = "it is an input, which is for arguments only. Use an object type with the same fields."
        case _:
            reason = "nothing defines it. Define it as an object type or an enum."
    return InvalidInputError(f"Type {name} not recognized: {reason}")


def _type_definitions(sdl: str) -> dict[str, TypeDefinitionNode]:
    """Return the types that *sdl* defines.

    Raises:
        InvalidSdlError: It is no GraphQL.
        InvalidInputError: It extends a type.
        RecursionError: It is nested too deep.
    """
    try:
        document = parse(sdl, no_location=True)
    except GraphQLError as error:
        line, column = error.locations[0] if error.locations else (None, None)
        raise InvalidSdlError([SdlProblem(error.message, line, column)]) from error
    for node in document.definitions:
        if isinstance(node, TypeExtensionNode):
            name = node.name.value
            raise InvalidInputError(f"`extend` of {name} cannot be converted. Write its fields into {name}.")
    return {node.name.value: node for node in document.definitions if isinstance(node, TypeDefinitionNode)}
