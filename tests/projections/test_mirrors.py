"""Mirrors of real topics."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from core.comparable_fields import mirror_fields
from core.errors import InvalidInputError
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer
from core.kafka_writer import OutRecord, RecordWriter, Written, last_offsets
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.position import Position
from core.registered_schema import RegisteredSchema
from core.types import TopicType, codec_for
from projections.mirror_folds import MirrorProjection
from projections.mirror_indexes import IndexWriter
from projections.mirrors import MirrorView
from tests.serving import served_ends

PARTITIONS = 3

WRITE_TIMEOUT_S = 120

NewTopic = Callable[[], str]
Record = tuple[bytes | None, bytes | None]


@pytest.fixture
def new_topic(kafka: str, topic_name: str) -> NewTopic:
    def create() -> str:
        KafkaAdmin(kafka).create_topic(topic_name, partitions=PARTITIONS, replication_factor=1, config={})
        ends_of(kafka, topic_name)
        return topic_name

    return create


@pytest.fixture
def writer(kafka: str) -> Iterator[RecordWriter]:
    writer = RecordWriter(kafka, linger_ms=5, delivery_timeout_s=WRITE_TIMEOUT_S)
    yield writer
    writer.close()


def write(writer: RecordWriter, topic: str, *records: Record) -> list[Written]:
    return writer.write(topic, [OutRecord(*record) for record in records]).result(WRITE_TIMEOUT_S)


def ends_of(kafka: str, topic: str) -> dict[int, int]:
    return served_ends(kafka, topic, PARTITIONS)


def fold(kafka: str, topic: str, folder: Path, definition: MirrorDefinition | None = None) -> None:
    """Fold everything that is committed in *topic*, from where the mirror stands."""
    ends = ends_of(kafka, topic)
    kept = definition or MirrorDefinition()
    mirror = MirrorProjection(folder, ends, definition=kept, indexer=None if definition is None else indexer_of(kept))
    consumer = TopicsConsumer(kafka)
    consumer.assign({(topic, partition): offset for partition, offset in mirror.offsets.items()})
    ended: set[int] = set()
    deadline = time.monotonic() + 60
    while len(ended) < PARTITIONS:
        assert time.monotonic() < deadline, "the topic did not end in time"
        polled = consumer.poll(limit=1000, timeout_s=0.5)
        if polled.records:
            mirror.take(polled.records)
            mirror.commit()
        for end in polled.ends:
            if mirror.ended(end):
                mirror.commit()
            ended.add(end.partition)
    consumer.close()
    mirror.close()


def content(folder: Path) -> dict[bytes, bytes]:
    view = MirrorView(folder)
    try:
        return {entry.key: entry.value for entry in view.all()}
    finally:
        view.close()


def test_the_last_value_of_a_key_counts_and_a_tombstone_removes_it(
    kafka: str, new_topic: NewTopic, writer: RecordWriter, tmp_path: Path
) -> None:
    topic = new_topic()
    write(
        writer, topic, (b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", None), (b"c", b"1"), (b"c", None), (b"c", b"3")
    )
    fold(kafka, topic, tmp_path / "m")
    assert {b"a": b"2", b"c": b"3"} == content(tmp_path / "m")


@pytest.mark.parametrize("length", [0, 1, 499, 500, 501, 511, 512, 100_000])
def test_keys_of_any_length_have_a_place(
    kafka: str, new_topic: NewTopic, writer: RecordWriter, tmp_path: Path, length: int
) -> None:
    topic, key = new_topic(), b"k" * length
    write(writer, topic, (key, b"old"), (key + b"x", b"other"), (key, b"new"))
    fold(kafka, topic, tmp_path / "m")
    view = MirrorView(tmp_path / "m")
    entry = view.get(key)
    assert entry is not None
    assert (key, b"new") == (entry.key, entry.value)
    assert {key: b"new", key + b"x": b"other"} == {entry.key: entry.value for entry in view.all()}
    view.close()
    write(writer, topic, (key, None))
    fold(kafka, topic, tmp_path / "m")
    assert {key + b"x": b"other"} == content(tmp_path / "m")


def test_empty_values_are_values_and_records_without_a_key_are_counted(
    kafka: str, new_topic: NewTopic, writer: RecordWriter, tmp_path: Path
) -> None:
    topic = new_topic()
    write(writer, topic, (b"a", b""), (None, b"nobody's"), (None, b"nobody's"))
    fold(kafka, topic, tmp_path / "m")
    assert {b"a": b""} == content(tmp_path / "m")
    view = MirrorView(tmp_path / "m")
    assert 2 == view.skipped()
    view.close()


def test_all_comes_by_key_across_partitions(
    kafka: str, new_topic: NewTopic, writer: RecordWriter, tmp_path: Path
) -> None:
    topic = new_topic()
    write(writer, topic, *((b"%04d" % i, b"v") for i in range(2500)))
    fold(kafka, topic, tmp_path / "m")
    view = MirrorView(tmp_path / "m")
    entries = [(entry.key, entry.partition) for entry in view.all()]
    assert sorted(entries) == entries
    assert 2500 == len(entries)
    assert {0, 1, 2} == {partition for _, partition in entries}
    view.close()


def test_many_keys_come_in_the_requested_order(
    kafka: str, new_topic: NewTopic, writer: RecordWriter, tmp_path: Path
) -> None:
    topic = new_topic()
    write(writer, topic, *((b"%d" % i, b"v%d" % i) for i in range(10)))
    fold(kafka, topic, tmp_path / "m")
    view = MirrorView(tmp_path / "m")
    found = view.get_many([b"7", b"missing", b"0", b"7"])
    assert [b"v7", None, b"v0", b"v7"] == [entry and entry.value for entry in found]
    view.close()


def test_a_mirror_continues_where_it_stopped(
    kafka: str, new_topic: NewTopic, writer: RecordWriter, tmp_path: Path
) -> None:
    topic = new_topic()
    write(writer, topic, (b"a", b"1"))
    fold(kafka, topic, tmp_path / "m")
    write(writer, topic, (b"b", b"2"))
    fold(kafka, topic, tmp_path / "m")
    assert {b"a": b"1", b"b": b"2"} == content(tmp_path / "m")


def test_an_empty_topic_is_ready_at_once(kafka: str, new_topic: NewTopic, tmp_path: Path) -> None:
    topic = new_topic()
    MirrorProjection(tmp_path / "m", ends_of(kafka, topic)).close()
    view = MirrorView(tmp_path / "m")
    assert view.is_ready()
    view.close()


def test_a_mirror_is_not_ready_before_it_holds_what_the_topic_held(
    kafka: str, new_topic: NewTopic, writer: RecordWriter, tmp_path: Path
) -> None:
    topic = new_topic()
    write(writer, topic, (b"a", b"1"))
    MirrorProjection(tmp_path / "m", ends_of(kafka, topic)).close()
    view = MirrorView(tmp_path / "m")
    assert not view.is_ready()
    view.close()
    fold(kafka, topic, tmp_path / "m")
    view = MirrorView(tmp_path / "m")
    assert view.is_ready()
    view.close()


def test_aborted_records_do_not_count_and_do_not_hold_up(kafka: str, new_topic: NewTopic, tmp_path: Path) -> None:
    topic = new_topic()
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic})
    producer.init_transactions(60)
    for value, finish in ((b"kept", producer.commit_transaction), (b"aborted", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value, b"a")
        assert 0 == producer.flush(60)
        finish(60)
    fold(kafka, topic, tmp_path / "m")
    assert {b"a": b"kept"} == content(tmp_path / "m")
    view = MirrorView(tmp_path / "m")
    assert view.is_ready()
    view.close()


def test_a_position_is_included_once_it_is_folded(
    kafka: str, new_topic: NewTopic, writer: RecordWriter, tmp_path: Path
) -> None:
    topic = new_topic()
    fold(kafka, topic, tmp_path / "m")
    position = Position("id", last_offsets(kafka, topic, write(writer, topic, (b"a", b"1"), (b"b", b"2"))))
    view = MirrorView(tmp_path / "m")
    assert not view.includes(position)
    view.close()
    fold(kafka, topic, tmp_path / "m")
    view = MirrorView(tmp_path / "m")
    assert view.includes(position)
    view.close()


def test_after_a_crash_of_the_machine_a_mirror_is_built_again(
    kafka: str, new_topic: NewTopic, writer: RecordWriter, tmp_path: Path
) -> None:
    topic = new_topic()
    write(writer, topic, (b"a", b"1"))
    fold(kafka, topic, tmp_path / "m")
    (tmp_path / "m" / "dirty").write_text("the id of an earlier boot")
    mirror = MirrorProjection(tmp_path / "m", ends_of(kafka, topic))
    assert dict.fromkeys(range(PARTITIONS), 0) == mirror.offsets
    mirror.close()


SCHEMA = RegisteredSchema(
    schema_id=1,
    schema_type="AVRO",
    schema='{"type": "record", "name": "Step", "fields": [{"name": "at", "type": "long"}]}',
)
VALUES = codec_for(TopicType.SCHEMA, schema=SCHEMA, schemas=lambda _: SCHEMA)


def indexer_of(definition: MirrorDefinition) -> IndexWriter:
    return IndexWriter(definition, VALUES, mirror_fields(definition, SCHEMA))


def test_a_mirror_keeps_the_indexes_that_it_is_defined_with(
    kafka: str, new_topic: NewTopic, writer: RecordWriter, tmp_path: Path
) -> None:
    topic = new_topic()
    steps: list[Record] = [(b"walk", VALUES.encode({"at": at})) for at in (3, -1, 2)]
    write(writer, topic, *steps, (b"run", VALUES.encode({"at": 1})), (b"run", b"broken"), (None, b"nobody's"))
    ranges, found = MirrorDefinition(range_field="at"), MirrorDefinition(indexes=("at",))
    fold(kafka, topic, tmp_path / "m", ranges)
    view = MirrorView(tmp_path / "m")
    assert [-1, 2, 3] == [VALUES.decode(entry.value)["at"] for entry in view.range(b"walk", Bounds())]
    assert (1, 1) == (view.unindexed(), view.skipped())
    view.close()
    write(writer, topic, (b"walk", None))
    fold(kafka, topic, tmp_path / "m", ranges)
    view = MirrorView(tmp_path / "m")
    assert [] == view.range(b"walk", Bounds())
    assert [1] == [VALUES.decode(entry.value)["at"] for entry in view.range(b"run", Bounds())]
    view.close()
    write(writer, topic, (b"walk", VALUES.encode({"at": 7})))
    fold(kafka, topic, tmp_path / "m", found)  # Another definition: from the beginning.
    view = MirrorView(tmp_path / "m")
    assert [b"walk"] == [entry.key for entry in view.find("at", Bounds()).entries]
    with pytest.raises(InvalidInputError):
        view.range(b"walk", Bounds())
    view.close()


FOLD_FOREVER = """
import sys
from pathlib import Path
from core.kafka_reader import TopicsConsumer, watermarks
from projections.mirror_folds import MirrorProjection
kafka, topic, folder = sys.argv[1:]
mirror = MirrorProjection(Path(folder), {p: mark.high for p, mark in watermarks(kafka, topic, 3).items()})
consumer = TopicsConsumer(kafka)
consumer.assign({(topic, partition): offset for partition, offset in mirror.offsets.items()})
while True:
    records = consumer.poll(limit=500, timeout_s=1).records
    if records:
        mirror.take(records)
        mirror.commit()
        print(sum(mirror.offsets.values()), flush=True)
"""


def test_a_fold_that_is_killed_half_way_loses_and_doubles_nothing(
    kafka: str, new_topic: NewTopic, writer: RecordWriter, tmp_path: Path
) -> None:
    topic = new_topic()
    records: list[Record] = [(b"%d" % (i * 31 % 4001), None if i % 17 == 0 else b"value %d" % i) for i in range(60_000)]
    write(writer, topic, *records)
    for kill_at in (5_000, 20_000, 40_000):
        child = subprocess.Popen(
            [sys.executable, "-c", FOLD_FOREVER, kafka, topic, str(tmp_path / "m")], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        with child, child.stdout:
            for line in child.stdout:
                if int(line) >= kill_at:
                    break
            os.kill(child.pid, signal.SIGKILL)
    fold(kafka, topic, tmp_path / "m")
    expected: dict[bytes | None, bytes] = {}
    for key, value in records:
        if value is None:
            expected.pop(key, None)
        else:
            expected[key] = value
    assert expected == content(tmp_path / "m")
