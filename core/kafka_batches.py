"""Acknowledged writes to many topics, for a process that serves requests: driven by its event loop, not by a thread.

Whoever owns a writer calls `collect` as long as something is under way; acknowledgements are told inside that call.
So nothing is locked, and no thread competes with the one that serves (measured: a thread that collects costs a third
of the requests).

librdkafka looks topics up in a list at every call that produces: 0.7 µs with a few topics, 20 µs with 2,000. Hence a
call for a batch, and a producer for every `TOPICS_EACH` topics. It also fills its requests up to one limit for all
topics, while each topic has a limit of its own for what it takes at once; hence a producer for each limit.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from core.errors import QuickError, TooLargeError
from core.kafka import client_config, translated
from core.kafka_writer import OutRecord, Written

logger = logging.getLogger(__name__)

TOPICS_EACH: Final = 64
"""Topics that share a producer."""

KAFKAS_LIMIT_BYTES: Final = 1_048_588
"""What a topic takes at once unless it says otherwise: `message.max.bytes` of a broker."""

_SMALLEST_LIMIT_BYTES: Final = 1_000
_LARGEST_LIMIT_BYTES: Final = 1_000_000_000

Done = Callable[["Batch"], None]


class Batch:
    """Records that were written together, and what became of them.

    Attributes:
        offsets: The last offset in each partition. A partition is missing when Kafka did not say an offset.
        acknowledged: How many records Kafka has acknowledged.
        error: Why the first of the others was not.
        each: What became of each record, where that was asked for; empty otherwise.
    """

    __slots__ = ("_done", "_left", "acknowledged", "each", "error", "is_placed", "offsets", "size")

    def __init__(self, size: int, done: Done, *, wants_each: bool) -> None:
        self.size = size
        self._left = size
        self._done = done
        self.offsets: dict[int, int] = {}
        self.acknowledged = 0
        self.error: QuickError | None = None
        self.is_placed = True
        self.each: list[Written | QuickError | None] = [None] * size if wants_each else []

    def on_delivery(self, error: KafkaError | None, message: Message) -> None:
        """Take a delivery report; offsets grow within a partition, so the last one counts."""
        if error is not None:
            self.fail(error)
            return
        offset = message.offset()
        if offset is None or offset < 0:  # Acknowledged as a repetition that the broker has no place of any more.
            self.is_placed = False
        else:
            self.offsets[message.partition()] = offset  # type: ignore[index]  # a delivered message has a partition
        self.acknowledged += 1
        self._settle(1)

    def on_each_delivery(self, index: int, error: KafkaError | None, message: Message) -> None:
        """Take the delivery report of the record at *index*."""
        self.each[index] = _translated(error) if error is not None else Written(message.partition(), message.offset())  # type: ignore[arg-type]
        self.on_delivery(error, message)

    def fail(self, error: KafkaError, *indexes: int, count: int = 1) -> None:
        """Note that *count* records were not written, or are not known to be."""
        translated_error = _translated(error)
        self.error = self.error or translated_error
        for index in indexes:
            self.each[index] = translated_error
        self._settle(count)

    def _settle(self, count: int) -> None:
        self._left -= count
        if not self._left:
            self._done(self)


class _Lane:
    """One producer, and the topics that it writes to."""

    def __init__(self, new_producer: Callable[[], Producer]) -> None:
        self._new_producer = new_producer
        self.producer = new_producer()
        self.topics = 0
        self._replaced: list[Producer] = []

    def poll(self) -> None:
        for producer in self._replaced:
            with contextlib.suppress(KafkaException):  # A replaced producer tells its end at every call.
                producer.poll(0)
        self._replaced = [producer for producer in self._replaced if len(producer)]
        try:
            self.producer.poll(0)
        except KafkaException as error:
            self._replace(error)

    def _replace(self, fatal: KafkaException) -> None:
        """Go on with a new producer after a *fatal* error: the old one takes nothing any more.

        When several acknowledgements were lost and the broker was restarted, the repetition of the first of them is
        out of sequence for it, and that is fatal to an idempotent producer.
        """
        logger.warning("a producer is replaced; the outcome of what it has not delivered is unknown: %s", fatal)
        self.producer.purge()
        self._replaced.append(self.producer)
        self.producer = self._new_producer()

    def close(self, deadline: float) -> None:
        self.producer.flush(max(0.0, deadline - time.monotonic()))
        for producer in self._replaced:
            producer.purge()


class BatchWriter:
    """Idempotent producers for all data topics of a process. To be used by one thread.

    Args:
        bootstrap: Brokers as `HOST:PORT`.
        linger_ms: How long librdkafka waits for more records before it sends a request.
        delivery_timeout_s: Longest wait for an acknowledgement; then a record's outcome is unknown.
    """

    def __init__(self, bootstrap: str, *, linger_ms: float, delivery_timeout_s: float) -> None:
        self._bootstrap = bootstrap
        self._linger_ms = linger_ms
        self._delivery_timeout_s = delivery_timeout_s
        self._lanes: list[_Lane] = []
        self._lane_of: dict[tuple[str, int], _Lane] = {}
        self._open: dict[int, _Lane] = {}
        self.batches = 0
        """Batches that are under way."""

    def write(
        self, topic: str, records: Sequence[OutRecord], done: Done, *, limit_bytes: int, wants_each: bool = False
    ) -> None:
        """Send *records* in order; *done* is called with what became of them, in here or in `collect`.

        Args:
            topic: Name of the Kafka topic.
            records: At least one; an empty batch has no outcome.
            done: Must not raise.
            limit_bytes: What the topic takes at once, its `max.message.bytes`.
            wants_each: Whether the outcome of each record is wanted and not only that of all.
        """
        self.batches += 1
        batch = Batch(len(records), partial(self._finish, done), wants_each=wants_each)
        producer = self._lane(topic, limit_bytes).producer
        if any(record[2] or record[3] is not None for record in records):  # Headers, or a time of its own.
            _produce_each(producer, topic, records, batch)
        else:
            _produce_together(producer, topic, records, batch)

    def collect(self) -> bool:
        """Take the acknowledgements that have come in; return whether something is still under way."""
        for lane in self._lanes:
            lane.poll()
        return self.batches > 0

    def close(self, timeout_s: float) -> None:
        """Deliver what is queued, within *timeout_s*."""
        deadline = time.monotonic() + timeout_s
        for lane in self._lanes:
            lane.close(deadline)

    def _finish(self, done: Done, batch: Batch) -> None:
        self.batches -= 1
        done(batch)

    def _lane(self, topic: str, limit_bytes: int) -> _Lane:
        known = self._lane_of.get((topic, limit_bytes))
        if known is not None:
            return known
        lane = self._open.get(limit_bytes)
        if lane is None or lane.topics == TOPICS_EACH:
            lane = self._open[limit_bytes] = _Lane(partial(self._new_producer, limit_bytes))
            self._lanes.append(lane)
        lane.topics += 1
        self._lane_of[topic, limit_bytes] = lane
        return lane

    def _new_producer(self, limit_bytes: int) -> Producer:
        limit = max(_SMALLEST_LIMIT_BYTES, min(limit_bytes, _LARGEST_LIMIT_BYTES))
        return Producer(
            client_config(
                self._bootstrap,
                acks="all",
                enable_idempotence=True,
                linger_ms=self._linger_ms,
                partitioner="murmur2_random",  # Kafka's own default; librdkafka's scatters empty keys.
                message_timeout_ms=int(self._delivery_timeout_s * 1000),
                message_max_bytes=limit,
                batch_size=min(limit, 1_000_000),
                queue_buffering_max_messages=500_000,
                queue_buffering_max_kbytes=131_072,
            )
        )


def _produce_together(producer: Producer, topic: str, records: Sequence[OutRecord], batch: Batch) -> None:
    """Hand over records with neither headers nor timestamps, for which a call for a batch has no place."""
    messages: list[dict[str, Any]] = [{"key": record.key, "value": record.value} for record in records]
    if batch.each:
        for index, message in enumerate(messages):
            message["callback"] = partial(batch.on_each_delivery, index)
    try:
        queued = producer.produce_batch(topic, messages, on_delivery=batch.on_delivery)
    except (BufferError, KafkaException) as error:
        batch.fail(_cause(error), *_indexes(batch, range(len(records))), count=len(records))
        return
    if queued < len(records):
        for index, message in enumerate(messages):
            if (cause := message.get("_error")) is not None:
                batch.fail(_cause(cause), *_indexes(batch, (index,)))


def _produce_each(producer: Producer, topic: str, records: Sequence[OutRecord], batch: Batch) -> None:
    for index, record in enumerate(records):
        on_delivery = partial(batch.on_each_delivery, index) if batch.each else batch.on_delivery
        try:
            producer.produce(
                topic,
                record.value,
                record.key,
                on_delivery=on_delivery,
                timestamp=record.timestamp_ms or 0,
                headers=list(record.headers),
            )
        except (BufferError, KafkaException) as error:
            rest = range(index, len(records))
            batch.fail(_cause(error), *_indexes(batch, rest), count=len(rest))
            return


def _indexes(batch: Batch, indexes: Sequence[int]) -> Sequence[int]:
    return indexes if batch.each else ()


def _cause(error: object) -> KafkaError:
    if isinstance(error, KafkaException):
        error = error.args[0]
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError._QUEUE_FULL)


def _translated(error: KafkaError) -> QuickError:
    if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE):
        return TooLargeError("Kafka does not take a record of this size. Send a smaller one.")
    return translated(KafkaException(error), "writing records")
