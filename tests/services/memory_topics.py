"""Topics in memory that a gateway reads and writes through its ports: real codecs, no broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.avro_schema import to_avro
from core.errors import NotFoundError, QuickError, TooLargeError
from core.kafka_writer import OutRecord
from core.position import Position
from core.protobuf_schema import to_protobuf
from core.registered_schema import RegisteredSchema
from core.types import Codec, TopicType, codec_for
from services.gateway.writing import WriteOutcome, WriteTarget
from services.ingest.verdicts import KeyExistsError

MOST_BYTES = 1_000


@dataclass
class MemoryTopic:
    """One topic of one partition, and the mirror that holds all of it at once."""

    name: str
    keys: Codec
    values: Codec
    is_immutable: bool = False
    log: list[OutRecord] = field(default_factory=list)

    def current(self) -> dict[Any, Any]:
        """Return the value of each key, as GraphQL has both."""
        current = {}
        for record in self.log:
            key = self.keys.decode(record.key or b"")
            current.pop(key, None)
            if record.value is not None:
                current[key] = self.values.to_json(self.values.decode(record.value))
        return current


class MemoryTopics:
    """Mirrors and writer of some topics.

    Attributes:
        failure: What every write fails with, where there is one.
        batches: The sizes of what was written together.
    """

    def __init__(self, *topics: MemoryTopic) -> None:
        self._topics = {topic.name: topic for topic in topics}
        self._lock = threading.Lock()
        self.failure: QuickError | None = None
        self.batches: list[int] = []

    def topic(self, name: str) -> MemoryTopic:
        if name not in self._topics:
            raise NotFoundError(f"Topic {name} not found in topic registry")
        return self._topics[name]

    # The port to mirrors.

    def begin(self, *, names_types: bool = False) -> MemoryTopics:
        return self

    def close(self) -> None:
        """Nothing is held."""

    def is_at_hand(self, topic: str) -> bool:
        return topic in self._topics

    def key_type(self, topic: str) -> TopicType:
        return self.topic(topic).keys.type

    def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any | None]:
        current = self.topic(topic).current()
        return [current.get(key) for key in keys]

    def range(self, topic: str, key: Any, low: Any, high: Any) -> list[Any]:
        raise NotImplementedError

    def all(self, topic: str, check_time: Callable[[], None]) -> list[Any]:
        check_time()
        return list(self.topic(topic).current().values())

    # The port to writing.

    def target(self, topic: str) -> WriteTarget:
        return self.topic(topic)

    def write(self, target: WriteTarget, records: Sequence[OutRecord]) -> WriteOutcome:
        topic = self.topic(target.name)
        if self.failure is not None:
            raise self.failure
        if any(record.size() > MOST_BYTES for record in records):
            raise TooLargeError("The record is too large. Send a smaller one.")
        errors: dict[int, QuickError] = {}
        with self._lock:
            for index, record in enumerate(records):
                if topic.is_immutable and record.key in {earlier.key for earlier in topic.log}:
                    errors[index] = KeyExistsError(str(topic.keys.decode(record.key or b"")))
                else:
                    topic.log.append(record)
        self.batches.append(len(records))
        is_written = len(errors) < len(records)
        return WriteOutcome(Position(topic.name, {0: len(topic.log) - 1}).token() if is_written else None, errors)


def plain(name: str, key: TopicType, value: TopicType, *, is_immutable: bool = False) -> MemoryTopic:
    """Return a topic of primitive types."""
    return MemoryTopic(name, codec_for(key), codec_for(value), is_immutable)


def avro(name: str, key: TopicType, sdl: str, root: str, *, legacy: bool = False) -> MemoryTopic:
    """Return a topic whose values are the type *root* of *sdl* in Avro."""
    return _of_schema(
        name, key, RegisteredSchema(schema_id=1, schema_type="AVRO", schema=to_avro(sdl, root, "shop", legacy=legacy))
    )


def avro_text(name: str, key: TopicType, schema: str) -> MemoryTopic:
    """Return a topic whose values have the Avro *schema*."""
    return _of_schema(name, key, RegisteredSchema(schema_id=1, schema_type="AVRO", schema=schema))


def protobuf(name: str, key: TopicType, sdl: str, root: str) -> MemoryTopic:
    """Return a topic whose values are the type *root* of *sdl* in Protobuf."""
    return _of_schema(
        name, key, RegisteredSchema(schema_id=1, schema_type="PROTOBUF", schema=to_protobuf(sdl, root, "shop"))
    )


def _of_schema(name: str, key: TopicType, schema: RegisteredSchema) -> MemoryTopic:
    schemas: Mapping[int, RegisteredSchema] = {1: schema}
    values = codec_for(TopicType.SCHEMA, schema=schema, schemas=schemas.__getitem__)
    return MemoryTopic(name, codec_for(key), values)
