"""Subjects of the schema registry: register schemas under global IDs, delete versions, say how schemas may change.

A text has one ID wherever it is registered. The command that registers a new text takes the smallest free ID in the
same record, so two registrations at the same time never share one, and never give one text two.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import msgspec

from commands.decisions import Caller, Commands, Consulted
from core import compatibility, schema_formats, subjects
from core.aggregates import LogEvent, Stream
from core.compatibility import CompatibilityLevel
from core.errors import IncompatibleSchemaError, InvalidInputError, RegistryRefusalError, UnavailableError
from core.registered_schema import RegisteredSchema, SchemaFormat, SchemaImport, with_imports
from core.schema_formats import SchemaText

SUBJECT_NOT_FOUND: Final = 40401
VERSION_NOT_FOUND: Final = 40402
SCHEMA_NOT_FOUND: Final = 40403
SUBJECT_SOFT_DELETED: Final = 40404
SUBJECT_NOT_SOFT_DELETED: Final = 40405
VERSION_SOFT_DELETED: Final = 40406
VERSION_NOT_SOFT_DELETED: Final = 40407
LEVEL_NOT_SET: Final = 40408
INVALID_SCHEMA: Final = 42201
INVALID_VERSION: Final = 42202
INVALID_LEVEL: Final = 42203
NOT_PERMITTED: Final = 42205
REFERENCE_EXISTS: Final = 42206
INVALID_SUBJECT: Final = 42208

LATEST: Final = -1
"""Stands for the latest version, as in Confluent's API."""

_RESERVED: Final = ("__GLOBAL", "__EMPTY")
_MAX_NAME_CHARS: Final = 1000

_TURN_TIMEOUT_S: Final = 20.0

_registering = threading.Lock()
"""Registrations of one process take turns: all of them want the next free ID, and only one gets it."""


class NewSchema(NamedTuple):
    """What a caller wants to register."""

    schema_type: str
    schema: str
    references: tuple[SchemaImport, ...] = ()
    normalize: bool = False


class Registration(NamedTuple):
    """What comes of a schema under a subject."""

    schema_id: int
    version: int
    schema: str
    """The text that the ID stands for."""
    events: list[LogEvent]
    """Nothing when the subject has the schema already."""
    is_new_elsewhere: bool = False
    """Whether another registry has made the subject for it."""


def register_schema(commands: Commands, caller: Caller, subject: str, new: NewSchema) -> tuple[int, int | None]:
    """Register a schema under a subject; return its ID and the command's position, `None` when it is there already.

    Raises:
        RegistryRefusalError: The subject's name or the schema cannot be used, or it names a schema that is not there.
        IncompatibleSchemaError: It does not go with the earlier versions.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    check_subject(subject)
    found: list[Registration] = []

    def decide(consulted: Consulted) -> list[LogEvent]:
        try:
            registration = register(consulted, subject, new)
        except InvalidInputError as error:
            raise RegistryRefusalError(INVALID_SCHEMA, f"Invalid schema: {error}") from error
        found[:] = [registration]
        return registration.events

    with _turn():
        position = commands.carry_out(caller, "register_schema", f"subject/{subject}", decide)
    if position is None:
        return found[0].schema_id, None
    return next(e.schema_id for e in commands.events_at(position) if isinstance(e, subjects.SchemaRegistered)), position


def register(consulted: Consulted, subject: str, new: NewSchema) -> Registration:
    """Return what registers a schema under a subject, as its next version unless it has the schema already.

    Raises:
        InvalidInputError: It is no schema of its type; says where and why.
        RegistryRefusalError: It names a schema that is not there.
        IncompatibleSchemaError: It does not go with the earlier versions.
    """
    schema_format = schema_formats.format_of(new.schema_type)
    references, imports = _resolved(consulted, new.references)
    text = schema_formats.parse(schema_format, new.schema, imports, normalize=new.normalize)
    stream = consulted.subject(subject)
    if stream.state is not None:
        for version in reversed(stream.state.versions()):
            old = _schema(consulted, stream.state.id_of(version))
            if schema_formats.is_same(schema_format, text, references, old, normalize=new.normalize):
                return Registration(old.schema_id, version, old.schema, [])
        _check_compatible(consulted, stream.state, schema_format, SchemaText(text, imports))
    known = _known_id(consulted, schema_format, (new.schema, text), references)
    schema_id, events = _take_id(consulted, schema_format, text, references) if known is None else (known, [])
    version = 1 if stream.state is None else len(stream.state.schema_ids) + 1
    registered = consulted.record(
        stream, subjects.fold, subjects.SchemaRegistered, name=subject, version=version, schema_id=schema_id
    )
    named = _reference_events(consulted, subjects.SchemaReferenced, references, subject, version)
    return Registration(schema_id, version, _schema(consulted, schema_id).schema, [registered, *events, *named])


def delete_version(
    commands: Commands, caller: Caller, subject: str, version: int, *, permanent: bool
) -> tuple[int, int | None]:
    """Delete a version softly, or for good what was deleted softly; return its number and the command's position.

    Raises:
        RegistryRefusalError: There is none, it is deleted already or not yet softly, or another schema names it.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """

    def decide(consulted: Consulted) -> list[LogEvent]:
        stream = consulted.subject(subject)
        state = _existing(stream, subject)
        number = _version_to_delete(state, version, permanent=permanent)
        if state.is_referenced(number):
            raise _referenced(subject, number)
        if permanent:
            return [
                consulted.record(stream, subjects.fold, subjects.SchemaVersionDeleted, name=subject, version=number)
            ]
        soft = consulted.record(stream, subjects.fold, subjects.SchemaVersionSoftDeleted, name=subject, version=number)
        return [soft, *_released(consulted, state, [number])]

    position = commands.carry_out(caller, "delete_schema_version", f"subject/{subject}", decide)
    assert position is not None, "a deletion always has events"
    deleted = (subjects.SchemaVersionSoftDeleted, subjects.SchemaVersionDeleted)
    return next(e.version for e in commands.events_at(position) if isinstance(e, deleted)), position


def delete_subject(
    commands: Commands, caller: Caller, subject: str, *, permanent: bool
) -> tuple[list[int], int | None]:
    """Delete a subject softly, or for good one that was deleted softly; return its versions and the position.

    Raises:
        RegistryRefusalError: There is none, it is deleted already or not yet softly, or another schema names it.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """

    def decide(consulted: Consulted) -> list[LogEvent]:
        stream = consulted.subject(subject)
        state = _existing(stream, subject)
        in_use = state.versions()
        if not permanent and not in_use:
            raise RegistryRefusalError(
                SUBJECT_SOFT_DELETED, f"Subject '{subject}' was soft deleted. Set permanent=true to delete permanently"
            )
        if permanent and in_use:
            raise RegistryRefusalError(
                SUBJECT_NOT_SOFT_DELETED, f"Subject '{subject}' was not deleted first before being permanently deleted"
            )
        for version in in_use:
            if any(one.version == version and one.by_subject != subject for one in state.referrers):
                raise _referenced(subject, version)
        return subject_deletion(consulted, subject, permanent=permanent)

    position = commands.carry_out(caller, "delete_subject", f"subject/{subject}", decide)
    assert position is not None, "a deletion always has events"
    deletions = (subjects.SubjectSoftDeleted, subjects.SubjectDeleted)
    deleted = next(event for event in commands.events_at(position) if isinstance(event, deletions))
    before = commands.stream(deleted.originator_id, subjects.fold, version=deleted.originator_version - 1).state
    assert before is not None, "it was deleted"
    return before.versions(with_deleted=permanent), position


def subject_deletion(consulted: Consulted, subject: str, *, permanent: bool) -> list[LogEvent]:
    """Return the events that delete a subject with its level and with what it names; none when it does not exist."""
    stream = consulted.subject(subject)
    if stream.state is None:
        return []
    released = _released(consulted, stream.state, stream.state.versions())
    stream = consulted.subject(subject)
    kind = subjects.SubjectDeleted if permanent else subjects.SubjectSoftDeleted
    events = [*released, consulted.record(stream, subjects.fold, kind, name=subject)]
    level = consulted.compatibility(subject)
    if level.state is not None:
        reset = compatibility.CompatibilityLevelReset
        events.append(consulted.record(level, compatibility.fold, reset, name=subject))
    return events


def set_compatibility(commands: Commands, caller: Caller, name: str, level: str) -> int | None:
    """Set the level of a subject, or of all others with `GLOBAL`; return the position, `None` when it is so already.

    Raises:
        RegistryRefusalError: There is no such level, or no subject can be called so.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    if name != compatibility.GLOBAL:
        check_subject(name)
    wanted = level_of(level)

    def decide(consulted: Consulted) -> list[LogEvent]:
        stream = consulted.compatibility(name)
        if stream.state is not None and stream.state.level is wanted:
            return []
        return [stream.record(compatibility.CompatibilityLevelSet, name=name, level=wanted.value)]

    return commands.carry_out(caller, "set_compatibility", f"compatibility/{name}", decide)


def reset_compatibility(commands: Commands, caller: Caller, name: str) -> tuple[CompatibilityLevel, int | None]:
    """Take back the level of a subject, or the global one; return what counted, and the position.

    Raises:
        RegistryRefusalError: The subject has no level of its own.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    before: list[CompatibilityLevel] = []

    def decide(consulted: Consulted) -> list[LogEvent]:
        stream = consulted.compatibility(name)
        if stream.state is None:
            if name != compatibility.GLOBAL:
                raise subject_not_found(name)
            before[:] = [compatibility.DEFAULT]
            return []
        before[:] = [stream.state.level]
        return [stream.record(compatibility.CompatibilityLevelReset, name=name)]

    position = commands.carry_out(caller, "reset_compatibility", f"compatibility/{name}", decide)
    return before[0] if before else compatibility.DEFAULT, position


def check_subject(name: str) -> None:
    """Refuse what no subject can be called.

    Raises:
        RegistryRefusalError: Says why.
    """
    if not name or name in _RESERVED or len(name) > _MAX_NAME_CHARS or not name.isprintable():
        raise RegistryRefusalError(
            INVALID_SUBJECT,
            f"The specified subject '{name[:_MAX_NAME_CHARS]}' is not a valid. Use 1 to {_MAX_NAME_CHARS} printable"
            f" characters, and none of {', '.join(_RESERVED)}.",
        )


def level_of(text: str) -> CompatibilityLevel:
    """Return the level that *text* names in any letter case.

    Raises:
        RegistryRefusalError: There is no such level.
    """
    try:
        return CompatibilityLevel(text.upper())
    except ValueError as error:
        raise RegistryRefusalError(
            INVALID_LEVEL,
            f"Invalid compatibility level {text!r}. Valid values are {', '.join(CompatibilityLevel)}.",
        ) from error


def level_not_set(subject: str) -> RegistryRefusalError:
    """Return the refusal for a subject without a level of its own."""
    return RegistryRefusalError(
        LEVEL_NOT_SET, f"Subject '{subject}' does not have subject-level compatibility configured"
    )


def subject_not_found(subject: str) -> RegistryRefusalError:
    """Return the refusal for a subject that does not exist."""
    return RegistryRefusalError(SUBJECT_NOT_FOUND, f"Subject '{subject}' not found.")


def version_not_found(version: int) -> RegistryRefusalError:
    """Return the refusal for a version that does not exist."""
    return RegistryRefusalError(VERSION_NOT_FOUND, f"Version {version} not found.")


def _existing(stream: Stream[subjects.Subject], subject: str) -> subjects.Subject:
    if stream.state is None:
        raise subject_not_found(subject)
    return stream.state


def _version_to_delete(subject: subjects.Subject, version: int, *, permanent: bool) -> int:
    """Return the number of a version that can be deleted in this way."""
    in_use, left = subject.versions(), subject.versions(with_deleted=True)
    if version == LATEST:
        version = max(left if permanent else in_use, default=0)
    if version not in left:
        raise version_not_found(version)
    if permanent and version in in_use:
        raise RegistryRefusalError(
            VERSION_NOT_SOFT_DELETED,
            f"Subject '{subject.name}' Version {version} was not deleted first before being permanently deleted",
        )
    if not permanent and version not in in_use:
        raise RegistryRefusalError(
            VERSION_SOFT_DELETED,
            f"Subject '{subject.name}' Version {version} was soft deleted. Set permanent=true to delete permanently",
        )
    return version


def _referenced(subject: str, version: int) -> RegistryRefusalError:
    return RegistryRefusalError(
        REFERENCE_EXISTS,
        f"One or more references exist to the schema {{subject={subject},version={version}}}."
        f" Ask for /subjects/{subject}/versions/{version}/referencedby, and delete those first.",
    )


def _resolved(
    consulted: Consulted, references: Iterable[SchemaImport]
) -> tuple[tuple[SchemaImport, ...], dict[str, str]]:
    """Return references with their versions and IDs, and the texts of all that they name."""
    resolved: list[SchemaImport] = []
    imports: dict[str, str] = {}
    for reference in references:
        state = consulted.subject(reference.subject).state
        versions = [] if state is None else state.versions()
        version = max(versions, default=0) if reference.version == LATEST else reference.version
        if state is None or version not in versions:
            raise RegistryRefusalError(
                INVALID_SCHEMA,
                f"Invalid schema: No schema reference found for subject '{reference.subject}' and version"
                f" {reference.version}, which {reference.name} names. Register it first.",
            )
        schema_id = state.id_of(version)
        resolved.append(msgspec.structs.replace(reference, version=version, schema_id=schema_id))
        found = _schema(consulted, schema_id)
        imports |= {**found.imports, reference.name: found.schema}
    return tuple(resolved), imports


def _schema(consulted: Consulted, schema_id: int) -> RegisteredSchema:
    """Return a schema that a subject has, with the texts of those that it names."""

    def known(number: int) -> RegisteredSchema:
        schema = consulted.known_schema(number)
        assert schema is not None, "an ID is given before anything names it"
        return schema

    return with_imports(known(schema_id), known)


def _check_compatible(
    consulted: Consulted, subject: subjects.Subject, schema_format: SchemaFormat, new: SchemaText
) -> None:
    level = _level(consulted, subject.name)
    versions = subject.versions() if level.is_transitive else subject.versions()[-1:]
    reasons = [
        f"{reason} (version {version})"
        for version in reversed(versions)
        for reason in schema_formats.incompatibilities(
            level, schema_format, new, _schema(consulted, subject.id_of(version))
        )
    ]
    if reasons:
        raise IncompatibleSchemaError(
            f"The schema is incompatible with an earlier one of subject '{subject.name}', whose level is {level}:",
            reasons,
        )


def _level(consulted: Consulted, subject: str) -> CompatibilityLevel:
    own = consulted.compatibility(subject).state
    if own is not None:
        return own.level
    everywhere = consulted.compatibility(compatibility.GLOBAL).state
    return compatibility.DEFAULT if everywhere is None else everywhere.level


def _known_id(
    consulted: Consulted, schema_format: SchemaFormat, texts: Iterable[str], references: tuple[SchemaImport, ...]
) -> int | None:
    """Return the ID of a text; topics of earlier versions have registered texts that are not canonical."""
    for text in dict.fromkeys(texts):
        known = consulted.fingerprint(subjects.fingerprint(schema_format, text, references)).state
        if known is not None:
            return known
    return None


def _take_id(
    consulted: Consulted, schema_format: SchemaFormat, text: str, references: tuple[SchemaImport, ...]
) -> tuple[int, list[LogEvent]]:
    """Return the next free ID, and the events that give it to a text."""
    schema_id = _first_free_id(consulted)
    while (stream := consulted.schema_id(schema_id)).state is not None:
        schema_id += 1  # Somebody has taken it since it was found.
    taken = consulted.record(
        stream,
        subjects.fold_schema_id,
        subjects.SchemaIdTaken,
        schema_id=schema_id,
        schema_type=schema_format.value,
        schema=text,
        references=[msgspec.to_builtins(reference) for reference in references],
    )
    fingerprint = subjects.fingerprint(schema_format, text, references)
    noted = consulted.record(
        consulted.fingerprint(fingerprint),
        subjects.fold_fingerprint,
        subjects.SchemaFingerprinted,
        fingerprint=fingerprint,
        schema_id=schema_id,
    )
    return schema_id, [taken, noted]


def _first_free_id(consulted: Consulted) -> int:
    """Return the smallest ID above all taken ones; they are taken without gaps, so it is found by halving."""
    taken, free = 0, 1
    while consulted.known_schema(free) is not None:
        taken, free = free, 2 * free
    while free - taken > 1:
        middle = (taken + free) // 2
        if consulted.known_schema(middle) is not None:
            taken = middle
        else:
            free = middle
    return free


def _released(consulted: Consulted, subject: subjects.Subject, versions: Iterable[int]) -> list[LogEvent]:
    """Return what releases the schemas that *versions* name."""
    events: list[LogEvent] = []
    for version in versions:
        references = _schema(consulted, subject.id_of(version)).references
        events += _reference_events(consulted, subjects.SchemaReleased, references, subject.name, version)
    return events


def _reference_events(
    consulted: Consulted,
    kind: type[subjects.SchemaReferenced | subjects.SchemaReleased],
    references: Iterable[SchemaImport],
    subject: str,
    version: int,
) -> list[LogEvent]:
    events = []
    for named in dict.fromkeys((reference.subject, reference.version) for reference in references):
        stream = consulted.subject(named[0])
        if stream.state is None:
            continue  # It was deleted with its topic.
        events.append(
            consulted.record(
                stream, subjects.fold, kind, name=named[0], version=named[1], by_subject=subject, by_version=version
            )
        )
    return events


@contextmanager
def _turn() -> Iterator[None]:
    if not _registering.acquire(timeout=_TURN_TIMEOUT_S):
        raise UnavailableError("Too many schemas are being registered at the same time. Try again.")
    try:
        yield
    finally:
        _registering.release()
