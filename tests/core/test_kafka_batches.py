from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from core import kafka_batches
from core.errors import KafkaUnavailableError, QuickError, TooLargeError
from core.kafka import client_config
from core.kafka_batches import KAFKAS_LIMIT_BYTES, Batch, BatchWriter
from core.kafka_writer import OutRecord, Written
from tests.ingesting import content
from tests.running import until
from tests.serving import made_topic


@pytest.fixture
def topic(kafka: str, topic_name: str) -> str:
    return made_topic(kafka, topic_name)


@pytest.fixture
def writer(kafka: str) -> Iterator[BatchWriter]:
    writer = BatchWriter(kafka, linger_ms=1, bulk_linger_ms=1, delivery_timeout_s=60)
    yield writer
    writer.close(60)


class Outcomes:
    """What `done` was told, in order."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def __call__(self, batch: Batch) -> None:
        self.batches.append(batch)

    def of(self, writer: BatchWriter) -> list[Batch]:
        until(lambda: not writer.collect())
        return self.batches


def written(
    writer: BatchWriter,
    topic: str,
    records: list[OutRecord],
    *,
    limit: int = KAFKAS_LIMIT_BYTES,
    wants_each: bool = True,
) -> Batch:
    outcomes = Outcomes()
    writer.write(topic, records, outcomes, limit_bytes=limit, wants_each=wants_each)
    (batch,) = outcomes.of(writer)
    return batch


def numbered(count: int) -> list[OutRecord]:
    return [OutRecord(b"k", b"%d" % number) for number in range(count)]


def test_records_are_told_each_with_its_place(writer: BatchWriter, topic: str) -> None:
    batch = written(writer, topic, [OutRecord(b"a", b"1"), OutRecord(b"b", None), OutRecord(None, b"3")])
    assert [Written(0, 0), Written(0, 1), Written(0, 2)] == batch.each
    assert (3, None, {0: 2}, True) == (batch.acknowledged, batch.error, batch.offsets, batch.is_placed)


def test_without_that_the_last_offsets_are_told(writer: BatchWriter, kafka: str, topic_name: str) -> None:
    made_topic(kafka, topic_name, partitions=3)
    batch = written(writer, topic_name, [OutRecord(b"%d" % number, b"v") for number in range(300)], wants_each=False)
    assert ([], 300) == (batch.each, batch.acknowledged)
    assert 300 == sum(offset + 1 for offset in batch.offsets.values())


def test_batches_keep_their_order_within_a_partition(writer: BatchWriter, kafka: str, topic: str) -> None:
    outcomes = Outcomes()
    for start in range(0, 2_000, 100):
        records = [
            OutRecord(b"k", b"%d" % number, (("h", b"v"),) if number % 3 == 0 else ())
            for number in range(start, start + 100)
        ]
        writer.write(topic, records, outcomes, limit_bytes=KAFKAS_LIMIT_BYTES, wants_each=True)
        writer.collect()
    assert 20 == len(outcomes.of(writer))
    assert [b"%d" % number for number in range(2_000)] == [record.value() for record in content(kafka, topic)]


def test_headers_and_times_are_written(writer: BatchWriter, kafka: str, topic: str) -> None:
    records = [
        OutRecord(b"a", b"1", (("h", b"v"), ("h", None)), 1_700_000_000_001),
        OutRecord(b"a", b"2", (), 1_700_000_000_002),
        OutRecord(b"a", b"3", (("x", b""),)),
    ]
    for wants_each in (True, False):
        assert 3 == written(writer, topic, records, wants_each=wants_each).acknowledged
    for record, expected in zip(content(kafka, topic), records * 2, strict=True):
        assert list(expected.headers) == (record.headers() or [])
        assert expected.timestamp_ms in (record.timestamp()[1], None)


def test_an_error_of_one_topic_leaves_the_others_alone(kafka: str, topic: str) -> None:
    # An unknown topic may be a very new one, so it is waited for as long as a slow broker is.
    writer = BatchWriter(kafka, linger_ms=1, bulk_linger_ms=1, delivery_timeout_s=10)
    made_topic(kafka, f"{topic}-small", max_message_bytes="1000")
    cases = [(wants_each, headers) for wants_each in (True, False) for headers in ((), (("h", b"v"),))]
    outcomes = []
    for number, (wants_each, headers) in enumerate(cases):
        unknown, small, good = Outcomes(), Outcomes(), Outcomes()
        one, many = [OutRecord(b"a", bytes(5_000), headers)], [OutRecord(b"a", b"1", headers)] * 3
        for name, records, done in (
            (f"{topic}-unknown-{number}", many, unknown),
            (f"{topic}-small", one, small),
            (topic, many, good),
        ):
            writer.write(name, records, done, limit_bytes=KAFKAS_LIMIT_BYTES, wants_each=wants_each)
        writer.flush()
        outcomes.append((unknown, small, good))
    until(lambda: not writer.collect())
    for (wants_each, _), told in zip(cases, outcomes, strict=True):
        unknown, small, good = (outcome.batches[0] for outcome in told)
        assert (0, True) == (unknown.acknowledged, isinstance(unknown.error, KafkaUnavailableError))
        assert (0, True) == (small.acknowledged, isinstance(small.error, TooLargeError))
        assert (3, None) == (good.acknowledged, good.error)
        if wants_each:
            assert all(isinstance(outcome, KafkaUnavailableError) for outcome in unknown.each)
    assert 0 == writer.batches
    writer.close(8)


@pytest.mark.parametrize("headers", [(), (("h", b"v"),)])
def test_a_record_that_is_too_large_for_the_client_fails_alone_or_with_what_follows(
    writer: BatchWriter, topic: str, headers: tuple[tuple[str, bytes]]
) -> None:
    records = [OutRecord(b"a", b"1", headers), OutRecord(b"a", bytes(5_000), headers), OutRecord(b"a", b"3", headers)]
    batch = written(writer, topic, records, limit=2_000)
    assert isinstance(batch.error, TooLargeError)
    assert (Written(0, 0), True) == (batch.each[0], isinstance(batch.each[1], TooLargeError))
    assert batch.acknowledged == sum(isinstance(outcome, Written) for outcome in batch.each)


def test_small_records_are_sent_within_the_topics_limit(writer: BatchWriter, kafka: str, topic_name: str) -> None:
    made_topic(kafka, topic_name, max_message_bytes="2000")
    batch = written(writer, topic_name, [OutRecord(b"k", bytes(300)) for _ in range(200)], limit=2_000)
    assert (200, None) == (batch.acknowledged, batch.error)


def test_topics_share_producers_up_to_a_number_and_limits_do_not(
    monkeypatch: pytest.MonkeyPatch, kafka: str, topic_name: str
) -> None:
    monkeypatch.setattr(kafka_batches, "TOPICS_EACH", 2)
    writer = BatchWriter(kafka, linger_ms=1, bulk_linger_ms=1, delivery_timeout_s=60)
    names = [made_topic(kafka, f"{topic_name}-{number}") for number in range(5)]
    for _ in range(2):
        for name in names:
            assert 1 == written(writer, name, numbered(1)).acknowledged
    assert 3 == len(writer._lanes)
    assert 1 == written(writer, names[0], numbered(1), limit=2_000).acknowledged
    assert 4 == len(writer._lanes)
    assert all(3 <= len(content(kafka, name)) + 1 for name in names)
    writer.close(60)


def test_without_a_broker_all_is_told_as_unknown_in_time(free_port: Callable[[], int]) -> None:
    writer = BatchWriter(f"127.0.0.1:{free_port()}", linger_ms=1, bulk_linger_ms=1, delivery_timeout_s=0.5)
    batch = written(writer, "topic", numbered(10))
    assert (0, True) == (batch.acknowledged, isinstance(batch.error, KafkaUnavailableError))
    assert all(isinstance(outcome, KafkaUnavailableError) for outcome in batch.each)
    writer.close(1)


@pytest.mark.parametrize("headers", [(), (("h", b"v"),)])
@pytest.mark.parametrize("wants_each", [True, False])
def test_what_does_not_fit_into_the_queue_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
    free_port: Callable[[], int],
    headers: tuple[tuple[str, bytes]],
    *,
    wants_each: bool,
) -> None:
    monkeypatch.setattr(
        kafka_batches,
        "client_config",
        lambda *given, **more: client_config(*given, **{**more, "queue_buffering_max_messages": 100}),
    )
    writer = BatchWriter(f"127.0.0.1:{free_port()}", linger_ms=1, bulk_linger_ms=1, delivery_timeout_s=0.5)
    outcomes = Outcomes()
    writer.write(
        "topic", [OutRecord(b"k", b"v", headers)] * 60, outcomes, limit_bytes=KAFKAS_LIMIT_BYTES, wants_each=wants_each
    )
    writer.write(
        "topic", [OutRecord(b"k", b"v", headers)] * 60, outcomes, limit_bytes=KAFKAS_LIMIT_BYTES, wants_each=wants_each
    )
    writer.write(
        "topic", [OutRecord(b"k", b"v", headers)] * 60, outcomes, limit_bytes=KAFKAS_LIMIT_BYTES, wants_each=wants_each
    )
    writer.flush()
    assert 1 == len(outcomes.batches)  # The last one does not fit at all, and is told within the call.
    assert isinstance(outcomes.batches[0].error, KafkaUnavailableError)
    assert [60] * 3 == [batch.size for batch in outcomes.of(writer)]
    assert all(isinstance(batch.error, KafkaUnavailableError) for batch in outcomes.batches)
    writer.close(1)


class BrokenProducer:
    """A producer that has met a fatal error, with one record that it still has to tell of."""

    def __init__(self) -> None:
        self.is_purged = False
        self._left = 1
        self.reported: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return self._left

    def poll(self, _timeout_s: float) -> int:
        if self.is_purged and self._left:
            self._left = 0
            self.reported()
        raise KafkaException(KafkaError(KafkaError._FATAL))

    def purge(self) -> None:
        self.is_purged = True

    def produce_batch(self, _topic: str, messages: list[dict[str, Any]]) -> int:
        self.reported = lambda: messages[0]["callback"](KafkaError(KafkaError._PURGE_QUEUE), None)
        return len(messages)


def test_after_a_fatal_error_a_new_producer_goes_on(
    monkeypatch: pytest.MonkeyPatch, writer: BatchWriter, kafka: str, topic: str
) -> None:
    broken = BrokenProducer()
    make = writer._new_producer
    producers: list[Any] = [broken]
    monkeypatch.setattr(writer, "_new_producer", lambda limit: producers.pop() if producers else make(limit))
    batch = written(writer, topic, numbered(1), wants_each=False)
    assert (0, True) == (batch.acknowledged, isinstance(batch.error, KafkaUnavailableError))
    assert broken.is_purged
    assert (1, None) == (written(writer, topic, numbered(1)).acknowledged, None)
    assert 1 == len(content(kafka, topic))


def test_closing_delivers_what_is_queued(kafka: str, topic: str) -> None:
    writer = BatchWriter(kafka, linger_ms=60_000, bulk_linger_ms=60_000, delivery_timeout_s=100)
    outcomes = Outcomes()
    writer.write(topic, numbered(50), outcomes, limit_bytes=KAFKAS_LIMIT_BYTES)
    writer.close(30)
    assert [50] == [batch.acknowledged for batch in outcomes.batches]
    assert 50 == len(content(kafka, topic))


def test_a_batch_without_known_offsets_says_so() -> None:
    class Repeated:
        def offset(self) -> int:
            return -1

        def partition(self) -> int:
            return 0

    told: list[Batch] = []
    for wants_each in (False, True):
        batch = Batch(1, told.append, wants_each=wants_each)
        batch.callback(0)(None, Repeated())  # type: ignore[arg-type]  # what is asked of a message
    assert [(1, False, {})] * 2 == [(batch.acknowledged, batch.is_placed, batch.offsets) for batch in told]
    assert [[], [Written(0, None)]] == [batch.each for batch in told]


def test_errors_are_ours(kafka: str, topic_name: str) -> None:
    writer = BatchWriter(kafka, linger_ms=1, bulk_linger_ms=1, delivery_timeout_s=3)
    batch = written(writer, topic_name, numbered(1))
    assert isinstance(batch.error, QuickError)
    writer.close(8)
