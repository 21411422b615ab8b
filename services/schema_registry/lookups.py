"""Questions about subjects that several resources ask the registry's view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from commands import subjects
from commands.subjects import NewSchema
from core import schema_formats
from core.errors import InvalidInputError, NotFoundError, RegistryRefusalError
from core.registered_schema import RegisteredSchema, SchemaFormat, SchemaImport
from core.subjects import Subject
from projections.registry import Registry


class ParsedSchema(NamedTuple):
    """A schema that a client sent, with what it names resolved."""

    format: SchemaFormat
    text: str
    references: tuple[SchemaImport, ...]
    imports: Mapping[str, str]


def parsed(registry: Registry, new: NewSchema) -> ParsedSchema:
    """Return a schema as it would be registered.

    Raises:
        RegistryRefusalError: It is none, or names one that is not there.
    """
    references: list[SchemaImport] = []
    imports: dict[str, str] = {}
    for reference in new.references:
        try:
            subject = subject_in(registry, reference.subject)
            version = version_of(subject, reference.version)
        except RegistryRefusalError as error:
            raise RegistryRefusalError(
                subjects.INVALID_SCHEMA, f"Invalid schema: {reference.name} is named, and {error} Register it first."
            ) from error
        found = registry.schema(subject.id_of(version))
        references.append(msgspec.structs.replace(reference, version=version, schema_id=found.schema_id))
        imports |= {**found.imports, reference.name: found.schema}
    try:
        schema_format = schema_formats.format_of(new.schema_type)
        text = schema_formats.parse(schema_format, new.schema, imports, normalize=new.normalize)
    except InvalidInputError as error:
        raise RegistryRefusalError(subjects.INVALID_SCHEMA, f"Invalid schema: {error}") from error
    return ParsedSchema(schema_format, text, tuple(references), imports)


def subject_in(registry: Registry, name: str, *, with_deleted: bool = False) -> Subject:
    """Return a subject that has a version.

    Raises:
        RegistryRefusalError: There is none.
    """
    try:
        subject = registry.subject(name).state
    except NotFoundError as error:
        raise subjects.subject_not_found(name) from error
    if not subject.versions(with_deleted=with_deleted):
        raise subjects.subject_not_found(name)
    return subject


def version_of(subject: Subject, version: int, *, with_deleted: bool = False) -> int:
    """Return the number of a version, which may be `LATEST`.

    Raises:
        RegistryRefusalError: The subject has no such version.
    """
    versions = subject.versions(with_deleted=with_deleted)
    if version == subjects.LATEST:
        return versions[-1]
    if version not in versions:
        raise subjects.version_not_found(version)
    return version


def schema_of(registry: Registry, schema_id: int) -> RegisteredSchema:
    """Return the schema of an ID.

    Raises:
        RegistryRefusalError: The ID was never given.
    """
    try:
        return registry.schema(schema_id)
    except NotFoundError as error:
        raise RegistryRefusalError(subjects.SCHEMA_NOT_FOUND, f"Schema {schema_id} not found") from error


def uses_of(registry: Registry, schema_id: int, *, with_deleted: bool = False) -> Iterator[tuple[str, int]]:
    """Yield each subject and version that has the schema of an ID."""
    for row in registry.subjects():
        if schema_id in row.state.schema_ids:
            for version in row.state.versions(with_deleted=with_deleted):
                if row.state.id_of(version) == schema_id:
                    yield row.state.name, version


def names_of(found: Iterable[Subject], *, prefix: str, deleted: bool, deleted_only: bool) -> list[str]:
    """Return the names of the subjects that are asked for."""
    names = []
    for subject in found:
        is_used = bool(subject.versions())
        is_asked = not is_used if deleted_only else is_used or deleted
        if is_asked and subject.name.startswith(prefix):
            names.append(subject.name)
    return names
