"""Acknowledged writes to many topics, for a process that serves requests: driven by its event loop, not by a thread.

Whoever owns a writer calls `collect` as long as something is under way; acknowledgements are told inside that call.
So nothing is locked, and no thread competes with the one that serves (measured: a thread that collects costs a third
of the requests).

Records are handed to librdkafka topic by topic when `flush` is called, so that requests which come at the same time
share the call: each one takes locks and wakes threads.

There are several producers, and a topic keeps its own ones:

* librdkafka looks topics up in a list at every call that produces: 0.7 µs with a few topics, 20 µs with 2,000. Hence
  a producer for every `TOPICS_EACH` topics.
* It fills its requests up to one limit for all topics, while each topic has a limit of its own for what it takes at
  once. Hence a producer for each limit.
* What comes by the hundred waits a little longer for company than what comes alone: a broker is asked seldom then
  (measured: a third of its time for each record). Hence a producer for bulk.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from core.errors import QuickError, TooLargeError
from core.kafka import client_config, translated
from core.kafka_writer import OutRecord, Written, written_at

logger = logging.getLogger(__name__)

BULK_RECORDS: Final = 20
"""A batch of so many records is bulk."""

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

    def callback(self, index: int) -> Callable[[KafkaError | None, Message | None], None]:
        """Return what takes the delivery report of the record at *index*; an unread one would hide a lost record.

        Without a message it notes that the record was not even taken.
        """
        return partial(self._on_each_delivery, index) if self.each else self._on_delivery

    def _on_delivery(self, error: KafkaError | None, message: Message | None) -> None:
        """Take a delivery report; offsets grow within a partition, so the last one counts."""
        if message is None or error is not None:
            self.error = self.error or _translated(error)
        else:
            offset = message.offset()
            if offset is None or offset < 0:  # As `written_at` tells it, which would make a tuple of each.
                self.is_placed = False
            else:
                self.offsets[message.partition()] = offset  # type: ignore[index]  # a delivered message has a partition
            self.acknowledged += 1
        self._left -= 1
        if not self._left:
            self._done(self)

    def _on_each_delivery(self, index: int, error: KafkaError | None, message: Message | None) -> None:
        if message is None or error is not None:
            self.each[index] = _translated(error)
        else:
            self.each[index] = written_at(message)
        self._on_delivery(error, message)


class _Waiting:
    """Records of one topic that are to be handed over, as librdkafka's client takes them.

    Each one is made into its message at once and not kept beside it: that costs as much as encoding it.
    """

    __slots__ = ("goes_together", "messages")

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.goes_together = True
        """Whether a call for several can take them; it has no place for headers and times."""

    def add(self, records: Sequence[OutRecord], batch: Batch) -> None:
        if any(record[2] or record[3] is not None for record in records):
            self.goes_together = False
            for index, (key, value, headers, timestamp_ms) in enumerate(records):
                message = _message(key, value, batch.callback(index))
                self.messages.append(message | {"headers": list(headers), "timestamp": timestamp_ms or 0})
        elif batch.each:
            self.messages += [
                _message(record[0], record[1], batch.callback(index)) for index, record in enumerate(records)
            ]
        else:
            callback = batch.callback(0)
            self.messages += [{"key": record[0], "value": record[1], "callback": callback} for record in records]


class _LaneKind(NamedTuple):
    """Topics of one kind share a producer."""

    limit_bytes: int
    is_bulk: bool


class _Lane:
    """One producer, the topics that it writes to, and what waits to be handed to it."""

    def __init__(self, new_producer: Callable[[], Producer]) -> None:
        self._new_producer = new_producer
        self.producer = new_producer()
        self.topics = 0
        self.waiting: dict[str, _Waiting] = {}
        self._replaced: list[Producer] = []

    def flush(self) -> None:
        """Hand over what waits, topic by topic."""
        waiting, self.waiting = self.waiting, {}
        for topic, waits in waiting.items():
            produce = _produce_together if waits.goes_together else _produce_each
            produce(self.producer, topic, waits.messages)

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
        bulk_linger_ms: The same for batches of at least `BULK_RECORDS` records.
        delivery_timeout_s: Longest wait for an acknowledgement; then a record's outcome is unknown.
    """

    def __init__(self, bootstrap: str, *, linger_ms: float, bulk_linger_ms: float, delivery_timeout_s: float) -> None:
        self._bootstrap = bootstrap
        self._linger_ms = linger_ms
        self._bulk_linger_ms = bulk_linger_ms
        self._delivery_timeout_s = delivery_timeout_s
        self._lanes: list[_Lane] = []
        self._lane_of: dict[tuple[str, _LaneKind], _Lane] = {}
        self._open: dict[_LaneKind, _Lane] = {}
        self.batches = 0
        """Batches that are under way."""

    def write(
        self, topic: str, records: Sequence[OutRecord], done: Done, *, limit_bytes: int, wants_each: bool = False
    ) -> None:
        """Take *records*, which `flush` sends in order; *done* is called with what became of them.

        Args:
            topic: Name of the Kafka topic.
            records: At least one; an empty batch has no outcome.
            done: Called in `flush` or `collect`; must not raise.
            limit_bytes: What the topic takes at once, its `max.message.bytes`.
            wants_each: Whether the outcome of each record is wanted and not only that of all.
        """
        self.batches += 1
        batch = Batch(len(records), partial(self._finish, done), wants_each=wants_each)
        lane = self._lane(topic, _LaneKind(limit_bytes, len(records) >= BULK_RECORDS))
        waiting = lane.waiting.get(topic)
        if waiting is None:
            waiting = lane.waiting[topic] = _Waiting()
        waiting.add(records, batch)

    def flush(self) -> None:
        """Send what was taken since the last call."""
        for lane in self._lanes:
            if lane.waiting:
                lane.flush()

    def collect(self) -> bool:
        """Send what was taken, take the acknowledgements that have come in; return whether some are still awaited."""
        for lane in self._lanes:
            if lane.waiting:
                lane.flush()
            lane.poll()
        return self.batches > 0

    def close(self, timeout_s: float) -> None:
        """Deliver what is queued, within *timeout_s*."""
        deadline = time.monotonic() + timeout_s
        self.flush()
        for lane in self._lanes:
            lane.close(deadline)

    def _finish(self, done: Done, batch: Batch) -> None:
        self.batches -= 1
        done(batch)

    def _lane(self, topic: str, kind: _LaneKind) -> _Lane:
        known = self._lane_of.get((topic, kind))
        if known is not None:
            return known
        lane = self._open.get(kind)
        if lane is None or lane.topics == TOPICS_EACH:
            lane = self._open[kind] = _Lane(partial(self._new_producer, kind))
            self._lanes.append(lane)
        lane.topics += 1
        self._lane_of[topic, kind] = lane
        return lane

    def _new_producer(self, kind: _LaneKind) -> Producer:
        limit = max(_SMALLEST_LIMIT_BYTES, min(kind.limit_bytes, _LARGEST_LIMIT_BYTES))
        return Producer(
            client_config(
                self._bootstrap,
                acks="all",
                enable_idempotence=True,
                linger_ms=self._bulk_linger_ms if kind.is_bulk else self._linger_ms,
                partitioner="murmur2_random",  # Kafka's own default; librdkafka's scatters empty keys.
                message_timeout_ms=int(self._delivery_timeout_s * 1000),
                message_max_bytes=limit,
                batch_size=min(limit, 1_000_000),
                queue_buffering_max_messages=500_000,
                queue_buffering_max_kbytes=131_072,
            )
        )


def _message(key: bytes | None, value: bytes | None, callback: object) -> dict[str, Any]:
    return {"key": key, "value": value, "callback": callback}


def _produce_together(producer: Producer, topic: str, messages: Sequence[dict[str, Any]]) -> None:
    try:
        queued = producer.produce_batch(topic, messages)  # type: ignore[arg-type]  # a list, without headers
    except (BufferError, KafkaException) as error:
        _fail(messages, error)
        return
    if queued < len(messages):
        for message in messages:
            if (cause := message.get("_error")) is not None:
                _fail([message], cause)


def _produce_each(producer: Producer, topic: str, messages: Sequence[dict[str, Any]]) -> None:
    for number, message in enumerate(messages):
        try:
            producer.produce(
                topic,
                message["value"],
                message["key"],
                on_delivery=message["callback"],
                timestamp=message.get("timestamp", 0),
                headers=message.get("headers"),
            )
        except (BufferError, KafkaException) as error:
            _fail(messages[number:], error)
            return


def _fail(messages: Iterable[dict[str, Any]], error: object) -> None:
    """Note that *messages* were not taken."""
    cause = _cause(error)
    for message in messages:
        message["callback"](cause, None)


def _cause(error: object) -> KafkaError:
    if isinstance(error, KafkaException):
        error = error.args[0]
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError._QUEUE_FULL)


def _translated(error: KafkaError | None) -> QuickError:
    assert error is not None, "told without a message"
    if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE):
        return TooLargeError("Kafka does not take a record of this size. Send a smaller one.")
    return translated(KafkaException(error), "writing records")
