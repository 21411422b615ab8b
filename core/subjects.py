"""Registered schemas: subjects with their versions, and the global IDs that stand in every record.

A schema text has one ID wherever it is registered, as in the Confluent schema registry. The record that registers a
new text also holds the first event of the aggregate `schema-id/<n>`, so that two registrations cannot take one ID.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from core.aggregates import LogEvent
from core.errors import FoldError
from core.registered_schema import RegisteredSchema

NOUN = "subject"
SCHEMA_ID_NOUN = "schema-id"
FINGERPRINT_NOUN = "schema-fingerprint"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A name under which schemas are registered, `<topic>-key` or `<topic>-value`."""

    name: str
    schema_ids: tuple[int, ...]
    """ID of version 1, 2, 3 …"""


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
class SubjectDeleted(SubjectEvent):
    """A subject was given up; its schemas keep their IDs."""


@dataclass(frozen=True)
class SchemaIdTaken(LogEvent):
    """An ID was given to a schema text, for ever. First event of `schema-id/<n>`."""

    noun: ClassVar[str] = SCHEMA_ID_NOUN

    schema_id: int
    schema_type: str
    schema: str


@dataclass(frozen=True)
class SchemaFingerprinted(LogEvent):
    """A schema text got its ID: found by the text's fingerprint, so that the same text is not numbered twice."""

    noun: ClassVar[str] = FINGERPRINT_NOUN

    fingerprint: str
    schema_id: int


def fingerprint(schema_type: str, schema: str) -> str:
    """Return what identifies a schema text."""
    return hashlib.sha256(f"{schema_type}\n{schema}".encode()).hexdigest()


def fold(subject: Subject | None, event: LogEvent) -> Subject | None:
    """Return *subject* after *event*; `None` in means unknown, `None` out means deleted."""
    match event:
        case SchemaRegistered():
            known = () if subject is None else subject.schema_ids
            return Subject(name=event.name, schema_ids=(*known, event.schema_id))
        case SubjectDeleted() if subject is not None:
            return None
    raise FoldError(
        f"{event} does not follow on {subject}. The log was written by a program that disagrees with this one."
    )


def fold_schema_id(schema: RegisteredSchema | None, event: LogEvent) -> RegisteredSchema | None:
    """Return the schema of an ID after *event*."""
    if isinstance(event, SchemaIdTaken) and schema is None:
        return RegisteredSchema(schema_id=event.schema_id, schema_type=event.schema_type, schema=event.schema)
    raise FoldError(f"{event} does not follow on {schema}: a schema ID never changes.")


def fold_fingerprint(schema_id: int | None, event: LogEvent) -> int | None:
    """Return the ID of a fingerprint after *event*."""
    if isinstance(event, SchemaFingerprinted) and schema_id is None:
        return event.schema_id
    raise FoldError(f"{event} does not follow on {schema_id}: a schema ID never changes.")
