"""Batched reads: columns of records, ends of partitions, consumers that belong to no group."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from core.errors import KafkaUnavailableError
from core.kafka import REQUEST_TIMEOUT_S, UNKNOWN, client_config, translated

logger = logging.getLogger(__name__)

DELETION_PAUSE_S = 0.5
"""How long a consumer of the log pauses after an error, as the fetch that waits at the broker has when its topic is
deleted. Only then it can come upon a topic that was created again."""

_NO_GROUP = "quick-unused"
"""librdkafka wants a group of every consumer; nothing is ever committed to this one, and nobody joins it."""


class ConsumedRecord(Protocol):
    """One record as librdkafka hands it out: each part is made when it is asked for, so ask late."""

    def topic(self) -> str: ...  # noqa: D102 - Kafka's words
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]:
        """Return the kind of the timestamp and its milliseconds."""

    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None:
        """Return the value, `None` for a tombstone."""


def keys_of(records: Iterable[ConsumedRecord]) -> list[bytes | None]:
    """Return the key of each record; a column at a time is several times quicker than a record at a time."""
    return list(map(Message.key, cast("Iterable[Message]", records)))


def values_of(records: Iterable[ConsumedRecord]) -> list[bytes | None]:
    """Return the value of each record, `None` for a tombstone."""
    return list(map(Message.value, cast("Iterable[Message]", records)))


def value_bytes(records: Iterable[ConsumedRecord]) -> int:
    """Return how many bytes the values of *records* have together; they are not copied for that."""
    return sum(map(len, cast("Iterable[Message]", records)))


def timestamps_of(records: Iterable[ConsumedRecord]) -> Iterator[tuple[int, int]]:
    """Yield the kind of each record's timestamp and its milliseconds."""
    return map(Message.timestamp, cast("Iterable[Message]", records))


def topics_of(records: Iterable[ConsumedRecord]) -> list[str]:
    """Return the topic of each record."""
    return cast("list[str]", list(map(Message.topic, cast("Iterable[Message]", records))))


def partitions_of(records: Iterable[ConsumedRecord]) -> list[int]:
    """Return the partition of each record."""
    return cast("list[int]", list(map(Message.partition, cast("Iterable[Message]", records))))


def offsets_of(records: Iterable[ConsumedRecord]) -> Iterator[int]:
    """Yield the offset of each record."""
    return cast("Iterator[int]", map(Message.offset, cast("Iterable[Message]", records)))


class PartitionEnd(NamedTuple):
    """Everything below `offset` of a partition has been handed out."""

    topic: str
    partition: int
    offset: int


class Polled(NamedTuple):
    """What one look at the assigned partitions brought."""

    records: list[ConsumedRecord]
    ends: list[PartitionEnd]
    lost: Sequence[tuple[str, int]] = ()
    """Partitions, by topic and number, that do not hold the offset that was to be read next, and are not read on."""


class Watermarks(NamedTuple):
    """The offsets of the first record that a partition still holds and of the next one to come."""

    low: int
    high: int


def next_batch(consumer: Consumer, *, limit: int, timeout_s: float) -> list[Message]:
    """Return the records at hand, at most *limit*, after waiting at most *timeout_s* for the first one.

    `Consumer.consume` alone would wait the whole time to fill its batch.
    """
    first = consumer.poll(timeout_s)
    if first is None:
        return []
    return [first, *consumer.consume(limit - 1, 0)] if limit > 1 else [first]


def partition_end(message: Message) -> PartitionEnd | None:
    """Return the end of a partition that *message* tells, `None` when it is a record or another event."""
    error = message.error()
    if error is None or error.code() != KafkaError._PARTITION_EOF:
        return None
    return PartitionEnd(*cast("tuple[str, int, int]", _place(message)))


def log_consumer(bootstrap: str, topic: str, offset: int, on_error: Callable[[KafkaError], None]) -> Consumer:
    """Return a consumer of partition 0 of *topic* that begins at *offset*, tells its end, and belongs to no group."""
    consumer = Consumer(
        client_config(
            bootstrap,
            group_id=_NO_GROUP,
            enable_auto_commit=False,
            enable_partition_eof=True,
            auto_offset_reset="error",  # A missing offset is a finding, not a reason to jump.
            isolation_level="read_uncommitted",  # Every reader sees every record; no transaction can hold it up.
            fetch_wait_max_ms=500,
            fetch_error_backoff_ms=int(DELETION_PAUSE_S * 1000),
            queued_max_messages_kbytes=8_192,  # What waits to be folded costs memory in each process.
            fetch_queue_backoff_ms=5,  # By default a full queue pauses fetching for a second.
            allow_auto_create_topics=False,
        )
        | {"error_cb": on_error}
    )
    consumer.assign([TopicPartition(topic, 0, offset)])
    return consumer


def watermarks(
    bootstrap: str, topic: str, partitions: int = 1, *, isolation_level: str = "read_committed"
) -> dict[int, Watermarks]:
    """Ask the broker for the watermarks of the first *partitions* partitions of a topic.

    A reader of committed records cannot pass a transaction that is open, so for it the partition ends there.

    By a fresh client on purpose: librdkafka's admin client keeps an outdated leader epoch after a broker was restarted,
    and is refused for ever.

    Raises:
        KafkaUnavailableError: No broker answered.
    """
    config = client_config(bootstrap, group_id=_NO_GROUP, enable_auto_commit=False, isolation_level=isolation_level)
    consumer = Consumer(config)
    try:
        return {partition: Watermarks(*_queried(consumer, topic, partition)) for partition in range(partitions)}
    finally:
        consumer.close()


def _queried(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    doing = f"reading the watermarks of {topic}[{partition}]"
    try:
        found = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=REQUEST_TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() in UNKNOWN:
            # It may be gone, or a broker that is new to it, starting or busy does not know it yet.
            raise KafkaUnavailableError(f"Kafka does not show {topic}[{partition}] now. Try again.") from error
        raise translated(error, doing) from error
    if found is None:
        raise KafkaUnavailableError(f"Kafka did not answer while {doing}. Check the broker and try again.")
    return found


class TopicsConsumer:
    """One consumer for many topics, with partitions assigned one by one and offsets kept by the caller.

    Reads committed records only. A partition that is at its end says so once, also behind transaction markers and
    gaps of compaction and on an empty partition.

    Args:
        bootstrap: Brokers as `HOST:PORT`.
        tells_lost: Whether an offset that a partition does not hold is told; otherwise its first record comes next.
        fetch_wait_ms: How long a broker waits for records before it answers that there are none. A partition that is
            assigned is first fetched when the request under way has ended; each request names all partitions.
    """

    def __init__(self, bootstrap: str, *, tells_lost: bool = False, fetch_wait_ms: int = 100) -> None:
        self._consumer = Consumer(
            client_config(
                bootstrap,
                group_id=_NO_GROUP,
                enable_auto_commit=False,
                enable_partition_eof=True,
                auto_offset_reset="error" if tells_lost else "earliest",
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                fetch_wait_max_ms=fetch_wait_ms,
                fetch_queue_backoff_ms=5,  # By default a full queue pauses fetching for a second.
                queued_min_messages=130_000,  # Of each partition: small records take three times their size in memory.
                queued_max_messages_kbytes=65_536,
                topic_metadata_refresh_interval_ms=30_000,
            )
        )

    def assign(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Begin to read partitions at the given offsets."""
        self._consumer.incremental_assign([TopicPartition(*place, offset) for place, offset in offsets.items()])

    def unassign(self, places: Iterable[tuple[str, int]]) -> None:
        """Stop reading partitions; what was fetched of them and not handed out is dropped."""
        self._consumer.incremental_unassign([TopicPartition(*place) for place in places])

    def poll(self, *, limit: int, timeout_s: float) -> Polled:
        """Return the records at hand, at most *limit*, after waiting at most *timeout_s* for the first one."""
        messages = next_batch(self._consumer, limit=limit, timeout_s=timeout_s)
        if not any(map(Message.error, messages)):
            return Polled(cast("list[ConsumedRecord]", messages), [])
        return self._without_events(messages)

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    @staticmethod
    def _without_events(messages: list[Message]) -> Polled:
        records: list[ConsumedRecord] = []
        ends: list[PartitionEnd] = []
        lost: list[tuple[str, int]] = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(cast("ConsumedRecord", message))
            elif (end := partition_end(message)) is not None:
                ends.append(end)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                lost.append(cast("tuple[str, int]", _place(message)[:2]))
            else:
                logger.warning("reading %s[%s]@%s: %s", *_place(message), error)
        return Polled(records, ends, lost)


def _place(message: Message) -> tuple[str | None, int | None, int | None]:
    return message.topic(), message.partition(), message.offset()
