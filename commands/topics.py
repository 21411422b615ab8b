"""Create and delete topics; each topic brings its mirror, and its schema where it has one."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from commands import schemas
from commands.decisions import Caller, Commands, Consulted
from core import mirrors, subjects, topics
from core.aggregates import LogEvent
from core.errors import ConflictError, InvalidInputError, KafkaRefusedError, NotFoundError
from core.kafka_admin import KafkaAdmin
from core.settings import Settings
from core.topics import WriteType
from core.types import TopicType

COMPACTED = {"cleanup.policy": "compact"}
"""Settings of a mutable topic: the last value of each key is kept for ever."""


class SchemaReference(NamedTuple):
    """A type of a gateway's schema, `GATEWAY.TYPE` on the command line."""

    gateway: str
    type: str


class NewTopic(NamedTuple):
    """What a caller asks for."""

    name: str
    key_type: TopicType
    value_type: TopicType
    value_schema: SchemaReference | None = None


def create_topic(commands: Commands, kafka: KafkaAdmin, settings: Settings, caller: Caller, new: NewTopic) -> int:
    """Declare a topic with its mirror and schema; return the command's position.

    What Kafka would refuse is refused before anything is recorded.

    Raises:
        InvalidInputError: The name, the types or the schema cannot be used.
        NotFoundError: The gateway that the schema is taken from does not exist.
        ConflictError: The topic, its mirror or its subject exists already.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    topics.check_name(new.name)
    _check_types(new)

    def decide(consulted: Consulted) -> list[LogEvent]:
        _preflight(kafka, settings, new.name)
        topic = consulted.topic(new.name)
        if topic.state is not None:
            raise ConflictError(f'Topic "{new.name}" already exists in Registry')
        value_schema, schema_events = _register_value_schema(consulted, settings, new)
        created = topic.record(
            topics.TopicCreated,
            name=new.name,
            write_type=WriteType.MUTABLE.value,
            key_type=new.key_type.value,
            value_type=new.value_type.value,
            partitions=settings.partitions,
            replication_factor=settings.replication_factor,
            config=COMPACTED,
            value_schema=value_schema and msgspec.to_builtins(value_schema),
        )
        return [created, _mirror_created(consulted, new.name, settings), *schema_events]

    position = commands.carry_out(caller, "create_topic", f"topic/{new.name}", decide)
    assert position is not None, "creating a topic always has events"
    return position


def delete_topic(commands: Commands, caller: Caller, name: str) -> int:
    """Give a topic up, with its mirror and subject; return the command's position.

    Raises:
        NotFoundError: There is no such topic.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """

    def decide(consulted: Consulted) -> list[LogEvent]:
        topic = consulted.topic(name)
        if topic.state is None:
            raise NotFoundError(f"Topic {name} not found in topic registry")
        events = [topic.record(topics.TopicDeleted, name=name)]
        mirror = consulted.mirror(name)
        if mirror.state is not None:
            events.append(mirror.record(mirrors.MirrorDeleted, name=name))
        subject = consulted.subject(schemas.value_subject(name))
        if subject.state is not None:
            events.append(subject.record(subjects.SubjectDeleted, name=subject.state.name))
        return events

    position = commands.carry_out(caller, "delete_topic", f"topic/{name}", decide)
    assert position is not None, "deleting a topic always has events"
    return position


def _check_types(new: NewTopic) -> None:
    if new.value_type is TopicType.SCHEMA and new.value_schema is None:
        raise InvalidInputError(
            f'Topic "{new.name}" has values of type schema, but names none. Give one as GATEWAY.TYPE.'
        )


def _preflight(kafka: KafkaAdmin, settings: Settings, name: str) -> None:
    """Ask Kafka whether it would create the topic."""
    try:
        kafka.create_topic(
            name,
            partitions=settings.partitions,
            replication_factor=settings.replication_factor,
            config=COMPACTED,
            validate_only=True,
        )
    except ConflictError as error:
        raise ConflictError(f'Topic "{name}" already exists in Kafka') from error
    except KafkaRefusedError as error:
        raise InvalidInputError(str(error)) from error


def _register_value_schema(
    consulted: Consulted, settings: Settings, new: NewTopic
) -> tuple[topics.TopicSchema | None, list[LogEvent]]:
    if new.value_type is not TopicType.SCHEMA or new.value_schema is None:
        return None, []
    written = schemas.write_type_of(consulted, *new.value_schema)
    schema = schemas.avro_of(written, new.value_schema.type, settings.avro_namespace)
    schema_id, events = schemas.register(consulted, schemas.value_subject(new.name), schemas.AVRO, schema)
    resolved = topics.TopicSchema(
        gateway=new.value_schema.gateway,
        type=new.value_schema.type,
        sdl=written,
        schema_id=schema_id,
        schema_type=schemas.AVRO,
        schema=schema,
    )
    return resolved, events


def _mirror_created(consulted: Consulted, name: str, settings: Settings) -> LogEvent:
    mirror = consulted.mirror(name)
    if mirror.state is not None:
        raise ConflictError(f"The resource with the name {name} already exists")
    return mirror.record(mirrors.MirrorCreated, name=name, topic=name, replicas=settings.default_replicas, tag=None)
