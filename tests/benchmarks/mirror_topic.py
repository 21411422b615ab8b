"""A topic of Avro records to fold, and the fold of it as the projector makes it."""

from __future__ import annotations

import shutil
import statistics
import struct
import time
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer, next_batch, watermarks
from core.kafka_writer import OutRecord, RecordWriter
from core.registered_schema import RegisteredSchema
from core.topic_type import TopicType
from core.types import Codec, codec_for
from projections.collector import spare_the_collector
from projections.mirror_entries import Kept
from projections.mirror_folds import MAX_CHANGED_PAGES, MirrorProjection
from projections.mirror_indexing import Values, index_writer
from projections.topic_folds import PIECE_RECORDS, PIECES

PARTITIONS = 3
FIELD = "number"
"""The field by which ranges are asked for; the first one, so that Java finds it without a reader of records."""

FIELD_VALUES = 1_000

SCHEMA = RegisteredSchema(
    schema_id=1,
    schema_type="AVRO",
    schema='{"type": "record", "name": "Reading", "fields": [{"name": "number", "type": "long"},'
    ' {"name": "at", "type": "long"}, {"name": "celsius", "type": "double"}, {"name": "note", "type": "string"}]}',
)
NOTE = "a note of some length, as people write them beside a number"
_BATCH = 100_000


_LAST_VALUES = Kept()


class Fold(NamedTuple):
    """How a fold went."""

    rates: list[float]
    """Records a second of each of its parts, all of the same number of records."""

    @property
    def rate(self) -> float:
        """Return the records a second of the whole."""
        return statistics.harmonic_mean(self.rates)


def reading_codec() -> Codec:
    """Return the codec of the values."""

    def no_other(schema_id: int) -> RegisteredSchema:
        raise LookupError(schema_id)

    return codec_for(TopicType.SCHEMA, schema=SCHEMA, schemas=no_other)


def fill(bootstrap: str, records: int, keys: int, topic: str | None = None) -> str:
    """Write *records* Avro records of some 80 bytes over *keys* keys; to a new topic unless one is named."""
    if topic is None:
        topic = f"bench-{uuid.uuid4().hex[:8]}"
        KafkaAdmin(bootstrap).create_topic(topic, partitions=PARTITIONS, replication_factor=1, config={})
    writer = RecordWriter(bootstrap, linger_ms=20, delivery_timeout_s=60)
    key, values = struct.Struct(">q").pack, _values()
    for start in range(0, records, _BATCH):
        # A key that comes again comes with another field value: 7 divides no power of ten.
        batch = [OutRecord(key(i * 7919 % keys), values[i // 7 % FIELD_VALUES]) for i in range(start, start + _BATCH)]
        writer.write(topic, batch).result(120)
    writer.close()
    return topic


def _values() -> list[bytes]:
    codec = reading_codec()
    record = {"at": 1_700_000_000_000, "celsius": 21.5, "note": NOTE}
    return [codec.encode(codec.from_json(record | {FIELD: number})) for number in range(FIELD_VALUES)]


def rate_of_consume(bootstrap: str, topic: str, records: int) -> float:
    """Return records a second of the bare client with the mirror's settings."""
    consumer = _consumer(bootstrap, topic)
    seen, began = 0, 0.0
    while seen < records:
        seen += len(next_batch(consumer._consumer, limit=50_000, timeout_s=1))
        began = began or time.perf_counter()
    took = time.perf_counter() - began
    consumer.close()
    return records / took


def fold(bootstrap: str, topic: str, records: int, folder: Path, kept: Kept = _LAST_VALUES, *, parts: int = 1) -> Fold:
    """Fold a topic from its beginning, in rounds as the projector makes them.

    Args:
        bootstrap: Brokers.
        topic: Its name.
        records: How many it has.
        folder: Where the mirror is built, and removed.
        kept: What the mirror keeps.
        parts: In how many parts the fold is measured.
    """
    spare_the_collector()
    ends = {p: mark.high for p, mark in watermarks(bootstrap, topic, PARTITIONS).items()}
    indexer = index_writer(kept, Values(TopicType.SCHEMA, SCHEMA), lambda _: SCHEMA)
    mirror = MirrorProjection(folder / "mirror", ends, kept.write_type, kept.definition, indexer)
    consumer = _consumer(bootstrap, topic)
    marks, seen = list[tuple[float, int]](), 0
    for taken in _rounds(consumer, mirror, records):
        marks = marks or [(time.perf_counter(), 0)]
        seen += taken
        if seen >= records * len(marks) // parts:
            marks.append((time.perf_counter(), seen))
    consumer.close()
    mirror.close()
    shutil.rmtree(folder / "mirror")
    return Fold([(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(marks)])


def _rounds(consumer: TopicsConsumer, mirror: MirrorProjection, records: int) -> Iterator[int]:
    """Fold all *records*; yield how many each commit has, and nothing at all when the first ones have come."""
    seen = 0
    while seen < records:
        timeout_s, taken = 1.0, 0
        for _ in range(PIECES):
            polled = consumer.poll(limit=PIECE_RECORDS, timeout_s=timeout_s).records
            if not seen and not taken and polled:
                yield 0
            if polled:
                mirror.take(polled)
            taken += len(polled)
            timeout_s = 0
            if len(polled) < PIECE_RECORDS or mirror.changed_pages() > MAX_CHANGED_PAGES:
                break
        if taken:
            mirror.commit()
            seen += taken
            yield taken


def _consumer(bootstrap: str, topic: str) -> TopicsConsumer:
    consumer = TopicsConsumer(bootstrap)
    consumer.assign({(topic, partition): 0 for partition in range(PARTITIONS)})
    return consumer
