"""SDL → Avro: the schema that records of a GraphQL type are stored with.

Fields keep the order in which the SDL has them, and a nullable field has the default null, so that it may be
left out and a later schema may add it. A type that occurs again, in itself or elsewhere, is referred to by
its full name: Avro defines a name once.
"""

from __future__ import annotations

import json
from typing import Any, Final

from graphql import (
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    TypeNode,
)

from core.avro_types import AvroNode, parse_avro
from core.errors import InvalidInputError
from core.sdl_definitions import type_definitions

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


def to_avro(sdl: str, root: str, namespace: str) -> str:
    """Return the Avro schema of the type *root*, as compact JSON that is the same for the same SDL.

    Args:
        sdl: Type definitions without directives and extensions, as a gateway prints them for a write type.
        root: Name of the object type to convert.
        namespace: Avro namespace of every record and enum.

    Raises:
        InvalidSdlError: The SDL is no GraphQL.
        InvalidInputError: No object type is called *root*, or it holds what cannot be stored: an interface, a
            union, an input, an unknown scalar, or an object that always holds another one of its type.
    """
    try:
        record = _record(type_definitions(sdl), root, namespace)
        schema = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    except RecursionError as error:
        raise InvalidInputError(f"Type {root} is nested too deep. Split it into types of fewer levels.") from error
    parse_avro(schema, f"Type {root}")
    return schema


def _record(definitions: dict[str, TypeDefinitionNode], root: str, namespace: str) -> AvroNode:
    if root not in definitions:
        raise InvalidInputError(f"Type {root} does not exist")
    record = _Conversion(definitions, namespace).named(root)
    if not isinstance(definitions[root], ObjectTypeDefinitionNode):
        raise InvalidInputError(f"Type {root} is no object type. Only object types are stored as records.")
    return record


class _Conversion:
    """One walk from the root; it remembers which records and enums it has defined already."""

    def __init__(self, definitions: dict[str, TypeDefinitionNode], namespace: str) -> None:
        self._definitions = definitions
        self._namespace = namespace
        self._defined: set[str] = set()

    def named(self, name: str) -> AvroNode:
        if name in self._defined:
            return f"{self._namespace}.{name}"
        match self._definitions.get(name):
            case None | ScalarTypeDefinitionNode() if name in _SCALARS:
                return _SCALARS[name]
            case ObjectTypeDefinitionNode() as definition:
                header = self._header("record", definition)
                return header | {"fields": [self._field(field) for field in definition.fields]}
            case EnumTypeDefinitionNode() as definition:
                header = self._header("enum", definition)
                return header | {"symbols": [value.name.value for value in definition.values]}
            case ScalarTypeDefinitionNode():
                raise InvalidInputError(f"Scalar {name} not supported")
            case _:
                raise InvalidInputError(f"Type {name} not recognized")

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


def _doc(node: TypeDefinitionNode | FieldDefinitionNode) -> dict[str, str]:
    return {} if node.description is None else {"doc": node.description.value}
