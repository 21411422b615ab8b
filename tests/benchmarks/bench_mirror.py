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

from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer, next_batch, watermarks
from core.kafka_writer import OutRecord, RecordWriter
from core.topics import WriteType
from projections.collector import spare_the_collector
from projections.mirror_folds import MirrorProjection
from projections.topic_folds import PIECE_RECORDS, PIECES

T = TypeVar("T")

RECORDS = 1_000_000
KEYS = 200_000
VALUE_BYTES = 80
PARTITIONS = 3


def fill(bootstrap: str) -> str:
    """Return a new topic with the records of the benchmark."""
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    KafkaAdmin(bootstrap).create_topic(topic, partitions=PARTITIONS, replication_factor=1, config={})
    writer = RecordWriter(bootstrap, linger_ms=20, delivery_timeout_s=60)
    value = bytes(VALUE_BYTES - 8)
    key, number = struct.Struct(">q").pack, struct.Struct(">q").pack
    for start in range(0, RECORDS, 100_000):
        batch = [OutRecord(key(i * 7919 % KEYS), number(i) + value) for i in range(start, start + 100_000)]
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


def rate_of_fold(bootstrap: str, topic: str, folder: Path, write_type: WriteType) -> float:
    """Return records a second into a mirror, in rounds as the projector makes them."""
    spare_the_collector()
    ends = {p: mark.high for p, mark in watermarks(bootstrap, topic, PARTITIONS).items()}
    mirror = MirrorProjection(folder / "mirror", ends, write_type)
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
    topic = fill(bootstrap)
    raw, last, first = [], [], []
    for _ in range(3):
        raw.append(in_a_process(rate_of_consume, bootstrap, topic))
        last.append(in_a_process(rate_of_fold, bootstrap, topic, folder, WriteType.MUTABLE))
        first.append(in_a_process(rate_of_fold, bootstrap, topic, folder, WriteType.IMMUTABLE))
    KafkaAdmin(bootstrap).delete_topic(topic)
    consumed = statistics.median(raw)
    beside = f"consume() {consumed:,.0f}/s"
    for what, rates in (("mirror fold, 1 M records", last), ("the same, immutable", first)):
        folded = statistics.median(rates)
        yield what, f"{folded:,.0f}/s", beside, f"{folded / consumed:.2f}", "≥ 0.40, ≥ 350,000/s"


def in_a_process(work: Callable[..., T], *arguments: object) -> T:
    """Run *work* in a fresh process, as a projector is one: no heap of the other runs to look after."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()
