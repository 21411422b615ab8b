"""Takes back what replicas of a mirror have announced that are gone: those that were killed could not do it."""

from __future__ import annotations

import logging
import time
from typing import Final

import msgspec

from core.errors import KafkaUnavailableError
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import ConsumedRecord, TopicsConsumer
from core.kafka_writer import OutRecord, RecordWriter
from core.settings import Settings
from projections.replicas import decode_replica, replica_prefix

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 60.0
"""Longest time for reading the status topic, and for writing to it."""


def remove_replicas(settings: Settings, topic: str) -> int:
    """Take back what is announced of replicas of *topic* that say nothing more; return how many there were.

    One that still is believed may be of a mirror that was declared again meanwhile, and is left.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
    """
    if KafkaAdmin(settings.kafka).describe(settings.status_topic) is None:
        return 0
    gone = [key for key, record in _announced(settings, topic).items() if _is_over(record)]
    if gone:
        writer = RecordWriter(settings.kafka)
        try:
            writer.write(settings.status_topic, [OutRecord(key, None) for key in gone]).result(TIMEOUT_S)
        finally:
            writer.close()
    return len(gone)


def _announced(settings: Settings, topic: str) -> dict[bytes, ConsumedRecord]:
    """Return the last record of each replica of *topic*, tombstones left out."""
    found: dict[bytes, ConsumedRecord] = {}
    prefix, deadline = replica_prefix(topic), time.monotonic() + TIMEOUT_S
    consumer = TopicsConsumer(settings.kafka)
    try:
        consumer.assign({(settings.status_topic, 0): 0})
        while True:
            polled = consumer.poll(limit=10_000, timeout_s=0.5)
            for record in polled.records:
                key = record.key() or b""
                if key.startswith(prefix):
                    found[key] = record
            if polled.ends:
                return {key: record for key, record in found.items() if record.value() is not None}
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(
                    f"The topic {settings.status_topic} could not be read within {TIMEOUT_S:g} s. Check the broker, and"
                    " run the clean-up again."
                )
    finally:
        consumer.close()


def _is_over(record: ConsumedRecord) -> bool:
    """Return whether what a record announces is not believed any more; what is none is never."""
    try:
        status = decode_replica(record.value() or b"")
    except msgspec.DecodeError:
        return True
    _, at_ms = record.timestamp()
    return time.time() * 1000 - at_ms >= status.lease_ms
