"""The Kafka clients: admin requests, acknowledged writes, batched reads; librdkafka's errors end here.

Every call is bounded in time. Clients must be made after a fork: an inherited producer never delivers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented there, and not in its __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from core.errors import ConflictError, KafkaRefusedError, KafkaUnavailableError, NotFoundError

logger = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 10.0
"""Longest wait for the answer to one admin request."""

DELIVERY_TIMEOUT_S = 8.0
"""Longest wait for the acknowledgement of a record; then its outcome is unknown."""

_UNAVAILABLE = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._QUEUE_FULL,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._PURGE_QUEUE,
    KafkaError._PURGE_INFLIGHT,
    KafkaError._RESOLVE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._NOENT,  # "No leaders found": a broker that has just started knows no leader of the partition yet.
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
}


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


def timestamps_of(records: Iterable[ConsumedRecord]) -> Iterator[tuple[int, int]]:
    """Yield the kind of each record's timestamp and its milliseconds."""
    return map(Message.timestamp, cast("Iterable[Message]", records))


def topics_of(records: Iterable[ConsumedRecord]) -> list[str]:
    """Return the topic of each record."""
    return cast("list[str]", list(map(Message.topic, cast("Iterable[Message]", records))))


def partitions_of(records: Iterable[ConsumedRecord]) -> list[int]:
    """Return the partition of each record."""
    return cast("list[int]", list(map(Message.partition, cast("Iterable[Message]", records))))


class PartitionEnd(NamedTuple):
    """Everything below `offset` of a partition has been handed out."""

    topic: str
    partition: int
    offset: int


class Polled(NamedTuple):
    """What one look at the assigned partitions brought."""

    records: list[ConsumedRecord]
    ends: list[PartitionEnd]


class Watermarks(NamedTuple):
    """The offsets of the first record that a partition still holds and of the next one to come."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What Kafka says of one topic."""

    name: str
    topic_id: str
    """Kafka's own identity of the topic (KIP-516): a topic created again under the same name has another one."""
    partitions: int


class OutRecord(NamedTuple):
    """One record to write; `value` is `None` for a tombstone."""

    key: bytes | None
    value: bytes | None


class Written(NamedTuple):
    """Where Kafka has put a record."""

    partition: int
    offset: int


def client_config(bootstrap: str, **more: str | float | bool) -> dict[str, Any]:
    """Return librdkafka settings for *bootstrap*, with property names written with underscores in *more*."""
    config: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "socket.connection.setup.timeout.ms": 5_000,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "log.connection.close": False,
        "log_level": 2,  # What matters comes back from the calls; librdkafka would tell each of its retries as well.
    }
    config.update({name.replace("_", "."): value for name, value in more.items()})
    return config


def translated(error: KafkaException, doing: str) -> KafkaUnavailableError | KafkaRefusedError | ConflictError:
    """Return our error for librdkafka's *error* while *doing* something."""
    cause = error.args[0]
    text = cause.str() if isinstance(cause, KafkaError) else str(cause)
    code = cause.code() if isinstance(cause, KafkaError) else None
    if code in _UNAVAILABLE or (isinstance(cause, KafkaError) and cause.retriable()):
        return KafkaUnavailableError(f"Kafka did not answer while {doing}: {text}. Check the broker and try again.")
    if code == KafkaError.TOPIC_ALREADY_EXISTS:
        return ConflictError(text)
    return KafkaRefusedError(f"Kafka refused {doing}: {text}")


def wait_until_ready(bootstrap: str, timeout_s: float) -> None:
    """Block until a broker at *bootstrap* answers a metadata request.

    Raises:
        KafkaUnavailableError: None answered within *timeout_s* seconds.
    """
    admin = AdminClient(client_config(bootstrap))
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            admin.list_topics(timeout=min(1.0, max(0.05, deadline - time.monotonic())))
        except KafkaException as error:
            if time.monotonic() >= deadline:
                raise KafkaUnavailableError(
                    f"No Kafka broker answers at {bootstrap} ({error.args[0]}). Check the address and the broker."
                ) from error
        else:
            return


class KafkaAdmin:
    """Questions and requests to the cluster as a whole."""

    def __init__(self, bootstrap: str) -> None:
        self._client = AdminClient(client_config(bootstrap))

    def cluster_id(self) -> str:
        """Return the identity of the cluster (KIP-78).

        Raises:
            KafkaUnavailableError: No broker answered.
        """
        return str(
            self._result(
                self._client.describe_cluster(request_timeout=REQUEST_TIMEOUT_S), "describing the cluster"
            ).cluster_id
        )

    def describe(self, name: str) -> TopicFacts | None:
        """Return what Kafka says of the topic *name*, `None` when there is no such topic."""
        return self.describe_all([name]).get(name)

    def describe_all(self, names: Iterable[str]) -> dict[str, TopicFacts]:
        """Return what Kafka says of those of *names* that exist."""
        wanted = list(names)
        if not wanted:
            return {}
        futures = self._client.describe_topics(TopicCollection(wanted), request_timeout=REQUEST_TIMEOUT_S)
        found = {}
        for name, future in futures.items():
            try:
                topic = future.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise translated(error, f"describing topic {name}") from error
            found[name] = TopicFacts(name, str(topic.topic_id), len(topic.partitions))
        return found

    def topic_names(self) -> set[str]:
        """Return the names of all topics of the cluster."""
        try:
            return set(self._client.list_topics(timeout=REQUEST_TIMEOUT_S).topics)
        except KafkaException as error:
            raise translated(error, "listing the topics") from error

    def create_topic(
        self,
        name: str,
        *,
        partitions: int,
        replication_factor: int,
        config: Mapping[str, str],
        validate_only: bool = False,
    ) -> None:
        """Create a topic, or with *validate_only* ask Kafka whether it would.

        Raises:
            ConflictError: A topic of this name exists.
            KafkaRefusedError: Kafka does not take the name, the numbers or the settings.
            KafkaUnavailableError: No broker answered; the topic may exist all the same.
        """
        topic = NewTopic(name, partitions, replication_factor, config=dict(config))
        futures = self._client.create_topics(
            [topic],
            validate_only=validate_only,
            request_timeout=REQUEST_TIMEOUT_S,
            operation_timeout=REQUEST_TIMEOUT_S,
        )
        self._result(futures[name], f"to create topic {name}")

    def delete_topic(self, name: str) -> None:
        """Delete a topic.

        Raises:
            NotFoundError: There is no such topic.
            KafkaUnavailableError: No broker answered; the topic may be gone all the same.
        """
        future = self._client.delete_topics(
            [name], request_timeout=REQUEST_TIMEOUT_S, operation_timeout=REQUEST_TIMEOUT_S
        )[name]
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise NotFoundError(f"Kafka has no topic {name}") from error
            raise translated(error, f"to delete topic {name}") from error

    def topic_config(self, name: str) -> dict[str, str]:
        """Return the settings of the topic *name* as Kafka applies them, defaults included."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        future = self._client.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_S)[resource]
        entries = self._result(future, f"reading the settings of topic {name}")
        return {entry.name: entry.value for entry in entries.values()}

    @staticmethod
    def _result(future: Future[Any], doing: str) -> Any:
        try:
            return future.result(timeout=2 * REQUEST_TIMEOUT_S)
        except KafkaException as error:
            raise translated(error, doing) from error


class _Batch:
    """Counts the acknowledgements of records that were written together."""

    def __init__(self, size: int) -> None:
        self.done: Future[list[Written]] = Future()
        self._written: list[Written | None] = [None] * size
        self._left = size
        self._error: KafkaError | None = None
        self._lock = threading.Lock()  # A full queue is reported by the sender while acknowledgements come in.

    def acknowledged(self, index: int, error: KafkaError | None, message: Message) -> None:
        """Take the delivery report of the record at *index*; an unread one would hide a lost record."""
        if error is None:
            self._written[index] = Written(*cast("tuple[int, int]", _place(message)[1:]))
        self._settle(1, error)

    def refused(self, error: KafkaError, count: int) -> None:
        """Note that *count* records could not even be queued."""
        self._settle(count, error)

    def _settle(self, count: int, error: KafkaError | None) -> None:
        with self._lock:
            self._error = self._error or error
            self._left -= count
            if self._left:
                return
        if self._error is None:
            self.done.set_result([written for written in self._written if written is not None])
        else:
            self.done.set_exception(translated(KafkaException(self._error), "writing records"))


class RecordWriter:
    """An idempotent producer for all topics of a process, with a thread that collects the acknowledgements.

    Args:
        linger_ms: How long librdkafka waits for more records before it sends a request.
        delivery_timeout_s: Longest wait for an acknowledgement; then the record's outcome is unknown.
    """

    def __init__(self, bootstrap: str, *, linger_ms: float = 0, delivery_timeout_s: float = DELIVERY_TIMEOUT_S) -> None:
        self._delivery_timeout_s = delivery_timeout_s
        self._producer = Producer(
            client_config(
                bootstrap,
                acks="all",
                enable_idempotence=True,
                linger_ms=linger_ms,
                partitioner="murmur2_random",  # Kafka's own default; librdkafka's scatters empty keys.
                message_timeout_ms=int(delivery_timeout_s * 1000),
                queue_buffering_max_messages=500_000,
                queue_buffering_max_kbytes=131_072,
            )
        )
        self._closing = False
        self._thread = threading.Thread(target=self._collect, name="acknowledgements", daemon=True)
        self._thread.start()

    def write(self, topic: str, records: Sequence[OutRecord]) -> Future[list[Written]]:
        """Send *records* in order; the future holds their places once Kafka has acknowledged all of them.

        The future fails with KafkaUnavailableError when one was not acknowledged in time (it may still land), and
        with KafkaRefusedError when Kafka did not take one. Others of the batch may have been written then.
        """
        batch = _Batch(len(records))
        if not records:
            batch.done.set_result([])
        for index, record in enumerate(records):
            try:
                self._producer.produce(topic, record.value, record.key, on_delivery=partial(batch.acknowledged, index))
            except (BufferError, KafkaException) as error:
                cause = error.args[0] if isinstance(error, KafkaException) else KafkaError(KafkaError._QUEUE_FULL)
                batch.refused(cause, len(records) - index)
                break
        return batch.done

    def close(self) -> None:
        """Deliver what is queued, within the delivery bound, and stop the thread."""
        self._producer.flush(self._delivery_timeout_s)
        self._closing = True
        self._thread.join()

    def _collect(self) -> None:
        while not self._closing:
            self._producer.poll(0.2)


def next_batch(consumer: Consumer, *, limit: int, timeout_s: float) -> list[Message]:
    """Return the records at hand, at most *limit*, after waiting at most *timeout_s* for the first one.

    `Consumer.consume` alone would wait the whole time to fill its batch.
    """
    first = consumer.poll(timeout_s)
    if first is None:
        return []
    return [first, *consumer.consume(limit - 1, 0)] if limit > 1 else [first]


def log_consumer(bootstrap: str, topic: str, offset: int, on_error: Callable[[KafkaError], None]) -> Consumer:
    """Return a consumer of partition 0 of *topic* that begins at *offset* and belongs to no group."""
    consumer = Consumer(
        client_config(
            bootstrap,
            group_id=_NO_GROUP,
            enable_auto_commit=False,
            auto_offset_reset="error",  # A missing offset is a finding, not a reason to jump.
            isolation_level="read_uncommitted",  # Every reader sees every record; no transaction can hold it up.
            fetch_wait_max_ms=500,
            allow_auto_create_topics=False,
        )
        | {"error_cb": on_error}
    )
    consumer.assign([TopicPartition(topic, 0, offset)])
    return consumer


def watermarks(bootstrap: str, topic: str, partitions: int = 1) -> dict[int, Watermarks]:
    """Ask the broker for the watermarks of the first *partitions* partitions of a topic.

    By a fresh client on purpose: librdkafka's admin client keeps an outdated leader epoch after a broker was restarted,
    and is refused for ever.

    Raises:
        KafkaUnavailableError: No broker answered.
    """
    consumer = Consumer(client_config(bootstrap, group_id=_NO_GROUP, enable_auto_commit=False))
    try:
        return {partition: Watermarks(*_queried(consumer, topic, partition)) for partition in range(partitions)}
    finally:
        consumer.close()


def _queried(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    doing = f"reading the watermarks of {topic}[{partition}]"
    try:
        found = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=REQUEST_TIMEOUT_S)
    except KafkaException as error:
        raise translated(error, doing) from error
    if found is None:
        raise KafkaUnavailableError(f"Kafka did not answer while {doing}. Check the broker and try again.")
    return found


class TopicsConsumer:
    """One consumer for many topics, with partitions assigned one by one and offsets kept by the caller.

    Reads committed records only. A partition that is at its end says so once, also behind transaction markers and
    gaps of compaction and on an empty partition.
    """

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer(
            client_config(
                bootstrap,
                group_id=_NO_GROUP,
                enable_auto_commit=False,
                enable_partition_eof=True,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                fetch_wait_max_ms=100,  # A partition assigned now is fetched when the request under way has ended.
                fetch_queue_backoff_ms=5,  # By default a full queue pauses fetching for a second.
                queued_min_messages=200_000,
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
        for message in messages:
            error = message.error()
            if error is None:
                records.append(cast("ConsumedRecord", message))
            elif error.code() == KafkaError._PARTITION_EOF:
                ends.append(PartitionEnd(*cast("tuple[str, int, int]", _place(message))))
            else:
                logger.warning("reading %s[%s]@%s: %s", *_place(message), error)
        return Polled(records, ends)


def _place(message: Message) -> tuple[str | None, int | None, int | None]:
    return message.topic(), message.partition(), message.offset()


class Leadership:
    """Elects one process among many: the member of a consumer group that holds the one partition of a topic.

    Membership is static (KIP-345), so that a process that comes back after a kill takes over at once. A leader that
    was paused may believe a moment too long that it still is one; what it does must be conditional on what it sees.

    Args:
        member: Name of this member, the same after a restart.
    """

    SESSION_S = 6.0

    def __init__(self, bootstrap: str, group: str, member: str, topic: str) -> None:
        self._is_assigned = False
        self._polled = time.monotonic()
        self._consumer = Consumer(
            client_config(
                bootstrap,
                group_id=group,
                group_instance_id=member,
                session_timeout_ms=int(self.SESSION_S * 1000),
                heartbeat_interval_ms=1_500,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                allow_auto_create_topics=False,
            )
        )
        self._consumer.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke)

    def is_held(self) -> bool:
        """Return whether this process leads; ask again before every effect, and at least every few seconds."""
        paused_s = time.monotonic() - self._polled
        message = self._consumer.poll(0)
        self._polled = time.monotonic()
        if message is not None and message.error() is not None:
            logger.info("electing the reconciler: %s", message.error())
        # After a pause longer than the session somebody else leads, whether the news has arrived or not.
        return self._is_assigned and paused_s < self.SESSION_S

    def close(self) -> None:
        """Leave the election; a static member keeps its place until its session ends."""
        self._consumer.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._is_assigned = any(partition.partition == 0 for partition in partitions)
        consumer.assign(partitions)
        consumer.pause(partitions)  # The assignment is what matters; the records are read elsewhere.

    def _on_revoke(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._is_assigned = False
