"""SDL → Avro: the schema that records of a GraphQL type are stored with.

Fields keep the order in which the SDL has them, and a nullable field has the default null, so that it may be
left out and a later schema may add it. A type that occurs again, in itself or elsewhere, is referred to by
its full name: Avro defines a name once. A union of object types is a union of their records; what implements an
interface is stored as the object type that it is.

Legacy schemas are those of bakdata/quick, so that records go on with the fields and bytes that its topics have:
`Float` has 32 bits, fields and symbols stand in alphabetical order. The default null stays: it changes no bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    UnionTypeDefinitionNode,
)

from core.avro_types import AvroNode, parse_avro
from core.sdl_definitions import (
    SCALARS,
    Stored,
    check_object_type,
    definitions_for,
    ordered,
    too_deep,
    unstorable,
)

_WORDS: Final[Mapping[Stored, AvroNode]] = {
    Stored.INT: "int",
    Stored.LONG: "long",
    Stored.DOUBLE: "double",
    Stored.STRING: "string",
    Stored.BOOLEAN: "boolean",
    Stored.BYTES: "bytes",
    Stored.MOMENT: {"type": "long", "logicalType": "timestamp-micros"},
    Stored.DATE: {"type": "int", "logicalType": "date"},
    Stored.TIME: {"type": "long", "logicalType": "time-micros"},
    Stored.UUID: {"type": "string", "logicalType": "uuid"},
}
_LEGACY_WORDS: Final[Mapping[Stored, AvroNode]] = {**_WORDS, Stored.DOUBLE: "float"}


def to_avro(sdl: str, root: str, namespace: str, *, legacy: bool = False) -> str:
    """Return the Avro schema of the type *root*, as compact JSON that is the same for the same SDL.

    Args:
        sdl: Type definitions without directives and extensions, as a gateway prints them for a write type.
        root: Name of the object type to convert.
        namespace: Avro namespace of every record and enum.
        legacy: Whether to make the schema that bakdata/quick makes, but for defaults.

    Raises:
        InvalidSdlError: The SDL is no GraphQL.
        InvalidInputError: No object type is called *root*, or it holds what cannot be stored: an interface, an
            input, an unknown scalar, or an object that always holds another one of its type.
    """
    definitions = definitions_for(sdl, root)
    try:
        record = _Conversion(definitions, namespace, legacy=legacy).named(root)
        schema = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    except RecursionError as error:
        raise too_deep(root) from error
    check_object_type(root, definitions[root])
    parse_avro(schema, f"Type {root}")
    return schema


class _Conversion:
    """One walk from the root; it remembers which records and enums it has defined already."""

    def __init__(self, definitions: dict[str, TypeDefinitionNode], namespace: str, *, legacy: bool) -> None:
        self._definitions = definitions
        self._namespace = namespace
        self._legacy = legacy
        self._words = _LEGACY_WORDS if legacy else _WORDS
        self._defined: set[str] = set()

    def named(self, name: str) -> AvroNode:
        if name in self._defined:
            return f"{self._namespace}.{name}"
        match self._definitions.get(name):
            case None | ScalarTypeDefinitionNode() if name in SCALARS:
                return self._words[SCALARS[name]]
            case ObjectTypeDefinitionNode() as definition:
                header = self._header("record", definition)
                return header | {
                    "fields": [self._field(field) for field in ordered(definition.fields, legacy=self._legacy)]
                }
            case EnumTypeDefinitionNode() as definition:
                header = self._header("enum", definition)
                return header | {
                    "symbols": [value.name.value for value in ordered(definition.values, legacy=self._legacy)]
                }
            case UnionTypeDefinitionNode(types=[only]):
                return self.named(only.name.value)
            case UnionTypeDefinitionNode() as definition:
                return [self.named(member.name.value) for member in definition.types]
            case definition:
                raise unstorable(name, definition)

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
        present = self._present(node)
        return ["null", *present] if isinstance(present, list) else ["null", present]

    def _present(self, node: TypeNode) -> AvroNode:
        if isinstance(node, ListTypeNode):
            return {"type": "array", "items": self._type(node.type)}
        assert isinstance(node, NamedTypeNode), "a type is non-null, a list or a name"
        return self.named(node.name.value)


def _doc(node: TypeDefinitionNode | FieldDefinitionNode) -> dict[str, str]:
    return {} if node.description is None else {"doc": node.description.value}
