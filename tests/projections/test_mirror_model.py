"""Whatever happens to a topic and to its fold, the mirror holds what a plain reader of the topic finds."""

from __future__ import annotations

import itertools
import shutil
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]  # not in its __all__
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer
from core.topics import WriteType
from projections.mirror_entries import INLINE_MAX, Entry
from projections.mirror_folds import MirrorProjection
from projections.mirrors import MirrorView
from projections.windows import Window
from tests.serving import served_ends

EXAMPLES, STEPS = 10, 12
"""So many that they take some 10 seconds."""

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without shrinking: on a real broker it takes minutes. Add `Phase.shrink` to look for a shorter way to a failure."""

MOST_PARTITIONS = 4

HOMEBOUND, WANDERING = (b"", b"home", b"h" * 600), (b"w", b"wander", b"w" * 501)
"""Keys that one partition only has, and keys that any has."""

READER = {
    "group.id": "nobody",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "fetch.wait.max.ms": 20,
}

FIRST_MS = 1_600_000_000_000
TIMEOUT_S = 60


class Sent(NamedTuple):
    """A record as somebody writes it who chooses partitions and times himself."""

    key: bytes | None
    is_tombstone: bool
    partition: int
    timestamp_ms: int


class Kept(NamedTuple):
    """What a plain reader keeps of a key."""

    timestamp_ms: int
    partition: int
    value: bytes | None


def sent_records() -> st.SearchStrategy[list[Sent]]:
    """Return a few records, with times that are often equal, and seldom in the order of their offsets."""
    times, partitions = st.integers(FIRST_MS, FIRST_MS + 3), st.integers(0, MOST_PARTITIONS - 1)
    homebound = st.builds(Sent, st.sampled_from(HOMEBOUND), st.booleans(), st.just(0), times)
    wandering = st.builds(Sent, st.sampled_from(WANDERING), st.booleans(), partitions, times)
    without_key = st.builds(Sent, st.none(), st.just(value=False), partitions, times)
    often = (homebound, homebound, wandering, wandering, wandering)
    return st.lists(st.one_of(*often, without_key), min_size=1, max_size=8)


def plainly_folded(messages: Iterable[Message], write_type: WriteType) -> dict[bytes, bytes]:
    """Return what counts of each key, taking *messages* record by record.

    In each partition the order of the offsets decides; between partitions the times do, then the partitions.
    """
    is_mutable = write_type is WriteType.MUTABLE
    by_place: dict[tuple[bytes, int], Kept] = {}
    for message in messages:
        key, value, partition = message.key(), message.value(), message.partition()
        if key is None or (value is None and not is_mutable):
            continue
        kept = Kept(message.timestamp()[1], partition, value)
        if is_mutable:
            by_place[key, partition] = kept
        else:
            by_place.setdefault((key, partition), kept)
    by_key: dict[bytes, list[Kept]] = {}
    for (key, _), kept in by_place.items():
        by_key.setdefault(key, []).append(kept)
    choose = max if is_mutable else min
    chosen = {key: choose(found, key=lambda kept: kept[:2]).value for key, found in by_key.items()}
    return {key: value for key, value in chosen.items() if value is not None}


class MirrorMachine(RuleBasedStateMachine):
    """Writes to one topic and folds it, in any order."""

    def __init__(self, kafka: str, folder: Path, transactions: Producer) -> None:
        super().__init__()
        self._kafka = kafka
        self._admin = KafkaAdmin(kafka)
        self._folder = folder / uuid.uuid4().hex
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0, "log_level": 2})
        self._transactions = transactions
        self._reader = Consumer(READER | {"bootstrap.servers": kafka})
        self._numbers = itertools.count()
        self._mirror: MirrorProjection | None = None

    @initialize(partitions=st.integers(1, 3), write_type=st.sampled_from(WriteType))
    def begin(self, partitions: int, write_type: WriteType) -> None:
        self._topic = f"model-{uuid.uuid4().hex}"
        self._partitions, self._write_type = partitions, write_type
        config = {"retention.ms": "-1"}  # The times of the records are old ones.
        self._admin.create_topic(self._topic, partitions=partitions, replication_factor=1, config=config)
        self._consumer = TopicsConsumer(self._kafka)
        self._start()

    @rule(records=sent_records())
    def write(self, records: list[Sent]) -> None:
        self._produce(self._producer, records)

    @rule(records=sent_records(), is_committed=st.booleans())
    def write_in_a_transaction(self, records: list[Sent], *, is_committed: bool) -> None:
        self._transactions.begin_transaction()
        self._produce(self._transactions, records)
        if is_committed:
            self._transactions.commit_transaction(TIMEOUT_S)
        else:
            self._transactions.abort_transaction(TIMEOUT_S)

    @precondition(lambda self: self._partitions < MOST_PARTITIONS)
    @rule()
    def add_a_partition(self) -> None:
        self._stop()
        self._partitions += 1
        request = [NewPartitions(self._topic, self._partitions)]
        client = AdminClient({"bootstrap.servers": self._kafka})
        client.create_partitions(request)[self._topic].result(TIMEOUT_S)
        self._start()

    @rule(limit=st.integers(1, 10))
    def fold_a_piece(self, limit: int) -> None:
        self._fold(limit, timeout_s=0.02)

    @rule(limit=st.integers(1, 10))
    def lose_a_piece(self, limit: int) -> None:
        """End before the piece is committed, as a process that is killed."""
        records = self._consumer.poll(limit=limit, timeout_s=0.02).records
        if records:
            self._projection.take(records)
        self._stop()
        self._start()

    @rule()
    def compare(self) -> None:
        self._fold_all()
        self._stop()
        expected = plainly_folded(self._read_plainly(), self._write_type)
        view = MirrorView(self._folder)
        try:
            assert view.is_ready()
            assert expected == {entry.key: entry.value for entry in view.all()}
            in_order = sorted(expected, key=lambda key: (len(key) > INLINE_MAX, key))  # Long ones come last.
            assert in_order == [entry.key for entry in _by_pages(view, 2)]
            keys = [*HOMEBOUND, *WANDERING, b"never"]
            found = [None if entry is None else entry.value for entry in view.get_many(keys)]
            assert [expected.get(key) for key in keys] == found
        finally:
            view.close()
        self._start()

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # All steps went well.
                self.compare()
        finally:
            if self._mirror is not None:
                self._stop()
            self._consumer.close()
            self._reader.close()
            self._admin.delete_topic(self._topic)
            shutil.rmtree(self._folder)

    # The parts of the steps.

    def _produce(self, producer: Producer, records: list[Sent]) -> None:
        self._learn_partitions(producer)
        for sent in records:
            value = None if sent.is_tombstone else b"%d" % next(self._numbers)
            partition = sent.partition % self._partitions
            producer.produce(self._topic, value, sent.key, partition=partition, timestamp=sent.timestamp_ms)
        assert 0 == producer.flush(TIMEOUT_S)

    def _learn_partitions(self, producer: Producer) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while len(producer.list_topics(self._topic, TIMEOUT_S).topics[self._topic].partitions) < self._partitions:
            assert time.monotonic() < deadline, f"{self._topic} does not have its partitions in time"

    @property
    def _projection(self) -> MirrorProjection:
        assert self._mirror is not None, "it runs"
        return self._mirror

    def _start(self) -> None:
        self._mirror = MirrorProjection(self._folder, self._ends("read_committed"), self._write_type)
        self._ended: dict[int, int] = {}
        self._consumer.assign({(self._topic, p): offset for p, offset in self._mirror.offsets.items()})

    def _stop(self) -> None:
        mirror, self._mirror = self._projection, None
        self._consumer.unassign((self._topic, partition) for partition in mirror.offsets)
        mirror.close()

    def _fold(self, limit: int, timeout_s: float) -> None:
        """Fold what is at hand, at most *limit* records."""
        polled = self._consumer.poll(limit=limit, timeout_s=timeout_s)
        if polled.records:
            self._projection.take(polled.records)
            self._projection.commit()
        for end in polled.ends:
            self._projection.ended(end)
            self._ended[end.partition] = end.offset

    def _fold_all(self) -> None:
        ends = self._ends("read_uncommitted")  # A reader of committed records ends there when transactions have.
        deadline = time.monotonic() + TIMEOUT_S
        while any(self._ended.get(partition, -1) < end for partition, end in ends.items()):
            assert time.monotonic() < deadline, f"{self._topic} ends at {ends}, and the fold stands at {self._ended}"
            self._fold(1000, timeout_s=0.1)

    def _read_plainly(self) -> Iterator[Message]:
        """Yield the committed records of the whole topic."""
        ends = self._ends("read_uncommitted")
        self._reader.list_topics(self._topic, TIMEOUT_S)  # Otherwise it may look for the leaders a second later.
        self._reader.assign([TopicPartition(self._topic, partition, 0) for partition in ends])
        while ends:
            message = self._reader.poll(TIMEOUT_S)
            assert message is not None, f"Kafka sends nothing more of {self._topic}, and no end either"
            error = message.error()
            if error is None:
                yield message
            else:
                assert KafkaError._PARTITION_EOF == error.code(), error
                if message.offset() >= ends[message.partition()]:
                    del ends[message.partition()]

    def _ends(self, isolation_level: str) -> dict[int, int]:
        return served_ends(self._kafka, self._topic, self._partitions, isolation_level=isolation_level)


def _by_pages(view: MirrorView, limit: int) -> Iterator[Entry]:
    window: Window | None = Window(limit=limit)
    while window is not None:
        page = view.page(window)
        assert len(page.entries) <= limit
        yield from page.entries
        window = None if page.next is None else window.behind(page.next)


@pytest.fixture
def transactions(kafka: str, topic_name: str) -> Producer:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic_name, "log_level": 2})
    producer.init_transactions(TIMEOUT_S)
    return producer


def test_a_mirror_is_what_a_plain_reader_of_its_topic_finds(kafka: str, tmp_path: Path, transactions: Producer) -> None:
    run_state_machine_as_test(
        lambda: MirrorMachine(kafka, tmp_path, transactions),
        settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, phases=PHASES),
    )
