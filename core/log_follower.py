"""Keeps the index of the command log current, and wakes who waits for it.

fold        one process of a machine at a time, elected by a file lock, turns the log into the index
watch       the other processes look at the index that the elected one writes
look around before anything more is folded, confirm that the topic is still the same one
"""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from pathlib import Path
from typing import IO

from confluent_kafka import KafkaError, Message

from core.errors import KafkaUnavailableError, LogError, LogIdentityError, QuickError
from core.kafka_reader import log_consumer, next_batch
from core.log_identity import confirm_last_record, confirm_topic, raise_superseded
from core.log_index import LogEntry, LogIndex
from core.log_topic import LogIdentity, LogTopic

logger = logging.getLogger(__name__)

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


class LogFollower(threading.Thread):
    """Keeps the index current: folds when elected, watches otherwise, and wakes who waits."""

    def __init__(self, topic: LogTopic, identity: LogIdentity, index: LogIndex, lock_path: Path) -> None:
        super().__init__(name=f"log {topic.name}", daemon=True)
        self._topic = topic
        self._identity = identity
        self._index = index
        self._lock = _FoldLock(lock_path)
        self._stopping = threading.Event()
        self._progress = threading.Condition()
        self._folds = 0
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
        while True:
            folds = self._folds
            if (next_offset := self._index.next_offset()) > offset:
                return
            self._raise_failure()
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(
                    f"The index of {self._topic.name} stands at offset {next_offset} and has not reached {offset}."
                    " Try again."
                )
            self._sleep(folds, _WATCH_S)
            if timeout_s is None and self._index.next_offset() > next_offset:
                deadline = time.monotonic() + READ_BACK_TIMEOUT_S

    def wait_for_position(self, above: int, timeout_s: float) -> int:
        """Block until an event with an ID above *above* is accepted or *timeout_s* has passed."""
        deadline = time.monotonic() + timeout_s
        while True:
            folds = self._folds
            self._raise_failure()
            last_id = self._index.max_notification_id() or 0
            if last_id > above or time.monotonic() > deadline:
                return last_id
            self._sleep(folds, _IDLE_WATCH_S)

    def _sleep(self, folds: int, watch_s: float) -> None:
        """Sleep until this process has folded more often than *folds* times; look again soon when another one folds."""
        with self._progress:
            if self._folds == folds:
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
        except Exception as error:  # A thread ends here: who waits for it must learn why.
            logger.exception("the log %s cannot be followed", self._topic.name)
            self.failure = LogError(f"The log {self._topic.name} cannot be followed: {error!r}. Restart this process.")
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
        raise_superseded(self._index)
        self._stopping.wait(_ELECTION_S)

    def _fold_until_stopped(self) -> None:
        consumer = log_consumer(self._topic.bootstrap, self._topic.name, self._index.next_offset(), self._on_error)
        messages: list[Message] = []
        try:
            while not self._stopping.is_set():
                messages = messages or next_batch(consumer, limit=BATCH_RECORDS, timeout_s=0.2)
                if self._look_around(has_news=bool(messages)):
                    self._fold(messages)
                    messages = []
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

    def _look_around(self, *, has_news: bool) -> bool:
        """Return whether the topic is still the one that the index belongs to, as far as that had to be asked.

        What was fetched before an answer came from the topic of that answer at the latest: a consumer goes on in a
        topic that was created again, at the old offset and without a word, so each batch is asked for.
        """
        raise_superseded(self._index)
        now = time.monotonic()
        if not has_news and not self._is_doubtful and now - self._looked_around < LOOK_AROUND_S:
            return True
        try:
            confirm_topic(self._topic, self._identity)
            are_settings_due = now - self._checked_settings >= CHECK_SETTINGS_S
            if self._is_doubtful or are_settings_due:
                confirm_last_record(self._topic, self._index)
                self._is_doubtful = False
            if are_settings_due:
                self._checked_settings = now
                self._topic.check_settings()
        except KafkaUnavailableError:
            self._is_doubtful = True  # The broker is still away; what came from it before must wait.
            return False
        except LogIdentityError as error:
            self._index.mark_superseded(str(error))
            raise
        self._looked_around = now
        return True

    def _wake(self) -> None:
        with self._progress:
            self._folds += 1
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
