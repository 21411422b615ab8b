"""Schemas as clients send and get them."""

from __future__ import annotations

from typing import Any

import falcon.asgi
import msgspec

from commands import subjects
from commands.subjects import NewSchema
from core.errors import RegistryRefusalError
from core.registered_schema import RegisteredSchema, SchemaFormat, SchemaImport
from services.request_body import read_struct
from services.schema_registry.answers import flag


class ReferenceBody(msgspec.Struct, frozen=True):
    """A schema that another one names."""

    name: str
    subject: str
    version: int


class RegisteredSchemaBody(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A schema, with its place where it is asked for under a subject."""

    schema: str
    schema_type: str | None = None
    """Left out for Avro, which was the only type for years."""
    references: list[ReferenceBody] = []
    subject: str | None = None
    version: int | None = None
    id: int | None = None
    max_id: int | None = None


class NewSchemaBody(msgspec.Struct, frozen=True, rename="camel"):
    """A schema that is to be registered, found or checked; ID and version cannot be chosen."""

    schema: str | None = None
    schema_type: str | None = None
    references: list[ReferenceBody] | None = None
    id: int | None = None
    version: int | None = None
    metadata: Any = None
    rule_set: Any = None


async def read_schema(req: falcon.asgi.Request) -> NewSchema:
    """Return the schema in the body of *req*.

    Raises:
        InvalidInputError: The body cannot be used.
        RegistryRefusalError: It has no schema, or asks for what is not kept here.
    """
    body = await read_struct(req, NewSchemaBody)
    if not body.schema:
        raise RegistryRefusalError(subjects.INVALID_SCHEMA, "Empty schema. Send one as the field `schema`.")
    if any(number is not None and number >= 0 for number in (body.id, body.version)):
        raise RegistryRefusalError(
            subjects.NOT_PERMITTED, "Registering with a given id or version needs the mode IMPORT, which is not there."
        )
    if body.metadata or body.rule_set:
        raise RegistryRefusalError(
            subjects.INVALID_SCHEMA, "Invalid schema: metadata and rules are not kept here. Leave them out."
        )
    return NewSchema(
        schema_type=body.schema_type or SchemaFormat.AVRO,
        schema=body.schema,
        references=tuple(
            SchemaImport(name=one.name, subject=one.subject, version=one.version) for one in body.references or ()
        ),
        normalize=flag(req, "normalize"),
    )


def schema_body(
    schema: RegisteredSchema, *, subject: str | None = None, version: int | None = None, max_id: int | None = None
) -> RegisteredSchemaBody:
    """Return a schema as clients get it; its ID only together with its place."""
    return RegisteredSchemaBody(
        schema=schema.schema,
        schema_type=None if schema.schema_type == SchemaFormat.AVRO else schema.schema_type,
        references=[ReferenceBody(one.name, one.subject, one.version) for one in schema.references],
        subject=subject,
        version=version,
        id=None if subject is None else schema.schema_id,
        max_id=max_id,
    )
