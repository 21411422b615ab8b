"""The command log of one process: append, read back, know.

    append      write to Kafka, read the log back up to the record's own offset, and know whether it was accepted
    settle      when Kafka did not acknowledge: append a void and let the log decide
    fold        one process at a time, elected by a file lock, turns the log into the index
    follow      the other processes watch the index that the elected one writes

Everything that decides is in Kafka: the index can be deleted, the lock protects only the local file.
"""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from confluent_kafka import KafkaError, Message

from core.errors import (
    CommandNotRecordedError,
    KafkaUnavailableError,
    LogError,
    LogIdentityError,
    OutcomeUnknownError,
    QuickError,
    UnavailableError,
)
from core.kafka import OutRecord, RecordWriter, log_consumer, next_batch
from core.log_index import LogEntry, LogIndex, Outcome
from core.log_topic import LogIdentity, LogTopic
from core.record import CommandRecord, LogRecord, encode, new_void

logger = logging.getLogger(__name__)

APPEND_TIMEOUT_S = 4.0
"""Longest wait for Kafka's acknowledgement of an append, and again of the void that settles it."""

READ_BACK_TIMEOUT_S = 10.0
"""Longest wait until the index has passed an offset that is known to be in the log."""

BATCH_RECORDS = 10_000
"""Most records that one transaction of the index holds."""

LOOK_AROUND_S = 5.0
"""How often the folding process looks whether the topic is still the same one."""

CHECK_SETTINGS_S = 180.0
"""How often it looks whether somebody has made the topic's settings unsafe."""

_ELECTION_S = 0.2
_WATCH_S = 0.001
_IDLE_WATCH_S = 0.005


class CommandLog:
    """An open command log. Use one per process, topic and data folder, opened after the fork.

    Args:
        topic: The Kafka topic; created when absent.
        folder: Where the index and the lock live; shared by all processes of a machine that read this log.

    Raises:
        UnsafeLogError: The topic's settings could lose commands.
        KafkaUnavailableError: No broker answered.
    """

    def __init__(self, topic: LogTopic, folder: Path) -> None:
        self.topic = topic
        self.identity = topic.ensure()
        self._index = _trusted_index(topic, self.identity, folder)
        self._opened_writer: RecordWriter | None = None
        self._writer_lock = threading.Lock()
        self._follower = _Follower(topic, self.identity, self._index, folder / "fold.lock")
        self._follower.start()
        try:
            self._follower.wait_until_folded(topic.end_offset() - 1, timeout_s=None)
        except BaseException:
            self.close()
            raise

    @property
    def index(self) -> LogIndex:
        """The accepted part of the log."""
        return self._index

    def append(self, record: CommandRecord) -> Outcome | None:
        """Append *record*, read the log back up to it, and return what became of its command id.

        `None` means that it was refused: something it relied on had changed. An outcome with other events is that of
        an earlier append of the same command.

        Raises:
            CommandNotRecordedError: Kafka did not acknowledge it, and it is settled that it never will count.
            OutcomeUnknownError: Kafka did not acknowledge it, and that could not be settled either.
            KafkaRefusedError: Kafka does not take it, for example because it is too large.
            LogError: The log can no longer be followed; nothing was appended.
        """
        if (failure := self.failure()) is not None:
            raise failure
        try:
            offset = self._write(record)
        except KafkaUnavailableError as error:
            return self._settle(record, str(error))
        return self._read_back(record.command_id, offset)

    def prepare_to_append(self) -> None:
        """Make the producer now: the first append would wait half a second for its producer ID."""
        self._writer()

    def outcome(self, command_id: str) -> Outcome | None:
        """Return what is known to have become of *command_id*."""
        return self._index.outcome(command_id)

    def failure(self) -> QuickError | None:
        """Return why this process no longer follows the log, `None` while it does."""
        return self._follower.failure

    def wait_for_position(self, above: int, timeout_s: float) -> int:
        """Block until there are events above the ID *above*, or *timeout_s* has passed; return the last ID."""
        return self._follower.wait_for_position(above, timeout_s)

    def close(self) -> None:
        """Stop following, deliver what is queued, free the lock."""
        self._follower.stop()
        if self._opened_writer is not None:
            self._opened_writer.close()
        self._index.close()

    def _writer(self) -> RecordWriter:
        """Return the producer, made at the first append: many processes only read."""
        with self._writer_lock:
            if self._opened_writer is None:
                self._opened_writer = RecordWriter(self.topic.bootstrap, delivery_timeout_s=APPEND_TIMEOUT_S)
            return self._opened_writer

    def _write(self, record: LogRecord) -> int:
        """Return the offset at which Kafka has acknowledged *record*."""
        # No key on purpose: if somebody switches compaction on, Kafka refuses appends instead of losing commands.
        future = self._writer().write(self.topic.name, [OutRecord(None, encode(record))])
        try:
            return future.result(timeout=2 * APPEND_TIMEOUT_S)[0].offset
        except FutureTimeoutError as error:
            raise KafkaUnavailableError("Kafka did not acknowledge in time. Check the broker.") from error

    def _read_back(self, command_id: str, offset: int) -> Outcome | None:
        try:
            self._follower.wait_until_folded(offset, timeout_s=READ_BACK_TIMEOUT_S)
        except (UnavailableError, LogError) as error:
            raise OutcomeUnknownError(command_id, str(error)) from error
        if not self._index.has_decided(offset, command_id):
            # Our record lies at an offset where this index has read another one: the topic was replaced under us.
            raise OutcomeUnknownError(command_id, f"the log topic {self.topic.name} is not the one that was read")
        return self._index.outcome(command_id)

    def _settle(self, record: CommandRecord, cause: str) -> Outcome:
        """Let the log decide about a record that may still land: it or its void, whichever comes first."""
        try:
            offset = self._write(new_void(record.application, record.command_id))
        except QuickError as error:
            raise OutcomeUnknownError(record.command_id, cause) from error
        outcome = self._read_back(record.command_id, offset)
        assert outcome is not None, "a command id is settled once its void is folded"
        if outcome.is_voided:
            raise CommandNotRecordedError(f"{cause} Nothing was recorded: send it again with a new command id.")
        return outcome


class _Follower(threading.Thread):
    """Keeps the index current: folds when elected, watches otherwise, and wakes who waits."""

    def __init__(self, topic: LogTopic, identity: LogIdentity, index: LogIndex, lock_path: Path) -> None:
        super().__init__(name=f"log {topic.name}", daemon=True)
        self._topic = topic
        self._identity = identity
        self._index = index
        self._lock = _FoldLock(lock_path)
        self._stopping = threading.Event()
        self._progress = threading.Condition()
        self._is_doubtful = False
        self._looked_around = self._checked_settings = time.monotonic()
        self.failure: QuickError | None = None

    # Waiting, in any thread.

    def wait_until_folded(self, offset: int, *, timeout_s: float | None) -> None:
        """Block until the record at *offset* is decided.

        Raises:
            KafkaUnavailableError: *timeout_s* has passed (`None`: wait as long as records keep coming in).
            LogError: The log can no longer be followed.
        """
        deadline = time.monotonic() + (READ_BACK_TIMEOUT_S if timeout_s is None else timeout_s)
        while (next_offset := self._index.next_offset()) <= offset:
            self._raise_failure()
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(
                    f"The index of {self._topic.name} stands at offset {next_offset} and has not reached {offset}."
                    " Try again."
                )
            self._sleep(_WATCH_S)
            if timeout_s is None and self._index.next_offset() > next_offset:
                deadline = time.monotonic() + READ_BACK_TIMEOUT_S

    def wait_for_position(self, above: int, timeout_s: float) -> int:
        """Block until an event with an ID above *above* is accepted or *timeout_s* has passed."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._raise_failure()
            last_id = self._index.max_notification_id() or 0
            if last_id > above or time.monotonic() > deadline:
                return last_id
            self._sleep(_IDLE_WATCH_S)

    def _sleep(self, watch_s: float) -> None:
        """Sleep until this process has folded something; look again soon when another process folds."""
        with self._progress:
            self._progress.wait(0.2 if self._lock.is_held else watch_s)

    def _raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure

    # Following, in this thread.

    def run(self) -> None:
        """Fold when elected, watch otherwise, until stopped or the log cannot be followed any more."""
        try:
            while not self._stopping.is_set():
                if self._lock.acquire():
                    self._fold_until_stopped()
                else:
                    self._watch()
        except QuickError as error:
            logger.error("the log %s cannot be followed: %s", self._topic.name, error)
            self.failure = error
        finally:
            self._lock.release()
            self._wake()

    def stop(self) -> None:
        """End the thread, wherever it stands."""
        self._stopping.set()
        self._wake()
        self.join()

    def _watch(self) -> None:
        """Let another process fold; notice when its index has been given up."""
        _raise_superseded(self._index)
        self._stopping.wait(_ELECTION_S)

    def _fold_until_stopped(self) -> None:
        consumer = log_consumer(self._topic.bootstrap, self._topic.name, self._index.next_offset(), self._on_error)
        try:
            while not self._stopping.is_set():
                messages = next_batch(consumer, limit=BATCH_RECORDS, timeout_s=0.2)
                self._look_around()
                self._fold(messages)
        finally:
            consumer.close()

    def _fold(self, messages: list[Message]) -> None:
        entries = [_entry(message) for message in messages if not self._is_event(message)]
        if entries:
            self._index.fold(entries)
            self._wake()

    def _is_event(self, message: Message) -> bool:
        """Return whether *message* carries an error instead of a record."""
        error = message.error()
        if error is None:
            return False
        logger.warning("reading %s[0]: %s", self._topic.name, error)
        self._is_doubtful = True
        return True

    def _on_error(self, error: KafkaError) -> None:
        """Note that the broker was away: what comes back may be another one. Called by librdkafka in `poll`."""
        logger.info("the log's broker: %s", error)
        self._is_doubtful = True

    def _look_around(self) -> None:
        """Confirm, before anything more is folded, that the topic is still the one that the index belongs to."""
        _raise_superseded(self._index)
        now = time.monotonic()
        if not self._is_doubtful and now - self._looked_around < LOOK_AROUND_S:
            return
        try:
            _confirm_topic(self._topic, self._identity)
            if self._is_doubtful:
                _confirm_last_record(self._topic, self._index)
                self._is_doubtful = False
            if now - self._checked_settings >= CHECK_SETTINGS_S:
                self._checked_settings = now
                self._topic.check_settings()
        except KafkaUnavailableError:
            self._is_doubtful = True  # The broker is still away; nothing new comes from it either.
        except LogIdentityError as error:
            self._index.mark_superseded(str(error))
            raise
        self._looked_around = now

    def _wake(self) -> None:
        with self._progress:
            self._progress.notify_all()


class _FoldLock:
    """Elects the folding process of a machine; the kernel frees the lock of a killed holder at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = path.open("a")
        self.is_held = False

    def acquire(self) -> bool:
        """Return whether this process holds the lock now."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.is_held = True
        return True

    def release(self) -> None:
        """Let another process fold."""
        self.is_held = False
        self._file.close()


def _entry(message: Message) -> LogEntry:
    offset, (_, timestamp_ms) = message.offset(), message.timestamp()
    assert offset is not None, "a consumed record has an offset"
    return LogEntry(offset, timestamp_ms, message.value())


def _trusted_index(topic: LogTopic, identity: LogIdentity, folder: Path) -> LogIndex:
    """Return the index that belongs to *identity*; one that does not match the topic is set aside.

    The index of another cluster or topic lies in a folder of another name, where it stays untouched.
    """
    path = folder / identity.folder_name
    with _exclusive(folder / "open.lock"):  # Two processes that find the same mismatch must not move twice.
        index = LogIndex(path, topic.name)
        try:
            _raise_superseded(index)
            _confirm_last_record(topic, index)
        except LogIdentityError as error:
            index.mark_superseded(str(error))
            index.close()
            aside = path.rename(path.with_name(f"{path.name}.superseded-{time.time_ns()}"))
            logger.warning("%s The index was set aside as %s and is built again.", error, aside)
            return LogIndex(path, topic.name)
        except BaseException:
            index.close()
            raise
    return index


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _raise_superseded(index: LogIndex) -> None:
    if (reason := index.superseded()) is not None:
        raise LogIdentityError(reason)


def _confirm_topic(topic: LogTopic, identity: LogIdentity) -> None:
    found = topic.identity()
    if found is None:
        raise LogIdentityError(f"The log topic {topic.name} was deleted. Restore it, or start with a new data folder.")
    if found != identity:
        raise LogIdentityError(
            f"The log topic {topic.name} is another one now (cluster {found.cluster_id}, topic {found.topic_id}"
            f" instead of {identity.cluster_id}, {identity.topic_id}). Restart to build everything from it."
        )


def _confirm_last_record(topic: LogTopic, index: LogIndex) -> None:
    last = index.last_folded()
    if last is not None:
        topic.check_record(*last)
