"""Topics as they are declared: their events, and the state that these add up to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import msgspec

from core.aggregates import LogEvent
from core.errors import FoldError, InvalidNameError, NotFoundError
from core.registered_schema import RegisteredSchema
from core.types import TopicType
from core.upcasting import Facts, upcasts

NOUN = "topic"

_KAFKA_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")

_OWN_PREFIX = "__"


class WriteType(StrEnum):
    """Whether a key of a topic can be written again."""

    MUTABLE = "MUTABLE"
    IMMUTABLE = "IMMUTABLE"


class TopicSchema(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The schema of a topic's keys or values, resolved when it was taken from the gateway: a replay asks nobody."""

    gateway: str
    type: str
    sdl: str
    """The write type as the gateway's schema defined it then."""
    schema_id: int
    schema_type: str
    """`AVRO` or `PROTOBUF`, in the words of the Confluent schema registry."""
    schema: str
    """The converted schema text."""
    version: int | None = None
    """Its version under the topic's subject; unknown for topics of older logs."""
    owns_subject: bool = False
    """Whether the subject in another registry was made for the topic, and is deleted with it."""

    def registered(self) -> RegisteredSchema:
        """Return the converted schema with its ID."""
        return RegisteredSchema(schema_id=self.schema_id, schema_type=self.schema_type, schema=self.schema)


class Topic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A declared topic."""

    name: str
    write_type: WriteType
    key_type: TopicType
    value_type: TopicType
    partitions: int
    replication_factor: int
    config: dict[str, str]
    """Settings of the Kafka topic."""
    value_schema: TopicSchema | None = None
    key_schema: TopicSchema | None = None


@dataclass(frozen=True)
class TopicEvent(LogEvent):
    """Something that happened to a topic."""

    noun: ClassVar[str] = NOUN

    name: str


@dataclass(frozen=True)
class TopicCreated(TopicEvent):
    """A topic was declared, with everything that is needed to make it in Kafka and to read and write it."""

    class_version: ClassVar[int] = 2

    write_type: str
    key_type: str
    value_type: str
    partitions: int
    replication_factor: int
    config: dict[str, str]
    value_schema: dict[str, object] | None
    """The fields of `TopicSchema`, for the value type `SCHEMA`."""
    key_schema: dict[str, object] | None
    """The same for the key type `SCHEMA`."""


@upcasts("quick:TopicCreated", 1)
def _without_key_schema(facts: Facts) -> Facts:
    """Keys had no schemas before."""
    return facts | {"key_schema": None}


@dataclass(frozen=True)
class TopicSchemaChanged(TopicEvent):
    """New records are written with another version of the schema; old ones keep the one that they were written with."""

    side: str
    """`key` or `value`."""
    schema: dict[str, object]
    """The fields of `TopicSchema`."""


@dataclass(frozen=True)
class TopicDeleted(TopicEvent):
    """A topic was given up, with its records."""


def fold(topic: Topic | None, event: LogEvent) -> Topic | None:
    """Return *topic* after *event*; `None` in means undeclared, `None` out means deleted."""
    match event:
        case TopicCreated() if topic is None:
            return Topic(
                name=event.name,
                write_type=WriteType(event.write_type),
                key_type=TopicType(event.key_type),
                value_type=TopicType(event.value_type),
                partitions=event.partitions,
                replication_factor=event.replication_factor,
                config=event.config,
                value_schema=_schema(event.value_schema),
                key_schema=_schema(event.key_schema),
            )
        case TopicSchemaChanged(side="key") if topic is not None and topic.key_schema is not None:
            return msgspec.structs.replace(topic, key_schema=_schema(event.schema))
        case TopicSchemaChanged(side="value") if topic is not None and topic.value_schema is not None:
            return msgspec.structs.replace(topic, value_schema=_schema(event.schema))
        case TopicDeleted() if topic is not None:
            return None
    raise FoldError(
        f"{event} does not follow on {topic}. The log was written by a program that disagrees with this one."
    )


def _schema(facts: dict[str, object] | None) -> TopicSchema | None:
    return None if facts is None else msgspec.convert(facts, TopicSchema)


def check_name(name: str) -> None:
    """Refuse a name that Kafka would refuse, and those that the system keeps for itself.

    Raises:
        InvalidNameError: Says which rule *name* breaks.
    """
    if not _KAFKA_NAME.fullmatch(name) or name in {".", ".."}:
        raise InvalidNameError(
            f'Topic name "{name}" is invalid: Kafka takes 1 to 249 of the characters a-z, A-Z, 0-9, ".", "_" and "-".'
        )
    if name.startswith(_OWN_PREFIX):
        raise InvalidNameError(f'Topic name "{name}" is invalid: names that start with "__" belong to the system.')


def not_found(name: str) -> NotFoundError | InvalidNameError:
    """Return why there is nothing to be changed of a topic that is not declared."""
    if name.startswith(_OWN_PREFIX):
        return InvalidNameError(f"Topic {name} belongs to the system: it cannot be changed, deleted or given a mirror.")
    return NotFoundError(f"Topic {name} not found in topic registry")
