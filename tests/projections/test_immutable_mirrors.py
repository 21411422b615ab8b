"""Mirrors of immutable topics: the first record of a key counts, whatever happens to the fold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from core.errors import StoreError
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer
from core.kafka_writer import OutRecord, RecordWriter, Written, last_offsets
from core.position import Position
from core.store import Store, number_key
from core.topics import WriteType
from projections.mirror_entries import TABLES, Winner
from projections.mirror_folds import MirrorProjection
from projections.mirrors import MirrorView
from tests.serving import served_ends

PARTITIONS = 3
EARLY_MS, LATE_MS = 1_000_000_000_000, 1_600_000_000_000

WRITE_TIMEOUT_S = 120

Record = tuple[bytes | None, bytes | None]


@pytest.fixture
def topic(kafka: str, topic_name: str) -> str:
    KafkaAdmin(kafka).create_topic(topic_name, partitions=PARTITIONS, replication_factor=1, config={})
    ends_of(kafka, topic_name)
    return topic_name


@pytest.fixture
def writer(kafka: str) -> Iterator[RecordWriter]:
    writer = RecordWriter(kafka, delivery_timeout_s=WRITE_TIMEOUT_S)
    yield writer
    writer.close()


@pytest.fixture
def view(tmp_path: Path) -> Iterator[Callable[[], MirrorView]]:
    """Return a function that opens the mirror; it is closed before it is opened again, and at the end."""
    opened: list[MirrorView] = []

    def open_view() -> MirrorView:
        for earlier in opened:
            earlier.close()
        opened[:] = [MirrorView(tmp_path / "m")]
        return opened[0]

    yield open_view
    for last in opened:
        last.close()


def write(writer: RecordWriter, topic: str, *records: Record) -> list[Written]:
    return writer.write(topic, [OutRecord(*record) for record in records]).result(WRITE_TIMEOUT_S)


def write_to(kafka: str, topic: str, partition: int, key: bytes, value: bytes, timestamp_ms: int) -> None:
    """Write as a program with a partitioner of its own does."""
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, value, key, partition=partition, timestamp=timestamp_ms)
    assert 0 == producer.flush(WRITE_TIMEOUT_S)


def ends_of(kafka: str, topic: str) -> dict[int, int]:
    return served_ends(kafka, topic, PARTITIONS)


class Fold:
    """A fold as the projector makes it, one batch at a time."""

    def __init__(self, kafka: str, topic: str, folder: Path, write_type: WriteType = WriteType.IMMUTABLE) -> None:
        self.mirror = MirrorProjection(folder, ends_of(kafka, topic), write_type)
        self._consumer = TopicsConsumer(kafka)
        self._consumer.assign({(topic, partition): offset for partition, offset in self.mirror.offsets.items()})
        self._ended: set[int] = set()

    def take(self, limit: int) -> bool:
        """Take the next records without committing them; return whether all partitions are at their ends."""
        polled = self._consumer.poll(limit=limit, timeout_s=0.5)
        if polled.records:
            self.mirror.take(polled.records)
        self._ended |= {end.partition for end in polled.ends}
        return len(self._ended) == PARTITIONS

    def run(self, limit: int) -> None:
        """Take everything that the topic holds, and commit after each batch."""
        deadline = time.monotonic() + 60
        is_over = False
        while not is_over:
            assert time.monotonic() < deadline, "the topic did not end in time"
            before = dict(self.mirror.offsets)
            is_over = self.take(limit)
            if self.mirror.offsets != before:
                self.mirror.commit()

    def close(self) -> None:
        """Drop what is not committed."""
        self._consumer.close()
        self.mirror.close()


def fold(
    kafka: str, topic: str, folder: Path, write_type: WriteType = WriteType.IMMUTABLE, *, limit: int = 1000
) -> None:
    """Fold everything in *topic*, from where the mirror stands."""
    fold = Fold(kafka, topic, folder, write_type)
    fold.run(limit)
    fold.close()


def winners_of(records: list[Record], written: list[Written]) -> dict[bytes, Winner]:
    """Return who should win: of each key the record with the lowest offset that is no tombstone."""
    winners: dict[bytes, Winner] = {}
    for (key, value), place in sorted(zip(records, written, strict=True), key=lambda pair: pair[1]):
        if key is not None and value is not None:
            winners.setdefault(key, Winner(*place))
    return winners


def test_the_first_value_of_a_key_counts_for_ever(
    kafka: str, topic: str, writer: RecordWriter, tmp_path: Path, view: Callable[[], MirrorView]
) -> None:
    written = write(writer, topic, (b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"a", None), (b"b", b"1"))
    fold(kafka, topic, tmp_path / "m")
    later = write(writer, topic, (b"a", b"3"), (b"c", b"1"))
    fold(kafka, topic, tmp_path / "m")
    assert {b"a": b"1", b"b": b"1", b"c": b"1"} == {entry.key: entry.value for entry in view().all()}
    mirror = view()
    expected = [written[0], None, later[1], written[1]]
    assert expected == mirror.winners([b"a", b"missing", b"c", b"b"])
    assert written[0] == mirror.winner(b"a")
    assert mirror.winner(b"missing") is None


def test_a_tombstone_is_skipped_and_counted_and_the_first_value_after_it_counts(
    kafka: str, topic: str, writer: RecordWriter, tmp_path: Path, view: Callable[[], MirrorView]
) -> None:
    written = write(writer, topic, (b"a", None), (b"a", b"1"), (None, b"nobody's"), (b"a", None), (b"a", b"2"))
    fold(kafka, topic, tmp_path / "m")
    entry = view().get(b"a")
    assert entry is not None
    assert (b"1", written[1].offset) == (entry.value, entry.offset)
    assert 3 == view().skipped()


@pytest.mark.parametrize("length", [0, 1, 500, 501, 511, 512, 100_000])
def test_keys_of_any_length_have_a_winner(
    kafka: str, topic: str, writer: RecordWriter, tmp_path: Path, length: int, view: Callable[[], MirrorView]
) -> None:
    key = b"k" * length
    written = write(writer, topic, (key, b"first"), (key + b"x", b"other"), (key, b"second"), (key, None))
    fold(kafka, topic, tmp_path / "m")
    mirror = view()
    entry = mirror.get(key)
    assert entry is not None
    assert (key, b"first") == (entry.key, entry.value)
    assert written[:2] == mirror.winners([key, key + b"x"])
    assert {key: b"first", key + b"x": b"other"} == {entry.key: entry.value for entry in mirror.all()}


@pytest.mark.parametrize(
    ("stamps", "counts"), [((LATE_MS, EARLY_MS), 1), ((EARLY_MS, LATE_MS), 0), ((EARLY_MS, EARLY_MS), 0)]
)
@pytest.mark.parametrize("first_written", [0, 1])
def test_in_two_partitions_the_earlier_time_counts_then_the_lower_partition(
    kafka: str,
    topic: str,
    tmp_path: Path,
    view: Callable[[], MirrorView],
    stamps: tuple[int, int],
    counts: int,
    first_written: int,
) -> None:
    for partition in (first_written, 1 - first_written):
        write_to(kafka, topic, partition, b"a", b"%d" % partition, stamps[partition])
    fold(kafka, topic, tmp_path / "m")
    mirror = view()
    entry = mirror.get(b"a")
    assert entry is not None
    assert b"%d" % counts == entry.value
    assert Winner(counts, 0) == mirror.winner(b"a")
    assert [counts] == [entry.partition for entry in mirror.all()]


def test_racing_writers_agree_on_the_winner_and_a_mirror_from_nothing_agrees_too(
    kafka: str, topic: str, tmp_path: Path, view: Callable[[], MirrorView]
) -> None:
    rounds = 200
    barrier = threading.Barrier(2)
    places: list[list[Written]] = [[], []]

    def race(me: int) -> None:
        writer = RecordWriter(kafka, delivery_timeout_s=WRITE_TIMEOUT_S)
        for number in range(rounds):
            barrier.wait(WRITE_TIMEOUT_S)
            places[me] += write(writer, topic, (b"key %d" % number, b"from %d" % me))
        writer.close()

    racers = [threading.Thread(target=race, args=(me,)) for me in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    keys = [b"key %d" % number for number in range(rounds)]
    for folder in (tmp_path / "m", tmp_path / "from-nothing"):
        fold(kafka, topic, folder, limit=7)
    rebuilt = MirrorView(tmp_path / "from-nothing")
    mirror = view()
    wins = [0, 0]
    for number, (one, other) in enumerate(zip(*places, strict=True)):
        assert one.partition == other.partition, "both writers use Kafka's partitioner"
        assert mirror.includes(Position("id", last_offsets(kafka, topic, [one, other])))
        assert min(one, other) == mirror.winner(keys[number])
        me = int(other < one)
        wins[me] += 1
        entry = mirror.get(keys[number])
        assert entry is not None
        assert b"from %d" % me == entry.value
    assert mirror.winners(keys) == rebuilt.winners(keys)
    rebuilt.close()
    assert all(wins), f"a race that one of both always wins proves little: {wins}"


def take_some(fold: Fold) -> None:
    """Take a few records and commit nothing."""
    before = dict(fold.mirror.offsets)
    deadline = time.monotonic() + 60
    while fold.mirror.offsets == before:
        assert time.monotonic() < deadline
        fold.take(20)


def test_what_was_taken_and_not_committed_is_taken_again_with_the_same_winners(
    kafka: str, topic: str, writer: RecordWriter, tmp_path: Path, view: Callable[[], MirrorView]
) -> None:
    records: list[Record] = [(b"%d" % (i % 41), None if i % 13 == 0 else b"value %d" % i) for i in range(1000)]
    expected = winners_of(records, write(writer, topic, *records))
    for _ in range(10):
        interrupted = Fold(kafka, topic, tmp_path / "m")
        take_some(interrupted)
        interrupted.mirror.commit()
        committed = dict(interrupted.mirror.offsets)
        take_some(interrupted)
        interrupted.close()
        rewound = Fold(kafka, topic, tmp_path / "m")
        assert committed == rewound.mirror.offsets
        take_some(rewound)
        rewound.mirror.rewind(StoreError("the disk is full"))
        assert committed == rewound.mirror.offsets
        rewound.close()
    fold(kafka, topic, tmp_path / "m")
    assert list(expected.values()) == view().winners(list(expected))


FOLD_FOREVER = """
import sys
from pathlib import Path
from core.kafka_reader import TopicsConsumer, watermarks
from core.topics import WriteType
from projections.mirror_folds import MirrorProjection
kafka, topic, folder = sys.argv[1:]
ends = {p: mark.high for p, mark in watermarks(kafka, topic, 3).items()}
mirror = MirrorProjection(Path(folder), ends, WriteType.IMMUTABLE)
consumer = TopicsConsumer(kafka)
consumer.assign({(topic, partition): offset for partition, offset in mirror.offsets.items()})
while True:
    records = consumer.poll(limit=500, timeout_s=1).records
    if records:
        mirror.take(records)
        mirror.commit()
        print(sum(mirror.offsets.values()), flush=True)
"""


def test_a_fold_that_is_killed_half_way_finds_the_same_winners(
    kafka: str, topic: str, writer: RecordWriter, tmp_path: Path, view: Callable[[], MirrorView]
) -> None:
    records: list[Record] = [(b"%d" % (i * 31 % 4001), None if i % 17 == 0 else b"value %d" % i) for i in range(60_000)]
    expected = winners_of(records, write(writer, topic, *records))
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
    mirror = view()
    assert list(expected.values()) == mirror.winners(list(expected))
    assert len(expected) == sum(1 for _ in mirror.all())


def test_a_mirror_of_the_other_kind_is_built_again(
    kafka: str, topic: str, writer: RecordWriter, tmp_path: Path, view: Callable[[], MirrorView]
) -> None:
    (first, _) = write(writer, topic, (b"a", b"1"), (b"a", b"2"))
    fold(kafka, topic, tmp_path / "m", WriteType.MUTABLE)
    with pytest.raises(StoreError, match="Only an immutable topic has winners"):
        view().winner(b"a")
    view().close()
    fold(kafka, topic, tmp_path / "m")
    assert first == view().winner(b"a")


def test_a_mirror_that_does_not_say_its_kind_was_kept_for_a_mutable_topic(tmp_path: Path) -> None:
    with Store(tmp_path / "m", TABLES) as store:
        store.update(lambda txn: txn.put("meta", b"partitions", number_key(1)))
        store.update(lambda txn: txn.put("meta", b"offset" + bytes(4), number_key(7)))
    for write_type, continues_at in ((WriteType.MUTABLE, 7), (WriteType.IMMUTABLE, 0), (WriteType.MUTABLE, 0)):
        mirror = MirrorProjection(tmp_path / "m", {0: 9}, write_type)
        assert {0: continues_at} == mirror.offsets
        mirror.close()
