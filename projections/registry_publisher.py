"""Publishes the registry in a topic that other programs read: what the topic holds is compared with what it should.

Level-triggered: each look reads the whole topic, which holds a small record for each declared topic, and writes what
differs, in the one process that leads. So it does not matter at which record an earlier leader was killed, what a
stranger has written or taken away meanwhile, or whether the topic is another one than before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from core.errors import KafkaUnavailableError
from core.external_schemas import ExternalRegistry
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import ConsumedRecord, TopicsConsumer
from core.kafka_writer import OutRecord, RecordWriter
from core.published_registry import SCHEMA_ID, SCHEMA_TEXT, RegistryRecords, subject_of
from core.registered_schema import SchemaFormat
from core.topics import Topic
from projections.reconciler import LeadershipLostError
from projections.registry import UNDECLARED, RegistryView
from projections.status import CREATED, StatusView

logger = logging.getLogger(__name__)

READ_TIMEOUT_S: Final = 15.0
"""Longest wait for the ends of the topic's partitions, after the last records that came in."""

ACKNOWLEDGE_TIMEOUT_S: Final = 15.0
"""Longest wait until records are written."""

BATCH: Final = 10_000
"""Records that are taken at once."""

NewConsumer = Callable[[], TopicsConsumer]


class RegistryPublisher:
    """Keeps the topic as the registry says.

    Args:
        registry: What is declared, and the topic that it is published in.
        status: Which Kafka topic that is.
        kafka: Tells whether it is there.
        new_consumer: Makes a consumer for one look.
        writer: Writes the records.
        elsewhere: The schema registry that readers ask in the place of ours, where there is one.
        leads: Returns whether this process leads; asked before every write.
    """

    def __init__(
        self,
        registry: RegistryView,
        status: StatusView,
        kafka: KafkaAdmin,
        new_consumer: NewConsumer,
        writer: RecordWriter,
        elsewhere: ExternalRegistry | None,
        leads: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._status = status
        self._kafka = kafka
        self._new_consumer = new_consumer
        self._writer = writer
        self._elsewhere = elsewhere
        self._leads = leads
        self._records: RegistryRecords | None = None

    def publish(self) -> bool:
        """Write every difference; return whether the topic is there and holds what it should.

        Raises:
            UnavailableError: Kafka, or the schema registry elsewhere, does not answer; the next look goes on.
            QuickError: Kafka does not let this user read or write the topic, or the schema registry elsewhere does not
                take the schema.
            LeadershipLostError: Another process leads now.
        """
        topic = self._registry.published
        if topic is None:
            return True
        status, facts = self._status.topic(topic.name, UNDECLARED), self._kafka.describe(topic.name)
        if status is None or status.state != CREATED or facts is None or facts.topic_id != status.topic_id:
            return False  # It is made, or adopted, first.
        held = held_by(topic.name, facts.partitions, self._new_consumer)
        records = self._differences(topic, held)
        if records:
            self._write(topic.name, records)
        return True

    def _differences(self, topic: Topic, held: Mapping[bytes, bytes]) -> list[OutRecord]:
        made = self._made_records(topic.name)
        wanted = dict(made.record(row.state) for row in self._registry.topics())
        changed = [OutRecord(key, value) for key, value in wanted.items() if held.get(key) != value]
        return changed + [OutRecord(key, None) for key in held if key not in wanted]

    def _made_records(self, topic: str) -> RegistryRecords:
        """Return what makes the records; the schema is registered before the first one names it."""
        if self._records is None:
            schema_id = SCHEMA_ID
            if self._elsewhere is not None:
                registered = self._elsewhere.register(subject_of(topic), SchemaFormat.AVRO, SCHEMA_TEXT)
                schema_id = registered.schema_id
            self._records = RegistryRecords(schema_id)
        return self._records

    def _write(self, topic: str, records: list[OutRecord]) -> None:
        if not self._leads():
            raise LeadershipLostError
        try:
            self._writer.write(topic, records).result(ACKNOWLEDGE_TIMEOUT_S)
        except TimeoutError as error:
            raise KafkaUnavailableError(f"Kafka has not acknowledged the records of {topic} in time.") from error
        deleted = sum(record.value is None for record in records)
        logger.info("published %d changed and %d deleted topics in %s", len(records) - deleted, deleted, topic)


class _Last(NamedTuple):
    """The last record of a key, by what a mirror goes: the later time, then the higher partition."""

    timestamp_ms: int
    partition: int
    offset: int
    value: bytes | None


def held_by(topic: str, partitions: int, new_consumer: NewConsumer) -> dict[bytes, bytes]:
    """Return the last value of each key that a topic holds; what was deleted, and records without a key, left out.

    Raises:
        KafkaUnavailableError: It cannot be read to its end in time.
    """
    last: dict[bytes, _Last] = {}
    missing = set(range(partitions))
    consumer = new_consumer()
    try:
        consumer.assign({(topic, partition): 0 for partition in missing})
        deadline = time.monotonic() + READ_TIMEOUT_S
        while missing:
            polled = consumer.poll(limit=BATCH, timeout_s=0.5)
            _take(last, polled.records)
            missing -= {end.partition for end in polled.ends}
            if polled.records:
                deadline = time.monotonic() + READ_TIMEOUT_S
            elif time.monotonic() > deadline:
                raise KafkaUnavailableError(f"The end of {topic}[{min(missing)}] cannot be read now.")
    finally:
        consumer.close()
    return {key: found.value for key, found in last.items() if found.value is not None}


def _take(last: dict[bytes, _Last], records: Iterable[ConsumedRecord]) -> None:
    for record in records:
        key = record.key()
        if key is None:
            continue
        found = _Last(record.timestamp()[1], record.partition(), record.offset(), record.value())
        known = last.get(key)
        is_later = known is None or (found.partition == known.partition or found[:2] > known[:2])
        if is_later:
            last[key] = found
