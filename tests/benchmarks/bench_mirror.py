"""Mirror fold against raw consume(), same topic, same client settings, same run."""

from __future__ import annotations

import multiprocessing
import statistics
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from core.comparable_fields import mirror_fields
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer, next_batch, watermarks
from core.kafka_writer import OutRecord, RecordWriter
from core.mirrors import MirrorDefinition
from core.registered_schema import RegisteredSchema
from core.topics import WriteType
from core.types import TopicType, codec_for
from projections.collector import spare_the_collector
from projections.mirror_folds import MirrorProjection
from projections.mirror_indexes import IndexWriter
from projections.topic_folds import PIECE_RECORDS, PIECES

T = TypeVar("T")

RECORDS = 1_000_000
KEYS = 200_000
VALUE_BYTES = 80
PARTITIONS = 3

SCHEMA = RegisteredSchema(
    schema_id=1,
    schema_type="AVRO",
    schema="""{"type": "record", "name": "Visit", "fields": [
        {"name": "at", "type": "long"}, {"name": "page", "type": "string"}]}""",
)
PAGE = "p" * (VALUE_BYTES - 12)
"""With the frame of the schema and the number a value has about as many bytes as those without a schema."""

HISTORY = MirrorDefinition(range_field="at")
LAST_VALUES = MirrorDefinition(indexes=("at",))


def plain_values() -> Callable[[int], bytes]:
    """Return what makes the value of a record without a schema."""
    number, rest = struct.Struct(">q").pack, bytes(VALUE_BYTES - 8)
    return lambda i: number(i) + rest


def avro_values() -> Callable[[int], bytes]:
    """Return what makes the value of a record with a field to index."""
    values = codec_for(TopicType.SCHEMA, schema=SCHEMA, schemas=lambda _: SCHEMA)
    return lambda i: values.encode({"at": i, "page": PAGE})


def fill(bootstrap: str, value: Callable[[int], bytes]) -> str:
    """Return a new topic with the records of the benchmark."""
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    KafkaAdmin(bootstrap).create_topic(topic, partitions=PARTITIONS, replication_factor=1, config={})
    writer = RecordWriter(bootstrap, linger_ms=20, delivery_timeout_s=60)
    key = struct.Struct(">q").pack
    for start in range(0, RECORDS, 100_000):
        batch = [OutRecord(key(i * 7919 % KEYS), value(i)) for i in range(start, start + 100_000)]
        writer.write(topic, batch).result(120)
    writer.close()
    return topic


def rate_of_consume(bootstrap: str, topic: str) -> float:
    """Return records a second of the bare client with the mirror's settings."""
    consumer = _consumer(bootstrap, topic)
    seen, began = 0, 0.0
    while seen < RECORDS:
        seen += len(next_batch(consumer._consumer, limit=50_000, timeout_s=1))
        began = began or time.perf_counter()
    took = time.perf_counter() - began
    consumer.close()
    return RECORDS / took


def rate_of_fold(
    bootstrap: str, topic: str, folder: Path, write_type: WriteType, definition: MirrorDefinition | None = None
) -> float:
    """Return records a second into a mirror, in rounds as the projector makes them."""
    indexer = None
    if definition is not None:
        values = codec_for(TopicType.SCHEMA, schema=SCHEMA, schemas=lambda _: SCHEMA)
        indexer = IndexWriter(definition, values, mirror_fields(definition, SCHEMA), write_type)
    spare_the_collector()
    ends = {p: mark.high for p, mark in watermarks(bootstrap, topic, PARTITIONS).items()}
    mirror = MirrorProjection(folder / "mirror", ends, write_type, indexer)
    consumer = _consumer(bootstrap, topic)
    seen, began = 0, 0.0
    while seen < RECORDS:
        timeout_s, taken = 1.0, 0
        for _ in range(PIECES):
            records = consumer.poll(limit=PIECE_RECORDS, timeout_s=timeout_s).records
            began = began or time.perf_counter()
            if records:
                mirror.take(records)
            taken += len(records)
            timeout_s = 0
            if len(records) < PIECE_RECORDS:
                break
        if taken:
            mirror.commit()
        seen += taken
    took = time.perf_counter() - began
    consumer.close()
    mirror.delete()
    return RECORDS / took


def _consumer(bootstrap: str, topic: str) -> TopicsConsumer:
    consumer = TopicsConsumer(bootstrap)
    consumer.assign({(topic, partition): 0 for partition in range(PARTITIONS)})
    return consumer


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table: the median of three runs each."""
    topic, records = fill(bootstrap, plain_values()), fill(bootstrap, avro_values())
    kinds: tuple[tuple[str, str, WriteType, MirrorDefinition | None, str], ...] = (
        ("mirror fold, 1 M records", topic, WriteType.MUTABLE, None, "≥ 0.40, ≥ 350,000/s"),
        ("the same, immutable", topic, WriteType.IMMUTABLE, None, "≥ 0.40, ≥ 350,000/s"),
        ("of Avro with a range index", records, WriteType.MUTABLE, HISTORY, "≥ 0.10, ≥ 100,000/s"),
        ("of Avro with a secondary index", records, WriteType.MUTABLE, LAST_VALUES, "≥ 0.05, ≥ 60,000/s"),
    )
    raw: list[float] = []
    folds: list[list[float]] = [[] for _ in kinds]
    for _ in range(3):
        raw.append(in_a_process(rate_of_consume, bootstrap, topic))
        for rates, (_, source, write_type, definition, _) in zip(folds, kinds, strict=True):
            rates.append(in_a_process(rate_of_fold, bootstrap, source, folder, write_type, definition))
    for filled in (topic, records):
        KafkaAdmin(bootstrap).delete_topic(filled)
    consumed = statistics.median(raw)
    for rates, (what, _, _, _, wanted) in zip(folds, kinds, strict=True):
        folded = statistics.median(rates)
        yield what, f"{folded:,.0f}/s", f"consume() {consumed:,.0f}/s", f"{folded / consumed:.2f}", wanted


def in_a_process(work: Callable[..., T], *arguments: object) -> T:
    """Run *work* in a fresh process, as a projector is one: no heap of the other runs to look after."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()
