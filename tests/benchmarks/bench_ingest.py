"""The ingest service under load, beside an endpoint that only parses and a bare loop of fastavro and librdkafka."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import psutil
from bench_up import API_KEY
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # not in its __all__
from serving import RECORD, SECONDS, declare, limits, load, post, rate, serving, worker_of

from core.kafka import client_config
from core.kafka_batches import Batch, BatchWriter
from core.kafka_writer import OutRecord

BATCH = 100
LINES = 100_000
MANY_TOPICS = 2_000
CURL = ("curl", "-sS", "-T", "-", "-X", "POST", "-H", "Content-Type: application/x-ndjson")


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table."""
    folder = folder / "ingest"
    folder.mkdir()
    topic = f"bench-ingest-{uuid.uuid4().hex[:8]}"
    with serving(bootstrap, folder, workers=1) as (port, up):
        declare(port, topic)
        single, batches = loads(folder, port, topic)
        seconds, resident = upload(folder, port, topic, up)
    with limits(folder) as port:
        parsed = load(folder, port, [post("/parse", pair(key)) for key in range(1000)])
    bare = bare_rate(bootstrap, topic)
    with serving(bootstrap, folder, workers=2) as (port, _):
        two_single, two_batches = loads(folder, port, topic)
    ratio = single["rate"] / parsed["rate"]
    yield "ingest, single POST, 1 worker", rate(single), f"parse only {parsed['rate']:,.0f}/s", f"{ratio:.2f}", "≥ 0.30"
    yield "  latency", f"p99 {single['p99']:.1f} ms", f"median {single['p50']:.1f} ms", "", "p99 < 20 ms"
    ratio = BATCH * batches["rate"] / bare
    figure = f"{BATCH * batches['rate']:,.0f} records/s"
    yield f"ingest, batches of {BATCH}, 1 worker", figure, f"bare loop {bare:,.0f}/s", f"{ratio:.2f}", "≥ 0.65"
    for what, one, two in (("single", single, two_single), ("batches", batches, two_batches)):
        yield f"  {what}, 2 workers", rate(two), f"1 worker {rate(one)}", f"{two['rate'] / one['rate']:.2f}", "≥ 1"
    yield (
        f"NDJSON, {LINES:,} lines",
        f"{LINES / seconds:,.0f} lines/s",
        f"{resident / 2**20:.0f} MB RSS",
        "",
        "< 120 MB",
    )


def many_topics(bootstrap: str) -> tuple[float, float]:
    """Return the batches a second that a worker's producers take with one topic, and with many that all were used."""
    names = [f"bench-many-{uuid.uuid4().hex[:8]}-{number}" for number in range(MANY_TOPICS)]
    admin = AdminClient(client_config(bootstrap))
    for start in range(0, MANY_TOPICS, 200):
        created = admin.create_topics([NewTopic(name, 1, 1) for name in names[start : start + 200]])
        for future in created.values():
            future.result()
    rates = []
    for count in (1, MANY_TOPICS):
        writer = BatchWriter(bootstrap, linger_ms=1, bulk_linger_ms=2, delivery_timeout_s=60)
        used = names[:count] * (MANY_TOPICS // count)
        write_round(writer, used)  # Each topic is met once.
        rates.append(len(used) / min(write_round(writer, used) for _ in range(4)))
        writer.close(10)
    return rates[0], rates[1]


def write_round(writer: BatchWriter, topics: list[str]) -> float:
    """Write a record to each of *topics* and wait for all; return the seconds of the writing alone.

    What a broker needs for many topics is its own matter.
    """
    records = [OutRecord(b"key", b"v" * 100)]
    began = time.perf_counter()
    for topic in topics:
        writer.write(topic, records, _check, limit_bytes=1_000_000)
    seconds = time.perf_counter() - began
    while writer.collect():
        time.sleep(0.0005)
    return seconds


def _check(batch: Batch) -> None:
    if batch.error is not None:
        raise batch.error


def pair(key: int) -> bytes:
    """Return the body of one record."""
    return json.dumps({"key": key, "value": RECORD | {"id": key}}).encode()


def batch(number: int) -> bytes:
    """Return the body of a batch of records."""
    start = number * BATCH
    return b"[" + b",".join(pair(key) for key in range(start, start + BATCH)) + b"]"


def loads(folder: Path, port: int, topic: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Send single records, then batches; first some that do not count, while the broker compiles what it runs often."""
    path = f"/ingest/{topic}"
    singles, batches = [post(path, pair(key)) for key in range(1000)], [post(path, batch(key)) for key in range(50)]
    load(folder, port, singles)
    return load(folder, port, singles), load(folder, port, batches)


def upload(folder: Path, port: int, topic: str, up: psutil.Process) -> tuple[float, int]:
    """Upload lines; return the seconds and the most memory that the worker had meanwhile."""
    file = folder / "lines.ndjson"
    file.write_bytes(b"\n".join(pair(key) for key in range(LINES)))
    worker = worker_of(up)
    began = time.perf_counter()
    with file.open("rb") as body:
        client = subprocess.Popen(
            [*CURL, "-H", f"X-API-Key: {API_KEY}", f"http://127.0.0.1:{port}/ingest/{topic}", "-o", folder / "out"],
            stdin=body,
        )
        resident = 0
        while client.poll() is None:
            resident = max(resident, worker.memory_info().rss)
            time.sleep(0.005)
    seconds = time.perf_counter() - began
    last = json.loads((folder / "out").read_bytes().splitlines()[-1])
    assert last["written"] == LINES, last
    return seconds, resident


def bare_rate(bootstrap: str, topic: str) -> float:
    """Return the records a second of a loop that encodes, produces and looks at every acknowledgement."""
    fields = [
        {"name": name, "type": kind}
        for name, kind in (
            ("id", "int"),
            ("name", "string"),
            ("price", "double"),
            ("at", "long"),
            ("note", ["null", "string"]),
        )
    ]
    schema = fastavro.parse_schema({"type": "record", "name": "Item", "fields": fields})
    producer = Producer(
        client_config(
            bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=1,
            partitioner="murmur2_random",
            queue_buffering_max_messages=500_000,
        )
    )
    failed = []

    def on_delivery(error: object, message: object) -> None:
        if error is not None:
            failed.append(error)

    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        for _ in range(BATCH):
            stream = BytesIO()
            stream.write(b"\0\0\0\0\1")
            fastavro.schemaless_writer(stream, schema, RECORD)
            while True:
                try:
                    producer.produce(topic, stream.getvalue(), count.to_bytes(4), on_delivery=on_delivery)
                    break
                except BufferError:
                    producer.poll(0.01)
            count += 1
        producer.poll(0)
    producer.flush()
    assert not failed, failed[0]
    return count / (time.perf_counter() - began)
