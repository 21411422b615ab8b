"""The formats of registered schemas: one place that knows what can be registered, and how two schemas compare."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from core.avro_compatibility import Side, avro_incompatibilities
from core.avro_text import canonical_avro
from core.compatibility import CompatibilityLevel
from core.errors import InvalidInputError, UnavailableError
from core.protobuf_compatibility import incompatibilities as protobuf_incompatibilities
from core.protobuf_compiler import canonical_protobuf, compile_protobuf
from core.registered_schema import RegisteredSchema, SchemaFormat, SchemaImport


class SchemaText(NamedTuple):
    """A schema, and the texts of those that it names."""

    schema: str
    imports: Mapping[str, str] = {}


def format_of(schema_type: str) -> SchemaFormat:
    """Return the format with this name, as the Confluent registry writes it.

    Raises:
        InvalidInputError: Schemas of this format cannot be registered here.
    """
    try:
        return SchemaFormat(schema_type)
    except ValueError as error:
        raise InvalidInputError(
            f"schema type {schema_type} is not supported here. Choose {' or '.join(SchemaFormat)}."
        ) from error


def parse(
    schema_format: SchemaFormat,
    text: str,
    imports: Mapping[str, str] = {},
    *,
    normalize: bool = False,
) -> str:
    """Return the canonical text of a schema: two that differ only in how they are written have the same one.

    Args:
        schema_format: The format of *text*.
        text: The schema.
        imports: Texts of the schemas that it names, by the name under which it names them.
        normalize: Go further where the format has more ways to write the same.

    Raises:
        InvalidInputError: It is no schema of this format; says where and why.
        UnavailableError: The Protobuf compiler could not be run.
    """
    match schema_format:
        case SchemaFormat.AVRO:
            return canonical_avro(text, imports, normalize=normalize)
        case SchemaFormat.PROTOBUF:
            return canonical_protobuf(text, imports)


@lru_cache(1024)
def canonical_text(schema_type: str, text: str, *, normalize: bool = False) -> str:
    """Return the canonical text of a schema that is registered already, and names no other one.

    What an older version has registered may not be canonical; what this one cannot read stays as it is.
    """
    try:
        return parse(format_of(schema_type), text, normalize=normalize)
    except (InvalidInputError, UnavailableError):
        return text


def is_same(
    schema_format: SchemaFormat,
    text: str,
    references: tuple[SchemaImport, ...],
    old: RegisteredSchema,
    *,
    normalize: bool,
) -> bool:
    """Return whether *old* is the schema with the canonical text *text* and these references."""
    if old.schema_type != schema_format or len(old.references) != len(references):
        return False
    if references and [_reference(one) for one in references] != [_reference(one) for one in old.references]:
        return False
    return text == old.schema or text == (
        parse(schema_format, old.schema, old.imports, normalize=normalize)
        if references
        else canonical_text(old.schema_type, old.schema, normalize=normalize)
    )


def incompatibilities(
    level: CompatibilityLevel, schema_format: SchemaFormat, new: SchemaText, old: RegisteredSchema
) -> list[str]:
    """Return why *new* may not follow *old* at this level; nothing when it may.

    Raises:
        InvalidInputError: The two are too large or nested too deep to be compared.
    """
    if level is CompatibilityLevel.NONE:
        return []
    if old.schema_type != schema_format:
        ways_out = f"Stay with {old.schema_type}, or register it under another subject."
        return [
            f"The earlier schema is {old.schema_type}, this one {schema_format}: neither reads the other. {ways_out}"
        ]
    earlier = SchemaText(old.schema, old.imports)
    backward = _backward_incompatibilities(schema_format, new, earlier) if level.is_backward else []
    forward = _forward_incompatibilities(schema_format, new, earlier) if level.is_forward else []
    return [*backward, *forward]


def _backward_incompatibilities(schema_format: SchemaFormat, new: SchemaText, old: SchemaText) -> list[str]:
    """Return why *new* cannot read what *old* wrote."""
    match schema_format:
        case SchemaFormat.AVRO:
            return avro_incompatibilities(Side("new", *new), Side("old", *old))
        case SchemaFormat.PROTOBUF:
            return protobuf_incompatibilities(compile_protobuf(*new), compile_protobuf(*old))


def _forward_incompatibilities(schema_format: SchemaFormat, new: SchemaText, old: SchemaText) -> list[str]:
    """Return why *old* cannot read what *new* writes."""
    match schema_format:
        case SchemaFormat.AVRO:
            return avro_incompatibilities(Side("old", *old), Side("new", *new))
        case SchemaFormat.PROTOBUF:
            return protobuf_incompatibilities(compile_protobuf(*old), compile_protobuf(*new))


def _reference(reference: SchemaImport) -> tuple[str, str, int]:
    return reference.name, reference.subject, reference.version
