"""SDL → Avro: the schema that records of a GraphQL type are stored with.

Fields keep the order in which the SDL has them, and a nullable field has the default null, so that it may be
left out and a later schema may add it. A type that occurs again, in itself or elsewhere, is referred to by
its full name: Avro defines a name once.

Legacy schemas are those of bakdata/quick, so that records go on with the fields and bytes that its topics have:
`Float` has 32 bits, fields and symbols stand in alphabetical order. The default null stays: it changes no bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from graphql import (
    EnumTypeDefinitionNode,
    EnumValueDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    TypeNode,
    UnionTypeDefinitionNode,
)

from core.avro_types import AvroNode, parse_avro
from core.errors import InvalidInputError
from core.sdl_definitions import type_definitions

NamedNode = TypeVar("NamedNode", FieldDefinitionNode, EnumValueDefinitionNode)

_SCALARS: Final = {
    "Int": "int",
    "Short": "int",
    "Long": "long",
    "Float": "double",
    "String": "string",
    "ID": "string",
    "Char": "string",
    "Boolean": "boolean",
}


def to_avro(sdl: str, root: str, namespace: str, *, legacy: bool = False) -> str:
    """Return the Avro schema of the type *root*, as compact JSON that is the same for the same SDL.

    Args:
        sdl: Type definitions without directives and extensions, as a gateway prints them for a write type.
        root: Name of the object type to convert.
        namespace: Avro namespace of every record and enum.
        legacy: Whether to make the schema that bakdata/quick makes, but for defaults.

    Raises:
        InvalidSdlError: The SDL is no GraphQL.
        InvalidInputError: No object type is called *root*, or it holds what cannot be stored: an interface, a
            union, an input, an unknown scalar, or an object that always holds another one of its type.
    """
    try:
        record = _record(_Conversion(type_definitions(sdl), namespace, legacy=legacy), root)
        schema = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    except RecursionError as error:
        raise InvalidInputError(f"Type {root} is nested too deep. Split it into types of fewer levels.") from error
    parse_avro(schema, f"Type {root}")
    return schema


def _record(conversion: _Conversion, root: str) -> AvroNode:
    if root not in conversion.definitions:
        raise InvalidInputError(f"Type {root} does not exist")
    record = conversion.named(root)
    if not isinstance(conversion.definitions[root], ObjectTypeDefinitionNode):
        raise InvalidInputError(f"Type {root} is no object type. Only object types are stored as records.")
    return record


class _Conversion:
    """One walk from the root; it remembers which records and enums it has defined already."""

    def __init__(self, definitions: dict[str, TypeDefinitionNode], namespace: str, *, legacy: bool) -> None:
        self.definitions = definitions
        self._namespace = namespace
        self._legacy = legacy
        self._defined: set[str] = set()

    def named(self, name: str) -> AvroNode:
        if name in self._defined:
            return f"{self._namespace}.{name}"
        match self.definitions.get(name):
            case None | ScalarTypeDefinitionNode() if name in _SCALARS:
                return "float" if self._legacy and name == "Float" else _SCALARS[name]
            case ObjectTypeDefinitionNode() as definition:
                header = self._header("record", definition)
                return header | {"fields": [self._field(field) for field in self._ordered(definition.fields)]}
            case EnumTypeDefinitionNode() as definition:
                header = self._header("enum", definition)
                return header | {"symbols": [value.name.value for value in self._ordered(definition.values)]}
            case ScalarTypeDefinitionNode():
                raise InvalidInputError(f"Scalar {name} not supported. Use one of {', '.join(_SCALARS)}.")
            case definition:
                raise _unstorable(name, definition)

    def _ordered(self, nodes: Iterable[NamedNode]) -> list[NamedNode]:
        return sorted(nodes, key=lambda node: node.name.value) if self._legacy else list(nodes)

    def _header(self, kind: str, definition: TypeDefinitionNode) -> dict[str, Any]:
        name = definition.name.value
        self._defined.add(name)
        return {"type": kind, "name": name, "namespace": self._namespace} | _doc(definition)

    def _field(self, field: FieldDefinitionNode) -> dict[str, Any]:
        default = {} if isinstance(field.type, NonNullTypeNode) else {"default": None}
        return {"name": field.name.value, "type": self._type(field.type)} | _doc(field) | default

    def _type(self, node: TypeNode) -> AvroNode:
        if isinstance(node, NonNullTypeNode):
            return self._present(node.type)
        return ["null", self._present(node)]

    def _present(self, node: TypeNode) -> AvroNode:
        if isinstance(node, ListTypeNode):
            return {"type": "array", "items": self._type(node.type)}
        assert isinstance(node, NamedTypeNode), "a type is non-null, a list or a name"
        return self.named(node.name.value)


def _unstorable(name: str, definition: TypeDefinitionNode | None) -> InvalidInputError:
    match definition:
        case InterfaceTypeDefinitionNode():
            reason = "it is an interface, and Avro cannot store one. Use the object types that implement it."
        case UnionTypeDefinitionNode():
            reason = "it is a union, and Avro cannot store one of GraphQL. Use a nullable field for each of its types."
        case InputObjectTypeDefinitionNode():
            reason = "it is an input, which is for arguments only. Use an object type with the same fields."
        case _:
            reason = "nothing defines it. Define it as an object type or an enum."
    return InvalidInputError(f"Type {name} not recognized: {reason}")


def _doc(node: TypeDefinitionNode | FieldDefinitionNode) -> dict[str, str]:
    return {} if node.description is None else {"doc": node.description.value}
