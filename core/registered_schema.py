"""Schemas with a global ID: what a record's frame names, whichever registry gave the ID."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from core.errors import InvalidInputError


class SchemaFormat(StrEnum):
    """How records of type `SCHEMA` are written; the words are those of the Confluent schema registry."""

    AVRO = "AVRO"
    PROTOBUF = "PROTOBUF"

    @classmethod
    def parse(cls, text: str) -> SchemaFormat:
        """Return the format that *text* names in any letter case.

        Raises:
            InvalidInputError: There is no such format.
        """
        try:
            return cls(text.upper())
        except ValueError as error:
            choices = " or ".join(choice.capitalize() for choice in cls)
            raise InvalidInputError(f"{text!r} is no format of schemas. Choose {choices}.") from error


class SchemaImport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A schema that another one names: Confluent calls it a reference."""

    name: str
    """The imported file of a Protobuf schema, the full name of an Avro type."""
    subject: str
    version: int
    schema_id: int | None = None
    """Its ID where our own registry gave it: an ID keeps its text when the version is deleted."""


class RegisteredSchema(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A schema text and its global ID."""

    schema_id: int
    schema_type: str
    """A `SchemaFormat`, or the word of a registry for a format that this program does not read."""
    schema: str
    references: tuple[SchemaImport, ...] = ()
    """Always resolved by whoever looks the schema up: nobody else asks a registry."""
    imports: dict[str, str] = {}
    """Text of every schema that it names, directly or not, by the name it is imported under."""


SchemaLookup = Callable[[int], RegisteredSchema]
"""Gives the schema with an ID; raises NotFoundError for an ID that no schema has."""


def with_imports(schema: RegisteredSchema, lookup: SchemaLookup) -> RegisteredSchema:
    """Return *schema* with the texts of all schemas that it names, directly or not.

    Args:
        schema: A schema whose references have IDs.
        lookup: Gives the schemas that it names; their own imports make no difference.

    Raises:
        NotFoundError: An ID was never given.
    """
    if not schema.references:
        return schema
    imports: dict[str, str] = {}
    waiting = list(schema.references)
    while waiting:
        reference = waiting.pop(0)
        if reference.schema_id is None or reference.name in imports:
            continue
        found = lookup(reference.schema_id)
        imports[reference.name] = found.schema
        waiting.extend(found.references)
    return msgspec.structs.replace(schema, imports=imports)
