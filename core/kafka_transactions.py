"""Batches that are written all or nothing, each in a Kafka transaction (KIP-98).

A commit takes some 20 ms, so transactions are for those who ask for them. A transaction that hangs holds up every
reader of committed records, the mirrors among them, until Kafka gives it up; therefore its time is short, and the
name under which it is opened is taken again by the next process, which ends it at once.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Final, NoReturn

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from core.errors import KafkaUnavailableError, StoreError, TooLargeError
from core.kafka import client_config, translated
from core.kafka_writer import OutRecord, Written, written_at

TRANSACTION_TIMEOUT_S: Final = 15.0
"""After this time without its end Kafka gives a transaction up."""

CALL_TIMEOUT_S: Final = 8.0
"""Longest wait for the answer to one step."""

LARGEST_REQUEST_BYTES: Final = 500_000
"""Bytes of records that are sent together, where the topic takes as much at once."""

_SLOTS: Final = 1_000

_CONSEQUENCES: Final = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)
"""What is told of the records around one that Kafka has refused; its own reason may come later."""


class Transactions:
    """Writes transactions one after the other. Blocks, so call it in a thread; not to be shared by threads.

    Args:
        bootstrap: Brokers as `HOST:PORT`.
        folder: Where the names in use are noted; a name belongs to one process at a time.
        prefix: What the names of this machine begin with.
    """

    def __init__(self, bootstrap: str, folder: Path, prefix: str) -> None:
        self._bootstrap = bootstrap
        self._folder = folder
        self._prefix = prefix
        self._lock: IO[str] | None = None
        self._producer: Producer | None = None
        self._request_bytes = LARGEST_REQUEST_BYTES

    def begin(self, topic: str, limit_bytes: int) -> Transaction:
        """Open a transaction on *topic*, which takes *limit_bytes* at once; it has to be ended by `commit` or `abort`.

        Raises:
            KafkaUnavailableError: Kafka did not answer.
        """
        if limit_bytes < self._request_bytes:
            self._give_up()
            self._request_bytes = limit_bytes
        if self._producer is None:
            self._producer = self._new_producer()
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            self._give_up()
            raise translated(error, "beginning a transaction") from error
        return Transaction(self._producer, topic, self._give_up)

    def end_abandoned(self) -> None:
        """End what processes that were killed have left open, so that it holds up no reader.

        Raises:
            KafkaUnavailableError: Kafka did not answer; it gives such transactions up by itself after their time.
        """
        for path in sorted(self._folder.glob("transactions.*")):
            with path.open("a") as file:
                if path.stat().st_size and _is_ours(file):
                    self._producer_of(_slot(file))
                    file.truncate(0)

    def close(self) -> None:
        """Give the name back."""
        self._give_up()
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.close()

    def _new_producer(self) -> Producer:
        """Return a producer under the name of this process, which is noted until it is closed in good order."""
        if self._lock is None:
            self._lock = _first_free(self._folder)
            self._lock.write("in use")
            self._lock.flush()
        return self._producer_of(_slot(self._lock))

    def _producer_of(self, slot: int) -> Producer:
        """Return a producer that has ended what the one before it under the same name left open."""
        producer = Producer(
            client_config(
                self._bootstrap,
                acks="all",
                transactional_id=f"{self._prefix}-{slot}",
                transaction_timeout_ms=int(TRANSACTION_TIMEOUT_S * 1000),
                linger_ms=1,
                partitioner="murmur2_random",
                message_timeout_ms=int(CALL_TIMEOUT_S * 1000),
                message_max_bytes=100_000_000,  # What a topic takes is its own matter: it says so.
                batch_size=max(1, self._request_bytes),
            )
        )
        try:
            producer.init_transactions(CALL_TIMEOUT_S)
        except KafkaException as error:
            raise translated(error, "preparing transactions") from error
        return producer

    def _give_up(self) -> None:
        """Drop the producer; the next one of the same name ends what it has left open."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None


class Transaction:
    """One open transaction on a topic."""

    def __init__(self, producer: Producer, topic: str, give_up: Callable[[], None]) -> None:
        self._producer = producer
        self._topic = topic
        self._give_up = give_up
        self._written: list[Written | None] = []
        self._error: KafkaError | None = None

    def send(self, records: Sequence[OutRecord]) -> None:
        """Add *records*, in order.

        Raises:
            QuickError: Kafka does not take one; the transaction is aborted, nothing of it is visible.
        """
        deadline = time.monotonic() + CALL_TIMEOUT_S
        for record in records:
            index = len(self._written)
            self._written.append(None)
            while not self._queued(record, index):
                if time.monotonic() > deadline:
                    self.abort()
                    raise KafkaUnavailableError("Kafka takes records too slowly; nothing was written. Try again.")
                self._producer.poll(0.05)
        self._producer.poll(0)
        if self._error is not None:
            self._refuse(self._error)

    def commit(self) -> list[Written]:
        """Make all records visible at once and return their places.

        Raises:
            TooLargeError: One is larger than the topic takes; nothing is visible.
            KafkaUnavailableError: Nothing is visible, or, if the text says so, that is unknown.
            KafkaRefusedError: Kafka does not take one; nothing is visible.
        """
        try:
            self._flush()
            if self._error is None:
                self._commit()
        except KafkaException as error:
            self._refuse(error.args[0])
        if self._error is not None:
            self._refuse(self._error)
        return [written for written in self._written if written is not None]

    def abort(self) -> None:
        """Make sure that nothing of it becomes visible.

        What is queued is dropped by the abort itself. Purged before, it would be reported late and fail the next
        transaction (seen: "Purged in queue", "Erroneous state").
        """
        try:
            self._producer.abort_transaction(CALL_TIMEOUT_S)
        except KafkaException:
            self._give_up()

    def _flush(self) -> None:
        """Wait until all is delivered, or something is refused: after that the rest would wait for the abort."""
        deadline = time.monotonic() + CALL_TIMEOUT_S
        while self._producer.flush(0.05) and self._error is None and time.monotonic() < deadline:
            continue

    def _commit(self) -> None:
        deadline = time.monotonic() + CALL_TIMEOUT_S
        while True:
            try:
                self._producer.commit_transaction(max(0.1, deadline - time.monotonic()))
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
                if time.monotonic() > deadline:
                    self._give_up()
                    raise KafkaUnavailableError(
                        "Kafka did not say in time whether the transaction is written: all of its records are, or"
                        " none. Read one of the keys to find out."
                    ) from error
            else:
                return

    def _refuse(self, cause: KafkaError) -> NoReturn:
        if cause.txn_requires_abort() or not cause.fatal():
            self.abort()
        # After a refusal by the broker, librdkafka also drops what the next transaction sends ("Purged in queue").
        self._give_up()
        if cause.code() in _CONSEQUENCES and self._error is not None:
            cause = self._error
        if cause.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE):
            raise TooLargeError("Kafka does not take a record of this size; nothing was written. Send a smaller one.")
        raise translated(KafkaException(cause), "writing a transaction, of which nothing was written")

    def _queued(self, record: OutRecord, index: int) -> bool:
        try:
            self._producer.produce(
                self._topic,
                record.value,
                record.key,
                on_delivery=partial(self._delivered, index),
                timestamp=record.timestamp_ms or 0,
                headers=list(record.headers),
            )
        except BufferError:
            return False
        except KafkaException as error:
            self._refuse(error.args[0])
        return True

    def _delivered(self, index: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._written[index] = written_at(message)
        elif self._error is None or self._error.code() in _CONSEQUENCES:
            self._error = error


def _first_free(folder: Path) -> IO[str]:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(_SLOTS):
        file = (folder / f"transactions.{number}").open("a")
        if _is_ours(file):
            return file
        file.close()
    raise StoreError(f"{_SLOTS} processes write transactions with the folder {folder}. Use another data folder.")


def _is_ours(file: IO[str]) -> bool:
    """Take the lock of *file* until it is closed, and return whether that went well."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _slot(file: IO[str]) -> int:
    return int(Path(file.name).suffix[1:])
