"""Registered schemas: subjects with their versions, and the global IDs that stand in every record.

A schema text has one ID wherever it is registered, as in the Confluent schema registry. The record that registers a
new text also holds the first event of the aggregate `schema-id/<n>`, so that two registrations cannot take one ID.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from core.aggregates import LogEvent
from core.errors import FoldError
from core.registered_schema import RegisteredSchema, SchemaImport
from core.upcasting import Facts, upcasts

NOUN = "subject"
SCHEMA_ID_NOUN = "schema-id"
FINGERPRINT_NOUN = "schema-fingerprint"


class Referrer(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a subject that names a version of this one."""

    version: int
    """The version that is named."""
    by_subject: str
    by_version: int


class Subject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A name under which schemas are registered, as `<topic>-key` and `<topic>-value`."""

    name: str
    schema_ids: tuple[int, ...]
    """ID of version 1, 2, 3 …, with those that were deleted: a number is not given twice in a subject's life."""
    soft_deleted: tuple[int, ...] = ()
    """Versions that are no longer used, and can still be looked at."""
    deleted: tuple[int, ...] = ()
    """Versions that are gone."""
    referrers: tuple[Referrer, ...] = ()

    def versions(self, *, with_deleted: bool = False) -> list[int]:
        """Return the numbers of the versions in use, or with those that are deleted softly."""
        hidden = self.deleted if with_deleted else (*self.deleted, *self.soft_deleted)
        return [version for version in range(1, len(self.schema_ids) + 1) if version not in hidden]

    def id_of(self, version: int) -> int:
        """Return the ID of a version."""
        return self.schema_ids[version - 1]

    def is_referenced(self, version: int) -> bool:
        """Return whether a version of any subject names this one's *version*."""
        return any(referrer.version == version for referrer in self.referrers)


@dataclass(frozen=True)
class SubjectEvent(LogEvent):
    """Something that happened to a subject."""

    noun: ClassVar[str] = NOUN

    name: str


@dataclass(frozen=True)
class SchemaRegistered(SubjectEvent):
    """A subject got its next version."""

    version: int
    schema_id: int


@dataclass(frozen=True)
class SchemaVersionSoftDeleted(SubjectEvent):
    """A version is no longer used: new ones are not checked against it, and it is shown on demand only."""

    version: int


@dataclass(frozen=True)
class SchemaVersionDeleted(SubjectEvent):
    """A version was given up for good; with the last one the subject is gone. Its schema keeps its ID."""

    version: int


@dataclass(frozen=True)
class SubjectSoftDeleted(SubjectEvent):
    """No version of a subject is used any longer."""


@dataclass(frozen=True)
class SubjectDeleted(SubjectEvent):
    """A subject was given up for good; its schemas keep their IDs."""


@dataclass(frozen=True)
class SchemaReferenced(SubjectEvent):
    """A version is named by one of another subject, and can not be deleted while that one is in use."""

    version: int
    by_subject: str
    by_version: int


@dataclass(frozen=True)
class SchemaReleased(SubjectEvent):
    """A version is named no longer by one of another subject: that one was deleted."""

    version: int
    by_subject: str
    by_version: int


@dataclass(frozen=True)
class SchemaIdTaken(LogEvent):
    """An ID was given to a schema text, for ever. First event of `schema-id/<n>`."""

    noun: ClassVar[str] = SCHEMA_ID_NOUN
    class_version: ClassVar[int] = 2

    schema_id: int
    schema_type: str
    schema: str
    references: list[dict[str, object]]
    """The fields of `SchemaImport`, for each schema that it names."""


@upcasts("quick:SchemaIdTaken", 1)
def _without_references(facts: Facts) -> Facts:
    """No schema could name another one before."""
    return facts | {"references": []}


@dataclass(frozen=True)
class SchemaFingerprinted(LogEvent):
    """A schema text got its ID: found by the text's fingerprint, so that the same text is not numbered twice."""

    noun: ClassVar[str] = FINGERPRINT_NOUN

    fingerprint: str
    schema_id: int


def fingerprint(schema_type: str, schema: str, references: Iterable[SchemaImport] = ()) -> str:
    """Return what identifies a schema: its format, its text and what it names."""
    named = "".join(f"\n{one.name}\n{one.subject}\n{one.version}" for one in references)
    return hashlib.sha256(f"{schema_type}\n{schema}{named}".encode()).hexdigest()


def fold(subject: Subject | None, event: LogEvent) -> Subject | None:
    """Return *subject* after *event*; `None` in means unknown, `None` out means deleted."""
    match event:
        case SchemaRegistered() if subject is None:
            return Subject(name=event.name, schema_ids=(event.schema_id,))
        case SchemaRegistered() if subject is not None:
            return msgspec.structs.replace(subject, schema_ids=(*subject.schema_ids, event.schema_id))
        case SubjectDeleted() if subject is not None:
            return None
        case SubjectEvent() if subject is not None:
            return _changed(subject, event)
    raise FoldError(
        f"{event} does not follow on {subject}. The log was written by a program that disagrees with this one."
    )


def _changed(subject: Subject, event: SubjectEvent) -> Subject | None:
    match event:
        case SchemaVersionSoftDeleted():
            return msgspec.structs.replace(subject, soft_deleted=(*subject.soft_deleted, event.version))
        case SubjectSoftDeleted():
            return msgspec.structs.replace(subject, soft_deleted=tuple(subject.versions(with_deleted=True)))
        case SchemaVersionDeleted():
            return _without_version(subject, event.version)
        case SchemaReferenced():
            return msgspec.structs.replace(subject, referrers=(*subject.referrers, _referrer(event)))
        case SchemaReleased():
            released = _referrer(event)
            kept = tuple(referrer for referrer in subject.referrers if referrer != released)
            return msgspec.structs.replace(subject, referrers=kept)
    raise FoldError(f"{event} means nothing to this program. A newer version wrote it: upgrade this one.")


def _without_version(subject: Subject, version: int) -> Subject | None:
    left = msgspec.structs.replace(
        subject,
        soft_deleted=tuple(one for one in subject.soft_deleted if one != version),
        deleted=(*subject.deleted, version),
    )
    return left if left.versions(with_deleted=True) else None


def _referrer(event: SchemaReferenced | SchemaReleased) -> Referrer:
    return Referrer(version=event.version, by_subject=event.by_subject, by_version=event.by_version)


def fold_schema_id(schema: RegisteredSchema | None, event: LogEvent) -> RegisteredSchema | None:
    """Return the schema of an ID after *event*; the texts that it names are left to whoever looks it up."""
    if isinstance(event, SchemaIdTaken) and schema is None:
        return RegisteredSchema(
            schema_id=event.schema_id,
            schema_type=event.schema_type,
            schema=event.schema,
            references=msgspec.convert(tuple(event.references), tuple[SchemaImport, ...]),
        )
    raise FoldError(f"{event} does not follow on {schema}: a schema ID never changes.")


def fold_fingerprint(schema_id: int | None, event: LogEvent) -> int | None:
    """Return the ID of a fingerprint after *event*."""
    if isinstance(event, SchemaFingerprinted) and schema_id is None:
        return event.schema_id
    raise FoldError(f"{event} does not follow on {schema_id}: a schema ID never changes.")
