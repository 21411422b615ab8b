"""Acknowledged writes: one idempotent producer for all topics of a process."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from core.kafka import client_config, translated
from core.kafka_reader import watermarks

logger = logging.getLogger(__name__)

DELIVERY_TIMEOUT_S = 8.0
"""Longest wait for the acknowledgement of a record; then its outcome is unknown."""


RECORD_BYTES = 80
"""More than what Kafka adds to a record alone in its batch: 61 bytes of the batch, lengths and deltas of the record."""


class OutRecord(NamedTuple):
    """One record to write; `value` is `None` for a tombstone."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int | None = None
    """`None` for the time of writing."""

    def size(self) -> int:
        """Return about how many bytes the record takes in Kafka."""
        inside = sum(len(name.encode()) + len(value or b"") + RECORD_BYTES for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + inside + RECORD_BYTES


class Written(NamedTuple):
    """Where Kafka has put a record."""

    partition: int
    offset: int | None
    """`None` where Kafka has acknowledged a repetition and does not know the place of the record any more: it keeps
    those of the last few batches, and after a restart of fewer."""


def written_at(message: Message) -> Written:
    """Return where Kafka has put an acknowledged record."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None, "an acknowledged record has a partition"
    return Written(partition, None if offset is None or offset < 0 else offset)


def last_offsets(bootstrap: str, topic: str, written: Iterable[Written]) -> dict[int, int]:
    """Return, for each partition of *written*, the offset up to which all of them lie.

    That is the offset of the last one, or where Kafka has not said one, the last that the partition has now.

    Raises:
        KafkaUnavailableError: It has not said one, and no broker answered.
    """
    offsets: dict[int, int] = {}
    unknown = set()
    for partition, offset in written:
        if offset is None:
            unknown.add(partition)
        else:
            offsets[partition] = max(offset, offsets.get(partition, 0))
    if unknown:
        # What an open transaction has written may lie before: whoever reads up to here waits for its end.
        marks = watermarks(bootstrap, topic, max(unknown) + 1, isolation_level="read_uncommitted")
        offsets |= {partition: marks[partition].high - 1 for partition in unknown}
    return offsets


class _Batch:
    """Counts the acknowledgements of records that were written together."""

    def __init__(self, size: int) -> None:
        self.done: Future[list[Written]] = Future()
        # Who gives up waiting must not cancel it: telling a cancelled one its result would end the thread.
        self.done.set_running_or_notify_cancel()
        self._written: list[Written | None] = [None] * size
        self._left = size
        self._error: KafkaError | None = None
        self._lock = threading.Lock()  # A full queue is reported by the sender while acknowledgements come in.

    def acknowledged(self, index: int, error: KafkaError | None, message: Message) -> None:
        """Take the delivery report of the record at *index*; an unread one would hide a lost record."""
        if error is None:
            self._written[index] = written_at(message)
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
        self.bootstrap = bootstrap
        self._linger_ms = linger_ms
        self._delivery_timeout_s = delivery_timeout_s
        self._producer = self._new_producer()
        self._closing = False
        self._thread = threading.Thread(target=self._collect, name="acknowledgements", daemon=True)
        self._thread.start()

    def write(self, topic: str, records: Sequence[OutRecord]) -> Future[list[Written]]:
        """Send *records* in order; the future holds their places once Kafka has acknowledged all of them.

        The future fails with KafkaUnavailableError when one was not acknowledged in time (it may still land), and
        with KafkaRefusedError when Kafka did not take one. Others of the batch may have been written then.
        """
        batch = _Batch(len(records))
        producer = self._producer
        if not records:
            batch.done.set_result([])
        for index, record in enumerate(records):
            try:
                producer.produce(
                    topic,
                    record.value,
                    record.key,
                    on_delivery=partial(batch.acknowledged, index),
                    timestamp=record.timestamp_ms or 0,
                    headers=list(record.headers),
                )
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

    def _new_producer(self) -> Producer:
        return Producer(
            client_config(
                self.bootstrap,
                acks="all",
                enable_idempotence=True,
                linger_ms=self._linger_ms,
                partitioner="murmur2_random",  # Kafka's own default; librdkafka's scatters empty keys.
                message_timeout_ms=int(self._delivery_timeout_s * 1000),
                queue_buffering_max_messages=500_000,
                queue_buffering_max_kbytes=131_072,
            )
        )

    def _collect(self) -> None:
        while not self._closing:
            try:
                self._producer.poll(0.2)
            except KafkaException as error:
                self._replace_producer(error)

    def _replace_producer(self, fatal: KafkaException) -> None:
        """Go on with a new producer after a *fatal* error: the old one takes nothing any more.

        When several acknowledgements were lost and the broker was restarted, the repetition of the first of them is
        out of sequence for it, and that is fatal to an idempotent producer.
        """
        logger.warning("the producer is replaced; the outcome of what it has not delivered is unknown: %s", fatal)
        old, self._producer = self._producer, self._new_producer()
        old.purge()
        deadline = time.monotonic() + self._delivery_timeout_s
        while len(old) and time.monotonic() < deadline:
            with contextlib.suppress(KafkaException):  # It tells its end at every call.
                old.poll(0.1)
