"""Create, change and delete topics; each topic brings its mirror, and its schema where it has one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from commands import mirrors as mirror_commands
from commands import schemas, subjects
from commands.decisions import Caller, Commands, Consulted
from commands.mirrors import NewMirror
from commands.registrars import Registrar, registrar_for
from core import mirrors, topics
from core.aggregates import LogEvent
from core.comparable_fields import lost_fields
from core.errors import (
    ConflictError,
    IncompatibleSchemaError,
    InvalidInputError,
    KafkaRefusedError,
    QuickError,
)
from core.external_schemas import ExternalRegistry
from core.kafka_admin import KafkaAdmin
from core.log_topic import REPLICATED_CONFIG
from core.mirrors import MirrorDefinition
from core.registered_schema import SchemaFormat
from core.settings import Settings
from core.topic_safety import unsafe_settings
from core.topics import TopicSchema, WriteType
from core.types import TopicType

logger = logging.getLogger(__name__)

SIDES: Final = ("key", "value")
"""Both have a type and, where that is `SCHEMA`, a subject."""

COMPACTED: Mapping[str, str] = {"cleanup.policy": "compact"}
"""Settings of a mutable topic whose mirror keeps last values alone: that of each key is kept for ever."""

KEPT_FOR_EVER: Mapping[str, str] = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""Settings of an immutable topic, where the first record of each key wins and must never be removed, and of one whose
mirror has a range field: it keeps all records of a key, and is built from them again.

With replicas an immutable topic has those of the command log beside them: what was acknowledged survives the loss of a
broker.
"""


MAX_PARTITIONS: Final = 10_000
"""What Kafka creates in one request at most; librdkafka takes no number beyond it in a way that says why."""


class SchemaReference(NamedTuple):
    """A type of a gateway's schema, `GATEWAY.TYPE` on the command line."""

    gateway: str
    type: str


class _Converted(NamedTuple):
    """A gateway's type as a schema that is not registered yet."""

    reference: SchemaReference
    sdl: str
    schema_format: SchemaFormat
    schema: str


class NewTopic(NamedTuple):
    """What a caller asks for."""

    name: str
    key_type: TopicType
    value_type: TopicType
    value_schema: SchemaReference | None = None
    key_schema: SchemaReference | None = None
    write_type: WriteType = WriteType.MUTABLE
    schema_format: SchemaFormat | None = None
    """How its records of type schema are written; `None` for the deployment's format."""
    partitions: int | None = None
    """`None` for the deployment's number."""
    config: Mapping[str, str] = {}
    """Settings of the Kafka topic beside those that its write type and its mirror bring."""
    mirror: MirrorDefinition = MirrorDefinition()
    """What its mirror keeps."""


class SchemaChange(NamedTuple):
    """What comes of another schema for a topic."""

    schema: TopicSchema
    is_changed: bool
    """Whether it is another one than before."""
    position: int | None
    """`None` where nothing was recorded."""


def create_topic(
    commands: Commands,
    kafka: KafkaAdmin,
    settings: Settings,
    caller: Caller,
    new: NewTopic,
    *,
    registry: ExternalRegistry | None = None,
) -> int:
    """Declare a topic with its mirror and schema; return the command's position.

    What Kafka, or a schema *registry* elsewhere, would refuse is refused before anything is recorded.

    Raises:
        InvalidInputError: The name, the types or the schema cannot be used, or the mirror cannot keep what it is to.
        NotFoundError: The gateway that the schema is taken from does not exist.
        ConflictError: The topic or its mirror exists already, or its subject with a schema that this one is
            incompatible with.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    topics.check_name(new.name)
    _check_types(new)
    _check_partitions(new)
    new_mirror = NewMirror(new.name, definition=mirror_commands.checked(new.mirror))
    config = _config(new, settings.replication_factor)
    partitions = settings.partitions if new.partitions is None else new.partitions
    registrar = registrar_for(registry)

    def decide(consulted: Consulted) -> list[LogEvent]:
        _preflight(kafka, settings, new.name, partitions, config)
        topic = consulted.topic(new.name)
        if topic.state is not None:
            raise ConflictError(f'Topic "{new.name}" already exists in Registry')
        key_schema, key_events = _registered(consulted, registrar, settings, new, "key", new.key_type, new.key_schema)
        value_schema, value_events = _registered(
            consulted, registrar, settings, new, "value", new.value_type, new.value_schema
        )
        created = consulted.record(
            topic,
            topics.fold,
            topics.TopicCreated,
            name=new.name,
            write_type=new.write_type.value,
            key_type=new.key_type.value,
            value_type=new.value_type.value,
            partitions=partitions,
            replication_factor=settings.replication_factor,
            config=config,
            value_schema=value_schema and msgspec.to_builtins(value_schema),
            key_schema=key_schema and msgspec.to_builtins(key_schema),
        )
        mirror_created = mirror_commands.mirror_created(consulted, settings, new_mirror)
        return [created, mirror_created, *key_events, *value_events]

    position = commands.carry_out(caller, "create_topic", f"topic/{new.name}", decide)
    assert position is not None, "creating a topic always has events"
    return position


def change_schema(
    commands: Commands,
    settings: Settings,
    caller: Caller,
    name: str,
    side: str,
    reference: SchemaReference,
    *,
    dry_run: bool = False,
    registry: ExternalRegistry | None = None,
) -> SchemaChange:
    """Let new records of a topic be written with another type, or with a gateway's type as it is now.

    It becomes the next version of the topic's subject, unless the subject has it. Records that are there stay readable.

    Args:
        commands: The command log.
        settings: How schemas are made.
        caller: Who asks and why.
        name: The topic.
        side: `key` or `value`.
        reference: The type.
        dry_run: Only check.
        registry: A schema registry elsewhere that gives the IDs.

    Raises:
        NotFoundError: There is no such topic, or no such gateway.
        InvalidInputError: The side has no schema, or the type cannot be stored.
        IncompatibleSchemaError: Its schema does not go with the earlier ones, or with what the topic's mirror compares;
            names each place and the way out.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    if side not in SIDES:
        raise InvalidInputError(f"A topic has no side {side!r}. Choose {' or '.join(SIDES)}.")
    found: list[SchemaChange] = []
    registrar = registrar_for(registry, dry_run=dry_run)

    def decide(consulted: Consulted) -> list[LogEvent]:
        topic = consulted.topic(name)
        if topic.state is None:
            raise topics.not_found(name)
        before = topic.state.key_schema if side == "key" else topic.state.value_schema
        if before is None:
            raise InvalidInputError(f"The {side}s of topic {name} are not of type schema: there is nothing to change.")
        subject, schema_format = schemas.subject_of(name, side), SchemaFormat(before.schema_type)
        written = _converted(consulted, settings, reference, schema_format)
        if side == "value":
            _check_mirror(consulted, name, before, written)
        resolved, events = _resolved(consulted, registrar, subject, written)
        schema = msgspec.structs.replace(resolved, owns_subject=before.owns_subject or resolved.owns_subject)
        # Events without another schema: somebody has deleted the version that the topic uses.
        is_changed = bool(events) or schema != msgspec.structs.replace(before, version=schema.version)
        found[:] = [SchemaChange(schema, is_changed, None)]
        if not is_changed:
            return []
        facts = msgspec.to_builtins(schema)
        return [topic.record(topics.TopicSchemaChanged, name=name, side=side, schema=facts), *events]

    if dry_run:
        decide(Consulted(commands))
        return found[0]
    position = commands.carry_out(caller, "change_schema", f"topic/{name}", decide)
    if position is None:
        return found[0]
    changed = next(event for event in commands.events_at(position) if isinstance(event, topics.TopicSchemaChanged))
    return SchemaChange(msgspec.convert(changed.schema, TopicSchema), is_changed=True, position=position)


def delete_topic(commands: Commands, caller: Caller, name: str, *, registry: ExternalRegistry | None = None) -> int:
    """Give a topic up, with its mirror and subject; return the command's position.

    In a schema *registry* elsewhere only subjects that were made for the topic are deleted: others may have records.
    That registry cannot hold a deletion up; what it could not delete is named in the server's log.

    Raises:
        NotFoundError: There is no such topic.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    owned: list[str] = []

    def decide(consulted: Consulted) -> list[LogEvent]:
        topic = consulted.topic(name)
        if topic.state is None:
            raise topics.not_found(name)
        sides = (("key", topic.state.key_schema), ("value", topic.state.value_schema))
        owned[:] = [schemas.subject_of(name, side) for side, schema in sides if schema and schema.owns_subject]
        events = [topic.record(topics.TopicDeleted, name=name)]
        mirror = consulted.mirror(name)
        if mirror.state is not None:
            events.append(mirror.record(mirrors.MirrorDeleted, name=name))
        for side in SIDES:
            events += subjects.subject_deletion(consulted, schemas.subject_of(name, side), permanent=True)
        return events

    position = commands.carry_out(caller, "delete_topic", f"topic/{name}", decide)
    assert position is not None, "deleting a topic always has events"
    if registry is not None:
        for subject in owned:
            _delete_elsewhere(registry, subject)
    return position


def _delete_elsewhere(registry: ExternalRegistry, subject: str) -> None:
    try:
        registry.delete_subject(subject)
    except QuickError as error:
        logger.error("the subject %s was not deleted with its topic: %s. Delete it there yourself.", subject, error)


def _check_types(new: NewTopic) -> None:
    sides = (("keys", new.key_type, new.key_schema), ("values", new.value_type, new.value_schema))
    for side, type_, schema in sides:
        if type_ is TopicType.SCHEMA and schema is None:
            raise InvalidInputError(
                f'Topic "{new.name}" has {side} of type schema, but names none. Give one as GATEWAY.TYPE.'
            )


def _check_partitions(new: NewTopic) -> None:
    if new.partitions is not None and not 1 <= new.partitions <= MAX_PARTITIONS:
        raise InvalidInputError(
            f'Topic "{new.name}" cannot have {new.partitions} partitions. Choose from 1 to {MAX_PARTITIONS}.'
        )


def _config(new: NewTopic, replicas: int) -> dict[str, str]:
    """Return the settings of the Kafka topic; explicit ones win, where they let no later record of a key win.

    Raises:
        InvalidInputError: The topic is immutable, and a setting could lose the first record of a key.
    """
    if new.write_type is WriteType.MUTABLE:
        return {**(COMPACTED if new.mirror.range_field is None else KEPT_FOR_EVER), **new.config}
    config = {**KEPT_FOR_EVER, **(REPLICATED_CONFIG if replicas > 1 else {}), **new.config}
    found = [f"{unsafe.setting}={unsafe.value}: {unsafe.loss}" for unsafe in unsafe_settings(config, replicas=replicas)]
    if found:
        raise InvalidInputError(
            f'Topic "{new.name}" would not stay immutable with {"; ".join(found)}.'
            " Leave that setting out, or create a mutable topic."
        )
    return config


def _preflight(kafka: KafkaAdmin, settings: Settings, name: str, partitions: int, config: Mapping[str, str]) -> None:
    """Ask Kafka whether it would create the topic."""
    try:
        kafka.create_topic(
            name,
            partitions=partitions,
            replication_factor=settings.replication_factor,
            config=config,
            validate_only=True,
        )
    except ConflictError as error:
        raise ConflictError(f'Topic "{name}" already exists in Kafka') from error
    except KafkaRefusedError as error:
        raise InvalidInputError(str(error)) from error


def _registered(
    consulted: Consulted,
    registrar: Registrar,
    settings: Settings,
    new: NewTopic,
    side: str,
    type_: TopicType,
    reference: SchemaReference | None,
) -> tuple[TopicSchema | None, list[LogEvent]]:
    if type_ is not TopicType.SCHEMA or reference is None:
        return None, []
    schema_format = new.schema_format or settings.schema_format
    subject = schemas.subject_of(new.name, side)
    try:
        return _resolved(consulted, registrar, subject, _converted(consulted, settings, reference, schema_format))
    except IncompatibleSchemaError as error:
        raise IncompatibleSchemaError(f'Subject "{subject}" already exists. {error.message}', error.reasons) from error


def _converted(
    consulted: Consulted, settings: Settings, reference: SchemaReference, schema_format: SchemaFormat
) -> _Converted:
    sdl = schemas.write_type_of(consulted, *reference)
    return _Converted(reference, sdl, schema_format, schemas.converted(sdl, reference.type, schema_format, settings))


def _resolved(
    consulted: Consulted, registrar: Registrar, subject: str, converted: _Converted
) -> tuple[TopicSchema, list[LogEvent]]:
    """Return a gateway's type as the schema that *subject* goes on with, and the events that register it."""
    registration = registrar.register(consulted, subject, subjects.NewSchema(converted.schema_format, converted.schema))
    resolved = TopicSchema(
        gateway=converted.reference.gateway,
        type=converted.reference.type,
        sdl=converted.sdl,
        schema_id=registration.schema_id,
        schema_type=converted.schema_format,
        schema=registration.schema,
        version=registration.version,
        owns_subject=registration.is_new_elsewhere,
    )
    return resolved, registration.events


def _check_mirror(consulted: Consulted, name: str, before: TopicSchema, after: _Converted) -> None:
    """Refuse a schema of values without the fields that the topic's mirror compares, or with others in their place.

    Before anything is registered: a registry elsewhere would keep it.
    """
    mirror = consulted.mirror(name)
    if mirror.state is None:
        return
    was = before.registered()
    reasons = lost_fields(mirror.state.definition, was, msgspec.structs.replace(was, schema=after.schema))
    if reasons:
        raise IncompatibleSchemaError(
            f"The mirror {name} could not go on with {after.reference.gateway}.{after.reference.type}. "
            "Keep these fields as they are, or let the mirror do without them first:",
            reasons,
        )
