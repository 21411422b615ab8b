"""SDL → Protobuf: the schema that records of a GraphQL type are stored with, as proto3 text.

The root is the first message, because a record's frame names its message by position. Fields and enum values are
numbered as they stand in the SDL: append new ones at the end, since the numbers are what is stored.

A `DateTime` is Google's Timestamp, a message, so that it can be null as it is; scalars that Protobuf has no type for
are text. A nullable scalar or enum is `optional`, so that null and 0 differ. Two differences of GraphQL have no place
in Protobuf: a null list is stored as an empty one, and `T!` of an object type is not enforced. Enum values get the
prefix that Protobuf needs, and a first value `UNSPECIFIED`; readers see neither (see `core.protobuf_enums`).

Legacy schemas are those of bakdata/quick: fields and values by the alphabet, `Float` with 32 bits, and no `optional`
scalars, because that wrote no zeros, which would be read as null.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from graphql import (
    EnumTypeDefinitionNode,
    EnumValueDefinitionNode,
    FieldDefinitionNode,
    ListTypeNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    TypeNode,
)

from core.errors import InvalidInputError
from core.protobuf_compiler import compile_protobuf
from core.protobuf_enums import UNSPECIFIED, prefix_of
from core.protobuf_printer import default_json_name
from core.sdl_definitions import SCALARS, Stored, check_object_type, definitions_for, ordered, unstorable

_WORDS: Final = {
    Stored.INT: "int32",
    Stored.LONG: "int64",
    Stored.DOUBLE: "double",
    Stored.STRING: "string",
    Stored.BOOLEAN: "bool",
    Stored.BYTES: "bytes",
    Stored.MOMENT: ".google.protobuf.Timestamp",
    Stored.DATE: "string",
    Stored.TIME: "string",
    Stored.UUID: "string",
}
_LEGACY_WORDS: Final = _WORDS | {Stored.DOUBLE: "float"}


def to_protobuf(sdl: str, root: str, package: str, *, legacy: bool = False) -> str:
    """Return the proto3 text of the type *root*, which is the same for the same SDL.

    Args:
        sdl: Type definitions without directives and extensions, as a gateway prints them for a write type.
        root: Name of the object type to convert.
        package: Protobuf package of every message and enum.
        legacy: Whether to make the schema that bakdata/quick would make.

    Raises:
        InvalidSdlError: The SDL is no GraphQL.
        InvalidInputError: No object type is called *root*, or it holds what cannot be stored: an interface, a
            union, an input, an unknown scalar, a list of lists, or names that are one name to Protobuf.
        UnavailableError: The Protobuf compiler could not be run.
    """
    conversion = _Conversion(definitions_for(sdl, root), package, legacy=legacy)
    lines = list(conversion.lines(root))
    imports = ["", 'import "google/protobuf/timestamp.proto";'] if conversion.has_moments else []
    text = "\n".join(['syntax = "proto3";', "", f"package {package};", *imports, *lines, ""])
    compile_protobuf(text)
    return text


class _Conversion:
    """One walk from the root; it remembers which types it has met, and which names Protobuf has taken."""

    def __init__(self, defined: Mapping[str, TypeDefinitionNode], package: str, *, legacy: bool) -> None:
        self._defined = defined
        self._package = package
        self._legacy = legacy
        self._words = _LEGACY_WORDS if legacy else _WORDS
        self._met: set[str] = set()
        self._waiting: list[str] = []
        self._taken: dict[str, str] = {}
        self.has_moments = False

    def lines(self, root: str) -> Iterator[str]:
        check_object_type(root, self._stored(root))
        for name in self._waiting:  # grows
            definition = self._stored(name)
            self._take(name, f"type {name}")
            yield ""
            yield from _comment(definition, "")
            if isinstance(definition, EnumTypeDefinitionNode):
                yield from self._enum(definition)
            elif isinstance(definition, ObjectTypeDefinitionNode):
                yield from self._message(definition)

    def _stored(self, name: str) -> TypeDefinitionNode | None:
        """Return the definition of the object type or enum *name*, `None` for a scalar; refuse anything else."""
        definition = self._defined.get(name)
        match definition:
            case None | ScalarTypeDefinitionNode() if name in SCALARS:
                return None
            case ObjectTypeDefinitionNode() | EnumTypeDefinitionNode():
                if name not in self._met:
                    self._met.add(name)
                    self._waiting.append(name)
                return definition
        raise unstorable(name, definition)

    def _message(self, definition: ObjectTypeDefinitionNode) -> Iterator[str]:
        name = definition.name.value
        fields = ordered(definition.fields, legacy=self._legacy)
        _refuse_one_json_name(name, fields)
        names = {field.name.value for field in fields}
        yield f"message {name} {{"
        for number, field in enumerate(fields, start=1):
            yield from _comment(field, "  ")
            yield f"  {self._type(name, field, names)} {field.name.value} = {number};"
        yield "}"

    def _type(self, owner: str, field: FieldDefinitionNode, siblings: set[str]) -> str:
        place = f"{owner}.{field.name.value}"
        inner, is_required, lists = _unwrapped(field.type)
        if lists > 1:
            raise InvalidInputError(
                f"Field {place} is a list of lists, which Protobuf does not have. "
                "Give it a list of an object type that has the inner list, or store the type as Avro."
            )
        definition = self._stored(inner)
        if lists:
            return f"repeated {self._word(inner, definition, siblings)}"
        is_enum = isinstance(definition, EnumTypeDefinitionNode)
        is_scalar = definition is None and SCALARS[inner] is not Stored.MOMENT
        is_optional = not is_required and (is_enum or (is_scalar and not self._legacy))
        return f"{'optional ' if is_optional else ''}{self._word(inner, definition, siblings)}"

    def _word(self, name: str, definition: TypeDefinitionNode | None, siblings: set[str]) -> str:
        if definition is None:
            self.has_moments = self.has_moments or SCALARS[name] is Stored.MOMENT
            return self._words[SCALARS[name]]
        # A word of the language (all are lower case) or a field would be taken for it.
        is_ambiguous = not name[0].isupper() or name in siblings
        return f".{self._package}.{name}" if is_ambiguous else name

    def _enum(self, definition: EnumTypeDefinitionNode) -> Iterator[str]:
        name = definition.name.value
        prefix = prefix_of(name)
        same = {_bare(UNSPECIFIED): UNSPECIFIED}
        yield f"enum {name} {{"
        yield f"  {self._value(prefix, UNSPECIFIED, name)} = 0;"
        for number, value in enumerate(ordered(definition.values, legacy=self._legacy), start=1):
            word = value.name.value
            other = same.setdefault(_bare(word), word)
            if other is not word:
                raise InvalidInputError(
                    f"Enum {name} has {word}, which is one name with {other} to Protobuf"
                    f"{', the value of what is unset' if other == UNSPECIFIED else ''}. Rename {word}."
                )
            yield from _comment(value, "  ")
            yield f"  {self._value(prefix, word, name)} = {number};"
        yield "}"

    def _value(self, prefix: str, word: str, enum: str) -> str:
        self._take(f"{prefix}{word}", f"value {word} of enum {enum}")
        return f"{prefix}{word}"

    def _take(self, name: str, what: str) -> None:
        """Note that *name* is taken in the package: types and the values of all enums share its names."""
        other = self._taken.setdefault(name, what)
        if other is not what:
            raise InvalidInputError(f"The {other} and the {what} are both {name} in Protobuf. Rename one of them.")


def _unwrapped(node: TypeNode) -> tuple[str, bool, int]:
    """Return the named type inside *node*, whether the outermost level is non-null, and how many lists there are."""
    is_required, lists = isinstance(node, NonNullTypeNode), 0
    while isinstance(node, NonNullTypeNode | ListTypeNode):
        lists += isinstance(node, ListTypeNode)
        node = node.type
    return node.name.value, is_required, lists  # type: ignore[attr-defined]  # what is left is a name


def _refuse_one_json_name(owner: str, fields: Iterable[FieldDefinitionNode]) -> None:
    names: dict[str, str] = {}
    for field in fields:
        name = field.name.value
        json_name = default_json_name(name)
        if not json_name:
            raise InvalidInputError(f"Field {owner}.{name} has no name in the JSON of Protobuf. Give it a letter.")
        other = names.setdefault(json_name, name)
        if other is not name:
            raise InvalidInputError(
                f"Type {owner} has the fields {other} and {name}, which are both {json_name} in the JSON of Protobuf. "
                "Rename one of them."
            )


def _bare(word: str) -> str:
    """Return *word* as Protobuf compares the values of an enum: without case and underscores."""
    return word.replace("_", "").lower()


def _comment(
    node: TypeDefinitionNode | FieldDefinitionNode | EnumValueDefinitionNode | None, indent: str
) -> Iterator[str]:
    if node is not None and node.description is not None:
        for line in node.description.value.splitlines():
            shown = "".join(character if character.isprintable() else " " for character in line)
            yield f"{indent}// {shown}".rstrip()
